"""The archive checker: what a pushed archive holds, judged before anything is extracted.

Blocking, and quick (under 0.2 s for any input): called off the reactor thread.
"""

import os
import stat
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from scrapy_do.errors import BadArchive
from scrapy_do.files.entry_links import Links
from scrapy_do.files.entry_names import EntryName, read_name
from scrapy_do.files.project_file import ProjectFile, read_entry_points, read_project_file
from scrapy_do.files.zip_directory import ZipEntry, inflate, read_directory, refuse, shown

PROJECT_FILE = "scrapy.cfg"
EGG_FOLDER = "EGG-INFO"
EGG_ENTRY_POINTS = f"{EGG_FOLDER}/entry_points.txt"

_NO_PROJECT = "No project found in the archive"
_DIRECTORY_ATTRIBUTE = 0x10  # of MS-DOS, set by all writers
_EXECUTE = stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH
_FILES = frozenset({stat.S_IFREG, stat.S_IFLNK})
_KINDS = _FILES | {0, stat.S_IFDIR}
_LINK_BYTES = 4096  # the longest path of Linux
_SHOWN_NAMES = 3
_SHOWN_LINKS = 20


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
    """A regular file or directory with a safe relative path, parts joined by slashes.

    `zipped` is what holds its content: of several entries, where a link pointed at it.
    """

    path: str
    is_directory: bool
    is_executable: bool
    zipped: ZipEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveListing:
    """What an accepted archive holds.

    `project` is None where the archive does not name it, or need not. `root` is the project's
    directory inside the archive ("" for the top). `settings_module` is a dotted Python name.
    `expanded_bytes` is the sum of all files. `warnings` say what was left out or read in
    another way than it was written: sentences without a final full stop.
    """

    kind: ArchiveKind
    project: str | None
    root: str
    settings_module: str
    entries: tuple[ArchiveEntry, ...]
    expanded_bytes: int
    warnings: tuple[str, ...]


def inspect_archive(
    path: Path, limits: ArchiveLimits | None = None, *, is_named: bool = False
) -> ArchiveListing:
    """Judge an archive without extracting it; what `is_named` elsewhere needs no name of its own.

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
        named = [(entry, _checked(entry, limits)) for entry in zipped]
        written = [_entry(entry, name) for entry, name in named if name.path]
        _check_clashes(written, limits)
        entries, left_out = _without_links(descriptor, written, limits)
        kind, root = _find_project(entries)
        file = _project_file(descriptor, entries, kind, root, limits)
    finally:
        os.close(descriptor)
    return ArchiveListing(
        kind=kind,
        project=None if is_named else file.checked_project(),
        root=root,
        settings_module=file.settings_module,
        entries=entries,
        expanded_bytes=sum(entry.zipped.size_bytes for entry in entries),
        warnings=(*_warnings([name for _, name in named]), *left_out),
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


def _checked(entry: ZipEntry, limits: ArchiveLimits) -> EntryName:
    name = read_name(entry, longest_bytes=limits.name_bytes, levels=limits.levels)
    if problem := _kind_problem(entry, is_directory=name.is_directory):
        refuse(f"entry {shown(entry.name)}: {problem}")
    return name


def _entry(entry: ZipEntry, name: EntryName) -> ArchiveEntry:
    return ArchiveEntry(
        path=name.path,
        is_directory=name.is_directory,
        is_executable=bool(_mode(entry) & _EXECUTE),
        zipped=entry,
    )


def _warnings(names: Sequence[EntryName]) -> Iterator[str]:
    recoded = [name.path for name in names if name.is_recoded]
    if recoded:
        yield f"Names that are not UTF-8 were read in code page 437: {_listed(recoded)}"
    slashed = [name.path for name in names if name.has_backslash]
    if slashed:
        yield f"Backslashes in names were read as slashes: {_listed(slashed)}"


def _listed(paths: Sequence[str]) -> str:
    named = ", ".join(shown(path) for path in paths[:_SHOWN_NAMES])
    return f"{named} and {len(paths) - _SHOWN_NAMES} more" if paths[_SHOWN_NAMES:] else named


def _mode(entry: ZipEntry) -> int:
    """The mode of the system that made the archive, or 0."""
    return entry.attributes >> 16


def _kind_problem(entry: ZipEntry, *, is_directory: bool) -> str | None:
    mode = _mode(entry)
    kind = stat.S_IFMT(mode)
    says_directory = kind == stat.S_IFDIR or bool(entry.attributes & _DIRECTORY_ATTRIBUTE)
    # Directories shared by a group carry its set-group-id bit everywhere below them.
    privileged = mode & (stat.S_ISUID if is_directory else stat.S_ISUID | stat.S_ISGID)
    rules = {
        "neither a regular file nor a directory": kind not in _KINDS,
        "a directory without the final slash in its name": says_directory and not is_directory,
        "a file with a final slash in its name": is_directory and kind in _FILES,
        "a directory with content": is_directory and entry.size_bytes > 0,
        "it would run as another user": privileged != 0,
    }
    return next((problem for problem, broken in rules.items() if broken), None)


# --- links ---------------------------------------------------------------------------------------


def _without_links(
    descriptor: int, written: Sequence[ArchiveEntry], limits: ArchiveLimits
) -> tuple[tuple[ArchiveEntry, ...], list[str]]:
    """Put what links point at in their place; say which of them were left out."""
    entries = [entry for entry in written if not _is_link(entry)]
    if len(entries) == len(written):
        return tuple(entries), []
    targets = {entry.path: _target(descriptor, entry) for entry in written if _is_link(entry)}
    links = Links(targets, _others(entries))
    by_path = {entry.path: entry for entry in entries}
    left_out = []
    for link in targets:
        copies = links.copies(link)
        if copies is None:
            left_out.append(link)
            continue
        for path, source in copies:
            if source in by_path:  # a directory may have no entry of its own
                entries.append(replace(by_path[source], path=path))
            _check_copy(path, entries, limits)
    _check_sizes([entry.zipped for entry in entries], limits)
    _check_clashes(entries, limits)
    said = [
        f"Left out: {shown(link)}, a symbolic link to {shown(targets[link])}, which leads out of "
        "the archive, to nothing or to itself"
        for link in left_out[:_SHOWN_LINKS]
    ]
    more = len(left_out) - _SHOWN_LINKS
    return tuple(entries), [*said, f"Left out: {more} more symbolic links"] if more > 0 else said


def _is_link(entry: ArchiveEntry) -> bool:
    return stat.S_ISLNK(_mode(entry.zipped))


def _target(descriptor: int, entry: ArchiveEntry) -> str:
    """Where a link points; at nothing, when that is no path."""
    if entry.zipped.size_bytes > _LINK_BYTES:
        refuse(f"entry {shown(entry.path)}: a symbolic link of {entry.zipped.size_bytes} bytes")
    target = b"".join(inflate(descriptor, entry.zipped)).decode("utf-8", "replace")
    return target or "/"


def _others(entries: Iterable[ArchiveEntry]) -> dict[str, bool]:
    """All paths of files and directories, also of those that have no entry: which it is."""
    others: dict[str, bool] = {}
    for entry in entries:
        others[entry.path] = entry.is_directory
        above = entry.path.rpartition("/")[0]
        while above and not others.get(above):
            others[above] = True
            above = above.rpartition("/")[0]
    return others


def _check_copy(path: str, entries: Sequence[ArchiveEntry], limits: ArchiveLimits) -> None:
    """Bound what links multiply, while they do."""
    if len(entries) > limits.entries:
        refuse(f"with what its links point at more than {limits.entries} entries")
    if len(path.encode()) > limits.name_bytes or path.count("/") >= limits.levels:
        refuse(f"entry {shown(path)}: too long or too deep, where a link leads")


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
