"""Which databases belong to which data directories."""

import pytest

from scrapy_do.core.pairing import Contents, Mark, misfit

OURS = Mark(identity="ours", generation=7)
A, B = "a" * 64, "b" * 64


def contents(mark: Mark | None, needed: str = "", known: str = "") -> Contents:
    return Contents(
        has_tables=True,
        mark=mark,
        needed=frozenset(needed.split()),
        known=frozenset(known.split()),
    )


def mark(generation: int, identity: str = "ours") -> Mark:
    return Mark(identity=identity, generation=generation)


@pytest.mark.parametrize(
    ("directory", "database", "stored", "has_files"),
    [
        (None, None, "", False),  # both are new
        (None, Contents(), "", False),
        (None, contents(mark(0)), "", False),  # killed before the directory was marked
        (None, contents(mark(0), A, A), A, True),
        (None, contents(None, A, A), A, True),  # of an earlier version
        (None, contents(None), "", True),
        (OURS, contents(mark(7)), "", True),
        (OURS, contents(mark(8)), "", True),  # killed between the two
        (OURS, contents(mark(7), A, f"{A} {B}"), f"{A} {B}", True),
        (OURS, contents(mark(7), f"{A} {B}", f"{A} {B}"), A, True),  # one archive is lost
        (OURS, contents(mark(7)), A, True),  # started anew beside older files
    ],
)
def test_pairs(
    *, directory: Mark | None, database: Contents | None, stored: str, has_files: bool
) -> None:
    """New ones fit, those of one generation do, and what a kill may leave of either."""
    found = misfit(
        directory=directory,
        database=database,
        stored=frozenset(stored.split()),
        has_files=has_files,
    )
    assert found is None


@pytest.mark.parametrize(
    ("directory", "database", "stored", "has_files", "problem"),
    [
        (OURS, None, "", False, "is missing, but the data directory is in use"),
        (None, None, A, True, "is missing, but the data directory is in use"),
        (OURS, Contents(), "", False, "is empty, but"),
        (None, Contents(), A, True, "is empty, but"),
        (None, contents(mark(1)), "", False, "belongs to another data directory: this one never"),
        (OURS, contents(None), "", True, "is older than its data directory: an earlier version"),
        (OURS, contents(mark(7, "theirs")), "", True, "belongs to another data directory"),
        (OURS, contents(mark(6)), "", True, "is older than its data directory by 1 of 7 gener"),
        (OURS, contents(mark(0)), "", True, "is older than its data directory by 7 of 7 gener"),
        (OURS, contents(mark(9)), "", True, "is newer than the data directory by 2 of 9 gener"),
        (OURS, contents(mark(7), A, A), "", True, "needs one archive, none of which is"),
        (OURS, contents(mark(7), f"{A} {B}", f"{A} {B}"), "", True, "needs 2 archives, none of"),
        (None, contents(None), A, True, "knows none of the one archive in"),
        (None, contents(None, B, B), A, True, "needs one archive, none of which is"),
    ],
)
def test_misfits(
    *,
    directory: Mark | None,
    database: Contents | None,
    stored: str,
    has_files: bool,
    problem: str,
) -> None:
    """What is missing, empty, somebody else's, older or newer is said to be so."""
    found = misfit(
        directory=directory,
        database=database,
        stored=frozenset(stored.split()),
        has_files=has_files,
    )
    assert found is not None
    assert found.startswith(problem)
