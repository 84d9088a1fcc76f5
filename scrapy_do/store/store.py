"""The store: everything that must survive a restart, but the files."""

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import literal, select

from scrapy_do.store.cloud_queries import CloudQueries
from scrapy_do.store.collections import Collections
from scrapy_do.store.database import BUSY_TIMEOUT_S, Database, Reactor, database_url
from scrapy_do.store.frontier import Frontiers
from scrapy_do.store.jobs import Jobs
from scrapy_do.store.meta import Meta
from scrapy_do.store.migrate import migrate
from scrapy_do.store.overview import Overview, read_overview
from scrapy_do.store.projects import Projects
from scrapy_do.store.removals import Removals
from scrapy_do.store.schedules import Schedules


class Store:
    """Projects, jobs, schedules, settings, collections and frontiers, over one database.

    Every method of these is one transaction: when the await returns, what was written
    is durable. All of them raise StoreUnavailable when the database does not answer, and
    those that write NoSpace when its disk is full.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.projects = Projects(database)
        self.jobs = Jobs(database)
        self.schedules = Schedules(database)
        self.meta = Meta(database)
        self.removals = Removals(database)
        self.cloud = CloudQueries(database)
        self.collections = Collections(database)
        self.frontiers = Frontiers(database)

    async def overview(self) -> Overview:
        """What the store holds, in numbers."""
        return await self._database.read(read_overview)

    async def ping(self) -> None:
        """Look whether the database answers and would take a write now.

        Raises:
            StoreUnavailable: it does not; the message says why.
        """
        await self._database.transact(
            lambda connection: connection.execute(select(literal(1))).one()
        )

    @property
    def broken(self) -> str | None:
        """Why nothing can be stored until the program is started again; None while all is well.

        The disk failed, the file is damaged, or it was moved away.
        """
        return self._database.broken

    def close(self) -> None:
        """Wait for what runs, then close the database."""
        self._database.close()


def open_store(
    where: str | Path,
    *,
    reactor: Reactor | None = None,
    busy_timeout_s: float = BUSY_TIMEOUT_S,
    on_broken: Callable[[str], None] | None = None,
) -> Store:
    """Open a database, made or brought to the present schema first.

    `where` is the path of a SQLite file or the URL of a database (`sqlite://` is in
    memory). Without a reactor every await completes at once, in the calling thread.
    `on_broken` is called once when the database can be used no more until a new start.

    Raises:
        NewerSchema: a newer version of this program wrote it.
        StoreUnavailable: it is locked, damaged, not there, or not ours.
    """
    url = database_url(where)
    if isinstance(where, Path):
        where.touch(mode=0o600)
    database = Database(url, reactor=reactor, busy_timeout_s=busy_timeout_s, on_broken=on_broken)
    try:
        migrate(database)
    except BaseException:
        database.close()
        raise
    return Store(database)
