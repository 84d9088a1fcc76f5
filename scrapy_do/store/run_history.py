"""The last ended jobs of spiders and of schedules, read from few columns in their indexes."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, bindparam, select

from scrapy_do.core.filter import StateName
from scrapy_do.core.instants import instant_of, ms_of
from scrapy_do.core.job import Outcome
from scrapy_do.core.run_history import RecentRun, Run
from scrapy_do.store import tables
from scrapy_do.store.rows import maybe_instant

SpiderKey = tuple[int, int]
"""The numbers of a project and of its spider."""

_jobs = tables.jobs

_COLUMNS = ("id", "outcome", "started_ms", "ended_ms", "items", "responses", "errors")

_RUNS: Select[Any] = (
    select(*(_jobs.c[name] for name in _COLUMNS))
    .where(
        _jobs.c.project_id == bindparam("project"),
        _jobs.c.spider_number == bindparam("spider"),
        _jobs.c.outcome.is_not(None),
    )
    .order_by(_jobs.c.sequence.desc())
    .limit(bindparam("most"))
)


_RUNS_OF_SCHEDULE: Select[Any] = (
    select(*(_jobs.c[name] for name in _COLUMNS))
    .where(_jobs.c.schedule_id == bindparam("schedule"), _jobs.c.outcome.is_not(None))
    .order_by(_jobs.c.sequence.desc())
    .limit(bindparam("most"))
)


def runs_of_schedules(
    connection: Connection, schedules: Sequence[UUID], limit: int
) -> dict[UUID, list[Run]]:
    """The last ended jobs of each schedule, the newest last."""
    return {
        key: _read(connection, _RUNS_OF_SCHEDULE, {"schedule": key, "most": limit})
        for key in schedules
    }


def runs_of_spiders(
    connection: Connection, spiders: Sequence[SpiderKey], limit: int
) -> dict[SpiderKey, list[Run]]:
    """The last ended jobs of each spider, the newest last."""
    return {key: _runs(connection, key, limit) for key in spiders}


def _runs(connection: Connection, key: SpiderKey, limit: int) -> list[Run]:
    project, spider = key
    return _read(connection, _RUNS, {"project": project, "spider": spider, "most": limit})


def _read(connection: Connection, query: Select[Any], values: Mapping[str, object]) -> list[Run]:
    """The runs of a query that has the newest first."""
    runs = [_run_of(row) for row in connection.execute(query, values)]
    runs.reverse()
    return runs


def _run_of(row: Sequence[Any]) -> Run:
    """The run of a row that begins with `_COLUMNS`: by place, as a page reads thousands."""
    job_id, outcome, started_ms, ended_ms, items, responses, errors, *_ = row
    return Run(
        job_id=job_id,
        outcome=Outcome(outcome),
        started=maybe_instant(started_ms),
        ended=instant_of(ended_ms),
        items=items,
        responses=responses,
        errors=errors,
    )


_NEWEST = (
    select(_jobs.c.sequence)
    .where(_jobs.c.outcome.is_not(None), _jobs.c.state == StateName.FINISHED.value)
    .order_by(_jobs.c.sequence.desc())
    .limit(bindparam("most"))
    .subquery("newest")
)
"""The jobs that ended last, whenever that was: so nothing older is ever gone through."""

_RECENT: Select[Any] = (
    select(
        tables.projects.c.name,
        tables.spiders.c.name,
        *(_jobs.c[name] for name in _COLUMNS),
        *(_jobs.c[name] for name in ("reason", "project_id", "spider_number", "number")),
    )
    .join(_NEWEST, _NEWEST.c.sequence == _jobs.c.sequence)
    .join(tables.projects, tables.projects.c.id == _jobs.c.project_id)
    .join(
        tables.spiders,
        (tables.spiders.c.project_id == _jobs.c.project_id)
        & (tables.spiders.c.number == _jobs.c.spider_number),
    )
    .where(_jobs.c.ended_ms >= bindparam("since"))
    .order_by(_jobs.c.ended_ms.desc())
)


def recent_runs(connection: Connection, since: datetime, limit: int) -> list[RecentRun]:
    """Of the `limit` jobs that changed last those that ended since then, the newest first."""
    rows = connection.execute(_RECENT, {"since": ms_of(since), "most": limit})
    return [RecentRun._make(row) for row in rows]
