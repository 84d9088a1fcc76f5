"""What people see of schedules: what one would mean, what is next, what has been."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from scrapy_do.core.clock_changes import ClockChange, clock_changes
from scrapy_do.core.grammar import parse_when, parse_zone
from scrapy_do.core.instants import instant_of, ms_of
from scrapy_do.core.job import Job
from scrapy_do.core.schedule import MILLISECOND, Schedule, ScheduleEvent, Standing, Unreadable
from scrapy_do.core.schedule_rules import EARLIEST, LATEST
from scrapy_do.core.when import (
    Now,
    RandomGap,
    explain,
    first_range,
    next_after,
    normal,
    upcoming,
)
from scrapy_do.errors import BadArgument


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a specification means: normal form, a sentence, and its next instants in the zone.

    `first_between` is the range in which the first instant of a random interval is drawn.
    `clock_changes` are the instants of the coming year that a change of the clock touches.
    """

    spec: str
    sentence: str
    zone: str
    runs: tuple[datetime, ...]
    first_between: tuple[datetime, datetime] | None = None
    clock_changes: tuple[ClockChange, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """A schedule with its next planned instants, in its zone, and the job of the last one."""

    schedule: Schedule
    runs: tuple[datetime, ...]
    last_job: Job | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Meeting:
    """What else starts in the minute of an instant: how many other schedules, and what follows.

    `wait` is about how long their jobs keep all slots busy, by the medians of what they ran
    before; None where too little is known.
    """

    at: datetime
    schedules: int
    slots: int
    wait: timedelta | None


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What became of the instants of a schedule, newest first: its jobs, and what made none."""

    schedule: Schedule
    jobs: Sequence[Job]
    events: Sequence[ScheduleEvent]


def preview_of(when: str, zone: str, anchor: datetime, *, count: int) -> Preview:
    """Say what a specification means if it is accepted at `anchor`.

    Raises:
        BadWhen, BadArgument: it means nothing, or its zone or anchor does not.
    """
    named = parse_zone(zone)
    if not EARLIEST <= anchor < LATEST:
        raise BadArgument("from", f"must lie between {EARLIEST.year} and {LATEST.year}")
    parsed = parse_when(when, now=anchor, zone=named)
    runs: Iterable[datetime] = (anchor,)
    between = None
    changes: tuple[ClockChange, ...] = ()
    if not isinstance(parsed, Now):
        runs = upcoming(parsed, zone=named, anchor=anchor, after=anchor, most=count)
        between = first_range(parsed, zone=named, anchor=anchor)
        changes = clock_changes(parsed, zone=named, anchor=anchor)
    return Preview(
        spec=normal(parsed),
        sentence=explain(parsed, named),
        zone=named.key,
        runs=tuple(instant.astimezone(named) for instant in runs),
        first_between=between and (between[0].astimezone(named), between[1].astimezone(named)),
        clock_changes=changes,
    )


def starts_within(standing: Standing, first: datetime, last: datetime) -> bool:
    """Whether an active schedule has an instant in [first, last).

    Of a random interval only the next one is known.
    """
    due_ms, jitter_ms = standing.next_due_ms, standing.jitter_s * 1000
    if due_ms - jitter_ms >= ms_of(last):
        return False
    if not jitter_ms and due_ms >= ms_of(first):
        return True
    timing = standing.timing
    if isinstance(timing, Unreadable):
        return False  # the scheduler says so in the schedule itself
    if isinstance(timing.when, RandomGap):
        return ms_of(first) <= due_ms < ms_of(last)
    anchor = instant_of(standing.anchor_ms)
    seen = anchor if standing.last_planned_ms is None else instant_of(standing.last_planned_ms)
    since = max(first - MILLISECOND, seen)
    found = next_after(timing.when, zone=timing.zone, anchor=anchor, after=since)
    if found is None or found >= last:
        return False
    return standing.until_ms is None or ms_of(found) <= standing.until_ms
