"""What only Scrapy Cloud clients need of the store: many edits at once, numbers, logs."""

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, delete, func, insert, select, update

from scrapy_do.core.events import ProjectChanged
from scrapy_do.core.filter import StateName
from scrapy_do.core.instants import ms_of
from scrapy_do.core.job import JSON, Job, NewJob
from scrapy_do.core.project import Project, check_number
from scrapy_do.core.sight import check_seen
from scrapy_do.errors import BadArgument, DuplicateJob
from scrapy_do.store import tables
from scrapy_do.store.accept import Acceptance, find_version
from scrapy_do.store.changes import difference, jobs_by_id, read_jobs, update_jobs
from scrapy_do.store.database import Database
from scrapy_do.store.jobs import jobs_changed, jobs_edited
from scrapy_do.store.moments import Moments
from scrapy_do.store.projects import insert_project
from scrapy_do.store.rows import project_of

_jobs, _meta, _projects = tables.jobs, tables.meta, tables.projects

_KEY = "{ms:015d}-{place:06d}"
"""How an entry of a log is named, so that names sort by time."""

Edit = tuple[UUID, Callable[[Job], Job]]


class CloudQueries:
    """Each method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- jobs ----------------------------------------------------------------------------------

    async def add_each(self, new_jobs: Sequence[NewJob]) -> list[Job | DuplicateJob]:
        """Accept jobs one by one, in their order; spiders that are new get their numbers.

        A job whose `unique` is taken is not stored and gives the error in its place.

        Raises:
            ProjectNotFound, VersionNotFound, SpiderNotFound: then none is stored.
        """

        def work(connection: Connection) -> list[Job | DuplicateJob]:
            acceptance = Acceptance(connection, create_spider=True)
            return [_add(acceptance, new) for new in new_jobs]

        return await self._database.transact(
            work, lambda added: jobs_changed(job for job in added if isinstance(job, Job))
        )

    async def edit_each(self, edits: Sequence[Edit]) -> list[tuple[Job, Job]]:
        """Edit jobs one after the other, and say what each was and is.

        Unknown jobs are left out; a job may come twice. A function may be called again;
        what it raises undoes everything.
        """

        def work(connection: Connection) -> list[tuple[Job, Job]]:
            now = jobs_by_id(connection, list(dict.fromkeys(job_id for job_id, _ in edits)))
            moments, pairs = Moments(connection), []
            for job_id, change in edits:
                if job_id not in now:
                    continue
                before = now[job_id]
                values = difference(change(before), before)
                if values:
                    [now[job_id]] = update_jobs(connection, [(before, values)], moments)
                pairs.append((before, now[job_id]))
            return pairs

        return await self._database.transact(work, jobs_edited)

    async def last_finished(self, project_id: int, spider_number: int | None = None) -> list[Job]:
        """The most recently finished job of each spider that has any, by spider number."""
        counts = tables.job_counts
        spiders = select(counts.c.spider_number).where(
            counts.c.project_id == project_id,
            counts.c.state == StateName.FINISHED.value,
            counts.c.jobs > 0,
        )
        if spider_number is not None:
            spiders = spiders.where(counts.c.spider_number == spider_number)

        def work(connection: Connection) -> list[Job]:
            newest = [
                connection.execute(
                    select(func.max(_jobs.c.sequence)).where(
                        _jobs.c.project_id == project_id,
                        _jobs.c.spider_number == number,
                        _jobs.c.state == StateName.FINISHED.value,
                    )
                ).scalar()
                for number in connection.execute(spiders.distinct()).scalars().all()
            ]
            found = read_jobs(connection, _jobs.c.sequence, newest)
            return sorted(found, key=lambda job: job.key)

        return await self._database.read(work)

    async def counts(self) -> dict[int, dict[StateName, int]]:
        """How many jobs each project has in each state; nothing where there are none."""
        table = tables.job_counts
        query = (
            select(table.c.project_id, table.c.state, func.sum(table.c.jobs))
            .group_by(table.c.project_id, table.c.state)
            .having(func.sum(table.c.jobs) > 0)
        )

        def work(connection: Connection) -> dict[int, dict[StateName, int]]:
            counts: dict[int, dict[StateName, int]] = {}
            for project_id, state, jobs in connection.execute(query):
                counts.setdefault(project_id, {})[StateName(state)] = int(jobs)
            return counts

        return await self._database.read(work)

    # --- projects ------------------------------------------------------------------------------

    async def number_project(self, project_id: int, *, now: datetime) -> Project:
        """The project of this number; one that is new is named by it.

        Raises:
            BadArgument: the number is 0 or too large, or another project has it for a name.
        """
        check_number(project_id)
        check_seen(project_id, f"Project {project_id}")

        def work(connection: Connection) -> Project:
            query = select(_projects).where(_projects.c.id == project_id)
            row = connection.execute(query).first()
            if row is None:
                _refuse_name(connection, str(project_id))
                insert_project(connection, str(project_id), now)
            elif row.removed:
                connection.execute(
                    update(_projects).where(_projects.c.id == project_id).values(removed=False)
                )
            row = connection.execute(query).one()
            return project_of(row, find_version(connection, row, None))

        return await self._database.transact(
            work, lambda project: [ProjectChanged(project=project.name)]
        )

    # --- logs and single values kept in `meta` -------------------------------------------------

    async def settled(self, scope: str, key: str, value: JSON) -> JSON:
        """The value that a key has; if it has none yet, it gets this one."""

        def work(connection: Connection) -> JSON:
            found = connection.execute(
                select(_meta.c.value).where(_meta.c.scope == scope, _meta.c.key == key)
            ).scalar()
            if found is None:
                connection.execute(insert(_meta).values(scope=scope, key=key, value=value))
            return value if found is None else found

        return await self._database.transact(work)

    async def append(
        self, scope: str, entries: Sequence[JSON], *, now: datetime, kept: int
    ) -> None:
        """Add entries to a log, in their order; only the newest `kept` stay.

        All get one time, which is later than that of every entry before.
        """

        def work(connection: Connection) -> None:
            last = connection.execute(
                select(func.max(_meta.c.key)).where(_meta.c.scope == scope)
            ).scalar()
            ms = max(ms_of(now), 0 if last is None else _ms_of_entry(last) + 1)
            rows = [
                {"scope": scope, "key": _KEY.format(ms=ms, place=place), "value": entry}
                for place, entry in enumerate(entries)
            ]
            if rows:
                connection.execute(insert(_meta), rows)
            _cut(connection, scope, kept)

        await self._database.transact(work)

    async def newest(self, scope: str, limit: int) -> list[tuple[int, JSON]]:
        """The newest entries of a log with their times in milliseconds, the last one first."""
        query = select(_meta.c.key, _meta.c.value).where(_meta.c.scope == scope)
        query = query.order_by(_meta.c.key.desc()).limit(limit)

        def work(connection: Connection) -> list[tuple[int, JSON]]:
            rows = connection.execute(query)
            return [(_ms_of_entry(key), value) for key, value in rows]

        return await self._database.read(work)


def _add(acceptance: Acceptance, new: NewJob) -> Job | DuplicateJob:
    try:
        # Duplicates are refused before anything is written for the job.
        [job] = acceptance.accept((new,))
    except DuplicateJob as error:
        return error
    return job


def _refuse_name(connection: Connection, name: str) -> None:
    """Refuse the name of a project that got another number before names were numbers."""
    taken = connection.execute(select(_projects.c.id).where(_projects.c.name == name)).scalar()
    if taken is not None:
        raise BadArgument("project", f"the project named {name} has the number {taken}")


def _ms_of_entry(key: str) -> int:
    return int(key.partition("-")[0])


def _cut(connection: Connection, scope: str, kept: int) -> None:
    first_gone = connection.execute(
        select(_meta.c.key)
        .where(_meta.c.scope == scope)
        .order_by(_meta.c.key.desc())
        .limit(1)
        .offset(kept)
    ).scalar()
    if first_gone is not None:
        connection.execute(delete(_meta).where(_meta.c.scope == scope, _meta.c.key <= first_gone))
