"""Which planned instants become jobs, which are missed, which are skipped, and what comes next.

Pure: time, zone and randomness come in. Every function takes a schedule and answers
with values; whoever stores them does so in one transaction. All of them raise BadWhen for a
schedule whose text or zone is no longer known.

Note [On time, late, missed]
    Timers fire a little late and a daemon may be busy: the newest due instant is *on time*
    within `ON_TIME_S` of its start (or within the catch-up window, where that is shorter),
    if the daemon was there at that start; then it fires under every policy. All other due
    instants are late, and the policy decides: `latest` takes the newest one, on time or
    not, so never more than one job; `all` takes the `MOST_CAUGHT_UP` newest inside the
    window; `none` takes none. The rest is missed.

Note [Overlap and catch-up]
    The overlap policy compares what is due with the jobs that were there before. The jobs
    of one catch-up do not overlap each other: `all` asked for every one of them.
"""

import hashlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID, uuid4

from scrapy_do.core.job import Actor, NewJob, Pending
from scrapy_do.core.schedule import (
    MILLISECOND,
    SCHEDULER,
    CatchUp,
    Counts,
    Overlap,
    Schedule,
    ScheduleEvent,
    ScheduleEventKind,
    ScheduleState,
    timing_of,
    whole_ms,
)
from scrapy_do.core.when import (
    Instants,
    RandomGap,
    draw,
    missed,
    next_after,
    shortest_gap,
)
from scrapy_do.errors import BadArgument

ON_TIME_S = 5.0
"""No timer of a daemon that is there is later, however busy it is."""

LEAST_ON_TIME_S = 1.0
"""However short the catch-up window, no timer is so exact that less would ever fire."""

MOST_CAUGHT_UP = 100
MOST_JOBS = {CatchUp.NONE: 0, CatchUp.LATEST: 1, CatchUp.ALL: MOST_CAUGHT_UP}
"""How many of the due instants each catch-up policy lets through."""

MOST_BACKFILLED = 1000
MOST_DRAWN = 10_000
"""How many gaps of a random interval are drawn to pass over one downtime."""

LARGEST_STEP_BACK = timedelta(hours=3)
"""A clock set back by more is a correction; by less, the instants have happened already."""

INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a schedule stores about its next instant.

    `next_due` is the planned instant, None when there is none: the schedule is finished.
    `wake_at` is when it starts, `next_due` plus its jitter; it follows from the rest and
    need not be stored.
    """

    anchor: datetime
    last_planned: datetime | None
    next_due: datetime | None
    drawn: timedelta | None
    wake_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Successive planned instants that made no job: the first, the last, their number."""

    first: datetime
    last: datetime
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What became of the instants that were due, and the plan from here on.

    `jobs` are planned instants, oldest first, at most `MOST_CAUGHT_UP`; `stop_active` says
    to stop the schedule's active jobs before these start. `missed` lies before them.
    `passed` went by while the schedule was paused.
    """

    plan: Plan
    jobs: tuple[datetime, ...] = ()
    missed: Stretch | None = None
    skipped: Stretch | None = None
    passed: Stretch | None = None
    stop_active: bool = False


def replan(schedule: Schedule, *, rng: Random) -> Plan:
    """Return the next instant of a schedule: when it is made, edited, or loaded at start.

    It may lie in the past: `decide` then says what becomes of it. A gap is drawn only
    where none is stored.
    """
    drawn = draw(timing_of(schedule).when, rng) if schedule.drawn is None else schedule.drawn
    planned = _next(schedule, after=schedule.since, drawn=drawn)
    until, max_runs = schedule.policies.until, schedule.policies.max_runs
    over = (
        planned is None
        or (until is not None and planned > until)
        or (max_runs is not None and schedule.counts.fired >= max_runs)
    )
    return Plan(
        anchor=schedule.anchor,
        last_planned=schedule.last_planned,
        next_due=None if over else planned,
        drawn=None if over else drawn,
        wake_at=None if over or planned is None else start_of(schedule, planned),
    )


def decide(
    schedule: Schedule,
    *,
    now: datetime,
    present_since: datetime,
    active: bool,
    pending: bool,
    rng: Random,
) -> Decision:
    """Say what becomes of all planned instants up to `now`.

    What was due before `present_since`, when the daemon was not there, is late. `active`
    says that a job of the schedule is starting, running or stopping, `pending` that one
    waits to start. Nothing due is no error: the decision is then only the plan.
    """
    due = _due(schedule, now, rng)
    if not due.found.count:
        return Decision(plan=replan(replace(schedule, drawn=due.drawn), rng=rng))
    jobs = _caught_up(schedule, due.found, now, present_since)
    late = _before_newest(due.found, len(jobs))
    jobs, skipped, stop_active = _overlap(
        schedule.policies.overlap, jobs, active=active, pending=pending
    )
    last = due.last
    fired, max_runs = schedule.counts.fired, schedule.policies.max_runs
    room = None if max_runs is None else max_runs - fired
    if room is not None and len(jobs) >= room:
        # The schedule ends with its last job: what would follow is no longer planned.
        jobs, skipped = jobs[:room], ()
        last = jobs[-1]
    counts = replace(schedule.counts, fired=fired + len(jobs))
    after = replace(schedule, last_planned=last, drawn=due.drawn, counts=counts)
    return Decision(
        plan=replan(after, rng=rng),
        jobs=jobs,
        missed=late,
        skipped=_stretch(skipped),
        stop_active=stop_active,
    )


def resume(schedule: Schedule, *, now: datetime, rng: Random) -> Decision:
    """Plan on from now after a pause: what went by is neither missed nor caught up."""
    passed = None
    if isinstance(timing_of(schedule).when, RandomGap):
        planned = replan(schedule, rng=rng).next_due
        if planned is not None and planned <= now:
            passed = Stretch(first=planned, last=planned, count=1)
    else:
        passed = _before_newest(
            _found(schedule, min(now, schedule.policies.until or now), most=1), 0
        )
    return Decision(plan=replan(_from(schedule, now), rng=rng), passed=passed)


def after_step(
    schedule: Schedule, *, now: datetime, back: timedelta = timedelta(0), rng: Random
) -> Plan | None:
    """Say what a wall clock that was set means; None when the plan stays as it is.

    `back` is by how much it went back; negative when it went forward. A stored instant that
    lies ahead of `now` tells it too, so at start `back` may be left out. A step back of at
    most `LARGEST_STEP_BACK` changes nothing: the instants up to the last planned one have
    had their jobs. A larger one is a correction, and the schedule is planned afresh from
    now; an anchor that lies ahead is brought back to now. A step forward is downtime, which
    `decide` deals with.
    """
    if max(back, schedule.since - now) <= LARGEST_STEP_BACK:
        return None
    return replan(replace(_from(schedule, now), anchor=min(schedule.anchor, now)), rng=rng)


def backfill(
    schedule: Schedule, *, first: datetime, last: datetime, now: datetime
) -> tuple[datetime, ...]:
    """Return the planned instants in [first, last] that are not ahead of `now`, oldest first.

    They lie after the anchor and up to `until`. They are keys like all others, so that
    doing it twice does nothing.

    Raises:
        BadArgument: `last` lies before `first`, there are more than `MOST_BACKFILLED`, or
            the schedule has a random interval, whose past instants nobody knows.
    """
    timing = timing_of(schedule)
    if isinstance(timing.when, RandomGap):
        raise BadArgument("from", "a random interval has no planned instants to fill in")
    if last < first:
        raise BadArgument("to", "lies before 'from'")
    found = missed(
        timing.when,
        zone=timing.zone,
        anchor=schedule.anchor,
        first_exclusive=first - INSTANT,
        last_inclusive=min(last, now, schedule.policies.until or now),
        most=MOST_BACKFILLED,
    )
    if found.count > MOST_BACKFILLED:
        raise BadArgument(
            "to",
            f"there are {found.count} planned instants from then to then, "
            f"the most at once is {MOST_BACKFILLED}",
        )
    return found.newest


def start_of(schedule: Schedule, planned: datetime) -> datetime:
    """Return when the job of a planned instant starts: at the instant plus its jitter.

    The jitter is cut where it would reach the following instant, so that jobs start in
    the order of their instants.
    """
    room_s = schedule.policies.jitter_s
    if not room_s:
        return planned
    when = timing_of(schedule).when
    gap = shortest_gap(when) if isinstance(when, RandomGap) else None
    following = _next(schedule, after=planned, drawn=gap)
    if following is not None:
        room_s = min(room_s, (following - planned).total_seconds())
    return planned + timedelta(seconds=jitter_s(schedule.id, planned, room_s))


def jitter_s(schedule_id: UUID, planned: datetime, most_s: float) -> float:
    """Return the seconds from 0 to `most_s` by which the job of an instant starts later.

    They follow from the schedule and the instant (to the millisecond, as it is stored), so
    a restart gives the same.
    """
    key = f"{schedule_id} {int(planned.timestamp() * 1000)}"
    digest = hashlib.sha256(key.encode()).digest()
    return most_s * int.from_bytes(digest[:6], "big") / 2**48


# --- what a schedule becomes ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A schedule after a decision, with the jobs and the events that belong to it."""

    schedule: Schedule
    jobs: tuple[NewJob, ...] = ()
    events: tuple[ScheduleEvent, ...] = ()


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
    more = passed.count if kind is ScheduleEventKind.MISSED else 0
    counts = replace(schedule.counts, missed=schedule.counts.missed + more)
    event = _event(schedule.id, kind, passed, reason)
    return Settled(schedule=replace(schedule, counts=counts), events=(event,))


# --- what is due ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Due:
    """The instants that are due; planning goes on after `last`, with `drawn` as the next gap."""

    found: Instants
    last: datetime
    drawn: timedelta | None = None


def _due(schedule: Schedule, now: datetime, rng: Random) -> _Due:
    policies = schedule.policies
    if policies.max_runs is not None and schedule.counts.fired >= policies.max_runs:
        return _Due(found=Instants(), last=schedule.since)
    until = min(now, policies.until or now)
    if isinstance(timing_of(schedule).when, RandomGap):
        return _drawn_due(schedule, until, now, rng)
    found = _found(schedule, until, most=MOST_CAUGHT_UP + 1)
    if found.newest and start_of(schedule, found.newest[-1]) > now:
        found = _found(schedule, found.newest[-1] - INSTANT, most=MOST_CAUGHT_UP + 1)
    return _Due(found=found, last=found.newest[-1] if found.newest else schedule.since)


def _drawn_due(schedule: Schedule, until: datetime, now: datetime, rng: Random) -> _Due:
    """Draw one gap after the other up to now; beyond `MOST_DRAWN` go on from now."""
    plan = replan(schedule, rng=rng)
    planned, drawn, count = plan.next_due, plan.drawn, 0
    newest: deque[datetime] = deque(maxlen=MOST_CAUGHT_UP + 1)
    first = planned
    while planned is not None and planned <= until and start_of(schedule, planned) <= now:
        newest.append(planned)
        count += 1
        drawn = draw(timing_of(schedule).when, rng)
        if count == MOST_DRAWN:
            return _Due(
                found=Instants(count=count, first=first, newest=tuple(newest)),
                last=now,
                drawn=drawn,
            )
        planned = _next(schedule, after=planned, drawn=drawn)
    return _Due(
        found=Instants(count=count, first=first, newest=tuple(newest)),
        last=newest[-1] if newest else schedule.since,
        drawn=drawn,
    )


def _caught_up(
    schedule: Schedule, found: Instants, now: datetime, present_since: datetime
) -> tuple[datetime, ...]:
    """Return the due instants that the catch-up policy and its window let through."""
    newest, window_s = found.newest[-1], schedule.policies.catchup_window_s
    most = MOST_JOBS[schedule.policies.catchup]
    wanted = found.newest[max(0, len(found.newest) - most) :]
    on_time_s = ON_TIME_S
    if window_s is not None:
        oldest = now - timedelta(seconds=window_s)
        wanted = tuple(planned for planned in wanted if planned >= oldest)
        on_time_s = min(ON_TIME_S, max(window_s, LEAST_ON_TIME_S))
    start = start_of(schedule, newest)
    is_on_time = start >= present_since and (now - start).total_seconds() <= on_time_s
    return (newest,) if is_on_time and not wanted else wanted


def _overlap(
    policy: Overlap, due: tuple[datetime, ...], *, active: bool, pending: bool
) -> tuple[tuple[datetime, ...], tuple[datetime, ...], bool]:
    """Return which of the due instants become jobs, which are skipped, and whether to stop."""
    if not due or not (active or pending):
        return due, (), False
    if policy is Overlap.SKIP:
        return (), due, False
    if policy is Overlap.QUEUE_ONE:
        queued = 0 if pending else 1
        return due[:queued], due[queued:], False
    return due, (), policy is Overlap.REPLACE


# --- small steps ---------------------------------------------------------------------------------


def _next(schedule: Schedule, *, after: datetime, drawn: timedelta | None) -> datetime | None:
    timing = timing_of(schedule)
    return next_after(
        timing.when, zone=timing.zone, anchor=schedule.anchor, after=after, drawn=drawn
    )


def _found(schedule: Schedule, until: datetime, *, most: int) -> Instants:
    timing = timing_of(schedule)
    return missed(
        timing.when,
        zone=timing.zone,
        anchor=schedule.anchor,
        first_exclusive=schedule.since,
        last_inclusive=until,
        most=most,
    )


def _from(schedule: Schedule, now: datetime) -> Schedule:
    return replace(schedule, last_planned=now, drawn=None)


def _before_newest(found: Instants, kept: int) -> Stretch | None:
    """Return the instants before the `kept` newest ones."""
    if found.first is None or found.count <= kept:
        return None
    return Stretch(first=found.first, last=found.newest[-kept - 1], count=found.count - kept)


def _stretch(instants: tuple[datetime, ...]) -> Stretch | None:
    if not instants:
        return None
    return Stretch(first=instants[0], last=instants[-1], count=len(instants))


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
