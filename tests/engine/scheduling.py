"""A daemon's scheduler on a store in memory, with a wall clock that can be set and can stop."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock

from scrapy_do.core.filter import JobFilter
from scrapy_do.core.job import Job
from scrapy_do.core.schedule import (
    Overlap,
    Policies,
    Schedule,
    ScheduleEvent,
    ScheduleEventKind,
)
from scrapy_do.core.schedule_rules import ScheduleRequest
from scrapy_do.core.transitions import Cancel, Claimed, Lost, Started, advance
from scrapy_do.engine.scheduler import Scheduler
from scrapy_do.store.store import Store
from scrapy_do.system.service import CRASH
from tests.factories import ANN, request
from tests.world import World

ALLOW = Policies(overlap=Overlap.ALLOW)


class Alarm:
    """An alarm that is rung by hand."""

    def __init__(self, *, on_due: Callable[[], None], on_step: Callable[[], None]) -> None:
        self.on_due = on_due
        self.on_step = on_step
        self.armed: datetime | None = None
        self.arms = 0
        self.closed = False

    def arm(self, instant: datetime | None) -> None:
        assert not self.closed
        self.arms += 1
        self.armed = instant

    def close(self) -> None:
        self.closed = True
        self.armed = None


class SchedulingWorld(World):
    """The world with a scheduler; its wall clock moves with `clock`, and by `step`."""

    def __init__(
        self,
        root: Path,
        *,
        store: Store | None = None,
        zone: str = "UTC",
        clock: Clock | None = None,
    ) -> None:
        self.stepped = timedelta()
        super().__init__(root, store=store, clock=clock, zone=zone)
        self.runtime = replace(self.runtime, make_wake_up=self.make_wake_up)
        self.zone = zone
        self.over: list[Job] = []
        self.alarm: Alarm | None = None
        self.scheduler = self._make_scheduler()
        if store is None:
            self.put_project()

    def _make_scheduler(self) -> Scheduler:
        return Scheduler(
            store=self.store,
            settle=self.settle,
            runtime=self.runtime,
        )

    def make_wake_up(self, *, on_due: Callable[[], None], on_step: Callable[[], None]) -> Alarm:
        self.alarm = Alarm(on_due=on_due, on_step=on_step)
        return self.alarm

    async def settle(self) -> None:
        """Settle `over`: jobs whose crawls have ended, which the store does not know yet."""
        for job in self.over:
            ended = advance(job, Lost(reason="gone"), now=self.now())
            await self.store.jobs.save(ended, expected=job)
        self.over = []

    # --- time ----------------------------------------------------------------------------------

    def now(self) -> datetime:
        return super().now() + self.stepped

    def go(self) -> "SchedulingWorld":
        """Start the scheduler."""
        self.do(self.scheduler.start())
        return self

    def crash(self) -> None:
        """End the scheduler with no time to say anything."""
        self.do(self.scheduler.stop(CRASH))  # it hears of nothing any more
        self.alarm = None
        self.scheduler = self._make_scheduler()

    def wait(self, **span: float) -> None:
        """Let time pass; the alarm rings at each instant that it was set to."""
        end = self.now() + timedelta(**span)
        while self.alarm is not None and self.alarm.armed is not None and self.alarm.armed <= end:
            self._pass_until(self.alarm.armed)
            self.alarm.armed = None
            self.alarm.on_due()
        self._pass_until(end)

    def _pass_until(self, instant: datetime) -> None:
        self.clock.advance(max(0.0, (instant - self.now()).total_seconds()))

    def step(self, **span: float) -> None:
        """Set the wall clock, which the scheduler is told."""
        self.stepped += timedelta(**span)
        if self.alarm is not None:
            self.alarm.on_step()
            self.wait(seconds=0)

    # --- schedules -----------------------------------------------------------------------------

    def order(
        self,
        when: str = "every 10 minutes",
        policies: Policies | None = None,
        *,
        zone: str | None = None,
        note: str = "",
        **rules: Any,
    ) -> Schedule:
        """Give a schedule; rules are fields of its policies, over `ALLOW`."""
        if policies is None:
            policies = Policies(**{"overlap": Overlap.ALLOW, **rules})
        order = ScheduleRequest(when=when, zone=zone, policies=policies, note=note)
        accepted = self.do(self.schedules.submit(request(), order, by=ANN))
        assert isinstance(accepted, Schedule)
        return accepted

    def schedule(self, schedule: Schedule) -> Schedule:
        """Return a schedule as it is now."""
        return self.do(self.schedules.get(schedule.id))

    def jobs_of(self, schedule: Schedule) -> list[Job]:
        """Return its jobs, oldest first."""
        found = self.do(self.jobs.find(JobFilter(schedule_id=schedule.id, limit=None)))
        return sorted(found, key=lambda job: job.sequence)

    def planned(self, schedule: Schedule) -> list[datetime]:
        """Return the planned instants that have a job, in order."""
        return sorted(job.planned_at for job in self.jobs_of(schedule) if job.planned_at)

    def events_of(self, schedule: Schedule) -> list[ScheduleEvent]:
        """Return what made no job, oldest first."""
        return self.do(self.store.schedules.events(schedule.id))[::-1]

    def run_job(self, job: Job) -> Job:
        """Let a pending job run."""
        claimed = self.do(
            self.store.jobs.save(advance(job, Claimed(), now=self.now()), expected=job)
        )
        running = advance(claimed, Started(process=None), now=self.now())
        return self.do(self.store.jobs.save(running, expected=claimed))

    def end_jobs(self, schedule: Schedule) -> None:
        """End every pending job of a schedule."""
        for job in self.do(self.store.schedules.active_jobs_of([schedule.id])).get(schedule.id, ()):
            ended = advance(job, Cancel(by="ann"), now=self.now())
            self.do(self.store.jobs.save(ended, expected=job))


def missed(schedule: Schedule, first: datetime, last: datetime, count: int) -> ScheduleEvent:
    return ScheduleEvent(
        schedule_id=schedule.id,
        kind=ScheduleEventKind.MISSED,
        first=first,
        last=last,
        count=count,
        reason="not fired in time",
    )


def skipped(schedule: Schedule, first: datetime, last: datetime, count: int) -> ScheduleEvent:
    return replace(
        missed(schedule, first, last, count),
        kind=ScheduleEventKind.SKIPPED,
        reason="an earlier job was still active",
    )
