"""The use cases of jobs that only Scrapy Cloud clients have: push, start, declare, describe.

A job is one and the same whichever client made it; what all dialects can do with it is in
`jobs.py`.
"""

import hashlib
import json
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from scrapy_do.core.cloud_states import STORED, CloudState, cloud_state, declare
from scrapy_do.core.filter import VISIBLE_STATES, JobFilter, StateName
from scrapy_do.core.job import JSON, Driver, Job, JobKey, JobRequest, NewJob, is_active
from scrapy_do.core.principal import Principal, Role
from scrapy_do.core.project import Project
from scrapy_do.core.transitions import cancel
from scrapy_do.errors import (
    AlreadyScheduled,
    BadArgument,
    DuplicateJob,
    JobNotFound,
    ProjectNotFound,
    SpiderNotFound,
)
from scrapy_do.operations.admission import Admission
from scrapy_do.operations.cloud.fields import (
    CLOSE_REASON,
    REPORTS,
    label,
    merged,
    reason_of,
    retagged,
    tags,
    without,
)
from scrapy_do.operations.cloud.projects import CloudProjects
from scrapy_do.operations.cloud.push import CloudRules, Push, new_job
from scrapy_do.operations.cloud.tokens import JobTokens
from scrapy_do.operations.jobs import JobOperations
from scrapy_do.store.store import Store

PAGE = 1000
"""How many jobs are read at once, however many are asked for."""

MOST_KEYS = 1000
_ALL = frozenset(StateName)

__all__ = ["CloudOperations", "Push", "Update"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """News of a job, or of all jobs of a spider but deleted ones when `key` names a spider.

    `key` is a job's, or the numbers of a project and a spider.
    """

    key: JobKey | tuple[int, int]
    state: CloudState | None = None
    fields: Mapping[str, JSON] = field(default_factory=dict)


class CloudOperations:
    """Every use case that only this dialect has, once."""

    def __init__(
        self,
        *,
        store: Store,
        jobs: JobOperations,
        rules: Admission,
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._jobs = jobs
        self._rules = CloudRules(rules)
        self.now = now
        self.projects = CloudProjects(store=store, now=now)
        self.tokens = JobTokens(store=store, now=now)

    # --- new jobs ------------------------------------------------------------------------------

    async def push(
        self, project: Project, pushes: Sequence[Push], *, by: Principal
    ) -> list[Job | DuplicateJob]:
        """Accept jobs in their order; an unknown spider gets a number.

        A pending job of a deployed spider is run here, any other is for an outside runner.
        One whose `unique` is taken is not stored and gives the error in its place.

        Raises:
            BadArgument, TooLarge, NotPermitted: one cannot be accepted; then none is.
        """
        return await self._store.cloud.add_each(await self._new(project, pushes, by))

    async def push_to(
        self, number: int, pushes: Sequence[Push], *, by: Principal
    ) -> list[Job | DuplicateJob]:
        """As `push`, to the project of a number; a new one is made once all can be accepted.

        Raises:
            ProjectNotFound: there is none, and who asks may make none.
            BadArgument, TooLarge, NotPermitted: as `push`; then no project is made either.
        """
        try:
            project = await self.projects.get(number)
        except ProjectNotFound:
            if not by.may(Role.PUSH):
                raise
            await self._new(self.projects.draft(number), pushes, by)
            project = await self.projects.get(number, create=True)
        return await self.push(project, pushes, by=by)

    async def _new(
        self, project: Project, pushes: Sequence[Push], by: Principal
    ) -> Sequence[NewJob]:
        units = await self.projects.default_units(project)
        now = self.now()
        plain = JobRequest(project=project.name, spider="", units=units)
        return [new_job(push, project, plain, rules=self._rules, by=by, now=now) for push in pushes]

    async def run(self, project: Project, push: Push, *, by: Principal) -> Job:
        """Accept a job of a known spider, unless one with the same arguments is active.

        Raises:
            SpiderNotFound: the spider was neither deployed nor named.
            AlreadyScheduled: a job of the spider with the same arguments is active.
            BadArgument, TooLarge, NotPermitted: it cannot be accepted.
        """
        known = await self.projects.spiders(project)
        if push.spider not in {spider.name for spider in known}:
            raise SpiderNotFound(project.name, push.spider)
        asked = json.dumps([push.spider, push.fields.get("spider_args") or {}], sort_keys=True)
        unique = f"run {hashlib.sha256(asked.encode()).hexdigest()}"
        [job] = await self.push(project, [replace(push, unique=unique)], by=by)
        if isinstance(job, DuplicateJob):
            raise AlreadyScheduled(push.spider, unique) from None
        return job

    # --- an outside runner ---------------------------------------------------------------------

    async def start(
        self, project: Project, fields: Mapping[str, JSON], *, botgroup: str | None, by: Principal
    ) -> Job | None:
        """Give the next pending job to an outside runner; None when nothing is pending.

        A runner that names its group gets jobs only of a project whose setting `botgroups` has
        it; one that names none may take any. Source: Scrapy Cloud JobQ API, `startjob`.

        Raises:
            BadArgument, TooLarge: the fields cannot be merged; then nothing was started.
        """
        if botgroup is not None and botgroup not in await self.projects.botgroups(project):
            return None
        now = self.now()

        def change(job: Job) -> Job:
            return merged(declare(job, CloudState.RUNNING, by=by.name, now=now), fields)

        return await self._store.jobs.take((project.id,), change)

    async def update(self, updates: Sequence[Update], *, by: Principal) -> list[tuple[Job, Job]]:
        """Note what runners say of their jobs; what each job was and is, in that order.

        Unknown jobs are left out.

        Raises:
            BadArgument, TooLarge, NotPermitted: one cannot be noted; then none is.
            Conflict: a job would go back, or is being run here.
        """
        now = self.now()
        known = await self._by_key([one.key for one in updates if isinstance(one.key, JobKey)])
        edits: list[tuple[UUID, Callable[[Job], Job]]] = []
        for one in updates:
            ids = await self._meant(one, known)
            edits.extend((job_id, self._change(one, by, now)) for job_id in ids)
        return await self._edit(edits)

    def _change(self, one: Update, by: Principal, now: datetime) -> Callable[[Job], Job]:
        def change(job: Job) -> Job:
            after = job
            if one.state is not None:
                given = one.fields.get(CLOSE_REASON, job.meta.get(CLOSE_REASON))
                after = declare(job, one.state, by=by.name, now=now, reason=reason_of(given))
                if after is not job and not is_active(after.state):
                    after = without(after, CLOSE_REASON) if CLOSE_REASON in job.meta else after
            after = merged(after, one.fields)
            if after.driver is Driver.CLIENT:  # what its runner says is a report
                after = replace(after, progress=replace(after.progress, reported_at=now))
            self._rules.check(after.request, job.request, after.driver, by)
            return after

        return change

    async def _meant(self, one: Update, known: Mapping[JobKey, Job]) -> list[UUID]:
        if isinstance(one.key, JobKey):
            return [known[one.key].id] if one.key in known else []
        project_id, spider = one.key
        wanted = JobFilter(
            project_id=project_id, spider_number=spider, states=VISIBLE_STATES, limit=None
        )
        return [job.id for job in await self._store.jobs.find(wanted)]

    # --- ending jobs ---------------------------------------------------------------------------

    async def cancel(self, keys: Sequence[JobKey], *, by: Principal) -> int:
        """End jobs: pending ones at once, others when their runner sees the wish.

        Returns how many of them were pending or running.

        Raises:
            BadArgument: there are more than 1000.
        """
        if len(keys) > MOST_KEYS:
            raise BadArgument("key", f"at most {MOST_KEYS} jobs can be cancelled at once")
        now = self.now()

        def change(job: Job) -> Job:
            return cancel(job, by=by.name, now=now) if is_active(job.state) else job

        known = await self._by_key(keys)
        pairs = await self._edit([(job.id, change) for job in known.values()])
        return sum(is_active(before.state) for before, _ in pairs)

    async def cancel_some(self, project: Project, count: int, *, by: Principal) -> int:
        """End that many jobs of a project, at most 1000, the most recent first."""
        states = STORED[CloudState.PENDING] | STORED[CloudState.RUNNING]
        limit = min(count, MOST_KEYS)
        jobs = await self._store.jobs.find(
            JobFilter(project_id=project.id, states=states, limit=limit)
        )
        return await self.cancel([job.key for job in jobs], by=by)

    async def delete(self, keys: Sequence[JobKey], *, by: Principal) -> int:
        """Put jobs into the state deleted, and say how many were not before.

        Raises:
            Conflict: one is being run here; then none is deleted.
        """
        now = self.now()
        known = await self._by_key(keys)
        pairs = await self._edit(
            [
                (job.id, lambda one: declare(one, CloudState.DELETED, by=by.name, now=now))
                for job in known.values()
            ]
        )
        return sum(cloud_state(before.state) is not CloudState.DELETED for before, _ in pairs)

    async def purge(self, key: JobKey) -> None:
        """Remove a job with its files for good; nothing happens where there is none.

        Raises:
            Conflict: it is being run here.
        """
        job = (await self._by_key([key])).get(key)
        if job is not None:
            await self._jobs.delete(job.id)

    # --- describing jobs -----------------------------------------------------------------------

    async def describe(self, key: JobKey, fields: Mapping[str, JSON], *, by: Principal) -> Job:
        """Merge fields into the metadata of a job; those that only tell of it are ignored.

        Raises:
            JobNotFound: there is none.
            BadArgument, TooLarge, NotPermitted: a field cannot have its value.
        """
        pairs = await self.update([Update(key=key, fields=fields)], by=by)
        if not pairs:
            raise JobNotFound(key)
        return pairs[0][1]

    async def forget(self, key: JobKey, field_name: str) -> None:
        """Remove a field from the metadata of a job; nothing happens where it is not."""
        known = await self._by_key([key])
        await self._edit([(job.id, lambda one: without(one, field_name)) for job in known.values()])

    async def add_report(self, key: JobKey, name: str, *, content_type: str, content: str) -> None:
        """Keep a text about a job under a name in its metadata, in the field `reports`.

        Raises:
            BadArgument, TooLarge: it cannot be kept.
        """
        report = {"content_type": content_type, "content": content}

        def change(job: Job) -> Job:
            kept = job.meta.get(REPORTS)
            others = kept if isinstance(kept, dict) else {}
            return merged(job, {REPORTS: {**others, label(name, "key"): report}})

        known = await self._by_key([key])
        await self._edit([(job.id, change) for job in known.values()])

    async def retag(
        self, wanted: JobFilter, *, add: Sequence[str] = (), remove: Sequence[str] = ()
    ) -> int:
        """Remove tags from all jobs that match and then add others; how many those are.

        Raises:
            BadArgument: a tag cannot be one; then no job is changed.
        """
        added = tags(add, "add_tag")

        def change(job: Job) -> Job:
            after = tags(retagged(job.request.tags, add=added, remove=remove))
            return replace(job, request=replace(job.request, tags=after))

        ids = [job.id async for page in self.pages(wanted) for job in page]
        return len(await self._edit([(job_id, change) for job_id in ids]))

    # --- looking -------------------------------------------------------------------------------

    async def find_by_keys(self, keys: Sequence[JobKey]) -> list[Job]:
        """The jobs of these keys that exist, in any state, in the order of the keys."""
        known = await self._by_key(keys)
        return [known[key] for key in keys if key in known]

    async def count(self, wanted: JobFilter) -> int:
        """How many jobs match."""
        return await self._store.jobs.count(wanted)

    async def pages(self, wanted: JobFilter) -> AsyncGenerator[list[Job], None]:
        """The jobs that match, newest change first, at most 1000 at a time."""
        left = wanted.limit
        page = wanted
        while left is None or left > 0:
            size = PAGE if left is None else min(PAGE, left)
            jobs = list(await self._store.jobs.find(replace(page, limit=size)))
            if jobs:
                yield jobs
            if len(jobs) < size:
                return
            left = None if left is None else left - size
            page = replace(page, skip=0, after=jobs[-1].sequence)

    async def _by_key(self, keys: Iterable[JobKey]) -> dict[JobKey, Job]:
        """The jobs of keys, in the order in which the keys first come."""
        wanted = list(dict.fromkeys(keys))
        found: dict[JobKey, Job] = {}
        for first in range(0, len(wanted), MOST_KEYS):
            some = tuple(wanted[first : first + MOST_KEYS])
            jobs = await self._store.jobs.find(JobFilter(keys=some, states=_ALL, limit=None))
            found |= {job.key: job for job in jobs}
        return {key: found[key] for key in wanted if key in found}

    async def _edit(
        self, edits: Sequence[tuple[UUID, Callable[[Job], Job]]]
    ) -> list[tuple[Job, Job]]:
        return await self._store.cloud.edit_each(edits) if edits else []
