"""What the file stores share: renames that last, removal in two steps, full disks.

Blocking: called off the reactor thread.
"""

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from scrapy_do.errors import NoSpace

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


def sync_directory(directory: Path) -> None:
    """Make the names inside a directory survive a power loss."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_private(directory: Path) -> Path:
    """Make a directory that only its owner may enter, with its parents; return it."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return directory


def discard(path: Path, trash: Path) -> bool:
    """Remove a file or tree: rename it into the trash, then delete it there.

    Nobody ever sees it half deleted, and what a crash leaves in the trash is removed
    by `empty`. Both paths must lie on one file system.

    Returns:
        Whether there was something to remove.
    """
    grave = trash / uuid4().hex
    try:
        _move(path, grave)
    except FileNotFoundError:
        return False
    _remove(grave)
    sync_directory(path.parent)
    return True


def empty(trash: Path) -> None:
    """Delete everything inside a directory, leaving the directory."""
    for child in trash.iterdir():
        _remove(child)


def _move(path: Path, target: Path) -> None:
    try:
        path.rename(target)
    except PermissionError:  # a read-only directory keeps the entry for its parent, too
        path.chmod(0o700)
        path.rename(target)


def _remove(path: Path) -> None:
    """Delete a file, or a tree whose directories may be read-only."""
    if path.is_symlink() or not path.is_dir():
        path.unlink()
        return
    try:
        shutil.rmtree(path)
    except PermissionError:
        _allow_changes(path)
        shutil.rmtree(path)


def _allow_changes(tree: Path) -> None:
    tree.chmod(0o700)
    for top, directories, _files in os.walk(tree):
        for name in directories:
            child = Path(top, name)
            if stat.S_ISDIR(child.lstat().st_mode):
                child.chmod(0o700)
