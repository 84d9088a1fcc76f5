"""The records of jobs: items, logs, requests and samples.

`<kind>` is items, logs, requests or samples; each has a dialect of its own. Samples have
no stats. Source: Scrapy Cloud items, logs, requests and samples APIs.

| method | path | role | what |
|---|---|---|---|
| GET | /<kind>/<int:project> | READ | the records of a project, in the order of their keys |
| GET | /<kind>/<int:project>/<int:spider> | READ | those of a spider |
| GET | /<kind>/<int:project>/<int:spider>/<int:number> | READ | those of a job |
| POST | /<kind>/<int:project>/<int:spider>/<int:number> | RUN | more records, as JSON lines |
| GET | /<kind>/<int:project>/<int:spider>/<int:number>/stats | READ | how many of what |
| GET | /<kind>/<int:project>/<int:spider>/<int:number>/<int:index> | READ | one record |
| GET | /<kind>/<int:project>/<int:spider>/<int:number>/<int:index>/<path:field> | READ | a field |
"""

from dataclasses import replace

from scrapy_do.api.scrapy_cloud.access import DATA, JobRunner, check_own, own_projects
from scrapy_do.api.scrapy_cloud.data_reading import (
    Choice,
    FieldTaker,
    RecordTaker,
    asked_attempt,
    is_set,
    range_of,
)
from scrapy_do.api.scrapy_cloud.data_writing import BODY, first_number, judge_of, judged_lines
from scrapy_do.api.scrapy_cloud.formats import (
    MSGPACK_TYPE,
    TEXT_TYPE,
    answer,
    download_headers,
    format_of,
    wants_msgpack,
)
from scrapy_do.core.job import JobKey
from scrapy_do.core.principal import Principal
from scrapy_do.errors import NotPermitted, ScrapyDoError, TooLarge
from scrapy_do.operations.records import (
    DataOperations,
    RecordKind,
    RecordRange,
    RecordStats,
)
from scrapy_do.web.answer import Answer, Response
from scrapy_do.web.auth import Access
from scrapy_do.web.permits import PERMITS
from scrapy_do.web.router import JSON, Call, Router


def _body(error: ScrapyDoError, status: int) -> bytes:
    if isinstance(error, TooLarge):
        limit = error.limit_bytes
        return f"Error parsing data, Serialized value too large - max {limit} bytes".encode()
    return DATA.body(error, status)


STYLE = replace(DATA, body=_body)


class CloudDataAPI:
    """The dialect of one kind of records. See the module's docstring for its routes."""

    def __init__(self, kind: RecordKind, data: DataOperations, *, access: Access | None) -> None:
        self._kind = kind
        self._data = data
        self.prefix = f"/{kind}"
        self.router = Router(
            permits=PERMITS, style=STYLE, any_slash=True, access=access, guard=own_projects
        )
        add = self.router.add
        add("GET", f"/{kind}/<int:project>", self.read)
        add("GET", f"/{kind}/<int:project>/<int:spider>", self.read)
        job = f"/{kind}/<int:project>/<int:spider>/<int:number>"
        add("GET", job, self.read)
        add("POST", job, self.write, body=BODY)
        if kind is not RecordKind.SAMPLES:
            add("GET", f"{job}/stats", self.stats)
        add("GET", f"{job}/<int:index>", self.read)
        add("GET", f"{job}/<int:index>/<path:field>", self.read_field)

    async def read(
        self,
        call: Call,
        *,
        project: int,
        spider: int | None = None,
        number: int | None = None,
        index: int | None = None,
    ) -> Answer:
        """List records, or give one of them."""
        wanted = RecordRange(
            project=project,
            spider=spider,
            number=number,
            indexes=None if index is None else (index,),
        )
        _check_range(call.principal, wanted)
        if index is None:
            wanted = range_of(call.params, wanted)
        form = format_of(call, kind=self._kind)
        taker = RecordTaker(Choice.of(call.params, self._kind), form)
        pieces = self._data.read(wanted, self._kind, taker)
        return await answer(pieces, form, download_headers(call.params))

    async def read_field(
        self, call: Call, *, project: int, spider: int, number: int, index: int, field: str
    ) -> Answer:
        """Give one field of a record, nothing when it has none."""
        wanted = RecordRange(project=project, spider=spider, number=number, indexes=(index,))
        _check_range(call.principal, wanted)
        is_packed = wants_msgpack(call)
        taker = FieldTaker(field, is_packed=is_packed)
        pieces = [piece async for piece in self._data.read(wanted, self._kind, taker)]
        content_type = MSGPACK_TYPE if is_packed else TEXT_TYPE
        return Response(body=b"".join(pieces), content_type=content_type)

    async def stats(self, call: Call, *, project: int, spider: int, number: int) -> JSON:
        """Count the records of a job."""
        key = JobKey(project=project, spider=spider, number=number)
        check_own(call.principal, key)
        wanted = RecordRange(project=project, spider=spider, number=number)
        found = await self._data.stats(key, self._kind, asked_attempt(call.params, wanted))
        return counts_json(found, has_hidden=is_set(call.params, "all"))

    async def write(self, call: Call, *, project: int, spider: int, number: int) -> Answer:
        """Store records, all or none."""
        key = JobKey(project=project, spider=spider, number=number)
        check_own(call.principal, key)
        lines = await judged_lines(call, judge_of(self._kind, self._data.now_ms()))
        await self._data.write(key, self._kind, lines, start=first_number(call))
        return Response()


def _check_range(principal: Principal, wanted: RecordRange) -> None:
    """Let a job read its own records alone."""
    if not isinstance(principal, JobRunner):
        return
    if wanted.spider is None or wanted.number is None:
        raise NotPermitted(f"The token of job {principal.job} opens only that job")
    key = JobKey(project=wanted.project, spider=wanted.spider, number=wanted.number)
    check_own(principal, key)


def counts_json(stats: RecordStats, *, has_hidden: bool) -> JSON:
    """The counts of a job, exactly these members."""
    counts = dict(stats.counts) if has_hidden else stats.visible_counts()
    return {
        "counts": counts,
        "totals": {"input_values": stats.input_values, "input_bytes": stats.input_bytes},
    }
