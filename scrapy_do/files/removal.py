"""Removing trees that somebody else has made: of any depth, unreadable, with links and mounts.

Nothing is followed and nothing is called recursively: what lies in a directory within the
tree is moved up to the top of the tree, until all there is lies there and is gone. So two
open directories and no list are enough for every tree, and a removal that was killed is
simply done again. Blocking: called off the reactor thread.
"""

import contextlib
import os
import stat
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PRIVATE = 0o700


def remove(path: Path, is_stopped: Callable[[], bool] = lambda: False) -> bool:
    """Remove a file or tree that nobody needs; return whether it is gone.

    It is not when `is_stopped` says so meanwhile, or when the system refuses: for a mounted
    file system, a file that may not be changed, a directory that others go on filling.
    """
    try:
        parent = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        return _delete(parent, path.name) or (
            _empty(parent, path.name, is_stopped) and _delete(parent, path.name)
        )
    finally:
        os.close(parent)


def _empty(parent: int, name: str, is_stopped: Callable[[], bool]) -> bool:
    """Empty a directory for as long as that gets ahead."""
    try:
        top = _open(parent, name)
    except OSError:
        return False
    try:
        gets_ahead = True
        while gets_ahead:
            gets_ahead = False
            with os.scandir(top) as entries:
                for entry in entries:
                    if is_stopped():
                        return False
                    gets_ahead |= _delete(top, entry.name) or _flatten(top, entry.name)
    finally:
        os.close(top)
    return True


def _flatten(top: int, name: str) -> bool:
    """Move what lies in a directory up, so that it can be removed; return whether that got ahead.

    The directory is renamed first: for one on which something is mounted the system refuses
    that, and what is mounted is not ours.
    """
    moved = uuid4().hex
    try:
        os.rename(name, moved, src_dir_fd=top, dst_dir_fd=top)
        directory = _open(top, moved)
    except OSError:
        return False
    gets_ahead = False
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                gets_ahead |= _delete(directory, entry.name) or _move_up(directory, entry.name, top)
    finally:
        os.close(directory)
    return _delete(top, moved) or gets_ahead


def _move_up(directory: int, name: str, top: int) -> bool:
    try:
        # A directory that changes its parent must be writable itself.
        os.close(_open(directory, name))
        os.rename(name, uuid4().hex, src_dir_fd=directory, dst_dir_fd=top)
    except OSError:
        return False
    return True


def _delete(directory: int, name: str) -> bool:
    """Remove an entry that is no directory, or an empty one."""
    try:
        os.unlink(name, dir_fd=directory)
    except FileNotFoundError:
        return True
    except OSError:  # what it is for a directory is not the same everywhere
        with contextlib.suppress(OSError):
            os.rmdir(name, dir_fd=directory)
            return True
        return False
    return True


def _open(parent: int, name: str) -> int:
    """Open a directory, and make it one that we may read and change.

    Raises:
        OSError: it is no directory, or not ours.
    """
    try:
        descriptor = os.open(name, _DIRECTORY, dir_fd=parent)
    except PermissionError:
        place = os.open(name, os.O_PATH | _DIRECTORY, dir_fd=parent)
        try:
            os.chmod(f"/proc/self/fd/{place}", _PRIVATE)  # noqa: PTH101 - exactly what was opened
        finally:
            os.close(place)
        descriptor = os.open(name, _DIRECTORY, dir_fd=parent)
    if stat.S_IMODE(os.fstat(descriptor).st_mode) & _PRIVATE != _PRIVATE:
        try:
            os.fchmod(descriptor, _PRIVATE)
        except OSError:
            os.close(descriptor)
            raise
    return descriptor
