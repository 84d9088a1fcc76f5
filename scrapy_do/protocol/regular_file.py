"""Opening and locking files, and directories, that a crawl may have tampered with."""

import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# What opening a path says when there is no regular file.
NO_FILE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.EINVAL})

_LOCK_WAIT_S = 0.005
_PIECE_BYTES = 32 * 1024
_USABLE = 0o700


def make_usable(directory: Path) -> bool:
    """Open a directory again that a crawl has closed to its owner; return whether it had.

    Raises:
        OSError: it is not there, or not ours.
    """
    mode = directory.lstat().st_mode
    if not stat.S_ISDIR(mode) or mode & _USABLE == _USABLE:
        return False
    directory.chmod(_USABLE)
    return True


def open_regular(path: Path, flags: int = os.O_RDONLY) -> int:
    """Open a file that a crawl may have tampered with: never a link, a pipe or a device.

    Raises:
        OSError: it is not there (unless `flags` make it), or is no regular file.
    """
    # A named pipe would block without O_NONBLOCK; it means nothing for regular files.
    safe = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags | safe, 0o600)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "not a regular file", str(path))


def read_regular(path: Path, limit_bytes: int) -> bytes:
    """Read a small file, whatever may have come to stand in its place.

    Raises:
        OSError: it is not there, no regular file, or larger than that.
    """
    descriptor = open_regular(path)
    try:
        content = read_whole(descriptor, limit_bytes)
    finally:
        os.close(descriptor)
    if content is None:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return content


def read_whole(descriptor: int, limit_bytes: int) -> bytes | None:
    """Read to the end; None if that is more than the limit.

    A piece at a time: room for as much as is asked for is taken first, however little there is,
    and room of some megabytes, taken in many threads by turns, is never given back as a whole.
    """
    content = bytearray()
    while piece := os.read(descriptor, _PIECE_BYTES):
        content += piece
        if len(content) > limit_bytes:
            return None
    return bytes(content)


@contextmanager
def opened(path: Path) -> Iterator[int | None]:
    """Open a file for reading; None if there is no regular file, whatever else there is."""
    try:
        descriptor = open_regular(path)
    except OSError as error:
        if error.errno not in NO_FILE:
            raise
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def lock_patiently(descriptor: int, patience_s: float) -> None:
    """Lock a file that a foreign process may keep locked for ever.

    Raises:
        BlockingIOError: it was kept locked for longer than that.
    """
    deadline_s = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline_s:
                raise
            time.sleep(_LOCK_WAIT_S)
        else:
            return
