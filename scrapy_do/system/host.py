"""This machine and its processes, as psutil sees them: the only import of psutil.

Blocking: called off the reactor thread, but for `Host.disk`.
"""

import contextlib
import platform
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessLoad:
    """What a process uses: resident memory, and per cent of one core since the last look."""

    memory_bytes: int
    cpu_percent: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What is left of a machine: of its memory, and of the disk that holds a directory."""

    disk_free_bytes: int
    disk_bytes: int
    memory_free_bytes: int
    memory_bytes: int


class Host:
    """What is measured of this machine; `directory` lies on the disk that is looked at."""

    def __init__(self, directory: Path) -> None:
        self.name = platform.node()
        self._directory = directory
        self._process = psutil.Process()

    def load(self) -> ProcessLoad:
        """What this process uses; `cpu_percent` is 0 at the first look."""
        return ProcessLoad(
            memory_bytes=self._process.memory_info().rss,
            cpu_percent=self._process.cpu_percent(),
        )

    def disk(self) -> tuple[int, int]:
        """How much is free on the disk, and its size; the kernel has both at hand."""
        disk = psutil.disk_usage(str(self._directory))
        return disk.free, disk.total

    def room(self) -> Room:
        """How much room is left."""
        free, total = self.disk()
        memory = psutil.virtual_memory()
        return Room(
            disk_free_bytes=free,
            disk_bytes=total,
            memory_free_bytes=memory.available,
            memory_bytes=memory.total,
        )

    def crawl_memory_bytes(self, pids: Iterable[int]) -> dict[int, int]:
        """The memory of each crawl, by the pid of its process; gone ones are left out.

        A crawl is all that its holder, its parent, is the ancestor of: what a crawl starts and
        abandons comes under its holder.

        It is the memory that no other process shares, so that crawls forked from one parent
        are not each charged with what they have in common.
        """
        sizes = {}
        for pid in pids:
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                holder = psutil.Process(pid).ppid()
                sizes[pid] = sum(map(_own_bytes, {pid, *_below(holder)}))
        return sizes


def _below(pid: int) -> Iterator[int]:
    """The processes that one is the ancestor of, without a look at all others that there are."""
    waiting = [pid]
    while waiting:
        for task in Path(f"/proc/{waiting.pop()}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found = [int(child) for child in task.read_bytes().split()]
                yield from found
                waiting += found


def _own_bytes(pid: int) -> int:
    """The unshared memory of one process, 0 when it is gone."""
    try:
        memory = psutil.Process(pid).memory_full_info()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0
    return int(memory.uss)


@cache
def python_and_scrapy() -> tuple[str, str]:
    """The versions of this Python, and of the Scrapy that is installed for it."""
    return platform.python_version(), version("scrapy")
