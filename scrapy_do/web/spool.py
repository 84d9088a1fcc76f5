"""Where the bytes of a body wait: a little memory first, then a temporary file.

Note [Why chunks are written on the reactor thread]: a body arrives in pieces of at most
64 KiB, and writing such a piece into the page cache takes tens of microseconds, less than
handing it to a thread and back would. Reading a whole body again can be slow, so that
happens in a thread (`lines.py`), and so does everything that is done with an upload.
"""

import errno
import io
import os
import tempfile
from pathlib import Path
from typing import IO, BinaryIO

from scrapy_do.errors import NoSpace
from scrapy_do.protocol.regular_file import make_usable

MEMORY_BYTES = 64 * 1024
_PREFIX = "upload-"
_SUFFIX = ".part"
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Spool:
    """Bytes that were received, until `discard`.

    `memory_bytes` is how much may stay in memory; 0 for a file from the first byte. The
    file has mode 0600 and a name of our own; the directory must be one of the data
    directory, because handlers may rename the file away.
    """

    def __init__(self, directory: Path, *, memory_bytes: int = MEMORY_BYTES) -> None:
        self._directory = directory
        self._memory_bytes = memory_bytes
        self._memory = bytearray()
        self._file: IO[bytes] | None = None
        self.path: Path | None = None
        self.size_bytes = 0

    def write(self, data: bytes) -> None:
        """Add bytes at the end.

        Raises:
            NoSpace: the disk is full.
        """
        self.size_bytes += len(data)
        if self.path is None and self.size_bytes <= self._memory_bytes:
            self._memory += data
            return
        with _space_errors():
            if self._file is None:
                self._file = self._create()
            self._file.write(data)

    def finish(self) -> None:
        """Take no more bytes; a spool without memory has a file from now on, even if empty.

        Raises:
            NoSpace: the disk is full.
        """
        with _space_errors():
            if self._file is None and self._memory_bytes == 0:
                self._file = self._create()
            if self._file is not None:
                self._file.close()

    def open(self) -> BinaryIO:
        """The bytes from the start; the caller closes. May block on the disk."""
        return io.BytesIO(self._memory) if self.path is None else self.path.open("rb")

    def discard(self) -> None:
        """Forget everything; the file goes unless somebody renamed it away."""
        self._memory.clear()
        if self._file is not None:
            self._file.close()
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    def _create(self) -> IO[bytes]:
        """Make the file; a directory that a crawl has closed is opened again."""
        try:
            descriptor, name = tempfile.mkstemp(_SUFFIX, _PREFIX, self._directory)
        except PermissionError:
            for directory in (self._directory.parent, self._directory):
                make_usable(directory)
            descriptor, name = tempfile.mkstemp(_SUFFIX, _PREFIX, self._directory)
        self.path = Path(name)
        # Unbuffered: what a client sent is on its way to the disk and nowhere in our memory.
        file = os.fdopen(descriptor, "wb", buffering=0)
        file.write(self._memory)
        self._memory.clear()
        return file


class _space_errors:  # noqa: N801  used like a function of contextlib
    """Turn a full disk into `NoSpace`."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError) and error.errno in _FULL:
            raise NoSpace("The disk is full") from error
