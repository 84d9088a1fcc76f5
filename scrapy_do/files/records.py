"""One job's captured records of one kind: reading, batches written by HTTP, counts.

The files and who locks them are described in `record_file`, Note [The files of a record
log]. Blocking: called off the reactor thread.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice, takewhile
from pathlib import Path

from scrapy_do.errors import BadArgument, LogNotFound, StoreUnavailable, TooLarge
from scrapy_do.files.disk import space_needed
from scrapy_do.files.record_blocks import Block, Place, commit_times, read_block
from scrapy_do.files.record_overwrite import overwrite
from scrapy_do.files.record_stats import RecordKind, RecordStats, decode, forget_stats, save, tally
from scrapy_do.protocol.record_file import RecordReader, RecordWriter
from scrapy_do.protocol.regular_file import NO_FILE
from scrapy_do.protocol.run_record import sync_directory

VALUE_LIMIT_BYTES = 1024 * 1024  # of one record of a batch; source: Scrapy Cloud items API
GAP_LIMIT = 1_000_000  # records that a batch may leave out before its start

_PATIENCE_S = 0.5  # with a crawl that is writing: it holds the lock for milliseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A stored record: its number, when its batch was committed (ms), its JSON text and value.

    `committed_ms` is 0 where it was lost in a crash.
    """

    index: int
    committed_ms: int
    line: bytes
    value: object


class RecordLog:
    """The records of one kind of one job, also while a crawl is writing them.

    `aside` is where they go when the job is run again: a read that has begun goes on there.
    """

    def __init__(self, path: Path, kind: RecordKind, *, aside: Path | None = None) -> None:
        self._present = path
        self._aside = aside
        self._kind = kind

    @property
    def _path(self) -> Path:
        aside = self._aside
        return self._present if aside is None or not aside.parent.is_dir() else aside

    @property
    def _reader(self) -> RecordReader:
        return RecordReader(self._path)

    def count(self) -> int:
        """Return the number of the next record: all records so far, gaps included."""
        return self._reader.count()

    def stats(self) -> RecordStats:
        """Return the counts, exact for everything written before the call."""
        return tally(self._path, self._kind)[0].stats()

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[Record]:
        """Yield the records from `start` to before `stop`, in order.

        Gaps and damaged lines are left out; the others keep their numbers.
        """
        times = self._reader.times(start)
        committed_ms = 0
        upcoming = next(times, None)
        for index, line in enumerate(self._reader.read(start, stop), start):
            while upcoming and upcoming[0] <= index:
                committed_ms = upcoming[1]
                upcoming = next(times, None)
            value = decode(line)
            if value is not None:
                yield Record(index=index, committed_ms=committed_ms, line=line, value=value)

    def block(self, place: Place, stop: int | None = None) -> Block:
        """Return some records from a place to before number `stop`."""
        return read_block(self._path, place, stop)

    def commit_times(self, block: Block) -> list[int]:
        """Return when each line of a block was committed, in ms; 0 where that was lost."""
        return list(commit_times(self._path, block))

    def commits(self, most: int | None = None) -> Iterator[tuple[int, int]]:
        """Yield (time in ms, number of records) of each batch whose time is known.

        Of more than `most` batches some together, so that there are fewer.
        """
        reader = self._reader
        together = 1 if most is None else -(-max(1, reader.batches()) // most)
        last: tuple[int, int] | None = None
        for first, committed_ms in islice(reader.times(), 0, None, together):
            if last is not None:
                yield last[1], first - last[0]
            last = first, committed_ms
        if last is not None:
            yield last[1], max(0, self.count() - last[0])

    def last(self) -> Record | None:
        """Return the last record, None where there is none or it is damaged."""
        count = self.count()
        return next(self.read(count - 1, count), None) if count else None

    def write(self, lines: Sequence[bytes], *, now_ms: int, start: int | None = None) -> None:
        """Store a batch so that it survives a power loss: record `start` + i becomes line i.

        A batch that is sent again changes nothing: records that are there already keep
        their commit time and are counted once. Others are overwritten. Records left out
        before `start` are gaps. Without `start` the batch goes to the end.

        Raises:
            TooLarge: a line is above the limit; nothing was stored.
            BadArgument: `start` leaves too many records out.
            LogNotFound: the job has no directory.
            StoreUnavailable: a crawl keeps the file locked.
            NoSpace: the disk is full; nothing was stored.
        """
        if any(len(line) > VALUE_LIMIT_BYTES for line in lines):
            raise TooLarge("A record", VALUE_LIMIT_BYTES)
        with _writing(), RecordWriter(self._path) as writer:
            with writer.locked(_PATIENCE_S):
                first = writer.count if start is None else start
                if first - writer.count > GAP_LIMIT:
                    raise BadArgument("start", f"only {writer.count} records were written so far")
                same = self._stored(lines, first)
                if first + same < min(writer.count, first + len(lines)):
                    self._overwrite(lines[same:], first + same, now_ms)
                else:
                    self._append(writer, lines[same:], first + same, now_ms)
            with writer.locked(_PATIENCE_S):
                pass  # indexes what was overwritten
        tally(self._path, self._kind)

    def _stored(self, lines: Sequence[bytes], first: int) -> int:
        """Return how many lines, from the first on, are stored already under their numbers."""
        stored = self._reader.read(first, first + len(lines))
        pairs = zip(stored, lines, strict=False)
        return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))

    def _append(
        self, writer: RecordWriter, lines: Sequence[bytes], first: int, now_ms: int
    ) -> None:
        if lines:
            is_new = writer.count == 0
            writer.skip(first - writer.count)
            for line in lines:
                writer.append(line)
            writer.commit(now_ms, durable=True)
            if is_new:
                sync_directory(self._path.parent)
        else:  # an earlier try wrote them, but it may have died before they were on the disk
            writer.sync()

    def _overwrite(self, lines: Sequence[bytes], first: int, now_ms: int) -> None:
        counted, _ = tally(self._path, self._kind)
        for old in self._reader.read(first, first + len(lines)):
            counted.add(old, -1)
        for new in lines:
            counted.add(new)
        forget_stats(self._path)
        size_bytes = overwrite(self._path, lines, first, now_ms)
        save(self._path, counted, size_bytes)


@contextmanager
def _writing() -> Iterator[None]:
    """Turn the troubles of a write into our errors."""
    try:
        with space_needed("the records"):
            yield
    except BlockingIOError:
        raise StoreUnavailable("The records are being written by somebody else") from None
    except OSError as error:
        if error.errno not in NO_FILE:
            raise
        raise LogNotFound from None
