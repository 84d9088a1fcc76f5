"""The JSON of the answers as JSON Schema, for the OpenAPI document; `shapes` makes them.

A field that is always there is required. More fields may be added at any time.
"""

from collections.abc import Mapping
from typing import Any

from scrapy_do.core.job import Actor
from scrapy_do.core.schedule import CatchUp, Overlap, ScheduleEventKind, ScheduleState

Schema = Mapping[str, Any]

TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "minimum": 0}
NUMBER: Schema = {"type": "number"}
UUID: Schema = {"type": "string", "format": "uuid"}
INSTANT: Schema = {"type": "string", "format": "date-time"}
TEXTS: Schema = {"type": "array", "items": TEXT}
INSTANTS: Schema = {"type": "array", "items": INSTANT}
PAIRS: Schema = {"type": "object", "additionalProperties": TEXT}
LOCAL_TIME: Schema = {
    "type": "string",
    "description": "Local time of the daemon, without a zone: 2026-06-03 10:00:00.000000",
}


def reference_to(name: str) -> Schema:
    """A schema by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def _rows(name: str) -> Schema:
    """A list of values of a named schema."""
    return {"type": "array", "items": reference_to(name)}


def _or_null(schema: Schema) -> Schema:
    return {**schema, "type": [schema["type"], "null"]}


def _words(*words: str) -> Schema:
    return {"type": "string", "enum": list(words)}


def _fields(*, optional: Mapping[str, Schema] | None = None, **required: Schema) -> Schema:
    """An object; `_` in a name stands for `-`."""
    always = {name.replace("_", "-"): schema for name, schema in required.items()}
    return {
        "type": "object",
        "properties": {**always, **(optional or {})},
        "required": list(always),
    }


def _answer(*, optional: Mapping[str, Schema] | None = None, **required: Schema) -> Schema:
    """An answer that went well."""
    return _fields(optional=optional, status={"const": "ok"}, **required)


PAGE: Mapping[str, Schema] = {"truncated": {"const": True}, "next-after": COUNT}
"""What a list says where more follows."""

_JOB = {
    "identifier": UUID,
    "status": _words("PENDING", "RUNNING", "SUCCESSFUL", "FAILED", "CANCELED"),
    "actor": _words(*Actor),
    "schedule": TEXT,
    "project": TEXT,
    "spider": TEXT,
    "description": TEXT,
    "timestamp": LOCAL_TIME,
    "duration": _or_null({**COUNT, "description": "whole seconds"}),
    "payload": {"type": "string", "contentMediaType": "application/json"},
    "created": INSTANT,
    "started": _or_null(INSTANT),
    "finished": _or_null(INSTANT),
    "outcome-reason": _or_null(TEXT),
    "version": _or_null(TEXT),
    "items": COUNT,
    "errors": COUNT,
    "tags": TEXTS,
    "priority": {"type": "integer"},
    "key": TEXT,
    "attempt": _or_null(COUNT),
    "schedule-id": _or_null(UUID),
    "planned": _or_null(INSTANT),
    "warnings": TEXTS,
    "waiting-for": _or_null(TEXT),
}

_DETAILS = {
    **_JOB,
    "arguments": PAIRS,
    "settings": PAIRS,
    "timeout": _or_null(NUMBER),
    "retries": COUNT,
    "earlier-attempts": COUNT,
    "requests": COUNT,
    "responses": COUNT,
    "log-lines": COUNT,
    "stats": {"type": "object"},
}

_SCHEDULE = {
    "identifier": UUID,
    "state": _words(*ScheduleState),
    "project": TEXT,
    "spider": TEXT,
    "version": _or_null(TEXT),
    "schedule": TEXT,
    "timezone": TEXT,
    "next-run": _or_null(INSTANT),
    "next-runs": INSTANTS,
    "last-planned": _or_null(INSTANT),
    "last-job": _or_null(UUID),
    "last-outcome": _or_null(TEXT),
    "fired": COUNT,
    "missed": COUNT,
    "skipped": COUNT,
    "catchup": _words(*CatchUp),
    "catchup-window": _or_null(NUMBER),
    "overlap": _words(*Overlap),
    "jitter": NUMBER,
    "until": _or_null(INSTANT),
    "max-runs": _or_null(COUNT),
    "note": TEXT,
    "error": _or_null(TEXT),
    "description": TEXT,
    "payload": TEXT,
    "arguments": PAIRS,
    "settings": PAIRS,
    "tags": TEXTS,
    "priority": {"type": "integer"},
    "timeout": _or_null(NUMBER),
    "stall-timeout": _or_null(NUMBER),
    "memory-limit": _or_null(COUNT),
    "retries": COUNT,
    "retry-delay": NUMBER,
    "created": INSTANT,
    "created-by": TEXT,
    "changed": INSTANT,
}

SCHEMAS: Mapping[str, Schema] = {
    "Error": _fields(
        status={"const": "error"},
        msg={**TEXT, "description": "For people; it may change"},
        error={**TEXT, "description": "The name of the error; it stays"},
        optional={"traceback": TEXT, "warnings": TEXTS},
    ),
    "Job": _fields(**_JOB),
    "JobDetails": _fields(**_DETAILS),
    "ScheduledJob": _fields(
        identifier=UUID,
        status=_words("SCHEDULED", "CANCELED", "COMPLETED"),
        actor={"const": "USER"},
        schedule=TEXT,
        project=TEXT,
        spider=TEXT,
        description=TEXT,
        timestamp=LOCAL_TIME,
        duration={"type": "null"},
        payload=TEXT,
        created=INSTANT,
        next_run=_or_null(INSTANT),
        timezone=TEXT,
        missed=COUNT,
        skipped=COUNT,
        tags=TEXTS,
        priority={"type": "integer"},
        state=_words(*ScheduleState),
    ),
    "Schedule": _fields(**_SCHEDULE),
    "Project": _fields(
        name=TEXT,
        id=COUNT,
        version=_or_null(TEXT),
        spiders=COUNT,
        pushed=_or_null(INSTANT),
        pushed_by=_or_null(TEXT),
    ),
    "Version": _fields(
        version=TEXT,
        id=COUNT,
        current=FLAG,
        spiders=TEXTS,
        digest=TEXT,
        size=COUNT,
        pushed=INSTANT,
        pushed_by=TEXT,
    ),
    "JobFile": _fields(path=TEXT, size=COUNT, modified=INSTANT, url=TEXT),
    "ScheduleEvent": _fields(
        what=_words(*ScheduleEventKind),
        first=_or_null(INSTANT),
        last=_or_null(INSTANT),
        count=COUNT,
        reason=_or_null(TEXT),
    ),
    "ClockChange": _fields(at=INSTANT, instead_of=_or_null(INSTANT)),
}
"""What is shared by answers."""

ANSWERS: Mapping[str, Schema] = {
    "/status.json": _answer(
        memory_usage=NUMBER,
        cpu_usage=NUMBER,
        time=LOCAL_TIME,
        timezone=TEXT,
        hostname=TEXT,
        uptime=TEXT,
        jobs_run=COUNT,
        jobs_successful=COUNT,
        jobs_failed=COUNT,
        jobs_canceled=COUNT,
        jobs_scheduled=COUNT,
        jobs_pending=COUNT,
        jobs_running=COUNT,
        projects=COUNT,
        spiders=COUNT,
        slots=COUNT,
        scheduler_lag_s=NUMBER,
        disk_free=COUNT,
        disk_size=COUNT,
        memory_free=_or_null(COUNT),
        memory_size=_or_null(COUNT),
        database=TEXT,
        daemon_version=TEXT,
    ),
    "/push-project.json": _answer(
        name=TEXT,
        spiders=TEXTS,
        id=COUNT,
        version=TEXT,
        active=FLAG,
        removed_spiders=TEXTS,
        warnings=TEXTS,
    ),
    "/list-projects.json": _answer(projects=TEXTS, details=_rows("Project")),
    "/list-spiders.json": _answer(project=TEXT, spiders=TEXTS),
    "/list-versions.json": _answer(project=TEXT, versions=_rows("Version")),
    "/activate-version.json": _answer(project=TEXT, version=TEXT),
    "/remove-version.json": _answer(),
    "/remove-project.json": _answer(),
    "/schedule-job.json": _answer(
        identifier=UUID, optional={"schedule": TEXT, "timezone": TEXT, "next-runs": INSTANTS}
    ),
    "/list-jobs.json": _answer(
        jobs={
            "type": "array",
            "items": {
                "anyOf": [
                    reference_to("JobDetails"),
                    reference_to("Job"),
                    reference_to("ScheduledJob"),
                ]
            },
        },
        optional=PAGE,
    ),
    "/job.json": _answer(job=reference_to("JobDetails")),
    "/cancel-job.json": _answer(),
    "/retry-job.json": _answer(identifier=UUID),
    "/delete-job.json": _answer(),
    "/job-files.json": _answer(
        files=_rows("JobFile"), left_out=_fields(files=COUNT, size=COUNT), optional=PAGE
    ),
    "/list-schedules.json": _answer(schedules=_rows("Schedule"), total=COUNT, optional=PAGE),
    "/list-schedule-history.json": _answer(
        identifier=UUID,
        fired=COUNT,
        missed=COUNT,
        skipped=COUNT,
        jobs=_rows("Job"),
        events=_rows("ScheduleEvent"),
    ),
    "/preview-schedule.json": _answer(
        schedule=TEXT,
        sentence=TEXT,
        timezone=TEXT,
        next_runs=INSTANTS,
        next_runs_utc=INSTANTS,
        optional={"clock-changes": _rows("ClockChange"), "earliest": INSTANT, "latest": INSTANT},
    ),
    "/update-schedule.json": _answer(**_SCHEDULE),
    "/pause-schedule.json": _answer(**_SCHEDULE),
    "/resume-schedule.json": _answer(**_SCHEDULE),
    "/run-schedule.json": _answer(identifier=UUID),
    "/backfill-schedule.json": _answer(identifiers={"type": "array", "items": UUID}),
    "/openapi.json": {"type": "object", "required": ["openapi", "info", "paths"]},
    "/healthz": _fields(status=_words("ok", "error"), optional={"failing": TEXTS}),
}
"""What a path answers with JSON."""
