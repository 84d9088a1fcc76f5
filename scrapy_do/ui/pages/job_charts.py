"""A crawl over time: items, pages and memory as lines to draw, and the same as a table.

Behind each line is the band in which the runs before it were at the same age.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median

from scrapy_do.core.job import Finished, Job, started_at
from scrapy_do.core.pace import FEWEST_RUNS, MOST_RUNS, Line, band_of, step_for
from scrapy_do.operations.operations import Operations
from scrapy_do.operations.records import RecordKind
from scrapy_do.ui.pages.likeness import good_before
from scrapy_do.ui.words import number

FEWEST_STEPS = 3
UNITS: Mapping[str, str] = {"Items": "/min", "Pages": "/min", "Memory": " MiB"}
_ROWS = 20
_MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Some steps together: when they begin, what they brought, the memory at their end in MiB."""

    time: datetime
    items: int
    pages: int
    memory: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One line in a few words. `name` says what, `unit` of what."""

    name: str
    unit: str
    caption: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Charts:
    """What is drawn; `points` is all that for the script, `former` of how many runs the band is."""

    points: Mapping[str, object]
    charts: Sequence[Chart]
    rows: Sequence[Row]
    former: int


async def charts(operations: Operations, job: Job, *, now: datetime, former: bool) -> Charts | None:
    """Gather the lines, with the runs before if asked for; None for a crawl too short to draw."""
    span = _span_ms(job, now)
    if span is None:
        return None
    start_ms, end_ms = span
    step_s = step_for((end_ms - start_ms) / 1000)
    lines, counts = await _lines(operations, job, span, step_s)
    steps = len(lines["Items"])
    if steps < FEWEST_STEPS or not any(value for line in lines.values() for value in line):
        return None
    lines = {name: line for name, line in lines.items() if any(v is not None for v in line)}
    before = (await good_before(operations, job))[:MOST_RUNS] if former else []
    bands = await _bands(operations, before, step_s, steps) if len(before) >= FEWEST_RUNS else {}
    return Charts(
        points={
            "start": start_ms / 1000,
            "step": step_s,
            "lines": {
                name: {"values": line, **_named(bands.get(name))} for name, line in lines.items()
            },
        },
        charts=[
            Chart(name=name, unit=UNITS[name], caption=_caption(line))
            for name, line in lines.items()
        ],
        rows=_rows(start_ms, step_s, counts, lines.get("Memory", ())),
        former=len(before) if bands else 0,
    )


def _span_ms(job: Job, now: datetime) -> tuple[int, int] | None:
    """From when to when a crawl was at work."""
    started = started_at(job.state)
    if started is None:
        return None
    end = job.state.since if isinstance(job.state, Finished) else now
    return round(started.timestamp() * 1000), round(end.timestamp() * 1000)


async def _lines(
    operations: Operations, job: Job, span_ms: tuple[int, int], step_s: int
) -> tuple[dict[str, Line], Mapping[str, Sequence[int]]]:
    """What is drawn of a run by name, and how many items and pages came in each step."""
    start_ms, end_ms = span_ms
    paces = {
        name: await operations.data.pace(
            job.id, kind, start_ms=start_ms, end_ms=end_ms, step_s=step_s
        )
        for name, kind in (("Items", RecordKind.ITEMS), ("Pages", RecordKind.REQUESTS))
    }
    memory = await operations.data.memory(job.id, start_ms=start_ms, end_ms=end_ms, step_s=step_s)
    lines: dict[str, Line] = {name: pace.per_minute() for name, pace in paces.items()}
    lines["Memory"] = [None if size is None else round(size / _MIB, 1) for size in memory]
    return lines, {name: pace.counts for name, pace in paces.items()}


async def _bands(
    operations: Operations, runs: Sequence[Job], step_s: int, steps: int
) -> Mapping[str, tuple[Line, Line]]:
    """In which band each line of earlier runs was, step by step of their age."""
    found: dict[str, list[Line]] = {name: [] for name in UNITS}
    for run in runs:
        span = _span_ms(run, run.state.since)
        if span is None:
            continue
        start_ms, end_ms = span
        until_ms = min(end_ms, start_ms + steps * step_s * 1000)
        lines, _ = await _lines(operations, run, (start_ms, until_ms), step_s)
        for name, line in lines.items():
            found[name].append(line)
    return {name: band_of(some, steps) for name, some in found.items()}


def _named(band: tuple[Line, Line] | None) -> Mapping[str, Line]:
    return {} if band is None else {"low": band[0], "high": band[1]}


def _caption(line: Line) -> str:
    values = [value for value in line if value is not None]
    said = {"last": values[-1], "least": min(values), "most": max(values), "median": median(values)}
    return ", ".join(f"{word} {number(round(value))}" for word, value in said.items())


def _rows(
    start_ms: int, step_s: int, counts: Mapping[str, Sequence[int]], memory: Line
) -> list[Row]:
    items, pages = counts["Items"], counts["Pages"]
    together = -(-len(items) // _ROWS)
    return [
        Row(
            time=datetime.fromtimestamp(start_ms / 1000 + begin * step_s, UTC),
            items=sum(items[begin : begin + together]),
            pages=sum(pages[begin : begin + together]),
            memory=next((v for v in memory[begin : begin + together][::-1] if v is not None), None),
        )
        for begin in range(0, len(items), together)
    ]
