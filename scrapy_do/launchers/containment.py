"""Finds and ends processes, and only the right ones.

Whatever is signalled is first pinned by a pidfd and then compared with what was
recorded: between the comparison and the signal its pid cannot come to mean another.
"""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from scrapy_do.protocol.facts import Process
from scrapy_do.protocol.run_record import identity_of, is_alive, parent_of
from scrapy_do.protocol.wire import MARK

_ROUNDS = 200
_ROUND_S = 0.01


def open_process(identity: Process) -> int | None:
    """Return a pidfd of exactly this process, or None when it has ended."""
    try:
        descriptor = os.pidfd_open(identity.pid)
    except ProcessLookupError:
        return None
    if identity_of(identity.pid) == identity:
        return descriptor
    os.close(descriptor)
    return None


def send(identity: Process, number: signal.Signals) -> bool:
    """Send a signal to exactly this process; return whether it was there."""
    descriptor = open_process(identity)
    if descriptor is None:
        return False
    try:
        signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)
    return True


def is_of_run(identity: Process, mark: str) -> bool:
    """Whether exactly this process exists and carries the mark of a run."""
    return _carries(identity.pid, mark) and identity_of(identity.pid) == identity


def is_child(identity: Process, parent: Process) -> bool:
    """Whether exactly this process exists and was made by, or left to, that one."""
    return parent_of(identity.pid) == parent.pid and identity_of(identity.pid) == identity


def kill_with_group(leader: Process) -> None:
    """Kill a process that leads a process group, and its group.

    While the leader is alive, the group's number cannot be another's.
    """
    descriptor = open_process(leader)
    if descriptor is None:
        return
    try:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(leader.pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    finally:
        os.close(descriptor)


def end_run(mark: str, *known: Process) -> bool:
    """Kill whatever lives of a run, and what is known to; return whether there was anything.

    Blocking, up to a few seconds: to be called in a thread.
    """
    there = list(filter(is_alive, known))
    for identity in there:
        kill_with_group(identity)
    killed = sweep(mark)
    for _ in range(_ROUNDS):
        if not any(map(is_alive, there)):
            break
        time.sleep(_ROUND_S)
    return killed > 0 or bool(there)


def reap(descriptor: int) -> None:
    """Take the exit status of an ended child by its pidfd; nothing if it is not our child.

    A holder becomes ours when we are its nearest living ancestor, as in a container.
    """
    with contextlib.suppress(ChildProcessError):
        os.waitid(os.P_PIDFD, descriptor, os.WEXITED | os.WNOHANG)


def reap_ended(identity: Process) -> None:
    """Do the same for a process that was perhaps our child before we were executed anew."""
    try:
        descriptor = os.pidfd_open(identity.pid)
    except ProcessLookupError:
        return
    if identity_of(identity.pid, ended_too=True) == identity:
        reap(descriptor)
    os.close(descriptor)


def sweep(mark: str) -> int:
    """Kill every process that carries a run's mark, until there is none; return how many.

    Blocking, up to a few seconds: to be called in a thread.
    """
    killed: set[int] = set()
    for _ in range(_ROUNDS):
        found = False
        for pid in _marked(mark):
            found = True
            if _kill_marked(pid, mark):
                killed.add(pid)
        if not found:
            break
        time.sleep(_ROUND_S)
    return len(killed)


def _marked(mark: str) -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and _carries(int(entry.name), mark):
            yield int(entry.name)


def _carries(pid: int, mark: str) -> bool:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False
    return f"{MARK}={mark}".encode() in environment.split(b"\0")


def _kill_marked(pid: int, mark: str) -> bool:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        if not _carries(pid, mark):
            return False
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)
    return True
