"""What became of the ended jobs of a spider: the little that bars, lines and medians need."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from scrapy_do.core.instants import instant_of
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


class RecentRun(NamedTuple):
    """An ended job that is told of among others: whose it is, and why it ended.

    A page reads a thousand of them and looks closely at a few: values are as they are stored
    until then. `project_id`, `spider_number` and `number` are its key.
    """

    project: str
    spider: str
    job_id: UUID
    outcome_name: str
    started_ms: int | None
    ended_ms: int
    items: int
    responses: int
    errors: int
    reason: str | None
    project_id: int
    spider_number: int
    number: int

    @property
    def outcome(self) -> Outcome:
        """How it ended."""
        return Outcome(self.outcome_name)

    @property
    def ended(self) -> datetime:
        """When it ended."""
        return instant_of(self.ended_ms)

    @property
    def spider_key(self) -> tuple[int, int]:
        """The numbers of its project and of its spider."""
        return self.project_id, self.spider_number

    @property
    def key(self) -> JobKey:
        """Its numbers."""
        return JobKey(project=self.project_id, spider=self.spider_number, number=self.number)

    @property
    def run(self) -> Run:
        """The job in numbers."""
        return Run(
            job_id=self.job_id,
            outcome=self.outcome,
            started=None if self.started_ms is None else instant_of(self.started_ms),
            ended=self.ended,
            items=self.items,
            responses=self.responses,
            errors=self.errors,
        )
