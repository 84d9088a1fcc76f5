"""The runs that are like a job, and what of it is unlike them."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from scrapy_do.core.anomalies import FEWEST_RUNS, Anomaly, Measures, anomalies
from scrapy_do.core.filter import JobFilter, StateName
from scrapy_do.core.job import Finished, Job, Outcome, Running
from scrapy_do.operations.operations import Operations
from scrapy_do.operations.records import RecordKind
from scrapy_do.ui.pages.jobs import duration_of

RUNS = 20
_LOOKED_AT = 100
_STATUS = "downloader/response_status_count/"


async def runs_like(operations: Operations, job: Job) -> list[Job]:
    """The last ended jobs of the spider with the same arguments, the newest first."""
    found = await operations.jobs.find(
        JobFilter(
            project_id=job.key.project,
            spider_number=job.key.spider,
            states=frozenset({StateName.FINISHED}),
            limit=_LOOKED_AT,
        )
    )
    like = [one for one in found if one.request.arguments == job.request.arguments]
    return sorted(like, key=lambda one: one.key, reverse=True)[:RUNS]


async def before(operations: Operations, job: Job) -> Job | None:
    """The run before a job, with the same arguments."""
    like = await runs_like(operations, job)
    return next((one for one in like if one.key < job.key), None)


async def good_before(operations: Operations, job: Job) -> list[Job]:
    """The last runs before a job, with the same arguments, that ended well: the newest first."""
    return [
        one
        for one in await runs_like(operations, job)
        if one.key < job.key
        and isinstance(one.state, Finished)
        and one.state.outcome is Outcome.SUCCESSFUL
    ]


async def unlike(operations: Operations, job: Job, *, now: datetime) -> Sequence[Anomaly]:
    """Say what of a job is unlike the runs before it."""
    is_running = isinstance(job.state, Running)
    if not (is_running or isinstance(job.state, Finished)):
        return ()
    earlier = await good_before(operations, job)
    if len(earlier) < FEWEST_RUNS or not await operations.projects.is_compared(job.key):
        return ()
    measured = [await _measures(operations, one, now) for one in earlier]
    return anomalies(await _measures(operations, job, now), measured, is_running=is_running)


async def _measures(operations: Operations, job: Job, now: datetime) -> Measures:
    counted = await operations.data.stats(job.key, RecordKind.ITEMS)
    total = counted.input_values
    return Measures(
        items=job.progress.items,
        duration_s=duration_of(job, now) or 0.0,
        errors=job.progress.errors,
        bad_share=_bad_share(job.progress.stats),
        coverage={name: n / total for name, n in counted.counts.items()} if total else {},
    )


def _bad_share(stats: Mapping[str, object]) -> float | None:
    """The share of 4xx and 5xx among the answers."""
    counts = {
        name.removeprefix(_STATUS): count
        for name, count in stats.items()
        if name.startswith(_STATUS) and isinstance(count, int)
    }
    total = sum(counts.values())
    return sum(n for name, n in counts.items() if name[:1] in "45") / total if total else None
