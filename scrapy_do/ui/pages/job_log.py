"""The log of a job: a window of lines, filtered over the whole of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from urllib.parse import urlencode

from scrapy_do.core.job import Finished, Job, Outcome, is_active, started_at
from scrapy_do.core.log_lines import ERROR, LEVEL_NAMES, WARNING, LogFilter, LogLine
from scrapy_do.operations.logs import LogWindow
from scrapy_do.operations.operations import Operations
from scrapy_do.ui.ansi import Piece, pieces
from scrapy_do.ui.pages.job import JobHead, head
from scrapy_do.ui.pages.job_charts import Charts, charts
from scrapy_do.ui.render import PageView

LINES = 200
FOLDED_AFTER = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What part of a log is asked for."""

    wanted: LogFilter
    before: int | None = None
    after: int | None = None
    around: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A line as it is shown; what is behind its first lines is folded."""

    number: int
    time: datetime
    level: str
    kind: str
    logger: str
    pieces: Sequence[Piece]
    folded: Sequence[Piece]
    folded_lines: int
    is_marked: bool
    around: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobLog:
    """What the page shows. Addresses are "" where there is nothing."""

    head: JobHead
    asked: Asked
    lines: Sequence[Shown]
    window: LogWindow
    errors: int
    levels: Sequence[tuple[int, str]]
    loggers: Sequence[str]
    is_filtered: bool
    is_at_end: bool
    top: str
    older: str
    newer: str
    end: str
    only_errors: str
    events: str
    charts: Charts | None
    now_address: str
    last_error: Shown | None
    view_text: str
    view_json: str


def address(job: Job, asked: Asked, **place: int) -> str:
    """The address of a part of the log."""
    query: dict[str, str | int] = {}
    if asked.wanted.level:
        query["level"] = asked.wanted.level
    if asked.wanted.logger:
        query["logger"] = asked.wanted.logger
    if asked.wanted.text:
        query["text"] = asked.wanted.text
    query.update(place)
    return f"/ui/jobs/{job.id}?{urlencode(query)}" if query else f"/ui/jobs/{job.id}"


async def job_log(
    operations: Operations, job: Job, asked: Asked, *, now: datetime, told: str = ""
) -> PageView:
    """Gather the page."""
    window = await _window(operations, job, asked)
    lines = window.lines
    plain = replace(asked, before=None, after=None, around=None)
    first, last = (lines[0].number, lines[-1].number) if lines else (0, 0)
    return PageView(
        template="job_log.html",
        title=f"{job.request.spider} {job.key}",
        room="jobs",
        view=JobLog(
            head=await head(operations, job, "log", now=now, told=told),
            asked=asked,
            lines=[shown_line(line, job, asked) for line in lines],
            window=window,
            errors=sum(count for level, count in window.levels.items() if level >= ERROR),
            levels=tuple(LEVEL_NAMES.items()),
            loggers=sorted({line.logger for line in lines if line.logger}),
            is_filtered=asked.wanted != LogFilter(),
            is_at_end=not window.has_newer and asked.around is None,
            top=address(job, plain, after=0) if window.has_older else "",
            older=address(job, plain, before=first) if window.has_older else "",
            newer=address(job, plain, after=last) if window.has_newer else "",
            end=address(job, plain) if window.has_newer or asked.around is not None else "",
            only_errors=address(job, replace(plain, wanted=LogFilter(level=ERROR))),
            charts=await charts(operations, job, now=now, former=False),
            now_address=""
            if started_at(job.state) is None and not is_active(job.state)
            else f"/ui/jobs/{job.id}/now",
            last_error=await _last_error(operations, job, plain),
            events=_events(job, plain, last if asked.wanted.is_by_text else window.total),
            view_text=_download(job, plain, "text"),
            view_json=_download(job, plain, "jsonl"),
        ),
    )


async def _last_error(operations: Operations, job: Job, asked: Asked) -> Shown | None:
    """The last error of a crawl that did not end well: most often it says why."""
    state = job.state
    if not isinstance(state, Finished) or state.outcome not in (Outcome.FAILED, Outcome.LOST):
        return None
    found = await operations.logs.window(job.id, LogFilter(level=ERROR), limit=1)
    return shown_line(found.lines[-1], job, asked) if found.lines else None


async def _window(operations: Operations, job: Job, asked: Asked) -> LogWindow:
    read = operations.logs.window
    if asked.around is None:
        return await read(job.id, asked.wanted, before=asked.before, after=asked.after, limit=LINES)
    return await read(job.id, LogFilter(), after=max(0, asked.around - LINES // 2), limit=LINES)


def _download(job: Job, asked: Asked, kind: str) -> str:
    path, _, query = address(job, asked).partition("?")
    return f"{path}/log.{kind}" + (f"?{query}" if query else "")


def _events(job: Job, asked: Asked, seen: int) -> str:
    path, _, query = address(job, asked, after=seen).partition("?")
    return f"{path}/events?{query}"


def shown_line(line: LogLine, job: Job, asked: Asked) -> Shown:
    """Make a line ready to be shown."""
    text, folded, folded_lines = fold(line.message)
    return Shown(
        number=line.number,
        time=datetime.fromtimestamp(max(0, line.time_ms) / 1000, UTC),
        level=LEVEL_NAMES.get(line.level, str(line.level)),
        kind="bad" if line.level >= ERROR else "warn" if line.level >= WARNING else "",
        logger=line.logger,
        pieces=pieces(text),
        folded=pieces(folded) if folded else (),
        folded_lines=folded_lines,
        is_marked=line.number == asked.around,
        around=f"{address(job, Asked(wanted=LogFilter()), around=line.number)}#L{line.number}",
    )


def fold(message: str) -> tuple[str, str, int]:
    """The first lines of a message, what is folded away behind them, and how many lines."""
    lines = message.rstrip("\n").split("\n")
    if len(lines) <= FOLDED_AFTER + 1:
        return "\n".join(lines), "", 0
    rest = lines[FOLDED_AFTER:]
    return "\n".join(lines[:FOLDED_AFTER]), "\n".join(rest), len(rest)
