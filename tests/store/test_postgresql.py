"""The store on PostgreSQL: SCRAPY_DO_TEST_POSTGRESQL_URL names a server.

Each test has a database of its own on that server, removed afterwards.
"""

import os
from collections.abc import Iterator
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, make_url

from scrapy_do.store.database import database_url
from scrapy_do.store.store import Store, open_store
from tests.store.contract import Run, StoreContract
from tests.store.inline import run_inline

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
        name = f"test_{uuid4().hex}"
        engine = create_engine(database_url(SERVER), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        url = make_url(SERVER).set(database=name)
        store = open_store(url.render_as_string(hide_password=False))
        yield store
        store.close()
        with engine.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name}")
        engine.dispose()
