"""A schedule: what is to run at planned instants, again and again.

It is not a job. A planned instant is a key: `(schedule, planned)` never makes two jobs.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from scrapy_do.core.grammar import parse_when, parse_zone
from scrapy_do.core.instants import instant_of
from scrapy_do.core.job import JobRequest
from scrapy_do.core.kinds import Now, When
from scrapy_do.core.when import explain, upcoming
from scrapy_do.errors import BadArgument, BadWhen

SCHEDULER = "scheduler"
"""By whom the jobs of planned instants are made."""

MILLISECOND = timedelta(milliseconds=1)
RUNS_SHOWN = 5
_US_PER_MS = 1000


class ScheduleState(StrEnum):
    """Where a schedule is in its life."""

    ACTIVE = "active"
    PAUSED = "paused"
    FINISHED = "finished"
    ERROR = "error"
    CANCELED = "canceled"


STANDING = frozenset({ScheduleState.ACTIVE, ScheduleState.PAUSED, ScheduleState.ERROR})
"""The states of an order that stands: it is listed among jobs, as SCHEDULED, and counted so.

One that is over (finished or canceled) is in no list of jobs, and in no count of them: it
never was a job, and has no outcome. The list of schedules has them all.
"""


class CatchUp(StrEnum):
    """What becomes of instants that were missed."""

    LATEST = "latest"
    NONE = "none"
    ALL = "all"


class Overlap(StrEnum):
    """What happens at an instant while an earlier job of the schedule is still active."""

    SKIP = "skip"
    QUEUE_ONE = "queue-one"
    ALLOW = "allow"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """When a schedule runs: what its text means, and the zone whose clock it goes by."""

    when: When
    zone: ZoneInfo

    @property
    def spec(self) -> str:
        """The text that is stored and shown, in its normal form."""
        return str(self.when)

    @property
    def zone_name(self) -> str:
        """The IANA name of the zone."""
        return self.zone.key


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """What is stored instead, where the text or the zone is no longer known; with the reason."""

    spec: str
    zone_name: str
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """How a schedule treats missed instants, overlaps and its own end."""

    catchup: CatchUp = CatchUp.LATEST
    catchup_window_s: float | None = None
    overlap: Overlap = Overlap.SKIP
    jitter_s: float = 0.0
    until: datetime | None = None
    max_runs: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What became of the planned instants so far."""

    fired: int = 0
    missed: int = 0
    skipped: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """What to run, when, and how it has gone so far.

    `anchor` is the instant the grid is counted from. `next_due` is None unless the schedule
    is active. `drawn` is the gap that a random specification drew for the next instant, kept
    so that a restart does not draw again. `error` says why a schedule in that state cannot be
    planned.

    `changed_at` is when somebody changed it, or its state changed; firing changes neither.
    `sequence` is its place in lists, among that of all jobs: newest change, largest number.
    """

    id: UUID
    request: JobRequest
    timing: Timing | Unreadable
    anchor: datetime
    created_at: datetime
    changed_at: datetime
    created_by: str
    policies: Policies = Policies()
    state: ScheduleState = ScheduleState.ACTIVE
    last_planned: datetime | None = None
    next_due: datetime | None = None
    drawn: timedelta | None = None
    counts: Counts = Counts()
    note: str = ""
    error: str = ""
    sequence: int = field(default=0, compare=False)

    @property
    def since(self) -> datetime:
        """The instant after which planning goes on."""
        return self.anchor if self.last_planned is None else self.last_planned


def whole_ms(instant: datetime) -> datetime:
    """Cut what is finer than a millisecond: it would be gone after a restart, and the grid move."""
    return instant.replace(microsecond=instant.microsecond // _US_PER_MS * _US_PER_MS)


def timing_of(schedule: Schedule) -> Timing:
    """When a schedule runs.

    Raises:
        BadWhen: its text or its zone is no longer known.
    """
    if isinstance(schedule.timing, Unreadable):
        raise BadWhen(schedule.timing.problem)
    return schedule.timing


class Standing(NamedTuple):
    """What of an active schedule says when it starts, as it is stored."""

    id: UUID
    spec: str
    zone: str
    anchor_ms: int
    last_planned_ms: int | None
    next_due_ms: int
    jitter_s: float
    until_ms: int | None

    @property
    def timing(self) -> "Timing | Unreadable":
        """What its text means."""
        return stored_timing(self.spec, self.zone, anchor=instant_of(self.anchor_ms))


def stored_timing(spec: str, zone_name: str, *, anchor: datetime) -> Timing | Unreadable:
    """Read what is stored of a schedule; a single instant stays right after its time."""
    try:
        when, zone = _when_of(spec, zone_name, anchor)
    except (BadArgument, BadWhen) as error:
        return Unreadable(spec=spec, zone_name=zone_name, problem=str(error))
    if isinstance(when, Now):
        problem = "'now' makes a job, not a schedule; for example: 'every day at 12:30'"
        return Unreadable(spec=spec, zone_name=zone_name, problem=problem)
    return Timing(when=when, zone=zone)


@lru_cache(maxsize=1024)
def _when_of(spec: str, zone_name: str, anchor: datetime) -> tuple[When | Now, ZoneInfo]:
    """Read it once: the same schedules are looked at again and again, by pages and passes."""
    zone = parse_zone(zone_name)
    return parse_when(spec, now=anchor, zone=zone), zone


class ScheduleEventKind(StrEnum):
    """Why a range of planned instants made no job."""

    MISSED = "missed"
    SKIPPED = "skipped"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleEvent:
    """A range of planned instants that made no job, with the reason."""

    schedule_id: UUID
    kind: ScheduleEventKind
    first: datetime
    last: datetime
    count: int
    reason: str


# --- what people see ----------------------------------------------------------------------------


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
