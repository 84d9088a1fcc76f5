"""Items, logs and reports as the dash API gave them before there was a storage API.

`offset` leaves out the first that match, `count` bounds how many follow; a negative one is
that many of the latest. JSON has at most 100 of them, JSON lines any number.
Source: Scrapy Cloud, old items, logs and reports APIs.

| method | path | role | what |
|---|---|---|---|
| GET | /api/items.jl | READ | items of a job, or of the last finished job of a spider |
| GET | /api/items.json | READ | the same as one array |
| GET | /api/items.csv | READ | the same as a table of `fields` |
| GET | /api/log.jl | READ | log entries of a job from a `level` on |
| GET | /api/log.json | READ | the same as one array |
| GET | /api/log.txt | READ | the same as text |
| POST | /api/reports/add.json | RUN | keeps a text about a job in its metadata |
"""

from dataclasses import replace

from scrapy_do.api.scrapy_cloud.data_filters import Filter, Value
from scrapy_do.api.scrapy_cloud.data_reading import Choice, RecordTaker, meta_of
from scrapy_do.api.scrapy_cloud.filters import LARGEST, job_key, row_count
from scrapy_do.api.scrapy_cloud.formats import (
    LEVELS,
    Format,
    answer,
    download_headers,
    encode_json,
    format_named,
    instant_text,
)
from scrapy_do.api.scrapy_cloud.jobs import ok
from scrapy_do.core.job import JobKey
from scrapy_do.core.project import Project
from scrapy_do.errors import BadArgument, JobNotFound
from scrapy_do.operations.cloud.jobs import CloudOperations
from scrapy_do.operations.records import (
    DataOperations,
    RecordKey,
    RecordKind,
    RecordRange,
    RecordStats,
)
from scrapy_do.web.answer import Answer
from scrapy_do.web.params import Params
from scrapy_do.web.router import JSON, Call, Router

MOST_IN_JSON = 100
REPORT_TYPES = ("text/plain", "text/x-rst")
_LEVEL_NUMBERS = {name: level for level, name in LEVELS.items()}


class CloudLegacyDataAPI:
    """The routes of old data below /api. See the module's docstring."""

    def __init__(self, cloud: CloudOperations, data: DataOperations) -> None:
        self._cloud = cloud
        self._data = data

    def add_to(self, router: Router) -> None:
        """Add the routes."""
        for name in ("jl", "json", "csv"):
            router.add("GET", f"/api/items.{name}", self.items)
        for name in ("jl", "json", "txt"):
            router.add("GET", f"/api/log.{name}", self.log)
        router.add("POST", "/api/reports/add.json", self.add_report)

    async def items(self, call: Call) -> Answer:
        """List items."""
        project = await self._project(call)
        if "job" not in call.params and "spider" in call.params:
            key = await self._last_of(project, call.params.text("spider"))
        else:
            key = await self._job(project, call.params)
        name = _format_name(call)
        form = format_named(name, call.params, kind=RecordKind.ITEMS)
        choice = Choice(kind=RecordKind.ITEMS, meta=meta_of(call.params))
        return await self._read(call, key, choice, form)

    async def log(self, call: Call) -> Answer:
        """List log entries."""
        project = await self._project(call)
        key = await self._job(project, call.params)
        name = _format_name(call)
        form = format_named(name, call.params, kind=RecordKind.LOGS)
        if name != "txt":
            form = replace(form, encode=_log_json)
        level = _level(call.params)
        choice = Choice(kind=RecordKind.LOGS, filters=() if level is None else (_from(level),))
        return await self._read(call, key, choice, form, level=level)

    async def add_report(self, call: Call) -> JSON:
        """Keep a report."""
        params = call.params
        params.require("project", "job", "key", "content", "content_type")
        project = await self._project(call)
        key = await self._job(project, params)
        await self._cloud.add_report(
            key,
            params.text("key"),
            content_type=params.choice("content_type", REPORT_TYPES, default=REPORT_TYPES[0]),
            content=await _content(call),
        )
        return ok()

    # --- steps ---------------------------------------------------------------------------------

    async def _project(self, call: Call) -> Project:
        return await self._cloud.projects.named(call.params.text("project"), by=call.principal)

    async def _job(self, project: Project, params: Params) -> JobKey:
        text = params.text("job")
        key = job_key(text, "job")
        if key.project != project.id:
            raise BadArgument("job", f"must be of project {project.id}")
        if not await self._cloud.find_by_keys([key]):
            raise JobNotFound(text)
        return key

    async def _last_of(self, project: Project, spider: str) -> JobKey:
        number = await self._cloud.projects.spider_number(project, spider)
        jobs = [] if number is None else await self._cloud.projects.last_finished(project, number)
        if not jobs:
            raise JobNotFound(f"the last finished of spider {spider[:100]}")
        return jobs[0].key

    async def _read(
        self, call: Call, key: JobKey, choice: Choice, form: Format, *, level: int | None = None
    ) -> Answer:
        params = call.params
        offset = row_count(params, "offset", default=0)
        count = params.integer("count", minimum=-LARGEST, maximum=LARGEST, default=None)
        if count is not None and count < 0:
            stats = await self._data.stats(key, choice.kind)
            offset = max(offset, _matching(stats, level) + count)
            count = -count
        if _format_name(call) == "json":
            count = MOST_IN_JSON if count is None else min(count, MOST_IN_JSON)
        wanted = RecordRange(project=key.project, spider=key.spider, number=key.number)
        if not choice.filters:  # then the number of a record says how many are before it
            wanted = replace(wanted, start=RecordKey(job=key, index=offset))
            offset = 0
        taker = RecordTaker(replace(choice, count=count, skip=offset), form)
        pieces = self._data.read(wanted, choice.kind, taker)
        return await answer(pieces, form, download_headers(params))


def _format_name(call: Call) -> str:
    """The ending of the path."""
    return call.path.rstrip("/").rpartition(".")[2]


def _level(params: Params) -> int | None:
    """The lowest level that is wanted, by its name or its number."""
    text = params.optional_text("level", "")
    if not text or text.upper() in _LEVEL_NUMBERS:
        return _LEVEL_NUMBERS.get(text.upper())
    try:
        return params.integer("level", minimum=0, maximum=LARGEST, default=None)
    except BadArgument:
        raise BadArgument("level", f"must be one of {', '.join(_LEVEL_NUMBERS)}") from None


def _from(level: int) -> Filter:
    return Filter(field="level", test=lambda value: isinstance(value, int) and value >= level)


def _matching(stats: RecordStats, level: int | None) -> int:
    """How many records there are, of logs from a level on."""
    if level is None:
        return stats.input_values
    counts = stats.counts.items()
    return sum(count for name, count in counts if name.isdecimal() and int(name) >= level)


def _log_json(record: Value) -> bytes:
    fields = record if isinstance(record, dict) else {}
    return encode_json(
        {
            "logLevel": fields.get("level"),
            "message": fields.get("message"),
            "time": instant_text(fields.get("time")).replace(" ", "T"),
        }
    )


async def _content(call: Call) -> str:
    """A report, sent as a file or as a field."""
    if "content" not in call.params.files:
        return call.params.text("content")
    path = call.params.file("content").path
    try:
        return (await call.in_thread(path.read_bytes)).decode()
    except UnicodeDecodeError:
        raise BadArgument("content", "is not valid UTF-8") from None
