"""What the controller makes of a disk that refuses and of crawls that do not end."""

import errno
import os
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred

from scrapy_do.core.events import JobChanged
from scrapy_do.core.job import Finished, Outcome, Pending, Stopping
from scrapy_do.core.plan import Limits
from scrapy_do.engine.controller import STOP_MARGIN_S
from scrapy_do.errors import StoreUnavailable
from scrapy_do.protocol.wire import CrawlSpec
from scrapy_do.system.service import Farewell
from tests.fakes import FakeCrawl, FakeLauncher
from tests.world import World


class ImmortalCrawl(FakeCrawl):
    """A crawl that no signal ends, as one in an uninterruptible call."""

    def ask_to_stop(self) -> None:
        self.asked += 1

    def kill(self) -> None:
        self.killed += 1


class ImmortalLauncher(FakeLauncher):
    """Starts crawls that cannot be ended."""

    def make_crawl(self, spec: CrawlSpec) -> FakeCrawl:
        crawl = ImmortalCrawl(spec, 1, self._now)
        self.crawls[spec.order.job_id, spec.order.attempt] = crawl
        return crawl


def _world(root: Path, launcher: FakeLauncher | None = None) -> World:
    world = World(root, limits=Limits(slots=2, stop_grace_s=30), launcher=launcher)
    world.put_project()
    return world.start()


def test_a_run_directory_that_cannot_be_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end is stored and told all the same, the slots are free, and it is removed later."""
    world = _world(tmp_path)
    ids = [world.enqueue() for _ in range(3)]

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", refuse)
        for job_id in ids[:2]:
            world.launcher.crawl_of(job_id).finish()
    told = {
        happening.job.id
        for happening in world.happenings
        if isinstance(happening, JobChanged) and isinstance(happening.job.state, Finished)
    }
    during = world.run_directories()
    world.pass_time(30)

    assert told == {*ids[:2]}
    assert {f"{job_id}.1" for job_id in ids} == {*during}
    assert world.run_directories() == [f"{ids[2]}.1"]
    assert world.controller.problem is None


def test_a_stop_does_not_wait_for_ever(tmp_path: Path) -> None:
    """A crawl that nothing ends is left to the next start, some seconds after the grace."""
    world = _world(tmp_path, ImmortalLauncher())
    job_id = world.enqueue()
    over = Deferred.fromCoroutine(world.controller.stop(Farewell(leave_crawls=False)))

    world.pass_time(30 + STOP_MARGIN_S - 1)
    before = over.called
    world.pass_time(1)

    assert (before, over.called) == (False, True)
    assert isinstance(world.state(job_id), Stopping)
    assert world.launcher.crawl_of(job_id).killed == 1


def test_a_hurried_stop_does_not_wait_for_ever(tmp_path: Path) -> None:
    """After a second signal only the seconds beyond the grace are left."""
    world = _world(tmp_path, ImmortalLauncher())
    world.enqueue()
    over = Deferred.fromCoroutine(world.controller.stop(Farewell(leave_crawls=False)))
    world.pass_time(5)
    world.controller.hurry()

    world.pass_time(STOP_MARGIN_S)

    assert over.called


class ShyLauncher(FakeLauncher):
    """A launcher whose first launch fails as if the database had not answered."""

    failures = 1

    async def launch(self, spec: CrawlSpec) -> FakeCrawl:
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("the database does not answer")
        return await super().launch(spec)


def test_a_launch_without_the_database_is_repeated(tmp_path: Path) -> None:
    """A job whose launch could not read what it needs waits; it is not lost."""
    world = _world(tmp_path, ShyLauncher())
    job_id = world.enqueue()
    waiting = world.state(job_id)

    world.pass_time(1)
    world.launcher.crawl_of(job_id).finish()

    assert isinstance(waiting, Pending)
    assert world.state(job_id).outcome is Outcome.SUCCESSFUL
