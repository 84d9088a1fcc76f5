"""Directories for processes that throw everything away: whoever dies, they go.

Blocking: called off the reactor thread.
"""

import os
import stat
import tempfile
from pathlib import Path

from scrapy_do.files.disk import make_private, space_needed
from scrapy_do.files.removal import remove
from scrapy_do.protocol.wire import LISTING_OUTPUT

_SHOWN = 16 * 1024


class ScratchStore:
    """Private directories, each used once; whoever made one removes it."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def make(self) -> Path:
        """Make a directory.

        Raises:
            NoSpace: the disk is full.
        """
        with space_needed("what a project writes while its spiders are listed"):
            return Path(tempfile.mkdtemp(dir=make_private(self._root)))

    def heard(self, directory: Path) -> str:
        """The end of what a project has printed in a directory while its spiders are listed.

        The project could have put anything there: only a file is read, and not much of it.
        """
        try:
            file = os.open(directory / LISTING_OUTPUT, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return ""
        try:
            found = os.fstat(file)
            if not stat.S_ISREG(found.st_mode):
                return ""
            return os.pread(file, _SHOWN, max(0, found.st_size - _SHOWN)).decode(errors="replace")
        finally:
            os.close(file)

    def remove(self, directory: Path) -> None:
        """Remove a directory with all that was left in it, as far as the system allows."""
        remove(directory)

    def sweep(self) -> None:
        """Remove what a killed daemon left; called once at start."""
        for left in make_private(self._root).iterdir():
            remove(left)
