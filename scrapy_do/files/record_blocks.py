"""Captured records read in blocks of whole lines, each block on its own.

Between two blocks no file is open and nothing is remembered but a `Place`: a slow client
holds no descriptor, and a read may be given up at any moment.

Blocking: called off the reactor thread.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scrapy_do.files.record_stats import decode
from scrapy_do.protocol.record_file import RecordReader, scan
from scrapy_do.protocol.regular_file import opened

BLOCK_BYTES = 32 * 1024
"""What a client that reads slowly keeps in memory; larger blocks are not read faster."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where to read on: the number of a record, and where it begins in which file if known."""

    record: int
    offset: int = 0
    inode: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Records from number `first` on, as whole lines; a blank line is a gap.

    `after` is the place behind them, None when nothing more was there.
    """

    first: int
    lines: bytes = b""
    after: Place | None = None


def intact(lines: bytes) -> bytes:
    """Return lines without the gaps and without what is no JSON value."""
    between = lines.count(b"}\n{")
    looks_whole = lines.startswith(b"{") and lines.endswith(b"}\n")
    # Records are objects, so one glance tells whether to look at each of them.
    if looks_whole and between == lines.count(b"\n") - 1:
        return lines
    return b"".join(line + b"\n" for line in lines.split(b"\n") if decode(line) is not None)


def read_block(
    path: Path, place: Place, stop: int | None = None, size_bytes: int = BLOCK_BYTES
) -> Block:
    """Read about `size_bytes` of records from a place to before number `stop`.

    A line that is longer is a block of its own; one above the limit of `record_file` is a gap.
    """
    nothing = Block(first=place.record)
    if stop is not None and stop <= place.record:
        return nothing
    with opened(path) as data:
        if data is None:
            return nothing
        inode = os.fstat(data).st_ino
        known = inode == place.inode
        # A file that was replaced in between has its records elsewhere.
        offset = place.offset if known else RecordReader(path).offset(place.record)
        if place.record and not offset:  # the file is not that long
            return nothing
        chunk = os.pread(data, size_bytes, offset)
        lines, after = _whole_lines(data, offset, chunk)
    lines, count, is_cut = _cut(lines, None if stop is None else stop - place.record)
    if not lines:
        return nothing
    is_last = is_cut or len(chunk) < size_bytes
    following = Place(record=place.record + count, offset=after, inode=inode)
    return Block(first=place.record, lines=lines, after=None if is_last else following)


def commit_times(path: Path, block: Block) -> Iterator[int]:
    """Yield for each line of a block when it was committed, in ms; 0 where that was lost."""
    pairs = RecordReader(path).times(block.first)
    committed_ms = 0
    upcoming = next(pairs, None)
    for number in range(block.first, block.first + block.lines.count(b"\n")):
        while upcoming and upcoming[0] <= number:
            committed_ms = upcoming[1]
            upcoming = next(pairs, None)
        yield committed_ms


def _whole_lines(data: int, offset: int, chunk: bytes) -> tuple[bytes, int]:
    """Return the complete lines at an offset and the offset behind them."""
    end = chunk.rfind(b"\n") + 1
    if end or not chunk:
        return chunk[:end], offset + end
    after, line = next(scan(data, offset), (offset, None))
    return (b"" if line is None else line + b"\n"), after


def _cut(lines: bytes, limit: int | None) -> tuple[bytes, int, bool]:
    """Return at most `limit` lines, their number, and whether the limit is reached."""
    count = lines.count(b"\n")
    if limit is None or count < limit:
        return lines, count, False
    if count == limit:
        return lines, count, True
    rest = lines.split(b"\n", limit)[-1]
    return lines[: len(lines) - len(rest)], limit, True
