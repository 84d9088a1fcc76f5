"""Memory that a crawl shares with its holder: what its captured log lacks if it dies of a sudden.

Note [The last second of a log]: log lines are written about twice a second. A crawl that is
killed, or ends its own process, would take the last second along, which is the one that tells
why. So lines lie in memory that outlives it until they are written, together with how far `out`
and `err` are in the log (Note [Printed text] in `printed`). When every process of the crawl is
gone, its holder writes down what is left, before it records the end. The crawl may have
scribbled over all of it: what the holder finds is bounded, and nothing but lines of a log.

Standard library only.
"""

import logging
import mmap
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from scrapy_do.crawl.printed import log_line, messages
from scrapy_do.protocol.record_file import RecordWriter
from scrapy_do.protocol.regular_file import opened
from scrapy_do.protocol.wire import CrawlSpec

_SIZE_BYTES = 1024 * 1024
_HEAD_BYTES = 3 * 8
_USED, _OUT, _ERR = range(3)
_END_BYTES = 64 * 1024


class Unwritten:
    """The memory, made by the holder before it forks the crawl; taken only as it is needed."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _SIZE_BYTES)
        self._numbers = memoryview(self._memory)[:_HEAD_BYTES].cast("Q")

    # --- the crawl's side --------------------------------------------------------------------

    def add(self, line: bytes) -> None:
        """Keep a line until `clear`; what has no room is not kept."""
        numbers = self._numbers
        start = _HEAD_BYTES + numbers[_USED]
        end = start + len(line) + 1
        if end <= _SIZE_BYTES:
            self._memory[start:end] = line + b"\n"
            numbers[_USED] = end - _HEAD_BYTES

    def clear(self) -> None:
        """Forget all lines: they are written."""
        self._numbers[_USED] = 0

    @property
    def told_of_out(self) -> int:
        """Up to which offset `out` is in the log."""
        return self._numbers[_OUT]

    @property
    def told_of_err(self) -> int:
        """Up to which offset `err` is in the log."""
        return self._numbers[_ERR]

    def note_out(self, offset: int) -> None:
        """Set `told_of_out`."""
        self._numbers[_OUT] = offset

    def note_err(self, offset: int) -> None:
        """Set `told_of_err`."""
        self._numbers[_ERR] = offset

    # --- the holder's side -------------------------------------------------------------------

    def begin(self, spec: CrawlSpec) -> None:
        """Note what earlier attempts have left in `out` and `err`, before the crawl runs."""
        self.note_out(_size_bytes(spec.placement.out))
        self.note_err(_size_bytes(spec.placement.err))

    def write_down(self, spec: CrawlSpec, now_ms: int) -> None:
        """Complete the captured log of a crawl of which no process is left.

        Raises:
            OSError: it cannot be written.
        """
        limit_bytes, log = spec.order.limits.log_bytes, spec.placement.log
        if log is None or (limit_bytes is not None and _size_bytes(log) >= limit_bytes):
            return
        lines = [*self._lines(log), *self._printed(spec, now_ms)]
        if lines:
            with RecordWriter(log) as writer:
                for line in lines:
                    with suppress(ValueError):
                        writer.append(line)
                writer.flush(now_ms)

    def _lines(self, log: Path) -> list[bytes]:
        used = min(self._numbers[_USED], _SIZE_BYTES - _HEAD_BYTES)
        left = self._memory[_HEAD_BYTES : _HEAD_BYTES + used]
        with opened(log) as file:
            # It may have died between writing lines and forgetting them.
            if file is not None and left:
                start = max(0, os.fstat(file).st_size - used)
                if os.pread(file, used, start) == left:
                    return []
        return [line for line in left.split(b"\n") if line]

    def _printed(self, spec: CrawlSpec, now_ms: int) -> Iterator[bytes]:
        """Yield the end of what was printed and not told."""
        for path, level, told in (
            (spec.placement.out, logging.INFO, self.told_of_out),
            (spec.placement.err, logging.ERROR, self.told_of_err),
        ):
            size_bytes = _size_bytes(path)
            start = min(max(told, size_bytes - _END_BYTES), size_bytes)
            for message in messages(path, start, size_bytes, level):
                yield log_line(now_ms, level, message)


def _size_bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
