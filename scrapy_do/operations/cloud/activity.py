"""What has happened to a job, as events of its project's activity.

Source: Scrapy Cloud activity API: job:scheduled, job:started, job:completed,
job:cancelled, job:deleted.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from scrapy_do.core.cloud_states import RUNNER
from scrapy_do.core.instants import ms_of
from scrapy_do.core.job import (
    JSON,
    Deleted,
    Driver,
    Finished,
    Job,
    Pending,
    Running,
    Starting,
    Stopping,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """An event and when it was, in milliseconds since the epoch; `order` decides ties."""

    time_ms: int
    order: tuple[int, ...]
    event: JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """When a job got where, and by whose doing; None where it has not been."""

    pending: datetime | None = None
    running: datetime | None = None
    finished: datetime | None = None
    deleted: datetime | None = None
    scheduled_by: str | None = None
    started_by: str | None = None
    completed_by: str | None = None
    cancelled_by: str | None = None
    deleted_by: str | None = None


def history_of(job: Job) -> History:
    """Tell when a job got where.

    A job that was made in another state has never been pending. What our own crawls do is
    done by "jobrunner".
    """
    local = job.driver is Driver.LOCAL
    running = _running_since(job)
    ended = job.state.finished if isinstance(job.state, Deleted) else job.state
    finished = ended.since if isinstance(ended, Finished) else None
    was_pending = local or job.scheduled_by is not None
    if not local and job.completed_by is None and job.cancelled_by is None:
        finished = None  # deleted without an end of its own
    return History(
        pending=job.created_at if was_pending else None,
        running=running,
        finished=finished,
        deleted=job.state.since if isinstance(job.state, Deleted) else None,
        scheduled_by=job.scheduled_by,
        started_by=job.started_by or (RUNNER if running and local else None),
        completed_by=job.completed_by or (RUNNER if finished and running and local else None),
        cancelled_by=job.cancelled_by,
        deleted_by=job.state.by if isinstance(job.state, Deleted) else None,
    )


def _running_since(job: Job) -> datetime | None:
    match job.state:
        case Pending():
            return None
        case Starting() | Running():
            return job.state.since
        case Stopping():
            return job.state.started or job.state.since
        case Finished():
            return job.state.started
        case Deleted():
            return job.state.finished.started


def events_of(job: Job) -> Iterator[Happened]:
    """Tell what has happened to a job.

    Nobody notes when a running job was cancelled: its event stands right before the end.
    """
    past = history_of(job)
    cancelled_at = None
    if past.cancelled_by is not None:
        cancelled_at = past.finished or past.deleted or job.changed_at
    # Only what ended without having run was not completed by anybody.
    completed_at = past.finished if past.completed_by is not None else None
    steps = (
        ("job:scheduled", past.pending, past.scheduled_by),
        ("job:started", past.running, past.started_by),
        ("job:cancelled", cancelled_at, past.cancelled_by),
        ("job:completed", completed_at, past.completed_by),
        ("job:deleted", past.deleted, past.deleted_by),
    )
    for place, (name, instant, user) in enumerate(steps):
        if instant is not None:
            yield Happened(
                time_ms=ms_of(instant),
                order=(0, job.sequence, place),
                event={"event": name, "job": str(job.key), "user": user},
            )
