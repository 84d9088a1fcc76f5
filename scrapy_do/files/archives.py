"""The pushed archives, each stored once under the SHA-256 of its bytes.

Blocking: called off the reactor thread. Safe for several threads of one process; one
process owns the directory.
"""

import hashlib
import os
import re
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from scrapy_do.core.project import ArchiveRef
from scrapy_do.files.disk import discard, empty, make_private, space_needed, sync_directory
from scrapy_do.files.inspect import ArchiveEntry, ArchiveLimits, ArchiveListing, inspect_archive
from scrapy_do.files.trash import Trash
from scrapy_do.files.zip_directory import inflate

_DIGEST = re.compile(r"[0-9a-f]{64}")
_SUFFIX = ".zip"
_HALF_UNPACKED = ".unpacking-"
_LOCKS = 16

# Crawls of one version share one tree: nobody may change it, and everybody may read it.
_FILE_MODE = 0o444
_EXECUTE_MODE = 0o555
_DIRECTORY_MODE = 0o555


class ArchiveStore:
    """Archives by digest, and the tree of each one that was unpacked.

    `incoming` is where uploads are written before `put`: on the same file system, and
    emptied by `sweep`.
    """

    def __init__(self, root: Path, limits: ArchiveLimits | None = None) -> None:
        self.incoming = make_private(root / "incoming")
        self._packed = make_private(root / "packed")
        self._unpacked = root / "unpacked"
        self._unpacked.mkdir(mode=0o755, exist_ok=True)
        self._trash = make_private(root / "trash")
        self._limits = limits or ArchiveLimits()
        self._locks = tuple(threading.Lock() for _ in range(_LOCKS))

    def measure(self, upload: Path) -> ArchiveRef:
        """Say what the archive will be called once it is put."""
        with upload.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            return ArchiveRef(digest=digest, size_bytes=os.fstat(file.fileno()).st_size)

    def put(self, upload: Path, ref: ArchiveRef) -> None:
        """Move a measured file of `incoming` into the store; then it is on disk for good.

        Raises:
            NoSpace: the disk is full; the upload is still there.
        """
        with space_needed("the archive"), upload.open("rb") as file:
            os.fchmod(file.fileno(), 0o400)
            os.fsync(file.fileno())
            upload.replace(self._path(ref.digest))
            sync_directory(self._packed)

    def path(self, ref: ArchiveRef) -> Path:
        """Return where the archive is; nobody may write there."""
        return self._path(ref.digest)

    def open(self, ref: ArchiveRef) -> BinaryIO:
        """Open the archive for reading.

        Raises:
            FileNotFoundError: it was deleted.
        """
        return self._path(ref.digest).open("rb")

    def listing(self, ref: ArchiveRef) -> ArchiveListing:
        """Say what the archive holds.

        Raises:
            BadArchive: it is not acceptable.
            FileNotFoundError: it was deleted.
        """
        return inspect_archive(self._path(ref.digest), self._limits)

    def unpack(self, ref: ArchiveRef, root: str = "") -> Path:
        """Return the directory `root` of the unpacked archive; unpack it if this is the first call.

        The tree is read-only, complete, and stays until `delete`. Threads that ask for
        the same archive at the same time wait for the one that unpacks it.

        Raises:
            BadArchive: it is not acceptable, or its data are not what its directory says.
            NoSpace: the disk is full; nothing is left behind.
            FileNotFoundError: it was deleted.
        """
        tree = self._tree(ref.digest)
        with self._lock(ref.digest):
            if not tree.is_dir():
                self._unpack(ref, tree)
        return tree / root

    def remove(self, digest: str, trash: Trash | None) -> None:
        """Move an archive to the trash, or delete it, with its tree; twice is harmless.

        The caller makes sure that no crawl runs from the tree.
        """
        with self._lock(digest):
            discard(self._tree(digest), self._trash)
            if trash is None:
                discard(self._path(digest), self._trash)
            else:
                trash.put(self._path(digest), f"archive-{digest}")

    def take_back(self, digest: str, trash: Trash) -> bool:
        """Put an archive of the trash into the store again; return whether it was there."""
        return trash.take_back(f"archive-{digest}", self._path(digest))

    def digests(self) -> frozenset[str]:
        """Return the digests of all stored archives."""
        stems = (path.stem for path in self._packed.iterdir() if path.suffix == _SUFFIX)
        return frozenset(stem for stem in stems if _DIGEST.fullmatch(stem))

    def sweep(self) -> None:
        """Remove what a killed process left: uploads, half unpacked trees, half deleted things.

        Called once at start, before the first upload.
        """
        empty(self.incoming)
        empty(self._trash)
        for leftover in self._unpacked.glob(f"{_HALF_UNPACKED}*"):
            discard(leftover, self._trash)

    def _path(self, digest: str) -> Path:
        return self._packed / f"{_checked(digest)}{_SUFFIX}"

    def _tree(self, digest: str) -> Path:
        return self._unpacked / _checked(digest)

    def _lock(self, digest: str) -> threading.Lock:
        return self._locks[int(_checked(digest)[:4], 16) % _LOCKS]

    def _unpack(self, ref: ArchiveRef, tree: Path) -> None:
        listing = self.listing(ref)
        # Beside the tree: a read-only directory can be renamed within its parent only.
        with space_needed("the unpacked archive"):
            half = Path(tempfile.mkdtemp(prefix=_HALF_UNPACKED, dir=self._unpacked))
            try:
                _extract(self._path(ref.digest), listing, half)
                half.rename(tree)
                sync_directory(self._unpacked)
            finally:
                discard(half, self._trash)


def _checked(digest: str) -> str:
    """Return a digest that is safe in a path; anything else is a bug of the caller."""
    if not _DIGEST.fullmatch(digest):
        raise ValueError(f"{digest!r} is not a SHA-256 digest")
    return digest


def _extract(archive: Path, listing: ArchiveListing, target: Path) -> None:
    """Write the entries below an empty directory, to the disk, then make all read-only.

    The content is synced: a tree that is there after a power loss must not hold
    files that are empty because they were never written.
    """
    directories = {"."}
    for path in _directories(listing):
        (target / path).mkdir(mode=0o700)
        directories.add(path)
    descriptor = os.open(archive, os.O_RDONLY | os.O_CLOEXEC)
    try:
        for entry in listing.entries:
            if not entry.is_directory:
                _extract_file(descriptor, entry, target / entry.path)
    finally:
        os.close(descriptor)
    for path in sorted(directories, key=len, reverse=True):
        sync_directory(target / path)
        (target / path).chmod(_DIRECTORY_MODE)


def _extract_file(archive: int, entry: ArchiveEntry, path: Path) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
        file.writelines(inflate(archive, entry.zipped))
        file.flush()
        os.fchmod(file.fileno(), _EXECUTE_MODE if entry.is_executable else _FILE_MODE)
        os.fsync(file.fileno())


def _directories(listing: ArchiveListing) -> Iterator[str]:
    """Yield every directory that the entries name or need, parents first."""
    seen: set[str] = set()
    for entry in listing.entries:
        parts = entry.path.split("/")
        for depth in range(1, len(parts) + entry.is_directory):
            path = "/".join(parts[:depth])
            if path not in seen:
                seen.add(path)
                yield path
