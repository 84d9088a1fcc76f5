"""What may be removed from the disk, written down in the transaction that makes it needless.

Note [Nothing unknown is removed]
    The disk is never compared with the database to find what could go: a database that is
    not the one of its data directory would remove everything. What goes is what stands
    here, and here stands only what this database has known. A crash between the
    transaction and the removal loses nothing: the entry stays until the file is gone.
"""

from collections.abc import Iterable
from enum import StrEnum

from sqlalchemy import Connection, delete, select

from scrapy_do.store import tables
from scrapy_do.store.changes import in_batches
from scrapy_do.store.database import Database
from scrapy_do.store.upsert import keeping

_removals = tables.removals


class Removable(StrEnum):
    """The kinds of files that the database names."""

    ARCHIVE = "archive"
    """An archive, by its digest."""
    UPLOAD = "upload"
    """An archive that is being pushed, by its digest: no version needs it yet, or ever."""
    JOB = "job"
    """The files of a job, by its id."""
    SPIDER_DATA = "spider-data"
    """What the crawls of a project have kept, by its name."""


class Removals:
    """The entries; see Note [Nothing unknown is removed]."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self, kind: Removable) -> list[str]:
        """The names of all that may be removed, unless it is needed again meanwhile."""
        query = select(_removals.c.name).where(_removals.c.kind == kind)
        return await self._database.read(lambda connection: [*connection.execute(query).scalars()])

    async def add(self, kind: Removable, name: str) -> None:
        """Note what is about to be made and may never be needed."""
        await self._database.transact(lambda connection: note(connection, kind, [name]))

    async def done(self, kind: Removable, names: Iterable[str]) -> None:
        """Forget what is gone, or is needed again."""
        listed = list(names)
        if listed:
            await self._database.transact(lambda connection: forget(connection, kind, listed))


def note(connection: Connection, kind: Removable, names: Iterable[str]) -> None:
    """Write down what nobody may need any more."""
    rows = [{"kind": kind.value, "name": name} for name in names]
    if rows:
        connection.execute(keeping(connection.dialect.name, _removals), rows)


def forget(connection: Connection, kind: Removable, names: Iterable[str]) -> None:
    """Take back what was noted."""
    for some in in_batches(list(names)):
        connection.execute(
            delete(_removals).where(_removals.c.kind == kind, _removals.c.name.in_(some))
        )
