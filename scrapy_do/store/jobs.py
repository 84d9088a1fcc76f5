"""The jobs of the store: each method is one transaction, values in and out."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, bindparam, select, update

from scrapy_do.core.events import CrawlReported, JobChanged
from scrapy_do.core.filter import JobFilter, StateName
from scrapy_do.core.job import Driver, Job, JobKey, NewJob, is_active
from scrapy_do.core.run_history import RecentRun, Run
from scrapy_do.core.sight import check_seen, seen_projects
from scrapy_do.errors import DuplicateJob, JobNotFound, StaleJob
from scrapy_do.protocol.facts import Progress
from scrapy_do.store import tables
from scrapy_do.store.accept import Acceptance
from scrapy_do.store.changes import (
    delete_jobs,
    difference,
    in_batches,
    jobs_by_id,
    update_jobs,
)
from scrapy_do.store.database import Database
from scrapy_do.store.job_keys import keys_after
from scrapy_do.store.job_rows import JOB_ROWS, job_of, progress_values
from scrapy_do.store.jobs_query import (
    active_jobs,
    count_jobs,
    find_jobs,
    next_not_before,
    pending_jobs,
    prunable_jobs,
    runner_groups,
    take_next,
)
from scrapy_do.store.moments import Moments
from scrapy_do.store.overview import jobs_by_state
from scrapy_do.store.removals import Removable, note
from scrapy_do.store.run_history import SpiderKey, recent_runs, runs_of_spiders

Change = Callable[[Job], Job]


class Jobs:
    """Jobs: accepted, looked up, moved on, pruned.

    A job that was read is moved on by `save`, which compares its `sequence`: somebody
    else's move in between is never overwritten. What does not move a job (tags, meta,
    progress) changes beside that and does not disturb it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, new: NewJob, *, create_spider: bool = False) -> Job:
        """Accept a job; durable when this returns.

        The stored request names the version that was current. Only a job that an outside
        client drives may be of a spider that no version has; `create_spider` gives it a
        number.

        Raises:
            ProjectNotFound, VersionNotFound, SpiderNotFound: what it should run is not there.
            DuplicateJob: an active job of the project has the same `unique`, or the planned
                instant has a job already.
        """
        added = await self.add_all((new,), create_spider=create_spider)
        if not added:
            raise DuplicateJob(f"{new.schedule_id} at {new.planned_at}")
        return added[0]

    async def add_all(self, new: Sequence[NewJob], *, create_spider: bool = False) -> list[Job]:
        """Accept jobs together, leaving out planned instants that have a job already.

        Raises:
            ProjectNotFound, VersionNotFound, SpiderNotFound, DuplicateJob: as `add`; then
                none is stored.
        """
        return await self._database.transact(
            lambda connection: Acceptance(connection, create_spider=create_spider).accept(new),
            jobs_changed,
        )

    # --- looking -------------------------------------------------------------------------------

    async def get(self, job_id: UUID) -> Job:
        """One job.

        Raises:
            JobNotFound: there is none.
        """
        return await self._database.read(lambda connection: _get(connection, job_id))

    async def get_by_key(self, key: JobKey) -> Job:
        """One job by its Scrapy Cloud key.

        Raises:
            JobNotFound: there is none.
        """
        table = tables.jobs

        def work(connection: Connection) -> Job:
            row = connection.execute(
                JOB_ROWS.where(
                    table.c.project_id == key.project,
                    table.c.spider_number == key.spider,
                    table.c.number == key.number,
                )
            ).first()
            if row is None:
                raise JobNotFound(key)
            check_seen(key.project, f"Job {key}")
            return job_of(row)

        return await self._database.read(work)

    async def find(self, wanted: JobFilter) -> list[Job]:
        """The jobs that match, newest change first."""
        return await self._database.read(lambda connection: find_jobs(connection, wanted))

    async def count(self, wanted: JobFilter) -> int:
        """How many jobs match; the page of the filter does not matter."""
        return await self._database.read(lambda connection: count_jobs(connection, wanted))

    async def counts(self, wanted: Sequence[JobFilter]) -> list[int]:
        """How many jobs match each of some filters, all at one moment."""
        return await self._database.read(
            lambda connection: [count_jobs(connection, one) for one in wanted]
        )

    async def runs(self, spiders: Iterable[SpiderKey], *, limit: int) -> dict[SpiderKey, list[Run]]:
        """The last ended jobs of each of some spiders, the newest last."""
        wanted = tuple(dict.fromkeys(spiders))
        return await self._database.read(
            lambda connection: runs_of_spiders(connection, wanted, limit)
        )

    async def recent_runs(self, since: datetime, *, limit: int) -> list[RecentRun]:
        """Of the `limit` jobs that changed last those that ended since then, the newest first."""
        seen = seen_projects()
        found = await self._database.read(lambda connection: recent_runs(connection, since, limit))
        return found if seen is None else [one for one in found if one.project_id in seen]

    async def counts_by_state(self, project_id: int | None = None) -> dict[StateName, int]:
        """How many jobs are in each state that has any."""
        return await self._database.read(lambda connection: jobs_by_state(connection, project_id))

    async def keys_after(
        self, project: int, *, spider: int | None, after: JobKey | None, limit: int
    ) -> list[tuple[JobKey, UUID]]:
        """The first jobs of a project or spider behind a key, by number; in any state."""
        return await self._database.read(
            lambda connection: keys_after(connection, project, spider, after, limit)
        )

    # --- for the controller --------------------------------------------------------------------

    async def active(self) -> list[Job]:
        """The jobs in Starting, Running and Stopping that our controller drives."""
        return await self._database.read(active_jobs)

    async def in_hand(
        self, now: datetime, known: Sequence[Job] = ()
    ) -> tuple[list[Job], datetime | None]:
        """The `active` jobs, and the next instant after `now` at which a waiting one is due.

        Those that are `known`, and have neither moved nor reported since, are given as they were.
        """
        by_id = {job.id: job for job in known}
        return await self._database.read(
            lambda connection: (active_jobs(connection, by_id), next_not_before(connection, now))
        )

    async def pending(
        self,
        now: datetime,
        *,
        per_project: int,
        full_projects: Iterable[str] = (),
        full_spiders: Iterable[tuple[str, str]] = (),
    ) -> list[Job]:
        """Of each project the first `per_project` jobs that are due and could be claimed.

        Highest priority first, then the oldest; nothing of the projects and (project,
        spider) pairs that are full.
        """
        return await self._database.read(
            lambda connection: pending_jobs(
                connection, now, per_project, tuple(full_projects), tuple(full_spiders)
            )
        )

    async def runner_groups(self, project_ids: Iterable[int]) -> dict[int, tuple[str, ...]]:
        """The groups of outside runners for which the jobs of some projects wait."""
        ids = tuple(project_ids)
        return await self._database.read(lambda connection: runner_groups(connection, ids))

    async def save(self, job: Job, *, expected: Job) -> Job:
        """Store what differs between two values of a job, if nobody moved it in between.

        Returns the stored job; a change of state has given it the next `sequence`.

        Raises:
            StaleJob: the job has moved, or is gone.
        """
        saved = await self.save_all([(job, expected)])
        if not saved:
            raise StaleJob(f"job {job.id} has changed meanwhile")
        return saved[0]

    async def save_all(self, pairs: Sequence[tuple[Job, Job]]) -> list[Job]:
        """Store many (new, expected) pairs as `save` does; those that moved are left out."""
        return await self._database.transact(
            lambda connection: save_jobs(connection, pairs), jobs_changed
        )

    async def record_progress(self, progress: Mapping[UUID, Progress]) -> None:
        """Note how far running crawls are. An ended job keeps its last figures."""
        table = tables.jobs
        rows = [{"job_id": key, **progress_values(value)} for key, value in progress.items()]
        if not rows:
            return
        statement = update(table).where(
            table.c.id == bindparam("job_id"),
            table.c.state != StateName.PENDING.value,
            tables.UNFINISHED,
        )
        await self._database.transact(
            lambda connection: connection.execute(statement, rows) and None,
            lambda _: [CrawlReported(job_id=job_id) for job_id in progress],
        )

    # --- for clients that change jobs ----------------------------------------------------------

    async def edit(self, job_id: UUID, change: Change) -> Job:
        """Replace a job by what a function makes of it, whatever it is at that moment.

        The function runs inside the transaction; what it raises leaves the job as it was.

        Raises:
            JobNotFound: there is none.
        """
        edited = await self.edit_all((job_id,), change)
        if not edited:
            raise JobNotFound(job_id)
        return edited[0]

    async def edit_all(self, ids: Sequence[UUID], change: Change) -> list[Job]:
        """As `edit`, for many jobs together, in the order of `ids`; unknown ones are left out."""

        def work(connection: Connection) -> list[tuple[Job, Job]]:
            stored = jobs_by_id(connection, ids)
            known = [stored[job_id] for job_id in dict.fromkeys(ids) if job_id in stored]
            changes = [(job, difference(change(job), job)) for job in known]
            edited = update_jobs(connection, changes, Moments(connection))
            return list(zip(known, edited, strict=True))

        return [after for _, after in await self._database.transact(work, jobs_edited)]

    async def take(self, project_ids: Iterable[int], change: Change) -> Job | None:
        """Give the next pending job of some projects to an outside client.

        `change` makes of it what it then is. None when nothing is pending.
        """

        def work(connection: Connection) -> Job | None:
            job = take_next(connection, tuple(project_ids))
            if job is None:
                return None
            changes = [(job, difference(change(job), job))]
            return update_jobs(connection, changes, Moments(connection))[0]

        return await self._database.transact(
            work, lambda job: [] if job is None else jobs_changed([job])
        )

    # --- retention -----------------------------------------------------------------------------

    async def prunable(
        self,
        *,
        older_than: datetime | None = None,
        per_spider: int | None = None,
        in_all: int | None = None,
        limit: int = 500,
    ) -> list[UUID]:
        """Some ended jobs that a rule no longer keeps, oldest first; empty when there is none.

        The rules: last changed before `older_than`; more than `per_spider` of one spider;
        more than `in_all` together. Each call looks for one rule: delete, then ask again.
        """
        return await self._database.read(
            lambda connection: prunable_jobs(connection, older_than, per_spider, in_all, limit)
        )

    async def delete(self, ids: Iterable[UUID]) -> list[UUID]:
        """Forget jobs and say which: all that exist but those our controller still attends."""

        def work(connection: Connection) -> list[UUID]:
            stored = jobs_by_id(connection, ids)
            ended = [
                job
                for job in stored.values()
                if job.driver is Driver.CLIENT or not is_active(job.state)
            ]
            delete_jobs(connection, ended)
            note(connection, Removable.JOB, [str(job.id) for job in ended])
            return [job.id for job in ended]

        return await self._database.transact(work)

    async def unknown(self, ids: Sequence[UUID]) -> list[UUID]:
        """Those of the ids that no job has."""
        table = tables.jobs

        def work(connection: Connection) -> list[UUID]:
            known = {
                job_id
                for some in in_batches(ids)
                for job_id in connection.execute(
                    select(table.c.id).where(table.c.id.in_(some))
                ).scalars()
            }
            return [job_id for job_id in ids if job_id not in known]

        return await self._database.read(work)


def jobs_changed(jobs: Iterable[Job]) -> list[JobChanged]:
    """What happened when jobs were stored in a new state."""
    return [JobChanged(job=job) for job in jobs]


def jobs_edited(pairs: Iterable[tuple[Job, Job]]) -> list[JobChanged]:
    """What happened when jobs became what others say; what only describes them is no news."""
    return jobs_changed(
        after
        for before, after in pairs
        if after.sequence != before.sequence or after.cancelled_by != before.cancelled_by
    )


def save_jobs(connection: Connection, pairs: Sequence[tuple[Job, Job]]) -> list[Job]:
    """Store what differs in each pair whose job is as expected."""
    stored = jobs_by_id(connection, [expected.id for _, expected in pairs])
    return update_jobs(
        connection,
        [
            (stored[expected.id], difference(new, expected))
            for new, expected in pairs
            if expected.id in stored and stored[expected.id].sequence == expected.sequence
        ],
        Moments(connection),
    )


def _get(connection: Connection, job_id: UUID) -> Job:
    row = connection.execute(JOB_ROWS.where(tables.jobs.c.id == job_id)).first()
    if row is None:
        raise JobNotFound(job_id)
    check_seen(row.project_id, f"Job {job_id}")
    return job_of(row)
