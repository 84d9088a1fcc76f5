"""Measures the scheduler: how exact it fires, and what many schedules cost.

`python -m bench.schedules [FIRINGS]` prints a table. Store, scheduler and alarm are those of
the daemon, on a reactor and a database file of their own; the last rows are of a whole daemon
with real crawls.
"""

import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from twisted.internet.defer import Deferred
from twisted.internet.epollreactor import EPollReactor

from bench.asking import percentile
from bench.packing import PROJECT
from bench.systems import ScrapyDo
from scrapy_do.clock import make_wake_up, use_monotonic_seconds
from scrapy_do.control.scheduler import Scheduler, WakeUp
from scrapy_do.control.standing import planned
from scrapy_do.core import catchup
from scrapy_do.core.events import Happening, JobChanged, Publisher
from scrapy_do.core.job import JobRequest
from scrapy_do.core.project import ArchiveRef, NewVersion
from scrapy_do.core.schedule import Overlap, Policies, Schedule
from scrapy_do.store.store import Store, open_store

SECOND = timedelta(seconds=1)
TICK_S = 0.002
MANY = 10_000
TOGETHER = 1_000
CRAWLS = 20
KINDS = (
    "every 10 minutes",
    "every 2 to 3 hours",
    "every day at 02:30",
    "every hour at :30",
    "cron 0 5 * * 1-5",
    "every 3 weeks",
)
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "UTC")

Row = tuple[str, str, str]


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Measured:
    """One run of a scheduler: what it fired and when, and how long its turns were."""

    late_s: list[float]
    committed: datetime | None = None
    armed_after_s: float = 0.0
    longest_turn_s: float = 0.0


class Run:
    """A scheduler on a reactor of its own, until `enough` says so."""

    def __init__(self, database: Path, enough: Callable[[Measured], bool]) -> None:
        self._reactor: Any = EPollReactor()
        use_monotonic_seconds(self._reactor)
        self._enough = enough
        self._store = open_store(database, reactor=self._reactor)
        events = Publisher()
        events.subscribe(self._look)
        self._scheduler = Scheduler(
            store=self._store,
            events=events,
            wake_controller=lambda: None,
            now=now,
            rng=random.Random(1),
            reactor=self._reactor,
            make_wake_up=self._alarm,
        )
        self._found = Measured(late_s=[])
        self._ticked_s = 0.0

    def measure(self) -> Measured:
        """Run, and return what was seen."""
        self._reactor.callWhenRunning(self._start)
        self._reactor.run(installSignalHandlers=False)
        self._store.close()
        return self._found

    def _start(self) -> None:
        self._started_s = self._ticked_s = time.monotonic()
        Deferred.fromCoroutine(self._scheduler.start())
        self._tick()

    def _tick(self) -> None:
        turn_s = time.monotonic() - self._ticked_s - TICK_S
        self._found.longest_turn_s = max(self._found.longest_turn_s, turn_s)
        self._ticked_s = time.monotonic()
        if self._enough(self._found):
            Deferred.fromCoroutine(self._stop())
        else:
            self._reactor.callLater(TICK_S, self._tick)

    async def _stop(self) -> None:
        await self._scheduler.stop()
        self._reactor.stop()

    def _look(self, happening: Happening) -> None:
        if isinstance(happening, JobChanged) and happening.job.planned_at is not None:
            self._found.committed = now()
            late = self._found.committed - happening.job.planned_at
            self._found.late_s.append(late.total_seconds())

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


# --- the orders ----------------------------------------------------------------------------------


def schedule(spec: str, anchor: datetime, zone: str = "UTC") -> Schedule:
    """Make a standing order that may overlap itself."""
    order = Schedule(
        id=uuid4(),
        request=JobRequest(project=PROJECT, spider="noop"),
        spec=spec,
        zone=zone,
        anchor=anchor,
        created_at=anchor,
        changed_at=anchor,
        created_by="bench",
        policies=Policies(overlap=Overlap.ALLOW),
    )
    plan = catchup.replan(catchup.order_of(order), rng=random.Random(1))
    return planned(order, plan, now=anchor)


def fill(database: Path, orders: Iterator[Schedule]) -> None:
    """Make a database with a project and these orders."""
    store = open_store(database)
    asyncio.run(_fill(store, orders))
    store.close()


async def _fill(store: Store, orders: Iterator[Schedule]) -> None:
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
    for order in orders:
        await store.schedules.add(order)


# --- the measurements ----------------------------------------------------------------------------


def accuracy(root: Path, firings: int) -> Iterator[Row]:
    """Fire one after the other, a twentieth of a second apart."""
    start = now().replace(microsecond=0) + 2 * SECOND
    fill(root / "accuracy", (schedule("every second", start + n * SECOND / 20) for n in range(20)))
    found = Run(root / "accuracy", lambda seen: len(seen.late_s) >= firings).measure()
    yield f"{firings} firings: early", str(sum(late < 0 for late in found.late_s)), "0"
    yield "planned to committed, p50", _ms(percentile(found.late_s, 0.5)), ""
    yield "planned to committed, p99", _ms(percentile(found.late_s, 0.99)), "50 ms"
    yield "planned to committed, max", _ms(max(found.late_s)), "250 ms"


def many(root: Path) -> Iterator[Row]:
    """Load and plan schedules of all kinds."""
    made = now().replace(microsecond=0) - SECOND
    orders = (schedule(KINDS[n % len(KINDS)], made, ZONES[n % len(ZONES)]) for n in range(MANY))
    fill(root / "many", orders)
    found = Run(root / "many", lambda seen: seen.armed_after_s > 0).measure()
    yield f"{MANY} schedules loaded and planned", _ms(found.armed_after_s), "2000 ms"
    yield "longest turn of the reactor meanwhile", _ms(found.longest_turn_s), "50 ms"


def together(root: Path) -> Iterator[Row]:
    """Fire a thousand that are due in one second."""
    start = now().replace(microsecond=0) + 10 * SECOND
    orders = (schedule("every hour", start - 3600 * SECOND) for _ in range(TOGETHER))
    fill(root / "together", orders)
    found = Run(root / "together", lambda seen: len(seen.late_s) >= TOGETHER).measure()
    yield f"{TOGETHER} due at once, all committed after", _ms(max(found.late_s)), "1000 ms"
    yield "longest turn of the reactor meanwhile", _ms(found.longest_turn_s), "50 ms"


def crawls(root: Path) -> Iterator[Row]:
    """Let a daemon fire real crawls, three seconds apart."""
    system = ScrapyDo(others=())
    system.start(root / "daemon", slots=2)
    try:
        system.push()
        form = {
            "project": PROJECT,
            "spider": "noop",
            "when": "every 3 seconds",
            "overlap": "allow",
            "max-runs": str(CRAWLS),
        }
        order = system.client.post("/schedule-job.json", form)["identifier"]
        while (jobs := _finished(system, order)) is None:
            time.sleep(1)
    finally:
        system.stop()
    late_s = [
        (datetime.fromisoformat(job["started"]) - datetime.fromisoformat(job["planned"])) / SECOND
        for job in jobs
    ]
    yield (
        f"{CRAWLS} crawls: planned to the start of the process, p50",
        _ms(percentile(late_s, 0.5)),
        "",
    )
    yield "planned to the start of the process, max", _ms(max(late_s)), "250 ms"


def _finished(system: ScrapyDo, order: str) -> list[dict[str, Any]] | None:
    jobs = system.client.get(f"/list-schedule-history.json?id={order}&limit=1000")["jobs"]
    ended = [job for job in jobs if job["finished"]]
    return ended if len(ended) == CRAWLS else None


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def main() -> None:
    firings = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        for rows in (accuracy(root, firings), many(root), together(root), crawls(root)):
            for what, found, bound in rows:
                print(f"{what:<60} {found:>10}   {bound and f'bound {bound}'}", flush=True)


if __name__ == "__main__":
    main()
