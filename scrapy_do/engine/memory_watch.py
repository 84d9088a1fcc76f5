"""Measures the memory of crawls once a second, as long as somebody wants to know."""

from collections.abc import Callable, Mapping
from uuid import UUID

from scrapy_do.system.host import Host
from scrapy_do.system.runtime import Delayed, Runtime, background

CHECK_S = 1.0


class MemoryWatch:
    """`crawls` gives the jobs that run, by pid; `found` takes a job and its bytes."""

    def __init__(
        self,
        *,
        runtime: Runtime,
        host: Host,
        crawls: Callable[[], Mapping[int, UUID]],
        found: Callable[[Mapping[UUID, int]], None],
    ) -> None:
        self._reactor = runtime.reactor
        self._host = host
        self._in_thread = runtime.in_thread
        self._crawls = crawls
        self._found = found
        self._timer: Delayed | None = None

    def look(self) -> None:
        """Measure in a second, unless that is about to happen."""
        if self._timer is None or not self._timer.active():
            self._timer = self._reactor.callLater(
                CHECK_S, lambda: background(self._look(), "measuring the crawls")
            )

    def close(self) -> None:
        """Measure no more."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    async def _look(self) -> None:
        jobs = self._crawls()
        sizes = await self._in_thread(lambda: self._host.crawl_memory_bytes(tuple(jobs)))
        self._found({jobs[pid]: size_bytes for pid, size_bytes in sizes.items()})
