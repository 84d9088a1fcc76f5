"""The trees that crawls run in: the project unpacked for each, made ahead, used again.

A run's current directory is an unpacked archive, its sources compiled, that nobody else reads
or writes: what a run does to it is its own business, root or not. Links instead of copies
would not do: who may write a file may write it by each of its names.

Note [What a tree costs]: a tree is taken by rename. When its run is over, it is looked
through once, for the files to be kept with the job; if no file of the project was touched,
what is new is put aside and the tree goes back to be taken again. A file counts as
untouched when inode and change time are those that were noted when it was made: the
change time is the kernel's, a program cannot set it. So a project is unpacked once for each
run that goes on at the same time, not once for each run.

All of this can be made anew from the archives. Nothing is synced: the directory carries the
number of the boot, and what was made before the last boot is removed. It carries the name
of the interpreter's compiled files, too, so that another one compiles for itself.

Blocking: called off the reactor thread. Safe for several threads of one process.
"""

import contextlib
import errno
import json
import os
import shutil
import stat
import sys
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from configparser import RawConfigParser
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from uuid import uuid4

from scrapy_do.core.project import ArchiveRef
from scrapy_do.files.archives import ArchiveStore
from scrapy_do.files.disk import bury, empty, make_private, space_needed
from scrapy_do.protocol.regular_file import read_regular

MOST_SPARE = 16
"""How many trees of one version wait to be taken."""

SPARE_BYTES = 512 * 1024 * 1024
"""How much of the disk the waiting trees of all versions take together."""

DEEPEST = 64
"""How many levels of directories are looked into for what a run has left."""

MOST_SEEN = 200_000
"""How many names are looked at for what a run has left."""

_LAYOUT = "1"
_HALF = "compiling-"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_PROJECT_FILE = "scrapy.cfg"
_BLOCK_BYTES = 4096
_COARSE_CLOCK = 5
"""CLOCK_REALTIME_COARSE of Linux, the clock of file times; `time` has no name for it."""
_TICK_S = 0.001
_DIRECTORY_MODE = 0o755
_MOST_MANIFEST_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What trees are made of: an archive, the project's directory in it, its settings."""

    archive: ArchiveRef
    root: str
    settings_module: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a run has its tree; its manifest, out of the run's reach; and what is put aside."""

    tree: Path
    manifest: Path
    rest: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftFile:
    """A regular file that a run has made or changed. `path` is relative to `Left.directory`."""

    path: str
    size_bytes: int
    modified_ns: int
    links: int


@dataclass(slots=True, kw_only=True)
class Left:
    """What a run has left in its tree.

    `strangers` are the names, relative to the tree, that were not there before, topmost
    ones only. `is_pristine` says that all that was there before is as it was. `unseen` says
    that there was more than was looked at.
    """

    directory: Path
    files: list[LeftFile] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    is_pristine: bool = True
    unseen: bool = False


_Note = tuple[int, int, int, int]


def _note(status: os.stat_result) -> _Note:
    """Return what shows whether a file is as it was: inode, change time, modification, size."""
    return (status.st_ino, status.st_ctime_ns, status.st_mtime_ns, status.st_size)


# --- the copy ----------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class Manifest:
    """What a tree held when it was made, by path: files as `_note` says it.

    Directories end with a slash, `""` is the tree itself; they are noted with their
    inode, modification time (ns) and mode.
    """

    digest: str
    root: str
    files: dict[str, _Note] = field(default_factory=dict)
    directories: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    bytes_on_disk: int = 0

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the manifest of a taken tree.

        Raises:
            OSError: there is none.
            ValueError: it is not what was written.
        """
        try:
            text = read_regular(path, _MOST_MANIFEST_BYTES)
        except OSError as error:
            if error.errno == errno.EFBIG:
                raise ValueError("no manifest: too large") from error
            raise
        try:
            content = json.loads(text)
            return cls(
                digest=str(content["digest"]),
                root=str(content["root"]),
                files={path: (a, b, c, d) for path, (a, b, c, d) in content["files"].items()},
                directories={path: (a, b, c) for path, (a, b, c) in content["directories"].items()},
                bytes_on_disk=int(content["bytes"]),
            )
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"no manifest: {error!r}") from error

    def write(self, path: Path) -> None:
        """Write it down."""
        content = {
            "digest": self.digest,
            "root": self.root,
            "bytes": self.bytes_on_disk,
            "files": self.files,
            "directories": self.directories,
        }
        path.write_text(json.dumps(content, separators=(",", ":")), encoding="ascii")


def _note_all(directory: Path, manifest: Manifest, below: str = "") -> None:
    """Note what lies in a directory; `below` ends with a slash, or is empty for the tree."""
    with os.scandir(directory) as entries:
        for entry in entries:
            path = f"{below}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                _note_all(Path(entry.path), manifest, f"{path}/")
                continue
            status = entry.stat(follow_symlinks=False)
            manifest.files[path] = _note(status)
            manifest.bytes_on_disk += status.st_size + _BLOCK_BYTES
    status = directory.lstat()
    manifest.directories[below] = (status.st_ino, status.st_mtime_ns, status.st_mode)


# --- what a run has left -----------------------------------------------------------------------


def look_through(tree: Path, manifest: Manifest) -> Left:
    """Say what a run has left in its tree, without following anything out of it."""
    left = Left(directory=tree / manifest.root)
    unmet = {*manifest.files, *manifest.directories}
    descriptor = os.open(tree, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _Look(left, manifest, unmet, os.fstat(descriptor).st_dev).into(descriptor, "", 0)
    finally:
        os.close(descriptor)
    left.is_pristine = left.is_pristine and not unmet and not left.unseen
    left.files.sort(key=lambda file: file.path)
    return left


class _Look:
    """One walk through a tree."""

    def __init__(self, left: Left, manifest: Manifest, unmet: set[str], device: int) -> None:
        self._left = left
        self._manifest = manifest
        self._unmet = unmet
        self._device = device
        self._seen = 0
        self._below = f"{manifest.root}/" if manifest.root else ""

    def into(self, directory: int, path: str, depth: int) -> None:
        """Look into a directory; `path` ends with a slash, or is empty for the tree itself."""
        is_own = path in self._manifest.directories
        self._unmet.discard(path)
        if is_own and not self._is_untouched_directory(directory, path):
            self._left.is_pristine = False
        with os.scandir(directory) as entries:
            for entry in entries:
                self._seen += 1
                if self._seen > MOST_SEEN:
                    self._left.unseen = True
                    return
                status = entry.stat(follow_symlinks=False)
                name = path + entry.name
                if stat.S_ISDIR(status.st_mode):
                    known = f"{name}/" in self._manifest.directories
                    self._enter(directory, entry.name, f"{name}/", depth)
                else:
                    known = name in self._manifest.files
                    self._take(name, status)
                if is_own and not known:
                    self._left.strangers.append(name)

    def _is_untouched_directory(self, directory: int, path: str) -> bool:
        status = os.fstat(directory)
        inode, _, mode = self._manifest.directories[path]
        foreign = [name for name in os.listxattr(directory) if not name.startswith("security.")]
        return (status.st_ino, status.st_mode) == (inode, mode) and not foreign

    def _enter(self, directory: int, name: str, path: str, depth: int) -> None:
        if depth >= DEEPEST:
            self._left.unseen = True
            return
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            inner = os.open(name, flags, dir_fd=directory)
        except OSError:  # a directory that its maker has closed to everybody
            self._left.unseen = True
            return
        try:
            if os.fstat(inner).st_dev == self._device:
                self.into(inner, path, depth + 1)
        finally:
            os.close(inner)

    def _take(self, name: str, status: os.stat_result) -> None:
        noted = self._manifest.files.get(name)
        if noted is not None:
            self._unmet.discard(name)
            if noted == _note(status):
                return
            self._left.is_pristine = False
            if noted[2:] == _note(status)[2:]:  # its mode was changed, or it got another name
                return
        if stat.S_ISREG(status.st_mode) and name.startswith(self._below) and not _is_cache(name):
            self._left.files.append(
                LeftFile(
                    path=name.removeprefix(self._below),
                    size_bytes=status.st_size,
                    modified_ns=status.st_mtime_ns,
                    links=status.st_nlink,
                )
            )


def _is_cache(name: str) -> bool:
    """Whether a file is a compiled module, which nobody keeps."""
    return name.endswith(".pyc") and "/__pycache__/" in f"/{name}"


# --- the store ---------------------------------------------------------------------------------


class TreeStore:
    """Trees by the digest of their archive, those that wait and what they are made of.

    `compile_sources` compiles the sources of a directory into another one, without running
    them; it is called once for each version, and may fail: then each run compiles for itself.
    What is put away is gone for everybody; `empty_trash` removes it.
    """

    def __init__(
        self,
        root: Path,
        archives: ArchiveStore,
        compile_sources: Callable[[Path, Path], None],
    ) -> None:
        self._root = make_private(root)
        self._trash = make_private(root / "trash")
        era = f"{_LAYOUT}.{_BOOT_ID.read_text().strip()}.{sys.implementation.cache_tag}"
        self._era = make_private(root / era)
        self._archives = archives
        self._compile_sources = compile_sources
        self._is_stopped = threading.Event()
        self._lock = threading.Lock()
        self._preparing = tuple(threading.Lock() for _ in range(16))
        self._spare: OrderedDict[str, list[tuple[Place, int]]] = OrderedDict()

    def take(self, source: Source, place: Place) -> None:
        """Put a tree in its place, where there is none yet.

        Raises:
            BadArchive: the archive is not acceptable.
            NoSpace: the disk is full.
            FileNotFoundError: the archive was deleted.
        """
        while (spare := self._pop(source.archive.digest)) is not None:
            with contextlib.suppress(FileNotFoundError):  # somebody has tidied up
                spare.manifest.rename(place.manifest)
                spare.tree.rename(place.tree)
                return
        with space_needed("the project's files"):
            self._make(source, place.tree, place.manifest)

    def make_ahead(self, source: Source) -> None:
        """Have a tree ready for the next run, if there is none.

        Raises: as `take`.
        """
        digest = source.archive.digest
        if self.has_spare(digest):
            return
        spare = self._new_spare(digest)
        try:
            with space_needed("the project's files"):
                made = self._make(source, spare.tree, spare.manifest)
        except BaseException:
            self._put_away(spare)
            raise
        self._push(digest, spare, made.bytes_on_disk)

    def has_spare(self, digest: str) -> bool:
        """Whether a tree is ready for the next run; does not block."""
        with self._lock:
            return bool(self._spare.get(digest))

    def give_back(self, place: Place, noted: Manifest, left: Left) -> None:
        """Take a pristine tree back; what else is in it is put aside.

        Raises:
            OSError: something in it cannot be moved; it is not taken back.
        """
        self._put_aside(place, left.strangers)
        for path, (_, modified_ns, _) in noted.directories.items():
            os.utime(place.tree / path, ns=(modified_ns, modified_ns), follow_symlinks=False)
        spare = self._new_spare(noted.digest)
        place.tree.rename(spare.tree)
        place.manifest.rename(spare.manifest)
        self._push(noted.digest, spare, noted.bytes_on_disk)

    @staticmethod
    def _put_aside(place: Place, strangers: Sequence[str]) -> None:
        """Take what is new out of a tree: links, of which most trees have one, go at once."""
        for number, name in enumerate(strangers):
            stranger = place.tree / name
            with contextlib.suppress(FileNotFoundError):  # it is kept with the job
                if stranger.is_symlink():
                    stranger.unlink()
                    continue
                place.rest.mkdir(mode=0o700, exist_ok=True)
                stranger.rename(place.rest / str(number))

    def lend(self, source: Source) -> Place:
        """Give a tree to something other than a run; it is given back by `end_loan`.

        Raises: as `take`.
        """
        place = self._new_spare(source.archive.digest)
        try:
            self.take(source, place)
        except BaseException:
            self._put_away(place)
            raise
        return place

    def end_loan(self, place: Place) -> None:
        """Take back what was lent, or remove it where it was changed."""
        try:
            noted = Manifest.read(place.manifest)
            left = look_through(place.tree, noted)
            if left.is_pristine:
                self.give_back(place, noted, left)
        finally:
            self._put_away(place)

    def tidy(self) -> None:
        """Put away the trees of archives that are gone; those that were taken stay."""
        for path in self._era.iterdir():
            if not self._archives.path(ArchiveRef(digest=path.name, size_bytes=0)).exists():
                self.delete(path.name)

    def delete(self, digest: str) -> None:
        """Put away the trees that wait and what they are made of; those that were taken stay."""
        with self._lock:
            self._spare.pop(digest, None)
        bury(self._era / digest, self._trash)

    def sweep(self) -> None:
        """Put away what an earlier daemon left and this one cannot use; called once at start."""
        for path in self._root.iterdir():
            if path not in {self._trash, self._era}:
                bury(path, self._trash)
        for leftover in (*self._era.glob("*/spare"), *self._era.glob(f"*/{_HALF}*")):
            bury(leftover, self._trash)

    def empty_trash(self) -> None:
        """Remove what is of no use any more, also what a killed process left, or until `stop`."""
        empty(self._trash, self._is_stopped.is_set)

    def stop(self) -> None:
        """Let a removal that is going on be given up; called from any thread."""
        self._is_stopped.set()

    # --- making --------------------------------------------------------------------------------

    def _make(self, source: Source, tree: Path, manifest: Path) -> Manifest:
        self._archives.unpack(source.archive, tree)
        added = self._added(source, tree)
        try:
            shutil.copytree(added, tree, dirs_exist_ok=True)
        except shutil.Error:  # a crawl has damaged what all trees share: it is made anew
            bury(added, self._trash)
            shutil.copytree(self._added(source, tree), tree, dirs_exist_ok=True)
        noted = Manifest(digest=source.archive.digest, root=source.root)
        _note_all(tree, noted)
        noted.write(manifest)
        _let_the_clock_tick()
        return noted

    def _added(self, source: Source, tree: Path) -> Path:
        """Return what each tree holds beside the archive: compiled sources, a project file."""
        digest = source.archive.digest
        added = self._era / digest / "added"
        with self._preparing[int(digest[:4], 16) % len(self._preparing)]:
            if not added.is_dir():
                make_private(added.parent)
                half = Path(tempfile.mkdtemp(prefix=_HALF, dir=added.parent))
                self._compile_sources(tree, half)
                project_file = Path(source.root, _PROJECT_FILE)
                if not (tree / project_file).exists():
                    (half / source.root).mkdir(parents=True, exist_ok=True)
                    _write_project_file(half / project_file, source.settings_module)
                half.chmod(_DIRECTORY_MODE)
                half.rename(added)
        return added

    def _new_spare(self, digest: str) -> Place:
        # No directory of its own: to remove one takes milliseconds, at the start of a crawl.
        spares = make_private(self._era / digest / "spare")
        name = uuid4().hex
        return Place(
            tree=spares / name, manifest=spares / f"{name}.manifest", rest=spares / f"{name}.rest"
        )

    def _put_away(self, spare: Place) -> None:
        bury(spare.tree, self._trash)
        bury(spare.manifest, self._trash)
        bury(spare.rest, self._trash)

    # --- those that wait -----------------------------------------------------------------------

    def _pop(self, digest: str) -> Place | None:
        with self._lock:
            waiting = self._spare.get(digest)
            if not waiting:
                return None
            self._spare.move_to_end(digest)
            return waiting.pop()[0]

    def _push(self, digest: str, spare: Place, size_bytes: int) -> None:
        """Let a tree wait; those that are too many go, of the versions longest unused first."""
        with self._lock:
            self._spare.setdefault(digest, []).append((spare, size_bytes))
            self._spare.move_to_end(digest)
            gone = list(self._surplus(digest))
        for one in gone:
            self._put_away(one)

    def _surplus(self, digest: str) -> Iterator[Place]:
        if len(self._spare[digest]) > MOST_SPARE:
            yield self._spare[digest].pop(0)[0]
        while sum(size for many in self._spare.values() for _, size in many) > SPARE_BYTES:
            oldest = next(many for many in self._spare.values() if many)
            yield oldest.pop(0)[0]


def _let_the_clock_tick() -> None:
    """Wait until a change of a file has another time than those that have just been made."""
    begun = time.clock_gettime_ns(_COARSE_CLOCK)
    while time.clock_gettime_ns(_COARSE_CLOCK) == begun:
        time.sleep(_TICK_S)


def _write_project_file(path: Path, settings_module: str) -> None:
    """Write what Scrapy and project code look for from the current directory upwards."""
    content = RawConfigParser()
    content["settings"] = {"default": settings_module}
    with path.open("w", encoding="utf-8") as file:
        content.write(file)
