"""The pushed archives, each stored once under the SHA-256 of its bytes.

Blocking: called off the reactor thread. Safe for several threads of one process; one
process owns the directory.
"""

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from scrapy_do.core.project import ArchiveRef
from scrapy_do.files.disk import discard, empty, make_private, space_needed
from scrapy_do.files.inspect import ArchiveEntry, ArchiveLimits, ArchiveListing, inspect_archive
from scrapy_do.files.removal import remove
from scrapy_do.files.trash import Trash
from scrapy_do.files.zip_directory import inflate
from scrapy_do.protocol.run_record import sync_directory

_DIGEST = re.compile(r"[0-9a-f]{64}")
_SUFFIX = ".zip"

_FILE_MODE = 0o644
_EXECUTE_MODE = 0o755
_DIRECTORY_MODE = 0o755


class ArchiveStore:
    """Archives by digest.

    `incoming` is where uploads are written before `put`: on the same file system, and
    emptied by `sweep`.
    """

    def __init__(self, root: Path, limits: ArchiveLimits | None = None) -> None:
        self.incoming = make_private(root / "incoming")
        self._packed = make_private(root / "packed")
        self._trash = make_private(root / "trash")
        self._limits = limits or ArchiveLimits()

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

    def listing(self, ref: ArchiveRef, *, is_named: bool = False) -> ArchiveListing:
        """Say what the archive holds; what `is_named` elsewhere needs no name of its own.

        Raises:
            BadArchive: it is not acceptable.
            FileNotFoundError: it was deleted.
        """
        return inspect_archive(self._path(ref.digest), self._limits, is_named=is_named)

    def unpack(self, ref: ArchiveRef, target: Path) -> None:
        """Unpack an archive into a directory that is not there yet.

        Every file has the modification time of the archive: compiled files are bound to it.
        Nothing is synced.

        Raises:
            BadArchive: it is not acceptable, or its data are not what its directory says.
            NoSpace: the disk is full; nothing is left behind.
            FileNotFoundError: it was deleted.
        """
        listing = self.listing(ref, is_named=True)
        with space_needed("the unpacked archive"):
            target.mkdir(mode=_DIRECTORY_MODE)
            try:
                _extract(self._path(ref.digest), listing, target)
            except BaseException:
                remove(target)
                raise

    def remove(self, digest: str, trash: Trash | None) -> None:
        """Move an archive to the trash, or delete it; twice is harmless."""
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
        """Remove what a killed process left: uploads, half deleted things.

        Called once at start, before the first upload.
        """
        empty(self.incoming)
        empty(self._trash)

    def _path(self, digest: str) -> Path:
        return self._packed / f"{_checked(digest)}{_SUFFIX}"


def _checked(digest: str) -> str:
    """Return a digest that is safe in a path; anything else is a bug of the caller."""
    if not _DIGEST.fullmatch(digest):
        raise ValueError(f"{digest!r} is not a SHA-256 digest")
    return digest


def _extract(archive: Path, listing: ArchiveListing, target: Path) -> None:
    """Write the entries below an empty directory."""
    for path in _directories(listing):
        (target / path).mkdir(mode=_DIRECTORY_MODE)
    descriptor = os.open(archive, os.O_RDONLY | os.O_CLOEXEC)
    try:
        modified_ns = os.fstat(descriptor).st_mtime_ns
        for entry in listing.entries:
            if not entry.is_directory:
                _extract_file(descriptor, entry, target / entry.path, modified_ns)
    finally:
        os.close(descriptor)


def _extract_file(archive: int, entry: ArchiveEntry, path: Path, modified_ns: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    mode = _EXECUTE_MODE if entry.is_executable else _FILE_MODE
    descriptor = os.open(path, flags, mode)
    with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
        file.writelines(inflate(archive, entry.zipped))
        file.flush()
        os.utime(descriptor, ns=(modified_ns, modified_ns))


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
