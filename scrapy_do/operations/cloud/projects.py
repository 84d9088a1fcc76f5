"""The use cases of projects that only Scrapy Cloud clients have: numbers, settings, activity."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from scrapy_do.core.cloud_states import STORED, CloudState
from scrapy_do.core.filter import JobFilter, StateName
from scrapy_do.core.job import JSON, Job
from scrapy_do.core.principal import Principal
from scrapy_do.core.project import Project, check_number, number_of
from scrapy_do.errors import Conflict, NotPermitted, ProjectNotFound, SpiderNotFound
from scrapy_do.operations.cloud.activity import Happened, events_of
from scrapy_do.operations.cloud.fields import UNITS, label, retagged, tags
from scrapy_do.store.meta import BOTGROUPS, groups_of, settings_scope
from scrapy_do.store.store import Store

ACTIVITIES_KEPT = 10_000
"""How many of the events that clients post are kept for each project."""


MOST_SPIDERS = 10_000
"""How many spiders a project may have before clients can name no more."""


class TooManySpiders(Conflict):
    """A project has so many spiders that a client may name no other."""

    def __init__(self, project: str) -> None:
        super().__init__(f"Project {project} has {MOST_SPIDERS} spiders; no more can be named")


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudSpider:
    """A spider as these clients see it: deployed here, or only named by one of them."""

    number: int
    name: str
    deployed: bool
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StateCounts:
    """How many jobs of a project are in each state; `units` are those of running jobs."""

    pending: int
    running: int
    finished: int
    units: int = 0


class CloudProjects:
    """Projects by number, with what these clients keep for them."""

    def __init__(self, *, store: Store, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now

    async def get(self, number: int, *, create: bool = False) -> Project:
        """The project of a number; `create` makes one that is new, named by its number.

        Raises:
            ProjectNotFound: there is none, and none is made.
            BadArgument: the number cannot be one.
        """
        try:
            return await self._store.projects.get_by_id(number)
        except ProjectNotFound:
            if not create:
                raise
        return await self._store.cloud.number_project(number, now=self._now())

    def draft(self, number: int) -> Project:
        """The project that a new number would become, not stored.

        Raises:
            BadArgument: the number cannot be one.
        """
        return Project(
            id=check_number(number), name=str(number), current=None, created_at=self._now()
        )

    async def named(self, text: str, *, by: Principal) -> Project:
        """The project of a number, or else of a name.

        Raises:
            ProjectNotFound: there is none.
            NotPermitted: who asks may not open it, be it there or not.
        """
        number = number_of(text)
        if number is not None:
            check_may_open(by, number)
            with suppress(ProjectNotFound):
                return await self._store.projects.get_by_id(number)
        project = await self._store.projects.get(text[:200])
        check_may_open(by, project.id)
        return project

    async def all(self, *, by: Principal) -> list[Project]:
        """The projects that somebody is a member of, by number."""
        projects = await self._store.projects.all()
        own = (project for project in projects if by.is_member(project.id))
        return sorted(own, key=lambda project: project.id)

    async def counts(self, project: Project) -> StateCounts:
        """How many jobs a project has."""
        running = await self._store.jobs.find(
            JobFilter(project_id=project.id, states=STORED[CloudState.RUNNING], limit=None)
        )
        units = sum(job.request.units for job in running)
        return _counts(await self._store.jobs.counts_by_state(project.id), units=units)

    async def all_counts(self, *, by: Principal) -> dict[int, StateCounts]:
        """How many jobs each project has that has any and may be opened, by project number."""
        projects = {
            project.id for project in await self._store.projects.all() if by.may_open(project.id)
        }
        counted = await self._store.cloud.counts()
        return {number: _counts(counted[number]) for number in sorted(projects & counted.keys())}

    # --- settings ------------------------------------------------------------------------------

    async def settings(self, project: Project) -> dict[str, JSON]:
        """What clients have set; nothing by default."""
        return await self._store.meta.all(settings_scope(project.id))

    async def put_settings(self, project: Project, values: Mapping[str, JSON]) -> None:
        """Store settings beside those that are there."""
        check_settings(values)
        await self._store.meta.put(settings_scope(project.id), values)

    async def remove_setting(self, project: Project, name: str) -> None:
        """Forget a setting, if there is one."""
        await self._store.meta.delete(settings_scope(project.id), name)

    async def default_units(self, project: Project) -> int:
        """The units of a job that asks for none: the setting `default_job_units`, or 1."""
        units = await self._store.meta.get(settings_scope(project.id), "default_job_units")
        return units if isinstance(units, int) and units in UNITS else 1

    async def botgroups(self, project: Project) -> tuple[str, ...]:
        """The groups of runners that its jobs are for, instead of this daemon; none: no such."""
        return groups_of(await self._store.meta.get(settings_scope(project.id), BOTGROUPS))

    # --- spiders -------------------------------------------------------------------------------

    async def spiders(self, project: Project) -> list[CloudSpider]:
        """The spiders that were deployed, or named by a client; not those only pushed."""
        known = await self._known(project)
        return [one for one in await self._numbered(project) if one.deployed or one.number in known]

    async def spider(self, project: Project, number: int) -> CloudSpider:
        """One spider by its number, whatever it got that for.

        Raises:
            SpiderNotFound: there is none.
        """
        for spider in await self._numbered(project):
            if spider.number == number:
                return spider
        raise SpiderNotFound(project.name, str(number))

    async def spider_number(
        self, project: Project, name: str, *, create: bool = False
    ) -> int | None:
        """The number of a spider; None when it has none. `create` names one that is new.

        Raises:
            TooManySpiders: the project has as many as clients may name.
        """
        number = await self._store.projects.spider_number(project.id, name[:1000])
        if not create:
            return number
        if number is None:
            if len(await self._store.projects.spiders(project.id)) >= MOST_SPIDERS:
                raise TooManySpiders(project.name)
            number = await self._store.projects.spider_number(
                project.id, label(name, "spider"), create=True
            )
        await self._store.cloud.settled(_spiders(project), str(number), {"tags": []})
        return number

    async def retag_spider(
        self, project: Project, number: int, *, add: Sequence[JSON], remove: Sequence[JSON]
    ) -> CloudSpider:
        """Remove tags from a spider and then add others.

        Raises:
            SpiderNotFound: there is none.
            BadArgument: a tag cannot be one.
        """
        spider = await self.spider(project, number)
        after = retagged(
            spider.tags, add=tags(add), remove=[one for one in remove if isinstance(one, str)]
        )
        await self._store.meta.put(_spiders(project), {str(number): {"tags": list(tags(after))}})
        return await self.spider(project, number)

    async def last_finished(self, project: Project, spider_number: int | None) -> list[Job]:
        """The most recently finished job of each spider, or of one, that has any."""
        return await self._store.cloud.last_finished(project.id, spider_number)

    async def _numbered(self, project: Project) -> list[CloudSpider]:
        known = await self._known(project)
        return [
            CloudSpider(
                number=spider.number,
                name=spider.name,
                deployed=spider.deployed,
                tags=known.get(spider.number, ()),
            )
            for spider in await self._store.projects.spiders(project.id)
        ]

    async def _known(self, project: Project) -> dict[int, tuple[str, ...]]:
        """The tags of the spiders that a client has named or tagged."""
        stored = await self._store.meta.all(_spiders(project))
        return {int(number): tuple(value["tags"]) for number, value in stored.items()}

    # --- activity ------------------------------------------------------------------------------

    async def post_activity(self, project: Project, entries: Sequence[JSON]) -> None:
        """Note what clients say has happened, in its order."""
        await self._store.cloud.append(
            _activity(project), entries, now=self._now(), kept=ACTIVITIES_KEPT
        )

    async def activity(self, project: Project, limit: int) -> list[Happened]:
        """What has happened in a project, the latest first: to its jobs, and as posted.

        What happened to jobs is told by the jobs themselves, so it goes with them.
        """
        posted = await self._store.cloud.newest(_activity(project), limit)
        # An event is never later than its job's last change: the jobs changed last have
        # the latest events.
        jobs = await self._store.jobs.find(
            JobFilter(project_id=project.id, states=frozenset(StateName), limit=limit)
        )
        happened = [
            Happened(time_ms=ms, order=(1, -place), event=entry)
            for place, (ms, entry) in enumerate(posted)
        ]
        happened.extend(one for job in jobs for one in events_of(job))
        happened.sort(key=lambda one: (one.time_ms, one.order), reverse=True)
        return happened[:limit]


def check_may_open(who: Principal, project: int) -> None:
    """Let somebody open a project.

    Raises:
        NotPermitted: it is none of theirs.
    """
    if not who.may_open(project):
        raise NotPermitted(f"The key of {who.name} does not open project {project}")


def check_settings(values: Mapping[str, JSON]) -> None:
    """Refuse settings with names that cannot be stored.

    Raises:
        BadArgument: a name is no label.
    """
    for name in values:
        label(name, "setting")


def _counts(by_state: Mapping[StateName, int], *, units: int = 0) -> StateCounts:
    def jobs(state: CloudState) -> int:
        return sum(by_state.get(name, 0) for name in STORED[state])

    return StateCounts(
        pending=jobs(CloudState.PENDING),
        running=jobs(CloudState.RUNNING),
        finished=jobs(CloudState.FINISHED),
        units=units,
    )


def _spiders(project: Project) -> str:
    return f"project/{project.id}/spiders"


def _activity(project: Project) -> str:
    return f"project/{project.id}/activity"
