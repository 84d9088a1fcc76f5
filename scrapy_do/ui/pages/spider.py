"""A spider: its last runs, the arguments it ever got, its schedules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from scrapy_do.core.filter import JobFilter
from scrapy_do.core.job import Finished, Job, is_active
from scrapy_do.core.project import Spider
from scrapy_do.core.run_history import Run
from scrapy_do.core.schedule import STANDING, Schedule
from scrapy_do.operations.operations import Operations
from scrapy_do.operations.records import RecordKind
from scrapy_do.ui.charts import Bars, measures
from scrapy_do.ui.render import PageView
from scrapy_do.ui.words import duration, iso, number

RUNS = 100
COVERED_RUNS = 20
MOST_FIELDS = 20
MOST_SCHEDULES = 20
MOST_ARGUMENTS = 50
COLUMNS = ("id", "outcome", "started", "ended", "duration_s", "items", "responses", "errors")


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedArguments:
    """Arguments that jobs were given: how often among the last, and when last."""

    arguments: Mapping[str, str]
    times: int
    last: datetime

    @property
    def fields(self) -> list[tuple[str, str]]:
        """As the run form takes them."""
        return [("arg", f"{name}={value}") for name, value in self.arguments.items()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How many of 100 items had a field, run by run."""

    name: str
    last: int
    drawn: Bars


@dataclass(frozen=True, slots=True, kw_only=True)
class SpiderView:
    """What the page shows; `runs` have the newest first."""

    project: str
    spider: Spider
    active: Sequence[Job]
    runs: Sequence[Run]
    measures: Mapping[str, Bars]
    items_said: str
    coverage: Sequence[Coverage]
    more_fields: int
    used: Sequence[UsedArguments]
    schedules: Sequence[Schedule]
    has_more_schedules: bool


async def spider(operations: Operations, project: str, name: str) -> PageView:
    """Gather the page."""
    found = await operations.projects.spider(project, name)
    wanted = JobFilter(project=project, spider=name, limit=RUNS)
    jobs = await operations.jobs.find(wanted)
    few = replace(wanted, limit=MOST_SCHEDULES)
    schedules = await operations.listing.schedules(few, STANDING)
    runs = await _runs(operations, found)
    fields = await _coverage(operations, jobs)
    return PageView(
        template="spider.html",
        title=name,
        room="projects",
        live=("jobs", "schedules"),
        view=SpiderView(
            project=project,
            spider=found,
            active=[job for job in jobs if is_active(job.state)],
            runs=list(reversed(runs)),
            measures=_measures(runs),
            items_said=measures([run.items for run in runs], number).label,
            coverage=fields[:MOST_FIELDS],
            more_fields=len(fields) - MOST_FIELDS,
            used=used_arguments(jobs),
            schedules=schedules.rows,
            has_more_schedules=schedules.next_after is not None,
        ),
    )


async def _runs(operations: Operations, found: Spider) -> Sequence[Run]:
    runs = await operations.projects.runs([found], limit=RUNS)
    return runs.get(found.name, ())


def _measures(runs: Sequence[Run]) -> Mapping[str, Bars]:
    """What can be drawn of runs beside their items."""
    took = [None if run.duration is None else run.duration.total_seconds() for run in runs]
    return {
        "Duration": measures(took, duration),
        "Pages": measures([run.responses for run in runs], number),
        "Errors": measures([run.errors for run in runs], number),
    }


async def _coverage(operations: Operations, jobs: Sequence[Job]) -> list[Coverage]:
    """How many items had each field in the last runs that found some, by name."""
    ended = [job for job in jobs if isinstance(job.state, Finished) and job.progress.items]
    latest = sorted(ended, key=lambda job: job.key)[-COVERED_RUNS:]
    counted = [await operations.data.stats(job.key, RecordKind.ITEMS) for job in latest]
    counted = [one for one in counted if one.input_values]
    names = dict.fromkeys(name for one in reversed(counted) for name in one.counts)
    found = []
    for name in names:
        if name != "_type":
            shares = [round(100 * one.counts.get(name, 0) / one.input_values) for one in counted]
            drawn = measures(shares, lambda share: f"{share} %", top=100)
            found.append(Coverage(name=name, last=shares[-1], drawn=drawn))
    return found


def used_arguments(jobs: Sequence[Job]) -> list[UsedArguments]:
    """The different arguments of some jobs, newest first."""
    times: dict[tuple[tuple[str, str], ...], int] = {}
    last: dict[tuple[tuple[str, str], ...], datetime] = {}
    for job in jobs:
        key = tuple(sorted(job.request.arguments.items()))
        if key:
            times[key] = times.get(key, 0) + 1
            last.setdefault(key, job.created_at)
    return [
        UsedArguments(arguments=dict(key), times=count, last=last[key])
        for key, count in times.items()
    ][:MOST_ARGUMENTS]


async def twin(operations: Operations, project: str, name: str) -> list[Mapping[str, Any]]:
    """The last runs for the twins of their list, newest first."""
    found = await operations.projects.spider(project, name)
    return [
        {
            "id": str(run.job_id),
            "outcome": run.outcome.value,
            "started": None if run.started is None else iso(run.started),
            "ended": iso(run.ended),
            "duration_s": None if run.duration is None else run.duration.total_seconds(),
            "items": run.items,
            "responses": run.responses,
            "errors": run.errors,
        }
        for run in reversed(await _runs(operations, found))
    ]
