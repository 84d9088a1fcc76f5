"""The files of a run directory, and how they are written so that each is complete or absent.

A run directory belongs to one attempt of one job. Its entries, in order of appearance:

    order     daemon           what to run (`wire.CrawlSpec`); its open file is handed over
    lock      holder or daemon somebody has decided about this start; held (flock) by a live holder
    started   holder           who runs: before the first instruction of the crawl
    stopping  daemon           the crawl was asked to stop: it is asked once only
    result    crawl            what the crawl itself says at its end (`wire.Result`)
    exit      holder           how the crawl's process ended

Note [Start once]: `lock` is made under another name, locked, and then linked to its
name. Linking is atomic and fails when the name exists, so exactly one of the holder and
the daemon's fence decides; and since it was locked before it had its name, "the name
exists and the lock is free" proves that who decided is dead. A `lock` without `started`
and without a live holder therefore means that the spider never ran.

Note [Withdrawn orders]: an order may lie in the queue of a warm parent while its daemon
dies and the next one fences the start, removes the directory and makes it anew. Who then
comes with the old order would find the lock of the new directory free. Therefore a holder
looks, with the lock in its hand, whether the order in the directory is the very file that
it was given.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

ORDER = "order"
LOCK = "lock"
STARTED = "started"
STOPPING = "stopping"
RESULT = "result"
EXIT = "exit"

MAX_RECORD_BYTES = 64 * 1024 * 1024
_RESERVED_BYTES = 1024
_BOOT_ID = "/proc/sys/kernel/random/boot_id"


class BadRecord(ValueError):
    """A record that is not what its writer writes: the disk or a stranger changed it."""


# --- identities --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessIdentity:
    """Which process: a pid alone is recycled, the three together never are.

    `start_ticks` counts clock ticks since boot.
    """

    pid: int
    start_ticks: int
    boot_id: str


def boot_id() -> str:
    """Return the identity of this boot of the machine."""
    return Path(_BOOT_ID).read_text(encoding="ascii").strip()


def identity_of(pid: int, *, ended_too: bool = False) -> ProcessIdentity | None:
    """Return the identity of a process, or None when there is none.

    A process that has ended but was not yet waited for counts only with `ended_too`.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    # The second field, the program's name, may hold anything; what follows is regular.
    after_name = stat[stat.rindex(b")") + 2 :].split()
    if after_name[0] in (b"Z", b"X") and not ended_too:
        return None
    return ProcessIdentity(pid=pid, start_ticks=int(after_name[19]), boot_id=boot_id())


def own_identity() -> ProcessIdentity:
    """Return the identity of the calling process."""
    identity = identity_of(os.getpid())
    assert identity is not None, "who asks is alive"
    return identity


def is_alive(identity: ProcessIdentity) -> bool:
    """Whether exactly this process exists."""
    return identity_of(identity.pid) == identity


# --- the records -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """Who runs: the crawl's main process, leader of its own session, and its holder."""

    crawl: ProcessIdentity
    holder: ProcessIdentity
    time_ms: int

    def encode(self) -> bytes:
        """Return the record's bytes."""
        return _encode(
            {
                "crawl": _identity_fields(self.crawl),
                "holder": _identity_fields(self.holder),
                "time_ms": self.time_ms,
            }
        )

    @classmethod
    def decode(cls, record: bytes) -> Self:
        """Read the record.

        Raises:
            BadRecord: the bytes are not one.
        """
        content = _decode(record)
        try:
            return cls(
                crawl=_identity(content["crawl"]),
                holder=_identity(content["holder"]),
                time_ms=int(content["time_ms"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BadRecord(f"started: {error!r}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitRecord:
    """How the crawl's main process ended: exactly one of `status` and `signal` is set.

    `user_s` and `system_s` are processor seconds and `max_rss_bytes` the largest
    resident memory of the process and the children it waited for. `memory_kills` is how
    many processes of the machine the kernel has killed meanwhile for lack of memory.
    """

    status: int | None
    signal: int | None
    time_ms: int
    user_s: float
    system_s: float
    max_rss_bytes: int
    memory_kills: int = 0

    def encode(self) -> bytes:
        """Return the record's bytes."""
        return _encode({one.name: getattr(self, one.name) for one in fields(self)})

    @classmethod
    def decode(cls, record: bytes) -> Self:
        """Read the record.

        Raises:
            BadRecord: the bytes are not one.
        """
        content = _decode(record)
        status, signal = content.get("status"), content.get("signal")
        if (status is None) == (signal is None):
            raise BadRecord("exit: exactly one of status and signal must be set")
        try:
            return cls(
                status=None if status is None else int(status),
                signal=None if signal is None else int(signal),
                time_ms=int(content["time_ms"]),
                user_s=float(content["user_s"]),
                system_s=float(content["system_s"]),
                max_rss_bytes=int(content["max_rss_bytes"]),
                memory_kills=int(content.get("memory_kills", 0)),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BadRecord(f"exit: {error!r}") from error


def _encode(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()


def _decode(record: bytes) -> Mapping[str, Any]:
    try:
        content = json.loads(record)
    except ValueError as error:
        raise BadRecord(f"not JSON: {error}") from error
    if not isinstance(content, dict):
        raise BadRecord("not a JSON object")
    return content


def _identity_fields(identity: ProcessIdentity) -> Mapping[str, Any]:
    return {one.name: getattr(identity, one.name) for one in fields(identity)}


def _identity(content: Mapping[str, Any]) -> ProcessIdentity:
    return ProcessIdentity(
        pid=int(content["pid"]),
        start_ticks=int(content["start_ticks"]),
        boot_id=str(content["boot_id"]),
    )


# --- files -------------------------------------------------------------------------------------


def read(run_dir: Path, name: str) -> bytes | None:
    """Return a record's bytes, or None when it was not written (yet).

    Raises:
        BadRecord: the file is larger than any record.
    """
    try:
        with (run_dir / name).open("rb") as file:
            record = file.read(MAX_RECORD_BYTES + 1)
    except FileNotFoundError:
        return None
    if len(record) > MAX_RECORD_BYTES:
        raise BadRecord(f"{name}: too large")
    return record


def write(run_dir: Path, name: str, record: bytes, *, synced: bool) -> None:
    """Write a record under another name and rename it: it is complete or absent.

    `synced` makes it survive a power cut before returning.
    """
    draft = f"{name}.new"
    _write_draft(run_dir, draft, record, synced=synced)
    _publish(run_dir, draft, name, synced=synced)


def reserve(run_dir: Path, name: str) -> None:
    """Take the disk space of a small record now, so that a full disk cannot refuse it later."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
    descriptor = os.open(run_dir / f"{name}.new", flags, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, _RESERVED_BYTES)
    finally:
        os.close(descriptor)


def write_reserved(run_dir: Path, name: str, record: bytes) -> None:
    """Write a record into the space that was reserved for it, sync it, rename it."""
    draft = f"{name}.new"
    descriptor = os.open(run_dir / draft, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, record.ljust(_RESERVED_BYTES))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    _publish(run_dir, draft, name, synced=True)


def sync_directory(directory: Path) -> None:
    """Make the entries of a directory survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_draft(run_dir: Path, draft: str, record: bytes, *, synced: bool) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    descriptor = os.open(run_dir / draft, flags, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(record)
        file.flush()
        if synced:
            os.fsync(descriptor)


def _publish(run_dir: Path, draft: str, name: str, *, synced: bool) -> None:
    (run_dir / draft).rename(run_dir / name)
    if synced:
        sync_directory(run_dir)


# --- the start-once lock -----------------------------------------------------------------------


def take_lock(run_dir: Path) -> int | None:
    """Decide about this start: return the lock's descriptor, or None when it was decided.

    The lock is held while the descriptor, or a copy of it in a forked process, is open.
    It is not inherited by another program. See Note [Start once].
    """
    draft = run_dir / f"{LOCK}.{os.getpid()}"
    flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    descriptor = os.open(draft, flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.write(descriptor, _encode(_identity_fields(own_identity())))
        os.link(draft, run_dir / LOCK)
    except FileExistsError:
        os.close(descriptor)
        return None
    except OSError:
        os.close(descriptor)
        raise
    finally:
        with contextlib.suppress(FileNotFoundError):
            draft.unlink()
    return descriptor


def holds_order(run_dir: Path, order: int) -> bool:
    """Whether the order in the directory is this open file. See Note [Withdrawn orders]."""
    try:
        return os.path.samestat((run_dir / ORDER).stat(), os.fstat(order))
    except FileNotFoundError:
        return False


def is_locked(run_dir: Path) -> bool | None:
    """Whether a live process holds the lock; None when nobody has taken it ever."""
    try:
        descriptor = os.open(run_dir / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def lock_owner(run_dir: Path) -> ProcessIdentity | None:
    """Return which process decided about this start, alive or not; None when unreadable."""
    record = read(run_dir, LOCK)
    if record is None:
        return None
    try:
        return _identity(_decode(record))
    except (BadRecord, KeyError, TypeError, ValueError):
        return None
