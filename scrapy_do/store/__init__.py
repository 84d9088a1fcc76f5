"""SQL and nothing but SQL: what the daemon must not forget."""

from scrapy_do.store.store import Store, open_store

__all__ = ["Store", "open_store"]
