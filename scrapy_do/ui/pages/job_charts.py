"""How fast a crawl found items and pages: lines to draw, and the same as a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median

from scrapy_do.core.job import Finished, Job, started_at
from scrapy_do.core.pace import Pace
from scrapy_do.operations.operations import Operations
from scrapy_do.operations.records import RecordKind
from scrapy_do.ui.words import number

FEWEST_STEPS = 3
_ROWS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Some steps together: when they begin, and how many items and pages they brought."""

    time: datetime
    items: int
    pages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Charts:
    """What is drawn, by name a line and what is said of it; `points` is all that for the script."""

    points: Mapping[str, object]
    captions: Mapping[str, str]
    rows: Sequence[Row]


async def charts(operations: Operations, job: Job, *, now: datetime) -> Charts | None:
    """Gather the lines; None for a crawl too short to draw."""
    started = started_at(job.state)
    if started is None:
        return None
    end = job.state.since if isinstance(job.state, Finished) else now
    start_ms, end_ms = (int(one.timestamp() * 1000) for one in (started, end))
    paces = {
        name: await operations.data.pace(job.id, kind, start_ms=start_ms, end_ms=end_ms)
        for name, kind in (("Items", RecordKind.ITEMS), ("Pages", RecordKind.REQUESTS))
    }
    items, pages = paces["Items"], paces["Pages"]
    if len(items.counts) < FEWEST_STEPS or not any((*items.counts, *pages.counts)):
        return None
    return Charts(
        points={
            "start": start_ms / 1000,
            "step": items.step_s,
            "Items": items.per_minute(),
            "Pages": pages.per_minute(),
        },
        captions={name: _caption(pace) for name, pace in paces.items()},
        rows=_rows(items, pages),
    )


def _caption(pace: Pace) -> str:
    values = pace.per_minute()
    said = {"last": values[-1], "least": min(values), "most": max(values), "median": median(values)}
    return ", ".join(f"{word} {number(round(value))}" for word, value in said.items())


def _rows(items: Pace, pages: Pace) -> list[Row]:
    together = -(-len(items.counts) // _ROWS)
    return [
        Row(
            time=datetime.fromtimestamp(items.start_ms / 1000 + begin * items.step_s, UTC),
            items=sum(items.counts[begin : begin + together]),
            pages=sum(pages.counts[begin : begin + together]),
        )
        for begin in range(0, len(items.counts), together)
    ]
