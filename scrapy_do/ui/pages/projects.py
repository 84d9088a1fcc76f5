"""The projects, and the pushes that failed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scrapy_do.core.project import Project
from scrapy_do.core.push_report import PushReport
from scrapy_do.operations.operations import Operations
from scrapy_do.ui.render import PageView
from scrapy_do.ui.words import iso

COLUMNS = ("name", "version", "pushed", "pushed_by", "size_bytes", "spiders")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectsPage:
    """What the page shows. `gone` is the name of a project that was just removed."""

    projects: Sequence[Project]
    failed: Sequence[PushReport]
    gone: str


async def projects(operations: Operations, *, gone: str) -> PageView:
    """Gather the page."""
    found = await operations.projects.all()
    is_gone = gone and gone not in {project.name for project in found}
    return PageView(
        template="projects.html",
        title="Projects",
        room="projects",
        live=("projects",),
        view=ProjectsPage(
            projects=found,
            failed=[one for one in await operations.projects.reports() if one.problem],
            gone=gone if is_gone else "",
        ),
    )


async def rows(operations: Operations) -> list[Mapping[str, Any]]:
    """The list for its twins."""
    return [_row(project) for project in await operations.projects.all()]


def _row(project: Project) -> Mapping[str, Any]:
    version = project.current
    return {
        "name": project.name,
        "version": None if version is None else version.label,
        "pushed": None if version is None else iso(version.pushed_at),
        "pushed_by": None if version is None else version.pushed_by,
        "size_bytes": None if version is None else version.archive.size_bytes,
        "spiders": 0 if version is None else len(version.spiders),
    }
