"""What the store says when its database does not do what it should."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from scrapy_do.errors import NoSpace, StoreUnavailable
from scrapy_do.store import tables
from scrapy_do.store.database import QUEUE_LIMIT_S, Database, database_url
from scrapy_do.store.store import Store, open_store
from tests.store.inline import run_inline as run
from tests.store.threads import ThreadReactor

BUSY_TIMEOUT_S = 0.05


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    store = open_store(path, busy_timeout_s=BUSY_TIMEOUT_S)
    run(store.meta.put("scope", {"key": "stored"}))
    yield store
    store.close()


def pragma(store: Store, text: str) -> None:
    """Change the store's own connection."""
    with store._database._writer.connect() as connection:
        connection.exec_driver_sql(f"PRAGMA {text}")


def test_locked(path: Path, store: Store) -> None:
    """While another program holds the lock writes are refused soon, and reads go on."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        before = time.monotonic()
        with pytest.raises(StoreUnavailable, match="database is locked"):
            run(store.meta.put("scope", {"key": "new"}))
        assert time.monotonic() - before < BUSY_TIMEOUT_S + 1
        with pytest.raises(StoreUnavailable, match="database is locked"):
            run(store.ping())
        assert "stored" == run(store.meta.get("scope", "key"))
    run(store.meta.put("scope", {"key": "new"}))
    assert "new" == run(store.meta.get("scope", "key"))


def test_locked_at_the_start(path: Path, store: Store) -> None:
    """A database that another program keeps for itself cannot be opened."""
    store.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreUnavailable, match="database is locked"):
            open_store(path, busy_timeout_s=BUSY_TIMEOUT_S)


def test_full(store: Store) -> None:
    """On a full disk nothing is changed, and all goes on when there is space again."""
    pragma(store, "max_page_count = 1")
    with pytest.raises(NoSpace):
        run(store.meta.put("scope", {"key": "new", "big": "x" * 100_000}))
    assert {"key": "stored"} == run(store.meta.all("scope"))
    pragma(store, "max_page_count = 100000")
    run(store.meta.put("scope", {"big": "x" * 100_000}))
    assert {"key", "big"} == run(store.meta.all("scope")).keys()
    assert store.broken is None


def test_read_only(store: Store) -> None:
    """A database that cannot be written to is unavailable for writes only."""
    pragma(store, "query_only = ON")
    with pytest.raises(StoreUnavailable, match="readonly"):
        run(store.meta.put("scope", {"key": "new"}))
    assert "stored" == run(store.meta.get("scope", "key"))


@pytest.mark.parametrize("instead", [False, True])
def test_moved(path: Path, store: Store, *, instead: bool) -> None:
    """A file that was moved away is noticed; nothing is made or used in its place."""
    path.rename(path.with_name("elsewhere"))
    if instead:
        path.touch()
    with pytest.raises(StoreUnavailable, match="moved or removed"):
        run(store.meta.put("scope", {"key": "new"}))
    with pytest.raises(StoreUnavailable, match="moved or removed"):
        run(store.meta.get("scope", "key"))
    assert f"the database {path} was moved or removed" == store.broken
    assert [b""] * instead == [path.read_bytes() for path in [path] if path.exists()]


@pytest.mark.parametrize(
    "code",
    [
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_IOERR_READ,
        sqlite3.SQLITE_IOERR_WRITE,
        sqlite3.SQLITE_IOERR_FSYNC,
    ],
)
def test_broken(code: int) -> None:
    """After damage or a failed disk nothing is tried again until a new start."""
    database = Database(database_url("sqlite://"))
    error = sqlite3.OperationalError("it failed")
    error.sqlite_errorcode = code
    assert isinstance(database.meaning(error), StoreUnavailable)
    with pytest.raises(StoreUnavailable, match="cannot be trusted until a new start: it failed"):
        database.transact_now(lambda connection: connection)
    database.close()


def test_bug() -> None:
    """What is none of the database's fault is raised as it is, and changes nothing."""
    store = open_store("sqlite://")
    database = store._database
    row = {"scope": "a", "key": "b", "value": 1}
    with pytest.raises(IntegrityError):
        database.transact_now(lambda connection: connection.execute(insert(tables.meta), [row] * 2))
    assert {} == run(store.meta.all("a"))
    error = sqlite3.ProgrammingError("closed")
    assert error is database.meaning(error)
    store.close()


class LateReactor(ThreadReactor):
    """Its clock moves on by more than a transaction may wait, each time it is read."""

    now = 0.0

    def seconds(self) -> float:
        self.now += QUEUE_LIMIT_S + 1
        return self.now


def test_long_queue(path: Path) -> None:
    """What waited too long for its turn is refused instead of making its client wait on."""
    reactor = LateReactor()
    store = open_store(path, reactor=reactor)
    with pytest.raises(StoreUnavailable, match="too busy"):
        reactor.run(store.meta.put("scope", {"key": "new"}))
    store.close()
