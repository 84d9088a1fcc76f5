"""The store: everything that must survive a restart, but the files."""

import sqlite3
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import literal, select
from sqlalchemy.exc import DBAPIError

from scrapy_do.core.pairing import Contents, Mark
from scrapy_do.errors import StoreUnavailable, WrongDatabase
from scrapy_do.store.accounts import AccountStore
from scrapy_do.store.audit import Audit
from scrapy_do.store.checksum import note_opened
from scrapy_do.store.cloud_queries import CloudQueries
from scrapy_do.store.collections import Collections
from scrapy_do.store.copies import names_of_copies
from scrapy_do.store.database import (
    BUSY_TIMEOUT_S,
    Database,
    Reactor,
    database_url,
    file_of,
    meaning_of,
)
from scrapy_do.store.frontier import Frontiers
from scrapy_do.store.inspection import Inspected, contents_of, inspect_file
from scrapy_do.store.jobs import Jobs
from scrapy_do.store.marking import Marking, put_mark
from scrapy_do.store.meta import Meta
from scrapy_do.store.migrate import migrate
from scrapy_do.store.overview import Overview, read_overview
from scrapy_do.store.ownership import Owner, Ownership
from scrapy_do.store.projects import Projects
from scrapy_do.store.push_reports import PushReports
from scrapy_do.store.removals import Removals
from scrapy_do.store.schedules import Schedules


class Store:
    """Projects, jobs, schedules, settings, collections and frontiers, over one database.

    Every method of these is one transaction: when the await returns, what was written
    is durable. All of them raise StoreUnavailable when the database does not answer, and
    those that write NoSpace when its disk is full. `events` tells of what they have changed:
    see `core/events.py`. `is_checked` says whether the database
    is known to be whole; see Note [How damage is found].
    """

    def __init__(
        self,
        database: Database,
        *,
        marking: Marking | None = None,
        ownership: Ownership | None = None,
        is_checked: bool = True,
    ) -> None:
        self._database = database
        self.events = database.events
        self._marking = marking
        self._ownership = ownership
        self.is_checked = is_checked
        self.projects = Projects(database)
        self.jobs = Jobs(database)
        self.schedules = Schedules(database)
        self.meta = Meta(database)
        self.push_reports = PushReports(database)
        self.removals = Removals(database)
        self.cloud = CloudQueries(database)
        self.collections = Collections(database)
        self.frontiers = Frontiers(database)
        self.accounts = AccountStore(database)
        self.audit = Audit(database)

    async def overview(self) -> Overview:
        """What the store holds, in numbers."""
        return await self._database.read(read_overview)

    async def size(self) -> tuple[str, int]:
        """What the database is called, without credentials, and how many bytes it takes."""
        return await self._database.read(self._database.size)

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

        The disk failed, the file is damaged, it was moved away, or another daemon owns it.
        """
        return self._database.broken

    @property
    def path(self) -> Path | None:
        """The file of the database, if it is one."""
        return self._database.path

    def lose(self, reason: str) -> None:
        """Use the database no more until the program is started again."""
        self._database.lose(reason)

    async def mark(self) -> None:
        """Go on to the next generation; see Note [Directory and database know each other].

        Raises:
            StoreUnavailable, NoSpace, OSError: it did not come to that.
        """
        if self._marking is not None:
            await self._database.in_turn(self._marking.advance)

    def set_mark(self, mark: Mark) -> None:
        """Set the mark of a database that is no daemon's yet. Blocking."""
        self._database.transact_now(lambda connection: put_mark(connection, mark))

    def prove_ownership(self) -> None:
        """Look whether the database is ours still, and use it no more if it is not. Blocking."""
        taken = None if self._ownership is None else self._ownership.prove()
        if taken is not None:
            self.lose(taken)

    def close(self) -> None:
        """Wait for what runs, then close the database, in order if it is whole. Blocking."""
        self.events.forget()
        self._database.close(None if self._marking is None else self._marking.advance)
        if self._ownership is not None:
            self._ownership.close()


CHANGED = "was changed since the last stop, by another program or a bad disk"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """How a store is tied to its data directory.

    `misfit` says why a database, of which these are the contents, is not the one of the
    directory; `write_mark` sets the mark of the directory; `first_mark` gives the mark to go
    on with to that of the database.
    """

    owner: Owner
    misfit: Callable[[Contents | None], str | None]
    write_mark: Callable[[Mark], None]
    first_mark: Callable[[Mark | None], Mark]


def open_store(
    where: str | Path,
    *,
    reactor: Reactor | None = None,
    busy_timeout_s: float = BUSY_TIMEOUT_S,
    on_broken: Callable[[str], None] | None = None,
    pairing: Pairing | None = None,
) -> Store:
    """Open a database, made or brought to the present schema first.

    `where` is the path of a SQLite file or the URL of a database (`sqlite://` is in
    memory). Without a reactor every await completes at once, in the calling thread.
    `on_broken` is called once when the database can be used no more until a new start.
    Without `pairing` it is anybody's database.

    Raises:
        NewerSchema: a newer version of this program wrote it.
        WrongDatabase: it is damaged, or not ours; nothing was changed.
        DatabaseInUse: another daemon owns it.
        StoreUnavailable: it is locked, or not there.
    """
    url = database_url(where)
    path = file_of(url)
    if path is None and url.get_backend_name() == "sqlite":
        pairing = None  # in memory: it goes with the process
    with ExitStack() as undone:
        ownership = None
        try:
            if path is not None:
                found = inspect_file(path, is_ours=pairing is not None, patience_s=busy_timeout_s)
            else:
                found = Inspected(contents=Contents())
                if pairing is not None:
                    ownership = Ownership(url, pairing.owner)
                    undone.callback(ownership.close)
                    found = Inspected(contents=ownership.take())
        except (sqlite3.Error, DBAPIError) as error:
            raise meaning_of(error)[0] or error from error
        contents = None if found is None else found.contents
        problem = None if pairing is None else pairing.misfit(contents)
        if problem is None and pairing is not None and found is not None and found.is_changed:
            problem = CHANGED
        if problem is not None:
            name = path or url.render_as_string(hide_password=True)
            raise WrongDatabase(f"the database {name} {problem}", names_of_copies(path))
        if path is not None:
            path.touch(mode=0o600)
            note_opened(path)
        database = Database(
            url, reactor=reactor, busy_timeout_s=busy_timeout_s, on_broken=on_broken
        )
        undone.callback(database.close)
        migrate(database)
        if ownership is not None:
            ownership.announce(database)
        marking = None if pairing is None else _begin_marking(database, contents, pairing)
        undone.pop_all()
    return Store(
        database,
        marking=marking,
        ownership=ownership,
        is_checked=found is None or found.is_checked,
    )


def _begin_marking(database: Database, contents: Contents | None, pairing: Pairing) -> Marking:
    """Mark database and directory as a pair that is in use; a full disk keeps no known pair away.

    Raises:
        StoreUnavailable, NoSpace, OSError: they were no pair, and cannot become one.
    """
    before = None if contents is None else contents.mark
    mark = pairing.first_mark(before)
    marking = Marking(database, mark, pairing.write_mark)
    if mark == before:
        marking.try_to_advance()
    else:
        database.transact_now(lambda connection: put_mark(connection, mark))
        marking.advance()
    return marking


def open_beside(where: str | Path) -> Store:
    """Open a database that a daemon is using, for a short transaction or two.

    Its log is left for the daemon to take over.

    Raises:
        StoreUnavailable, NewerSchema: it cannot be used.
    """
    database = Database(database_url(where))
    with ExitStack() as undone:
        undone.callback(database.close)
        database.checkpoint_ourselves(lambda: None)
        contents = database.read_now(contents_of)
        if contents is None or not contents.has_tables:
            raise StoreUnavailable(f"{where} is no database of this program")
        undone.pop_all()
    return Store(database)


def look(where: str) -> Contents | None:
    """What a database says of itself that others may be using; None: another program's.

    Raises:
        StoreUnavailable, NewerSchema: it cannot be read.
    """
    database = Database(database_url(where))
    try:
        return database.read_now(contents_of)
    finally:
        database.close()
