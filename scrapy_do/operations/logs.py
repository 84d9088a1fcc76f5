"""The captured log of a job: windows of it, filtered over the whole of it, and what is new.

Blocks are read in threads, some at a time; nothing is open between two of them.
"""

from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from scrapy_do.core.log_lines import LEVEL_NAMES, LogFilter, LogLine, parse_line, quick_level
from scrapy_do.files.artifacts import ArtifactStore
from scrapy_do.files.record_blocks import BLOCK_BYTES, Place
from scrapy_do.files.record_stats import RecordKind
from scrapy_do.files.records import RecordLog
from scrapy_do.system.runtime import Runtime

__all__ = ["LogOperations", "LogWindow", "NewLines", "Place"]

_BLOCKS_AT_ONCE = 32
_BLOCKS_OF_NEW = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class LogWindow:
    """Some lines of a log, and true counts of the whole: all lines, those wanted, by level.

    `has_older` and `has_newer` say whether wanted lines lie before and behind these.
    """

    lines: Sequence[LogLine]
    total: int
    matching: int
    levels: Mapping[int, int]
    has_older: bool
    has_newer: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLines:
    """Wanted lines behind a place, and the place behind them. `seen` counts all lines so far.

    `skipped` is how many lines were left out because there were too many. `is_behind`: more is
    there already. `is_restarted`: the job began anew, and so did its log.
    """

    lines: Sequence[LogLine]
    seen: int
    place: Place
    skipped: int = 0
    is_behind: bool = False
    is_restarted: bool = False


class LogOperations:
    """Use cases of captured logs."""

    def __init__(self, *, artifacts: ArtifactStore, runtime: Runtime) -> None:
        self._artifacts = artifacts
        self._in_thread = runtime.in_thread

    async def window(
        self,
        job_id: UUID,
        wanted: LogFilter,
        *,
        before: int | None = None,
        after: int | None = None,
        limit: int,
    ) -> LogWindow:
        """The last wanted lines, those before a line, or the first behind one, by their numbers.

        Nothing for a job that has no log or does not exist.
        """
        log = await self._in_thread(
            lambda: self._artifacts.present_records(job_id, RecordKind.LOGS)
        )
        stats = await self._in_thread(log.stats)
        total = await self._in_thread(log.count)
        levels = {int(level): n for level, n in stats.counts.items() if level.isdecimal()}
        all_wanted = not wanted.is_by_text and not any(level < wanted.level for level in levels)
        if all_wanted:
            stop = total if before is None else max(0, min(before - 1, total))
            first = max(0, stop - limit)
            if after is not None:
                first, stop = min(after, total), min(after + limit, total)
            return await self._span(log, levels, total, first=first, stop=stop)
        scan = _Scan(wanted=wanted, before=before, after=after, limit=limit)
        place: Place | None = Place(record=0)
        while place is not None:
            place = await self._in_thread(_scan_step(log, place, scan))
        return scan.window(total, levels)

    async def _span(
        self, log: RecordLog, levels: Mapping[int, int], total: int, *, first: int, stop: int
    ) -> LogWindow:
        """Read lines by their numbers: no other need be looked at."""

        def read() -> list[LogLine]:
            records = log.read(first, stop) if stop > first else ()
            parsed = (parse_line(record.line, record.index + 1) for record in records)
            return [line for line in parsed if line is not None]

        return LogWindow(
            lines=await self._in_thread(read),
            total=total,
            matching=sum(levels.values()),
            levels=levels,
            has_older=first > 0,
            has_newer=stop < total,
        )

    async def stream(
        self, job_id: UUID, wanted: LogFilter, *, as_text: bool
    ) -> AsyncGenerator[bytes, None]:
        """The wanted lines in pieces, as they are stored or as text, up to what is there now."""
        log = await self._in_thread(
            lambda: self._artifacts.present_records(job_id, RecordKind.LOGS)
        )
        place: Place | None = Place(record=0)
        while place is not None:
            held, place = await self._in_thread(_stream_step(log, wanted, place, as_text=as_text))
            if held[0]:
                yield held.pop()  # nothing of it stays here while it is taken

    async def new(
        self,
        job_id: UUID,
        wanted: LogFilter,
        place: Place,
        *,
        most: int,
        newest: int,
        skip_to_end: bool,
    ) -> NewLines:
        """What was written behind a place: all wanted lines, or of more than `most` the newest.

        At most about 256 KiB are read at once; with `skip_to_end` a place that is farther behind
        is given up for the end.
        """
        log = await self._in_thread(
            lambda: self._artifacts.present_records(job_id, RecordKind.LOGS)
        )
        reader = _Newest(log=log, wanted=wanted, most=most, newest=newest)
        return await self._in_thread(lambda: reader.read(place, skip_to_end=skip_to_end))


class _Scan:
    """Goes through a whole log and keeps the wanted lines of a window."""

    def __init__(
        self, *, wanted: LogFilter, before: int | None, after: int | None, limit: int
    ) -> None:
        self._wanted = wanted
        self._before = before
        self._after = after
        self._limit = limit
        self._kept: deque[LogLine] = deque(maxlen=limit)
        self._matching = self._in_front = self._behind = 0

    def add(self, number: int, line: bytes) -> None:
        """Look at a stored line."""
        if quick_level(line) < self._wanted.level:
            return
        parsed = parse_line(line, number)
        if parsed is None or not self._wanted.wants(parsed):
            return
        self._matching += 1
        if self._after is not None:
            if number <= self._after:
                self._in_front += 1
            elif len(self._kept) < self._limit:
                self._kept.append(parsed)
            else:
                self._behind += 1
        elif self._before is not None and number >= self._before:
            self._behind += 1
        else:
            self._in_front += len(self._kept) == self._limit
            self._kept.append(parsed)

    def window(self, total: int, levels: Mapping[int, int]) -> LogWindow:
        """What was found."""
        return LogWindow(
            lines=tuple(self._kept),
            total=total,
            matching=self._matching,
            levels=levels,
            has_older=self._in_front > 0,
            has_newer=self._behind > 0,
        )


def _scan_step(log: RecordLog, place: Place, scan: _Scan) -> Callable[[], Place | None]:
    def step() -> Place | None:
        here: Place | None = place
        for _ in range(_BLOCKS_AT_ONCE):
            if here is None:
                break
            block = log.block(here)
            for number, line in enumerate(block.lines.split(b"\n")[:-1], block.first + 1):
                scan.add(number, line)
            here = block.after
        return here

    return step


def _stream_step(
    log: RecordLog, wanted: LogFilter, place: Place, *, as_text: bool
) -> Callable[[], tuple[list[bytes], Place | None]]:
    def step() -> tuple[list[bytes], Place | None]:
        block = log.block(place)
        taken = []
        for number, line in enumerate(block.lines.split(b"\n")[:-1], block.first + 1):
            parsed = parse_line(line, number) if quick_level(line) >= wanted.level else None
            if parsed is not None and wanted.wants(parsed):
                taken.append(_as_text(parsed) if as_text else line + b"\n")
        return [b"".join(taken)], block.after

    return step


def _as_text(line: LogLine) -> bytes:
    at = datetime.fromtimestamp(max(0, line.time_ms) / 1000, UTC)
    logger = f" [{line.logger}]" if line.logger else ""
    level = LEVEL_NAMES.get(line.level, str(line.level))
    text = f"{at.isoformat(timespec='milliseconds')} {level}{logger} {line.message}\n"
    return text.encode("utf-8", "backslashreplace")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Newest:
    """Reads what is new; blocking."""

    log: RecordLog
    wanted: LogFilter
    most: int
    newest: int

    def read(self, place: Place, *, skip_to_end: bool) -> NewLines:
        """Read behind a place."""
        kept: deque[LogLine] = deque(maxlen=_BLOCKS_OF_NEW * BLOCK_BYTES)
        behind: Place | None = place
        seen = place.record
        for _ in range(_BLOCKS_OF_NEW):
            if behind is None:
                break
            block = self.log.block(behind)
            for number, line in enumerate(block.lines.split(b"\n")[:-1], block.first + 1):
                seen = number
                is_high = quick_level(line) >= self.wanted.level
                parsed = parse_line(line, number) if is_high else None
                if parsed is not None and self.wanted.wants(parsed):
                    kept.append(parsed)
            behind = block.after
        if behind is not None and skip_to_end:
            return self._end(place)
        if seen == place.record and seen > self.log.count():
            return NewLines(lines=(), seen=0, place=Place(record=0), is_restarted=True)
        lines = tuple(kept)
        if len(lines) > self.most:
            lines = lines[-self.newest :]
        return NewLines(
            lines=lines,
            seen=seen,
            place=behind or Place(record=seen),
            skipped=len(kept) - len(lines),
            is_behind=behind is not None,
        )

    def _end(self, place: Place) -> NewLines:
        """Leave out all but the last lines."""
        count = self.log.count()
        first = max(place.record, count - self.newest)
        records = self.log.read(first, count)
        parsed = (parse_line(record.line, record.index + 1) for record in records)
        lines = tuple(line for line in parsed if line is not None and self.wanted.wants(line))
        return NewLines(
            lines=lines,
            seen=count,
            place=Place(record=count),
            skipped=first - place.record,
        )
