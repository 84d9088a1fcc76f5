"""What the holder and its child tell the kernel: Linux calls that `os` has no name for.

Standard library only: this is all that a holder keeps in memory for hours.
"""

import atexit
import contextlib
import ctypes
import fcntl
import os
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import NoReturn

from scrapy_do.crawl.streams import STDERR
from scrapy_do.protocol.wire import MARK, MARK_PLACEHOLDER, CrawlLimits

NEVER_RAN = 70
"""Exit status of a forked process that has done nothing of what it was forked for."""

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36
_MADV_COLLAPSE = 25
_LARGE_PAGE_BYTES = 2 * 1024 * 1024
_REAP_INTERVAL_S = 0.005
_OOM_SCORE = b"500"

_libc = ctypes.CDLL(None, use_errno=True)
_libc.getenv.argtypes = [ctypes.c_char_p]
_libc.getenv.restype = ctypes.c_void_p
_libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


def become_subreaper() -> None:
    """Make orphaned descendants ours instead of the init process's."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent: int) -> None:
    """Be killed when the parent dies; end now if it is dead already."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def outlive_parent() -> None:
    """Take back `die_with_parent`."""
    _prctl(_PR_SET_PDEATHSIG, 0)


def set_name(name: str) -> None:
    """Set what `ps` and `top` show for this process; the kernel keeps 15 bytes.

    What is not printable ASCII becomes a question mark: whoever reads these takes them for text.
    """
    shown = "".join(letter if " " <= letter <= "~" else "?" for letter in name)
    _libc.prctl(_PR_SET_NAME, ctypes.c_char_p(shown.encode()), 0, 0, 0)


def be_the_first_to_go() -> None:
    """Let the kernel end this process rather than the daemon when memory runs out."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_bytes(_OOM_SCORE)


def memory_kills() -> int:
    """Return how many processes the kernel has killed for lack of memory since it was started.

    Source: proc_vmstat, `oom_kill`; it counts those killed for the limit of a control group, too.
    """
    with contextlib.suppress(OSError):  # not every container shows it
        _, _, count = Path("/proc/vmstat").read_bytes().partition(b"\noom_kill ")
        return int(count.partition(b"\n")[0] or 0)
    return 0


def set_limits(limits: CrawlLimits) -> None:
    """Set the resource limits of this process and all its children; no core files ever.

    A limit above what this process may have is cut to that.
    """
    wanted = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_AS: limits.address_space_bytes,
        resource.RLIMIT_NOFILE: limits.open_files,
        resource.RLIMIT_NPROC: limits.processes,
        resource.RLIMIT_FSIZE: limits.file_size_bytes,
    }
    for kind, value in wanted.items():
        if value is None:
            continue
        _, ceiling = resource.getrlimit(kind)
        if ceiling != resource.RLIM_INFINITY:
            value = min(value, ceiling)  # noqa: PLW2901 - the value that is allowed
        resource.setrlimit(kind, (value, value))


def close_all_but(keep: Collection[int]) -> None:
    """Close every file descriptor that is not in `keep`."""
    for descriptor in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208 - numbers, no paths
        if descriptor not in keep:
            with contextlib.suppress(OSError):  # the one that listed the directory
                os.close(descriptor)


def gather_memory() -> None:
    """Let what is in memory now lie in few large pages, where the kernel can do that.

    A fork copies an entry for each page, and the end of a process drops them all. What a forked
    process writes to is copied in small pages all the same. Source: madvise(2), MADV_COLLAPSE.
    """
    for line in Path("/proc/self/maps").read_text(errors="replace").splitlines():
        range_, access, _offset, _device, inode, *_name = line.split()
        if access != "rw-p" or inode != "0":
            continue
        start, end = (int(end, 16) for end in range_.split("-"))
        first, last = -(-start // _LARGE_PAGE_BYTES), end // _LARGE_PAGE_BYTES
        if first < last:
            size_bytes = (last - first) * _LARGE_PAGE_BYTES
            _libc.madvise(first * _LARGE_PAGE_BYTES, size_bytes, _MADV_COLLAPSE)


def pipe() -> tuple[int, int]:
    """Make a pipe whose ends are none of the standard streams, even where one of those is closed.

    Raises:
        OSError: there are too many descriptors.
    """
    ends: list[int] = []
    given = os.pipe()
    try:
        ends.extend(map(above_streams, given))
    except OSError:
        for one in ends:
            os.close(one)
        raise
    finally:
        for one in given:
            os.close(one)
    return ends[0], ends[1]


def above_streams(descriptor: int) -> int:
    """Return a copy of a descriptor that is none of the standard streams, closed on exec."""
    return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, STDERR + 1)


def never_return(work: Callable[[], NoReturn]) -> NoReturn:
    """Do the work of a forked process, which must not come back into the code of its parent."""
    try:
        work()
    except BaseException:  # noqa: BLE001 - whatever it is, nobody else is to handle it
        traceback.print_exc()
    finally:
        os._exit(NEVER_RAN)


def point(descriptor: int, path: str | Path, flags: int) -> None:
    """Make a descriptor of the standard streams refer to a file."""
    opened = os.open(path, flags | os.O_CLOEXEC, 0o600)
    os.dup2(opened, descriptor)
    if opened != descriptor:
        os.close(opened)


def set_environment(environment: Mapping[str, str]) -> None:
    """Make this the whole environment, and the time zone what it says."""
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()


def kill_group(group: int) -> None:
    """Kill every process of a process group, if there is any."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def end_descendants() -> None:
    """Kill and reap all our descendants, until there is none.

    As a subreaper we inherit whoever loses its parent, so killing our children again and
    again reaches everyone, whatever session or group they fled to.
    """
    while True:
        for child in children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        try:
            reaped, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if reaped == 0:
            time.sleep(_REAP_INTERVAL_S)


def children() -> tuple[int, ...]:
    """Return the children of this process, also those it has inherited."""
    pid = os.getpid()
    listing = Path(f"/proc/{pid}/task/{pid}/children").read_bytes()
    return tuple(map(int, listing.split()))


def await_threads() -> None:
    """Wait for all threads that are not daemons, as the interpreter does at its end."""
    threading._shutdown()  # type: ignore[attr-defined] # noqa: SLF001 - as multiprocessing does


def leave(status: int) -> NoReturn:
    """End the process as the interpreter would, but without tearing all modules down.

    Threads that are not daemons are waited for and exit functions run; what is skipped
    is freeing memory, which in a forked process would first copy most of it.
    """
    try:
        await_threads()
        atexit._run_exitfuncs()  # noqa: SLF001 - as multiprocessing does
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                stream.flush()
        os._exit(status)


# --- the mark ----------------------------------------------------------------------------------


class Marker:
    """Writes the run's mark where the kernel shows it to others.

    Note [The mark of a forked process]: `/proc/PID/environ` shows the memory in which
    the kernel put the environment when the program was *executed*; `os.environ` of a
    forked process never gets there. The warm parent is therefore started with a
    placeholder, and a process forked from it overwrites the placeholder in place.
    """

    def __init__(self) -> None:
        address = _libc.getenv(MARK.encode())
        kept = b"" if address is None else ctypes.string_at(address)
        self._address = address if kept == MARK_PLACEHOLDER.encode() else None

    def write(self, mark: str) -> None:
        """Write the mark, if this interpreter was started with a placeholder."""
        room = len(MARK_PLACEHOLDER)
        if self._address is not None:
            ctypes.memmove(self._address, mark.encode().ljust(room, b"\0"), room)


def unmark() -> None:
    """Take the run's mark off this process: who ends the run by its mark shall spare it."""
    address = _libc.getenv(MARK.encode())
    if address is not None:
        ctypes.memset(address, ord("-"), len(ctypes.string_at(address)))


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
