"""A project: its spiders with their last runs, its versions, the pushes that failed."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scrapy_do.core.filter import ACTIVE_STATES, JobFilter
from scrapy_do.core.project import Project, Spider, Version
from scrapy_do.core.push_report import PushReport
from scrapy_do.core.run_history import Run
from scrapy_do.operations.operations import Operations
from scrapy_do.ui.render import PageView
from scrapy_do.ui.words import iso

RUNS = 20
MOST_ACTIVE = 1000
SPIDER_COLUMNS = ("spider", "active_jobs", "last_outcome", "last_ended", "last_items")
VERSION_COLUMNS = (
    *("version", "current", "pushed", "pushed_by", "size_bytes", "spiders", "python", "scrapy"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpiderRow:
    """A spider of the current version."""

    name: str
    active: int
    runs: Sequence[Run]

    @property
    def last(self) -> Run | None:
        """The run that ended last."""
        return self.runs[-1] if self.runs else None


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRow:
    """A version with what it changed against the one pushed before it."""

    version: Version
    is_current: bool
    added: Sequence[str]
    removed: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectView:
    """What the page shows. `said` is what was just done, read back."""

    project: Project
    spiders: Sequence[SpiderRow]
    former: Sequence[Spider]
    versions: Sequence[VersionRow]
    failed: Sequence[PushReport]
    environment: Sequence[str]
    said: str
    problem: str


async def project(
    operations: Operations, name: str, *, done: str, label: str, problem: str = ""
) -> PageView:
    """Gather the page; `done` and `label` are what was done before, to be said if it is true."""
    found = await operations.projects.get(name)
    versions = await operations.projects.versions(name)
    spiders = await operations.projects.spiders(name)
    return PageView(
        template="project.html",
        title=name,
        room="projects",
        live=("projects", "jobs"),
        status=409 if problem else 200,
        view=ProjectView(
            project=found,
            spiders=await _spider_rows(operations, name, spiders),
            former=[one for one in spiders if not one.deployed],
            versions=version_rows(found, versions),
            failed=[
                one
                for one in await operations.projects.reports()
                if one.problem and one.project == name
            ],
            environment=operations.server.environment_of(name),
            said=_said(done, label, found, versions),
            problem=problem,
        ),
    )


def _said(done: str, label: str, found: Project, versions: Sequence[Version]) -> str:
    """What was done, if reading back shows it."""
    if done == "activated" and found.current is not None and found.current.label == label:
        return f"Version {label} is the current one now; jobs already accepted keep theirs."
    if done == "removed" and label not in {version.label for version in versions}:
        return f"Version {label} is removed."
    return ""


async def _spider_rows(
    operations: Operations, name: str, spiders: Sequence[Spider]
) -> list[SpiderRow]:
    deployed = [one for one in spiders if one.deployed]
    runs = await operations.projects.runs(deployed, limit=RUNS)
    active = Counter(
        job.request.spider
        for job in await operations.jobs.find(
            JobFilter(project=name, states=ACTIVE_STATES, limit=MOST_ACTIVE)
        )
    )
    return [
        SpiderRow(name=one.name, active=active[one.name], runs=runs.get(one.name, ()))
        for one in deployed
    ]


def version_rows(found: Project, versions: Sequence[Version]) -> list[VersionRow]:
    """The versions, newest first, each with its difference to the one before it."""
    rows = []
    for version, before in zip(versions, [*versions[1:], None], strict=True):
        old = set() if before is None else set(before.spiders)
        rows.append(
            VersionRow(
                version=version,
                is_current=found.current is not None and found.current.id == version.id,
                added=sorted(set(version.spiders) - old),
                removed=sorted(old - set(version.spiders)),
            )
        )
    return rows


async def spider_twin(operations: Operations, name: str) -> list[Mapping[str, Any]]:
    """The spiders for the twins of their list."""
    spiders = await operations.projects.spiders(name)
    return [
        {
            "spider": row.name,
            "active_jobs": row.active,
            "last_outcome": None if row.last is None else row.last.outcome.value,
            "last_ended": None if row.last is None else iso(row.last.ended),
            "last_items": None if row.last is None else row.last.items,
        }
        for row in await _spider_rows(operations, name, spiders)
    ]


async def version_twin(operations: Operations, name: str) -> list[Mapping[str, Any]]:
    """The versions for the twins of their list."""
    found = await operations.projects.get(name)
    return [
        {
            "version": row.version.label,
            "current": row.is_current,
            "pushed": iso(row.version.pushed_at),
            "pushed_by": row.version.pushed_by,
            "size_bytes": row.version.archive.size_bytes,
            "spiders": len(row.version.spiders),
            "python": None if row.version.interpreter is None else row.version.interpreter.python,
            "scrapy": None if row.version.interpreter is None else row.version.interpreter.scrapy,
        }
        for row in version_rows(found, await operations.projects.versions(name))
    ]
