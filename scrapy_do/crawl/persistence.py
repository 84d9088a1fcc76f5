"""What Scrapy keeps from one crawl to the next, in a current directory that is each crawl's own.

The HTTP cache, deltafetch and their like write below `.scrapy`, or below what `[datadir]` of
scrapy.cfg names; a crawl that can be resumed below `JOBDIR`. Each such directory is a link to
one of the same name in `SPIDER_DATA_DIR`, which the crawls of a project share: that is what
it is for. A project that brings such a directory along fills it the first time.
"""

import contextlib
import fcntl
import os
import shutil
from pathlib import Path

from scrapy.utils.conf import get_config

DATA = ".scrapy"
_PROJECT_FILE = Path("scrapy.cfg")


def data_directory() -> str:
    """Return where Scrapy keeps its data, as the project in the current directory says it."""
    try:
        if b"[datadir]" in _PROJECT_FILE.read_bytes():
            return get_config().get("datadir", "default", fallback=DATA)
    except (OSError, ValueError):
        pass
    return DATA


def keep(name: str, data: Path) -> Path | None:
    """Let a path below the current directory outlive this crawl.

    Returns:
        Where it is in truth, or None when the path leads out of the current directory or
        is taken by a file; then nothing was done.
    """
    local = Path(name)
    if local.is_absolute() or ".." in local.parts or not local.parts:
        return None
    target, real = data / local, Path(os.path.realpath(local))
    try:
        if real.is_relative_to(os.path.realpath(data)):  # below another one
            real.mkdir(parents=True, exist_ok=True)
            return real
        local.parent.mkdir(parents=True, exist_ok=True)
        if local.is_dir():
            _fill(target, local)
            shutil.rmtree(local)
        local.symlink_to(target)
        target.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return target


def _fill(target: Path, shipped: Path) -> None:
    """Put what the project brought along where there is nothing yet; the first crawl does it."""
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f"{target.name}.{os.getpid()}")
    shutil.copytree(shipped, draft, symlinks=True)
    try:
        draft.rename(target)
    except OSError:  # another crawl was first
        shutil.rmtree(draft, ignore_errors=True)


def take(directory: Path) -> bool:
    """Take a directory for this process until its end; return whether nobody else has it."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    os.close(descriptor)
    return False
