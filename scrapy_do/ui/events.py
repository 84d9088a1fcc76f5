"""What pages and programs hear of: events of all lists, and of one job with its log.

See docs/live.md for the contract. Of the lists only that they have changed is told, so however
much happens, what is held for a client is a few names. Of a log what is new is read when the
client is ready for it: nothing is held at all.
"""

from collections.abc import AsyncGenerator, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from scrapy_do.core.events import (
    CrawlReported,
    Happening,
    JobChanged,
    ProjectChanged,
    ScheduleChanged,
    SettingsChanged,
)
from scrapy_do.core.job import Finished, Job, Pending, is_active
from scrapy_do.core.log_lines import LogFilter, LogLine
from scrapy_do.errors import JobNotFound
from scrapy_do.operations.logs import NewLines, Place
from scrapy_do.operations.operations import Operations
from scrapy_do.ui import words
from scrapy_do.ui.pages.job import hints_of
from scrapy_do.web.answer import JSON, Stream
from scrapy_do.web.sse import BEGIN, HEARTBEAT, HEARTBEAT_S, Bell, Event, event_stream

LISTS = ("jobs", "schedules", "projects", "status")
BATCH_S = 0.25
FLOOD_S = 1.0
"""How often lines are sent, and how often when there are too many of them."""

MOST_PER_S = 500
NEWEST = 200
_MOST_IDS = 50
_CATCH_UP = 1 << 30
_PIECE_CHARACTERS = 16 * 1024


class ListFeed:
    """Tells one client that lists have changed. `boot` tells this daemon from the one before.

    `opened` are the numbers, `names` the names, of the projects that the client may open; None:
    all.
    """

    def __init__(
        self,
        operations: Operations,
        bell: Bell,
        *,
        wanted: Sequence[str],
        opened: frozenset[int] | None = None,
        names: Collection[str] | None = None,
    ) -> None:
        self._opened = opened
        self._names = names
        self._bell = bell
        self._wanted = frozenset(wanted)
        self._changed: dict[str, set[str]] = {}
        self._number = 0
        self._unsubscribe = operations.changes.subscribe(self._hear)

    def stream(self, *, boot: UUID, last_id: str) -> Stream:
        """The answer. `last_id` is what the client has heard last, "" for nothing."""
        return event_stream(self._events(boot, last_id), self._unsubscribe)

    def _hear(self, happening: Happening) -> None:
        for name, key in _told(happening) if self._opened is None else self._told_of_own(happening):
            if name in self._wanted:
                keys = self._changed.setdefault(name, set())
                if len(keys) <= _MOST_IDS:  # of more than that none is told
                    keys.add(key)
                self._bell.ring()

    def _told_of_own(self, happening: Happening) -> Sequence[tuple[str, str]]:
        """What may be told of it to somebody who opens some projects: nothing of the others."""
        match happening:
            case JobChanged(job=job) if job.key.project not in (self._opened or ()):
                return ()
            case ProjectChanged(project=project) if project not in (self._names or ()):
                return ()
            case CrawlReported() | ScheduleChanged():  # of which project is not known here
                return [(name, "") for name, _ in _told(happening)]
        return _told(happening)

    async def _events(self, boot: UUID, last_id: str) -> AsyncGenerator[bytes, None]:
        yield BEGIN
        yield self._event("resync" if last_id else "ready", {}, boot).encode()
        while True:
            if not await self._bell.wait(HEARTBEAT_S):
                yield HEARTBEAT
                continue
            changed, self._changed = self._changed, {}
            for name, keys in changed.items():
                are_told = "" not in keys and len(keys) <= _MOST_IDS
                yield self._event(name, {"ids": sorted(keys)} if are_told else {}, boot).encode()
            await self._bell.sleep(BATCH_S)

    def _event(self, name: str, data: JSON, boot: UUID) -> Event:
        self._number += 1
        return Event(name=name, data=data, id=f"{boot.hex[:8]}-{self._number}")


def _told(happening: Happening) -> Sequence[tuple[str, str]]:
    match happening:
        case JobChanged(job=job):
            return (("jobs", str(job.id)), ("status", ""))
        case CrawlReported(job_id=job_id):
            return (("jobs", str(job_id)),)
        case ProjectChanged(project=project):
            return (("projects", project), ("status", ""))
        case ScheduleChanged(schedule_id=schedule_id):
            return (("schedules", str(schedule_id)), ("status", ""))
        case SettingsChanged():
            return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LogWanted:
    """Which lines of a log a client wants to hear of, and behind how many of all.

    `everything`: none may be left out, however many there are.
    """

    lines: LogFilter
    seen: int
    everything: bool = False


class JobFeed:
    """Tells one client of one job: new lines of its log, its statistics, its state, its end."""

    def __init__(self, operations: Operations, bell: Bell, job: Job, wanted: LogWanted) -> None:
        self._operations = operations
        self._bell = bell
        self._job = job
        self._wanted = wanted
        self._place = Place(record=wanted.seen)
        self._has_moved = self._has_reported = True
        self._unsubscribe = operations.changes.subscribe(self._hear)

    def stream(self) -> Stream:
        """The answer."""
        return event_stream(self._events(), self._unsubscribe)

    def _hear(self, happening: Happening) -> None:
        if isinstance(happening, JobChanged) and happening.job.id == self._job.id:
            self._has_moved = self._has_reported = True
            self._bell.ring()
        elif isinstance(happening, CrawlReported) and happening.job_id == self._job.id:
            self._has_reported = True
            self._bell.ring()

    async def _events(self) -> AsyncGenerator[bytes, None]:
        yield BEGIN
        sent_s = lines_s = self._bell.seconds()
        is_first = True
        while True:
            try:
                told = await self._changes()
            except JobNotFound:
                yield Event(name="end", data={"state": "deleted"}).encode()
                return
            is_over = not is_active(self._job.state)
            now_s = self._bell.seconds()
            new = await self._new(None if is_first else now_s - lines_s)
            for event in (*told, *self._lines(new)):
                yield event.encode()
                sent_s = self._bell.seconds()
            if new.lines:
                lines_s = now_s
            if is_over and not new.lines and not new.is_behind:
                hints = await hints_of(self._operations, self._job, now=self._job.changed_at)
                data = {**state_json(self._job), "hints": hints}
                yield Event(name="end", data=data).encode()
                return
            if self._bell.seconds() - sent_s >= HEARTBEAT_S:
                yield HEARTBEAT
                sent_s = self._bell.seconds()
            is_first = False
            if isinstance(self._job.state, Pending):
                await self._bell.wait(HEARTBEAT_S)
            elif not new.is_behind:
                await self._bell.sleep(FLOOD_S if new.skipped else BATCH_S)

    async def _changes(self) -> list[Event]:
        """What is told of the job itself, read again when it has changed."""
        has_moved, self._has_moved = self._has_moved, False
        has_reported, self._has_reported = self._has_reported, False
        if not has_reported:
            return []
        self._job = await self._operations.jobs.get(self._job.id)
        told = [Event(name="stats", data=stats_json(self._job))]
        return [Event(name="state", data=state_json(self._job)), *told] if has_moved else told

    async def _new(self, since_s: float | None) -> NewLines:
        """What was written since; too much of it in `since_s` only in part."""
        whole = self._wanted.everything or since_s is None
        new = await self._operations.logs.new(
            self._job.id,
            self._wanted.lines,
            self._place,
            most=_CATCH_UP if whole else int(MOST_PER_S * max(BATCH_S, since_s or 0)),
            newest=NEWEST,
            skip_to_end=not self._wanted.everything,
        )
        self._place = new.place
        return new

    def _lines(self, new: NewLines) -> Sequence[Event]:
        seen = str(new.seen)
        events = []
        if new.is_restarted:
            events.append(Event(name="resync", data={"after": 0}, id="0"))
        if new.skipped:
            first = new.lines[0].number if new.lines else new.seen + 1
            data = {"lines": new.skipped, "before": first}
            events.append(Event(name="skipped", data=data, id=str(first - 1)))
        for piece in _pieces(new.lines):
            is_last = piece[-1] is new.lines[-1]
            events.append(
                Event(
                    name="log",
                    data=[line_json(line) for line in piece],
                    id=seen if is_last else str(piece[-1].number),
                )
            )
        return events


def _pieces(lines: Sequence[LogLine]) -> Iterator[Sequence[LogLine]]:
    """The lines in pieces that are small in memory, of a line each at least."""
    piece: list[LogLine] = []
    characters = 0
    for line in lines:
        if piece and characters + len(line.message) > _PIECE_CHARACTERS:
            yield piece
            piece, characters = [], 0
        piece.append(line)
        characters += len(line.message) + 100
    if piece:
        yield piece


def line_json(line: LogLine) -> Mapping[str, JSON]:
    """A line of a log; `time` in ms since 1970, `n` counts from 1."""
    return {
        "n": line.number,
        "time": line.time_ms,
        "level": line.level,
        "logger": line.logger,
        "message": line.message,
    }


def state_json(job: Job) -> Mapping[str, JSON]:
    """The state of a job, in words."""
    said = words.state(job)
    return {
        "state": said.word,
        "glyph": said.glyph,
        "kind": said.kind,
        "active": is_active(job.state),
        "reason": job.state.reason if isinstance(job.state, Finished) else None,
    }


def stats_json(job: Job) -> Mapping[str, JSON]:
    """How far a job is."""
    progress = job.progress
    return {
        "items": progress.items,
        "requests": progress.requests,
        "responses": progress.responses,
        "log_lines": progress.log_lines,
        "errors": progress.errors,
    }
