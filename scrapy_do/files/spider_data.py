"""What the crawls of a project keep for later ones: a directory per project, private to it.

Crawls find it as `SPIDER_DATA_DIR`. It outlives runs, jobs and versions, and goes with the
project. Blocking: called off the reactor thread.
"""

from pathlib import Path

from scrapy_do.core.project import check_name
from scrapy_do.files.disk import bury, empty, make_private, space_needed
from scrapy_do.files.trash import Trash
from scrapy_do.protocol.run_record import sync_directory


class SpiderDataStore:
    """Directories by the name of the project; what is in them is the project's business."""

    def __init__(self, root: Path) -> None:
        self._projects = make_private(root / "projects")
        self._trash = make_private(root / "trash")

    def prepare(self, project: str) -> Path:
        """Return the directory of a project, made with mode 0700 if it is not there yet.

        Raises:
            NoSpace: the disk is full.
        """
        path = self._path(project)
        if not path.is_dir():
            with space_needed("the spiders' data"):
                bury(path, self._trash)  # a spider may have put anything else there
                make_private(path)
                sync_directory(self._projects)
        return path

    def projects(self) -> frozenset[str]:
        """Return the projects that have a directory."""
        return frozenset(path.name for path in self._projects.iterdir())

    def remove(self, project: str, trash: Trash) -> None:
        """Move the directory of a project to the trash; doing it twice is harmless."""
        trash.put(self._path(project), f"spider-data-{project}")

    def sweep(self) -> None:
        """Delete what a killed process had renamed away; called once at start."""
        empty(self._trash)

    def _path(self, project: str) -> Path:
        return self._projects / check_name(project, "project")
