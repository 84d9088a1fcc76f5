"""Rows and values, both directions side by side.

Times are milliseconds in rows: what is finer is cut off.
"""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from datetime import UTC, datetime, timedelta
from typing import Any, assert_never

from sqlalchemy import Row, Select, select

from scrapy_do.core.filter import StateName
from scrapy_do.core.job import (
    Actor,
    Deleted,
    Driver,
    Finished,
    Job,
    JobKey,
    JobRequest,
    Outcome,
    Pending,
    Process,
    Progress,
    Running,
    Starting,
    State,
    StopCause,
    Stopping,
)
from scrapy_do.core.project import ArchiveRef, Project, Spider, Version
from scrapy_do.core.schedule import (
    CatchUp,
    Counts,
    Overlap,
    Policies,
    Schedule,
    ScheduleEvent,
    ScheduleEventKind,
    ScheduleState,
)
from scrapy_do.store import tables

Values = dict[str, Any]
AnyRow = Row[Any]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


def ms_of(instant: datetime) -> int:
    """Milliseconds since the epoch."""
    return (instant - EPOCH) // _MS


def instant_of(ms: int) -> datetime:
    """The instant of that many milliseconds since the epoch."""
    return EPOCH + timedelta(milliseconds=ms)


def maybe_ms(instant: datetime | None) -> int | None:
    """Milliseconds since the epoch, of a time that may be absent."""
    return None if instant is None else ms_of(instant)


def maybe_instant(ms: int | None) -> datetime | None:
    """The instant of a column that may be NULL."""
    return None if ms is None else instant_of(ms)


# --- what to run -------------------------------------------------------------------------------

_COLUMNS_OF_REQUEST = {"project", "spider", "version", "priority", "tags"}
_DOCUMENT = {
    field.name: field.default if field.default is not MISSING else {}
    for field in fields(JobRequest)
    if field.name not in _COLUMNS_OF_REQUEST
}
"""The parts of a request that are one JSON object, each with its default, which is left out."""


def request_values(request: JobRequest) -> Values:
    """The columns of a request but those that name the spider."""
    document = {name: getattr(request, name) for name in _DOCUMENT}
    return {
        "version": request.version,
        "priority": request.priority,
        "tags": list(request.tags),
        "request": {
            name: dict(value) if isinstance(value, Mapping) else value
            for name, value in document.items()
            if value != _DOCUMENT[name]
        },
    }


def request_of(row: AnyRow) -> JobRequest:
    """The request of a row of jobs or schedules, joined with the names."""
    return JobRequest(
        project=row.project,
        spider=row.spider,
        version=row.version,
        priority=row.priority,
        tags=tuple(row.tags),
        **row.request,
    )


# --- states ------------------------------------------------------------------------------------

_NO_STATE: Values = dict.fromkeys(
    (
        "not_before_ms",
        "started_ms",
        "ended_ms",
        "outcome",
        "reason",
        "stop_cause",
        "deleted_by",
        "pid",
        "start_ticks",
        "boot_id",
    )
)


STATE_COLUMNS = frozenset({"state", "since_ms", "attempt", *_NO_STATE})
"""The columns of which at least one changes when a job moves."""


def state_name(state: State) -> StateName:
    """The stored name of a state."""
    match state:
        case Pending():
            return StateName.PENDING
        case Starting():
            return StateName.STARTING
        case Running():
            return StateName.RUNNING
        case Stopping():
            return StateName.STOPPING
        case Finished():
            return StateName.FINISHED
        case Deleted():
            return StateName.DELETED
    assert_never(state)


def outcome_of_state(state: State) -> Outcome | None:
    """The outcome of a state that has one."""
    match state:
        case Finished(outcome=outcome) | Deleted(finished=Finished(outcome=outcome)):
            return outcome
    return None


def state_values(state: State) -> Values:
    """The columns of a state, those that it does not have as NULL."""
    values: Values = {
        **_NO_STATE,
        "state": state_name(state).value,
        "since_ms": ms_of(state.since),
    }
    match state:
        case Pending():
            own: Values = {"attempt": state.attempt, "not_before_ms": maybe_ms(state.not_before)}
        case Starting():
            own = {"attempt": state.attempt}
        case Running():
            own = {
                "attempt": state.attempt,
                "started_ms": ms_of(state.since),
                **_process_values(state.process),
            }
        case Stopping():
            own = {
                "attempt": state.attempt,
                "started_ms": maybe_ms(state.started),
                "stop_cause": state.cause.value,
                "reason": state.reason,
                **_process_values(state.process),
            }
        case Finished():
            own = _finished_values(state)
        case Deleted():
            own = {**_finished_values(state.finished), "deleted_by": state.by}
        case _:
            assert_never(state)
    return values | own


def _finished_values(state: Finished) -> Values:
    return {
        "attempt": state.attempt,
        "started_ms": maybe_ms(state.started),
        "ended_ms": ms_of(state.since),
        "outcome": state.outcome.value,
        "reason": state.reason,
    }


def _process_values(process: Process | None) -> Values:
    if process is None:
        return {}
    return {
        "pid": process.pid,
        "start_ticks": process.start_ticks,
        "boot_id": process.boot_id,
    }


def state_of(row: AnyRow) -> State:
    """The state of a row of jobs."""
    name = StateName(row.state)
    since = instant_of(row.since_ms)
    match name:
        case StateName.PENDING:
            return Pending(
                since=since, attempt=row.attempt, not_before=maybe_instant(row.not_before_ms)
            )
        case StateName.STARTING:
            return Starting(since=since, attempt=row.attempt)
        case StateName.RUNNING:
            return Running(since=since, attempt=row.attempt, process=_process_of(row))
        case StateName.STOPPING:
            return Stopping(
                since=since,
                started=maybe_instant(row.started_ms),
                attempt=row.attempt,
                cause=StopCause(row.stop_cause),
                reason=row.reason,
                process=_process_of(row),
            )
        case StateName.FINISHED:
            return _finished_of(row)
        case StateName.DELETED:
            return Deleted(since=since, by=row.deleted_by, finished=_finished_of(row))
    assert_never(name)


def _finished_of(row: AnyRow) -> Finished:
    return Finished(
        since=instant_of(row.ended_ms),
        started=maybe_instant(row.started_ms),
        attempt=row.attempt,
        outcome=Outcome(row.outcome),
        reason=row.reason,
    )


def _process_of(row: AnyRow) -> Process | None:
    if row.pid is None:
        return None
    return Process(pid=row.pid, start_ticks=row.start_ticks, boot_id=row.boot_id)


# --- jobs --------------------------------------------------------------------------------------

JOB_ROWS: Select[Any] = (
    select(
        tables.jobs,
        tables.projects.c.name.label("project"),
        tables.spiders.c.name.label("spider"),
    )
    .join(tables.projects, tables.projects.c.id == tables.jobs.c.project_id)
    .join(
        tables.spiders,
        (tables.spiders.c.project_id == tables.jobs.c.project_id)
        & (tables.spiders.c.number == tables.jobs.c.spider_number),
    )
)
"""Rows of jobs with the names of their project and spider, as `job_of` reads them."""


def progress_values(progress: Progress) -> Values:
    """The columns of progress."""
    return {
        "items": progress.items,
        "requests": progress.requests,
        "responses": progress.responses,
        "log_lines": progress.log_lines,
        "errors": progress.errors,
        "stats": dict(progress.stats),
    }


def job_values(job: Job) -> Values:
    """The columns of a job."""
    return {
        "id": job.id,
        "project_id": job.key.project,
        "spider_number": job.key.spider,
        "number": job.key.number,
        "deploy_id": job.deploy_id,
        "actor": job.actor.value,
        "driver": job.driver.value,
        "created_ms": ms_of(job.created_at),
        "changed_ms": ms_of(job.changed_at),
        "sequence": job.sequence,
        "schedule_id": job.schedule_id,
        "planned_ms": maybe_ms(job.planned_at),
        "unique_key": job.unique,
        "scheduled_by": job.scheduled_by,
        "started_by": job.started_by,
        "completed_by": job.completed_by,
        "cancelled_by": job.cancelled_by,
        "meta": dict(job.meta),
        **state_values(job.state),
        **progress_values(job.progress),
        **request_values(job.request),
    }


def job_of(row: AnyRow) -> Job:
    """The job of a row of `JOB_ROWS`."""
    return Job(
        id=row.id,
        key=JobKey(project=row.project_id, spider=row.spider_number, number=row.number),
        request=request_of(row),
        deploy_id=row.deploy_id,
        actor=Actor(row.actor),
        driver=Driver(row.driver),
        created_at=instant_of(row.created_ms),
        changed_at=instant_of(row.changed_ms),
        sequence=row.sequence,
        state=state_of(row),
        progress=Progress(
            items=row.items,
            requests=row.requests,
            responses=row.responses,
            log_lines=row.log_lines,
            errors=row.errors,
            stats=row.stats,
        ),
        schedule_id=row.schedule_id,
        planned_at=maybe_instant(row.planned_ms),
        unique=row.unique_key,
        scheduled_by=row.scheduled_by,
        started_by=row.started_by,
        completed_by=row.completed_by,
        cancelled_by=row.cancelled_by,
        meta=row.meta,
    )


# --- projects ----------------------------------------------------------------------------------


def version_of(row: AnyRow) -> Version:
    """The version of a row of versions."""
    return Version(
        id=row.id,
        project_id=row.project_id,
        label=row.label,
        archive=ArchiveRef(digest=row.digest, size_bytes=row.size_bytes),
        root=row.root,
        settings_module=row.settings_module,
        spiders=tuple(row.spiders),
        pushed_at=instant_of(row.pushed_ms),
        pushed_by=row.pushed_by,
    )


def project_of(row: AnyRow, current: Version | None) -> Project:
    """The project of a row of projects, with its current version."""
    return Project(id=row.id, name=row.name, current=current, created_at=instant_of(row.created_ms))


def spider_of(row: AnyRow) -> Spider:
    """The spider of a row of spiders."""
    return Spider(
        project_id=row.project_id, number=row.number, name=row.name, deployed=row.deployed
    )


# --- schedules ---------------------------------------------------------------------------------

SCHEDULE_ROWS: Select[Any] = select(tables.schedules, tables.projects.c.name.label("project")).join(
    tables.projects, tables.projects.c.id == tables.schedules.c.project_id
)
"""Rows of schedules with the name of their project, as `schedule_of` reads them."""


def schedule_values(schedule: Schedule) -> Values:
    """The columns of a schedule but `project_id`."""
    policies = schedule.policies
    return {
        "id": schedule.id,
        "spider": schedule.request.spider,
        "spec": schedule.spec,
        "zone": schedule.zone,
        "anchor_ms": ms_of(schedule.anchor),
        "state": schedule.state.value,
        "last_planned_ms": maybe_ms(schedule.last_planned),
        "next_due_ms": maybe_ms(schedule.next_due),
        "drawn_ms": None if schedule.drawn is None else schedule.drawn // _MS,
        "catchup": policies.catchup.value,
        "catchup_window_s": policies.catchup_window_s,
        "overlap": policies.overlap.value,
        "jitter_s": policies.jitter_s,
        "until_ms": maybe_ms(policies.until),
        "max_runs": policies.max_runs,
        "fired": schedule.counts.fired,
        "missed": schedule.counts.missed,
        "skipped": schedule.counts.skipped,
        "note": schedule.note,
        "error": schedule.error,
        "created_ms": ms_of(schedule.created_at),
        "changed_ms": ms_of(schedule.changed_at),
        "created_by": schedule.created_by,
        **request_values(schedule.request),
    }


def schedule_of(row: AnyRow) -> Schedule:
    """The schedule of a row of `SCHEDULE_ROWS`."""
    return Schedule(
        id=row.id,
        request=request_of(row),
        spec=row.spec,
        zone=row.zone,
        anchor=instant_of(row.anchor_ms),
        created_at=instant_of(row.created_ms),
        changed_at=instant_of(row.changed_ms),
        created_by=row.created_by,
        policies=Policies(
            catchup=CatchUp(row.catchup),
            catchup_window_s=row.catchup_window_s,
            overlap=Overlap(row.overlap),
            jitter_s=row.jitter_s,
            until=maybe_instant(row.until_ms),
            max_runs=row.max_runs,
        ),
        state=ScheduleState(row.state),
        last_planned=maybe_instant(row.last_planned_ms),
        next_due=maybe_instant(row.next_due_ms),
        drawn=None if row.drawn_ms is None else timedelta(milliseconds=row.drawn_ms),
        counts=Counts(fired=row.fired, missed=row.missed, skipped=row.skipped),
        note=row.note,
        error=row.error,
    )


def event_values(event: ScheduleEvent) -> Values:
    """The columns of an event of a schedule but its number."""
    return {
        "schedule_id": event.schedule_id,
        "kind": event.kind.value,
        "first_ms": ms_of(event.first),
        "last_ms": ms_of(event.last),
        "instants": event.count,
        "reason": event.reason,
    }


def event_of(row: AnyRow) -> ScheduleEvent:
    """The event of a row of schedule_events."""
    return ScheduleEvent(
        schedule_id=row.schedule_id,
        kind=ScheduleEventKind(row.kind),
        first=instant_of(row.first_ms),
        last=instant_of(row.last_ms),
        count=row.instants,
        reason=row.reason,
    )
