"""The JSON of the Scrapy Do API: fields, types and spellings as documented.

Source: Scrapy Do REST API, `list-jobs.json` and `status.json`. The additions are
optional fields beside the documented ones.
"""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID

from scrapy_do import __version__
from scrapy_do.core.job import (
    Deleted,
    Finished,
    Job,
    Outcome,
    Pending,
    Running,
    Starting,
    State,
    Stopping,
    started_at,
)
from scrapy_do.core.project import Project, Version
from scrapy_do.core.schedule import STANDING, Schedule, ScheduleState
from scrapy_do.operations.jobs import warnings_of
from scrapy_do.operations.listing import Page
from scrapy_do.operations.operations import JobFile, LeftOut, Pushed, Status
from scrapy_do.web.answer import Rows

TIMESTAMP = "%Y-%m-%d %H:%M:%S.%f"


def local(instant: datetime) -> str:
    """An instant as the original shows it: local to the daemon, without a zone."""
    return instant.astimezone().strftime(TIMESTAMP)


def iso_local(instant: datetime | None) -> str | None:
    """An instant in ISO 8601 with its offset."""
    return None if instant is None else instant.astimezone().isoformat()


def status_name(state: State) -> str:
    """The Scrapy Do name of a job's state. A lost job shows as FAILED, with its reason."""
    match state:
        case Pending():
            return "PENDING"
        case Starting() | Running() | Stopping():
            return "RUNNING"
        case Finished(outcome=outcome):
            return "FAILED" if outcome is Outcome.LOST else outcome.value
        case Deleted(finished=finished):
            return status_name(finished)


def duration_s(state: State) -> int | None:
    """Whole seconds from start to end, None before the end or without a start."""
    if isinstance(state, Finished) and state.started is not None:
        return max(0, round((state.since - state.started).total_seconds()))
    return None


def job_json(job: Job, waiting_for: str | None = None) -> dict[str, Any]:
    """A job as `list-jobs.json` shows it; a pending one with what it waits for, if not a slot."""
    state, request = job.state, job.request
    return {
        "identifier": str(job.id),
        "status": status_name(state),
        "actor": job.actor.value,
        "schedule": "now",
        "project": request.project,
        "spider": request.spider,
        "description": request.description,
        "timestamp": local(job.changed_at),
        "duration": duration_s(state),
        "payload": request.payload,
        "created": iso_local(job.created_at),
        "started": iso_local(started_at(state)),
        "finished": iso_local(state.since if isinstance(state, Finished) else None),
        "outcome-reason": state.reason if isinstance(state, Finished) else None,
        "version": request.version,
        "items": job.progress.items,
        "errors": job.progress.errors,
        "tags": list(request.tags),
        "priority": request.priority,
        "key": str(job.key),
        "attempt": getattr(state, "attempt", None),
        "schedule-id": None if job.schedule_id is None else str(job.schedule_id),
        "planned": iso_local(job.planned_at),
        "warnings": list(warnings_of(job)),
        "waiting-for": waiting_for,
    }


def job_details_json(job: Job, *, waiting_for: str | None, earlier_attempts: int) -> dict[str, Any]:
    """A job asked for by its id: with its statistics and everything it was given.

    `earlier_attempts` is how many abandoned attempts have left records.
    """
    request, progress = job.request, job.progress
    return {
        **job_json(job, waiting_for),
        "arguments": dict(request.arguments),
        "settings": dict(request.settings),
        "timeout": request.timeout_s,
        "retries": request.retries,
        "earlier-attempts": earlier_attempts,
        "requests": progress.requests,
        "responses": progress.responses,
        "log-lines": progress.log_lines,
        "stats": dict(progress.stats),
    }


def status_of_schedule(state: ScheduleState) -> str:
    """The Scrapy Do name of an order's state: SCHEDULED while it stands."""
    if state in STANDING:
        return "SCHEDULED"
    return "CANCELED" if state is ScheduleState.CANCELED else "COMPLETED"


def job_or_schedule_json(row: Job | Schedule, waiting: Mapping[UUID, str]) -> dict[str, Any]:
    """A row of `list-jobs.json`."""
    if isinstance(row, Job):
        return job_json(row, waiting.get(row.id))
    return schedule_job_json(row)


def page_json(name: str, rows: Rows, page: Page[Any]) -> dict[str, Any]:
    """A page of a list; where more follows, it says so, and where the next page begins."""
    if page.next_after is None:
        return {name: rows}
    return {name: rows, "truncated": True, "next-after": page.next_after}


def schedule_job_json(schedule: Schedule) -> dict[str, Any]:
    """A schedule as a job of `list-jobs.json`."""
    request = schedule.request
    return {
        "identifier": str(schedule.id),
        "status": status_of_schedule(schedule.state),
        "actor": "USER",
        "schedule": schedule.timing.spec,
        "project": request.project,
        "spider": request.spider,
        "description": request.description,
        "timestamp": local(schedule.changed_at),
        "duration": None,
        "payload": request.payload,
        "created": iso_local(schedule.created_at),
        "next-run": iso_local(schedule.next_due),
        "timezone": schedule.timing.zone_name,
        "missed": schedule.counts.missed,
        "skipped": schedule.counts.skipped,
        "tags": list(request.tags),
        "priority": request.priority,
        "state": schedule.state.value,
    }


def uptime_text(uptime: timedelta) -> str:
    """A span like `1d 12m 24s`: days are the largest unit, zero parts are left out."""
    minutes, seconds = divmod(int(uptime.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = ((days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s"))
    return " ".join(f"{value}{unit}" for value, unit in parts if value) or "0s"


def answered(*parts: Mapping[str, Any]) -> dict[str, Any]:
    """An answer that went well, `status` first."""
    answer: dict[str, Any] = {"status": "ok"}
    for part in parts:
        answer.update(part)
    return answer


def project_json(project: Project) -> dict[str, Any]:
    """A project as `list-projects.json` describes it."""
    current = project.current
    return {
        "name": project.name,
        "id": project.id,
        "version": current.label if current else None,
        "spiders": len(current.spiders) if current else 0,
        "pushed": iso_local(current.pushed_at) if current else None,
        "pushed-by": current.pushed_by if current else None,
    }


def version_json(version: Version, current: Version | None) -> dict[str, Any]:
    """A version as `list-versions.json` shows it."""
    return {
        "version": version.label,
        "id": version.id,
        "current": current is not None and current.id == version.id,
        "spiders": sorted(version.spiders),
        "digest": version.archive.digest,
        "size": version.archive.size_bytes,
        "pushed": iso_local(version.pushed_at),
        "pushed-by": version.pushed_by,
    }


def pushed_json(pushed: Pushed) -> dict[str, Any]:
    """What a push did."""
    return {
        "name": pushed.project.name,
        "spiders": sorted(pushed.version.spiders),
        "id": pushed.project.id,
        "version": pushed.version.label,
        "active": pushed.is_current,
        "removed-spiders": list(pushed.removed_spiders),
        "warnings": list(pushed.warnings),
    }


def status_json(status: Status, problems: Mapping[str, str]) -> dict[str, Any]:
    """The daemon and its counters as `status.json` shows them."""
    return {
        "memory-usage": status.memory_mib,
        "cpu-usage": status.cpu_percent,
        "time": local(status.now),
        "timezone": "; ".join(time.tzname),
        "hostname": status.hostname,
        "uptime": uptime_text(status.uptime),
        "jobs-run": status.jobs_run,
        "jobs-successful": status.jobs_successful,
        "jobs-failed": status.jobs_failed,
        "jobs-canceled": status.jobs_canceled,
        "jobs-scheduled": status.scheduled,
        "jobs-pending": status.pending,
        "jobs-running": status.running,
        "projects": status.projects,
        "spiders": status.spiders,
        "slots": status.slots,
        "scheduler-lag-s": status.scheduler_lag_s,
        "disk-free": status.room.disk_free_bytes,
        "disk-size": status.room.disk_bytes,
        "memory-free": status.room.memory_free_bytes,
        "memory-size": status.room.memory_bytes,
        "database": problems.get("store", "ok"),
        "daemon-version": __version__,
    }


def job_files_json(
    job_id: UUID, files: Sequence[JobFile], left_out: LeftOut, limit: int, attempt: int | None
) -> dict[str, Any]:
    """A page of the files of a job; `url` is relative to the root of the API."""
    query = "" if attempt is None else f"?attempt={attempt}"
    answer: dict[str, Any] = {
        "files": [
            {
                "path": file.path,
                "size": file.size_bytes,
                "modified": iso_local(datetime.fromtimestamp(file.modified_ms / 1000, UTC)),
                "url": f"get-file/data/{job_id}/{quote(file.path)}{query}",
            }
            for file in files[:limit]
        ],
        "left-out": {"files": left_out.files, "size": left_out.size_bytes},
    }
    if len(files) > limit:
        answer["truncated"] = True
        answer["next-after"] = files[limit - 1].number
    return answer


def attachment_headers(path: str) -> tuple[tuple[str, str], ...]:
    """Have a browser save a file, not show it, whatever it holds (RFC 6266)."""
    name = path.rpartition("/")[2]
    plain = "".join(letter if letter.isalnum() or letter in "._- " else "_" for letter in name)
    plain = plain.encode("ascii", "replace").decode().replace("?", "_")
    return (
        (
            "Content-Disposition",
            f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}",
        ),
        ("Content-Security-Policy", "sandbox; default-src 'none'"),
    )
