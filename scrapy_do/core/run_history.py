"""What became of the ended jobs of a spider: the little that bars, lines and medians need."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from scrapy_do.core.job import JobKey, Outcome


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


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentRun:
    """An ended job that is told of among others: whose it is, and why it ended."""

    project: str
    spider: str
    key: JobKey
    reason: str
    run: Run
