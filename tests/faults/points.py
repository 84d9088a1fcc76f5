"""The points at which processes are killed: who, when in the life of a job, how much later."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

DAEMON, WARM, HOLDER, CRAWL = "daemon", "warm parent", "holder", "crawl"

VICTIMS = (
    (DAEMON,),
    (HOLDER,),
    (CRAWL,),
    (WARM,),
    (DAEMON, HOLDER),
    (DAEMON, CRAWL),
    (DAEMON, WARM),
    (HOLDER, CRAWL),
    (WARM, HOLDER),
    (DAEMON, HOLDER, CRAWL),
)
"""Who is killed, in this order, one right after the other."""

STEPS = ("asked", "acknowledged", "directory", "order", "lock", "started", "result", "exit", "gone")
"""What has just happened in the life of the job: the call was sent or answered, a file of its
run directory appeared, the directory is gone."""

DELAYS_MS = (0, 1, 2, 5, 10, 20, 50, 150)
STARTUP_MS = range(300, 1500, 25)
STARTUP_STEP_S = 0.3
CANCEL_MS = (0, 1, 3, 8, 20, 60, 150, 400)
STOP_MS = (0, 1, 3, 8, 20, 60, 150, 400)
PUSH_MS = (20, 50, 80, 120, 160, 200, 250, 300, 400, 600, 900, 1300)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Kill the victims so long after the step. `step` may also be startup, cancel, stop or push."""

    victims: tuple[str, ...]
    step: str
    delay_s: float


def all_points() -> list[Point]:
    """Return every point of the sweep, in their natural order."""
    return list(_points())


def _points() -> Iterator[Point]:
    for victims, step in product(VICTIMS, STEPS):
        if step in ("asked", "acknowledged", "directory", "order") and {HOLDER, CRAWL} & {*victims}:
            continue  # there is none yet
        if step in ("exit", "gone") and {HOLDER, CRAWL} & {*victims}:
            continue  # there is none any more
        for delay_ms in DELAYS_MS:
            yield Point(victims=victims, step=step, delay_s=delay_ms / 1000)
    for delay_ms in STARTUP_MS:
        yield Point(victims=(DAEMON,), step="startup", delay_s=delay_ms / 1000)
    for victims, delay_ms in product(VICTIMS, CANCEL_MS):
        yield Point(victims=victims, step="cancel", delay_s=delay_ms / 1000)
    for victims, delay_ms in product(((DAEMON,), (DAEMON, HOLDER), (DAEMON, CRAWL)), STOP_MS):
        yield Point(victims=victims, step="stop", delay_s=delay_ms / 1000)
    for victims, delay_ms in product(((DAEMON,), (WARM,), (DAEMON, WARM)), PUSH_MS):
        yield Point(victims=victims, step="push", delay_s=delay_ms / 1000)


def sample(number: int, seed: int) -> list[Point]:
    """Return some points: each step with each victims about equally often, mixed.

    The start-up counts as several steps, as long as `STARTUP_STEP_S` each.
    """
    rng = random.Random(seed)
    groups: dict[tuple[Any, ...], list[Point]] = {}
    for point in all_points():
        part = int(point.delay_s // STARTUP_STEP_S) if point.step == "startup" else 0
        groups.setdefault((point.victims, point.step, part), []).append(point)
    order = list(groups.values())
    rng.shuffle(order)
    return [rng.choice(order[place % len(order)]) for place in range(number)]
