"""What every page of a job begins with: its state in words, who made it, what can be done."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median

from scrapy_do.core.anomalies import Anomaly
from scrapy_do.core.filter import ACTIVE_STATES, JobFilter, StateName
from scrapy_do.core.job import (
    Driver,
    Finished,
    Job,
    Outcome,
    Pending,
    Running,
    Stopping,
    is_active,
    started_at,
)
from scrapy_do.core.run_history import Run
from scrapy_do.core.waiting import starts_in
from scrapy_do.operations.jobs import warnings_of
from scrapy_do.operations.operations import Operations
from scrapy_do.operations.records import Latest
from scrapy_do.ui.outcomes import Said, said
from scrapy_do.ui.pages.jobs import duration_of
from scrapy_do.ui.pages.likeness import before, unlike
from scrapy_do.ui.words import duration, number

RUNS = 20
_FEWEST_RUNS = 3
_MOST_QUEUED = 1000
_MOST_AHEAD = 200
"""Of so many jobs ahead in the queue it is said how long they take."""

TABS = ("log", "items", "requests", "stats", "arguments", "runs", "files")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobHead:
    """What all pages of a job show.

    `kill_at` is when a crawl that was asked to stop is killed. `before` is the run to compare
    with, where something of this one is unlike before.
    """

    job: Job
    said: Said
    started: datetime | None
    duration: float | None
    left: timedelta | None
    waits: str
    kill_at: datetime | None
    per_minute: int | None
    memory_bytes: int | None
    last_item: datetime | None
    is_active: bool
    is_ended: bool
    warnings: Sequence[str]
    runs: Sequence[Run]
    told: str
    tab: str
    hints: Sequence[str]
    before: Job | None


async def head(
    operations: Operations, job: Job, tab: str, *, now: datetime, told: str = ""
) -> JobHead:
    """Gather it."""
    runs = (await operations.jobs.runs([job], limit=RUNS))[job.key.project, job.key.spider]
    length = duration_of(job, now)
    is_running = length is not None and is_active(job.state)
    latest = await operations.data.latest(job.id) if is_running else Latest()
    hints = await hints_of(operations, job, now=now)
    return JobHead(
        job=job,
        said=said(job),
        started=started_at(job.state),
        duration=length,
        left=_left(job, runs, now),
        waits=await _waits(operations, job, now),
        kill_at=_kill_at(operations, job),
        per_minute=round(60 * job.progress.items / length) if length else None,
        memory_bytes=latest.memory_bytes,
        last_item=None
        if latest.item_ms is None
        else datetime.fromtimestamp(latest.item_ms / 1000, UTC),
        is_active=is_active(job.state),
        is_ended=isinstance(job.state, Finished),
        warnings=warnings_of(job),
        runs=runs,
        told=told,
        tab=tab,
        hints=hints,
        before=await before(operations, job) if hints else None,
    )


def _kill_at(operations: Operations, job: Job) -> datetime | None:
    """When a crawl of ours that was asked to stop gets no more time."""
    if not isinstance(job.state, Stopping) or job.driver is not Driver.LOCAL:
        return None
    return job.state.since + operations.server.stop_grace


async def hints_of(operations: Operations, job: Job, *, now: datetime) -> list[str]:
    """Say in a sentence each what of a job is unlike the good runs before it."""
    return [_hint(one) for one in await unlike(operations, job, now=now)]


def _hint(found: Anomaly) -> str:
    """Say what is unlike before: the number, the range, and how many runs it is of."""
    show = _SHOWN.get(found.what, percent)
    is_high = found.value > found.usual
    return (
        f"Unusually {'high' if is_high else 'low'}: {found.what} {show(found.value)}; "
        f"the last {found.runs} good runs had {show(found.low)} to {show(found.high)} "
        f"(median {show(found.usual)})."
    )


def percent(share: float) -> str:
    """A share in words."""
    return f"{share:.0%}"


_SHOWN: Mapping[str, Callable[[float], str]] = {
    "items": lambda value: number(round(value)),
    "errors": lambda value: number(round(value)),
    "duration": duration,
}


def _left(job: Job, runs: Sequence[Run], now: datetime) -> timedelta | None:
    """How long a crawl will still take, going by the median of the runs before."""
    usual_s = _usual_s(runs)
    if not isinstance(job.state, Running) or usual_s is None:
        return None
    left = usual_s - (now - job.state.since).total_seconds()
    return timedelta(seconds=left) if left > 0 else None


def _usual_s(runs: Sequence[Run]) -> float | None:
    """How long runs of a spider take: their median, where enough ended well."""
    took = [
        run.duration.total_seconds()
        for run in runs
        if run.duration is not None and run.outcome is Outcome.SUCCESSFUL
    ]
    return median(took) if len(took) >= _FEWEST_RUNS else None


async def _waits(operations: Operations, job: Job, now: datetime) -> str:
    """What a queued job waits for."""
    if not isinstance(job.state, Pending):
        return ""
    others = (await operations.jobs.waiting_for([job])).get(job.id)
    if others is not None:
        return f"It waits for {others}."
    queued = await operations.jobs.find(
        JobFilter(states=frozenset({StateName.PENDING}), limit=_MOST_QUEUED)
    )
    order = sorted(queued, key=_queue_order)
    place = next((place for place, one in enumerate(order, 1) if one.id == job.id), 0)
    status = await operations.status.status()
    slots = f"{status.running} of {status.slots} slots are busy"
    if not place:
        return f"{slots}."
    wait = await _wait(operations, order[: place - 1], status.slots, now)
    about = "" if not wait else f", about {duration(wait)}"
    return f"Number {place} in the queue; {slots}{about}."


async def _wait(
    operations: Operations, ahead: Sequence[Job], slots: int, now: datetime
) -> float | None:
    """About how many seconds until a slot is free; None where too little is known."""
    if len(ahead) > _MOST_AHEAD:
        return None
    running = await operations.jobs.find(
        JobFilter(states=ACTIVE_STATES - {StateName.PENDING}, limit=_MOST_AHEAD)
    )
    runs = await operations.jobs.runs([*running, *ahead], limit=RUNS)
    usual_s = {key: _usual_s(some) for key, some in runs.items()}

    def takes(job: Job) -> float:
        known = usual_s[job.key.project, job.key.spider]
        assert known is not None
        return known

    if None in usual_s.values():
        return None
    left = [takes(one) - (duration_of(one, now) or 0.0) for one in running]
    return starts_in(left, map(takes, ahead), slots=slots)


def _queue_order(job: Job) -> tuple[int, datetime, int]:
    return -job.request.priority, job.created_at, job.sequence
