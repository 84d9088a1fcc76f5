"""Kills a daemon again and again, each time a few milliseconds around a planned instant.

    python -m tests.faults.killing POINTS SEED

It is the whole daemon, configured by the environment and run as `scrapy-do serve` runs it.
It is forked from this process, which has imported everything, so that a life costs a fifth
of a second instead of two. There is always a planned instant close by: the schedules run
every second, each on a grid that is a few milliseconds beside the others'.
"""

import os
import random
import signal
import sys
import time
import traceback
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn
from uuid import UUID

from twisted.internet import epollreactor

from scrapy_do.config import Config, load
from scrapy_do.core.job import JobRequest
from scrapy_do.core.schedule import CatchUp, Overlap, Policies, Schedule
from scrapy_do.daemon import run
from scrapy_do.store.store import open_store
from tests.factories import timing
from tests.http_client import completed

SCHEDULES = 25
SECOND = timedelta(seconds=1)
GAP_S = 1.0 / SCHEDULES
AROUND_S = 0.02

START_EVERY = 6
"""Every so often the daemon is killed while it starts, at one of these instants after the fork."""

INSTANTS_OF_START = 8
LONG_PAUSE_EVERY = 25
LONG_PAUSE_S = 2.2

POLICIES = (
    Policies(overlap=Overlap.ALLOW, catchup=CatchUp.ALL),
    Policies(overlap=Overlap.ALLOW, catchup=CatchUp.LATEST),
    Policies(overlap=Overlap.ALLOW, catchup=CatchUp.NONE),
    Policies(overlap=Overlap.SKIP),
    Policies(overlap=Overlap.REPLACE),
)


def give_orders(database: Path, request: JobRequest) -> None:
    """Add schedules whose grids share out every second."""
    store = open_store(database)
    start = datetime.now(UTC).replace(microsecond=0) + SECOND
    for number in range(SCHEDULES):
        anchor = start + number * SECOND / SCHEDULES
        schedule = Schedule(
            id=UUID(int=number + 1),
            request=request,
            timing=timing("every second"),
            anchor=anchor,
            created_at=anchor,
            changed_at=anchor,
            created_by="tester",
            policies=POLICIES[number % len(POLICIES)],
            next_due=anchor + SECOND,
        )
        completed(store.schedules.add(schedule))
    store.close()


def serve(config: Config, output: int) -> NoReturn:
    """Be a daemon that prints to a descriptor, with a reactor of its own."""
    os.dup2(output, sys.stdout.fileno())
    try:
        # An import of ours has installed one, whose descriptors would be shared.
        del sys.modules["twisted.internet.reactor"]
        epollreactor.install()  # type: ignore[no-untyped-call]  # twisted has no types for it
        run(config, dict(os.environ), lambda: config)
    finally:
        traceback.print_exc()
        os._exit(1)


class Daemon:
    """A forked daemon."""

    def __init__(self, config: Config) -> None:
        self._output, writing = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            serve(config, writing)
        os.close(writing)

    def wait_until_ready(self) -> None:
        if not os.read(self._output, 1):
            raise SystemExit("the daemon ended by itself")

    def kill_at(self, instant_s: float) -> None:
        while (left_s := instant_s - time.time()) > 0:
            time.sleep(left_s)
        os.kill(self._pid, signal.SIGKILL)
        os.close(self._output)
        _, status = os.waitpid(self._pid, 0)
        if not os.WIFSIGNALED(status):
            raise SystemExit("the daemon ended by itself")


def main(points: int, seed: int) -> None:
    """Kill as often as asked."""
    config = load(None, dict(os.environ))
    chance = random.Random(seed)
    for point in range(points):
        daemon = Daemon(config)
        starts = point % START_EVERY == START_EVERY - 1
        if not starts:
            daemon.wait_until_ready()
        ahead = chance.randrange(INSTANTS_OF_START if starts else 2)
        instant_s = (time.time() // GAP_S + 1 + ahead) * GAP_S
        daemon.kill_at(instant_s + AROUND_S * (2 * (point + 0.5) / points - 1))
        if point % LONG_PAUSE_EVERY == LONG_PAUSE_EVERY - 1:
            time.sleep(LONG_PAUSE_S)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
