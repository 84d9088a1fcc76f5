"""The JobQ API: the queue of jobs, for runners and for those who watch.

Source: Scrapy Cloud JobQ API. Bodies are JSON lines; so are answers.

| method | path | role | what |
|---|---|---|---|
| POST | /jobq/<int:project>/push | RUN | accepts jobs, a line each |
| POST | /jobq/<int:project>/startjob | RUN | gives the next pending job to an outside runner |
| POST | /jobq/<int:project>/update | RUN | notes states and metadata of jobs |
| POST | /jobq/<int:project>/cancel | RUN | ends jobs, named in an array, or a number of them |
| POST | /jobq/<int:project>/<int:spider>/<int:number>/cancel | RUN | ends a job |
| GET | /jobq/<int:project>/count | READ | how many jobs match |
| GET | /jobq/<int:project>/list | READ | the jobs that match, the most recent first |
| GET | /jobq/<int:project>/jobsummary | READ | jobs by key, with the fields asked for |
| GET | /jobq/<int:project>/summary | READ | the queues, with a few jobs of each |
| GET | /jobq/<int:project>/summary/<queue> | READ | one queue |
| GET | /jobq/<int:project>/<int:spider>/summary | READ | the queues of a spider |
| GET | /jobq/<int:project>/<int:spider>/summary/<queue> | READ | one of them |

A running job may use its token for `update` of itself; all else needs an API key.
"""

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from scrapy_do.api.scrapy_cloud.access import (
    JobRunner,
    check_own,
    not_for_jobs,
    storage_router,
)
from scrapy_do.api.scrapy_cloud.filters import (
    LARGEST,
    job_filter,
    job_key,
    keys_of,
    row_count,
    state_named,
)
from scrapy_do.api.scrapy_cloud.formats import (
    RAW,
    as_object,
    json_lines,
    listed,
    one_value,
    read_object,
    read_values,
    row_format_of,
)
from scrapy_do.api.scrapy_cloud.shapes import Fields, row_json, started_json
from scrapy_do.core.cloud_states import STORED, CloudState, cloud_state
from scrapy_do.core.filter import JobFilter
from scrapy_do.core.job import Job, JobKey
from scrapy_do.core.principal import Role
from scrapy_do.errors import BadArgument, DuplicateJob, NotPermitted
from scrapy_do.operations.cloud.jobs import CloudOperations, Push, Update
from scrapy_do.web.answer import Answer, Response
from scrapy_do.web.auth import Access
from scrapy_do.web.router import Call

USUAL_ROWS = 1000
USUAL_SUMMARY = 5
MOST_SUMMARY = 1000
QUEUES = (CloudState.PENDING, CloudState.RUNNING, CloudState.FINISHED)
_FORMATS = ("jl", "json", "csv")


class CloudJobQAPI:
    """The dialect's queue. See the module's docstring for its routes."""

    prefix = "/jobq"

    def __init__(self, cloud: CloudOperations, *, access: Access) -> None:
        self._cloud = cloud
        self.router = storage_router(access, cloud.tokens)
        add = self.router.add
        top = "/jobq/<int:project>"
        add("POST", f"{top}/push", not_for_jobs(self.push), body=RAW)
        add("POST", f"{top}/startjob", not_for_jobs(self.start), body=RAW)
        add("POST", f"{top}/update", self.update, body=RAW)
        add("POST", f"{top}/cancel", not_for_jobs(self.cancel), body=RAW)
        one = f"{top}/<int:spider>/<int:number>/cancel"
        add("POST", one, not_for_jobs(self.cancel_one), body=RAW)
        add("GET", f"{top}/count", not_for_jobs(self.count))
        add("GET", f"{top}/list", not_for_jobs(self.list))
        add("GET", f"{top}/jobsummary", not_for_jobs(self.jobs_by_key))
        for path in (f"{top}/summary", f"{top}/<int:spider>/summary"):
            add("GET", path, not_for_jobs(self.summary))
            add("GET", f"{path}/<queue>", not_for_jobs(self.summary))

    # --- changing ------------------------------------------------------------------------------

    async def push(self, call: Call, *, project: int) -> Answer:
        """Accept jobs."""
        entries = [as_object(value) for value in await read_values(call)]
        pushes = [_push(entry) for entry in entries]
        results = await self._cloud.push_to(project, pushes, by=call.principal)
        pairs = zip(entries, results, strict=True)
        return json_lines([await self._pushed(entry, result) for entry, result in pairs])

    async def _pushed(self, entry: Mapping[str, Any], result: Job | DuplicateJob) -> Fields:
        if isinstance(result, DuplicateJob):
            return {"error": str(result), "request": entry}
        running = cloud_state(result.state) is CloudState.RUNNING
        token = await self._cloud.tokens.issue(result) if running else None
        return {"key": str(result.key), "auth": token}

    async def start(self, call: Call, *, project: int) -> Answer:
        """Give a job to a runner."""
        fields = await read_object(call)
        group = fields.pop("botgroup", None)
        if group is not None and not isinstance(group, str):
            raise BadArgument("botgroup", "must be a text")
        named = await self._cloud.projects.get(project)
        job = await self._cloud.start(named, fields, botgroup=group, by=call.principal)
        if job is None:
            return Response()
        token = await self._cloud.tokens.issue(job)
        return one_value(started_json(job, token, base_url=call.base_url))

    async def update(self, call: Call, *, project: int) -> Answer:
        """Note what runners say."""
        named = await self._cloud.projects.get(project)
        found = [_update(as_object(value)) for value in await read_values(call)]
        updates = [one for one in found if _project_of(one) == named.id]
        for one in updates:
            _check_update(call, one)
        pairs = await self._cloud.update(updates, by=call.principal)
        return json_lines(
            {"key": str(after.key), "prevstate": cloud_state(before.state).value}
            for before, after in pairs
        )

    async def cancel(self, call: Call, *, project: int) -> Answer:
        """End jobs."""
        named = await self._cloud.projects.get(project)
        values = await read_values(call)
        if values:
            keys = keys_of(named, _keys_in(values))
            return one_value({"count": await self._cloud.cancel(keys, by=call.principal)})
        count = call.params.integer("count", minimum=0, maximum=LARGEST, default=None)
        if count is None:
            raise BadArgument("count", "or an array of keys is needed")
        if not call.principal.may(Role.ADMIN):
            raise NotPermitted("Only an administrator may end jobs by their number")
        return one_value({"count": await self._cloud.cancel_some(named, count, by=call.principal)})

    async def cancel_one(self, call: Call, *, project: int, spider: int, number: int) -> Answer:
        """End a job."""
        key = JobKey(project=project, spider=spider, number=number)
        return one_value({"count": await self._cloud.cancel([key], by=call.principal)})

    # --- looking -------------------------------------------------------------------------------

    async def count(self, call: Call, *, project: int) -> Answer:
        """Count jobs."""
        wanted = await self._wanted(call, project)
        return one_value(await self._cloud.count(wanted))

    async def list(self, call: Call, *, project: int) -> Answer:
        """List jobs."""
        params = call.params
        wanted = replace(
            await self._wanted(call, project),
            skip=row_count(params, "start", default=0),
            limit=row_count(params, "count", default=USUAL_ROWS),
        )
        stop = params.optional_text("stop")
        pages = self._rows(call, wanted, None if stop is None else job_key(stop, "stop"))
        return await listed(call, pages, row_format_of(call, *_FORMATS))

    async def _rows(
        self, call: Call, wanted: JobFilter, stop: JobKey | None
    ) -> AsyncGenerator[Iterable[Fields], None]:
        """Give the rows of jobs, up to the one before `stop`."""
        fields, now = call.params.texts("jobmeta"), self._cloud.now()
        tags = bool(wanted.tags_any or wanted.tags_none)
        async for page in self._cloud.pages(wanted):
            keys = [job.key for job in page]
            end = keys.index(stop) if stop in keys else len(page)
            yield (
                row_json(job, now, fields, base_url=call.base_url, tags=tags) for job in page[:end]
            )
            if end < len(page):
                return

    async def jobs_by_key(self, call: Call, *, project: int) -> Answer:
        """Show jobs by key, in the order of the keys."""
        named = await self._cloud.projects.get(project)
        keys = keys_of(named, call.params.texts("key"))
        fields, now = call.params.texts("jobmeta"), self._cloud.now()
        jobs = await self._cloud.find_by_keys(keys)
        return json_lines(row_json(job, now, fields, base_url=call.base_url) for job in jobs)

    async def summary(
        self, call: Call, *, project: int, spider: int | None = None, queue: str | None = None
    ) -> Answer:
        """Show the queues."""
        if queue is not None and queue not in QUEUES:
            raise BadArgument("queue", f"must be one of {', '.join(QUEUES)}")
        named = await self._cloud.projects.get(project)
        names = QUEUES if queue is None else (CloudState(queue),)
        whole_queue = JobFilter(project_id=named.id, spider_number=spider, limit=None)
        return json_lines([await self._queue(call, name, whole_queue) for name in names])

    async def _queue(self, call: Call, name: CloudState, wanted: JobFilter) -> Fields:
        wanted = replace(wanted, states=STORED[name])
        page = replace(
            wanted,
            skip=row_count(call.params, "start", default=0),
            limit=min(row_count(call.params, "count", default=USUAL_SUMMARY), MOST_SUMMARY),
        )
        rows = [row for rows in [r async for r in self._rows(call, page, None)] for row in rows]
        return {"name": name.value, "count": await self._cloud.count(wanted), "summary": rows}

    async def _wanted(self, call: Call, project: int) -> JobFilter:
        named = await self._cloud.projects.get(project)
        finished = STORED[CloudState.FINISHED]
        return job_filter(call.params, named, key_name="key", usual=finished)


def _push(entry: Mapping[str, Any]) -> Push:
    if not isinstance(entry.get("spider"), str):
        raise BadArgument("spider", "must be the name of a spider")
    fields = {name: entry[name] for name in entry if name not in {"spider", "state", "unique"}}
    return Push(
        spider=entry["spider"],
        state=state_named(entry.get("state", CloudState.PENDING.value)),
        unique=entry.get("unique"),
        fields=fields,
    )


def _update(entry: Mapping[str, Any]) -> Update:
    key, state = entry.get("key"), entry.get("state")
    if not isinstance(key, str):
        raise BadArgument("key", "must be the key of a job such as '1/2/3', or '1/2' for a spider")
    fields = {name: entry[name] for name in entry if name not in {"key", "state"}}
    return Update(
        key=_job_or_spider(key),
        state=None if state is None else state_named(state),
        fields=fields,
    )


def _job_or_spider(text: str) -> JobKey | tuple[int, int]:
    if text.count("/") == 1:
        spider = JobKey.parse(f"{text}/0")
        return spider.project, spider.spider
    return JobKey.parse(text)


def _project_of(one: Update) -> int:
    return one.key.project if isinstance(one.key, JobKey) else one.key[0]


def _check_update(call: Call, one: Update) -> None:
    if isinstance(one.key, JobKey):
        check_own(call.principal, one.key)
    elif isinstance(call.principal, JobRunner):
        raise NotPermitted("The token of a job does not open its whole spider")


def _keys_in(values: Sequence[Any]) -> list[str]:
    """Read keys in objects or bare, in one array or on lines of their own."""
    flat = [one for value in values for one in (value if isinstance(value, list) else [value])]
    keys = [one.get("key") if isinstance(one, dict) else one for one in flat]
    texts = [key for key in keys if isinstance(key, str)]
    if len(texts) != len(keys):
        raise BadArgument("key", "must be the key of a job such as '1/2/3'")
    return texts
