"""Removes what is old: finished jobs with their files, versions, archives nobody needs.

Runs once after the start and then every hour, and soon after something became
removable. Records and files go together: first the row, then the files, and what a crash
leaves between the two is found by the next run, which also looks for files of jobs that
nobody knows.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from scrapy_do.control.background import Delayed, Delays, InThread, background
from scrapy_do.files.artifacts import ArtifactStore
from scrapy_do.store.store import Store

INTERVAL_S = 3600.0
BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long things are kept; None is for ever, or all of them."""

    finished_age_s: float | None
    finished_per_spider: int | None
    finished_in_all: int | None
    versions_per_project: int


class Pruner:
    """Keeps the data directory from growing for ever."""

    def __init__(
        self,
        *,
        store: Store,
        artifacts: ArtifactStore,
        retention: Retention,
        sweep: Callable[[], Awaitable[None]],
        now: Callable[[], datetime],
        reactor: Delays,
        in_thread: InThread,
    ) -> None:
        self._store = store
        self._artifacts = artifacts
        self._retention = retention
        self._sweep = sweep
        self._now = now
        self._reactor = reactor
        self._in_thread = in_thread
        self._timer: Delayed | None = None

    def start(self) -> None:
        """Prune now, and again every hour."""
        self._timer = self._reactor.callLater(INTERVAL_S, self.start)
        background(self._prune(), "pruning")

    def stop(self) -> None:
        """Prune no more."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    async def _prune(self) -> None:
        await self.prune()

    async def prune(self) -> int:
        """Remove everything that is past its time; say how many jobs that were."""
        removed = 0
        while True:
            ids = await self._store.jobs.prunable(
                older_than=self._oldest(),
                per_spider=self._retention.finished_per_spider,
                in_all=self._retention.finished_in_all,
                limit=BATCH,
            )
            if not ids:
                break
            await self._store.jobs.delete(ids)
            await self._in_thread(lambda ids=tuple(ids): self._delete_files(ids))  # type: ignore[misc]  # bound now
            removed += len(ids)
        await self._store.projects.prune_versions(self._retention.versions_per_project)
        await self._sweep()
        return removed

    def _oldest(self) -> datetime | None:
        age_s = self._retention.finished_age_s
        return None if age_s is None else self._now() - timedelta(seconds=age_s)

    def _delete_files(self, ids: tuple[UUID, ...]) -> None:
        for job_id in ids:
            self._artifacts.delete(job_id)
