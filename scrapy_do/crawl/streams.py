"""The standard streams of a crawl: text, UTF-8, line by line, and no more of it than allowed.

Note [Where a log ends]: whatever Python writes to stdout and stderr (logging, prints,
tracebacks) passes through a `CappedFile`. At the limit it writes one last line that says
so; what follows is dropped and counted, and who writes never notices. What does not pass
here, because children or C code write it, is stopped by the kernel's limit for the size of
a file; a write of ours that runs into that one ends the log as well.
"""

import contextlib
import errno
import io
import os
import sys
import threading
from dataclasses import dataclass
from typing import Any

from scrapy_do.crawl.printed import Printed

STDIN, STDOUT, STDERR = 0, 1, 2
_MIB = 1024 * 1024


class Writing(threading.local):
    """What the current thread writes: `is_log` while handlers of the log are at work."""

    is_log = False


WRITING = Writing()


class CappedFile(io.RawIOBase):
    """The raw end of a stream: writes to a descriptor up to a limit; None is no limit.

    `dropped_bytes` is what was written to it beyond. `printed` hears what is logged.
    """

    def __init__(self, descriptor: int, limit_bytes: int | None) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._limit_bytes = limit_bytes
        self._written_bytes = 0
        self._is_cut = False
        self._in_line = False
        self.dropped_bytes = 0
        self.printed: Printed | None = None

    def writable(self) -> bool:
        """Say yes, as `io` asks."""
        return True

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def write(self, content: Any) -> int:  # noqa: ANN401 - whatever has a buffer
        """Write, or drop; return how much was taken."""
        size_bytes = len(content)
        limit_bytes = self._limit_bytes
        if self._is_cut:
            self.dropped_bytes += size_bytes
        elif limit_bytes is not None and self._written_bytes + size_bytes > limit_bytes:
            self._cut(bytes(content), limit_bytes)
        elif self.printed is None:
            self._pass_on(content)
        elif WRITING.is_log:
            with self.printed.lock:
                self._pass_on(content)
                self.printed.logged(size_bytes)
        else:
            self._pass_on(content)
            self.printed.is_due = True
        return size_bytes

    def _pass_on(self, content: Any) -> None:  # noqa: ANN401 - whatever has a buffer
        while content:
            try:
                written = os.write(self._descriptor, content)
            except OSError as error:
                if error.errno != errno.EFBIG:
                    raise
                self._is_cut = True
                self.dropped_bytes += len(content)
                return
            self._written_bytes += written
            self._in_line = content[written - 1 : written] != b"\n"
            content = content[written:]

    def _cut(self, content: bytes, limit_bytes: int) -> None:
        """Write what fits, then the last line."""
        self._is_cut = True
        end = limit_bytes - self._written_bytes
        while end and content[end] & 0xC0 == 0x80:  # noqa: PLR2004 - inside a character of UTF-8
            end -= 1
        self.dropped_bytes += len(content) - end
        in_line = content[end - 1 : end] != b"\n" if end else self._in_line
        with contextlib.suppress(OSError):
            last = f"{cut_notice(limit_bytes)}\n".encode()
            os.write(self._descriptor, content[:end] + b"\n" * in_line + last)


def cut_notice(limit_bytes: int) -> str:
    """Return what stands at the end of a log that was cut."""
    in_mib = limit_bytes / _MIB
    size = f"{in_mib:.4g} MiB" if in_mib >= 1 else f"{limit_bytes} bytes"
    return f"... the log is cut here at {size} ..."


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    """The raw ends of stdout and stderr."""

    out: CappedFile
    err: CappedFile


def set_streams(limit_bytes: int | None) -> Streams:
    """Make text streams of what the descriptors are now, each with the limit.

    The interpreter made its own when the descriptors were something else.
    """
    out, err = CappedFile(STDOUT, limit_bytes), CappedFile(STDERR, limit_bytes)
    sys.stdin = os.fdopen(STDIN, encoding="utf-8", errors="backslashreplace", closefd=False)
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(out), encoding="utf-8", errors="backslashreplace", line_buffering=True
    )
    # Not buffered at all: half a line must not wait and be written with a line of the log.
    sys.stderr = io.TextIOWrapper(
        err,  # as in Python's own unbuffered mode
        encoding="utf-8",
        errors="backslashreplace",
        write_through=True,
    )
    return Streams(out=out, err=err)
