"""The checksum of a SQLite database that was closed in order, in a file beside it.

See Note [How damage is found] in `store/inspection.py`. It guards against accidents, not
against people. Blocking: called while nobody has the database open.
"""

import json
import os
import zlib
from pathlib import Path

from scrapy_do.protocol.regular_file import read_regular

SUMMED_BYTES = 256 * 2**20
"""A larger file gets no checksum: that would take more than a moment."""

_CHUNK_BYTES = 1 << 20
_LARGEST_NOTE_BYTES = 4096


def is_as_it_was_left(path: Path) -> bool | None:
    """Whether a database is, byte by byte, what was closed in order; None if nobody knows."""
    try:
        left = json.loads(read_regular(_place(path), _LARGEST_NOTE_BYTES))
        size, checksum = left["size"], left["crc32"]
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
    if Path(f"{path}-wal").exists():
        return None  # somebody has opened it since, and was killed
    if type(size) is not int or type(checksum) not in {int, type(None)}:
        return None
    if path.stat().st_size != size:
        return False
    return None if checksum is None else checksum == _checksum(path)


def note_closed(path: Path) -> None:
    """Write down what a database is like that was closed in order."""
    if Path(f"{path}-wal").exists():
        return  # another program has it open
    size = path.stat().st_size
    text = json.dumps({"size": size, "crc32": _checksum(path) if size <= SUMMED_BYTES else None})
    unfinished = _place(path).with_suffix(".unfinished")
    unfinished.write_text(text)
    unfinished.replace(_place(path))


def note_opened(path: Path) -> None:
    """Say that a database may change from now on; on the disk when this returns."""
    if _place(path).exists():
        _place(path).unlink()
        sync_parent(path)


def sync_parent(path: Path) -> None:
    """Make the names beside a file survive a power loss."""
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _place(path: Path) -> Path:
    return path.with_name(f"{path.name}.sum")


def _checksum(path: Path) -> int:
    checksum = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            checksum = zlib.crc32(chunk, checksum)
    return checksum
