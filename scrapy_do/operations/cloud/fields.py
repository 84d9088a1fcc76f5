"""What the metadata fields of Scrapy Cloud mean for a job: the core's own, or kept as they are.

Source: Scrapy Cloud job metadata API.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from scrapy_do.core.cloud_states import LONGEST_REASON
from scrapy_do.core.job import JSON, PRIORITIES, Deleted, Driver, Finished, Job, JobRequest
from scrapy_do.errors import BadArgument, TooLarge
from scrapy_do.operations.admission import MOST_TAGS

LONGEST_LABEL = 255
UNITS = range(1, 7)
META_BYTES = 1024 * 1024
CLOSE_REASON = "close_reason"
STATS = "scrapystats"
REPORTS = "reports"

DERIVED = frozenset(
    {
        "_key",
        "auth",
        "cancelled_by",
        "completed_by",
        "deleted_by",
        "deleted_time",
        "deploy_id",
        "finished_time",
        "key",
        "pending_time",
        "project",
        "running_time",
        "scheduled_by",
        "spider",
        "started_by",
        "state",
        "updated_time",
    }
)
"""Fields that follow from what happened to the job: written back by clients, and ignored."""

_OF_RUN = frozenset({CLOSE_REASON, STATS, "version"})
"""Fields that tell of the run: of our own crawls we know them ourselves."""


def writable(fields: Mapping[str, JSON], driver: Driver) -> dict[str, JSON]:
    """The fields that a client may write, of a job that somebody drives."""
    ignored = DERIVED | _OF_RUN if driver is Driver.LOCAL else DERIVED
    return {name: value for name, value in fields.items() if name not in ignored}


def label(value: object, field: str) -> str:
    """A text of one line for people: the name of a spider not deployed here, a tag, a version.

    Raises:
        BadArgument: it is empty, too long, no text, or has characters without a shape.
    """
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_LABEL or not _is_plain(value):
        raise BadArgument(field, f"must be a text of 1 to {LONGEST_LABEL} printable characters")
    return value


def _is_plain(text: str) -> bool:
    return text.isprintable()


def tags(values: Iterable[object], field: str = "tags") -> tuple[str, ...]:
    """Tags in their order, each once.

    Raises:
        BadArgument: one is no label, or there are too many.
    """
    found = tuple(dict.fromkeys(label(value, field) for value in values))
    if len(found) > MOST_TAGS:
        raise BadArgument(field, f"a job has at most {MOST_TAGS} tags")
    return found


def retagged(present: Iterable[str], *, add: Iterable[str], remove: Iterable[str]) -> list[str]:
    """Tags after some were removed and then others added at the end."""
    gone = set(remove)
    return list(dict.fromkeys([*(tag for tag in present if tag not in gone), *add]))


def reason_of(value: object) -> str:
    """A close reason as it is kept; null stands for none.

    Raises:
        BadArgument: it is no text.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadArgument(CLOSE_REASON, "must be a text")
    return "".join(sign if _is_plain(sign) else "?" for sign in value[:LONGEST_REASON])


def described(
    request: JobRequest, meta: Mapping[str, JSON], fields: Mapping[str, JSON]
) -> tuple[JobRequest, Mapping[str, JSON]]:
    """A request and its free metadata, after fields were merged into them.

    Raises:
        BadArgument: a field has a value that it cannot have.
        TooLarge: all free metadata together would be above the limit.
    """
    known: dict[str, Any] = {}
    free = dict(meta)
    for name, value in fields.items():
        if name in _KNOWN:
            attribute, read = _KNOWN[name]
            known[attribute] = read(value, name)
        else:
            free[name] = value
    if len(json.dumps(free)) > META_BYTES:
        raise TooLarge("The metadata of a job", META_BYTES)
    return replace(request, **known), free


def merged(job: Job, fields: Mapping[str, JSON]) -> Job:
    """A job after metadata fields were merged into it.

    Raises:
        BadArgument, TooLarge: as `described`.
    """
    left = writable(fields, job.driver)
    if STATS in left:
        stats = _object(left.pop(STATS), STATS)
        job = replace(job, progress=replace(job.progress, stats=stats))
    if CLOSE_REASON in left and isinstance(job.state, Finished | Deleted):
        job = _closed(job, reason_of(left.pop(CLOSE_REASON)))
    request, meta = described(job.request, job.meta, left)
    return replace(job, request=request, meta=meta)


def without(job: Job, field: str) -> Job:
    """A job after a metadata field was removed, if it can be."""
    if field in job.meta:
        return replace(job, meta={name: job.meta[name] for name in job.meta if name != field})
    ended = isinstance(job.state, Finished | Deleted)
    is_there = field in _REMOVABLE or (field == CLOSE_REASON and ended)
    return merged(job, {field: None}) if is_there else job


_REMOVABLE = frozenset({"tags", "spider_args", "job_settings", "environment", STATS})


def _closed(job: Job, reason: str) -> Job:
    match job.state:
        case Finished():
            return replace(job, state=replace(job.state, reason=reason))
        case Deleted(finished=finished):
            ended = replace(finished, reason=reason)
            return replace(job, state=replace(job.state, finished=ended))
    return job


# --- readers of single fields; null is the default ---------------------------------------------


def _object(value: JSON, field: str) -> Mapping[str, JSON]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadArgument(field, "must be a JSON object")
    return value


def _settings(value: JSON, field: str) -> Mapping[str, JSON]:
    """Settings by their names, without the blanks around a name, which no setting has."""
    settings = {name.strip(): one for name, one in _object(value, field).items()}
    if "" in settings:
        raise BadArgument(field, "has a setting without a name")
    return settings


def _texts(value: JSON, field: str) -> Mapping[str, str]:
    """An object of texts; other values become their JSON."""
    return {
        name: one if isinstance(one, str) else json.dumps(one, ensure_ascii=False)
        for name, one in _object(value, field).items()
    }


def _environment(value: JSON, field: str) -> Mapping[str, str]:
    variables = _texts(value, field)
    for name, text in variables.items():
        if not name or "=" in name or "\0" in name + text:
            raise BadArgument(field, f"{name[:60]!r} cannot be set in an environment")
    return variables


def _tags(value: JSON, field: str) -> tuple[str, ...]:
    if value is not None and not isinstance(value, list):
        raise BadArgument(field, "must be a list of texts")
    return tags(value or (), field)


def _whole(allowed: range) -> Any:  # noqa: ANN401 - a reader of one field
    def read(value: JSON, field: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value not in allowed:
            raise BadArgument(field, f"must be a whole number from {allowed[0]} to {allowed[-1]}")
        return value

    return read


_KNOWN: Mapping[str, tuple[str, Any]] = {
    "tags": ("tags", _tags),
    "priority": ("priority", _whole(PRIORITIES)),
    "units": ("units", _whole(UNITS)),
    "spider_args": ("arguments", _texts),
    "job_settings": ("settings", _settings),
    "environment": ("environment", _environment),
}
"""The fields that are parts of a request: its attribute, and how a value is read."""
