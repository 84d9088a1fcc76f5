"""The last ended jobs of spiders and of schedules, read from few columns in their indexes."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, bindparam, select

from scrapy_do.core.job import Outcome
from scrapy_do.core.run_history import Run
from scrapy_do.store import tables
from scrapy_do.store.rows import instant_of, maybe_instant

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
    runs = [
        Run(
            job_id=row.id,
            outcome=Outcome(row.outcome),
            started=maybe_instant(row.started_ms),
            ended=instant_of(row.ended_ms),
            items=row.items,
            responses=row.responses,
            errors=row.errors,
        )
        for row in connection.execute(query, values)
    ]
    runs.reverse()
    return runs
