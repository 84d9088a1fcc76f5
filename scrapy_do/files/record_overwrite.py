"""Replacing records in the middle of a file: a new file is written and takes the old one's name.

In place, a crash between two writes would lose records that were acknowledged.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from scrapy_do.protocol.record_file import TIMES_SUFFIX, RecordReader, beside, cut_index, pack_times
from scrapy_do.protocol.regular_file import open_regular
from scrapy_do.protocol.run_record import sync_directory

_NEW_SUFFIX = ".new"
_CHUNK_BYTES = 1024 * 1024
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
    data = open_regular(path)
    try:
        before = _range(data, 0, reader.offset(first))
        after = _range(data, reader.offset(stop), reader.offset(count))
        size_bytes = _replace(path, chain(before, [b"\n".join([*lines, b""])], after))
    finally:
        os.close(data)
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


def _replace(path: Path, parts: Iterable[bytes]) -> int:
    """Write a file anew and sync it before it takes its name; return its size in bytes."""
    new = beside(path, _NEW_SUFFIX)
    new.unlink(missing_ok=True)
    with open(open_regular(new, _EXCLUSIVE), "wb") as file:  # noqa: PTH123 - a descriptor
        file.writelines(parts)
        file.flush()
        os.fsync(file.fileno())
        size_bytes = file.tell()
    new.replace(path)
    return size_bytes


def _range(descriptor: int, start: int, stop: int) -> Iterator[bytes]:
    while start < stop and (chunk := os.pread(descriptor, min(_CHUNK_BYTES, stop - start), start)):
        yield chunk
        start += len(chunk)
