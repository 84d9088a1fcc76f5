"""Whether a data directory and a database belong together, and how one tells.

Note [Directory and database know each other]
    Both carry the same mark: an identity that is made once, and a generation that grows,
    first in the database, then in the directory. It grows at each start, each clean stop,
    each copy, each hour, and whenever what was written to the database was taken over
    from its log. A copy, or a database whose log is missing, is therefore behind its
    directory. A kill between the two steps leaves the database ahead by one, and a new
    one, of generation 0, without anything in its directory.
"""

from dataclasses import dataclass, replace
from typing import Self
from uuid import uuid4


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Which pair it is, and how far it has come."""

    identity: str
    generation: int

    @classmethod
    def new(cls) -> Self:
        """The mark of a pair that nobody has seen before."""
        return cls(identity=uuid4().hex, generation=0)

    def next(self) -> "Mark":
        """The mark of the same pair one step on."""
        return replace(self, generation=self.generation + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a database says of itself; one without tables says nothing.

    `needed` are the digests of the archives that versions or unfinished jobs need, `known`
    all that it has a version of.
    """

    has_tables: bool = False
    mark: Mark | None = None
    needed: frozenset[str] = frozenset()
    known: frozenset[str] = frozenset()


def misfit(
    *, directory: Mark | None, database: Contents | None, stored: frozenset[str], has_files: bool
) -> str | None:
    """Say what keeps a database from being that of a directory; None if nothing does.

    `database` is None when there is none. `stored` are the digests of the archives in the
    directory, `has_files` says whether anything is in it that a database knows of.

    Returns:
        What stands after "the database DATABASE ".
    """
    if database is None or not database.has_tables:
        if directory is None and not has_files:
            return None
        lost = "is missing" if database is None else "is empty"
        return f"{lost}, but the data directory is in use"
    different = _difference(directory, database.mark)
    if different is not None:
        return different
    if database.needed and not database.needed & stored:
        return f"needs {_archives(len(database.needed))}, none of which is in the data directory"
    if directory is None and stored and not stored & database.known:
        return f"knows none of the {_archives(len(stored))} in the data directory"
    return None


def _difference(directory: Mark | None, database: Mark | None) -> str | None:
    if directory is None:
        is_new = database is None or not database.generation
        return None if is_new else "belongs to another data directory: this one never had any"
    if database is None:
        return "is older than its data directory: an earlier version of this program wrote it"
    if database.identity != directory.identity:
        return "belongs to another data directory"
    behind = directory.generation - database.generation
    if behind > 0:
        return (
            f"is older than its data directory by {behind} of {directory.generation} generations: "
            "it is a copy, or the file beside it that ends in -wal is missing"
        )
    if behind < -1:
        return (
            f"is newer than the data directory by {-behind} of {database.generation} generations: "
            "the directory is a copy"
        )
    return None


def _archives(count: int) -> str:
    return "one archive" if count == 1 else f"{count:,} archives"
