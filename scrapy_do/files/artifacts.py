"""What the jobs leave behind: a directory per job with its logs and captured records.

A crawl writes into its own directory, so nothing in it is trusted: files are opened
without following links, and only if they are regular. Blocking: called off the
reactor thread.
"""

import contextlib
import os
import re
import stat
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from scrapy_do.errors import LogNotFound
from scrapy_do.files.disk import discard, empty, make_private, space_needed, sync_directory
from scrapy_do.files.record_stats import RecordKind
from scrapy_do.files.records import RecordLog
from scrapy_do.protocol.regular_file import NO_FILE, open_regular

_SHARD = re.compile(r"[0-9a-f]{2}")


class Artifact(StrEnum):
    """The kinds of files of a job; the value is the file's name."""

    STDOUT = "out"
    STDERR = "err"
    ITEMS = "items.jsonl"
    REQUESTS = "requests.jsonl"
    LOG = "log.jsonl"
    SAMPLES = "samples.jsonl"


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

    def records(self, job_id: UUID, kind: RecordKind) -> RecordLog:
        """Return the captured records of one kind; before a write, `prepare` the job."""
        return RecordLog(self.path(job_id, _FILES[kind]), kind)

    def exists(self, job_id: UUID) -> bool:
        """Whether the job has a directory."""
        return self._path(job_id).is_dir()

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
        discard(self._path(job_id), self._trash)

    def sweep(self) -> None:
        """Delete what a killed process had renamed away; called once at start."""
        empty(self._trash)

    def _path(self, job_id: UUID) -> Path:
        name = str(job_id)
        return self._jobs / name[:2] / name
