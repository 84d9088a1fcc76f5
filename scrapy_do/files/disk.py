"""What the file stores share: renames that last, removal in two steps, full disks.

Blocking: called off the reactor thread.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from scrapy_do.errors import NoSpace
from scrapy_do.files.removal import remove
from scrapy_do.protocol.run_record import sync_directory

_PRIVATE = 0o700
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@contextmanager
def space_needed(what: str) -> Iterator[None]:
    """Turn a full disk or quota inside the block into `NoSpace`; other errors pass."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise NoSpace(f"There is no space left to store {what}") from error
        raise


def make_private(directory: Path) -> Path:
    """Make a directory that only its owner may enter, with its parents; return it.

    One that is there already is made usable again for its owner.

    Raises:
        OSError: it cannot be made, or something else stands in its place.
    """
    if is_private(directory):
        return directory
    try:
        directory.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(
            errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(directory)
        ) from error
    directory.chmod(_PRIVATE)
    return directory


def is_private(directory: Path) -> bool:
    """Whether a path leads to a directory that its owner can use."""
    try:
        mode = directory.stat().st_mode
    except OSError:
        return False
    return stat.S_ISDIR(mode) and mode & _PRIVATE == _PRIVATE


def discard(path: Path, trash: Path) -> bool:
    """Remove a file or tree: rename it into the trash, then delete it there.

    Nobody ever sees it half deleted, and what a crash leaves in the trash is removed
    by `empty`. Both paths must lie on one file system.

    Returns:
        Whether there was something to remove.
    """
    grave = bury(path, trash)
    if grave is None:
        return False
    remove(grave)
    sync_directory(path.parent)
    return True


def bury(path: Path, trash: Path) -> Path | None:
    """Rename a file or tree into the trash; return where it is then, None if there is none."""
    grave = trash / uuid4().hex
    try:
        move(path, grave)
    except FileNotFoundError:
        return None
    return grave


def move(path: Path, target: Path) -> None:
    """Rename a file or tree within a file system, also one that resists."""
    try:
        path.rename(target)
    except PermissionError:  # a read-only directory keeps the entry for its parent, too
        if path.is_symlink():
            raise
        path.chmod(_PRIVATE)
        path.rename(target)


def empty(trash: Path, is_stopped: Callable[[], bool] = lambda: False) -> None:
    """Delete everything inside a directory, leaving the directory; see `removal.remove`."""
    for child in trash.iterdir():
        if is_stopped():
            return
        remove(child, is_stopped)
