"""The Jobs API of dash: run, list, tag, stop and delete jobs.

Source: Scrapy Cloud Jobs API. Answers are JSON with `status`: ok, or error and `message`.
`project` may also be the name of a project.

| method | path | role | what |
|---|---|---|---|
| POST | /api/run.json | RUN | accepts a job |
| POST | /api/schedule.json | RUN | the same, by its old name |
| GET | /api/jobs/list.json | READ | jobs that match, at most 1000 |
| GET | /api/jobs/list.jl | READ | all jobs that match, a line each after one of `status` |
| GET | /api/jobs/count.json | READ | how many jobs match |
| POST | /api/jobs/update.json | RUN | adds tags to jobs, or removes them |
| POST | /api/jobs/delete.json | RUN | puts jobs into the state deleted |
| POST | /api/jobs/stop.json | RUN | ends jobs |
| GET | /api/spiders/list.json | READ | the spiders of a project |
| GET | /api/scrapyd/listprojects.json | READ | the numbers of the projects |
"""

import json
import shlex
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from scrapy_do.api.scrapy_cloud.filters import LARGEST, job_filter, keys_of, row_count, state_named
from scrapy_do.api.scrapy_cloud.formats import ROW_LINES, listed
from scrapy_do.api.scrapy_cloud.shapes import MANUAL, Fields, addresses, dash_json
from scrapy_do.core.cloud_states import CloudState
from scrapy_do.core.filter import VISIBLE_STATES, JobFilter
from scrapy_do.core.job import JobKey
from scrapy_do.core.project import Project
from scrapy_do.errors import BadArgument
from scrapy_do.operations.cloud.jobs import CloudOperations, Push
from scrapy_do.operations.cloud.projects import CloudSpider
from scrapy_do.web.answer import Answer
from scrapy_do.web.params import Params
from scrapy_do.web.router import JSON, Call, Router
from scrapy_do.web.upload import parse_json

MOST_ROWS = 1000
SCRIPT = "py:"
"""How the names of scripts begin, which Scrapy Cloud runs like spiders."""

_OWN_PARAMETERS = frozenset(
    {
        "add_tag",
        "apikey",
        "cmd_args",
        "environment",
        "job_settings",
        "jobq_id",
        "meta",
        "priority",
        "project",
        "spider",
        "units",
    }
)
"""Every other parameter of run.json is a spider argument."""

_FILTERS = ("job", "spider", "state", "has_tag", "lacks_tag")


class CloudJobsAPI:
    """The routes of jobs below /api. See the module's docstring."""

    def __init__(self, cloud: CloudOperations) -> None:
        self._cloud = cloud

    def add_to(self, router: Router) -> None:
        """Add the routes."""
        add = router.add
        add("POST", "/api/run.json", self.run)
        add("POST", "/api/schedule.json", self.run)
        add("GET", "/api/jobs/list.json", self.list)
        add("GET", "/api/jobs/list.jl", self.list_lines)
        add("GET", "/api/jobs/count.json", self.count)
        add("POST", "/api/jobs/update.json", self.update)
        add("POST", "/api/jobs/delete.json", self.delete)
        add("POST", "/api/jobs/stop.json", self.stop)
        add("GET", "/api/spiders/list.json", self.spiders)
        add("GET", "/api/scrapyd/listprojects.json", self.projects)

    async def run(self, call: Call) -> JSON:
        """Accept a job."""
        project = await self._project(call)
        spider = await self._spider(call.params, project)
        push = _push(call.params, spider, base_url=call.base_url)
        job = await self._cloud.run(project, push, by=call.principal)
        return ok(jobid=str(job.key))

    async def list(self, call: Call) -> JSON:
        """List jobs."""
        wanted = await self._wanted(call)
        page = _page(call.params, wanted, most=MOST_ROWS)
        rows = [row for rows in [r async for r in self._rows(page)] for row in rows]
        return ok(count=len(rows), total=await self._cloud.count(wanted), jobs=rows)

    async def list_lines(self, call: Call) -> Answer:
        """List jobs of any number, after a line that says how many match."""
        wanted = await self._wanted(call)
        total = await self._cloud.count(wanted)
        page = _page(call.params, wanted, most=None)

        async def rows() -> AsyncGenerator[Iterable[Fields], None]:
            yield [ok(total=total)]
            async for some in self._rows(page):
                yield some

        return await listed(call, rows(), ROW_LINES)

    async def count(self, call: Call) -> JSON:
        """Count jobs."""
        return ok(total=await self._cloud.count(await self._wanted(call)))

    async def update(self, call: Call) -> JSON:
        """Change the tags of jobs."""
        params = call.params
        if not any(name in params for name in _FILTERS):
            raise BadArgument("job", "or another filter is needed, such as spider")
        added, removed = params.texts("add_tag"), params.texts("remove_tag")
        if not added and not removed:
            raise BadArgument("add_tag", "or remove_tag is needed")
        wanted = await self._wanted(call)
        return ok(count=await self._cloud.retag(wanted, add=added, remove=removed))

    async def delete(self, call: Call) -> JSON:
        """Delete jobs."""
        return ok(count=await self._cloud.delete(await self._keys(call), by=call.principal))

    async def stop(self, call: Call) -> JSON:
        """End jobs."""
        await self._cloud.cancel(await self._keys(call), by=call.principal)
        return ok()

    async def spiders(self, call: Call) -> JSON:
        """List spiders."""
        project = await self._project(call)
        names = call.params.texts("spider")
        found = await self._cloud.projects.spiders(project)
        return ok(
            spiders=[
                _spider_json(spider, project)
                for spider in found
                if not names or spider.name in names
            ]
        )

    async def projects(self, call: Call) -> JSON:
        """List the numbers of the projects that the key is a member of."""
        projects = await self._cloud.projects.all(by=call.principal)
        return ok(projects=[project.id for project in projects])

    # --- steps ---------------------------------------------------------------------------------

    async def _project(self, call: Call) -> Project:
        return await self._cloud.projects.named(call.params.text("project"), by=call.principal)

    async def _spider(self, params: Params, project: Project) -> str:
        number = params.integer("jobq_id", minimum=0, maximum=LARGEST, default=None)
        if number is None:
            return params.text("spider")
        spider = await self._cloud.projects.spider(project, number)
        given = params.optional_text("spider", spider.name)
        if given != spider.name:
            raise BadArgument(
                "jobq_id",
                f"and spider disagree: {number} is the spider {spider.name!r}, not {given[:60]!r}",
            )
        return spider.name

    async def _wanted(self, call: Call) -> JobFilter:
        project = await self._project(call)
        return job_filter(call.params, project, key_name="job", usual=VISIBLE_STATES)

    async def _keys(self, call: Call) -> Sequence[JobKey]:
        call.params.require("project", "job")
        project = await self._project(call)
        texts = call.params.texts("job")
        keys = keys_of(project, texts, "job")
        if len(keys) != len(texts):
            raise BadArgument("job", f"must be of project {project.id}")
        return keys

    async def _rows(self, page: JobFilter) -> AsyncGenerator[Iterable[Fields], None]:
        now = self._cloud.now()
        async for jobs in self._cloud.pages(page):
            yield (dash_json(job, now) for job in jobs)


def ok(**fields: Any) -> Fields:  # noqa: ANN401 - JSON values
    """Make an answer of success."""
    return {"status": "ok", **fields}


def _page(params: Params, wanted: JobFilter, *, most: int | None) -> JobFilter:
    """Read which rows are wanted; a negative count is that many of the latest."""
    count = params.integer("count", minimum=-LARGEST, maximum=LARGEST, default=most)
    limit = count if count is None else abs(count)
    if limit is not None and most is not None:
        limit = min(limit, most)
    return replace(wanted, skip=row_count(params, "offset", default=0), limit=limit)


def _spider_json(spider: CloudSpider, project: Project) -> Fields:
    version = project.current.label if project.current is not None and spider.deployed else None
    return {"id": spider.name, "tags": list(spider.tags), "type": MANUAL, "version": version}


# --- run.json ----------------------------------------------------------------------------------


def _push(params: Params, spider: str, *, base_url: str) -> Push:
    """Read a job: first what the parameters say, then `meta` over it."""
    fields: dict[str, Any] = {
        "spider_type": MANUAL,
        **addresses(base_url),
    }
    optional = {
        "priority": params.integer("priority", minimum=0, maximum=4, default=None),
        "units": params.integer("units", minimum=1, maximum=6, default=None),
        "tags": list(params.texts("add_tag")),
        "spider_args": _arguments(params),
        "job_settings": _object(params, "job_settings"),
        "environment": _object(params, "environment"),
        "job_cmd": _command(params, spider),
    }
    fields |= {name: value for name, value in optional.items() if value not in (None, [], {})}
    fields |= _object(params, "meta")
    state = fields.pop("state", CloudState.PENDING.value)
    return Push(spider=spider, state=state_named(state), fields=fields)


def _arguments(params: Params) -> Mapping[str, str]:
    """Read the spider arguments; of a repeated one the last value counts."""
    return {
        name: values[-1] for name, values in params.fields.items() if name not in _OWN_PARAMETERS
    }


def _object(params: Params, name: str) -> Mapping[str, Any]:
    text = params.json_text(name, "{}")
    value = parse_json(text, name) if text.strip() else {}
    if not isinstance(value, dict):
        raise BadArgument(name, f"must be a JSON object, as {json.dumps({'NAME': 'value'})}")
    return value


def _command(params: Params, spider: str) -> Sequence[str]:
    """Read the command line of a script."""
    words = params.optional_text("cmd_args", "")
    if not spider.startswith(SCRIPT):
        if words:
            raise BadArgument("cmd_args", f"is for scripts, whose names begin with {SCRIPT}")
        return []
    try:
        return [spider, *shlex.split(words)]
    except ValueError as error:
        raise BadArgument("cmd_args", str(error)) from error
