"""What the kernel knows of a system under measurement: its processes, memory, processor time."""

import contextlib
import ctypes
import itertools
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO, TypeVar

_PR_SET_CHILD_SUBREAPER = 36
_END_PAUSE_S = 0.02
_END_PATIENCE_S = 30.0
_NUMBERS = itertools.count()
_JOIN = 'echo $$ >"$0" && exec "$@"'

Found = TypeVar("Found")


def until(
    look: Callable[[], Found | None], what: str, *, patience_s: float, pause_s: float
) -> Found:
    """Look again and again until there is something."""
    deadline = time.monotonic() + patience_s
    while not (found := look()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not happen within {patience_s:g} s")
        time.sleep(pause_s)
    return found


def adopt_orphans() -> None:
    """Become the parent of descendants that lose theirs, so that none escapes."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


class Group:
    """A control group: all processes of one system, also those that outlive their parents.

    Where control groups are not ours to make, the descendants of this process stand in,
    but for those in `others`, and the processor time is unknown. After `close` it can be
    used again, and counts from nothing.
    """

    def __init__(self, others: Iterable[int] = ()) -> None:
        self._others = frozenset(others)
        self._directory: Path | None = None
        self._is_used = False
        self._lock = threading.Lock()
        self._started: set[int] = set()

    def spawn(
        self,
        words: Sequence[str | Path],
        *,
        cwd: Path,
        env: Mapping[str, str],
        stdout: int | TextIO,
        stderr: TextIO,
    ) -> subprocess.Popen[str]:
        """Start a program in the group; otherwise as `subprocess.Popen` does."""
        with self._lock:
            if not self._is_used:
                self._directory = _new_directory()
                self._is_used = True
        if self._directory is not None:
            words = ["sh", "-c", _JOIN, self._directory / "cgroup.procs", *words]
        process = subprocess.Popen(
            words,
            text=True,
            stdin=subprocess.DEVNULL,
            cwd=cwd,
            env=env,
            stdout=stdout,
            stderr=stderr,
        )
        self._started.add(process.pid)
        return process

    def pids(self) -> list[int]:
        """The processes that live now."""
        if self._directory is not None:
            return [int(pid) for pid in (self._directory / "cgroup.procs").read_text().split()]
        descendants = _descendants(os.getpid()) if self._is_used else []
        return [pid for pid in descendants if pid not in self._others]

    def cpu_s(self) -> float | None:
        """The processor seconds that all processes have used, those that ended included."""
        if self._directory is None:
            return None
        lines = (self._directory / "cpu.stat").read_text().splitlines()
        return int(dict(line.split() for line in lines)["usage_usec"]) / 1e6

    def close(self) -> None:
        """Kill whatever is left."""
        adopted: set[int] = set()
        while left := self.pids():
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            adopted |= set(left) - self._started
            time.sleep(_END_PAUSE_S)
        for pid in adopted:
            with contextlib.suppress(ChildProcessError):  # it has another parent
                os.waitpid(pid, 0)
        if self._directory is not None:
            until(self._is_removed, "the end", patience_s=_END_PATIENCE_S, pause_s=_END_PAUSE_S)
        self._directory = None
        self._is_used = False
        self._started.clear()

    def _is_removed(self) -> bool:
        """Whether the group could be removed: the kernel takes a moment to bury the last."""
        assert self._directory is not None
        try:
            self._directory.rmdir()
        except OSError:
            return False
        return True


def _new_directory() -> Path | None:
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    ours = [line for line in Path("/proc/self/cgroup").read_text().splitlines() if line[:2] == "0:"]
    for mount in mounts:
        if mount[2] == "cgroup2" and ours:
            name = f"scrapy-do-bench-{os.getpid()}-{next(_NUMBERS)}"
            directory = Path(mount[1]) / ours[0].split(":", 2)[2].lstrip("/") / name
            try:
                directory.mkdir()
            except OSError:
                return None
            return directory
    return None


def _descendants(root: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            after_name = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if after_name[0] not in "ZX":
            children.setdefault(int(after_name[1]), []).append(int(entry.parent.name))
    found, waiting = [], [root]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Memory of some processes together, in bytes.

    `pss` divides shared pages among those that share them, `uss` leaves them out.
    """

    rss: int
    pss: int
    uss: int


def memory_of(pids: Iterable[int]) -> Memory:
    """The memory of those of the processes that live."""
    rss = pss = uss = 0
    for pid in pids:
        try:
            sizes = _sizes(Path(f"/proc/{pid}/smaps_rollup"))
        except OSError:
            continue
        rss += sizes.get("Rss", 0)
        pss += sizes.get("Pss", 0)
        uss += sizes.get("Private_Clean", 0) + sizes.get("Private_Dirty", 0)
    return Memory(rss=rss, pss=pss, uss=uss)


def _sizes(path: Path) -> Mapping[str, int]:
    """The lines `Name:  123 kB` of a file of the kernel, in bytes."""
    lines = (line.split() for line in path.read_text().splitlines())
    return {
        line[0].removesuffix(":"): int(line[1]) * 1024
        for line in lines
        if len(line) == 3 and line[2] == "kB"
    }


def forget_peak(pid: int) -> None:
    """Let the kernel measure the largest resident memory of a process from now on."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def growth_bytes(pid: int, before: int) -> int:
    """How much the resident memory has been above what it was, at most, since `forget_peak`."""
    return _sizes(Path(f"/proc/{pid}/status"))["VmHWM"] - before


def threads_of(pids: Iterable[int]) -> int:
    """How many threads the processes have."""
    return sum(1 for pid in pids for _ in Path(f"/proc/{pid}/task").iterdir())


def wake_ups_of(pids: Iterable[int]) -> int:
    """How often the threads of the processes have gone to sleep so far, and were woken."""
    count = 0
    for pid in pids:
        for status in Path(f"/proc/{pid}/task").glob("*/status"):
            lines = status.read_text().splitlines()
            count += sum(int(line.split()[1]) for line in lines if line.startswith("voluntary"))
    return count


def spin_ms() -> float:
    """How long a fixed piece of work takes now: the noise of this machine."""
    begun = time.perf_counter()
    for _ in range(200_000):
        pass
    return (time.perf_counter() - begun) * 1000
