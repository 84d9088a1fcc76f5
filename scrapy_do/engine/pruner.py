"""Removes what is old: finished jobs with their files, versions, archives nobody needs.

Runs once after the start and then every hour, and soon after something became
removable. Records and files go together: first the row, then the files, and what a crash
leaves between the two is found by the next run. Files of jobs that nobody knows are looked
for, told of in the log, and left alone: see Note [Nothing unknown is removed] in
`store/removals.py`.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from uuid import UUID

from twisted.logger import Logger

from scrapy_do.files.stores import FileStores
from scrapy_do.store.removals import Removable
from scrapy_do.store.store import Store
from scrapy_do.system.runtime import Delayed, Runtime, background
from scrapy_do.system.service import Farewell

INTERVAL_S = 3600.0
BATCH = 500
MOST_AUDIT_LINES = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long things are kept; None is for ever, or all of them."""

    finished_age_s: float | None
    finished_per_spider: int | None
    finished_in_all: int | None
    versions_per_project: int
    audit_age_s: float | None = None


class Pruner:
    """Keeps the data directory from growing for ever.

    What it cannot do now it does an hour later: no `problem` of the daemon.
    """

    name = "pruner"
    problem = None

    def __init__(
        self,
        *,
        store: Store,
        files: FileStores,
        retention: Retention,
        sweep: Callable[[], Awaitable[None]],
        runtime: Runtime,
    ) -> None:
        self._store = store
        self._artifacts = files.artifacts
        self._trash = files.trash
        self.retention = retention
        self._sweep = sweep
        self._now = runtime.now
        self._reactor = runtime.reactor
        self._in_thread = runtime.in_thread
        self._timer: Delayed | None = None
        self.next_at: datetime | None = None
        self._log = Logger()
        self._strangers = 0

    async def start(self) -> None:
        """Prune now, and again every hour."""
        self._begin()

    def _begin(self) -> None:
        self._timer = self._reactor.callLater(INTERVAL_S, self._begin)
        self.next_at = self._now() + timedelta(seconds=INTERVAL_S)
        background(self._prune(), "pruning")

    async def stop(self, _farewell: Farewell) -> None:
        """Prune no more."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    async def _prune(self) -> None:
        await self.prune()

    async def prune(self) -> int:
        """Remove everything that is past its time; say how many jobs that were."""
        removed = 0
        await self._delete_files()
        while True:
            ids = await self._store.jobs.prunable(
                older_than=self._oldest(),
                per_spider=self.retention.finished_per_spider,
                in_all=self.retention.finished_in_all,
                limit=BATCH,
            )
            if not ids:
                break
            await self._store.jobs.delete(ids)
            await self._delete_files()
            removed += len(ids)
        await self._store.projects.prune_versions(self.retention.versions_per_project)
        age_s = self.retention.audit_age_s
        oldest = None if age_s is None else self._now() - timedelta(seconds=age_s)
        await self._store.audit.prune(older_than=oldest, kept=MOST_AUDIT_LINES)
        await self._sweep()
        await self._in_thread(self._trash.empty)
        await self._look_for_strangers()
        return removed

    def _oldest(self) -> datetime | None:
        age_s = self.retention.finished_age_s
        return None if age_s is None else self._now() - timedelta(seconds=age_s)

    async def _delete_files(self) -> None:
        """Delete the files of jobs whose rows are gone, also those that a crash has left."""
        names = await self._store.removals.all(Removable.JOB)
        for first in range(0, len(names), BATCH):
            batch = names[first : first + BATCH]

            def delete(batch: Sequence[str] = batch) -> None:
                for name in batch:
                    self._artifacts.delete(UUID(name))

            await self._in_thread(delete)
            await self._store.removals.done(Removable.JOB, batch)

    async def _look_for_strangers(self) -> None:
        """Tell of the directories of jobs that nobody knows, whenever there are more of them."""
        directories = self._artifacts.jobs()
        found: list[UUID] = []
        while batch := await self._in_thread(lambda: list(islice(directories, BATCH))):
            found.extend(await self._store.jobs.unknown(batch))
        # A job that was deleted while we looked has had its directory until just now.
        left = await self._in_thread(lambda: [one for one in found if self._artifacts.exists(one)])
        if len(left) > self._strangers:
            self._log.warn(
                "the files of {count} jobs belong to no job of the database; they are left "
                "alone: {job} is one of them",
                count=len(left),
                job=str(left[0]),
            )
        self._strangers = len(left)
