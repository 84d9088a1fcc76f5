"""The data directory: where everything lies, and who owns it."""

import fcntl
import json
import os
from pathlib import Path

from scrapy_do.errors import DataDirectoryInUse
from scrapy_do.files.disk import make_private

_LOCK = "owner.lock"
_LONGEST_NOTE = 4096


class DataDirectory:
    """A directory that one daemon owns from `open` to `close`.

    `database` is the file of the SQLite database, `reports_socket` the name of the local
    socket for reports of crawls; the other paths are the roots of the file stores.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.database = root / "scrapy-do.db"
        self.reports_socket = root / "reports.sock"
        self.archives = root / "archives"
        self.artifacts = root
        self.trees = root / "trees"
        self.runs = root / "runs"
        self.spider_data = root / "spider-data"
        self.trash = root / "trash"
        self.listings = root / "listings"
        self._lock: int | None = None

    def open(self) -> None:
        """Make the directory if it is not there, and become its owner.

        Raises:
            DataDirectoryInUse: another daemon owns it; the message says which.
            OSError: it cannot be made or written.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        make_private(self.root)
        descriptor = os.open(self.root / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(descriptor, _LONGEST_NOTE, 0).decode(errors="replace").strip()
            os.close(descriptor)
            raise DataDirectoryInUse(
                f"{self.root} belongs to another daemon that is running ({owner or 'unknown'})"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps({"pid": os.getpid()}).encode(), 0)
        make_private(self.archives)
        make_private(self.runs)
        self._lock = descriptor

    def close(self) -> None:
        """Give the directory up."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
