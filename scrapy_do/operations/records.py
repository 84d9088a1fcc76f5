"""The captured records of jobs: read in blocks, written in batches, counted.

Reading holds no file open between two blocks and never more than a block in memory, so
neither a slow client nor a huge job costs anything. All of it happens in threads.
"""

from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Protocol
from uuid import UUID
from weakref import WeakValueDictionary

from twisted.internet.defer import DeferredLock

from scrapy_do.core.instants import ms_of
from scrapy_do.core.item_filter import ItemFilter
from scrapy_do.core.job import Driver, Job, JobKey, Pending, is_active
from scrapy_do.core.pace import Pace, levels_of, pace_of
from scrapy_do.errors import JobNotFound
from scrapy_do.files.artifacts import ArtifactStore
from scrapy_do.files.record_blocks import Block, Place, intact
from scrapy_do.files.record_stats import RecordKind, RecordStats, decode
from scrapy_do.files.records import VALUE_LIMIT_BYTES, RecordLog
from scrapy_do.protocol.facts import Progress
from scrapy_do.store.store import Store
from scrapy_do.system.runtime import Runtime

__all__ = [
    "VALUE_LIMIT_BYTES",
    "Batch",
    "DataOperations",
    "RecordKey",
    "RecordKind",
    "RecordRange",
    "RecordStats",
    "Taker",
    "decode",
]

COMMIT_BYTES = 8 * 1024 * 1024
"""How much of a batch is in memory, and written together, at most."""

JOBS_AT_ONCE = 500

MOST_BATCHES = 2000
"""Of so many batches of records the times are looked at, evenly: a picture needs no more."""

MOST_SAMPLES = 50_000
"""As many as a crawl of a month takes."""

_NO_STATS = RecordStats(input_values=0, input_bytes=0, counts={})


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class RecordKey:
    """The name of a record: its job and its number in it."""

    job: JobKey
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRange:
    """Which records of a project, a spider or one job.

    `start` is the first one wanted. `indexes` are the only numbers wanted, in ascending
    order; `sample` is how many to draw by lot from one job. `attempt` is an abandoned attempt
    of one job, 1 for the oldest.
    """

    project: int
    spider: int | None = None
    number: int | None = None
    start: RecordKey | None = None
    indexes: tuple[int, ...] | None = None
    sample: int | None = None
    attempt: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Some records of one job, from number `first` on: a line each, a blank one for a gap.

    `committed_ms` is there for each line when it was asked for.
    """

    job: JobKey
    first: int
    lines: bytes
    committed_ms: Sequence[int] = ()

    def intact(self) -> bytes:
        """The lines as they are stored, without gaps and damaged ones."""
        return intact(self.lines)

    def records(self) -> Iterator[tuple[int, int, bytes]]:
        """Yield (number, commit time in ms or 0, line), gaps left out."""
        lines = self.lines.split(b"\n")[:-1]
        for offset, line in enumerate(lines):
            if line:
                committed_ms = self.committed_ms[offset] if self.committed_ms else 0
                yield self.first + offset, committed_ms, line


@dataclass(frozen=True, slots=True, kw_only=True)
class Latest:
    """The last signs of a crawl. `item_ms` is when its last item was stored, in ms."""

    item_ms: int | None = None
    memory_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundItems:
    """Some items with their numbers from 0, and how many fit in all."""

    items: Sequence[tuple[int, Mapping[str, Any]]]
    matching: int


class Taker(Protocol):
    """Makes bytes of records, in threads, one batch after the other.

    `needs_times`: whether batches must have their commit times. `is_full`: whether no
    record that follows can matter any more.
    """

    needs_times: bool
    is_full: bool

    def take(self, batch: Batch) -> bytes:
        """What a batch becomes; may be nothing."""
        ...


class DataOperations:
    """Every use case of captured records, once, for all dialects."""

    def __init__(
        self,
        *,
        store: Store,
        artifacts: ArtifactStore,
        runtime: Runtime,
    ) -> None:
        self._store = store
        self._artifacts = artifacts
        self._now = runtime.now
        self._rng = runtime.rng
        self._in_thread = runtime.in_thread
        self._locks: WeakValueDictionary[tuple[UUID, RecordKind], DeferredLock] = (
            WeakValueDictionary()
        )

    def now_ms(self) -> int:
        """The time of records that say none, in ms."""
        return ms_of(self._now())

    # --- reading -------------------------------------------------------------------------------

    async def stream_lines(
        self, job_id: UUID, kind: RecordKind, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """The records of a job as JSON lines, in blocks of whole lines of about 256 KiB.

        From number `start` to before `stop`; up to what is there at the moment when the
        end is reached. Nothing for a job that has no records or does not exist.
        """
        log = await self._in_thread(lambda: self._artifacts.present_records(job_id, kind))
        place: Place | None = Place(record=start)
        while place is not None:
            lines, place = await self._in_thread(_lines_step(log, place, stop))
            if lines:
                yield lines

    async def find_items(
        self, job_id: UUID, wanted: ItemFilter, *, skip: int, limit: int
    ) -> FoundItems:
        """Some of the items of a job that a filter wants, and how many there are of all.

        All items are looked through, block by block.
        """
        log = await self._in_thread(
            lambda: self._artifacts.present_records(job_id, RecordKind.ITEMS)
        )
        found: list[tuple[int, Mapping[str, Any]]] = []
        matching = 0
        place: Place | None = Place(record=0)
        while place is not None:
            items, place = await self._in_thread(_wanted_step(log, place, wanted))
            new = items[max(0, skip - matching) :]
            found.extend(new[: limit - len(found)])
            matching += len(items)
        return FoundItems(items=tuple(found), matching=matching)

    async def read(
        self, wanted: RecordRange, kind: RecordKind, taker: Taker
    ) -> AsyncGenerator[bytes, None]:
        """What a taker makes of the records, in the numeric order of their keys.

        Nothing for a project, spider or job that does not exist.
        """
        async for job, job_id in self._jobs(wanted):
            log = await self._log(job_id, kind, wanted.attempt)
            for start, stop in await self._spans(wanted, job, log):
                place: Place | None = Place(record=start)
                while place is not None and not taker.is_full:
                    held, place = await self._in_thread(_taken_step(log, job, place, stop, taker))
                    if held[0]:
                        yield held.pop()  # nothing of it stays here while it is taken
                if taker.is_full:
                    return

    async def stats(self, key: JobKey, kind: RecordKind, attempt: int | None = None) -> RecordStats:
        """The counts of a job, or of an abandoned attempt; zeros if it does not exist.

        They are exact for all that was written.
        """
        try:
            job = await self._store.jobs.get_by_key(key)
        except JobNotFound:
            return _NO_STATS
        return await self._in_thread(self._artifacts.records(job.id, kind, attempt).stats)

    async def pace(
        self, job_id: UUID, kind: RecordKind, *, start_ms: int, end_ms: int, step_s: int
    ) -> Pace:
        """How many records a job made when, from its start to its end or now."""
        log = await self._in_thread(lambda: self._artifacts.present_records(job_id, kind))
        return await self._in_thread(
            lambda: pace_of(
                log.commits(most=MOST_BATCHES), start_ms=start_ms, end_ms=end_ms, step_s=step_s
            )
        )

    async def memory(
        self, job_id: UUID, *, start_ms: int, end_ms: int, step_s: int
    ) -> list[int | None]:
        """How much memory the process of a crawl held when, in bytes; None where nobody knows."""
        kind = RecordKind.SAMPLES
        log = await self._in_thread(lambda: self._artifacts.present_records(job_id, kind))
        return await self._in_thread(
            lambda: levels_of(_memory_samples(log), start_ms=start_ms, end_ms=end_ms, step_s=step_s)
        )

    async def latest(self, job_id: UUID) -> Latest:
        """What is known last of a crawl: when it stored an item, how much memory it held."""

        def look() -> Latest:
            present = self._artifacts.present_records
            item = present(job_id, RecordKind.ITEMS).last()
            sample = present(job_id, RecordKind.SAMPLES).last()
            return Latest(
                item_ms=None if item is None else item.committed_ms or None,
                memory_bytes=None if sample is None else _memory_in(sample.value),
            )

        return await self._in_thread(look)

    async def _log(self, job_id: UUID, kind: RecordKind, attempt: int | None) -> RecordLog:
        if attempt is not None:
            return self._artifacts.records(job_id, kind, attempt)
        return await self._in_thread(lambda: self._artifacts.present_records(job_id, kind))

    async def _jobs(self, wanted: RecordRange) -> AsyncGenerator[tuple[JobKey, UUID], None]:
        """The jobs of a range, by number, but those before its start."""
        start = wanted.start
        if wanted.spider is not None and wanted.number is not None:
            key = JobKey(project=wanted.project, spider=wanted.spider, number=wanted.number)
            if start is None or start.job <= key:
                try:
                    yield key, (await self._store.jobs.get_by_key(key)).id
                except JobNotFound:
                    return
            return
        if start is not None and start.job.project > wanted.project:
            return
        after = None
        if start is not None and start.job.project == wanted.project:
            after = replace(start.job, number=start.job.number - 1)
        while True:
            page = await self._store.jobs.keys_after(
                wanted.project, spider=wanted.spider, after=after, limit=JOBS_AT_ONCE
            )
            for key, job_id in page:
                yield key, job_id
            if len(page) < JOBS_AT_ONCE:
                return
            after = page[-1][0]

    async def _spans(
        self, wanted: RecordRange, job: JobKey, log: RecordLog
    ) -> Sequence[tuple[int, int | None]]:
        """Which numbers of a job are wanted: from, to before."""
        first = wanted.start.index if wanted.start is not None and wanted.start.job == job else 0
        if wanted.sample is not None:
            count = await self._in_thread(log.count)
            drawn = self._rng.sample(range(count), min(wanted.sample, count))
            return [(index, index + 1) for index in sorted(drawn)]
        if wanted.indexes is None:
            return [(first, None)]
        return [(index, index + 1) for index in wanted.indexes if index >= first]

    # --- writing -------------------------------------------------------------------------------

    async def write(
        self,
        key: JobKey,
        kind: RecordKind,
        batches: AsyncIterable[Sequence[bytes]],
        *,
        start: int | None = None,
    ) -> None:
        """Store records of a job in any state: the first as number `start`, or at the end.

        What is already there under the same number is replaced, so a batch may be sent
        again. Each line is one JSON value that was judged before. Durable when this returns.

        Raises:
            JobNotFound: there is no such job.
            BadArgument: `start` leaves too many records out.
            NoSpace, StoreUnavailable: it can be tried again.
        """
        job = await self._store.jobs.get_by_key(key)
        lock = self._locks.setdefault((job.id, kind), DeferredLock())
        await lock.acquire()
        try:
            log = self._artifacts.records(job.id, kind)
            stats = None
            async for lines in _pieces(batches):
                start = await self._in_thread(self._commit_step(job.id, log, lines, start))
                stats = await self._in_thread(log.stats)
        finally:
            lock.release()
        if stats is not None:
            await self._note(job, kind, stats)

    def _commit_step(
        self, job_id: UUID, log: RecordLog, lines: Sequence[bytes], start: int | None
    ) -> Callable[[], int]:
        """What stores some lines and says under which number the next one belongs."""

        def commit() -> int:
            self._artifacts.prepare(job_id)
            first = log.count() if start is None else start
            log.write(lines, now_ms=self.now_ms(), start=first)
            return first + len(lines)

        return commit

    async def _note(self, job: Job, kind: RecordKind, stats: RecordStats) -> None:
        """Show the counts with the job, unless its crawl does so itself."""
        counts = _progress(kind, stats)
        if not counts or _reports(job):
            return

        def change(stored: Job) -> Job:
            if _reports(stored):
                return stored
            progress = replace(_counted(stored.progress, counts), reported_at=self._now())
            return replace(stored, progress=progress)

        await self._store.jobs.edit(job.id, change)


def _wanted_step(
    log: RecordLog, place: Place, wanted: ItemFilter
) -> Callable[[], tuple[list[tuple[int, Mapping[str, Any]]], Place | None]]:
    def step() -> tuple[list[tuple[int, Mapping[str, Any]]], Place | None]:
        block = log.block(place)
        numbered = enumerate(map(decode, block.lines.split(b"\n")), block.first)
        return [
            (number, item)
            for number, item in numbered
            if isinstance(item, dict) and wanted.wants(item)
        ], block.after

    return step


def _memory_samples(log: RecordLog) -> Iterator[tuple[int, int]]:
    """The (time in ms, bytes) pairs among what lies there: a client may write anything else."""
    for record in islice(log.read(), MOST_SAMPLES):
        memory_bytes = _memory_in(record.value)
        if memory_bytes is not None and isinstance(record.value, list):
            time_ms = record.value[0]
            yield time_ms, memory_bytes


def _memory_in(sample: object) -> int | None:
    """The memory that a sample tells of: see `crawl/samples.py`."""
    match sample:
        case [int(), _, _, int(memory_bytes), *_] if memory_bytes >= 0:
            return memory_bytes
        case _:
            return None


def _lines_step(
    log: RecordLog, place: Place, stop: int | None
) -> Callable[[], tuple[bytes, Place | None]]:
    def step() -> tuple[bytes, Place | None]:
        block = log.block(place, stop)
        return intact(block.lines), block.after

    return step


def _taken_step(
    log: RecordLog, job: JobKey, place: Place, stop: int | None, taker: Taker
) -> Callable[[], tuple[list[bytes], Place | None]]:
    def step() -> tuple[list[bytes], Place | None]:
        block = log.block(place, stop)
        return [taker.take(_batch(log, job, block, taker))], block.after

    return step


def _batch(log: RecordLog, job: JobKey, block: Block, taker: Taker) -> Batch:
    times = log.commit_times(block) if taker.needs_times and block.lines else ()
    return Batch(job=job, first=block.first, lines=block.lines, committed_ms=times)


async def _pieces(batches: AsyncIterable[Sequence[bytes]]) -> AsyncGenerator[list[bytes], None]:
    """The lines of all batches in pieces that fit in memory."""
    held: list[bytes] = []
    held_bytes = 0
    async for lines in batches:
        held.extend(lines)
        held_bytes += sum(map(len, lines))
        if held_bytes >= COMMIT_BYTES:
            yield held
            held, held_bytes = [], 0
    if held:
        yield held


def _reports(job: Job) -> bool:
    """Whether a crawl of ours is at work, and tells how far it is."""
    return (
        job.driver is Driver.LOCAL and is_active(job.state) and not isinstance(job.state, Pending)
    )


def _progress(kind: RecordKind, stats: RecordStats) -> Mapping[str, int]:
    """The figures of a job's progress that follow from the counts of a kind."""
    values = stats.input_values
    match kind:
        case RecordKind.ITEMS:
            return {"items": values}
        case RecordKind.REQUESTS:
            return {"requests": values, "responses": values}
        case RecordKind.LOGS:
            return {"log_lines": values, "errors": stats.errors}
        case RecordKind.SAMPLES:
            return {}


def _counted(progress: Progress, counts: Mapping[str, int]) -> Progress:
    return replace(progress, **counts)  # type: ignore[arg-type]  # all are whole numbers
