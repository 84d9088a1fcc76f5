"""What a job was given, what it counted, and the runs like it: parts of the page of a job."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from scrapy_do.core.item_filter import text_of
from scrapy_do.core.job import NO_PAYLOAD, Job, is_active
from scrapy_do.core.run_history import Run, run_of
from scrapy_do.operations.operations import JobFile, LeftOut, Operations
from scrapy_do.ui.pages.job import JobHead, head
from scrapy_do.ui.pages.job_charts import Charts, charts
from scrapy_do.ui.pages.jobs import duration_of
from scrapy_do.ui.pages.likeness import before, runs_like
from scrapy_do.ui.render import PageView
from scrapy_do.ui.words import change, duration, is_counted, moment, number, rounded, size

FILES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Stat:
    """A statistic, and the same one of the run before."""

    name: str
    value: str
    before: str
    difference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """What the page shows."""

    head: JobHead
    stats: Sequence[Stat]
    before: Job | None
    starts: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """What the page shows: everything that the job was given."""

    head: JobHead
    arguments: Mapping[str, str]
    settings: Mapping[str, Any]
    environment: Sequence[str]
    payload: str
    facts: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """What the page shows: the last runs of the spider with the same arguments."""

    head: JobHead
    rows: Sequence[tuple[Job, float | None]]
    runs: Sequence[Run]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobNow:
    """What changes of a job while it runs."""

    head: JobHead
    charts: Charts | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """What the page shows: files with when each was changed, and where the next page begins."""

    head: JobHead
    files: Sequence[tuple[JobFile, datetime]]
    left_out: LeftOut
    next: int | None


def page_of(job: Job, template: str, view: object) -> PageView:
    """A part of the page of a job."""
    return PageView(
        template=template,
        title=f"{job.request.spider} {job.key}",
        room="jobs",
        live=("jobs",) if is_active(job.state) else (),
        view=view,
    )


async def job_stats(operations: Operations, job: Job, starts: str, *, now: datetime) -> PageView:
    """Gather the statistics, beside those of the run before."""
    earlier = await before(operations, job)
    old = {} if earlier is None else earlier.progress.stats
    stats = job.progress.stats
    names = sorted(name for name in {*stats, *old} if name.startswith(starts))
    view = Stats(
        head=await head(operations, job, "stats", now=now),
        stats=[
            Stat(
                name=name,
                value=_shown(name, stats.get(name)),
                before=_shown(name, old.get(name)),
                difference=_difference(name, stats.get(name), old.get(name)),
            )
            for name in names
        ],
        before=earlier,
        starts=starts,
    )
    return page_of(job, "job_stats.html", view)


def _shown(name: str, value: Any) -> str:  # noqa: ANN401 - a JSON value
    if value is None:
        return "\N{EN DASH}"
    if is_counted(name, value):
        return rounded(value)
    return moment(name, value) or text_of(value)


def _difference(name: str, value: Any, old: Any) -> str:  # noqa: ANN401 - JSON values
    return change(value, old) if is_counted(name, value) and is_counted(name, old) else ""


async def job_arguments(operations: Operations, job: Job, *, now: datetime) -> PageView:
    """Gather what the job was given."""
    request = job.request
    limits = (
        ("Priority", number(request.priority)),
        ("Time-out", duration(request.timeout_s)),
        ("Stall time-out", duration(request.stall_timeout_s)),
        ("Memory limit", size(request.memory_limit_bytes)),
        ("Retries", number(request.retries)),
        ("Retry delay", duration(request.retry_delay_s)),
    )
    view = Arguments(
        head=await head(operations, job, "arguments", now=now),
        arguments=request.arguments,
        settings=request.settings,
        environment=sorted(request.environment),
        payload="" if request.payload == NO_PAYLOAD else request.payload,
        facts=limits,
    )
    return page_of(job, "job_arguments.html", view)


async def job_runs(operations: Operations, job: Job, *, now: datetime) -> PageView:
    """Gather the runs like this one."""
    like = await runs_like(operations, job)
    view = Runs(
        head=await head(operations, job, "runs", now=now),
        rows=[(one, duration_of(one, now)) for one in like],
        runs=[run for run in map(run_of, reversed(like)) if run is not None],
    )
    return page_of(job, "job_runs.html", view)


async def job_now(operations: Operations, job: Job, *, now: datetime) -> PageView:
    """Gather what changes while a job runs, with the runs before it: a part of its page."""
    view = JobNow(
        head=await head(operations, job, "log", now=now),
        charts=await charts(operations, job, now=now, former=True),
    )
    return page_of(job, "job_now.html", view)


async def job_files(operations: Operations, job: Job, after: int, *, now: datetime) -> PageView:
    """Gather the files that the run has left, from behind number `after` on."""
    files, left_out = await operations.outputs.files(job.id, after=after, limit=FILES + 1)
    shown = files[:FILES]
    view = Files(
        head=await head(operations, job, "files", now=now),
        files=[(one, datetime.fromtimestamp(one.modified_ms / 1000, UTC)) for one in shown],
        left_out=left_out,
        next=shown[-1].number if len(files) > FILES else None,
    )
    return page_of(job, "job_files.html", view)
