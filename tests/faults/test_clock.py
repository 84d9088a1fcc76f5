"""The wall clock is set while crawls run: no limit of time notices."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from scrapy_do.core.job import Finished, Outcome, Running
from scrapy_do.core.plan import JobLimits, Limits
from scrapy_do.system.service import Farewell
from tests.world import World

STEPS = [timedelta(hours=1), timedelta(hours=-1), timedelta(days=-400)]
LIMITS = Limits(slots=2, stop_grace_s=30, job=JobLimits(timeout_s=60, stall_timeout_s=50))


class SteppedWorld(World):
    """A daemon whose wall clock can be set, while time itself goes on evenly."""

    set_by = timedelta(0)

    def now(self) -> datetime:
        return super().now() + self.set_by


def _world(root: Path, **options: Any) -> SteppedWorld:
    world = SteppedWorld(root, **options)
    world.put_project()
    world.start()
    return world


@pytest.mark.parametrize("step", STEPS)
def test_timeouts_do_not_notice_a_step(tmp_path: Path, step: timedelta) -> None:
    """A job times out after its own time, not sooner and not later."""
    world = _world(tmp_path, limits=Limits(slots=2, job=JobLimits(timeout_s=60)))
    job_id = world.enqueue()

    world.pass_time(30)
    world.set_by = step
    world.controller.wake()
    world.pass_time(29)
    before = world.state(job_id)
    world.pass_time(1)

    assert isinstance(before, Running)
    after = world.state(job_id)
    assert (after.outcome, after.reason) == (Outcome.FAILED, "job_timeout")


@pytest.mark.parametrize("step", STEPS)
def test_stalls_do_not_notice_a_step(tmp_path: Path, step: timedelta) -> None:
    """A crawl that shows no progress is ended after its own time."""
    world = _world(tmp_path, limits=LIMITS)
    job_id = world.enqueue()

    world.pass_time(30)
    world.set_by = step
    world.controller.wake()
    world.pass_time(19)
    before = world.state(job_id)
    world.pass_time(1)

    assert isinstance(before, Running)
    assert world.state(job_id).reason == "stall_timeout"


@pytest.mark.parametrize("step", STEPS)
def test_the_grace_does_not_notice_a_step(tmp_path: Path, step: timedelta) -> None:
    """A crawl that ignores the wish to end is killed after the grace, whatever the clock says."""
    world = SteppedWorld(tmp_path, limits=LIMITS)
    world.launcher.stubborn_spiders.add("toscrape-css")
    world.put_project()
    world.start()
    job_id = world.enqueue()
    world.do(world.jobs.cancel(job_id, by="tester", wait_s=0))
    crawl = world.launcher.crawl_of(job_id)

    world.pass_time(10)
    world.set_by = step
    world.controller.wake()
    world.pass_time(19)
    before = crawl.killed
    world.pass_time(1)

    assert (before, crawl.killed) == (0, 1)
    assert isinstance(world.state(job_id), Finished)


def test_a_restart_is_no_stall(tmp_path: Path) -> None:
    """An adopted crawl has its whole stall time-out before it, but not its whole time-out."""
    world = _world(tmp_path, limits=Limits(slots=2, job=JobLimits(stall_timeout_s=50)))
    job_id = world.enqueue()
    world.pass_time(49)
    world.do(world.controller.stop(Farewell(leave_crawls=True)))

    following = world.restarted().start()
    following.pass_time(40)
    adopted = following.state(job_id)
    following.pass_time(10)

    assert isinstance(adopted, Running)
    assert following.state(job_id).reason == "stall_timeout"


def test_a_timeout_counts_across_a_restart(tmp_path: Path) -> None:
    """The time that a crawl has run under an earlier daemon is part of its time."""
    world = _world(tmp_path, limits=Limits(slots=2, job=JobLimits(timeout_s=60)))
    job_id = world.enqueue()
    world.pass_time(40)
    world.do(world.controller.stop(Farewell(leave_crawls=True)))

    following = world.restarted().start()
    following.pass_time(19)
    before = following.state(job_id)
    following.pass_time(1.01)  # the start is a moment later than the order

    assert isinstance(before, Running)
    assert following.state(job_id).reason == "job_timeout"
