"""Kills a scheduler again and again, each time a few milliseconds around a planned instant.

    python -m tests.faults.killing DATABASE POINTS SEED

The process that is killed is the daemon's own store, scheduler and wall-clock alarm on a
reactor and threads of their own, without the rooms that have no part in firing (HTTP,
launchers). It is forked from this process, which has imported everything, so that a point
costs a tenth of a second instead of one. There is always a planned instant close by: the
schedules run every second, each on a grid that is a few milliseconds beside the others'.
"""

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from twisted.internet.defer import Deferred
from twisted.internet.epollreactor import EPollReactor

from scrapy_do.clock import make_wake_up, use_monotonic_seconds
from scrapy_do.control.scheduler import Scheduler, WakeUp
from scrapy_do.core.events import Publisher
from scrapy_do.core.project import ArchiveRef, NewVersion
from scrapy_do.core.schedule import CatchUp, Overlap, Policies, Schedule
from scrapy_do.store.store import open_store
from tests.factories import request
from tests.http_client import completed

SCHEDULES = 25
SECOND = timedelta(seconds=1)
AROUND_S = 0.02
LONG_PAUSE_EVERY = 25
LONG_PAUSE_S = 2.2

POLICIES = (
    Policies(overlap=Overlap.ALLOW, catchup=CatchUp.ALL),
    Policies(overlap=Overlap.ALLOW, catchup=CatchUp.LATEST),
    Policies(overlap=Overlap.ALLOW, catchup=CatchUp.NONE),
    Policies(overlap=Overlap.SKIP),
    Policies(overlap=Overlap.REPLACE),
)


def now() -> datetime:
    return datetime.now(UTC)


def prepare(database: Path) -> None:
    """Make a database with a project and schedules whose grids share out every second."""
    store = open_store(database)
    new = NewVersion(
        project="quotesbot",
        label=None,
        archive=ArchiveRef(digest="0a" * 32, size_bytes=1),
        root="",
        settings_module="quotesbot.settings",
        spiders=("toscrape-css",),
        pushed_at=now(),
        pushed_by="tester",
    )
    completed(store.projects.put_version(new))
    start = now().replace(microsecond=0) + SECOND
    for number in range(SCHEDULES):
        anchor = start + number * SECOND / SCHEDULES
        schedule = Schedule(
            id=UUID(int=number + 1),
            request=request(),
            spec="every second",
            zone="UTC",
            anchor=anchor,
            created_at=anchor,
            changed_at=anchor,
            created_by="tester",
            policies=POLICIES[number % len(POLICIES)],
            next_due=anchor + SECOND,
        )
        completed(store.schedules.add(schedule))
    store.close()


def serve(database: Path, ready: Callable[[], None], *, until: datetime | None = None) -> None:
    """Run store and scheduler as the daemon does; be ready when the first alarm is armed."""
    reactor: Any = EPollReactor()  # type: ignore[no-untyped-call]  # twisted has no types for it
    use_monotonic_seconds(reactor)
    store = open_store(database, reactor=reactor)
    make = partial(make_wake_up, reactor, now)

    class Ready:
        """The alarm, which says when it is armed."""

        def __init__(self, alarm: WakeUp) -> None:
            self._alarm = alarm
            self.close = alarm.close

        def arm(self, instant: datetime | None) -> None:
            self._alarm.arm(instant)
            ready()

    scheduler = Scheduler(
        store=store,
        events=Publisher(),
        wake_controller=lambda: None,
        now=now,
        rng=random.Random(1),
        reactor=reactor,
        make_wake_up=lambda **calls: Ready(make(**calls)),
    )

    async def stop() -> None:
        await scheduler.stop()
        reactor.stop()

    reactor.callWhenRunning(lambda: Deferred.fromCoroutine(scheduler.start()))
    if until is not None:
        left_s = (until - now()).total_seconds()
        reactor.callLater(left_s, lambda: Deferred.fromCoroutine(stop()))
    reactor.run(installSignalHandlers=False)
    store.close()


def spawn(database: Path) -> int:
    """Fork a scheduler and return its process id once it has planned everything."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        said = False

        def ready() -> None:
            nonlocal said
            if not said:
                said = True
                os.write(writing, b"!")

        try:
            serve(database, ready)
        finally:
            os._exit(1)
    os.close(writing)
    if os.read(reading, 1) != b"!":
        raise SystemExit("the scheduler ended by itself")
    os.close(reading)
    return child


def kill_around(child: int, offset_s: float, chance: random.Random) -> None:
    """Kill the process `offset_s` beside a planned instant that is close ahead."""
    gap_s = 1.0 / SCHEDULES
    instant_s = (time.time() // gap_s + 1 + chance.randrange(2)) * gap_s
    while (left_s := instant_s + offset_s - time.time()) > 0:
        time.sleep(left_s)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status):
        raise SystemExit("the scheduler ended by itself")


def main(database: Path, points: int, seed: int) -> None:
    """Kill as often as asked, then let the schedules catch up."""
    chance = random.Random(seed)
    prepare(database)
    for point in range(points):
        child = spawn(database)
        kill_around(child, AROUND_S * (2 * (point + 0.5) / points - 1), chance)
        if point % LONG_PAUSE_EVERY == LONG_PAUSE_EVERY - 1:
            time.sleep(LONG_PAUSE_S)
    serve(database, lambda: None, until=now() + SECOND)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
