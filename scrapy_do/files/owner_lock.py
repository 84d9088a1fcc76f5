"""A file that one process at a time has locked, with words about who that is."""

import fcntl
import json
import os
from pathlib import Path

from scrapy_do.protocol.regular_file import open_regular

_LONGEST_NOTE = 4096


class OwnerLock:
    """The lock, from `take` to `close`; the system takes it from a process that ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def take(self) -> str | None:
        """Take the lock; return None, or who has it.

        Raises:
            OSError: the file cannot be made or opened, or is no regular file.
        """
        descriptor = open_regular(self._path, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(descriptor, _LONGEST_NOTE, 0).decode(errors="replace").strip()
            os.close(descriptor)
            return owner or "unknown"
        self._descriptor = descriptor
        return None

    def announce(self, **facts: str | int) -> None:
        """Write down who has the lock."""
        assert self._descriptor is not None  # it was taken
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, json.dumps({"pid": os.getpid(), **facts}).encode(), 0)

    def close(self) -> None:
        """Give the lock up."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
