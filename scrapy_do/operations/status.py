"""How the daemon is: the facts behind `status.json` and `/healthz`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from scrapy_do.core.filter import StateName
from scrapy_do.errors import ScrapyDoError
from scrapy_do.store.store import Store
from scrapy_do.system.host import Host, Room
from scrapy_do.system.runtime import Runtime


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The daemon and its jobs at one moment.

    `memory_mib` is the daemon's resident memory, `cpu_percent` its use since the last
    question. The counts of ended jobs are since the data directory was made; a lost job
    counts as failed.
    """

    now: datetime
    uptime: timedelta
    hostname: str
    memory_mib: float
    cpu_percent: float
    jobs_run: int
    jobs_successful: int
    jobs_failed: int
    jobs_canceled: int
    pending: int
    running: int
    scheduled: int
    projects: int
    spiders: int
    slots: int
    scheduler_lag_s: float
    room: Room


@dataclass(frozen=True, slots=True, kw_only=True)
class Strain:
    """What everybody should know who looks at anything: None where all is well.

    `late_s` is how late schedules start, `disk_free_bytes` what is left of a disk nearly full.
    """

    late_s: float | None
    disk_free_bytes: int | None


_LATE_S = 60.0
_LITTLE_SHARE = 0.05


class StatusOperations:
    """Answers how the daemon is."""

    def __init__(
        self,
        *,
        store: Store,
        host: Host,
        slots: int,
        scheduler_lag_s: Callable[[], float],
        problems: Callable[[], Mapping[str, str]],
        runtime: Runtime,
    ) -> None:
        self._store = store
        self._host = host
        self.slots = slots
        self._scheduler_lag_s = scheduler_lag_s
        self._problems = problems
        self._now = runtime.now
        self._in_thread = runtime.in_thread
        self._started_at = runtime.now()

    async def status(self) -> Status:
        """The daemon and its jobs now."""
        now = self._now()
        held = await self._store.overview()
        load, room = await self._in_thread(lambda: (self._host.load(), self._host.room()))
        return Status(
            now=now,
            uptime=now - self._started_at,
            hostname=self._host.name,
            memory_mib=load.memory_bytes / 2**20,
            cpu_percent=load.cpu_percent,
            jobs_run=held.ended.run,
            jobs_successful=held.ended.successful,
            jobs_failed=held.ended.failed + held.ended.lost,
            jobs_canceled=held.ended.canceled,
            pending=held.jobs.get(StateName.PENDING, 0),
            running=sum(
                held.jobs.get(name, 0)
                for name in (StateName.STARTING, StateName.RUNNING, StateName.STOPPING)
            ),
            scheduled=held.standing,
            projects=held.projects,
            spiders=held.spiders,
            slots=self.slots,
            scheduler_lag_s=self._scheduler_lag_s(),
            room=room,
        )

    def strain(self) -> Strain:
        """Whether schedules start late, or the disk is nearly full."""
        late_s = self._scheduler_lag_s()
        free, total = self._host.disk()
        return Strain(
            late_s=late_s if late_s > _LATE_S else None,
            disk_free_bytes=free if free < _LITTLE_SHARE * total else None,
        )

    async def problems(self) -> Mapping[str, str]:
        """What is not alive, by name; empty when all is well."""
        problems = dict(self._problems())
        try:
            await self._store.ping()
        except ScrapyDoError as error:
            problems["store"] = str(error)
        return problems
