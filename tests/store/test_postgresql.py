"""The store on PostgreSQL: SCRAPY_DO_TEST_POSTGRESQL_URL names a server.

Each test has a database of its own on that server, removed afterwards.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest
from sqlalchemy import Connection, create_engine, make_url

from scrapy_do.errors import StoreUnavailable
from scrapy_do.store import tables
from scrapy_do.store.database import POSTGRESQL_LOCK, database_url
from scrapy_do.store.store import Store, open_store
from tests.store.contract import StoreContract
from tests.store.inline import run_inline
from tests.store.values import Run

SERVER = os.environ.get("SCRAPY_DO_TEST_POSTGRESQL_URL", "")

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not SERVER, reason="SCRAPY_DO_TEST_POSTGRESQL_URL names no server"),
]


class TestPostgresqlStore(StoreContract):
    """See the contract."""

    @pytest.fixture
    def run(self) -> Run:
        return run_inline

    @pytest.fixture
    def store(self) -> Iterator[Store]:
        with new_database() as url:
            store = open_store(url, busy_timeout_s=0.2)
            yield store
            store.close()

    def test_lost_connections(self, store: Store, run: Run) -> None:
        """Connections that the server has ended are made anew."""
        run(store.meta.put("scope", {"key": 1}))
        with other_connection(store) as connection:
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        assert 1 == run(store.meta.get("scope", "key"))

    def test_locked(self, store: Store, run: Run) -> None:
        """While another program holds the lock of the store writes are refused, not reads."""
        run(store.meta.put("scope", {"key": 1}))
        with other_connection(store) as connection:
            connection.exec_driver_sql(f"SELECT pg_advisory_lock({POSTGRESQL_LOCK})")
            with pytest.raises(StoreUnavailable, match="lock timeout"):
                run(store.meta.put("scope", {"key": 2}))
            assert 1 == run(store.meta.get("scope", "key"))
        run(store.meta.put("scope", {"key": 2}))


def test_upgraded_is_fresh() -> None:
    """An upgraded database has the same tables, constraints and indexes as a fresh one."""
    with new_database() as fresh, new_database() as upgraded:
        engine = create_engine(database_url(upgraded))
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        engine.dispose()
        for url in (fresh, upgraded):
            open_store(url).close()
        expected = schema_of(fresh)
        assert set(tables.metadata.tables) == {row[0] for row in expected}
        assert expected == schema_of(upgraded)


COLUMNS = """
SELECT table_name, column_name, data_type, is_nullable, column_default, collation_name
FROM information_schema.columns WHERE table_schema = 'public'
"""
CONSTRAINTS = """
SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
FROM pg_constraint WHERE connamespace = 'public'::regnamespace
"""
INDEXES = "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"


def schema_of(url: str) -> set[tuple[object, ...]]:
    """Columns, constraints and indexes, each with its table."""
    engine = create_engine(database_url(url))
    with engine.connect() as connection:
        rows = [
            tuple(row)
            for query in (COLUMNS, CONSTRAINTS, INDEXES)
            for row in connection.exec_driver_sql(query)
        ]
    engine.dispose()
    return {row for row in rows if row[0] != "alembic_version"}


@contextmanager
def new_database() -> Iterator[str]:
    """Make a database of one's own on the server, and remove it again."""
    name = f"test_{uuid4().hex}"
    engine = create_engine(database_url(SERVER), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    yield make_url(SERVER).set(database=name).render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name}")
    engine.dispose()


@contextmanager
def other_connection(store: Store) -> Iterator[Connection]:
    """Speak to the store's database as another program does."""
    engine = create_engine(store._database.url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection
    engine.dispose()
