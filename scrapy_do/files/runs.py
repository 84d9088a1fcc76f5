"""The run directories: one per attempt of a job, private, gone after the end.

What lies in them is the business of `run_record`. Blocking: called off the reactor thread.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from scrapy_do.files.disk import discard, empty, make_private, space_needed, sync_directory

_NAME = re.compile(
    r"(?P<job>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"
    r"\.(?P<attempt>0|[1-9][0-9]{0,8})"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPath:
    """The directory of one attempt of a job."""

    job_id: UUID
    attempt: int
    path: Path


class RunStore:
    """Directories named by job and attempt; a name is used once."""

    def __init__(self, root: Path) -> None:
        self._runs = make_private(root / "active")
        self._trash = make_private(root / "trash")

    def create(self, job_id: UUID, attempt: int) -> Path:
        """Make the directory of an attempt, mode 0700, its name on disk for good.

        Raises:
            FileExistsError: it exists, so somebody may have started this attempt.
            NoSpace: the disk is full.
        """
        path = self.path(job_id, attempt)
        with space_needed("the run directory"):
            path.mkdir(mode=0o700)
            sync_directory(self._runs)
        return path

    def path(self, job_id: UUID, attempt: int) -> Path:
        """Return where the directory of an attempt is, or would be."""
        return self._runs / f"{job_id}.{attempt}"

    def list(self) -> tuple[RunPath, ...]:
        """Return all run directories, in the order of their names; foreign names are ignored."""
        found = []
        for path in sorted(self._runs.iterdir()):
            match = _NAME.fullmatch(path.name)
            if match and path.is_dir() and not path.is_symlink():
                job_id = UUID(match["job"])
                found.append(RunPath(job_id=job_id, attempt=int(match["attempt"]), path=path))
        return tuple(found)

    def discard(self, path: Path) -> None:
        """Remove a run directory: renamed away first, so that nobody finds half of it.

        Doing it twice is harmless.
        """
        if path.parent != self._runs:
            raise ValueError(f"{path} is not a run directory")
        discard(path, self._trash)

    def sweep(self) -> None:
        """Delete what a killed process had renamed away; called once at start."""
        empty(self._trash)
