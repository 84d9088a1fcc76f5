"""The files that a run has left, kept with its job.

Their names were chosen by the project: they may be anything that Linux takes. Here they are
text in an index and nothing else. On disk a kept file has a number, so no name becomes a
path, no directory is walked, no link is followed. Blocking: called off the reactor thread.

Note [Kept once]: the index is written first, then the files are moved beside it, one by
one; all that in a draft, out of the crawl's reach. Then the draft gets its name. Who is
killed in between finds the index again and moves what is still where it was.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from scrapy_do.errors import LogNotFound
from scrapy_do.files.disk import discard, make_private, space_needed
from scrapy_do.files.trees import Left, LeftFile
from scrapy_do.protocol.regular_file import NO_FILE, open_regular, opened

_INDEX = "index"
_LONGEST_PATH = 4096
_MODE = 0o600


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptLimits:
    """How many files of a job are kept, and how many bytes all of them together."""

    files: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFile:
    r"""A file of a job. `path` is text that names it, and no other file of the job.

    It is the path relative to the directory in which the run was; bytes that are no UTF-8
    are written as `\xNN`. `number` counts from 1 in the order of the paths. `left_as` is the
    path as the system has it.
    """

    number: int
    path: str
    left_as: str
    size_bytes: int
    modified_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """What was there and not kept, because it was too much: at least so many files and bytes."""

    files: int = 0
    size_bytes: int = 0


class JobFiles:
    """The kept files of one job, in a directory of their own."""

    def __init__(self, directory: Path, trash: Path) -> None:
        self._directory = directory
        self._trash = trash

    def keep(self, left: Left, attempt: int, limits: KeptLimits, draft: Path) -> None:
        """Move what an attempt has left here, in place of what an earlier one has left.

        See Note [Kept once]; `draft` is on the same file system. Doing it twice is harmless.

        Raises:
            NoSpace: the disk is full.
        """
        chosen, out = _chosen(left, limits)
        if not (draft.is_dir() or chosen or out.files) or _attempt(self._directory) == attempt:
            return
        with space_needed("the job's files"):
            make_private(draft)
            if _attempt(draft) != attempt:
                _write_index(draft, attempt, chosen, out)
            for kept in _files(draft):
                _move(left.directory / kept.left_as, draft / str(kept.number))
            discard(self._directory, self._trash)
            draft.rename(self._directory)

    def forget(self) -> None:
        """Remove the files; nothing happens if there are none."""
        discard(self._directory, self._trash)

    def page(self, *, after: int, limit: int) -> tuple[tuple[JobFile, ...], LeftOut]:
        """Return files by their numbers, and what was left out of all."""
        return tuple(islice(_files(self._directory), after, after + limit)), _left_out(
            self._directory
        )

    def find(self, path: str) -> tuple[Path, JobFile]:
        """Return where a file is; to be opened with the care that `regular_file` takes.

        Raises:
            LogNotFound: the run has left no such file, or it was not kept.
        """
        for kept in _files(self._directory):
            if kept.path == path:
                return self._directory / str(kept.number), kept
        raise LogNotFound


def _chosen(left: Left, limits: KeptLimits) -> tuple[list[LeftFile], LeftOut]:
    """Choose in the order of the paths, whatever still fits."""
    chosen: list[LeftFile] = []
    room_bytes = limits.size_bytes
    out_files = out_bytes = 0
    for file in left.files:
        fits = len(chosen) < limits.files and file.size_bytes <= room_bytes
        if fits and len(os.fsencode(file.path)) <= _LONGEST_PATH:
            chosen.append(file)
            room_bytes -= file.size_bytes
        else:
            out_files += 1
            out_bytes += file.size_bytes
    return chosen, LeftOut(files=out_files + left.unseen, size_bytes=out_bytes)


def _move(source: Path, target: Path) -> None:
    """Move a file; one that has another name as well is copied, as that may be written to."""
    try:
        descriptor = open_regular(source)
    except OSError as error:
        if error.errno in NO_FILE:
            return  # moved before, or gone
        raise
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor, not a path
        if os.fstat(descriptor).st_nlink == 1:
            os.fchmod(descriptor, _MODE)
            source.rename(target)
            return
        with target.open("wb") as copy:
            shutil.copyfileobj(file, copy)
    source.unlink()


# --- the index ---------------------------------------------------------------------------------


def _write_index(directory: Path, attempt: int, chosen: list[LeftFile], out: LeftOut) -> None:
    """Write a line about the whole, then one for each file."""
    draft = directory / f"{_INDEX}.new"
    with draft.open("w", encoding="ascii") as file:
        head = {"attempt": attempt, "files": out.files, "bytes": out.size_bytes}
        file.write(f"{json.dumps(head)}\n")
        taken: set[str] = set()
        for kept in chosen:
            path = _shown(kept.path)
            while path in taken:
                path += "~"
            taken.add(path)
            line = [path, kept.size_bytes, kept.modified_ns // 1_000_000, kept.path]
            file.write(f"{json.dumps(line)}\n")
        file.flush()
        os.fsync(file.fileno())
    draft.rename(directory / _INDEX)


def _shown(path: str) -> str:
    return os.fsencode(path).decode("utf-8", "backslashreplace")


@contextlib.contextmanager
def _lines(directory: Path) -> Iterator[Iterator[str]]:
    """Open the index; one that is not there has no lines."""
    with opened(directory / _INDEX) as descriptor:
        if descriptor is None:
            yield iter(())
        else:
            with open(descriptor, encoding="ascii", closefd=False) as file:
                yield file


def _head(directory: Path) -> Mapping[str, int]:
    with _lines(directory) as lines:
        line = next(lines, None)
        return {} if line is None else json.loads(line)


def _attempt(directory: Path) -> int | None:
    return _head(directory).get("attempt")


def _left_out(directory: Path) -> LeftOut:
    head = _head(directory)
    return LeftOut(files=head.get("files", 0), size_bytes=head.get("bytes", 0))


def _files(directory: Path) -> Iterator[JobFile]:
    with _lines(directory) as lines:
        next(lines, None)
        for number, line in enumerate(lines, 1):
            path, size_bytes, modified_ms, left_as = json.loads(line)
            yield JobFile(
                number=number,
                path=path,
                left_as=left_as,
                size_bytes=size_bytes,
                modified_ms=modified_ms,
            )
