"""How far running crawls are: the latest word of each, stored now and then."""

from uuid import UUID

from scrapy_do.protocol.facts import Progress
from scrapy_do.store.store import Store
from scrapy_do.system.runtime import Delayed, Runtime, background

WRITE_S = 1.0


class ProgressBook:
    """Keeps the last progress of each crawl; rows are written at most once in `WRITE_S`."""

    def __init__(self, *, store: Store, runtime: Runtime) -> None:
        self._store = store
        self._reactor = runtime.reactor
        self._latest: dict[UUID, Progress] = {}
        self._call: Delayed | None = None

    def note(self, job_id: UUID, progress: Progress) -> bool:
        """Take what a crawl says; return whether it says something new."""
        is_new = progress != self._latest.get(job_id)
        self._latest[job_id] = progress
        if self._call is None:
            self._call = self._reactor.callLater(
                WRITE_S, lambda: background(self.write(), "writing progress")
            )
        return is_new

    def forget(self, job_id: UUID) -> None:
        """A crawl is over: what its end says counts."""
        self._latest.pop(job_id, None)

    async def write(self) -> None:
        """Store what is known.

        Raises:
            StoreUnavailable, NoSpace: it could not be stored.
        """
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None
        latest = dict(self._latest)
        if latest:
            await self._store.jobs.record_progress(latest)
