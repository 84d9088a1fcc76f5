"""The scheduler: planned instants become jobs, misses or skips, whatever happens to the daemon."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher

from scrapy_do.core.catchup import Plan
from scrapy_do.core.events import JobChanged, ScheduleChanged
from scrapy_do.core.job import Actor, Finished, Job, Outcome, Pending, Stopping
from scrapy_do.core.schedule import (
    CatchUp,
    Counts,
    Overlap,
    Policies,
    Schedule,
    ScheduleState,
)
from scrapy_do.core.transitions import Cancel, advance
from scrapy_do.engine.scheduler import check_ahead
from scrapy_do.store.schedules import Schedules
from scrapy_do.system.service import Farewell
from tests.engine.scheduling import SchedulingWorld, missed, skipped
from tests.factories import LOST, START, at, request

MINUTE_S = 60
HOUR_S = 3600
DAY_S = 86_400


@pytest.fixture
def world(tmp_path: Path) -> SchedulingWorld:
    return SchedulingWorld(tmp_path).go()


@pytest.fixture
def warnings() -> Iterator[list[str]]:
    seen: list[str] = []

    def look(event: Any) -> None:
        if event["log_level"].name in {"warn", "error", "critical"}:
            seen.append(event["log_format"])

    observer: Any = look  # an interface of zope is no type
    globalLogPublisher.addObserver(observer)
    yield seen
    globalLogPublisher.removeObserver(observer)


# --- firing --------------------------------------------------------------------------------------


def test_fires_on_the_grid(world: SchedulingWorld) -> None:
    """Every planned instant makes one job, at the instant."""
    schedule = world.order("every 10 minutes")
    world.wait(minutes=35)
    assert [at(600), at(1200), at(1800)] == world.planned(schedule)
    assert [at(600), at(1200), at(1800)] == [job.created_at for job in world.jobs_of(schedule)]
    expected = replace(
        schedule,
        last_planned=at(1800),
        next_due=at(2400),
        counts=Counts(fired=3),
    )
    assert expected == world.schedule(schedule)


def test_the_grid_counts_from_the_order(world: SchedulingWorld) -> None:
    """'every 10 minutes' at 10:03 fires at 10:13, 10:23, ..., whatever happens in between."""
    world.wait(hours=23, minutes=45, seconds=37)
    schedule = world.order("every 10 minutes")
    world.wait(minutes=12)
    world.run_job(world.jobs_of(schedule)[0])  # it runs to the end
    world.wait(minutes=6)
    world.crash()  # down at 10:23, and up beside the grid
    world.wait(minutes=9, seconds=17)
    world.go()
    world.wait(minutes=5)
    world.do(world.scheduler.stop(Farewell(leave_crawls=True)))
    world.crash()  # stopped and started between two instants
    world.wait(seconds=3)
    world.go()
    world.order("every minute")
    world.do(world.schedules.run_now(schedule.id, by="ann"))
    world.wait(minutes=30)
    assert ["10:13:00", "10:23:00", "10:33:00", "10:43:00", "10:53:00", "11:03:00"] == [
        f"{instant:%H:%M:%S}" for instant in world.planned(schedule)
    ]


def test_a_job_of_a_schedule(world: SchedulingWorld) -> None:
    """A planned job repeats the request and names its schedule, its instant and its maker."""
    schedule = world.order("every 10 minutes")
    world.wait(minutes=10)
    (job,) = world.jobs_of(schedule)
    assert (
        request(version=job.request.version),
        Actor.SCHEDULER,
        Pending(since=at(600)),
        schedule.id,
        at(600),
        "scheduler",
    ) == (
        job.request,
        job.actor,
        job.state,
        job.schedule_id,
        job.planned_at,
        job.scheduled_by,
    )


def test_tells_after_the_commit(world: SchedulingWorld) -> None:
    """What was stored is published: the jobs, then the schedules."""
    schedule = world.order("every 10 minutes")
    world.happenings.clear()
    world.wait(minutes=10)
    (job,) = world.jobs_of(schedule)
    assert [JobChanged(job=job), ScheduleChanged(schedule_id=schedule.id)] == world.happenings


def test_one_alarm_for_all(world: SchedulingWorld) -> None:
    """One alarm is armed for the earliest instant; an idle hour costs no wake-up."""
    for _ in range(20):
        world.order("every hour")
    assert world.alarm is not None
    world.alarm.arms = 0
    world.wait(minutes=59)
    assert 0 == world.alarm.arms
    assert at(HOUR_S) == world.alarm.armed
    world.wait(minutes=1)
    assert (1, at(2 * HOUR_S)) == (world.alarm.arms, world.alarm.armed)


def test_a_new_order_moves_the_alarm(world: SchedulingWorld) -> None:
    """An order that is due earlier than all others is fired earlier."""
    world.order("every hour")
    soon = world.order("every 2 seconds")
    world.wait(seconds=2)
    assert [at(2)] == world.planned(soon)


def test_more_than_one_batch(world: SchedulingWorld) -> None:
    """Many schedules that are due at once are all fired, in bounded transactions."""
    schedules = [world.order("every minute") for _ in range(450)]
    world.wait(minutes=1)
    assert [[at(60)]] * 450 == [world.planned(schedule) for schedule in schedules]


def test_jitter(world: SchedulingWorld) -> None:
    """Jitter delays the start within its bound; the planned instant stays the key."""
    schedule = world.order("every 10 minutes", jitter_s=60)
    assert schedule.next_due is not None
    assert at(600) < schedule.next_due < at(660)
    world.wait(minutes=12)
    (job,) = world.jobs_of(schedule)
    assert (at(600), schedule.next_due) == (job.planned_at, job.created_at)


def test_once(world: SchedulingWorld) -> None:
    """A one-off order fires once and is listed as finished."""
    schedule = world.order("at 2026-06-03 13:00", zone="Europe/Berlin")
    world.wait(hours=3)
    assert [START.replace(hour=11, minute=0, second=0)] == world.planned(schedule)
    assert ScheduleState.FINISHED is world.schedule(schedule).state


def test_max_runs(world: SchedulingWorld) -> None:
    """A bounded order ends with its last job."""
    schedule = world.order("every minute", max_runs=2)
    world.wait(minutes=5)
    assert [at(60), at(120)] == world.planned(schedule)
    assert (ScheduleState.FINISHED, None) == (
        world.schedule(schedule).state,
        world.schedule(schedule).next_due,
    )


def test_until(world: SchedulingWorld) -> None:
    """The last instant is the one at `until` itself."""
    schedule = world.order("every minute", until=at(120))
    world.wait(minutes=5)
    assert [at(60), at(120)] == world.planned(schedule)
    assert ScheduleState.FINISHED is world.schedule(schedule).state


def test_random_gap(world: SchedulingWorld) -> None:
    """A drawn gap is kept over a restart."""
    schedule = world.order("every 2 to 3 hours")
    world.crash()
    world.go()
    assert schedule == world.schedule(schedule)
    assert world.alarm is not None
    assert schedule.next_due == world.alarm.armed


# --- overlap -------------------------------------------------------------------------------------


def test_skip(world: SchedulingWorld) -> None:
    """By default an instant is skipped while an earlier job is active, also a waiting one."""
    schedule = world.order("every minute", Policies())
    world.wait(minutes=3)
    assert [at(60)] == world.planned(schedule)
    assert [skipped(schedule, at(120), at(120), 1), skipped(schedule, at(180), at(180), 1)] == (
        world.events_of(schedule)
    )
    world.end_jobs(schedule)
    world.wait(minutes=1)
    assert [at(60), at(240)] == world.planned(schedule)
    assert Counts(fired=2, skipped=2) == world.schedule(schedule).counts


def test_queue_one(world: SchedulingWorld) -> None:
    """One job may wait while another runs."""
    schedule = world.order("every minute", overlap=Overlap.QUEUE_ONE)
    world.wait(minutes=1)
    world.run_job(world.jobs_of(schedule)[0])
    world.wait(minutes=3)
    assert [at(60), at(120)] == world.planned(schedule)
    assert Counts(fired=2, skipped=2) == world.schedule(schedule).counts


def test_replace(world: SchedulingWorld) -> None:
    """The earlier jobs are told to end in the transaction that adds the new one."""
    schedule = world.order("every minute", overlap=Overlap.REPLACE)
    world.wait(minutes=1)
    (running,) = world.jobs_of(schedule)
    running = world.run_job(running)
    world.happenings.clear()
    world.wait(minutes=2)
    first, second, third = sorted(world.jobs_of(schedule), key=lambda job: job.created_at)
    assert advance(running, Cancel(by="scheduler"), now=at(120)).state == first.state
    assert isinstance(second.state, Finished)
    assert Outcome.CANCELED is second.state.outcome
    assert Pending(since=at(180.001)) == third.state
    told = [one.job.id for one in world.happenings if isinstance(one, JobChanged)]
    assert [second.id, first.id, third.id, second.id] == told


class _Racing(Schedules):
    """A store in which a job starts just after the scheduler has looked at it."""

    def __init__(self, world: SchedulingWorld, waiting: Job) -> None:
        super().__init__(world.store._database)
        self._world = world
        self._waiting = waiting

    async def active_jobs_of(self, schedule_ids: Iterable[UUID]) -> Mapping[UUID, tuple[Job, ...]]:
        found = await super().active_jobs_of(schedule_ids)
        if self._world.state(self._waiting.id) == self._waiting.state:
            self._world.run_job(self._waiting)
        return found


def test_replaces_what_is_there_now(world: SchedulingWorld) -> None:
    """A job that starts while it is being replaced is told to end all the same."""
    schedule = world.order("every minute", overlap=Overlap.REPLACE)
    world.wait(minutes=1)
    (waiting,) = world.jobs_of(schedule)
    world.store.schedules = _Racing(world, waiting)
    world.wait(minutes=1)
    assert isinstance(world.state(waiting.id), Stopping)
    assert [at(60), at(120)] == world.planned(schedule)


# --- downtime ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("catchup", "jobs", "missed_count"),
    [(CatchUp.LATEST, 1, 59), (CatchUp.ALL, 60, 0), (CatchUp.NONE, 0, 60)],
)
def test_ten_hours_down(
    world: SchedulingWorld, catchup: CatchUp, jobs: int, missed_count: int
) -> None:
    """Ten hours off with 'every 10 minutes': latest gives 1 job, all 60, none 60 misses."""
    schedule = world.order("every 10 minutes", catchup=catchup)
    world.crash()
    world.wait(hours=10, minutes=5)
    world.go()
    assert (jobs, Counts(fired=jobs, missed=missed_count)) == (
        len(world.planned(schedule)),
        world.schedule(schedule).counts,
    )
    listed = [missed(schedule, at(600), at(600 * missed_count), missed_count)]
    assert (listed if missed_count else []) == world.events_of(schedule)
    assert at(61 * 600) == world.schedule(schedule).next_due


@pytest.mark.parametrize("down_s", [1, 4, 59])
@pytest.mark.parametrize(
    ("catchup", "jobs", "missed_count"),
    [(CatchUp.LATEST, 1, 0), (CatchUp.ALL, 1, 0), (CatchUp.NONE, 0, 1)],
)
def test_a_moment_down(
    world: SchedulingWorld, catchup: CatchUp, jobs: int, missed_count: int, down_s: int
) -> None:
    """However short the downtime, `none` fires nothing that was due in it."""
    schedule = world.order("every 10 minutes", catchup=catchup)
    world.wait(minutes=9, seconds=59)
    world.crash()
    world.wait(seconds=1 + down_s)
    world.go()
    assert Counts(fired=jobs, missed=missed_count) == world.schedule(schedule).counts
    world.wait(minutes=10)
    assert Counts(fired=jobs + 1, missed=missed_count) == world.schedule(schedule).counts


def test_none_after_the_clock_was_set_back(world: SchedulingWorld) -> None:
    """A daemon that was there all the time misses nothing because its clock was set back."""
    world.step(hours=-2)
    schedule = world.order("every 10 minutes", catchup=CatchUp.NONE)
    world.wait(minutes=10)
    assert Counts(fired=1) == world.schedule(schedule).counts


def test_a_year_down(world: SchedulingWorld) -> None:
    """A year off with 'every second' gives the 100 newest under `all`, and the count is exact."""
    schedule = world.order("every second", catchup=CatchUp.ALL)
    world.crash()
    world.wait(days=365)
    world.go()
    year_s = 365 * DAY_S
    assert [at(year_s - 99 + n) for n in range(100)] == world.planned(schedule)
    assert Counts(fired=100, missed=year_s - 100) == world.schedule(schedule).counts


def test_window(world: SchedulingWorld) -> None:
    """The catch-up window bounds what is made up for."""
    schedule = world.order("every 10 minutes", catchup=CatchUp.ALL, catchup_window_s=1800)
    world.crash()
    world.wait(hours=10, minutes=5)
    world.go()
    assert [at(58 * 600), at(59 * 600), at(60 * 600)] == world.planned(schedule)
    assert Counts(fired=3, missed=57) == world.schedule(schedule).counts


@pytest.mark.parametrize("overlap", [Overlap.SKIP, Overlap.QUEUE_ONE, Overlap.REPLACE])
@pytest.mark.parametrize("catchup", CatchUp)
def test_what_has_ended_is_settled_first(
    world: SchedulingWorld, overlap: Overlap, catchup: CatchUp
) -> None:
    """A crawl that has ended, which the store does not know yet, overlaps with nothing."""
    schedules = [world.order("every 10 minutes", overlap=overlap, catchup=catchup) for _ in "ab"]
    world.wait(minutes=10)
    world.over = [world.run_job(job) for one in schedules for job in world.jobs_of(one)]
    world.wait(minutes=10)
    for schedule in schedules:
        assert [at(600), at(1200)] == world.planned(schedule)
        assert Counts(fired=2) == world.schedule(schedule).counts
        first, second = world.jobs_of(schedule)
        assert (Finished, Pending) == (type(first.state), type(second.state))


def test_restart_keeps_the_grid(world: SchedulingWorld) -> None:
    """A restart between two instants moves nothing: 'every 2 days' restarted daily still fires."""
    schedule = world.order("every 2 days")
    for _ in range(5):
        world.wait(hours=20)
        world.crash()
        world.wait(hours=4)
        world.go()
    assert [at(2 * DAY_S), at(4 * DAY_S)] == world.planned(schedule)


def test_orderly_restart(world: SchedulingWorld) -> None:
    """A stopped scheduler fires nothing; the next one goes on."""
    schedule = world.order("every 10 minutes")
    alarm = world.alarm
    world.do(world.scheduler.stop(Farewell(leave_crawls=True)))
    world.scheduler.wake()
    assert alarm is not None
    assert alarm.closed
    world.crash()
    world.wait(minutes=10)
    assert [] == world.planned(schedule)
    world.go()
    assert [at(600)] == world.planned(schedule)


def test_zone_data_changed(world: SchedulingWorld) -> None:
    """The next instant is computed anew at the start, not believed."""
    schedule = world.order("every day at 12:00", zone="Europe/Berlin")
    stale = replace(schedule, next_due=at(5))
    world.do(world.store.schedules.save(stale, expected=schedule))
    world.crash()
    world.go()
    assert schedule == replace(world.schedule(schedule), changed_at=schedule.changed_at)


# --- the clock -----------------------------------------------------------------------------------

STEPS = [
    {"seconds": 1},
    {"hours": 1},
    {"hours": 3},
    {"days": 1},
    {"days": 3652},
]


@pytest.mark.parametrize("step", STEPS, ids=str)
@pytest.mark.parametrize("sign", [1, -1])
def test_step_and_back(world: SchedulingWorld, step: dict[str, float], sign: int) -> None:
    """A step of the clock, and back: no instant twice, at most one catch-up, planned at once."""
    schedule = world.order("every 10 minutes")
    world.wait(minutes=25)
    for way in (sign, -sign):
        before = len(world.jobs_of(schedule))
        world.step(**{unit: way * number for unit, number in step.items()})
        assert len(world.jobs_of(schedule)) - before <= 1
        due = world.schedule(schedule).next_due
        assert due is not None
        assert world.alarm is not None
        assert due == world.alarm.armed
        assert due > world.now()
        world.wait(minutes=25)
    planned = world.planned(schedule)
    assert len(planned) == len(set(planned))
    assert len(planned) >= 5


def test_small_step_back(world: SchedulingWorld) -> None:
    """Within three hours nothing fires again: the grid goes on where it was."""
    schedule = world.order("every 10 minutes")
    world.wait(minutes=60)
    world.step(hours=-3)
    world.wait(hours=3)
    assert [at(600 * n) for n in range(1, 7)] == world.planned(schedule)
    world.wait(minutes=10)
    assert at(600 * 7) == world.planned(schedule)[-1]


def test_large_step_back(world: SchedulingWorld, warnings: list[str]) -> None:
    """More than three hours is a correction: planned afresh from now, and logged."""
    schedule = world.order("every 10 minutes")
    world.wait(minutes=60)
    world.step(hours=-5)
    world.wait(minutes=21)
    expected = [at(-4 * HOUR_S + 600 * n) for n in (1, 2)]
    assert expected == world.planned(schedule)[:2]
    assert ["the clock was set back by {hours} hours: everything is planned from now on"] == (
        warnings
    )


def test_set_back_while_down(world: SchedulingWorld) -> None:
    """A clock that was set back while no daemon ran is noticed at the start."""
    schedule = world.order("every hour")
    world.wait(hours=2)
    world.crash()
    world.step(hours=-6)
    world.go()
    assert at(-3 * HOUR_S) == world.schedule(schedule).next_due


def test_correction_keeps_the_key(world: SchedulingWorld) -> None:
    """Instants that were caught up before a correction get no second job, and do not count."""
    schedule = world.order("every 10 minutes")
    world.step(days=1)
    world.step(days=-1)
    world.wait(days=1)
    planned = world.planned(schedule)
    assert [at(600 * n) for n in range(1, 145)] == planned
    assert 144 == world.schedule(schedule).counts.fired


# --- what goes wrong -----------------------------------------------------------------------------


def spoil(world: SchedulingWorld, schedule: Schedule, **fields: Any) -> None:
    world.do(world.store.schedules.save(replace(schedule, **fields), expected=schedule))


def test_zone_gone(world: SchedulingWorld, warnings: list[str]) -> None:
    """A schedule whose zone is gone says so; the others go on."""
    gone, well = world.order("every minute"), world.order("every minute")
    spoil(world, gone, timing=LOST)
    world.wait(minutes=1)
    after = world.schedule(gone)
    assert (ScheduleState.ERROR, None) == (after.state, after.next_due)
    assert "Mars/Base" in after.error
    assert [at(60)] == world.planned(well)
    assert ["schedule {schedule} of {project} cannot be planned: {problem}"] == warnings


def test_zone_gone_at_start(world: SchedulingWorld) -> None:
    """It is found at the start already."""
    gone = world.order("every day at 12:00")
    spoil(world, gone, timing=LOST)
    world.crash()
    world.go()
    assert ScheduleState.ERROR is world.schedule(gone).state


def test_spider_gone(world: SchedulingWorld) -> None:
    """A schedule that has nothing to run any more says so; the others of the batch fire."""
    gone, well = world.order("every minute"), world.order("every minute")
    spoil(world, well, request=request(spider="toscrape-xpath"))
    world.put_project("quotesbot", "toscrape-xpath")
    world.wait(minutes=1)
    after = world.schedule(gone)
    assert (ScheduleState.ERROR, "Unknown spider quotesbot/toscrape-css", Counts()) == (
        after.state,
        after.error,
        after.counts,
    )
    assert [at(60)] == world.planned(well)


def test_no_gap(world: SchedulingWorld) -> None:
    """A gap that leads nowhere puts its schedule aside instead of looping."""
    bad, well = world.order("every 1 to 2 minutes"), world.order("every 2 minutes")
    spoil(world, bad, drawn=timedelta(0), next_due=at(60))
    world.wait(minutes=2)
    assert ScheduleState.ERROR is world.schedule(bad).state
    assert "does not lead beyond" in world.schedule(bad).error
    assert [at(120)] == world.planned(well)


@pytest.mark.parametrize(("last", "due", "wake"), [(0, 60, 60), (60, 60, 61), (0, 61, 60)])
def test_plan_that_stands_still(last: int, due: int, wake: int) -> None:
    """A plan must lie ahead of now and of the last planned instant."""
    plan = Plan(anchor=START, last_planned=at(last), next_due=at(due), drawn=None, wake_at=at(wake))
    with pytest.raises(ValueError, match="would be"):
        check_ahead(plan, at(60))


def problem(world: SchedulingWorld) -> str | None:
    return world.scheduler.problem


def test_store_unavailable(world: SchedulingWorld, warnings: list[str]) -> None:
    """A pass that fails is visible, repeated with growing delay, and nothing is lost."""
    schedule = world.order("every minute")
    world.store._database.broken = "the database is locked"
    world.wait(minutes=1)
    assert "the database is locked" == problem(world)
    for delay_s in (1.0, 2.0, 4.0, 8.0, 10.0, 10.0):
        call: Any
        (call,) = world.clock.getDelayedCalls()
        assert delay_s == pytest.approx(call.getTime() - world.clock.seconds())
        world.clock.advance(delay_s)
    assert 35.0 == pytest.approx(world.scheduler.lag_s)
    world.store._database.broken = None
    world.clock.advance(10)
    assert [at(60)] == world.planned(schedule)
    assert (None, 0.0) == (problem(world), world.scheduler.lag_s)
    assert ["{what} failed; it is repeated"] * 7 == warnings


def test_stop_while_failing(world: SchedulingWorld) -> None:
    """A stopped scheduler does not try again."""
    world.store._database.broken = "the database is locked"
    world.scheduler.wake()
    world.do(world.scheduler.stop(Farewell(leave_crawls=True)))
    assert [] == world.clock.getDelayedCalls()


def test_no_lag_before_the_start(tmp_path: Path) -> None:
    """A scheduler that was never started is late for nothing."""
    assert 0.0 == SchedulingWorld(tmp_path).scheduler.lag_s


class _SlowClock(Clock):
    """A clock on which a moment passes whenever somebody looks."""

    moment_s = 0.0

    def seconds(self) -> float:
        self.rightNow += self.moment_s
        return float(self.rightNow)


def test_long_turns_are_cut(tmp_path: Path) -> None:
    """Planning that takes long lets the reactor do something else in between."""
    clock = _SlowClock()
    world = SchedulingWorld(tmp_path, clock=clock).go()
    schedules = [world.order("every minute") for _ in range(5)]
    clock.moment_s = 0.015
    world.stepped += timedelta(minutes=1)
    world.scheduler.wake()
    turns = 0
    while world.planned(schedules[-1]) == []:
        turns += 1
        clock.advance(0)
    assert 1 <= turns <= 5
    assert [1] * 5 == [len(world.planned(schedule)) for schedule in schedules]


def test_stop_in_the_middle(tmp_path: Path) -> None:
    """A scheduler that is stopped ends the pass at hand, and stops only then."""
    clock = _SlowClock()
    world = SchedulingWorld(tmp_path, clock=clock).go()
    schedules = [world.order("every minute") for _ in range(5)]
    clock.moment_s = 0.015
    world.stepped += timedelta(minutes=1)
    world.scheduler.wake()
    stopped = Deferred.fromCoroutine(world.scheduler.stop(Farewell(leave_crawls=True)))
    world.scheduler.wake()
    ended = [stopped.called]
    for _ in range(5):
        clock.advance(0)
        ended.append(stopped.called)
    assert (False, True) == (ended[0], ended[-1])
    assert [1] * 5 == [len(world.planned(schedule)) for schedule in schedules]
    assert [] == clock.getDelayedCalls()


def test_woken_by_what_it_tells(world: SchedulingWorld) -> None:
    """A listener that wakes the scheduler in the middle of a pass starts no second one."""
    world.events.subscribe(lambda _happening: world.scheduler.wake())
    schedule = world.order("every minute")
    world.wait(minutes=2)
    assert [at(60), at(120)] == world.planned(schedule)


def test_more_corrections_than_a_batch(world: SchedulingWorld) -> None:
    """A correction of many schedules is stored in bounded transactions."""
    schedules = [world.order("every minute") for _ in range(201)]
    world.step(hours=-4)
    dues = {world.schedule(schedule).next_due for schedule in schedules}
    assert {at(60 - 4 * HOUR_S)} == dues
