"""Kills at every step in the life of a job, and what the history says afterwards."""

import os
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import SWEEP
from tests.faults.history import Asked
from tests.faults.life import PATIENCE_S, Life, kill
from tests.faults.points import CRAWL, DAEMON, HOLDER, WARM, Point, all_points, sample

SAMPLE = 72
SEED = 20261125
LAUNCHERS = ("fork", "fork", "spawn")
"""Of daemons that live and die at the same time, each on a data directory of its own."""

CHECK_EVERY = 25
ENDS = ("finish", "finish", "finish", "exit", "crash")
_FILES = ("order", "lock", "started", "result", "exit")


class Sweep:
    """One life: point after point, and every so often a look at the whole history."""

    def __init__(self, root: Path, seed: int, launcher: str) -> None:
        self.life = Life(root, {"SCRAPY_DO_CRAWLS_LAUNCHER": launcher})
        self._rng = random.Random(seed)
        self._checked: set[str] = set()

    def run(self, points: list[Point]) -> list[str]:
        """Kill at every point; return the faults of the history, with the points before each."""
        found: list[str] = []
        try:
            self.life.prepare()
            for first in range(0, len(points), CHECK_EVERY):
                some = points[first : first + CHECK_EVERY]
                for point in some:
                    self._strike(point)
                faults = self.life.faults()
                self._checked.update(self.life.history.asked)
                if faults:
                    found += [*faults, f"  after {some} in {self.life.root}"]
        finally:
            self.life.end()
        return found

    # --- a point

    def _strike(self, point: Point) -> None:
        match point.step:
            case "startup":
                self._at_startup(point)
            case "asked":
                self._while_asking(point)
            case "cancel":
                self._while_cancelling(point)
            case "push":
                self._while_pushing(point)
            case "stop":
                self._while_stopping(point)
            case _:
                self._while_running(point)
        if not self.life.is_running:
            self.life.start()

    def _new(self, **what: Any) -> Asked:
        """Ask for a short job, now and then with a neighbour before it."""
        if self._rng.random() < 0.3:
            self.life.schedule(seconds=self._rng.uniform(0, 0.3), end=self._rng.choice(ENDS))
        short = {
            "seconds": self._rng.choice((0, 0, 0.1)),
            "end": self._rng.choice(ENDS),
            "items": self._rng.randrange(4),
        }
        while True:
            asked = self.life.schedule(**(short | what))
            if asked.refused is None or asked.refused[0] != 503:
                return asked

    def _at_startup(self, point: Point) -> None:
        self._new()
        self._kill((DAEMON,), None)
        self.life.begin()
        time.sleep(point.delay_s)
        self._kill(point.victims, None)

    def _while_asking(self, point: Point) -> None:
        asked, connection = self.life.send_schedule(end=self._rng.choice(ENDS))
        time.sleep(point.delay_s)
        self._kill(point.victims, None)
        with suppress(OSError, ValueError):
            asked.id = self.life.answer(connection)
        connection.close()

    def _while_running(self, point: Point) -> None:
        asked = self._new()
        self._await(asked, point.step)
        time.sleep(point.delay_s)
        self._kill(point.victims, asked)

    def _while_cancelling(self, point: Point) -> None:
        asked = self._new(seconds=20)
        if self._rng.random() < 0.8:
            self._await(asked, self._rng.choice(_FILES[:3]))
        with ThreadPoolExecutor(1) as other:
            cancelling = other.submit(self.life.cancel, asked)
            time.sleep(point.delay_s)
            self._kill(point.victims, asked)
            cancelling.result()
        if not self.life.is_running:
            self.life.start()
        self.life.cancel(asked)

    def _while_pushing(self, point: Point) -> None:
        push = self.life.send_push()
        time.sleep(point.delay_s)
        self._kill(point.victims, None)
        self.life.finish_push(push)

    def _while_stopping(self, point: Point) -> None:
        asked = self._new()
        self._await(asked, self._rng.choice(("acknowledged", *_FILES[:3])))
        for token in self.life.history.asked.keys() - self._checked:
            self.life.history.asked[token].stops += 1
        self.life.signal(signal.SIGTERM)
        time.sleep(point.delay_s)
        self._kill(point.victims, asked)

    # --- its parts

    def _await(self, asked: Asked, step: str) -> None:
        """Wait for a step in the life of a job."""
        assert asked.id is not None, asked
        run_dir = self.life.run_dir(asked.id)
        if step == "acknowledged":
            return
        self.life.begun(asked.id)
        deadline = time.monotonic() + PATIENCE_S
        file = run_dir / step
        while run_dir.exists() and not (step in _FILES and file.exists()):
            assert time.monotonic() < deadline, f"{step} of {asked.id} did not come"
            if step == "directory":
                break
            time.sleep(0.0002)

    def _kill(self, victims: tuple[str, ...], asked: Asked | None) -> None:
        for victim in victims:
            match victim:
                case "daemon":
                    if self.life.is_running:
                        self.life.kill()
                case "warm parent":
                    self._kill_warm_parents()
                case _:
                    self._kill_of_job(victim, asked)

    def _kill_warm_parents(self) -> None:
        if self.life.is_running:
            for pid in self.life.warm_parents():
                kill(pid)

    def _kill_of_job(self, victim: str, asked: Asked | None) -> None:
        if asked is None or asked.id is None:
            return
        pid = self.life.pid_of(victim, asked.id)
        if pid is not None:
            asked.crawl_killed |= victim == CRAWL
            asked.holder_killed |= victim == HOLDER
            kill(pid)


def swept(root: Path, points: list[Point], seed: int) -> list[str]:
    """Share points out to some lives; return all faults."""
    number = len(LAUNCHERS)

    def live(place: int) -> list[str]:
        sweep = Sweep(root / f"life-{place}", seed + place, LAUNCHERS[place])
        return sweep.run(points[place::number])

    with ThreadPoolExecutor(number) as lives:
        return [fault for faults in lives.map(live, range(number)) for fault in faults]


@pytest.mark.faults
@pytest.mark.timeout(3600)
def test_nothing_is_lost_or_run_twice(tmp_path: Path) -> None:
    """Whoever is killed at whatever step: each acknowledged job ends once, with the truth."""
    seed = int(os.environ.get("FAULTS_SEED", SEED))
    points = all_points()
    if SWEEP:
        random.Random(seed).shuffle(points)
    else:
        points = sample(SAMPLE, seed)

    found = swept(tmp_path, points, seed)

    assert not found, f"{len(points)} points, FAULTS_SEED={seed}:\n" + "\n".join(found)


def test_the_sweep_is_large() -> None:
    """There are at least 500 points, every victim and pair among them; the sample is mixed."""
    points = all_points()

    assert len(points) >= 500
    assert {victim for point in points for victim in point.victims} == {DAEMON, WARM, HOLDER, CRAWL}
    assert len({point.step for point in sample(SAMPLE, SEED)}) == len({one.step for one in points})
