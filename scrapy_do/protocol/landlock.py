"""Keeps this process, and all that it starts, away from what is not theirs.

Landlock is asked, which every process may do for itself: it cannot be taken back, it holds for
root as well, and whoever is kept by it can neither look into the memory of a process outside
nor send it a signal. Source: Linux, "Landlock: unprivileged access control".

Note [What can be read]: rights are given to what lies below a directory, and cannot be taken
away again further down. What is to be hidden is therefore walked around: beside it all is
readable, above it only the entries that do not lead to it, and those directories themselves
cannot be listed. What is made later beside it is not readable for this process.

Note [What is not kept]: the kernel does not look at changes of mode, owner and time, at limits
set for other processes, at sockets that have a path, nor at TCP by address.
As root most of that needs capabilities, which are dropped.
"""

import contextlib
import ctypes
import os
import re
import stat
import struct
import sys
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION = 1
_PATH_BENEATH = 1
_PR_SET_NO_NEW_PRIVS = 38
_CAPABILITY_VERSION = 0x20080522

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_REFER, _TRUNCATE = 1 << 13, 1 << 14
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE
_SCOPE_SIGNAL = 2

OLDEST = 2
"""The first version in which a file can be moved to another directory."""
WITH_TRUNCATE, _WITH_NET, WITH_SCOPES = 3, 4, 6

_DEVICES = ("full", "null", "ptmx", "pts", "random", "shm", "tty", "urandom", "zero")
_CAPABILITIES = (0, 1, 2, 3, 4, 5, 6, 7, 10, 18)
"""What root keeps: the rights of files, users and signals, low ports, chroot."""

_BLANKS = re.compile(r"[ \t\n\\]")
_OCTAL = re.compile(r"\\([0-7]{3})")

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
# One rule for each entry beside what is hidden, before each crawl: said once how it is called.
_add_rule = ctypes.CFUNCTYPE(
    *(ctypes.c_long, ctypes.c_long, ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint32),
    use_errno=True,
)(("syscall", _libc))
_RULE = struct.Struct("=Qi")
_PLACE = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


def version() -> int:
    """Which version of Landlock this kernel has; 0: none, or it is switched off."""
    found = _libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION))
    return max(0, int(found))


def confine(*, own: Iterable[Path], shared: Iterable[Path], hidden: Iterable[Path]) -> None:
    """Do at once what `prepared` and `enter` do one after the other.

    Raises:
        OSError: the kernel refuses.
    """
    enter(prepared(own=own, shared=shared, hidden=hidden))


def prepared(*, own: Iterable[Path], shared: Iterable[Path], hidden: Iterable[Path]) -> int | None:
    """Prepare to write only below `own` and `shared`, and to read nothing `hidden` but `own`.

    `shared` gives nothing away that is hidden, wherever links in it lead by now.
    What is not there is passed over. The code of this interpreter stays readable wherever it lies.

    Returns:
        A descriptor for `enter`; None where the kernel is too old, with a `version` below `OLDEST`.

    Raises:
        OSError: the kernel refuses.
    """
    known = version()
    if known < OLDEST:
        return None
    away = _places_of(sorted({_real(path) for path in hidden if os.path.lexists(path)}))
    all_rights = (_REFER << 1) - 1 | (_TRUNCATE if known >= WITH_TRUNCATE else 0)
    ruleset = _ruleset(known, all_rights)
    try:
        for path in (*map(_real, own), *_beside(away, map(_real, shared))):
            _allow(ruleset, path, all_rights)
        for name in _DEVICES:
            _allow(ruleset, f"/dev/{name}", all_rights)
        # Their threads and descriptors are files there.
        of_own = _READ | _WRITE_FILE | all_rights & _TRUNCATE
        _allow(ruleset, f"/proc/{os.getpid()}", of_own)
        for path in (*_around(away | {"/dev"}, "/"), *_code(away)):
            _allow(ruleset, path, _READ)
    except BaseException:
        os.close(ruleset)
        raise
    return ruleset


def enter(ruleset: int | None) -> None:
    """Keep this process, and all that it starts, to what was prepared; closes the descriptor.

    Raises:
        OSError: the kernel refuses.
    """
    if ruleset is None:
        return
    try:
        _drop_capabilities()
        _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), 0, 0, 0))
        _check(_libc.syscall(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0)))
    finally:
        os.close(ruleset)


def _places_of(hidden: Collection[str]) -> set[str]:
    """The same, and where else it can be reached; mostly nowhere, which is seen quickly."""
    mounts = Path("/proc/self/mountinfo").read_text(errors="surrogateescape")
    devices = {f" {os.major(one)}:{os.minor(one)} " for one in map(_device_of, hidden)}
    # Names with blanks are written there otherwise.
    within = any(f" {path}/" in mounts or _BLANKS.search(path) for path in hidden)
    if not within and all(mounts.count(device) == 1 for device in devices):
        return set(hidden)
    return set(map(str, places_of(set(map(Path, hidden)), mounts)))


def _device_of(path: str) -> int:
    return os.lstat(path).st_dev


def places_of(hidden: Collection[Path], mounts: str) -> set[Path]:
    """Where else the same can be reached, and there: a directory may be mounted more than once.

    `mounts` is what Linux says of them, see proc_pid_mountinfo(5).
    """
    known = []
    for line in filter(None, mounts.split("\n")):
        _, _, device, *paths = line.split(" ")[:5]
        root, place = (Path(_OCTAL.sub(lambda found: chr(int(found[1], 8)), it)) for it in paths)
        known.append((device, root, place))
    places = {*hidden}
    within = {place for *_, place in known if any(place.is_relative_to(one) for one in hidden)}
    for path in (*hidden, *within):
        above = [one for one in known if path.is_relative_to(one[2])]
        if not above:  # it lies in the directory that is the root of this process
            continue
        # Of those on the same place the last one covers the others.
        device, root, place = max(reversed(above), key=lambda one: len(one[2].parts))
        inner = root / path.relative_to(place)
        for other, its_root, its_place in known:
            if other == device and inner.is_relative_to(its_root):
                places.add(its_place / inner.relative_to(its_root))
            elif other == device and its_root.is_relative_to(inner):
                places.add(its_place)
    return places


def _ruleset(known: int, rights: int) -> int:
    words = [rights]
    if known >= _WITH_NET:
        words.append(0)
    if known >= WITH_SCOPES:
        words.append(_SCOPE_SIGNAL)
    handled = struct.pack(f"={len(words)}Q", *words)
    made = _libc.syscall(
        _CREATE_RULESET, handled, ctypes.c_size_t(len(handled)), ctypes.c_uint32(0)
    )
    return _check(made)


def _allow(ruleset: int, path: str, rights: int) -> None:
    """Give rights to a file, or to all below a directory; a link is not followed."""
    try:
        descriptor = os.open(path, _PLACE)
    except OSError:  # it is gone, or nothing that this user gets at
        return
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISLNK(mode):
            given = rights if stat.S_ISDIR(mode) else rights & _OF_FILES
            rule = _RULE.pack(given, descriptor)
            _check(_add_rule(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0))
    finally:
        os.close(descriptor)


def _beside(away: Collection[str], paths: Iterable[str]) -> Iterator[str]:
    """What of these, and of what is below them, is not hidden."""
    for path in paths:
        if not any(_is_in(path, one) for one in away):
            is_above = any(_is_in(one, path) for one in away)
            yield from _around(away, path) if is_above else (path,)


def _around(away: Collection[str], directory: str) -> Iterator[str]:
    """What lies in a directory and neither is nor leads to what is hidden; no links."""
    above = set().union(*map(_above, away))
    # One that cannot be listed has nothing to give, either.
    with contextlib.suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            if entry.path in above:
                yield from _around(away, entry.path)
            elif entry.path not in away and not entry.is_symlink():
                yield entry.path


def _code(away: Collection[str]) -> Iterator[str]:
    """Where modules come from, unless what is hidden lies in it."""
    above = set(away).union(*map(_above, away))
    for path in map(_real, filter(None, {sys.prefix, sys.base_prefix, *sys.path})):
        if path not in above:
            yield path


def _above(path: str) -> Iterator[str]:
    while path != "/":
        path = path.rpartition("/")[0] or "/"
        yield path


def _is_in(path: str, directory: str) -> bool:
    return path == directory or path.startswith(f"{directory.rstrip('/')}/")


def _real(path: str | Path) -> str:
    return os.path.realpath(path)


def _drop_capabilities() -> None:
    """Keep what root needs for files; without capabilities, as mostly, nothing changes."""
    kept = sum(1 << number for number in _CAPABILITIES)
    header = struct.pack("=Ii", _CAPABILITY_VERSION, 0)
    held = ctypes.create_string_buffer(24)
    _check(_libc.capget(header, held))
    low_effective, low_permitted, low_inheritable, *_high = struct.unpack("=6I", held.raw)
    few = (low_effective & kept, low_permitted & kept, low_inheritable & kept)
    _check(_libc.capset(header, struct.pack("=6I", *few, 0, 0, 0)))


def _check(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return int(result)
