"""Writes one kind of record of a crawl to its file, and never fails the crawl."""

import logging
import time
from pathlib import Path

from scrapy_do.crawl.unwritten import Unwritten
from scrapy_do.protocol.record_file import RecordWriter

_FLUSH_BYTES = 256 * 1024
_FLUSH_INTERVAL_S = 0.5
_HELD_BYTES = 8 * 1024 * 1024

logger = logging.getLogger(__name__)


class Capture:
    """Collects records and flushes them about twice a second.

    When the file cannot be written, records are held up to a limit and then dropped; the
    first failure is logged. The file is not touched before the first record. `taken_bytes` is
    the size of the records taken, `dropped` how many were lost. With `durable` they survive a
    power loss once it is closed. What is not written yet is in `unwritten`, too, if there is one.
    """

    def __init__(
        self, path: Path, *, durable: bool = True, unwritten: Unwritten | None = None
    ) -> None:
        self._writer = RecordWriter(path)
        self._durable = durable
        self._unwritten = unwritten
        self._kind = path.name
        self._flushed_s = time.monotonic()
        self._flushing = False
        self._failed = False
        self.dropped = 0
        self.taken_bytes = 0
        self._next_number: int | None = None

    def append(self, line: bytes) -> int | None:
        """Take a record, one line of JSON; return its number, or None if it cannot be written."""
        try:
            self._writer.append(line)
        except ValueError as error:
            self.dropped += 1
            self._complain(error)
            return None
        number = self._first_number() if self._next_number is None else self._next_number
        self._next_number = number + 1
        self.taken_bytes += len(line)
        if self._unwritten is not None:
            self._unwritten.add(line)
        late = time.monotonic() - self._flushed_s >= _FLUSH_INTERVAL_S
        # A file that failed is tried again by time only, or a full disk would slow the crawl.
        full = self._writer.pending_bytes >= _FLUSH_BYTES and not self._failed
        if late or full:
            self.flush()
        return number

    def flush(self) -> None:
        """Write what was collected."""
        if self._flushing:  # a failure is logged, and the log is captured
            return
        self._flushing = True
        self._flushed_s = time.monotonic()
        try:
            self._writer.flush(_now_ms())
            self._forget()
        except OSError as error:
            if self._writer.pending_bytes > _HELD_BYTES:
                self.dropped += self._writer.drop()
                self._forget()
            self._complain(error)
        finally:
            self._flushing = False

    def close(self) -> None:
        """Write the rest for good."""
        self._flushing = True
        try:
            self._writer.close(_now_ms(), durable=self._durable)
        except OSError as error:
            self.dropped += self._writer.drop()
            self._complain(error)
        self._forget()

    def _forget(self) -> None:
        if self._unwritten is not None:
            self._unwritten.clear()

    def _first_number(self) -> int:
        try:
            with self._writer.locked():
                return self._writer.count
        except OSError as error:
            self._complain(error)
            return 0

    def _complain(self, error: Exception) -> None:
        if not self._failed:
            self._failed = True
            logger.error("Records are lost, %s cannot be written: %s", self._kind, error)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
