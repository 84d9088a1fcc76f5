"""What a crawl writes to stdout and stderr, but for its log, as lines of its captured log.

Note [Printed text]: prints, tracebacks, and what children and C code write land in `out` and
`err`, among what the handlers of the log write there. Only the latter passes through us at a
known moment, so its places are noted; all the rest is printed text, and is read back from the
file: up to a line of the log when that is written, and now and then. So it is in the captured
log once, and in its order. Up to where that holds, both for lines and for text, is known to the
holder as well (see `unwritten`), which completes the log of a crawl that dies of a sudden.

Standard library only: this is used by holders, too.
"""

import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from json.encoder import encode_basestring_ascii as _quoted
from pathlib import Path

from scrapy_do.protocol.regular_file import opened

_CHUNK_BYTES = 64 * 1024


def log_line(time_ms: int, level: int, message: str) -> bytes:
    """Return a record of the captured log."""
    # There are ten times as many lines as pages: a sixth of the time that an encoder takes.
    return f'{{"time":{time_ms},"level":{level},"message":{_quoted(message)}}}'.encode()


def messages(path: Path, start: int, stop: int, level: int) -> Iterator[str]:
    """Yield the text of a file from an offset to before another, as messages.

    Lines of INFO are a message each. Of errors a message is all that was written in a row,
    such as a traceback. What comes after the last end of a line comes last, by itself.

    Raises:
        OSError: the file cannot be read.
    """
    with opened(path) as descriptor:
        while descriptor is not None and (
            chunk := os.pread(descriptor, min(_CHUNK_BYTES, max(0, stop - start)), start)
        ):
            whole = chunk[: chunk.rfind(b"\n") + 1] or chunk
            start += len(whole)
            parts = [whole] if level >= logging.ERROR else whole.split(b"\n")
            for part in parts:
                text = part.decode("utf-8", "backslashreplace").replace("\0", r"\x00")
                # Of a progress bar, what a terminal would show at last.
                lines = [line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n")]
                if shown := "\n".join(lines).rstrip():
                    yield shown


class Printed:
    """Tells `tell` of what is printed to a file through a descriptor, from offset `told` on.

    `note` hears up to where everything is told. `lock` is held by who writes what is logged.
    `found` are the places, from and to, of what is not told yet; `is_due` says that we have
    printed something ourselves. May be used from any thread.
    """

    def __init__(
        self,
        path: Path,
        descriptor: int,
        told: int,
        *,
        level: int,
        tell: Callable[[int, str], None],
        note: Callable[[int], None],
    ) -> None:
        self._path = path
        self._descriptor = descriptor
        self._told = told
        self._level = level
        self._tell = tell
        self._note = note
        self.found: deque[tuple[int, int]] = deque()
        self.is_due = False
        self.lock = threading.RLock()

    def logged(self, size_bytes: int) -> None:
        """Hear that so much was logged just now: what is before it, is printed text."""
        try:
            end = os.lseek(self._descriptor, 0, os.SEEK_CUR)
        except OSError:  # the project has put something else in its place
            return
        start = end - size_bytes
        if start > self._told:
            self.found.append((self._told, start))
        if start >= self._told:
            self._told = end
        if not self.found:
            self._note(self._told)

    def tell(self) -> None:
        """Tell of the text that was found; not while something is being logged."""
        while self.found:
            start, stop = self.found.popleft()
            with suppress(OSError):
                for message in messages(self._path, start, stop, self._level):
                    self._tell(self._level, message)
            with self.lock:
                if not self.found:
                    self._note(self._told)

    def collect(self, *, to_end: bool) -> None:
        """Find the text that was printed since then and tell of it: of whole lines or all."""
        with self.lock:
            self.is_due = False
            stop = self._end(to_end=to_end)
            if stop > self._told:
                self.found.append((self._told, stop))
                self._told = stop
        self.tell()

    def _end(self, *, to_end: bool) -> int:
        """Return where the file ends, or the last whole line of it that is not told."""
        with suppress(OSError):
            size_bytes = self._path.stat().st_size
            if to_end or size_bytes <= self._told:
                return size_bytes
            start = max(self._told, size_bytes - _CHUNK_BYTES)
            with opened(self._path) as descriptor:
                if descriptor is None:
                    return self._told
                last = os.pread(descriptor, size_bytes - start, start).rfind(b"\n") + 1
            # A line that is so long is told in pieces.
            return start + last if last or start == self._told else size_bytes
        return self._told
