"""Measures the memory of crawls once a second, as long as somebody wants to know."""

from collections.abc import Callable, Mapping
from typing import Protocol
from uuid import UUID

from scrapy_do.system.runtime import Delayed, Runtime, background

CHECK_S = 1.0


class MeasureMemory(Protocol):
    """Measures the process trees of crawls off the reactor thread."""

    async def __call__(self, pids: tuple[int, ...], /) -> dict[int, int]:
        """Bytes by pid; a process that is gone is absent."""
        ...


class MemoryWatch:
    """`crawls` gives the jobs that run, by pid; `found` takes a job and its bytes."""

    def __init__(
        self,
        *,
        runtime: Runtime,
        measure: MeasureMemory,
        crawls: Callable[[], Mapping[int, UUID]],
        found: Callable[[Mapping[UUID, int]], None],
    ) -> None:
        self._reactor = runtime.reactor
        self._measure = measure
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
        sizes = await self._measure(tuple(jobs))
        self._found({jobs[pid]: size_bytes for pid, size_bytes in sizes.items()})
