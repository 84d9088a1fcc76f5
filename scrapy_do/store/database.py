"""The one way into the database, the same for SQLite and PostgreSQL.

All that differs between the two is here: how a connection is prepared, how a transaction
begins, and what the errors mean.

Note [One writer]
    Every write transaction first takes the one lock of the store: BEGIN IMMEDIATE, or an
    advisory lock on PostgreSQL. What it reads therefore stays true until it commits, and a
    larger `sequence` is always committed later than a smaller one.
"""

import json
import math
import os
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import suppress
from contextvars import copy_context
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DataError, DBAPIError, StatementError
from sqlalchemy.pool import QueuePool, StaticPool
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.threadpool import ThreadPool

from scrapy_do.core.events import Happening, Publisher
from scrapy_do.errors import Invalid, NoSpace, ScrapyDoError, StoreUnavailable
from scrapy_do.protocol.regular_file import make_usable
from scrapy_do.store.checksum import note_closed

BUSY_TIMEOUT_S = 2.0
"""How long a transaction waits for another program's lock."""

QUEUE_LIMIT_S = 2.5
"""How long a transaction may have waited for its turn. With the time above this stays
below the 5 seconds within which every request is answered."""

READERS = 3

POSTGRESQL_LOCK = 0x5C8A9D0
"""The number of the advisory lock: see Note [One writer]."""

_SQLITE_CACHE_KIB = 1024
"""Of each connection: they fill up while the database grows, and that is memory of ours.

The system keeps the file in memory too, and gives that up when somebody needs it."""

_SQLITE_WAL_KEPT_BYTES = 64 * 2**20
_SQLITE_WAL_PAGES = 1000

_log = Logger()
_Result = TypeVar("_Result")
Work = Callable[[Connection], _Result]


class Reactor(Protocol):
    """What the threads need of Twisted's reactor."""

    def seconds(self) -> float:
        """A clock that nobody sets."""
        ...

    def callFromThread(self, call: Callable[..., object], /, *arguments: object) -> None:  # noqa: N802 - Twisted's name
        """Make a call in the thread of the reactor; may be called from any thread."""
        ...


class Database:
    """Runs transactions, each a function of a connection.

    Without a reactor each runs at once in the calling thread: for tests and small tools.
    With one, writes run in one thread and reads in a few others, and results come back
    through the reactor. `broken` says why nothing runs any more: after a failed read,
    write or sync of the disk only a new start of the program can tell what was stored.
    `on_broken` is then called once, in the reactor's thread, with the reason.
    """

    def __init__(
        self,
        url: URL,
        *,
        reactor: Reactor | None = None,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
        on_broken: Callable[[str], None] | None = None,
    ) -> None:
        self.url = url
        self.path = file_of(url)
        self.broken: str | None = None
        self.events = Publisher()
        self._on_broken = on_broken
        self._reactor = reactor
        make = _sqlite_engine if self.is_sqlite else _postgresql_engine
        readers = READERS if reactor else 0
        self._writer = make(self, busy_timeout_s, 1 if reactor else 0, read_only=False)
        self._reader = make(self, busy_timeout_s, readers, read_only=True) if reactor else None
        self._writing = ThreadPool(1, 1, "store-write") if reactor else None
        self._reading = ThreadPool(1, readers, "store-read") if reactor else None
        self._file = None if self.path is None else _identity(self.path)
        self._committed: Callable[[], None] | None = None
        self._is_ours: Callable[[Connection], str | None] | None = None
        for pool in (self._writing, self._reading):
            if pool is not None:
                pool.start()

    @property
    def checkpoints_itself(self) -> bool:
        """Whether SQLite takes its log over by itself."""
        return self._committed is None

    @property
    def is_sqlite(self) -> bool:
        """Whether this is SQLite rather than PostgreSQL."""
        return self.url.get_backend_name() == "sqlite"

    def size(self, connection: Connection) -> tuple[str, int]:
        """The name without credentials, and the size in bytes (with SQLite: without its log)."""
        if self.is_sqlite:
            question = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
        else:
            question = "SELECT pg_database_size(current_database())"
        size_bytes = int(connection.exec_driver_sql(question).scalar_one())
        return self.url.set(username=None, password=None, query={}).render_as_string(), size_bytes

    async def transact(
        self, work: Work[_Result], tell: Callable[[_Result], Iterable[Happening]] | None = None
    ) -> _Result:
        """Run a function in a write transaction; when this returns its work is durable.

        `tell` says of the result what has happened. That is published after the commit and
        before this returns; also when nobody waits for the result any more.

        Raises:
            StoreUnavailable: the database is locked, gone, or refuses; nothing was changed.
            NoSpace: the disk is full; nothing was changed.
            Invalid: a value that the database cannot hold.
        """

        def write() -> _Result:
            result = self.transact_now(work)
            happenings = () if tell is None else tuple(tell(result))
            if happenings and self._reactor is None:
                self._publish(happenings)
            elif happenings and self._reactor is not None:
                self._reactor.callFromThread(self._publish, happenings)
            return result

        return await self._run(self._writing, write)

    def _publish(self, happenings: Iterable[Happening]) -> None:
        for happening in happenings:
            self.events.publish(happening)

    async def read(self, work: Work[_Result]) -> _Result:
        """Run a function that only reads; all it reads is of one moment.

        Raises:
            StoreUnavailable: the database is locked or gone.
        """
        return await self._run(self._reading, lambda: self.read_now(work))

    def transact_now(self, work: Work[_Result]) -> _Result:
        """Run a function in a write transaction in the calling thread."""
        result = self._within(self._writer, self._begin_write, work)
        if self._committed is not None:
            self._committed()
        return result

    def read_now(self, work: Work[_Result]) -> _Result:
        """Run a function that only reads in the calling thread."""
        return self._within(self._reader or self._writer, _begin_read, work)

    async def in_turn(self, work: Callable[[], _Result]) -> _Result:
        """Run a function between two write transactions."""
        return await self._run(self._writing, work)

    def checkpoint_ourselves(self, committed: Callable[[], None]) -> None:
        """Call a function after each transaction: it makes the checkpoints from now on."""
        self._committed = committed
        self._pragma("wal_autocheckpoint = 0")

    def checkpoint(self) -> None:
        """Take SQLite's log over into the file, as far as nobody reads it."""
        self._pragma("wal_checkpoint(PASSIVE)")

    def log_bytes(self) -> int:
        """How large SQLite's log is or was."""
        try:
            return 0 if self.path is None else os.stat(f"{self.path}-wal").st_size  # noqa: PTH116 - quicker
        except FileNotFoundError:
            return 0

    def fence(self, is_ours: Callable[[Connection], str | None]) -> None:
        """Ask in each write transaction whether the database is ours still.

        The answer is why it is not; then nothing is written any more.
        """
        self._is_ours = is_ours

    def _pragma(self, pragma: str) -> None:
        if self.is_sqlite:
            self._within(
                self._writer,
                _begin_nothing,
                lambda connection: connection.exec_driver_sql(f"PRAGMA {pragma}"),
            )

    def _begin_write(self, connection: Connection) -> None:
        """See Note [One writer]."""
        if self.is_sqlite:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            return
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({POSTGRESQL_LOCK})")
        taken = None if self._is_ours is None else self._is_ours(connection)
        if taken is not None:
            self.lose(taken)
            raise StoreUnavailable(taken)

    async def _run(self, pool: ThreadPool | None, call: Callable[[], _Result]) -> _Result:
        reactor = self._reactor
        if pool is None or reactor is None:
            return call()
        latest = reactor.seconds() + QUEUE_LIMIT_S
        context = copy_context()  # see Note [Sight] in `core/sight.py`

        def in_turn() -> _Result:
            if reactor.seconds() > latest:
                raise StoreUnavailable("the database is too busy")
            return context.run(call)

        return await deferToThreadPool(cast("Any", reactor), pool, in_turn)

    def _within(
        self, engine: Engine, begin: Callable[[Connection], None], work: Work[_Result]
    ) -> _Result:
        self._look_at_file()
        if self.broken is not None:
            raise StoreUnavailable(self.broken)
        try:
            with engine.connect() as connection:
                begin(connection)
                result = work(connection)
                connection.commit()
                return result
        except (StatementError, UnicodeEncodeError, OverflowError) as error:
            raise self.meaning(error) from error

    def _look_at_file(self) -> None:
        """Notice that the file was moved away: what is written to it then is lost."""
        if self.path is not None and _identity(self.path) != self._file:
            self.lose(f"the database {self.path} was moved or removed")

    def lose(self, reason: str) -> None:
        """Run nothing any more, and tell whoever wants to know."""
        is_news, self.broken = self.broken is None, reason
        if is_news and self._on_broken is not None and self._reactor is not None:
            self._reactor.callFromThread(self._on_broken, reason)

    def meaning(self, error: Exception) -> Exception:
        """Say in our words what went wrong; what is none of ours is a bug and stays.

        A failure of the disk or a damaged file ends the use of the database.
        """
        meant, broken = meaning_of(error)
        if broken is not None:
            self.lose(broken)
        return meant or error

    def close(self, last: Callable[[], None] | None = None) -> None:
        """Wait for what runs, do one thing more, then close all connections.

        A file that is closed in order is noted to be so.
        """
        for pool in (self._writing, self._reading):
            if pool is not None:
                pool.stop()
        if last is not None and self.broken is None:
            try:
                last()
            except (ScrapyDoError, OSError) as error:
                _log.warn("the last step was not recorded: {problem}", problem=str(error))
        for engine in (self._reader, self._writer):
            if engine is not None:
                engine.dispose()
        if self.path is not None and self.broken is None and _identity(self.path) == self._file:
            with suppress(OSError):  # then the next start checks what it finds
                note_closed(self.path)


def file_of(url: URL) -> Path | None:
    """The file of a SQLite database that is not in memory, wherever links lead to it.

    SQLite's log lies beside the file, not beside a link, and so does what says who owns it.
    """
    if url.get_backend_name() != "sqlite" or url.database in {None, "", ":memory:"}:
        return None
    path = Path(str(url.database))
    return path.resolve() if path.is_symlink() else path


def meaning_of(error: Exception) -> tuple[ScrapyDoError | None, str | None]:
    """What an error of a database means, if it is ours, and why that is broken if it is."""
    cause = getattr(error, "orig", error)
    if isinstance(error, DataError | UnicodeEncodeError | OverflowError):
        return Invalid("a text or a number that the database cannot hold"), None
    if isinstance(cause, RecursionError):
        return Invalid("a value that is nested too deeply for the database"), None
    if isinstance(cause, sqlite3.Error):
        return _sqlite_meaning(cause)
    return _postgresql_meaning(error), None


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file a path leads to, also when a crawl has closed the directory that it is in."""
    try:
        try:
            found = path.stat()
        except PermissionError:
            make_usable(path.parent)
            found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def database_url(where: str | Path) -> URL:
    """The address of a database: a SQLite file, or the URL of either kind.

    PostgreSQL is always spoken to through psycopg.
    """
    if isinstance(where, Path):
        return URL.create("sqlite", database=str(where))
    url = make_url(where)
    return url if url.get_backend_name() == "sqlite" else url.set(drivername="postgresql+psycopg")


def json_text(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """JSON that both databases take: NaN and infinities become null."""
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":"))
    except ValueError:
        return json.dumps(_finite(value), allow_nan=False, separators=(",", ":"))


def json_value(text: str) -> Any:  # noqa: ANN401 - any JSON value
    """The value of JSON that `json_text` made; most of it is empty."""
    if text == "{}":
        return {}
    return [] if text == "[]" else _DECODE(text)


_DECODE = json.JSONDecoder().decode


def _finite(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    match value:
        case float() if not math.isfinite(value):
            return None
        case dict():
            return {key: _finite(item) for key, item in value.items()}
        case list() | tuple():
            return [_finite(item) for item in value]
    return value


def _begin_nothing(_: Connection) -> None:
    """Begin no transaction: some statements want none."""


def _begin_read(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN")
    else:
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")


# --- SQLite ------------------------------------------------------------------------------------


def _sqlite_engine(
    database: Database, busy_timeout_s: float, threads: int, *, read_only: bool
) -> Engine:
    """Connect without the driver's own transactions, and never to a file that is not there."""
    path = database.path
    target = f"file:{quote(str(path))}?mode=rw" if path else ":memory:"

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(
            target,
            uri=bool(path),
            timeout=busy_timeout_s,
            isolation_level=None,
            check_same_thread=False,
        )

    engine = create_engine(
        "sqlite://",
        creator=connect,
        json_serializer=json_text,
        json_deserializer=json_value,
        **_pool(busy_timeout_s, threads),
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        for pragma in (
            "foreign_keys = ON",
            "synchronous = FULL",
            "journal_mode = WAL",
            f"journal_size_limit = {_SQLITE_WAL_KEPT_BYTES}",
            f"wal_autocheckpoint = {_SQLITE_WAL_PAGES if database.checkpoints_itself else 0}",
            f"cache_size = -{_SQLITE_CACHE_KIB}",
            "cell_size_check = ON",
            "trusted_schema = OFF",
            f"query_only = {'ON' if read_only else 'OFF'}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    return engine


def _pool(busy_timeout_s: float, threads: int) -> dict[str, Any]:
    if not threads:
        return {"poolclass": StaticPool}
    return {
        "poolclass": QueuePool,
        "pool_size": threads,
        "max_overflow": 0,
        "pool_timeout": busy_timeout_s,
    }


_SQLITE_DAMAGE = {
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
}
_SQLITE_DISK_FAILURES = {
    sqlite3.SQLITE_IOERR_READ,
    sqlite3.SQLITE_IOERR_WRITE,
    sqlite3.SQLITE_IOERR_FSYNC,
    sqlite3.SQLITE_IOERR_DIR_FSYNC,
}
_SQLITE_REFUSALS = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_AUTH,
    sqlite3.SQLITE_NOMEM,
}


def _sqlite_meaning(error: sqlite3.Error) -> tuple[ScrapyDoError | None, str | None]:
    """What an error means, and why the database is broken if it is."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return None, None
    primary = code & 0xFF
    if primary == sqlite3.SQLITE_FULL:
        return NoSpace(f"the disk of the database is full ({error})"), None
    if primary in _SQLITE_DAMAGE or code in _SQLITE_DISK_FAILURES:
        broken = f"the database cannot be trusted until a new start: {error}"
        return StoreUnavailable(broken), broken
    if primary in _SQLITE_REFUSALS:
        return StoreUnavailable(f"the database does not answer: {error}"), None
    return None, None


# --- PostgreSQL --------------------------------------------------------------------------------


def _postgresql_engine(
    database: Database, busy_timeout_s: float, threads: int, *, read_only: bool
) -> Engine:
    del read_only  # said by each transaction
    options = f"-c lock_timeout={int(busy_timeout_s * 1000)} -c synchronous_commit=on"
    return create_engine(
        database.url,
        json_serializer=json_text,
        pool_pre_ping=True,
        pool_size=threads or 1,
        max_overflow=0,
        pool_timeout=busy_timeout_s,
        connect_args={"options": options, "connect_timeout": max(2, int(busy_timeout_s))},
    )


def _postgresql_meaning(error: Exception) -> ScrapyDoError | None:
    """What an error means. Sources: PostgreSQL, appendix A, error codes by class."""
    state = getattr(getattr(error, "orig", None), "sqlstate", None)
    if state == "53100":
        return NoSpace("the disk of the database is full")
    lost = isinstance(error, DBAPIError) and error.connection_invalidated
    known = state is not None and state[:2] in {"08", "25", "40", "53", "55", "57", "58"}
    operational = type(error).__name__ in {"OperationalError", "InterfaceError"}
    if lost or known or (operational and state is None):
        return StoreUnavailable(f"the database does not answer: {getattr(error, 'orig', error)}")
    return None
