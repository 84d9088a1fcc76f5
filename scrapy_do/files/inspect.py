"""The archive checker: what a pushed archive holds, judged before anything is extracted.

Blocking, and quick (under 0.2 s for any input): called off the reactor thread.
"""

import os
import stat
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from scrapy_do.errors import BadArchive
from scrapy_do.files.project_file import ProjectFile, read_entry_points, read_project_file
from scrapy_do.files.zip_directory import ZipEntry, inflate, read_directory, refuse, shown

PROJECT_FILE = "scrapy.cfg"
EGG_FOLDER = "EGG-INFO"
EGG_ENTRY_POINTS = f"{EGG_FOLDER}/entry_points.txt"

_NO_PROJECT = "No project found in the archive"
_DIRECTORY_ATTRIBUTE = 0x10  # of MS-DOS, set by all writers


class ArchiveKind(StrEnum):
    """A zip holds a working directory with its `scrapy.cfg`, an egg holds packages only."""

    ZIP = "zip"
    EGG = "egg"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveLimits:
    """How big an archive may be once unpacked. Its own size is limited where it is received.

    `ratio` bounds expanded over compressed bytes of all entries together, and only when
    they expand to more than `ratio_free_bytes`: small texts compress well and hurt nobody.
    """

    entries: int = 5_000
    expanded_bytes: int = 200 * 1024 * 1024
    entry_bytes: int = 50 * 1024 * 1024
    ratio: int = 100
    ratio_free_bytes: int = 1024 * 1024
    project_file_bytes: int = 64 * 1024
    name_bytes: int = 200
    levels: int = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveEntry:
    """A regular file or directory with a safe relative path, parts joined by slashes."""

    path: str
    is_directory: bool
    zipped: ZipEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveListing:
    """What an accepted archive holds.

    `root` is the project's directory inside the archive ("" for the top).
    `settings_module` is a dotted Python name. `expanded_bytes` is the sum of all files.
    """

    kind: ArchiveKind
    project: str
    root: str
    settings_module: str
    entries: tuple[ArchiveEntry, ...]
    expanded_bytes: int


def inspect_archive(path: Path, limits: ArchiveLimits | None = None) -> ArchiveListing:
    """Judge an archive without extracting it.

    An egg without `scrapy.cfg` is named after the first package of its settings module:
    the name in its own metadata is the word "project" in every egg of the usual tools.

    Raises:
        BadArchive: it is unsafe, broken or holds no project; the message names the
            entry and the rule.
    """
    limits = limits or ArchiveLimits()
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        zipped = read_directory(descriptor, entry_limit=limits.entries)
        _check_sizes(zipped, limits)
        entries = tuple(_checked(entry, limits) for entry in zipped)
        _check_clashes(entries, limits)
        kind, root = _find_project(entries)
        file = _project_file(descriptor, entries, kind, root, limits)
    finally:
        os.close(descriptor)
    return ArchiveListing(
        kind=kind,
        project=file.project,
        root=root,
        settings_module=file.settings_module,
        entries=entries,
        expanded_bytes=sum(entry.size_bytes for entry in zipped),
    )


# --- sizes, names and kinds --------------------------------------------------------------------


def _check_sizes(entries: Iterable[ZipEntry], limits: ArchiveLimits) -> None:
    expanded = compressed = 0
    for entry in entries:
        if entry.size_bytes > limits.entry_bytes:
            refuse(
                f"entry {shown(entry.name)}: {entry.size_bytes} bytes, "
                f"at most {limits.entry_bytes} are allowed"
            )
        expanded += entry.size_bytes
        compressed += entry.compressed_bytes
    if expanded > limits.expanded_bytes:
        refuse(f"{expanded} bytes when unpacked, at most {limits.expanded_bytes} are allowed")
    if expanded > max(limits.ratio * compressed, limits.ratio_free_bytes):
        refuse(f"it unpacks to more than {limits.ratio} times its size")


def _checked(entry: ZipEntry, limits: ArchiveLimits) -> ArchiveEntry:
    if problem := _name_problem(entry.name, limits):
        refuse(f"entry {shown(entry.name)}: {problem}")
    name = entry.name.decode()
    is_directory = name.endswith("/")
    if problem := _kind_problem(entry, is_directory=is_directory):
        refuse(f"entry {shown(entry.name)}: {problem}")
    return ArchiveEntry(path=name.removesuffix("/"), is_directory=is_directory, zipped=entry)


def _name_problem(raw: bytes, limits: ArchiveLimits) -> str | None:
    if len(raw) > limits.name_bytes:
        return f"its name is longer than {limits.name_bytes} bytes"
    try:
        name = raw.decode()
    except UnicodeDecodeError:
        return "its name is not UTF-8"
    parts = name.removesuffix("/").split("/")
    rules = {
        "a backslash or colon in its name": "\\" in name or ":" in name,
        "a control character in its name": _has_control(name),
        "its name is absolute or has an empty part": "" in parts,
        'a part of its name is "." or ".."': "." in parts or ".." in parts,
        f"more than {limits.levels} levels deep": len(parts) > limits.levels,
    }
    return next((problem for problem, broken in rules.items() if broken), None)


def _has_control(name: str) -> bool:
    """Whether a name has control characters or Unicode's line and paragraph separators."""
    return not name.isprintable() and any(
        unicodedata.category(letter) in {"Cc", "Zl", "Zp"} for letter in name
    )


def _kind_problem(entry: ZipEntry, *, is_directory: bool) -> str | None:
    mode = entry.attributes >> 16  # of the system that made the archive, or 0
    kind = stat.S_IFMT(mode)
    says_directory = kind == stat.S_IFDIR or bool(entry.attributes & _DIRECTORY_ATTRIBUTE)
    # Directories shared by a group carry its set-group-id bit everywhere below them.
    privileged = mode & (stat.S_ISUID if is_directory else stat.S_ISUID | stat.S_ISGID)
    rules = {
        "neither a regular file nor a directory": kind not in {0, stat.S_IFREG, stat.S_IFDIR},
        "a directory without the final slash in its name": says_directory and not is_directory,
        "a file with a final slash in its name": is_directory and kind == stat.S_IFREG,
        "a directory with content": is_directory and entry.size_bytes > 0,
        "it would run as another user": privileged != 0,
    }
    return next((problem for problem, broken in rules.items() if broken), None)


# --- clashes -----------------------------------------------------------------------------------


@dataclass(slots=True)
class _Names:
    """The paths seen so far, by what a careless file system would take them for."""

    spelling: dict[str, str] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)
    directories: set[str] = field(default_factory=set)

    def add_parents(self, path: str) -> None:
        name = path.rpartition("/")[0]
        while name and name not in self.directories:
            if name in self.files:
                refuse(f"entry {shown(path)}: {shown(name)} is a file as well")
            self._spell(name)
            self.directories.add(name)
            name = name.rpartition("/")[0]

    def add(self, entry: ArchiveEntry, explicit: set[str]) -> None:
        name = entry.path
        if name in explicit:
            refuse(f"entry {shown(name)}: it is there twice")
        explicit.add(name)
        if entry.is_directory and name in self.directories:
            return
        if name in self.directories or name in self.files:
            refuse(f"entry {shown(name)}: a directory as well as a file")
        self._spell(name)
        (self.directories if entry.is_directory else self.files).add(name)

    def _spell(self, name: str) -> None:
        folded = unicodedata.normalize("NFC", name).casefold()
        key = unicodedata.normalize("NFC", folded)
        other = self.spelling.setdefault(key, name)
        if other != name:
            refuse(f"entry {shown(name)}: on some disks the same as {shown(other)}")


def _check_clashes(entries: Iterable[ArchiveEntry], limits: ArchiveLimits) -> None:
    names = _Names()
    explicit: set[str] = set()
    for entry in entries:
        names.add_parents(entry.path)
        names.add(entry, explicit)
        # Directories that have no entry of their own cost an inode all the same.
        if len(names.directories) > limits.entries:
            refuse(f"more than {limits.entries} directories")


# --- the project -------------------------------------------------------------------------------


def _find_project(entries: Iterable[ArchiveEntry]) -> tuple[ArchiveKind, str]:
    files = {entry.path for entry in entries if not entry.is_directory}
    if PROJECT_FILE in files:
        return ArchiveKind.ZIP, ""
    if any(name.startswith(f"{EGG_FOLDER}/") for name in files):
        return ArchiveKind.EGG, ""
    roots = sorted(
        root for root, _, name in (file.partition("/") for file in files) if name == PROJECT_FILE
    )
    if not roots:
        raise BadArchive(f"{_NO_PROJECT}: no scrapy.cfg at the top or one directory down")
    if len(roots) > 1:
        named = ", ".join(shown(root) for root in roots[:5])
        raise BadArchive(f"{_NO_PROJECT}: scrapy.cfg in more than one directory ({named})")
    return ArchiveKind.ZIP, roots[0]


def _project_file(
    descriptor: int,
    entries: Iterable[ArchiveEntry],
    kind: ArchiveKind,
    root: str,
    limits: ArchiveLimits,
) -> ProjectFile:
    name = EGG_ENTRY_POINTS if kind is ArchiveKind.EGG else f"{root}/{PROJECT_FILE}".lstrip("/")
    entry = next((entry for entry in entries if entry.path == name), None)
    if entry is None or entry.is_directory:
        raise BadArchive(f"{_NO_PROJECT}: the egg has no {EGG_ENTRY_POINTS}")
    if entry.zipped.size_bytes > limits.project_file_bytes:
        refuse(f"entry {shown(name)}: more than {limits.project_file_bytes} bytes")
    content = b"".join(inflate(descriptor, entry.zipped))
    return (read_entry_points if kind is ArchiveKind.EGG else read_project_file)(content)
