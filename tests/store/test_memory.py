"""The store on SQLite in memory, every await complete at once."""

from collections.abc import Iterator

import pytest

from scrapy_do.store.store import Store, open_store
from tests.store.contract import StoreContract
from tests.store.inline import run_inline
from tests.store.values import Run


class TestMemoryStore(StoreContract):
    """See the contract."""

    @pytest.fixture
    def run(self) -> Run:
        return run_inline

    @pytest.fixture
    def store(self) -> Iterator[Store]:
        store = open_store("sqlite://")
        yield store
        store.close()
