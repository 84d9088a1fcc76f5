"""What became of the ended jobs of a spider: the little that bars, lines and medians need."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from scrapy_do.core.job import Finished, Job, JobKey, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """An ended job in numbers; `started` is None where no crawl of it began."""

    job_id: UUID
    outcome: Outcome
    started: datetime | None
    ended: datetime
    items: int
    responses: int
    errors: int

    @property
    def duration(self) -> timedelta | None:
        """How long the crawl took."""
        return None if self.started is None else max(timedelta(0), self.ended - self.started)


def run_of(job: Job) -> Run | None:
    """An ended job in numbers; None while it has not ended."""
    state = job.state
    if not isinstance(state, Finished):
        return None
    return Run(
        job_id=job.id,
        outcome=state.outcome,
        started=state.started,
        ended=state.since,
        items=job.progress.items,
        responses=job.progress.responses,
        errors=job.progress.errors,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentRun:
    """An ended job that is told of among others: whose it is, and why it ended."""

    project: str
    spider: str
    key: JobKey
    reason: str
    run: Run
