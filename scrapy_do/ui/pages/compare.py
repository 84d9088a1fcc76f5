"""Jobs side by side: what they were given, what they did, and the difference."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from scrapy_do.core.job import Finished, Job
from scrapy_do.errors import BadArgument
from scrapy_do.operations.operations import Operations
from scrapy_do.ui.render import PageView
from scrapy_do.ui.words import change, duration, is_counted, moment, number, rounded
from scrapy_do.web.params import Params, parse_uuid

MOST_JOBS = 4
MOST_ROWS = 1000
COLUMNS = ("group", "name", "difference")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One fact of each job as text; `difference` is that of the last to the first number."""

    name: str
    values: Sequence[str]
    difference: str = ""

    @property
    def differs(self) -> bool:
        """Whether the jobs are not alike in this."""
        return len(set(self.values)) > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class FactGroup:
    """Rows of one kind."""

    name: str
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compare:
    """What the page shows."""

    jobs: Sequence[Job]
    groups: Sequence[FactGroup]


async def wanted_jobs(operations: Operations, params: Params) -> list[Job]:
    """The jobs that an address names, in its order.

    Raises:
        BadArgument: these are no identifiers, or too many.
        JobNotFound: one is not there.
    """
    names = [name for text in params.texts("jobs") for name in text.split(",") if name]
    ids = [parse_uuid(name) for name in names]
    if len(ids) > MOST_JOBS:
        raise BadArgument("jobs", f"at most {MOST_JOBS} can be compared")
    jobs = []
    for name, job_id in zip(names, ids, strict=True):
        if job_id is None:
            raise BadArgument("jobs", f"{name[:60]!r} is not the identifier of a job")
        jobs.append(await operations.jobs.get(job_id))
    return jobs


def compare(jobs: Sequence[Job]) -> PageView:
    """Gather the page."""
    return PageView(
        template="compare.html",
        title="Compare jobs",
        room="jobs",
        view=Compare(jobs=jobs, groups=fact_groups(jobs) if len(jobs) > 1 else ()),
    )


def fact_groups(jobs: Sequence[Job]) -> list[FactGroup]:
    """All facts of some jobs, row by row; groups that none has are left out."""
    given = [
        _texts("spider", [f"{job.request.project}/{job.request.spider}" for job in jobs]),
        _texts("version", [job.request.version or "" for job in jobs]),
        _texts("started by", [job.scheduled_by or "" for job in jobs]),
        _texts("tags", [", ".join(job.request.tags) for job in jobs]),
    ]
    done = [
        _numbers("duration", [_length(job) for job in jobs], duration),
        *(
            _numbers(name.replace("_", " "), [getattr(job.progress, name) for job in jobs], number)
            for name in ("items", "requests", "responses", "errors", "log_lines")
        ),
    ]
    groups = [
        FactGroup(name="What was run", rows=given),
        FactGroup(name="Arguments", rows=_merged([job.request.arguments for job in jobs])),
        FactGroup(name="Settings", rows=_merged([job.request.settings for job in jobs])),
        FactGroup(name="What it did", rows=done),
        FactGroup(name="Statistics", rows=_merged([job.progress.stats for job in jobs])),
    ]
    return [group for group in groups if group.rows]


def _merged(maps: Sequence[Mapping[str, Any]]) -> list[Row]:
    names = sorted({name for one in maps for name in one})[:MOST_ROWS]
    return [_row(name, [one.get(name) for one in maps]) for name in names]


def _row(name: str, values: Sequence[Any]) -> Row:
    if all(is_counted(name, value) or value is None for value in values):
        return _numbers(name, values, rounded)
    return _texts(
        name, ["" if value is None else moment(name, value) or str(value) for value in values]
    )


def _texts(name: str, values: Sequence[str]) -> Row:
    return Row(name=name, values=[value or "\N{EN DASH}" for value in values])


def _numbers(name: str, values: Sequence[float | None], say: Any) -> Row:  # noqa: ANN401 - a way to say numbers
    first, last = values[0], values[-1]
    return Row(
        name=name,
        values=["\N{EN DASH}" if value is None else say(value) for value in values],
        difference="" if first is None or last is None else change(last, first, say),
    )


def _length(job: Job) -> float | None:
    state = job.state
    if not isinstance(state, Finished) or state.started is None:
        return None
    return max(timedelta(0), state.since - state.started).total_seconds()
