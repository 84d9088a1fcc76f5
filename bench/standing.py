"""A scheduler to measure: store, scheduler and alarm of the daemon, with schedules.

They run on a reactor and a database file of their own.
"""

import asyncio
import gc
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from twisted.internet.defer import Deferred
from twisted.internet.epollreactor import EPollReactor

from bench.packing import PROJECT
from scrapy_do.core import catchup
from scrapy_do.core.events import Happening, JobChanged
from scrapy_do.core.job import JobRequest
from scrapy_do.core.project import ArchiveRef, NewVersion
from scrapy_do.core.schedule import Overlap, Policies, Schedule, stored_timing
from scrapy_do.engine.scheduler import Scheduler
from scrapy_do.store.store import Store, open_store
from scrapy_do.system.clock import WakeUp, make_wake_up, use_monotonic_seconds
from scrapy_do.system.runtime import Runtime
from scrapy_do.system.service import Farewell

_TICK_S = 0.002
_FREELY = Policies(overlap=Overlap.ALLOW)


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Measured:
    """One run of a scheduler: how late each job was, and how long its turns were."""

    late_s: list[float] = field(default_factory=list)
    armed_after_s: float = 0.0
    longest_turn_s: float = 0.0


class Run:
    """A scheduler on a reactor of its own, until `enough` says so."""

    def __init__(self, database: Path, enough: Callable[[Measured], bool]) -> None:
        self._reactor: Any = EPollReactor()  # type: ignore[no-untyped-call]
        use_monotonic_seconds(self._reactor)
        self._enough = enough
        self._store = open_store(database, reactor=self._reactor)
        self._store.events.subscribe(self._look)
        self._scheduler = Scheduler(
            store=self._store,
            settle=self._settle,
            runtime=replace(
                Runtime.of(self._reactor), rng=random.Random(1), make_wake_up=self._alarm
            ),
        )
        self._found = Measured()
        self._ticked_s = 0.0

    def measure(self) -> Measured:
        """Run, and return what was seen."""
        gc.collect()
        gc.freeze()  # as the daemon does; and what has filled the database is not ours to collect
        self._reactor.callWhenRunning(self._start)
        self._reactor.run(installSignalHandlers=False)
        self._store.close()
        return self._found

    async def _settle(self) -> None:
        """Settle nothing: there are no crawls."""

    def _start(self) -> None:
        self._started_s = self._ticked_s = time.monotonic()
        Deferred.fromCoroutine(self._scheduler.start())
        self._tick()

    def _tick(self) -> None:
        turn_s = time.monotonic() - self._ticked_s - _TICK_S
        self._found.longest_turn_s = max(self._found.longest_turn_s, turn_s)
        self._ticked_s = time.monotonic()
        if self._enough(self._found):
            Deferred.fromCoroutine(self._stop())
        else:
            self._reactor.callLater(_TICK_S, self._tick)

    async def _stop(self) -> None:
        await self._scheduler.stop(Farewell(leave_crawls=True))
        self._reactor.stop()

    def _look(self, happening: Happening) -> None:
        if isinstance(happening, JobChanged) and happening.job.planned_at is not None:
            self._found.late_s.append((now() - happening.job.planned_at).total_seconds())

    def _alarm(self, **calls: Callable[[], None]) -> WakeUp:
        alarm = make_wake_up(self._reactor, now, on_due=calls["on_due"], on_step=calls["on_step"])
        return _Armed(alarm, self._armed)

    def _armed(self) -> None:
        if not self._found.armed_after_s:
            self._found.armed_after_s = time.monotonic() - self._started_s


class _Armed:
    """An alarm that tells when it is armed."""

    def __init__(self, alarm: WakeUp, tell: Callable[[], None]) -> None:
        self._alarm = alarm
        self._tell = tell
        self.close = alarm.close

    def arm(self, instant: datetime | None) -> None:
        self._alarm.arm(instant)
        self._tell()


def schedule(
    spec: str, anchor: datetime, *, zone: str = "UTC", policies: Policies = _FREELY
) -> Schedule:
    """Make a schedule, by default one that may overlap itself."""
    order = Schedule(
        id=uuid4(),
        request=JobRequest(project=PROJECT, spider="noop"),
        timing=stored_timing(spec, zone, anchor=anchor),
        anchor=anchor,
        created_at=anchor,
        changed_at=anchor,
        created_by="bench",
        policies=policies,
    )
    plan = catchup.replan(order, rng=random.Random(1))
    return catchup.planned(order, plan, now=anchor)


def fill(database: Path, orders: Iterable[Schedule]) -> None:
    """Make a database with a project, which has no archive, and these orders."""
    with_store(database, _put_project)
    add(database, orders)


def add(database: Path, orders: Iterable[Schedule]) -> None:
    """Add orders to a database that no daemon uses now."""
    with_store(database, lambda store: _add(store, orders))


def with_store(database: Path, work: Callable[[Store], Any]) -> None:
    store = open_store(database)
    asyncio.run(work(store))
    store.close()


async def _add(store: Store, orders: Iterable[Schedule]) -> None:
    for order in orders:
        await store.schedules.add(order)


async def _put_project(store: Store) -> None:
    new = NewVersion(
        project=PROJECT,
        label=None,
        archive=ArchiveRef(digest="0a" * 32, size_bytes=1),
        root="",
        settings_module=f"{PROJECT}.settings",
        spiders=("noop",),
        pushed_at=now(),
        pushed_by="bench",
    )
    await store.projects.put_version(new)
