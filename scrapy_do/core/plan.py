"""What happens next in the daemon: facts in, actions out.

The controller gathers a `View`, asks `plan`, and does what it says. The plan is
level-triggered: it looks at how things are, not at what has changed, so that a missed
event costs one pass and recovery after a crash is simply the first plan.

Note [The plan's clock]
    `now` and the instants of `Live` are read from a clock that nobody can set, so that a
    step of the wall clock ends no crawl early and keeps none alive. They mean nothing but
    their differences.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

from scrapy_do.core.job import Job, Pending, Running, Starting, State, Stopping
from scrapy_do.core.transitions import Exited, Fenced, Limit, Lost, Shutdown, Started
from scrapy_do.protocol.facts import Process

_Number = TypeVar("_Number", int, float)

GONE = "its records are gone"

RUNAWAY = 2
"""A crawl that holds this many times its limit of memory gets no grace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """A crawl that the controller holds: alive, or ended and not yet settled.

    `since` is when it began; `asked_at` and `killed` say what was already done to end it;
    `memory_bytes` is the last measured size of its process tree; `active_at` its last sign
    of work. For the instants see Note [The plan's clock].
    """

    job_id: UUID
    attempt: int
    process: Process | None
    since: datetime
    ended: Exited | Lost | Fenced | None = None
    asked_at: datetime | None = None
    killed: bool = False
    memory_bytes: int | None = None
    active_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The facts: unfinished jobs that matter, and what runs.

    `active` are all jobs in Starting, Running and Stopping that we drive; `pending` those
    due, of every project the best few; `launching` the jobs whose launch is under way;
    `hurried` those whose crawl gets no grace once it was asked to stop.
    `is_stopping`: the daemon ends its crawls because it is being stopped itself.
    """

    active: tuple[Job, ...]
    pending: tuple[Job, ...]
    live: Mapping[UUID, Live]
    launching: frozenset[UUID] = frozenset()
    hurried: frozenset[UUID] = frozenset()
    is_stopping: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class JobLimits:
    """What one crawl may use; None is no limit. Seconds and bytes."""

    timeout_s: float | None = None
    stall_timeout_s: float | None = None
    memory_bytes: int | None = None

    def is_plain(self) -> bool:
        """Whether no limit is set to 0, which means none."""
        return 0 not in {self.timeout_s, self.stall_timeout_s, self.memory_bytes}


_NO_LIMITS = (None, None, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectLimits:
    """What the jobs of one project may use; None falls back to the general limit."""

    slots: int | None = None
    spider_slots: int | None = None
    job: JobLimits = JobLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What all crawls may use. A number of slots of None is no limit."""

    slots: int
    project_slots: int | None = None
    spider_slots: int | None = None
    stop_grace_s: float = 30.0
    job: JobLimits = JobLimits()
    projects: Mapping[str, ProjectLimits] = field(default_factory=dict)

    def of_project(self, name: str) -> ProjectLimits:
        """The slots of a project, with the general ones where it sets none."""
        own = self.projects.get(name, ProjectLimits())
        return ProjectLimits(
            slots=self.project_slots if own.slots is None else own.slots,
            spider_slots=self.spider_slots if own.spider_slots is None else own.spider_slots,
            job=own.job,
        )

    def of_job(self, job: Job) -> JobLimits:
        """The limits of a job: its own, else its project's, else the general ones."""
        request = job.request
        own = (request.timeout_s, request.stall_timeout_s, request.memory_limit_bytes)
        if own == _NO_LIMITS and request.project not in self.projects and self.job.is_plain():
            return self.job  # as of most jobs: all that run are looked at, again and again
        project = self.projects.get(request.project, ProjectLimits()).job
        return JobLimits(
            timeout_s=_first(request.timeout_s, project.timeout_s, self.job.timeout_s),
            stall_timeout_s=_first(
                request.stall_timeout_s, project.stall_timeout_s, self.job.stall_timeout_s
            ),
            memory_bytes=_first(
                request.memory_limit_bytes, project.memory_bytes, self.job.memory_bytes
            ),
        )


def _first(*values: _Number | None) -> _Number | None:
    """The first value that is set; 0 is set and means no limit."""
    value = next((value for value in values if value is not None), None)
    return value or None


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """Claim the job and start its crawl."""

    job: Job


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Ask the crawl politely to end."""

    job_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """End the crawl and everything it started."""

    job_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle:
    """Record an event of the job."""

    job: Job
    event: Started | Exited | Lost | Fenced | Limit | Shutdown


Action = Launch | Stop | Kill | Settle


def plan(view: View, limits: Limits, now: datetime) -> tuple[Action, ...]:
    """Say what to do now, most urgent first."""
    known = {job.id for job in view.active}
    strangers = (
        Kill(job_id=live.job_id)
        for live in view.live.values()
        if live.job_id not in known and live.job_id not in view.launching and not live.killed
    )
    return (
        *(action for job in view.active for action in _attend(job, view, limits, now)),
        *strangers,
        *(Launch(job=job) for job in _launchable(view, limits)),
    )


def _attend(job: Job, view: View, limits: Limits, now: datetime) -> Iterator[Action]:
    """Say what an active job needs."""
    if job.id in view.launching:
        return
    live = view.live.get(job.id)
    if live is None:
        never_started = isinstance(job.state, Starting)
        yield Settle(
            job=job,
            event=Fenced() if never_started else Lost(reason=GONE),
        )
    elif live.ended is not None:
        yield Settle(job=job, event=live.ended)
    elif isinstance(job.state, Starting) or _was_not_seen(job.state, live):
        yield Settle(job=job, event=Started(process=live.process))
    elif isinstance(job.state, Stopping):
        if live.asked_at is None:
            yield Stop(job_id=job.id)
        elif not live.killed and (
            job.id in view.hurried
            or now >= _kill_at(live.asked_at, limits)
            or _runs_away(live, limits.of_job(job))
        ):
            yield Kill(job_id=job.id)
    elif view.is_stopping:
        yield Settle(job=job, event=Shutdown())
    else:
        broken = _broken_limit(live, limits.of_job(job), now)
        if broken is not None:
            yield Settle(job=job, event=Limit(reason=broken))


def _was_not_seen(state: State, live: Live) -> bool:
    """Whether a crawl came to life that had been told to stop before."""
    return isinstance(state, Stopping) and state.started is None and live.process is not None


def _kill_at(asked_at: datetime, limits: Limits) -> datetime:
    return asked_at + timedelta(seconds=limits.stop_grace_s)


def _runs_away(live: Live, limits: JobLimits) -> bool:
    """Whether a crawl takes memory so fast that others would suffer from waiting."""
    return (live.memory_bytes or 0) > RUNAWAY * (limits.memory_bytes or math.inf)


def _broken_limit(live: Live, limits: JobLimits, now: datetime) -> str | None:
    """Name the limit that a running crawl has gone over."""
    if (
        limits.memory_bytes is not None
        and live.memory_bytes is not None
        and live.memory_bytes > limits.memory_bytes
    ):
        return "memory_limit"
    for instant, reason in _deadlines(live, limits):
        if now >= instant:
            return reason
    return None


def _deadlines(live: Live, limits: JobLimits) -> Iterator[tuple[datetime, str]]:
    """The instants at which a running crawl goes over a limit of time."""
    if limits.timeout_s is not None:
        yield live.since + timedelta(seconds=limits.timeout_s), "job_timeout"
    if limits.stall_timeout_s is not None:
        active_at = live.active_at or live.since
        yield active_at + timedelta(seconds=limits.stall_timeout_s), "stall_timeout"


def next_check(view: View, limits: Limits) -> datetime | None:
    """The next instant at which time alone changes what `plan` says of the active jobs."""
    return min(_checks(view, limits), default=None)


def _checks(view: View, limits: Limits) -> Iterable[datetime]:
    for job in view.active:
        live = view.live.get(job.id)
        if live is None or live.ended is not None:
            continue
        if isinstance(job.state, Stopping) and live.asked_at is not None and not live.killed:
            yield _kill_at(live.asked_at, limits)
        elif isinstance(job.state, Running):
            for instant, _ in _deadlines(live, limits.of_job(job)):
                yield instant


def busy(active: Iterable[Job], live: Mapping[UUID, Live]) -> list[Job]:
    """The active jobs that hold a slot: all but those whose crawl has ended."""
    return [job for job in active if job.id not in live or live[job.id].ended is None]


def free_slots(working: int, limits: Limits) -> int:
    """How many more crawls may start beside those that hold a slot."""
    return max(0, limits.slots - working)


def saturated(
    working: Iterable[Job], limits: Limits
) -> tuple[frozenset[str], frozenset[tuple[str, str]]]:
    """The projects, and the (project, spider) pairs, that have no slot of their own left."""
    projects: Counter[str] = Counter()
    spiders: Counter[tuple[str, str]] = Counter()
    for job in working:
        projects[job.request.project] += 1
        spiders[job.request.project, job.request.spider] += 1
    return (
        frozenset(
            name for name, used in projects.items() if _full(used, limits.of_project(name).slots)
        ),
        frozenset(
            pair
            for pair, used in spiders.items()
            if _full(used, limits.of_project(pair[0]).spider_slots)
        ),
    )


def _full(used: int, slots: int | None) -> bool:
    return bool(slots) and used >= (slots or 0)


def _launchable(view: View, limits: Limits) -> Iterator[Job]:
    """Choose the jobs that start now.

    Highest priority first; at equal priority the project with the fewest crawls, so that
    none starves another; then the oldest.
    """
    working = busy(view.active, view.live)
    waiting = [job for job in view.pending if isinstance(job.state, Pending)]
    for _ in range(free_slots(len(working), limits)):
        full_projects, full_spiders = saturated(working, limits)
        running = Counter(job.request.project for job in working)
        candidates = [
            job
            for job in waiting
            if job.request.project not in full_projects
            and (job.request.project, job.request.spider) not in full_spiders
        ]
        if not candidates:
            return
        best = min(
            candidates,
            key=lambda job: (
                -job.request.priority,
                running[job.request.project],
                job.created_at,
                job.key,
            ),
        )
        waiting.remove(best)
        working.append(best)
        yield best
