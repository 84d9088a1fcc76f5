"""Directories for processes that throw everything away: whoever dies, they go.

Blocking: called off the reactor thread.
"""

import tempfile
from pathlib import Path

from scrapy_do.files.disk import make_private, space_needed
from scrapy_do.files.removal import remove


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

    def remove(self, directory: Path) -> None:
        """Remove a directory with all that was left in it, as far as the system allows."""
        remove(directory)

    def sweep(self) -> None:
        """Remove what a killed daemon left; called once at start."""
        for left in make_private(self._root).iterdir():
            remove(left)
