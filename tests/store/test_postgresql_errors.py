"""What the errors of PostgreSQL mean; no server is needed."""

import pytest
from sqlalchemy.exc import OperationalError

from scrapy_do.errors import NoSpace, StoreUnavailable
from scrapy_do.store.database import Database, database_url
from scrapy_do.store.store import open_store

psycopg = pytest.importorskip("psycopg", reason="the extra `postgresql` is not installed")


@pytest.mark.parametrize(
    ("expected", "cause"),
    [
        (NoSpace, psycopg.errors.DiskFull()),
        (StoreUnavailable, psycopg.errors.LockNotAvailable()),
        (StoreUnavailable, psycopg.errors.AdminShutdown()),
        (StoreUnavailable, psycopg.errors.ReadOnlySqlTransaction()),
        (StoreUnavailable, psycopg.OperationalError("connection failed")),
        (OperationalError, psycopg.errors.SyntaxError()),
    ],
)
def test_postgresql(expected: type[Exception], cause: Exception) -> None:
    """What PostgreSQL says is told in the same words as what SQLite says."""
    database = Database(database_url("sqlite://"))
    meant = database.meaning(OperationalError("SELECT 1", {}, cause))
    assert expected is type(meant)
    database.close()


def test_lost_server() -> None:
    """A PostgreSQL server that does not answer makes the store unavailable."""
    with pytest.raises(StoreUnavailable, match="does not answer"):
        open_store("postgresql://nobody@127.0.0.1:1/nothing")
