"""Which jobs: filters as SQL.

Note [How lists stay fast]
    A page is first found as a list of `sequence` numbers, in an index that has all that
    filters ask for; only then are the rows of the page read. Tags have a table that
    repeats those columns, ordered in each tag by newest change. Counts that ask for no
    more than project, spider, state and outcome add up the few rows of `job_counts`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Row,
    Select,
    and_,
    bindparam,
    exists,
    false,
    func,
    or_,
    select,
    tuple_,
    union,
)

from scrapy_do.core.filter import ACTIVE_STATES, VISIBLE_STATES, JobFilter, StateName
from scrapy_do.core.instants import instant_of, ms_of
from scrapy_do.core.job import Driver, Job
from scrapy_do.core.sight import seen_projects
from scrapy_do.store import tables
from scrapy_do.store.changes import read_jobs
from scrapy_do.store.job_rows import JOB_ROWS, job_of
from scrapy_do.store.meta import BOTGROUPS, groups_of, settings_scope, settings_scope_of
from scrapy_do.store.rows import maybe_ms

_jobs, _tags = tables.jobs, tables.job_tags
_DRIVERS = [driver.value for driver in Driver]

_unfinished = (
    select(
        _jobs.c.sequence,
        # Sums have no index: one by project would lead through all the finished jobs.
        (_jobs.c.project_id + 0).label("project_id"),
        (_jobs.c.spider_number + 0).label("spider_number"),
        _jobs.c.state,
        _jobs.c.outcome,
        _jobs.c.changed_ms,
    )
    .where(tables.UNFINISHED, _jobs.c.driver.in_(_DRIVERS))
    .subquery("unfinished")
)
"""The jobs of the index `jobs_queue`, with the columns that lists filter by."""


def find_jobs(connection: Connection, wanted: JobFilter) -> list[Job]:
    """The jobs of a page, newest change first."""
    page = _page(connection, wanted).subquery("page")
    rows = JOB_ROWS.join(page, page.c.sequence == _jobs.c.sequence)
    return [job_of(row) for row in connection.execute(rows.order_by(page.c.sequence.desc()))]


def count_jobs(connection: Connection, wanted: JobFilter) -> int:
    """How many jobs match, in all pages."""
    wanted = replace(wanted, after=None, skip=0, limit=None)
    if _is_plain(wanted):
        return _counted(connection, wanted)
    if wanted.tags_none and not wanted.tags_any and not _names_jobs(wanted):
        # The few that have a tag are found faster than the many that have not.
        others = replace(wanted, tags_none=())
        return count_jobs(connection, others) - count_jobs(
            connection, replace(others, tags_any=wanted.tags_none)
        )
    page = _page(connection, wanted).subquery("page")
    return connection.execute(select(func.count()).select_from(page)).scalar_one()


def _is_plain(wanted: JobFilter) -> bool:
    return not (
        wanted.tags_any
        or wanted.tags_none
        or wanted.changed_from
        or wanted.changed_before
        or wanted.newer_than is not None
        or _names_jobs(wanted)
    )


def _names_jobs(wanted: JobFilter) -> bool:
    named = (wanted.ids, wanted.ids_between, wanted.keys, wanted.schedule_id)
    return any(one is not None for one in named)


def _counted(connection: Connection, wanted: JobFilter) -> int:
    table = tables.job_counts
    total = select(func.coalesce(func.sum(table.c.jobs), 0)).where(
        *_spider_conditions(connection, table, wanted),
        table.c.state.in_([state.value for state in wanted.states]),
    )
    if wanted.outcomes is not None:
        total = total.where(table.c.outcome.in_([outcome.value for outcome in wanted.outcomes]))
    return int(connection.execute(total).scalar_one())


def _page(connection: Connection, wanted: JobFilter) -> Select[Any]:
    """The `sequence` of each job of a page, newest first."""
    if wanted.tags_any and not _names_jobs(wanted):
        return _page_of_tags(connection, wanted)
    if wanted.states <= ACTIVE_STATES and not _names_jobs(wanted):
        return _page_of(connection, _unfinished, wanted)
    query = _page_of(connection, _jobs, wanted)
    if _names_jobs(wanted):
        query = query.where(*_named(wanted))
    if wanted.tags_any:
        query = query.where(_has_tag(_jobs, wanted.tags_any))
    return query


def _page_of(connection: Connection, table: FromClause, wanted: JobFilter) -> Select[Any]:
    query = select(table.c.sequence).where(*_conditions(connection, table, wanted))
    return _cut(query, wanted, table.c.sequence)


def _page_of_tags(connection: Connection, wanted: JobFilter) -> Select[Any]:
    """Merge the newest of each tag."""
    conditions = _conditions(connection, _tags, wanted)
    last = None if wanted.limit is None else wanted.skip + wanted.limit
    newest = [
        _cut(
            select(_tags.c.sequence).where(_tags.c.tag == tag, *conditions),
            replace(wanted, skip=0, limit=last),
            _tags.c.sequence,
        ).subquery()
        for tag in dict.fromkeys(wanted.tags_any)
    ]
    merged = union(*(select(some.c.sequence) for some in newest)).subquery()
    return _cut(select(merged.c.sequence), wanted, merged.c.sequence)


def _cut(query: Select[Any], wanted: JobFilter, sequence: ColumnElement[int]) -> Select[Any]:
    if wanted.limit is not None or wanted.skip:
        order = sequence.desc() if wanted.newer_than is None else sequence.asc()
        query = query.order_by(order).limit(wanted.limit).offset(wanted.skip or None)
    return query


def _conditions(
    connection: Connection, table: FromClause, wanted: JobFilter
) -> Sequence[ColumnElement[bool]]:
    """What jobs and their tags are both filtered by."""
    conditions = list(_spider_conditions(connection, table, wanted))
    if wanted.states == VISIBLE_STATES:
        conditions.append(table.c.state != StateName.DELETED.value)
    elif wanted.states != frozenset(StateName):
        conditions.append(table.c.state.in_([state.value for state in wanted.states]))
    if wanted.outcomes is not None:
        conditions.append(table.c.outcome.in_([outcome.value for outcome in wanted.outcomes]))
    if wanted.changed_from is not None:
        conditions.append(table.c.changed_ms >= ms_of(wanted.changed_from))
    if wanted.changed_before is not None:
        conditions.append(table.c.changed_ms < ms_of(wanted.changed_before))
    if wanted.after is not None:
        conditions.append(table.c.sequence < wanted.after)
    if wanted.newer_than is not None:
        conditions.append(table.c.sequence > wanted.newer_than)
    if wanted.tags_none:
        conditions.append(~_has_tag(table, wanted.tags_none))
    return conditions


def _spider_conditions(
    connection: Connection, table: FromClause, wanted: JobFilter
) -> Iterable[ColumnElement[bool]]:
    """Names of projects and spiders as the numbers that the tables have."""
    project_id = wanted.project_id
    if wanted.project is not None:
        names = tables.projects
        found = connection.execute(
            select(names.c.id).where(names.c.name == wanted.project)
        ).scalar()
        if found is None or project_id not in {None, found}:
            return [false()]
        project_id = found
    conditions = [] if project_id is None else [table.c.project_id == project_id]
    seen = seen_projects()
    if seen is not None:
        conditions.append(table.c.project_id.in_(seen))
    if wanted.spider_number is not None:
        conditions.append(table.c.spider_number == wanted.spider_number)
    if wanted.spider is not None:
        conditions.append(_of_spider(connection, table, project_id, wanted.spider))
    return conditions


def _of_spider(
    connection: Connection, table: FromClause, project_id: int | None, name: str
) -> ColumnElement[bool]:
    spiders = tables.spiders
    query = select(spiders.c.project_id, spiders.c.number).where(spiders.c.name == name)
    if project_id is not None:
        query = query.where(spiders.c.project_id == project_id)
    return or_(
        false(),
        *(
            and_(table.c.project_id == row.project_id, table.c.spider_number == row.number)
            for row in connection.execute(query)
        ),
    )


def _named(wanted: JobFilter) -> Iterable[ColumnElement[bool]]:
    if wanted.ids is not None:
        yield _jobs.c.id.in_(wanted.ids)
    if wanted.ids_between is not None:
        yield _jobs.c.id.between(*wanted.ids_between)
    if wanted.keys is not None:
        yield tuple_(_jobs.c.project_id, _jobs.c.spider_number, _jobs.c.number).in_(
            [(key.project, key.spider, key.number) for key in wanted.keys]
        )
    if wanted.schedule_id is not None:
        yield _jobs.c.schedule_id == wanted.schedule_id


def _has_tag(table: FromClause, tags: Iterable[str]) -> ColumnElement[bool]:
    other = _tags.alias("other")
    return exists().where(other.c.tag.in_(tuple(tags)), other.c.sequence == table.c.sequence)


# --- what the controller asks ------------------------------------------------------------------


def _of_queue(*states: StateName) -> tuple[ColumnElement[bool], ...]:
    return (
        tables.UNFINISHED,
        _jobs.c.driver == Driver.LOCAL.value,
        _jobs.c.state.in_([state.value for state in states]),
    )


MANY = 10
"""From how many known jobs on it pays to ask which of them have changed."""

_NONE: Mapping[UUID, Job] = {}

# These are asked with every change of a job. Making a statement takes longer than running
# it, so they are made once.
_IS_ACTIVE = _of_queue(StateName.STARTING, StateName.RUNNING, StateName.STOPPING)
_ACTIVE = JOB_ROWS.where(*_IS_ACTIVE).order_by(_jobs.c.created_ms, _jobs.c.sequence)
_ACTIVE_MARKS = (
    select(_jobs.c.id, _jobs.c.sequence, _jobs.c.reported_ms)
    .where(*_IS_ACTIVE)
    .order_by(_jobs.c.created_ms, _jobs.c.sequence)
)
_DUE = (
    *_of_queue(StateName.PENDING),
    _jobs.c.not_before_ms.is_(None) | (_jobs.c.not_before_ms <= bindparam("now_ms")),
)
_WAITING_PROJECTS = (
    select(tables.projects.c.id, tables.projects.c.name, tables.meta.c.value.label("groups"))
    .outerjoin(
        tables.meta,
        (tables.meta.c.scope == settings_scope_of(tables.projects.c.id))
        & (tables.meta.c.key == BOTGROUPS),
    )
    .where(
        tables.projects.c.name.not_in(bindparam("full", expanding=True)),
        exists(select(_jobs.c.id).where(*_DUE, _jobs.c.project_id == tables.projects.c.id)),
    )
)
_FIRST_OF_PROJECT = (
    select(_jobs.c.sequence)
    .where(
        *_DUE,
        _jobs.c.project_id == bindparam("project"),
        _jobs.c.spider_number.not_in(bindparam("full", expanding=True)),
    )
    .order_by(_jobs.c.priority.desc(), _jobs.c.created_ms, _jobs.c.spider_number, _jobs.c.number)
    .limit(bindparam("most"))
)
_NEXT_NOT_BEFORE = select(func.min(_jobs.c.not_before_ms)).where(
    _jobs.c.not_before_ms.is_not(None), _jobs.c.not_before_ms > bindparam("now_ms")
)


def active_jobs(connection: Connection, known: Mapping[UUID, Job] = _NONE) -> list[Job]:
    """The jobs that our controller has in hand, oldest first.

    Where many are `known`, only those are read whose state or progress is another now.
    """
    if len(known) < MANY:
        return [job_of(row) for row in connection.execute(_ACTIVE)]
    marks = connection.execute(_ACTIVE_MARKS).all()
    changed = [mark.id for mark in marks if not _is_as(known.get(mark.id), mark)]
    jobs = {**known, **{job.id: job for job in read_jobs(connection, _jobs.c.id, changed)}}
    return [jobs[mark.id] for mark in marks]


def _is_as(job: Job | None, mark: Row[Any, Any, Any]) -> bool:
    """Whether a job has neither moved nor reported since it was read."""
    return (
        job is not None
        and job.sequence == mark.sequence
        and maybe_ms(job.progress.reported_at) == mark.reported_ms
    )


def pending_jobs(
    connection: Connection,
    now: datetime,
    per_project: int,
    full_projects: Iterable[str],
    full_spiders: Iterable[tuple[str, str]],
) -> list[Job]:
    """Of each project the first due jobs that our controller could claim.

    Those of a project that names groups of runners wait for these.
    """
    moment = {"now_ms": ms_of(now)}
    waiting = connection.execute(_WAITING_PROJECTS, {**moment, "full": list(full_projects)}).all()
    first: list[int] = []
    for project in waiting:
        if groups_of(project.groups):
            continue
        full = [spider for name, spider in full_spiders if name == project.name]
        numbers = _numbers(connection, project.id, full) if full else ()
        asked = {**moment, "project": project.id, "full": list(numbers), "most": per_project}
        first.extend(connection.execute(_FIRST_OF_PROJECT, asked).scalars())
    found = read_jobs(connection, _jobs.c.sequence, first)
    return sorted(found, key=lambda job: (-job.request.priority, job.created_at, job.key))


def _numbers(connection: Connection, project_id: int, names: Sequence[str]) -> list[int]:
    spiders = tables.spiders
    return list(
        connection.execute(
            select(spiders.c.number).where(
                spiders.c.project_id == project_id, spiders.c.name.in_(names)
            )
        ).scalars()
    )


def next_not_before(connection: Connection, now: datetime) -> datetime | None:
    """The next instant at which a job that waits for a time becomes due."""
    ms = connection.execute(_NEXT_NOT_BEFORE, {"now_ms": ms_of(now)}).scalar()
    return None if ms is None else instant_of(ms)


def take_next(connection: Connection, project_ids: Sequence[int]) -> Job | None:
    """The next pending job of some projects, whoever drives it."""
    row = connection.execute(
        JOB_ROWS.where(
            tables.UNFINISHED,
            _jobs.c.driver.in_(_DRIVERS),
            _jobs.c.state == StateName.PENDING.value,
            _jobs.c.project_id.in_(project_ids),
        )
        .order_by(
            _jobs.c.priority.desc(), _jobs.c.created_ms, _jobs.c.spider_number, _jobs.c.number
        )
        .limit(1)
    ).first()
    return None if row is None else job_of(row)


def runner_groups(connection: Connection, project_ids: Iterable[int]) -> dict[int, tuple[str, ...]]:
    """The groups of runners of each of these projects that names any."""
    projects = {settings_scope(project_id): project_id for project_id in project_ids}
    query = select(tables.meta.c.scope, tables.meta.c.value).where(
        tables.meta.c.scope.in_(tuple(projects)), tables.meta.c.key == BOTGROUPS
    )
    found = {projects[scope]: groups_of(value) for scope, value in connection.execute(query)}
    return {project_id: groups for project_id, groups in found.items() if groups}


# --- retention ---------------------------------------------------------------------------------


def prunable_jobs(
    connection: Connection,
    older_than: datetime | None,
    per_spider: int | None,
    in_all: int | None,
    limit: int,
) -> list[UUID]:
    """Jobs that one of the rules no longer keeps, of the first rule that has any."""
    found: list[UUID] = []
    if older_than is not None:
        found = _oldest_ended(connection, limit, _jobs.c.changed_ms < ms_of(older_than))
    if per_spider is not None and not found:
        for project_id, number, surplus in _surplus_of_spiders(connection, per_spider):
            of_spider = (_jobs.c.project_id == project_id) & (_jobs.c.spider_number == number)
            room = min(surplus, limit - len(found))
            found.extend(_oldest_ended(connection, room, of_spider))
            if len(found) >= limit:
                break
    if in_all is not None and not found:
        counts = tables.job_counts
        ended = select(func.coalesce(func.sum(counts.c.jobs), 0)).where(counts.c.outcome != "")
        surplus = int(connection.execute(ended).scalar_one()) - in_all
        if surplus > 0:
            found = _oldest_ended(connection, min(surplus, limit))
    return found


def _oldest_ended(
    connection: Connection, limit: int, *conditions: ColumnElement[bool]
) -> list[UUID]:
    query = select(_jobs.c.id).where(_jobs.c.outcome.is_not(None), *conditions)
    return list(connection.execute(query.order_by(_jobs.c.sequence).limit(limit)).scalars())


def _surplus_of_spiders(connection: Connection, kept: int) -> list[tuple[int, int, int]]:
    """The spiders with more ended jobs than are kept: project, number, how many more."""
    counts = tables.job_counts
    total = func.sum(counts.c.jobs)
    rows = connection.execute(
        select(counts.c.project_id, counts.c.spider_number, total)
        .where(counts.c.outcome != "")
        .group_by(counts.c.project_id, counts.c.spider_number)
        .having(total > kept)
    )
    return [(project_id, number, int(count) - kept) for project_id, number, count in rows]
