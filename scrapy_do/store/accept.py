"""From a request to a numbered job: which project, version and spider it means."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy import Connection, select, update

from scrapy_do.core.instants import ms_of
from scrapy_do.core.job import Driver, Job, JobKey, JobRequest, NewJob, is_active
from scrapy_do.core.project import Version
from scrapy_do.core.sight import check_seen
from scrapy_do.errors import DuplicateJob, ProjectNotFound, SpiderNotFound, VersionNotFound
from scrapy_do.store import tables
from scrapy_do.store.changes import in_batches, insert_jobs
from scrapy_do.store.job_rows import job_values
from scrapy_do.store.moments import Moments
from scrapy_do.store.rows import AnyRow, Values, version_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a request means: the numbers of its project and spider, and the version."""

    project_id: int
    spider_number: int
    version: Version | None


def find_project(connection: Connection, name: str) -> AnyRow:
    """The row of a project that was not removed.

    Raises:
        ProjectNotFound: there is none.
        NotPermitted: who asks does not see it.
    """
    table = tables.projects
    row = connection.execute(select(table).where(table.c.name == name, ~table.c.removed)).first()
    check_seen(None if row is None else row.id, f"Project {name}")
    if row is None:
        raise ProjectNotFound(name)
    return row


def find_version(connection: Connection, project: AnyRow, label: str | None) -> Version | None:
    """The version of that label, or the current one of a project that has any.

    Raises:
        VersionNotFound: the project has none of that label.
    """
    table = tables.versions
    wanted = (
        table.c.id == project.current_version_id
        if label is None
        else (table.c.project_id == project.id) & (table.c.label == label) & ~table.c.removed
    )
    row = connection.execute(select(table).where(wanted)).first()
    if row is None and label is not None:
        raise VersionNotFound(project.name, label)
    return None if row is None else version_of(row)


def spider_number(
    connection: Connection, project_id: int, name: str, *, create: bool = False
) -> int | None:
    """The number of a spider in its project; None when it has none and none is made."""
    table = tables.spiders
    found = connection.execute(
        select(table.c.number).where(table.c.project_id == project_id, table.c.name == name)
    ).scalar()
    if found is not None or not create:
        return found
    projects = tables.projects
    number = connection.execute(
        update(projects)
        .where(projects.c.id == project_id)
        .values(spiders_named=projects.c.spiders_named + 1)
        .returning(projects.c.spiders_named)
    ).scalar_one()
    connection.execute(
        table.insert().values(
            project_id=project_id, number=number, name=name, deployed=False, jobs_numbered=0
        )
    )
    return int(number)


class Acceptance:
    """Accepts jobs within one write transaction."""

    def __init__(self, connection: Connection, *, create_spider: bool = False) -> None:
        self._connection = connection
        self._create_spider = create_spider
        self._moments = Moments(connection)
        self._targets: dict[tuple[str, str | None, str, Driver], Target] = {}

    def target(self, request: JobRequest, driver: Driver = Driver.LOCAL) -> Target:
        """What a request means now.

        Raises:
            ProjectNotFound, VersionNotFound, SpiderNotFound: it means nothing.
        """
        asked = (request.project, request.version, request.spider, driver)
        if asked not in self._targets:
            self._targets[asked] = self._resolve(request, driver)
        return self._targets[asked]

    def _resolve(self, request: JobRequest, driver: Driver) -> Target:
        project = find_project(self._connection, request.project)
        version = find_version(self._connection, project, request.version)
        # Our own crawls need the spider's code; an outside runner may have it elsewhere.
        known = driver is Driver.CLIENT or (
            version is not None and request.spider in version.spiders
        )
        number = spider_number(
            self._connection, project.id, request.spider, create=self._create_spider
        )
        if number is None or not (known or self._create_spider):
            raise SpiderNotFound(request.project, request.spider)
        return Target(project_id=project.id, spider_number=number, version=version)

    def accept(self, new_jobs: Sequence[NewJob]) -> list[Job]:
        """Store jobs in their order, leaving out planned instants that have a job already.

        Raises:
            ProjectNotFound, VersionNotFound, SpiderNotFound: what one should run is not there.
            DuplicateJob: an active job of the project has the same `unique`.
        """
        fresh = self._without_planned(new_jobs)
        targets = [self.target(job.request, job.driver) for job in fresh]
        self._refuse_duplicates(fresh, targets)
        numbers = self._number(targets)
        return insert_jobs(
            self._connection,
            [
                _row(job, target, number)
                for job, target, number in zip(fresh, targets, numbers, strict=True)
            ],
            self._moments,
        )

    def _without_planned(self, new_jobs: Sequence[NewJob]) -> list[NewJob]:
        """Leave out the jobs of planned instants that have one, or have it in these."""
        planned = self._planned_already(new_jobs)
        fresh = []
        for job in new_jobs:
            plan = _plan_of(job)
            if plan is None or plan not in planned:
                fresh.append(job)
            planned.add(plan)
        return fresh

    def _planned_already(self, new_jobs: Sequence[NewJob]) -> set[tuple[UUID, int] | None]:
        table = tables.jobs
        wanted = [plan for job in new_jobs if (plan := _plan_of(job)) is not None]
        schedule_ids = list({schedule_id for schedule_id, _ in wanted})
        instants = list({planned_ms for _, planned_ms in wanted})
        return {
            (row.schedule_id, row.planned_ms)
            for some in in_batches(schedule_ids)
            for others in in_batches(instants)
            for row in self._connection.execute(
                select(table.c.schedule_id, table.c.planned_ms).where(
                    table.c.schedule_id.in_(some), table.c.planned_ms.in_(others)
                )
            )
        }

    def _refuse_duplicates(self, new_jobs: Sequence[NewJob], targets: Sequence[Target]) -> None:
        table = tables.jobs
        taken: set[tuple[int, str]] = set()
        for job, target in zip(new_jobs, targets, strict=True):
            if job.unique is None or not is_active(job.state):
                continue
            key = (target.project_id, job.unique)
            stored = self._connection.execute(
                select(table.c.id).where(
                    table.c.project_id == target.project_id,
                    table.c.unique_key == job.unique,
                    tables.UNFINISHED,
                )
            ).first()
            if stored is not None or key in taken:
                raise DuplicateJob(job.unique)
            taken.add(key)

    def _number(self, targets: Sequence[Target]) -> list[int]:
        """Give each job the next number of its spider."""
        counts: dict[tuple[int, int], int] = defaultdict(int)
        places = []
        for target in targets:
            spider = (target.project_id, target.spider_number)
            counts[spider] += 1
            places.append((spider, counts[spider]))
        table = tables.spiders
        first = {
            (project_id, number): self._connection.execute(
                update(table)
                .where(table.c.project_id == project_id, table.c.number == number)
                .values(jobs_numbered=table.c.jobs_numbered + count)
                .returning(table.c.jobs_numbered)
            ).scalar_one()
            - count
            for (project_id, number), count in counts.items()
        }
        return [first[spider] + place for spider, place in places]


def _plan_of(job: NewJob) -> tuple[UUID, int] | None:
    if job.schedule_id is None or job.planned_at is None:
        return None
    return job.schedule_id, ms_of(job.planned_at)


def _row(new: NewJob, target: Target, number: int) -> Values:
    """The columns of an accepted job; its request names the version that was meant."""
    version = target.version
    return job_values(
        Job(
            id=new.id,
            key=JobKey(project=target.project_id, spider=target.spider_number, number=number),
            request=replace(new.request, version=None if version is None else version.label),
            deploy_id=None if version is None else version.id,
            actor=new.actor,
            driver=new.driver,
            created_at=new.created_at,
            changed_at=new.state.since,
            sequence=0,
            state=new.state,
            schedule_id=new.schedule_id,
            planned_at=new.planned_at,
            unique=new.unique,
            scheduled_by=new.scheduled_by,
            started_by=new.started_by,
            completed_by=new.completed_by,
            meta=new.meta,
        )
    )
