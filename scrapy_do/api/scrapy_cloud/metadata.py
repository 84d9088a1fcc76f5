"""The job metadata API: all that is known of a job, and what clients keep with it.

Source: Scrapy Cloud job metadata API. What is not there is `null` or an empty body, never
404; what only tells of the job (its state, times and people) cannot be written.

| method | path | role | what |
|---|---|---|---|
| GET | /jobs/<int:project> | READ | the metadata of all jobs of a project |
| GET | /jobs/<int:project>/<int:spider> | READ | of all jobs of a spider |
| GET | /jobs/<int:project>/<int:spider>/<int:number> | READ | of a job |
| POST | /jobs/<int:project>/<int:spider>/<int:number> | RUN | merges fields |
| DELETE | /jobs/<int:project>/<int:spider>/<int:number> | RUN | removes the job for good |
| GET | /jobs/<int:project>/<int:spider>/<int:number>/<path:field> | READ | one field |
| POST | /jobs/<int:project>/<int:spider>/<int:number>/<path:field> | RUN | sets it |
| DELETE | /jobs/<int:project>/<int:spider>/<int:number>/<path:field> | RUN | removes it |

A running job may use its token for its own metadata; all else needs an API key.
"""

from collections.abc import AsyncGenerator, Sequence

from scrapy_do.api.scrapy_cloud.access import (
    check_own,
    not_for_jobs,
    storage_router,
)
from scrapy_do.api.scrapy_cloud.filters import core_states, row_count
from scrapy_do.api.scrapy_cloud.formats import (
    EMPTY,
    RAW,
    json_lines,
    listed,
    one_value,
    read_object,
    read_value,
    row_format_of,
)
from scrapy_do.api.scrapy_cloud.shapes import Fields, metadata_json
from scrapy_do.core.cloud_states import CloudState, cloud_state
from scrapy_do.core.filter import JobFilter, StateName
from scrapy_do.core.job import Job, JobKey
from scrapy_do.operations.cloud.jobs import CloudOperations
from scrapy_do.web.answer import Answer
from scrapy_do.web.auth import Access
from scrapy_do.web.router import Call

TOKEN = "auth"  # noqa: S105 - the name of a field
USUAL_ROWS = 1000


class CloudMetadataAPI:
    """The dialect's metadata. See the module's docstring for its routes."""

    prefix = "/jobs"

    def __init__(self, cloud: CloudOperations, *, access: Access) -> None:
        self._cloud = cloud
        self.router = storage_router(access, cloud.tokens)
        add = self.router.add
        add("GET", "/jobs/<int:project>", not_for_jobs(self.list))
        add("GET", "/jobs/<int:project>/<int:spider>", not_for_jobs(self.list))
        job = "/jobs/<int:project>/<int:spider>/<int:number>"
        add("GET", job, self.show)
        add("POST", job, self.merge, body=RAW)
        add("DELETE", job, not_for_jobs(self.purge))
        add("GET", f"{job}/<path:field>", self.show_field)
        add("POST", f"{job}/<path:field>", self.set_field, body=RAW)
        add("DELETE", f"{job}/<path:field>", self.remove_field)

    async def list(self, call: Call, *, project: int, spider: int | None = None) -> Answer:
        """List metadata, the most recently changed job first."""
        named = await self._cloud.projects.get(project)
        wanted = JobFilter(
            project_id=named.id,
            spider_number=spider,
            states=core_states(call.params.texts("state"), usual=frozenset(StateName)),
            skip=row_count(call.params, "start", default=0),
            limit=row_count(call.params, "count", default=USUAL_ROWS),
        )
        return await listed(call, self._rows(call, wanted), row_format_of(call, "jl", "json"))

    async def _rows(self, call: Call, wanted: JobFilter) -> AsyncGenerator[Sequence[Fields], None]:
        async for jobs in self._cloud.pages(wanted):
            yield [metadata_json(job, base_url=call.base_url) for job in jobs]

    async def show(self, call: Call, *, project: int, spider: int, number: int) -> Answer:
        """Show a job, on one line; nothing of one that is not there."""
        key = _own_key(call, project, spider, number)
        return json_lines(
            metadata_json(job, base_url=call.base_url)
            for job in await self._cloud.find_by_keys([key])
        )

    async def show_field(
        self, call: Call, *, project: int, spider: int, number: int, field: str
    ) -> Answer:
        """Show one field."""
        key = _own_key(call, project, spider, number)
        for job in await self._cloud.find_by_keys([key]):
            if field == TOKEN:
                return one_value(await self._token(job))
            return one_value(metadata_json(job, base_url=call.base_url).get(field))
        return one_value(None)

    async def _token(self, job: Job) -> str | None:
        running = cloud_state(job.state) is CloudState.RUNNING
        return await self._cloud.tokens.issue(job) if running else None

    async def merge(self, call: Call, *, project: int, spider: int, number: int) -> Answer:
        """Merge fields."""
        key = _own_key(call, project, spider, number)
        await self._cloud.describe(key, await read_object(call), by=call.principal)
        return EMPTY

    async def set_field(
        self, call: Call, *, project: int, spider: int, number: int, field: str
    ) -> Answer:
        """Set one field."""
        key = _own_key(call, project, spider, number)
        await self._cloud.describe(key, {field: await read_value(call)}, by=call.principal)
        return EMPTY

    async def remove_field(
        self, call: Call, *, project: int, spider: int, number: int, field: str
    ) -> Answer:
        """Remove one field."""
        await self._cloud.forget(_own_key(call, project, spider, number), field)
        return EMPTY

    async def purge(self, _call: Call, *, project: int, spider: int, number: int) -> Answer:
        """Remove a job."""
        await self._cloud.purge(JobKey(project=project, spider=spider, number=number))
        return EMPTY


def _own_key(call: Call, project: int, spider: int, number: int) -> JobKey:
    key = JobKey(project=project, spider=spider, number=number)
    check_own(call.principal, key)
    return key
