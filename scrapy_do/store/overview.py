"""What the store holds, in numbers of one moment."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from scrapy_do.core.filter import StateName
from scrapy_do.core.schedule import STANDING
from scrapy_do.store import tables
from scrapy_do.store.counters import JobCounters, read_counters

_projects, _spiders, _schedules = tables.projects, tables.spiders, tables.schedules
_is_pushed = (~_projects.c.removed) & _projects.c.current_version_id.is_not(None)
_standing = [state.value for state in STANDING]

_COUNTS = select(
    select(func.count()).select_from(_projects).where(_is_pushed).scalar_subquery(),
    select(func.count())
    .select_from(_spiders)
    .join(_projects, _projects.c.id == _spiders.c.project_id)
    .where(_is_pushed, _spiders.c.deployed)
    .scalar_subquery(),
    select(func.count()).where(_schedules.c.state.in_(_standing)).scalar_subquery(),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Numbers of jobs by state, of jobs that have ended ever, and of what else there is.

    `projects` are those that have a current version, `spiders` those of these versions,
    `standing` the schedules that are not over.
    """

    jobs: Mapping[StateName, int]
    ended: JobCounters
    projects: int
    spiders: int
    standing: int


def read_overview(connection: Connection) -> Overview:
    """Count, without going through all jobs."""
    projects, spiders, standing = connection.execute(_COUNTS).one()
    return Overview(
        jobs=jobs_by_state(connection),
        ended=read_counters(connection),
        projects=projects,
        spiders=spiders,
        standing=standing,
    )


def jobs_by_state(connection: Connection, project_id: int | None = None) -> dict[StateName, int]:
    """How many jobs, of a project or of all, are in each state that has any."""
    table = tables.job_counts
    query = select(table.c.state, func.sum(table.c.jobs)).group_by(table.c.state)
    if project_id is not None:
        query = query.where(table.c.project_id == project_id)
    return {StateName(state): int(count) for state, count in connection.execute(query) if count}
