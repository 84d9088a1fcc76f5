"""The use cases of jobs: enqueue, look up, cancel, delete."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID, uuid4

from twisted.internet.defer import Deferred

from scrapy_do.core.events import Happening, JobChanged
from scrapy_do.core.filter import JobFilter, ids_beginning
from scrapy_do.core.job import (
    Actor,
    Driver,
    Finished,
    Job,
    JobKey,
    JobRequest,
    NewJob,
    Pending,
    is_active,
)
from scrapy_do.core.principal import Principal
from scrapy_do.core.run_history import RecentRun, Run
from scrapy_do.core.transitions import cancel
from scrapy_do.errors import (
    AmbiguousName,
    BadArgument,
    Conflict,
    JobNotActive,
    JobNotFound,
    ProjectNotFound,
    ShuttingDown,
)
from scrapy_do.files.artifacts import ArtifactStore
from scrapy_do.operations.admission import Admission
from scrapy_do.protocol.wire import WARNING_STAT
from scrapy_do.store.removals import Removable
from scrapy_do.store.store import Store
from scrapy_do.system.runtime import Runtime

CANCEL_WAIT_S = 10.0
TRIES = 5
_LAST = "@last"
_SHOWN_NAMES = 5
_NEWEST = 200
_LONGEST_NUMBER = 18


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def warnings_of(job: Job) -> tuple[str, ...]:
    """What the crawl of a job said that the author of its spider should know."""
    warning = job.progress.stats.get(WARNING_STAT)
    return (warning,) if isinstance(warning, str) else ()


def _runner(groups: Sequence[str]) -> str:
    """Name who takes a job: an outside runner, of one of the groups if there are any."""
    return f"a runner of botgroup {' or '.join(groups)}" if groups else "a runner that takes it"


class JobOperations:
    """Every use case of jobs, once, for all dialects."""

    def __init__(
        self,
        *,
        store: Store,
        artifacts: ArtifactStore,
        rules: Admission,
        end_now: Callable[[UUID], None],
        runtime: Runtime,
    ) -> None:
        self._store = store
        self._artifacts = artifacts
        self._rules = rules
        self._in_thread = runtime.in_thread
        self._end_now = end_now
        self._now = runtime.now
        self._reactor = runtime.reactor
        self.accepting = True

    async def enqueue(
        self,
        request: JobRequest,
        *,
        by: Principal,
        unique: str | None = None,
        job_id: UUID | None = None,
    ) -> Job:
        """Accept a job to be run as soon as a slot is free; durable when this returns.

        Raises:
            ProjectNotFound, VersionNotFound, SpiderNotFound: what it should run is not there.
            DuplicateJob: `unique` is taken by an active job of the project.
            BadArgument: the request carries what a job may not.
            ShuttingDown: the daemon takes no new work.
        """
        self.check(request, by=by)
        now = self._now()
        return await self._store.jobs.add(
            NewJob(
                id=job_id or uuid4(),
                request=request,
                actor=Actor.USER,
                state=Pending(since=now),
                created_at=now,
                unique=unique,
                scheduled_by=by.name,
            )
        )

    def refuse(self) -> None:
        """Take no new jobs: the daemon stops."""
        self.accepting = False

    def check(self, request: JobRequest, *, by: Principal) -> None:
        """Say whether a request may be accepted now.

        Raises:
            BadArgument: it carries what a job may not.
            ShuttingDown: the daemon takes no new work.
        """
        if not self.accepting:
            raise ShuttingDown("the daemon is stopping and takes no new jobs")
        self._rules.check(request, by=by)

    async def get(self, job_id: UUID) -> Job:
        """One job.

        Raises:
            JobNotFound: there is none.
        """
        return await self._store.jobs.get(job_id)

    async def get_by_key(self, key: JobKey) -> Job:
        """One job by its Scrapy Cloud key.

        Raises:
            JobNotFound: there is none.
        """
        return await self._store.jobs.get_by_key(key)

    async def named(self, name: str, *, project: str | None = None) -> Job:
        """One job by what people call it.

        That is its identifier or the beginning of it, its key, `project/spider/number`, or the
        newest of all (`@last`) or of a spider (`SPIDER@last`), in a project if one is given.

        Raises:
            JobNotFound: nothing is called so.
            AmbiguousName: several identifiers begin so.
        """
        between = ids_beginning(name)
        if between is not None:
            found = await self.find(JobFilter(ids_between=between, limit=_SHOWN_NAMES))
            if len(found) > 1:
                raise AmbiguousName(name, [job.id for job in found])
            if found:
                return found[0]
        if name.endswith(_LAST):
            spider = name.removesuffix(_LAST) or None
            found = await self.find(JobFilter(project=project, spider=spider, limit=_NEWEST))
            if found:
                return max(found, key=lambda job: job.created_at)
        key = await self._key_named(name)
        jobs = [] if key is None else await self.find(JobFilter(keys=(key,)))
        if not jobs:
            raise JobNotFound(name[:100])
        return jobs[0]

    async def _key_named(self, name: str) -> JobKey | None:
        """Read a key, of numbers or of the names of project and spider."""
        try:
            return JobKey.parse(name)
        except BadArgument:
            pass
        project, _, rest = name.partition("/")
        spider, _, number = rest.rpartition("/")
        if not spider or len(number) > _LONGEST_NUMBER or not _is_number(number):
            return None
        try:
            project_id = (await self._store.projects.get(project)).id
        except ProjectNotFound:
            return None
        spider_number = await self._store.projects.spider_number(project_id, spider)
        if spider_number is None:
            return None
        return JobKey(project=project_id, spider=spider_number, number=int(number))

    async def find(self, wanted: JobFilter) -> Sequence[Job]:
        """The jobs that match, newest change first."""
        return await self._store.jobs.find(wanted)

    async def count(self, wanted: JobFilter) -> int:
        """How many jobs match."""
        return await self._store.jobs.count(wanted)

    async def counts(self, wanted: Sequence[JobFilter]) -> Sequence[int]:
        """How many jobs match each of some filters, all at one moment."""
        return await self._store.jobs.counts(wanted)

    async def runs(
        self, jobs: Iterable[Job], *, limit: int
    ) -> Mapping[tuple[int, int], Sequence[Run]]:
        """The last ended jobs of the spiders of some jobs, by the numbers of project and spider.

        The newest comes last.
        """
        spiders = [(job.key.project, job.key.spider) for job in jobs]
        return await self._store.jobs.runs(spiders, limit=limit)

    async def runs_of(
        self, spiders: Iterable[tuple[int, int]], *, limit: int
    ) -> Mapping[tuple[int, int], Sequence[Run]]:
        """The last ended jobs of some spiders, by the numbers of project and spider."""
        return await self._store.jobs.runs(spiders, limit=limit)

    async def recent_runs(self, since: datetime, *, limit: int) -> Sequence[RecentRun]:
        """Of the `limit` jobs that changed last those that ended since then, the newest first."""
        return await self._store.jobs.recent_runs(since, limit=limit)

    async def again(self, job_id: UUID, *, by: Principal) -> Job:
        """Accept the same order once more, for the version that is current now.

        Raises:
            JobNotFound: there is none.
            ProjectNotFound, SpiderNotFound: what it should run is not there any more.
            BadArgument: who asks may not order what that job was ordered with.
            ShuttingDown: the daemon takes no new work.
        """
        job = await self._store.jobs.get(job_id)
        return await self.enqueue(replace(job.request, version=None), by=by)

    async def waiting_for(self, jobs: Iterable[Job]) -> Mapping[UUID, str]:
        """Which of the jobs wait for something else than a free slot here, and for what."""
        waiting = [job for job in jobs if isinstance(job.state, Pending)]
        if not waiting:
            return {}
        groups = await self._store.jobs.runner_groups({job.key.project for job in waiting})
        return {
            job.id: _runner(groups.get(job.key.project, ()))
            for job in waiting
            if job.driver is Driver.CLIENT or job.key.project in groups
        }

    async def cancel(
        self, job_id: UUID, *, by: str, force: bool = False, wait_s: float = CANCEL_WAIT_S
    ) -> Job:
        """End a job. The wish is durable before this waits for the end, at most `wait_s`.

        With `force` a crawl gets no time to close its spider, also one that was asked before.

        Raises:
            JobNotFound: there is none.
            JobNotActive: it has ended already.
        """
        now = self._now()

        def change(job: Job) -> Job:
            if not is_active(job.state):
                raise JobNotActive(job_id)
            return cancel(job, by=by, now=now)

        job = await self._store.jobs.edit(job_id, change)
        if force and is_active(job.state) and job.driver is Driver.LOCAL:
            self._end_now(job_id)
        if isinstance(job.state, Finished) or wait_s <= 0 or job.driver is Driver.CLIENT:
            return job
        await self._ended(job_id, wait_s)
        return await self.get(job_id)

    async def delete(self, job_id: UUID) -> None:
        """Remove an ended job with its files.

        Raises:
            JobNotFound: there is none.
            Conflict: it has not ended.
        """
        job = await self._store.jobs.get(job_id)
        if not await self.delete_all([job.id]):
            raise Conflict(f"Job {job_id} is active; cancel it first")

    async def delete_all(self, ids: Sequence[UUID]) -> int:
        """Remove those of some jobs that have ended, with their files; say how many."""
        deleted = await self._store.jobs.delete(ids)

        def remove_files() -> None:
            for job_id in deleted:
                self._artifacts.delete(job_id)

        await self._in_thread(remove_files)
        await self._store.removals.done(Removable.JOB, [str(job_id) for job_id in deleted])
        return len(deleted)

    async def _ended(self, job_id: UUID, wait_s: float) -> None:
        """Wait until the job has ended or the time is over."""
        over: Deferred[None] = Deferred()

        def look(happening: Happening) -> None:
            if (
                isinstance(happening, JobChanged)
                and happening.job.id == job_id
                and not is_active(happening.job.state)
                and not over.called
            ):
                over.callback(None)

        unsubscribe = self._store.events.subscribe(look)

        def give_up() -> None:
            if not over.called:
                over.callback(None)

        timer = self._reactor.callLater(wait_s, give_up)
        try:
            if is_active((await self._store.jobs.get(job_id)).state):
                await over
        finally:
            unsubscribe()
            if timer.active():
                timer.cancel()
