"""Standing orders between the store and the planner: what a plan or a decision changes in one.

Times are whole milliseconds here, as they are stored: an anchor that was finer would give
one grid before a restart and another after it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from scrapy_do.core.catchup import Decision, Plan, Stretch
from scrapy_do.core.job import Actor, NewJob, Pending
from scrapy_do.core.schedule import (
    Counts,
    Schedule,
    ScheduleEvent,
    ScheduleEventKind,
    ScheduleState,
    Unreadable,
)
from scrapy_do.core.when import explain, upcoming

MILLISECOND = timedelta(milliseconds=1)
RUNS_SHOWN = 5
SCHEDULER = "scheduler"
"""By whom the jobs of planned instants are made."""

_US_PER_MS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A schedule after a decision, with the jobs and the events that belong to it."""

    schedule: Schedule
    jobs: tuple[NewJob, ...] = ()
    events: tuple[ScheduleEvent, ...] = ()


def whole_ms(instant: datetime) -> datetime:
    """Cut what is finer than a millisecond."""
    return instant.replace(microsecond=instant.microsecond // _US_PER_MS * _US_PER_MS)


def planned(schedule: Schedule, plan: Plan, *, now: datetime) -> Schedule:
    """Return the schedule with a new plan: active, or finished when nothing is left to plan.

    `next_due` is when the next job starts, jitter included: it is rounded up, so that the
    timer armed for it never rings before that. Planning on changes nothing of the schedule
    itself, so `changed_at` moves only with its state.
    """
    wake_at = plan.wake_at
    if wake_at is not None and wake_at != whole_ms(wake_at):
        wake_at = whole_ms(wake_at) + MILLISECOND
    state = ScheduleState.FINISHED if wake_at is None else ScheduleState.ACTIVE
    return replace(
        schedule,
        anchor=plan.anchor,
        last_planned=plan.last_planned,
        next_due=wake_at,
        drawn=plan.drawn,
        state=state,
        changed_at=schedule.changed_at if state is schedule.state else now,
        error="",
    )


def settled(schedule: Schedule, decision: Decision, *, now: datetime) -> Settled:
    """Return what a decision makes of a schedule whose instants were due."""
    jobs = tuple(scheduled_job(schedule, planned_at=instant, now=now) for instant in decision.jobs)
    events = tuple(_events(schedule.id, decision))
    counts = Counts(
        fired=schedule.counts.fired + len(jobs),
        missed=schedule.counts.missed + _count(decision.missed),
        skipped=schedule.counts.skipped + _count(decision.skipped),
    )
    after = replace(planned(schedule, decision.plan, now=now), counts=counts)
    return Settled(schedule=after, jobs=jobs, events=events)


def scheduled_job(
    schedule: Schedule, *, planned_at: datetime | None, now: datetime, by: str = SCHEDULER
) -> NewJob:
    """Make a job of a schedule: of a planned instant, or an extra one that somebody asked for."""
    return NewJob(
        id=uuid4(),
        request=schedule.request,
        actor=Actor.USER if planned_at is None else Actor.SCHEDULER,
        state=Pending(since=now),
        created_at=now,
        schedule_id=schedule.id,
        planned_at=planned_at,
        scheduled_by=by,
    )


def left_out(
    schedule: Schedule, passed: Stretch | None, *, kind: ScheduleEventKind, reason: str
) -> Settled:
    """Return the schedule with planned instants that went by without it, counted and noted."""
    if passed is None:
        return Settled(schedule=schedule)
    missed = passed.count if kind is ScheduleEventKind.MISSED else 0
    counts = replace(schedule.counts, missed=schedule.counts.missed + missed)
    event = _event(schedule.id, kind, passed, reason)
    return Settled(schedule=replace(schedule, counts=counts), events=(event,))


def next_runs(schedule: Schedule, *, most: int = RUNS_SHOWN) -> tuple[datetime, ...]:
    """Return the next planned instants of an active schedule, in its zone, jitter left aside."""
    if schedule.state is not ScheduleState.ACTIVE:
        return ()
    timing = schedule.timing
    if isinstance(timing, Unreadable):
        return ()  # the next pass of the scheduler says so in the schedule itself
    policies = schedule.policies
    if policies.max_runs is not None:
        most = min(most, max(0, policies.max_runs - schedule.counts.fired))
    instants = upcoming(
        timing.when,
        zone=timing.zone,
        anchor=schedule.anchor,
        after=schedule.since,
        most=most,
        drawn=schedule.drawn,
    )
    return tuple(
        instant.astimezone(timing.zone)
        for instant in instants
        if policies.until is None or instant <= policies.until
    )


def sentence_of(schedule: Schedule) -> str:
    """Return what people read: when a schedule runs; its text where that is understood no more."""
    timing = schedule.timing
    if isinstance(timing, Unreadable):
        return timing.spec
    return explain(timing.when, timing.zone)


def _events(schedule_id: UUID, decision: Decision) -> Iterator[ScheduleEvent]:
    if decision.missed is not None:
        yield _event(schedule_id, ScheduleEventKind.MISSED, decision.missed, "not fired in time")
    if decision.skipped is not None:
        reason = "an earlier job was still active"
        yield _event(schedule_id, ScheduleEventKind.SKIPPED, decision.skipped, reason)


def _event(
    schedule_id: UUID, kind: ScheduleEventKind, stretch: Stretch, reason: str
) -> ScheduleEvent:
    return ScheduleEvent(
        schedule_id=schedule_id,
        kind=kind,
        first=stretch.first.astimezone(UTC),
        last=stretch.last.astimezone(UTC),
        count=stretch.count,
        reason=reason,
    )


def _count(stretch: Stretch | None) -> int:
    return 0 if stretch is None else stretch.count
