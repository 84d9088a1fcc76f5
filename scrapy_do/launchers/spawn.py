"""A fresh interpreter per crawl: slow to start, nothing in memory between crawls.

The reference for the fork server, and the answer when a project cannot be forked.
"""

from collections.abc import Mapping
from types import MappingProxyType

from scrapy_do.launchers.interpreters import Child, start_interpreter
from scrapy_do.protocol.wire import CRAWL_ORDER, LISTING_ORDER, MARK
from scrapy_do.system.runtime import Runtime

MODULES: Mapping[bytes, str] = MappingProxyType(
    {
        CRAWL_ORDER: "scrapy_do.crawl.holder",
        LISTING_ORDER: "scrapy_do.crawl.list_spiders",
    }
)


class Spawner:
    """Starts an interpreter per order; implements `Starter`."""

    def __init__(self, runtime: Runtime, environment: Mapping[str, str]) -> None:
        self._runtime = runtime
        self._environment = environment
        self._children: set[Child] = set()

    def begin(self, order: bytes, python: str, mark: str, source: int, sink: int) -> None:
        """Start the module that does what is ordered."""
        process = start_interpreter(
            python,
            MODULES[order],
            environment={**self._environment, MARK: mark},
            descriptors={0: source, 1: sink},
        )
        self._children.add(Child(self._runtime.reactor, process, self._children.discard))

    def give_up(self, python: str, ordered_s: float) -> None:
        """Do nothing: each order has an interpreter of its own."""

    async def stop(self) -> None:
        """Let go of the holders; they do not need us."""
        for child in self._children:
            child.let_go()
        self._children.clear()
