"""A job: one request to run a spider, one value for its whole life.

Identity and request are plain fields; progress is one field, `state`, typed as a
union of frozen classes, each with exactly the facts that exist in that state.
`transitions` says how a job moves from one to the next.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from scrapy_do.errors import BadArgument
from scrapy_do.protocol.facts import Process, Progress

JSON = Any
"""A decoded JSON value."""

PRIORITIES = range(5)
DEFAULT_PRIORITY = 2
NO_PAYLOAD = "{}"
"""The payload of a job that was given none."""


class Actor(StrEnum):
    """Who made the job: a person or program through an API, or the scheduler."""

    USER = "USER"
    SCHEDULER = "SCHEDULER"


class Driver(StrEnum):
    """Who runs the job: our controller, or an outside client through the job queue API."""

    LOCAL = "local"
    CLIENT = "client"


class Outcome(StrEnum):
    """How a job ended."""

    SUCCESSFUL = "SUCCESSFUL"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    LOST = "LOST"


class StopCause(StrEnum):
    """Why a crawl was asked to stop; decides what its end means."""

    CANCEL = "cancel"
    LIMIT = "limit"
    SHUTDOWN = "shutdown"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class JobKey:
    """The name of a job for Scrapy Cloud clients: project, spider and job number."""

    project: int
    spider: int
    number: int

    def __str__(self) -> str:
        return f"{self.project}/{self.spider}/{self.number}"

    @classmethod
    def parse(cls, text: str) -> "JobKey":
        """Read `P/S/J`.

        Raises:
            BadArgument: the text is not three whole numbers from 1.
        """
        parts = text.split("/")
        if len(parts) != 3 or not all(part.isascii() and part.isdigit() for part in parts):  # noqa: PLR2004 - P, S and J
            raise BadArgument("key", f"{text[:100]!r} is not a job key such as '1/2/3'")
        if any(len(part) > 18 for part in parts):  # noqa: PLR2004 - what a 64-bit integer holds
            raise BadArgument("key", f"{text[:100]!r} has a number that is too large")
        project, spider, number = map(int, parts)
        return cls(project=project, spider=spider, number=number)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """What to run and how: the part that a schedule repeats.

    `version` None means the project's current version at the time of acceptance.
    `payload` is the JSON text of the Scrapy Do API, passed as the spider argument of
    that name. Durations are seconds; None means the configured default.
    """

    project: str
    spider: str
    version: str | None = None
    arguments: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, JSON] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    priority: int = DEFAULT_PRIORITY
    tags: tuple[str, ...] = ()
    description: str = ""
    payload: str = NO_PAYLOAD
    timeout_s: float | None = None
    stall_timeout_s: float | None = None
    memory_limit_bytes: int | None = None
    retries: int = 0
    retry_delay_s: float = 0.0
    units: int = 1

    def __post_init__(self) -> None:
        if self.priority not in PRIORITIES:
            raise BadArgument("priority", f"{self.priority} is not a whole number from 0 to 4")


# --- the states --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """Waiting for a slot. `attempt` counts the launches that may have run already.

    The controller moves it on, not before `not_before`; a crash changes nothing.
    """

    since: datetime
    attempt: int = 0
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Starting:
    """Claimed for launch number `attempt`; a run directory may exist, no proof of a start yet."""

    since: datetime
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A process holds the run's lock. It goes on when the daemon dies, and is adopted."""

    since: datetime
    attempt: int
    process: Process | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopping:
    """The end was asked for; the crawl may still live.

    `started` and `process` are absent when the wish came before the start. `reason`
    becomes the close reason of a limit.
    """

    since: datetime
    started: datetime | None
    attempt: int
    cause: StopCause
    reason: str
    process: Process | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """Over, with its outcome and the reason in a few words."""

    since: datetime
    started: datetime | None
    attempt: int
    outcome: Outcome
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleted:
    """Scrapy Cloud's soft state: hidden from the other dialects, still readable there."""

    since: datetime
    by: str
    finished: Finished


State = Pending | Starting | Running | Stopping | Finished | Deleted


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One execution request, all its life. See the module's docstring.

    `deploy_id` is the version that was accepted: a later push does not change it.
    `unique` refuses a second active job of the same value in its project. `meta` holds
    what Scrapy Cloud clients store with the job.
    """

    id: UUID
    key: JobKey
    request: JobRequest
    deploy_id: int | None
    actor: Actor
    driver: Driver
    created_at: datetime
    changed_at: datetime
    sequence: int
    state: State
    progress: Progress = field(default_factory=Progress)
    schedule_id: UUID | None = None
    planned_at: datetime | None = None
    unique: str | None = None
    scheduled_by: str | None = None
    started_by: str | None = None
    completed_by: str | None = None
    cancelled_by: str | None = None
    meta: Mapping[str, JSON] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A job about to be stored; the store gives it its key and sequence."""

    id: UUID
    request: JobRequest
    actor: Actor = Actor.USER
    driver: Driver = Driver.LOCAL
    state: State
    created_at: datetime
    schedule_id: UUID | None = None
    planned_at: datetime | None = None
    unique: str | None = None
    scheduled_by: str | None = None
    started_by: str | None = None
    completed_by: str | None = None
    meta: Mapping[str, JSON] = field(default_factory=dict)


def is_active(state: State) -> bool:
    """Whether the job still has something before it."""
    return isinstance(state, Pending | Starting | Running | Stopping)


def is_in_hand(state: State) -> bool:
    """Whether the job holds a slot, or did until its end is recorded."""
    return isinstance(state, Starting | Running | Stopping)


def attempt_of(job: Job) -> int:
    """The number of the launch that the job's state is about; 0 before the first."""
    return job.state.finished.attempt if isinstance(job.state, Deleted) else job.state.attempt


def has_started(state: State) -> bool:
    """Whether a launch of the job has begun, now or before."""
    match state:
        case Pending(attempt=attempt):
            return attempt > 0
        case Finished(started=started):
            return started is not None
        case Deleted(finished=finished):
            return has_started(finished)
        case Starting() | Running() | Stopping():
            return True


def started_at(state: State) -> datetime | None:
    """When the crawl began of which the state tells; None where none has begun."""
    match state:
        case Running(since=since):
            return since
        case Stopping(started=started) | Finished(started=started):
            return started
        case _:
            return None


def process_in(state: State) -> Process | None:
    """The process of a crawl that has begun, where it is known."""
    return state.process if isinstance(state, Running | Stopping) else None


def running_for(job: Job, now: datetime) -> timedelta:
    """How long a job has been running; nothing for one that starts now."""
    state = job.state
    if isinstance(state, Stopping):
        since = state.started
    else:
        since = state.since if isinstance(state, Running) else None
    return timedelta(0) if since is None else max(timedelta(0), now - since)
