"""What the jobs leave behind: a directory per job with its logs and captured records.

A crawl writes into its own directory, so nothing in it is trusted: files are opened
without following links, and only if they are regular. Blocking: called off the
reactor thread.

Note [Abandoned attempts]: a job that is run again begins with no records, or its counts and
its lines would be of two crawls. What an abandoned attempt has captured and left is renamed into a
directory of its own, `attempts/ID/N`, where no crawl may write: N is 1 for the oldest. It is
done before the next attempt starts, so until then the records of a failed attempt are the
job's. A crash in the middle leaves `attempts/ID/new`, which the next start completes. `out`
and `err` go on: they are one log of the whole job, and that one of them exists shows that a
crawl may have written.
"""

import contextlib
import os
import re
import stat
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from scrapy_do.errors import LogNotFound
from scrapy_do.files.disk import discard, empty, make_private, space_needed
from scrapy_do.files.job_files import JobFiles
from scrapy_do.files.record_stats import STATS_SUFFIX, RecordKind
from scrapy_do.files.records import RecordLog
from scrapy_do.protocol.record_file import INDEX_SUFFIX, TIMES_SUFFIX, beside
from scrapy_do.protocol.regular_file import NO_FILE, open_regular
from scrapy_do.protocol.run_record import sync_directory

_LEFT = "files"
_SHARD = re.compile(r"[0-9a-f]{2}")


class Artifact(StrEnum):
    """The kinds of files of a job; the value is the file's name."""

    STDOUT = "out"
    STDERR = "err"
    ITEMS = "items.jsonl"
    REQUESTS = "requests.jsonl"
    LOG = "log.jsonl"
    SAMPLES = "samples.jsonl"


_CRAWLED = (Artifact.STDOUT, Artifact.STDERR)
_NEW = "new"
SUFFIXES = (INDEX_SUFFIX, TIMES_SUFFIX, STATS_SUFFIX)

_FILES: Mapping[RecordKind, Artifact] = {
    RecordKind.ITEMS: Artifact.ITEMS,
    RecordKind.REQUESTS: Artifact.REQUESTS,
    RecordKind.LOGS: Artifact.LOG,
    RecordKind.SAMPLES: Artifact.SAMPLES,
}


class ArtifactStore:
    """The directories of the jobs, by the first two digits of the job's id."""

    def __init__(self, root: Path) -> None:
        self._jobs = make_private(root / "jobs")
        self._attempts = make_private(root / "jobs" / "attempts")
        self._trash = make_private(root / "jobs" / "trash")

    def prepare(self, job_id: UUID) -> Path:
        """Return the directory of a job, made if it is not there yet.

        Raises:
            NoSpace: the disk is full.
        """
        path = self._path(job_id)
        if not path.is_dir():
            with space_needed("the job's files"):
                is_first_of_shard = not path.parent.is_dir()
                make_private(path)
                sync_directory(path.parent)
                if is_first_of_shard:
                    sync_directory(self._jobs)
        return path

    def path(self, job_id: UUID, kind: Artifact) -> Path:
        """Return where a file of the job is, or would be; to read it, use `open`."""
        return self._path(job_id) / kind.value

    def begin(self, job_id: UUID) -> None:
        """Prepare for a crawl: set aside what an earlier one has captured.

        See Note [Abandoned attempts].

        Raises:
            NoSpace: the disk is full.
        """
        directory = self.prepare(job_id)
        if not any((directory / kind).exists() for kind in _CRAWLED):
            return
        aside = self._aside(job_id, _NEW)
        captured = [
            path
            for kind in _FILES.values()
            for path in (directory / kind, *(beside(directory / kind, end) for end in SUFFIXES))
            if os.path.lexists(path)
        ]
        if os.path.lexists(directory / _LEFT):
            captured.append(directory / _LEFT)
        if captured or aside.exists():
            with space_needed("the records of an earlier attempt"):
                make_private(aside)
                for path in captured:
                    path.rename(aside / path.name)
                aside.rename(self._aside(job_id, self.attempts(job_id) + 1))
                sync_directory(aside.parent)

    def attempts(self, job_id: UUID) -> int:
        """Return how many abandoned attempts have left records."""
        directory = self._aside(job_id, _NEW).parent
        if not directory.is_dir():
            return 0
        names = (path.name for path in directory.iterdir())
        return max((int(name) for name in names if name != _NEW), default=0)

    def ensure(self, job_id: UUID, kind: Artifact) -> Path:
        """Return where a file of the job is, made empty if it is not there yet.

        Whatever stands in its place is left for the reader to judge.

        Raises:
            NoSpace: the disk is full.
        """
        self.prepare(job_id)
        path = self.path(job_id, kind)
        with space_needed("the job's files"), contextlib.suppress(FileExistsError):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            os.close(os.open(path, flags, 0o600))
        return path

    def open(self, job_id: UUID, kind: Artifact) -> BinaryIO:
        """Open a file of the job for reading, from its beginning.

        Raises:
            LogNotFound: there is none, or it is no regular file.
        """
        try:
            descriptor = open_regular(self.path(job_id, kind))
        except OSError as error:
            if error.errno not in NO_FILE:
                raise
            raise LogNotFound from None
        return open(descriptor, "rb")  # noqa: PTH123 - a descriptor, not a path

    def records(self, job_id: UUID, kind: RecordKind, attempt: int | None = None) -> RecordLog:
        """Return the captured records of one kind; before a write, `prepare` the job.

        `attempt` asks for those of an abandoned one.
        """
        return RecordLog(self.captured(job_id, _FILES[kind], attempt), kind)

    def present_records(self, job_id: UUID, kind: RecordKind) -> RecordLog:
        """Return the records that the job has now, to be read for a while.

        They are found even after they were set aside.
        """
        name = _FILES[kind]
        aside = self.captured(job_id, name, self.attempts(job_id) + 1)
        return RecordLog(self.path(job_id, name), kind, aside=aside)

    def captured(self, job_id: UUID, kind: Artifact, attempt: int | None = None) -> Path:
        """Return where the records of the job, or of an abandoned attempt, are, or would be."""
        if attempt is None:
            return self.path(job_id, kind)
        return self._aside(job_id, attempt) / kind.value

    def left(self, job_id: UUID, attempt: int | None = None) -> JobFiles:
        """Return the files that the job's run, or an abandoned attempt, has left."""
        directory = self._path(job_id) if attempt is None else self._aside(job_id, attempt)
        return JobFiles(directory / _LEFT, self._trash)

    def exists(self, job_id: UUID) -> bool:
        """Whether the job has a directory."""
        return self._path(job_id).is_dir()

    def changed_at(self, job_id: UUID) -> datetime | None:
        """When a file of the job was last written to; None if it has none."""
        times = []
        for kind in Artifact:
            with contextlib.suppress(OSError):
                times.append(self.path(job_id, kind).lstat().st_mtime)
        return datetime.fromtimestamp(max(times), UTC) if times else None

    def sizes(self, job_id: UUID) -> Mapping[Artifact, int]:
        """Return the sizes in bytes of the files that are there."""
        sizes = {}
        for kind in Artifact:
            try:
                status = self.path(job_id, kind).lstat()
            except FileNotFoundError:
                continue
            if stat.S_ISREG(status.st_mode):
                sizes[kind] = status.st_size
        return sizes

    def jobs(self) -> Iterator[UUID]:
        """Yield the ids of all jobs that have a directory, to find those nobody knows."""
        for shard in sorted(self._jobs.iterdir()):
            if not _SHARD.fullmatch(shard.name) or not shard.is_dir():
                continue
            for path in sorted(shard.iterdir()):
                try:
                    job_id = UUID(path.name)
                except ValueError:
                    continue
                if str(job_id) == path.name:
                    yield job_id

    def delete(self, job_id: UUID) -> None:
        """Remove the directory of a job: renamed away first; doing it twice is harmless."""
        discard(self._aside(job_id, _NEW).parent, self._trash)
        discard(self._path(job_id), self._trash)

    def sweep(self) -> None:
        """Delete what a killed process had renamed away; called once at start."""
        empty(self._trash)

    def _aside(self, job_id: UUID, name: int | str) -> Path:
        return self._attempts / str(job_id)[:2] / str(job_id) / str(name)

    def _path(self, job_id: UUID) -> Path:
        name = str(job_id)
        return self._jobs / name[:2] / name
