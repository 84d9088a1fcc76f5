"""The files in which a crawl's items, requests and log lines are kept: format, writer, reader.

Shared by the crawl, which writes them, and the daemon, which reads them and writes what
comes in by HTTP. Standard library only.

Note [The files of a record log]

    NAME         one record per line; record i is line i, counted from 0. A blank line is a
                 record that was never written. A last line without newline is torn: it does
                 not exist, and the next writer cuts it off.
    NAME.index   the byte offsets of the records 64, 128, 192, ..., 8 bytes each.
    NAME.times   pairs (first record, time in ms since the epoch), 8 + 8 bytes: the records
                 from there to the next pair were committed then. The last pair's time is
                 always the greatest; it may stand for no record yet.

All numbers are little-endian. Only NAME is the truth. The other two are made good from it,
cut back, or, for times, left incomplete: they are never believed beyond what NAME holds.
Writers take an exclusive `flock` on NAME for each commit; who replaces NAME by a new file
holds the lock of the old one. Readers take no lock.
"""

import fcntl
import os
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

from scrapy_do.protocol.regular_file import lock_patiently, open_regular, opened

INDEX_STRIDE = 64  # records between two entries of the index
LINE_LIMIT_BYTES = 16 * 1024 * 1024  # a longer line is read as a record never written
INDEX_SUFFIX = ".index"
TIMES_SUFFIX = ".times"

_CHUNK_BYTES = 256 * 1024
_TIMES_AT_ONCE = 4096
_OFFSET = struct.Struct("<Q")
_TIME = struct.Struct("<2Q")
_TIME_LIMIT_MS = 1 << 53  # beyond it a stored time is damage
_WRITE = os.O_RDWR | os.O_CREAT


def beside(path: Path, suffix: str) -> Path:
    """Return the path of a file that accompanies a record file."""
    return path.with_name(path.name + suffix)


def scan(descriptor: int, offset: int) -> Iterator[tuple[int, bytes]]:
    """Yield the complete lines from an offset as (offset after the line, line without newline).

    A line above the limit comes out blank, so memory stays bounded whatever the file holds.
    """
    held: list[bytes] = []
    held_bytes = 0
    while chunk := os.pread(descriptor, _CHUNK_BYTES, offset):
        *lines, rest = chunk.split(b"\n")
        for line in lines:
            offset += len(line) + 1
            if held_bytes:
                held.append(line)
                whole = b"".join(held) if held_bytes + len(line) <= LINE_LIMIT_BYTES else b""
                held, held_bytes = [], 0
                yield offset, whole
            else:
                yield offset, line
        offset += len(rest)
        held_bytes += len(rest)
        held = [*held, rest] if held_bytes <= LINE_LIMIT_BYTES else []


class RecordWriter:
    """Appends records to a file; several writers may share it.

    `append` only collects; `flush` writes what was collected in one go. The caller
    decides when, by `pending_bytes` and by time. Errors of the file system come out as
    `OSError`; then nothing of the batch is in the file and it may be flushed again.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._data = self._index = self._times = -1
        self._size_bytes = 0
        self._count = 0
        self._pending: list[bytes] = []
        self.pending_bytes = 0
        self._is_unsynced = False

    @property
    def count(self) -> int:
        """How many records the file held at the last flush, gaps included."""
        return self._count

    def append(self, line: bytes) -> None:
        """Collect a record: one JSON value without newline.

        Raises:
            ValueError: the line is empty, has a newline, or is above the limit.
        """
        if not line or b"\n" in line or len(line) > LINE_LIMIT_BYTES:
            raise ValueError(f"a record must be one line of 1 to {LINE_LIMIT_BYTES} bytes")
        self._pending.append(line)
        self.pending_bytes += len(line) + 1

    def skip(self, records: int) -> None:
        """Collect records that are not there: the numbers of the later ones leave room for them."""
        self._pending.extend([b""] * records)
        self.pending_bytes += records

    def drop(self) -> int:
        """Forget what was collected, as when the disk stays full; return how many records."""
        dropped = len(self._pending)
        self._pending = []
        self.pending_bytes = 0
        return dropped

    def flush(self, now_ms: int, *, durable: bool = False) -> int | None:
        """Write what was collected as one batch.

        Args:
            now_ms: the time; the batch gets a later one if an earlier batch has it already.
            durable: whether the records must survive a power loss when this returns.

        Returns:
            The commit time of the batch in ms, or None if there was nothing to write.
        """
        if not self._pending:
            return None
        with self.locked():
            return self.commit(now_ms, durable=durable)

    def close(self, now_ms: int, *, durable: bool = True) -> None:
        """Flush, unless told otherwise to the disk for good, and close the files."""
        try:
            self.flush(now_ms)
            if self._is_unsynced and durable:
                os.fsync(self._data)
        finally:
            self._close_files()

    @contextmanager
    def locked(self, patience_s: float | None = None) -> Iterator[None]:
        """Keep all other writers out; inside, `count` is exact and `commit` may be called.

        Raises:
            BlockingIOError: another writer kept the lock longer than `patience_s`.
        """
        while not self._lock(patience_s):
            self._close_files()
        try:
            self._catch_up()
            yield
        finally:
            fcntl.flock(self._data, fcntl.LOCK_UN)

    def commit(self, now_ms: int, *, durable: bool) -> int:
        """Write what was collected as one batch, inside `locked`; return its commit time in ms."""
        committed_ms = self._stamp(now_ms)
        try:
            _write_all(self._data, b"\n".join([*self._pending, b""]), self._size_bytes)
            if durable:
                os.fsync(self._data)
        except OSError:
            os.ftruncate(self._data, self._size_bytes)
            raise
        self._is_unsynced = not durable
        written, self._pending = self._pending, []
        self.pending_bytes = 0
        self._advance(len(line) + 1 for line in written)
        return committed_ms

    def sync(self) -> None:
        """Make what is in the file survive a power loss, inside `locked`."""
        os.fsync(self._data)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the files without writing what was not flushed."""
        self._close_files()

    def _lock(self, patience_s: float | None) -> bool:
        """Lock the file; return False if it was replaced by another one meanwhile."""
        if self._data < 0:
            self._open_files()
        if patience_s is None:
            fcntl.flock(self._data, fcntl.LOCK_EX)
        else:
            lock_patiently(self._data, patience_s)
        try:
            there = self.path.lstat()
        except FileNotFoundError:
            return False
        return os.path.samestat(there, os.fstat(self._data))

    def _catch_up(self) -> None:
        """Learn what others wrote since the last commit; cut off a torn line."""
        size_bytes = os.fstat(self._data).st_size
        if size_bytes == self._size_bytes:
            return
        if self._size_bytes < 0 or size_bytes < self._size_bytes:
            self._open_index()
            known = None if self._index < 0 else self._index
            entry, self._size_bytes = _find_entry(known, self._data)
            self._count = entry * INDEX_STRIDE
            if known is not None:
                os.ftruncate(known, entry * _OFFSET.size)
        self._advance(_line_lengths(self._data, self._size_bytes))
        if size_bytes > self._size_bytes:
            os.ftruncate(self._data, self._size_bytes)

    def _advance(self, lengths: Iterator[int]) -> None:
        """Count lines that follow the known ones, given their lengths, and index them."""
        entries = bytearray()
        size_bytes, count = self._size_bytes, self._count
        first = count // INDEX_STRIDE
        for length in lengths:
            size_bytes += length
            count += 1
            if count % INDEX_STRIDE == 0:
                entries += _OFFSET.pack(size_bytes)
        self._size_bytes, self._count = size_bytes, count
        # The records are in the file already. An index with a hole is slower, not wrong.
        with suppress(OSError):
            if entries:
                self._open_index(os.O_CREAT)
                _write_all(self._index, bytes(entries), first * _OFFSET.size)

    def _stamp(self, now_ms: int) -> int:
        """Note the commit time of the records that come next; return it."""
        pairs = os.fstat(self._times).st_size // _TIME.size
        first, latest_ms = _time_at(self._times, pairs - 1)
        committed_ms = max(now_ms, latest_ms + 1 if latest_ms < _TIME_LIMIT_MS else 0)
        while pairs and first >= self._count:
            pairs -= 1
            first, _ = _time_at(self._times, pairs - 1)
        pair = _TIME.pack(self._count, committed_ms)
        _write_all(self._times, pair, pairs * _TIME.size)
        os.ftruncate(self._times, (pairs + 1) * _TIME.size)
        return committed_ms

    def _open_files(self) -> None:
        self._size_bytes = -1
        try:
            self._data = open_regular(self.path, _WRITE)
            self._times = open_regular(beside(self.path, TIMES_SUFFIX), _WRITE)
        except OSError:
            self._close_files()
            raise

    def _open_index(self, flags: int = 0) -> None:
        """Open the index, if it is there or `flags` make it: few records have none."""
        if self._index < 0:
            with suppress(FileNotFoundError):
                self._index = open_regular(beside(self.path, INDEX_SUFFIX), os.O_RDWR | flags)

    def _close_files(self) -> None:
        for descriptor in (self._data, self._index, self._times):
            if descriptor >= 0:
                os.close(descriptor)
        self._data = self._index = self._times = -1
        self._is_unsynced = False


class RecordReader:
    """Reads a record file that may be growing, torn, or not there at all (then it is empty)."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def count(self) -> int:
        """Return the number of complete records, gaps included."""
        with opened(self._path) as data, opened(beside(self._path, INDEX_SUFFIX)) as index:
            if data is None:
                return 0
            entry, offset = _find_entry(index, data)
            count = entry * INDEX_STRIDE
            while chunk := os.pread(data, _CHUNK_BYTES, offset):
                count += chunk.count(b"\n")
                offset += len(chunk)
            return count

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Yield the lines of the records from `start` to before `stop`; a gap is a blank line."""
        for _, line in self._spans(start, stop):
            yield line

    def offset(self, record: int) -> int:
        """Return where a record begins, or would begin if it is the next one."""
        last = next(self._spans(record - 1, record), None) if record else None
        return last[0] if last else 0

    def batches(self) -> int:
        """Return how many pairs `times` gives from the beginning on."""
        with opened(beside(self._path, TIMES_SUFFIX)) as times:
            return 0 if times is None else os.fstat(times).st_size // _TIME.size

    def times(self, start: int = 0) -> Iterator[tuple[int, int]]:
        """Yield (first record, commit time in ms) from the batch that holds `start` on.

        Records before the first pair have no known time.
        """
        with opened(beside(self._path, TIMES_SUFFIX)) as times:
            if times is None:
                return
            pair = _find_time(times, start)
            while block := os.pread(times, _TIME.size * _TIMES_AT_ONCE, pair * _TIME.size):
                whole = len(block) // _TIME.size
                yield from _TIME.iter_unpack(block[: whole * _TIME.size])
                pair += whole
                if not whole:
                    return

    def _spans(self, start: int, stop: int | None) -> Iterator[tuple[int, bytes]]:
        """Yield (offset after the line, line) for the records from `start` to before `stop`."""
        with opened(self._path) as data, opened(beside(self._path, INDEX_SUFFIX)) as index:
            if data is None:
                return
            entry, offset = _find_entry(index, data, start // INDEX_STRIDE)
            skipped = start - entry * INDEX_STRIDE
            until = None if stop is None else skipped + max(0, stop - start)
            yield from islice(scan(data, offset), skipped, until)


def pack_times(pairs: Iterable[tuple[int, int]]) -> bytes:
    """Return the content of the file of commit times for pairs as `RecordReader.times` gives."""
    return b"".join(_TIME.pack(*pair) for pair in pairs)


def cut_index(path: Path, records: int) -> None:
    """Forget, for good, where the records after the first `records` begin."""
    size_bytes = records // INDEX_STRIDE * _OFFSET.size
    index = open_regular(beside(path, INDEX_SUFFIX), _WRITE)
    try:
        if os.fstat(index).st_size > size_bytes:
            os.ftruncate(index, size_bytes)
        os.fsync(index)
    finally:
        os.close(index)


def _find_entry(index: int | None, data: int, limit: int | None = None) -> tuple[int, int]:
    """Return the last believable entry of an index, at most number `limit`, and its offset.

    Entry n is the offset of record n * INDEX_STRIDE; entry 0 is the beginning.
    """
    if index is None:
        return 0, 0
    size_bytes = os.fstat(data).st_size
    entry = os.fstat(index).st_size // _OFFSET.size
    if limit is not None:
        entry = min(entry, limit)
    while entry > 0:
        packed = os.pread(index, _OFFSET.size, (entry - 1) * _OFFSET.size)
        offset = int(_OFFSET.unpack(packed)[0]) if len(packed) == _OFFSET.size else 0
        in_file = entry * INDEX_STRIDE <= offset <= size_bytes
        if in_file and os.pread(data, 1, offset - 1) == b"\n":
            return entry, offset
        entry -= 1
    return 0, 0


def _find_time(times: int, record: int) -> int:
    """Return the number of the pair that holds a record."""
    low, high = 0, os.fstat(times).st_size // _TIME.size
    while high - low > 1:
        middle = (low + high) // 2
        if _time_at(times, middle)[0] <= record:
            low = middle
        else:
            high = middle
    return low


def _time_at(times: int, pair: int) -> tuple[int, int]:
    packed = os.pread(times, _TIME.size, pair * _TIME.size) if pair >= 0 else b""
    if len(packed) < _TIME.size:
        return 0, 0
    first, committed_ms = _TIME.unpack(packed)
    return first, committed_ms


def _line_lengths(descriptor: int, offset: int) -> Iterator[int]:
    """Yield the lengths of the complete lines from an offset, newlines included."""
    carried = 0
    while chunk := os.pread(descriptor, _CHUNK_BYTES, offset):
        offset += len(chunk)
        start = 0
        while (end := chunk.find(b"\n", start) + 1) > 0:
            yield carried + end - start
            carried = 0
            start = end
        carried += len(chunk) - start


def _write_all(descriptor: int, content: bytes, offset: int) -> None:
    view = memoryview(content)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view = view[written:]
        offset += written
