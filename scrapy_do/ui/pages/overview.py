"""The overview: what runs now, what is wrong, what comes next."""

from collections.abc import Sequence
from dataclasses import dataclass

from scrapy_do.core.filter import ACTIVE_STATES, JobFilter, StateName
from scrapy_do.core.job import Job
from scrapy_do.operations.operations import Operations, Status
from scrapy_do.ui.render import Page

MOST_RUNNING = 50
MOST_RECENT = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """What the page shows."""

    status: Status
    running: Sequence[Job]
    recent: Sequence[Job]
    is_new: bool


async def overview(operations: Operations) -> Page:
    """Gather the page."""
    status = await operations.status.status()
    jobs = operations.jobs
    running = await jobs.find(
        JobFilter(states=ACTIVE_STATES - {StateName.PENDING}, limit=MOST_RUNNING)
    )
    recent = await jobs.find(JobFilter(states=frozenset({StateName.FINISHED}), limit=MOST_RECENT))
    return Page(
        template="overview.html",
        title="Overview",
        room="overview",
        live=("jobs", "status"),
        view=Overview(
            status=status,
            running=running,
            recent=recent,
            is_new=not status.projects or not (running or recent or status.pending),
        ),
    )
