"""The form that takes a project, and what became of a push."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from scrapy_do.core.push_report import PushReport
from scrapy_do.errors import ProjectNotFound
from scrapy_do.operations.operations import Operations
from scrapy_do.ui.render import PageView


@dataclass(frozen=True, slots=True, kw_only=True)
class PushForm:
    """What the form shows; `limit_bytes` is how large an archive may be.

    `report_id` is what the report of the push will be called.
    """

    limit_bytes: int
    name: str
    reports: Sequence[PushReport]
    under_way: Sequence[PushReport]
    report_id: UUID
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PushResult:
    """What became of a push, and which version is current now."""

    report: PushReport
    current: str | None
    kept: frozenset[str]


async def push_form(
    operations: Operations, *, limit_bytes: int, name: str, problem: str = ""
) -> PageView:
    """Gather the form and the last pushes."""
    return PageView(
        template="push.html",
        title="Push a project",
        room="push",
        status=400 if problem else 200,
        view=PushForm(
            limit_bytes=limit_bytes,
            name=name,
            reports=await operations.projects.reports(),
            under_way=operations.projects.pushes_under_way(),
            report_id=uuid4(),
            problem=problem,
        ),
    )


async def push_result(operations: Operations, report_id: UUID) -> PageView:
    """Read back what a push did."""
    going = await operations.projects.push_under_way(report_id)
    if going is not None:
        return PageView(
            template="push_going.html",
            title=f"Pushing {going.project or 'a project'}",
            room="push",
            view=PushResult(report=going, current=None, kept=frozenset()),
        )
    report = await operations.projects.report(report_id)
    current, kept = None, frozenset[str]()
    if report.project is not None:
        try:
            project = await operations.projects.get(report.project)
            versions = await operations.projects.versions(report.project)
        except ProjectNotFound:  # it never came to be, or was removed since
            pass
        else:
            current = None if project.current is None else project.current.label
            kept = frozenset(version.label for version in versions)
    return PageView(
        template="push_result.html",
        title="Push failed" if report.problem else f"Pushed {report.project}",
        room="push",
        view=PushResult(report=report, current=current, kept=kept),
    )
