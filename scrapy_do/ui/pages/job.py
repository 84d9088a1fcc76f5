"""What every page of a job begins with: its state in words, who made it, what can be done."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from scrapy_do.core.anomalies import Anomaly
from scrapy_do.core.filter import JobFilter, StateName
from scrapy_do.core.job import Finished, Job, Outcome, Pending, Running, is_active, started_at
from scrapy_do.core.run_history import Run
from scrapy_do.operations.jobs import warnings_of
from scrapy_do.operations.operations import Operations
from scrapy_do.ui.outcomes import Said, said
from scrapy_do.ui.pages.jobs import duration_of
from scrapy_do.ui.pages.likeness import unlike
from scrapy_do.ui.words import duration, number

RUNS = 20
_FEWEST_RUNS = 3
_MOST_QUEUED = 1000
TABS = ("log", "items", "requests", "stats", "arguments", "runs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What all pages of a job show."""

    job: Job
    said: Said
    started: datetime | None
    duration: float | None
    left: timedelta | None
    waits: str
    is_active: bool
    is_ended: bool
    warnings: Sequence[str]
    runs: Sequence[Run]
    told: str
    tab: str
    hints: Sequence[str]


async def head(
    operations: Operations, job: Job, tab: str, *, now: datetime, told: str = ""
) -> Head:
    """Gather it."""
    runs = (await operations.jobs.runs([job], limit=RUNS))[job.key.project, job.key.spider]
    return Head(
        job=job,
        said=said(job),
        started=started_at(job.state),
        duration=duration_of(job, now),
        left=_left(job, runs, now),
        waits=await _waits(operations, job),
        is_active=is_active(job.state),
        is_ended=isinstance(job.state, Finished),
        warnings=warnings_of(job),
        runs=runs,
        told=told,
        tab=tab,
        hints=[_hint(one) for one in await unlike(operations, job, now=now)],
    )


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
    took = [
        run.duration.total_seconds()
        for run in runs
        if run.duration is not None and run.outcome is Outcome.SUCCESSFUL
    ]
    if not isinstance(job.state, Running) or len(took) < _FEWEST_RUNS:
        return None
    left = median(took) - (now - job.state.since).total_seconds()
    return timedelta(seconds=left) if left > 0 else None


async def _waits(operations: Operations, job: Job) -> str:
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
    return f"Number {place} in the queue; {slots}." if place else f"{slots}."


def _queue_order(job: Job) -> tuple[int, datetime, int]:
    return -job.request.priority, job.created_at, job.sequence
