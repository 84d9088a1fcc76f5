"""Replacing records in the middle of a file: a new file is written and takes the old one's name.

In place, a crash between two writes would lose records that were acknowledged.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from scrapy_do.files.disk import sync_directory
from scrapy_do.record_file import (
    TIMES_SUFFIX,
    RecordReader,
    beside,
    cut_index,
    open_regular,
    opened,
    pack_times,
)

_NEW_SUFFIX = ".new"
_EXCLUSIVE = os.O_WRONLY | os.O_CREAT | os.O_EXCL


def overwrite(path: Path, lines: Sequence[bytes], first: int, now_ms: int) -> int:
    """Make `lines` the records from `first` on; later ones keep their numbers and times.

    The caller holds the lock of the file, and `first` is one of its records. The other
    writers see that the file was replaced; a reader goes on with the one that it has.

    Returns:
        The size of the new file in bytes.
    """
    reader = RecordReader(path)
    count = reader.count()
    stop = min(count, first + len(lines))
    times = _times(list(reader.times()), first, stop, count, now_ms)
    cut_index(path, first)
    _replace(beside(path, TIMES_SUFFIX), [pack_times(times)])
    before = (0, reader.offset(first))
    after = (reader.offset(stop), reader.offset(count))
    with opened(path) as data:
        size_bytes = _replace(path, [before, b"\n".join([*lines, b""]), after], data)
    sync_directory(path.parent)
    return size_bytes


def _times(
    pairs: list[tuple[int, int]], first: int, stop: int, count: int, now_ms: int
) -> list[tuple[int, int]]:
    """Return the commit times with a new one for the records from `first` to before `stop`."""
    committed_ms = max(now_ms, pairs[-1][1] + 1) if pairs else now_ms
    before = [pair for pair in pairs if pair[0] < first]
    if stop == count:
        return [*before, (first, committed_ms)]
    resumed_ms = next((ms for record, ms in reversed(pairs) if record <= stop), 0)
    after = [pair for pair in pairs if stop < pair[0] < count]
    # The last pair must be the latest; it is for the records to come.
    return [*before, (first, committed_ms), (stop, resumed_ms), *after, (count, committed_ms)]


def _replace(
    path: Path, parts: Sequence[bytes | tuple[int, int]], source: int | None = None
) -> int:
    """Write a file anew, of bytes and of ranges of an open file, and sync it; return its size."""
    new = beside(path, _NEW_SUFFIX)
    new.unlink(missing_ok=True)
    target = open_regular(new, _EXCLUSIVE)
    try:
        for part in parts:
            if isinstance(part, bytes):
                _write(target, part)
            elif source is not None:
                _copy(source, target, *part)
        os.fsync(target)
        size_bytes = os.fstat(target).st_size
    finally:
        os.close(target)
    new.replace(path)
    return size_bytes


def _copy(source: int, target: int, start: int, stop: int) -> None:
    while start < stop:
        start += os.sendfile(target, source, start, stop - start)


def _write(target: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(target, view) :]
