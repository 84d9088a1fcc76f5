"""The records of a run, and how they are written so that each is complete or absent.

They lie in a directory of one attempt of one job. Its entries, in order of appearance:

    order     daemon           what to run (`wire.CrawlSpec`); its open file is handed over
    lock      holder or daemon somebody has decided about this start; held (flock) by a live holder
    started   holder           who runs: before the first instruction of the crawl
    stopping  daemon           the crawl was asked to stop: it is asked once only
    exit      holder           how the crawl's process ended

A crawl has a directory of its own, and there leaves `result`, what it says itself at its
end (`wire.Result`). See Note [Sealed ends].

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

Note [Sealed ends]: a crawl that runs as the user of the daemon can write wherever the
daemon can, so that a record is there proves nothing. What it cannot do is read the memory
of its holder before it was made: the holder draws a secret, keeps it to itself, writes the
digest of it (the seal) into `started` and announces that on a pipe of its own; the secret
comes to the disk with `exit` only. An exit without the secret was not written by the holder.
Nothing is kept for that but the records themselves, so it survives every restart.
"""

import contextlib
import errno
import fcntl
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from scrapy_do.protocol.facts import Process
from scrapy_do.protocol.regular_file import make_usable, open_regular, read_whole

ORDER = "order"
LOCK = "lock"
STARTED = "started"
STOPPING = "stopping"
RESULT = "result"
EXIT = "exit"

MAX_RECORD_BYTES = 64 * 1024
LATEST_MS = 253_402_300_799_999
"""The last millisecond of the last year that dates have."""

SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""What is no damage but passes."""


def is_shortage(error: Exception) -> bool:
    """Whether the system had too little of something just now, so that one may ask again."""
    return isinstance(error, OSError) and error.errno in SHORTAGES


_LEVELS = 3
_USABLE = 0o700
_SECRET_BYTES = 16
_LARGEST_PID = 2**31 - 1
_LARGEST = 2**63 - 1
_RESERVED_BYTES = 1024
_BOOT_ID = "/proc/sys/kernel/random/boot_id"


class BadRecord(ValueError):
    """A record that is not what its writer writes: the disk or a stranger changed it."""


def new_secret() -> str:
    """Draw what only the holder of a crawl knows. See Note [Sealed ends]."""
    return os.urandom(_SECRET_BYTES).hex()


def seal_of(secret: str) -> str:
    """Return what may be told of a secret."""
    try:
        # A holder lives for hours: `hashlib` would take as much memory as all the rest of it.
        from _blake2 import blake2s  # noqa: PLC0415
    except ImportError:
        from hashlib import blake2s  # noqa: PLC0415
    return blake2s(secret.encode()).hexdigest()


# --- identities --------------------------------------------------------------------------------


@cache
def boot_id() -> str:
    """Return the identity of this boot of the machine."""
    return Path(_BOOT_ID).read_text(encoding="ascii").strip()


def identity_of(pid: int, *, ended_too: bool = False) -> Process | None:
    """Return the identity of a process, or None when there is none.

    A process that has ended but was not yet waited for counts only with `ended_too`.
    """
    after_name = _status_of(pid)
    if not after_name or (after_name[0] in (b"Z", b"X") and not ended_too):
        return None
    return Process(pid=pid, start_ticks=int(after_name[19]), boot_id=boot_id())


def parent_of(pid: int) -> int | None:
    """Return the parent of a process, or None when there is no such process."""
    after_name = _status_of(pid)
    return int(after_name[1]) if after_name else None


def _status_of(pid: int) -> list[bytes]:
    """Return the fields of a process that follow its name; none when there is no process."""
    try:
        status = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return []
    # The second field, the program's name, may hold anything; what follows is regular.
    return status[status.rindex(b")") + 2 :].split()


def own_identity() -> Process:
    """Return the identity of the calling process."""
    identity = identity_of(os.getpid())
    assert identity is not None, "who asks is alive"
    return identity


def is_alive(identity: Process) -> bool:
    """Whether exactly this process exists."""
    return identity_of(identity.pid) == identity


# --- the records -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRecord:
    """Who runs: the crawl's main process, leader of its own session, and its holder.

    `seal` is empty in records of versions that had none.
    """

    crawl: Process
    holder: Process
    time_ms: int
    seal: str = ""

    def encode(self) -> bytes:
        """Return the record's bytes."""
        return _encode(
            {
                "crawl": _identity_fields(self.crawl),
                "holder": _identity_fields(self.holder),
                "time_ms": self.time_ms,
                "seal": self.seal,
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
                time_ms=_whole(content, "time_ms", LATEST_MS),
                seal=_text(content.get("seal", "")),
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
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
    secret: str = ""

    def is_sealed(self, started: StartRecord) -> bool:
        """Whether the holder that wrote `started` wrote this. See Note [Sealed ends]."""
        return not started.seal or seal_of(self.secret) == started.seal

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
                status=None if status is None else _whole(content, "status", _LARGEST_PID),
                signal=None if signal is None else _whole(content, "signal", _LARGEST_PID),
                time_ms=_whole(content, "time_ms", LATEST_MS),
                user_s=float(content["user_s"]),
                system_s=float(content["system_s"]),
                max_rss_bytes=_whole(content, "max_rss_bytes", _LARGEST),
                memory_kills=int(content.get("memory_kills", 0)),
                secret=_text(content.get("secret", "")),
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise BadRecord(f"exit: {error!r}") from error


def _encode(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()


def _decode(record: bytes) -> Mapping[str, Any]:
    try:
        content = json.loads(record)
    except (ValueError, RecursionError) as error:
        raise BadRecord(f"not JSON: {error}") from error
    if not isinstance(content, dict):
        raise BadRecord("not a JSON object")
    return content


def _identity_fields(identity: Process) -> Mapping[str, Any]:
    return {one.name: getattr(identity, one.name) for one in fields(identity)}


def _identity(content: Mapping[str, Any]) -> Process:
    return Process(
        # A signal to 0 or 1 would be one to all of a group, or to the init process.
        pid=_whole(content, "pid", _LARGEST_PID, smallest=2),
        start_ticks=_whole(content, "start_ticks", _LARGEST),
        boot_id=_text(content["boot_id"]),
    )


def _whole(content: Mapping[str, Any], name: str, largest: int, smallest: int = 0) -> int:
    value = content[name]
    if type(value) is not int or not smallest <= value <= largest:
        raise ValueError(f"{name} is out of range")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a text is missing")
    return value


# --- files -------------------------------------------------------------------------------------


def is_there(run_dir: Path) -> bool:
    """Whether the directory of a run's records exists; it is made usable, where that is needed.

    Raises:
        BadRecord: something else stands in its place.
    """
    try:
        _make_usable(run_dir)
        kind = run_dir.lstat().st_mode
    except FileNotFoundError:
        return False
    except OSError as error:
        raise _damage("the directory of its records", error) from error
    if not stat.S_ISDIR(kind):
        raise BadRecord("the directory of its records is no directory")
    return True


def _make_usable(run_dir: Path) -> None:
    """Take back what a crawl has closed to us: the directory or one of those above it."""
    for directory in (*reversed(run_dir.parents[:_LEVELS]), run_dir):
        make_usable(directory)


def read(run_dir: Path, name: str, limit_bytes: int = MAX_RECORD_BYTES) -> bytes | None:
    """Return a record's bytes, or None when it was not written (yet).

    Raises:
        BadRecord: it is no regular file, or one that cannot be read, or too large.
        OSError: one of the `SHORTAGES`.
    """
    try:
        descriptor = open_regular(run_dir / name)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _damage(name, error) from error
    try:
        record = read_whole(descriptor, limit_bytes)
    except OSError as error:
        raise _damage(name, error) from error
    finally:
        os.close(descriptor)
    if record is None:
        raise BadRecord(f"{name} is too large")
    return record


def _damage(what: str, error: OSError) -> Exception:
    """What an error of the system means for who reads a record."""
    return error if error.errno in SHORTAGES else BadRecord(f"{what}: {error.strerror}")


def write(run_dir: Path, name: str, record: bytes, *, synced: bool) -> None:
    """Write a record under another name and rename it: it is complete or absent.

    `synced` makes it survive a power cut before returning.
    """
    draft = f"{name}.new"
    _write_draft(run_dir, draft, record, synced=synced)
    _publish(run_dir, draft, name, synced=synced)


def reserve(run_dir: Path, name: str) -> int:
    """Take the disk space of a small record now, so that a full disk cannot refuse it later.

    Returns:
        The descriptor of the file, for `write_reserved`.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
    descriptor = os.open(run_dir / f"{name}.new", flags, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, _RESERVED_BYTES)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def write_reserved(run_dir: Path, name: str, record: bytes, descriptor: int) -> None:
    """Write a record into the space that was reserved for it, sync it, rename it.

    Whatever a crawl has put in its way, and left there, is set aside.
    """
    draft = f"{name}.new"
    record = record.ljust(_RESERVED_BYTES)
    os.pwrite(descriptor, record, 0)
    os.fsync(descriptor)
    try:
        if os.path.samestat((run_dir / draft).lstat(), os.fstat(descriptor)):
            _publish(run_dir, draft, name, synced=True)
            return
    except OSError:
        run_dir.chmod(_USABLE)
    for taken in (draft, name):
        with contextlib.suppress(FileNotFoundError):
            (run_dir / taken).rename(run_dir / f"{taken}.{uuid4().hex}")
    write(run_dir, name, record, synced=True)


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
    """Whether a live process holds the lock; None when nobody has taken it ever.

    Raises:
        BadRecord: it is no regular file, or one that cannot be opened.
        OSError: one of the `SHORTAGES`.
    """
    try:
        descriptor = open_regular(run_dir / LOCK, os.O_RDWR)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _damage(LOCK, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def lock_owner(run_dir: Path) -> Process | None:
    """Return which process says that it decided about this start; None when unreadable."""
    try:
        record = read(run_dir, LOCK)
        return None if record is None else _identity(_decode(record))
    except (BadRecord, KeyError, TypeError, ValueError, OverflowError):
        return None
