"""Rows and values, both directions side by side.

Times are milliseconds in rows: what is finer is cut off.
"""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, Select, select

from scrapy_do.core.instants import MS, instant_of, ms_of
from scrapy_do.core.job import JobRequest
from scrapy_do.core.project import ArchiveRef, Interpreter, Project, Spider, Version
from scrapy_do.core.schedule import (
    CatchUp,
    Counts,
    Overlap,
    Policies,
    Schedule,
    ScheduleEvent,
    ScheduleEventKind,
    ScheduleState,
    stored_timing,
)
from scrapy_do.store import tables

Values = dict[str, Any]
AnyRow = Row[Any]


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
        interpreter=Interpreter(python=row.python, scrapy=row.scrapy) if row.python else None,
    )


def project_of(row: AnyRow, current: Version | None) -> Project:
    """The project of a row of projects, with its current version."""
    return Project(id=row.id, name=row.name, current=current, created_at=instant_of(row.created_ms))


def spider_of(row: AnyRow) -> Spider:
    """The spider of a row of spiders."""
    return Spider(
        project_id=row.project_id,
        number=row.number,
        name=row.name,
        deployed=row.deployed,
        compared=row.compared,
    )


# --- schedules ---------------------------------------------------------------------------------

SCHEDULE_ROWS: Select[Any] = select(tables.schedules, tables.projects.c.name.label("project")).join(
    tables.projects, tables.projects.c.id == tables.schedules.c.project_id
)
"""Rows of schedules with the name of their project, as `schedule_of` reads them."""


def schedule_values(schedule: Schedule) -> Values:
    """The columns of a schedule but `project_id` and `sequence`."""
    policies = schedule.policies
    return {
        "id": schedule.id,
        "spider": schedule.request.spider,
        "spec": schedule.timing.spec,
        "zone": schedule.timing.zone_name,
        "anchor_ms": ms_of(schedule.anchor),
        "state": schedule.state.value,
        "last_planned_ms": maybe_ms(schedule.last_planned),
        "next_due_ms": maybe_ms(schedule.next_due),
        "drawn_ms": None if schedule.drawn is None else schedule.drawn // MS,
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
    anchor = instant_of(row.anchor_ms)
    return Schedule(
        id=row.id,
        request=request_of(row),
        timing=stored_timing(row.spec, row.zone, anchor=anchor),
        anchor=anchor,
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
        sequence=row.sequence,
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


def schedule_event_of(row: AnyRow) -> ScheduleEvent:
    """The event of a row of schedule_events."""
    return ScheduleEvent(
        schedule_id=row.schedule_id,
        kind=ScheduleEventKind(row.kind),
        first=instant_of(row.first_ms),
        last=instant_of(row.last_ms),
        count=row.instants,
        reason=row.reason,
    )
