"""The services for projects: numbers of spiders, settings, summaries, activity, the clock.

Source: Scrapy Cloud storage, as its client uses it.

| method | path | role | what |
|---|---|---|---|
| GET | /ids/<int:project>/spider/<path:name> | READ | the number of a spider; `create` gives one |
| GET | /spiders/<int:project>/lastjobsummary | READ | each spider's last finished job |
| GET | /spiders/<int:project>/<int:spider>/lastjobsummary | READ | a spider's |
| GET | /projects/jobsummaries | READ | how many jobs the projects have |
| GET | /projects/<int:project>/jobsummary | READ | how many jobs a project has |
| GET | /projects/<int:project>/settings | READ | the settings of a project |
| POST | /projects/<int:project>/settings | PUSH | sets some |
| GET | /projects/<int:project>/settings/<path:name> | READ | one setting |
| DELETE | /projects/<int:project>/settings/<path:name> | PUSH | removes it |
| GET | /activity/projects | READ | what has happened in several projects |
| GET | /activity/<int:project> | READ | what has happened in a project |
| POST | /activity/<int:project> | RUN | notes events |
| POST | /botgroups/<name>/max_running | ADMIN | accepted, without effect |
| DELETE | /botgroups/<name> | ADMIN | accepted, without effect |
| GET | /system/ts | READ | the time; needs no key |
"""

from collections.abc import Sequence
from itertools import islice
from typing import Any

from scrapy_do.api.scrapy_cloud.access import STORAGE, AnyAccess, KeyAccess, own_projects
from scrapy_do.api.scrapy_cloud.data_filters import filters_of
from scrapy_do.api.scrapy_cloud.filters import row_count
from scrapy_do.api.scrapy_cloud.formats import (
    EMPTY,
    RAW,
    as_object,
    json_lines,
    one_value,
    read_object,
    read_values,
)
from scrapy_do.api.scrapy_cloud.shapes import Fields, row_json
from scrapy_do.core.instants import ms_of
from scrapy_do.core.principal import Role
from scrapy_do.core.project import Project
from scrapy_do.errors import BadArgument
from scrapy_do.operations.cloud.activity import Happened
from scrapy_do.operations.cloud.fields import label
from scrapy_do.operations.cloud.jobs import CloudOperations
from scrapy_do.operations.cloud.projects import StateCounts, check_settings
from scrapy_do.web.answer import Answer
from scrapy_do.web.auth import Access
from scrapy_do.web.permits import PERMITS
from scrapy_do.web.router import Call, Router

USUAL_EVENTS = 1000
MOST_EVENTS = 10_000
MOST_PROJECTS = 100
_TIME = "_ts"
_PROJECT = "_project"


class CloudService:
    """One of the services: a prefix of its own, and routes."""

    def __init__(self, prefix: str, access: Access) -> None:
        self.prefix = prefix
        self.router = Router(
            permits=PERMITS, style=STORAGE, any_slash=True, access=access, guard=own_projects
        )


def project_services(cloud: CloudOperations, *, access: Access) -> tuple[CloudService, ...]:
    """Make the services. See the module's docstring for their routes."""
    keys = KeyAccess(access)
    ids, spiders, projects, activity, groups = (
        CloudService(prefix, keys)
        for prefix in ("/ids", "/spiders", "/projects", "/activity", "/botgroups")
    )
    system = CloudService("/system", AnyAccess())
    _Spiders(cloud).add_to(ids.router, spiders.router)
    _Projects(cloud).add_to(projects.router)
    _Activity(cloud).add_to(activity.router)
    groups.router.add("POST", "/botgroups/<name>/max_running", _accepted, body=RAW)
    groups.router.add("DELETE", "/botgroups/<name>", _accepted)

    async def time(_call: Call) -> Answer:
        return one_value(ms_of(cloud.now()))

    system.router.add("GET", "/system/ts", time)
    return ids, spiders, projects, activity, groups, system


async def _accepted(_call: Call, *, name: str) -> Answer:  # noqa: ARG001 - of the path
    """Say yes: which runners start which jobs is set in the projects."""
    return one_value(None)


class _Spiders:
    """Numbers and last jobs of spiders."""

    def __init__(self, cloud: CloudOperations) -> None:
        self._cloud = cloud

    def add_to(self, ids: Router, spiders: Router) -> None:
        ids.add("GET", "/ids/<int:project>/spider/<path:name>", self.number)
        spiders.add("GET", "/spiders/<int:project>/lastjobsummary", self.last_jobs)
        spiders.add("GET", "/spiders/<int:project>/<int:spider>/lastjobsummary", self.last_jobs)

    async def number(self, call: Call, *, project: int, name: str) -> Answer:
        """Tell the number of a spider."""
        create = call.params.flag("create")
        if create:
            label(name, "spider")  # before a new number becomes a project
        may_make = create and call.principal.may(Role.PUSH)
        named = await self._cloud.projects.get(project, create=may_make)
        # The router has taken a final slash for one that clients add.
        if call.path.endswith(f"{name}/"):
            number = await self._cloud.projects.spider_number(named, f"{name}/")
            if number is not None:
                return one_value(number)
        return one_value(await self._cloud.projects.spider_number(named, name, create=create))

    async def last_jobs(self, call: Call, *, project: int, spider: int | None = None) -> Answer:
        """Show the last finished job of each spider."""
        params = call.params
        named = await self._cloud.projects.get(project)
        jobs = await self._cloud.projects.last_finished(named, spider)
        first = _spider_in(params.optional_text("start"))
        after = _spider_in(params.optional_text("startafter"))
        count = row_count(params, "count", default=len(jobs))
        chosen = [
            job
            for job in jobs
            if (first is None or job.key.spider >= first)
            and (after is None or job.key.spider > after)
        ]
        now, fields = self._cloud.now(), params.texts("jobmeta")
        return json_lines(
            row_json(job, now, fields, base_url=call.base_url) for job in chosen[:count]
        )


def _spider_in(text: str | None) -> int | None:
    """Read a spider's number, alone or behind its project's."""
    if text is None:
        return None
    number = text.split("/")[min(1, text.count("/"))]
    if not (number.isascii() and number.isdigit() and len(number) <= 18):  # noqa: PLR2004 - 64 bits
        raise BadArgument("start", f"{text[:60]!r} is not the number of a spider")
    return int(number)


class _Projects:
    """Counts and settings of projects."""

    def __init__(self, cloud: CloudOperations) -> None:
        self._cloud = cloud

    def add_to(self, router: Router) -> None:
        router.add("GET", "/projects/jobsummaries", self.summaries)
        router.add("GET", "/projects/<int:project>/jobsummary", self.summary)
        settings = "/projects/<int:project>/settings"
        router.add("GET", settings, self.settings)
        router.add("POST", settings, self.put_settings, body=RAW)
        router.add("GET", f"{settings}/<path:name>", self.setting)
        router.add("DELETE", f"{settings}/<path:name>", self.remove_setting)

    async def summaries(self, call: Call) -> Answer:
        """Count the jobs of all projects that have active ones, or some in the given states."""
        states = call.params.texts("state") or ("pending", "running")
        counted = await self._cloud.projects.all_counts(by=call.principal)
        rows = [{"project": number, **_counts_json(counts)} for number, counts in counted.items()]
        return one_value([row for row in rows if any(row.get(state) for state in states)])

    async def summary(self, _call: Call, *, project: int) -> Answer:
        """Count the jobs of a project."""
        named = await self._cloud.projects.get(project)
        counts = await self._cloud.projects.counts(named)
        return json_lines(
            [
                {
                    "project": named.id,
                    **_counts_json(counts),
                    "running_units_count": counts.units,
                    "pending_units_max": None,
                }
            ]
        )

    async def settings(self, _call: Call, *, project: int) -> Answer:
        """Show the settings."""
        named = await self._cloud.projects.get(project)
        return one_value(await self._cloud.projects.settings(named))

    async def put_settings(self, call: Call, *, project: int) -> Answer:
        """Set some."""
        values = await read_object(call)
        check_settings(values)  # before a new number becomes a project
        named = await self._cloud.projects.get(project, create=True)
        await self._cloud.projects.put_settings(named, values)
        return EMPTY

    async def setting(self, _call: Call, *, project: int, name: str) -> Answer:
        """Show one."""
        named = await self._cloud.projects.get(project)
        return one_value((await self._cloud.projects.settings(named)).get(name))

    async def remove_setting(self, _call: Call, *, project: int, name: str) -> Answer:
        """Remove one."""
        named = await self._cloud.projects.get(project)
        await self._cloud.projects.remove_setting(named, name)
        return EMPTY


def _counts_json(counts: StateCounts) -> Fields:
    return {
        "pending": counts.pending,
        "running": counts.running,
        "finished": counts.finished,
        "has_capacity": True,
    }


class _Activity:
    """What has happened."""

    def __init__(self, cloud: CloudOperations) -> None:
        self._cloud = cloud

    def add_to(self, router: Router) -> None:
        router.add("GET", "/activity/projects", self.of_projects)
        router.add("GET", "/activity/<int:project>", self.of_project)
        router.add("POST", "/activity/<int:project>", self.post, body=RAW)

    async def of_project(self, call: Call, *, project: int) -> Answer:
        """Show what has happened in a project."""
        named = await self._cloud.projects.get(project)
        count = min(row_count(call.params, "count", default=USUAL_EVENTS), MOST_EVENTS)
        happened = await self._happened(call, named, count)
        return json_lines(_event_json(one, named, call.params.texts("meta")) for one in happened)

    async def of_projects(self, call: Call) -> Answer:
        """Show what has happened in some projects."""
        params = call.params
        count = min(row_count(params, "count", default=USUAL_EVENTS), MOST_EVENTS)
        each = min(row_count(params, "pcount", default=count), MOST_EVENTS)
        happened: list[tuple[Happened, Project]] = []
        for text in params.texts("p")[:MOST_PROJECTS]:
            project = await self._cloud.projects.named(text, by=call.principal)
            events = await self._happened(call, project, each)
            happened.extend((one, project) for one in events)
        happened.sort(key=lambda pair: (pair[0].time_ms, pair[0].order), reverse=True)
        fields = params.texts("meta")
        return json_lines(_event_json(one, project, fields) for one, project in happened[:count])

    async def _happened(self, call: Call, project: Project, count: int) -> Sequence[Happened]:
        """Give the latest events that pass the filters of a request."""
        filters = filters_of(call.params)
        if not filters:
            return await self._cloud.projects.activity(project, count)
        happened = await self._cloud.projects.activity(project, MOST_EVENTS)

        def passing() -> list[Happened]:
            found = (one for one in happened if all(test.passes(one.event) for test in filters))
            return list(islice(found, count))

        return await call.in_thread(passing)

    async def post(self, call: Call, *, project: int) -> Answer:
        """Note events."""
        entries = [as_object(value) for value in await read_values(call)]
        named = await self._cloud.projects.get(project, create=call.principal.may(Role.PUSH))
        await self._cloud.projects.post_activity(named, entries)
        return EMPTY


def _event_json(happened: Happened, project: Project, fields: Sequence[str]) -> Any:  # noqa: ANN401
    extra: Fields = {}
    if _TIME in fields:
        extra[_TIME] = happened.time_ms
    if _PROJECT in fields:
        extra[_PROJECT] = project.id
    return {**happened.event, **extra}
