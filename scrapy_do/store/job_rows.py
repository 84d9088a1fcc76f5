"""Rows and values of jobs, both directions side by side.

A state is spread over columns; those that it does not have are NULL.
"""

from collections import namedtuple
from typing import Any, assert_never

from sqlalchemy import Select, select

from scrapy_do.core.filter import StateName
from scrapy_do.core.instants import instant_of, ms_of
from scrapy_do.core.job import (
    Actor,
    Deleted,
    Driver,
    Finished,
    Job,
    JobKey,
    Outcome,
    Pending,
    Running,
    Starting,
    State,
    StopCause,
    Stopping,
)
from scrapy_do.protocol.facts import Process, Progress
from scrapy_do.store import tables
from scrapy_do.store.rows import AnyRow, Values, maybe_instant, maybe_ms, request_of, request_values

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


_NAMES = JOB_ROWS.selected_columns.keys()
_Fields = namedtuple("_Fields", _NAMES)  # type: ignore[misc]  # noqa: PYI024 - those of the tables
"""The same row, with names that are looked up many times faster."""


def progress_values(progress: Progress) -> Values:
    """The columns of progress."""
    return {
        "items": progress.items,
        "requests": progress.requests,
        "responses": progress.responses,
        "log_lines": progress.log_lines,
        "errors": progress.errors,
        "stats": dict(progress.stats),
        "reported_ms": maybe_ms(progress.reported_at),
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


def job_of(given: AnyRow) -> Job:
    """The job of a row of `JOB_ROWS`."""
    row: Any = _Fields._make(given)
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
            reported_at=maybe_instant(row.reported_ms),
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
