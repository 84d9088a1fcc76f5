"""The run directories: two per attempt of a job, private, gone after the end.

In `active` lie the records of the daemon and the holder, the business of `run_record`; in
`crawls` lies what the crawl itself writes. A crawl is only given paths of the latter. Runs
begun by an earlier version have everything in `active`. Blocking: called off the reactor
thread.

Note [Short names]
    The address of a Unix socket holds 107 bytes. Browsers, and Python's `multiprocessing`, make
    theirs below `TMPDIR`, up to 45 bytes below it, and end if that is too long. In `tmp` lies a
    link with a short name to the directory of each run for temporary files.
"""

import contextlib
import re
import threading
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from scrapy_do.files.disk import bury, empty, is_private, make_private, space_needed
from scrapy_do.files.trash import Trash
from scrapy_do.protocol.run_record import sync_directory

_NAME = re.compile(
    r"(?P<job>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"
    r"\.(?P<attempt>0|[1-9][0-9]{0,8})"
)
_SHOWN_CHARACTERS = 50
_SHORT_CHARACTERS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPath:
    """The directories of one attempt of a job: `path` for its records, `crawl` for the crawl.

    `tmp` is a link to the directory `tmp` in the latter; see Note [Short names].
    """

    job_id: UUID
    attempt: int
    path: Path
    crawl: Path
    tmp: Path


class RunStore:
    """Directories named by job and attempt; a name is used once."""

    def __init__(self, root: Path) -> None:
        self._active = root / "active"
        self._crawls = root / "crawls"
        self._short = root / "tmp"
        self._trash = root / "trash"
        self._is_stopped = threading.Event()
        self._make_usable()

    def create(self, job_id: UUID, attempt: int) -> RunPath:
        """Make the directories of an attempt, mode 0700, the name on disk for good.

        Raises:
            FileExistsError: it exists, so somebody may have started this attempt.
            NoSpace: the disk is full.
        """
        self._make_usable()
        run = self.run(job_id, attempt)
        with space_needed("the run directory"):
            run.path.mkdir(mode=0o700)
            bury(run.crawl, self._trash)
            run.crawl.mkdir(mode=0o700)
            run.tmp.unlink(missing_ok=True)
            run.tmp.symlink_to(Path("..", run.crawl.parent.name, run.crawl.name, "tmp"))
            sync_directory(self._active)
        return run

    def run(self, job_id: UUID, attempt: int) -> RunPath:
        """Return where the directories of an attempt are, or would be."""
        name = f"{job_id}.{attempt}"
        return RunPath(
            job_id=job_id,
            attempt=attempt,
            path=self._active / name,
            crawl=self._crawls / name,
            tmp=self._short / f"{name[:_SHORT_CHARACTERS]}.{attempt}",
        )

    def list(self) -> tuple[RunPath, ...]:
        """Return all runs of which there is anything, in the order of their names.

        Foreign names are ignored.
        """
        self._make_usable()
        names = {path.name for root in (self._active, self._crawls) for path in root.iterdir()}
        matches = filter(None, map(_NAME.fullmatch, sorted(names)))
        return tuple(self.run(UUID(match["job"]), int(match["attempt"])) for match in matches)

    def set_strangers_aside(self, trash: Trash) -> None:
        """Move what has no name of a run, and so no place here, to the trash."""
        for path in (*self._active.iterdir(), *self._crawls.iterdir()):
            if not _NAME.fullmatch(path.name):
                with contextlib.suppress(OSError):
                    trash.put(path, f"stranger-{path.name[:_SHOWN_CHARACTERS]}")

    def discard(self, run: RunPath) -> None:
        """Let the directories of a run disappear, whatever they hold; `empty_trash` removes them.

        Doing it twice is harmless.
        """
        self._make_usable()
        self._bury_crawl(run)
        if bury(run.path, self._trash) is not None:
            sync_directory(self._active)

    def quarantine(self, run: RunPath, trash: Trash) -> None:
        """Put the records of a run into the trash, for whoever wants to know what happened to them.

        What the crawl itself wrote is discarded. Doing it twice is harmless.
        """
        self._make_usable()
        trash.put(run.path, f"run-{run.path.name}")
        self._bury_crawl(run)

    def _bury_crawl(self, run: RunPath) -> None:
        bury(run.crawl, self._trash)
        with contextlib.suppress(OSError):
            run.tmp.unlink()

    def empty_trash(self) -> None:
        """Remove what was discarded, also by a killed process, until it is gone or `stop`."""
        self._make_usable()
        empty(self._trash, self._is_stopped.is_set)

    def stop(self) -> None:
        """Let removals that are going on be given up; called from any thread."""
        self._is_stopped.set()

    def _make_usable(self) -> None:
        """Make the roots; a crawl may have taken them from us since."""
        for directory in (self._active, self._crawls, self._short, self._trash):
            if is_private(directory) and not directory.is_symlink():
                continue
            if directory.is_symlink() or directory.is_file():
                directory.unlink()
            make_private(directory)
