"""The items and the requests of a job: a table of some, how many have each field, downloads."""

import json
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from scrapy_do.core.item_filter import ItemFilter, Match, text_of
from scrapy_do.core.job import Job
from scrapy_do.operations.operations import Operations
from scrapy_do.operations.records import RecordKind, RecordStats, decode
from scrapy_do.ui.addresses import with_query
from scrapy_do.ui.pages.job import JobHead, head
from scrapy_do.ui.pages.job_parts import page_of
from scrapy_do.ui.pages.likeness import before
from scrapy_do.ui.render import PageView
from scrapy_do.ui.twins import cell, csv_line

ROWS = 50
_MOST_COLUMNS = 40
_LONGEST_CELL = 300
_LISTED = 20
LOOKED_AT = 50_000
"""Of so many requests, the first, the page says what became of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A field of the items: how many of 100 have it, and how many more than in the run before."""

    name: str
    percent: int
    change: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Items:
    """What the page shows."""

    head: JobHead
    columns: Sequence[Column]
    more_columns: int
    rows: Sequence[tuple[int, Sequence[str]]]
    total: int
    start: int
    newer: str
    older: str
    before: Job | None
    wanted: ItemFilter | None
    matching: int
    fields: Sequence[str]
    matches: Mapping[Match, str] = field(default_factory=lambda: MATCHES)


MATCHES: Mapping[Match, str] = {
    Match.CONTAINS: "contains",
    Match.IS: "is",
    Match.EMPTY: "is empty",
    Match.HAS: "is there",
    Match.LACKS: "is not there",
}


async def job_items(
    operations: Operations, job: Job, wanted: ItemFilter | None, start: int, *, now: datetime
) -> PageView:
    """Gather the page: items from number `start` on, or from there on of those that fit."""
    stats = await operations.data.stats(job.key, RecordKind.ITEMS)
    if wanted is None:
        items: Sequence[tuple[int, Mapping[str, Any]]] = await _records(
            operations, job, RecordKind.ITEMS, start
        )
        matching = stats.input_values
    else:
        found = await operations.data.find_items(job.id, wanted, skip=start, limit=ROWS)
        items, matching = found.items, found.matching
    earlier = await before(operations, job)
    old = None
    if earlier is not None:
        old = await operations.data.stats(earlier.key, RecordKind.ITEMS)
    names = [name for name in stats.counts if name != "_type"]
    shown = names[:_MOST_COLUMNS]
    view = Items(
        head=await head(operations, job, "items", now=now),
        columns=[_column(name, stats, old) for name in shown],
        more_columns=len(names) - len(shown),
        rows=[
            (number + 1, [_cell(item.get(name, "")) for name in shown]) for number, item in items
        ],
        total=stats.input_values,
        start=start,
        newer=_address(job, wanted, max(0, start - ROWS)) if start else "",
        older=_address(job, wanted, start + ROWS) if start + ROWS < matching else "",
        before=earlier if old is not None and old.input_values else None,
        wanted=wanted,
        matching=matching,
        fields=names,
    )
    return page_of(job, "job_items.html", view)


def _address(job: Job, wanted: ItemFilter | None, start: int) -> str:
    asked = []
    if wanted is not None:
        asked = [("field", wanted.name), ("match", wanted.match.value), ("text", wanted.text)]
    return with_query(f"/ui/jobs/{job.id}/items", [*asked, ("start", str(start))])


def _column(name: str, stats: RecordStats, old: RecordStats | None) -> Column:
    percent = _percent(name, stats)
    known = old is not None and old.input_values > 0
    change = percent - _percent(name, old) if known and old is not None else None
    return Column(name=name, percent=percent, change=change)


def _percent(name: str, stats: RecordStats) -> int:
    count = stats.counts.get(name, 0)
    return round(100 * count / stats.input_values) if stats.input_values else 0


def _cell(value: Any) -> str:  # noqa: ANN401 - a JSON value
    text = text_of(value)
    return text if len(text) <= _LONGEST_CELL else text[:_LONGEST_CELL] + "…"


async def _records(
    operations: Operations, job: Job, kind: RecordKind, start: int
) -> list[tuple[int, Mapping[str, Any]]]:
    """Some records with their numbers."""
    found: list[tuple[int, Mapping[str, Any]]] = []
    async for block in operations.data.stream_lines(job.id, kind, start, start + ROWS):
        for line in block.split(b"\n"):
            value = decode(line)
            if isinstance(value, dict):
                found.append((start + len(found), value))
    return found


# --- downloads ---------------------------------------------------------------------------------


async def items_json(operations: Operations, job: Job) -> AsyncGenerator[bytes, None]:
    """All items as one JSON array, each as it is stored."""
    opening = b"["
    async for block in operations.data.stream_lines(job.id, RecordKind.ITEMS):
        lines = [line for line in block.split(b"\n") if line]
        if lines:
            yield opening + b"\n" + b",\n".join(lines)
            opening = b","
    yield b"\n]\n" if opening == b"," else b"[]\n"


async def items_csv(operations: Operations, job: Job) -> AsyncGenerator[bytes, None]:
    """All items as a table; a cell is never a formula, numbers are as they are stored."""
    stats = await operations.data.stats(job.key, RecordKind.ITEMS)
    names = [name for name in stats.counts if name != "_type"]
    yield csv_line([cell(name) for name in names])
    async for block in operations.data.stream_lines(job.id, RecordKind.ITEMS):
        rows = []
        for line in block.split(b"\n"):
            item = decode(line)
            if isinstance(item, dict):
                rows.append(csv_line([_csv_cell(item.get(name)) for name in names]))
        if rows:
            yield b"".join(rows)


def _csv_cell(value: Any) -> str:  # noqa: ANN401 - a JSON value
    if isinstance(value, dict | list | bool):
        return json.dumps(value, ensure_ascii=False)
    return cell(value)


# --- requests ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusClass:
    """How many answers had a status of a class."""

    name: str
    count: int
    percent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """What the page shows."""

    head: JobHead
    classes: Sequence[StatusClass]
    facts: Sequence[tuple[str, int | None]]
    received_bytes: int | None
    wrong: Sequence[Mapping[str, Any]]
    wrong_total: int
    slow: Sequence[tuple[str, int, int]]
    rows: Sequence[tuple[int, Mapping[str, Any]]]
    total: int
    looked_at: int
    start: int
    newer: int | None
    older: int | None


_FACTS = {
    "retries": "retry/count",
    "given up": "retry/max_reached",
    "redirects": "downloader/response_status_count/302",
    "forbidden by robots.txt": "robotstxt/forbidden",
    "not followed as seen before": "dupefilter/filtered",
    "off site": "offsite/filtered",
    "deepest": "request_depth_max",
}
_FIRST_WRONG = 400


async def job_requests(operations: Operations, job: Job, start: int, *, now: datetime) -> PageView:
    """Gather the page: what became of the requests, the wrong ones, the slow hosts."""
    statuses: Counter[str] = Counter()
    wrong: list[Mapping[str, Any]] = []
    hosts: dict[str, tuple[int, int]] = {}
    total = wrong_total = 0
    counted = await operations.data.stats(job.key, RecordKind.REQUESTS)
    async for block in operations.data.stream_lines(job.id, RecordKind.REQUESTS, 0, LOOKED_AT):
        for line in block.split(b"\n"):
            value = decode(line)
            if not isinstance(value, dict):
                continue
            total += 1
            status = value.get("status")
            if not isinstance(status, int):
                continue
            statuses[f"{status // 100}xx"] += 1
            if status >= _FIRST_WRONG:
                wrong_total += 1
                if len(wrong) < _LISTED:
                    wrong.append(value)
            _time(hosts, value)
    stats = job.progress.stats
    slow = sorted(hosts.items(), key=lambda one: one[1][1] / one[1][0], reverse=True)
    received = stats.get("downloader/response_bytes")
    view = Requests(
        head=await head(operations, job, "requests", now=now),
        classes=[
            StatusClass(name=name, count=count, percent=round(100 * count / total))
            for name, count in sorted(statuses.items())
        ],
        facts=[
            (word, stats[name]) for word, name in _FACTS.items() if isinstance(stats.get(name), int)
        ],
        received_bytes=received if isinstance(received, int) else None,
        wrong=wrong,
        wrong_total=wrong_total,
        slow=[(host, count, round(ms / count)) for host, (count, ms) in slow[:10]],
        rows=await _records(operations, job, RecordKind.REQUESTS, start),
        total=counted.input_values,
        looked_at=total,
        start=start,
        newer=max(0, start - ROWS) if start else None,
        older=start + ROWS if start + ROWS < counted.input_values else None,
    )
    return page_of(job, "job_requests.html", view)


_MOST_HOSTS = 1000


def _time(hosts: dict[str, tuple[int, int]], value: Mapping[str, Any]) -> None:
    """Add how long an answer of a host has taken."""
    url, took = value.get("url"), value.get("duration")
    if not isinstance(url, str) or not isinstance(took, int):
        return
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return
    if host and (host in hosts or len(hosts) < _MOST_HOSTS):
        count, ms = hosts.get(host, (0, 0))
        hosts[host] = count + 1, ms + took
