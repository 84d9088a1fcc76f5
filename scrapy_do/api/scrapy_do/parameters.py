"""What each route reads, with the limits that its reader has, for the OpenAPI document.

A test runs every handler, writes down what it reads and compares. Formats that are not those of
JSON Schema say what kind of name or text is meant: there is no other rule for them but that it
must exist, or be understood. Some routes belong to other
rooms but to the same API: the streams of events and `/healthz`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scrapy_do.api.scrapy_do.requests import (
    LARGEST_NUMBER,
    LARGEST_PLACE,
    LEAST_PRIORITY,
    LONGEST_TIMEOUT_S,
    MOST_ATTEMPTS,
    MOST_FILES,
    MOST_MEMORY_BYTES,
    MOST_PRIORITY,
    MOST_RETRIES,
    MOST_ROWS,
    USUAL_FILES,
)
from scrapy_do.api.scrapy_do.schedules import (
    LONGEST_WINDOW_S,
    MOST_PREVIEWED,
    MOST_RUNS,
)
from scrapy_do.api.scrapy_do.schedules import MOST_ROWS as MOST_SCHEDULES
from scrapy_do.api.scrapy_do.schedules import USUAL_ROWS as USUAL_SCHEDULES
from scrapy_do.api.scrapy_do.schemas import Schema
from scrapy_do.core.job import DEFAULT_PRIORITY
from scrapy_do.core.project import NAME_PATTERN
from scrapy_do.core.schedule import CatchUp, Overlap, ScheduleState
from scrapy_do.core.schedule_rules import LONGEST_JITTER_S
from scrapy_do.errors import LogNotFound, NotFound, ScrapyDoError
from scrapy_do.operations.jobs import CANCEL_WAIT_S
from scrapy_do.operations.listing import USUAL_ROWS, ListName
from scrapy_do.web.params import FLAG_WORDS
from scrapy_do.web.status import UnsatisfiableRange, WrongVerb


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """What a route reads.

    `place` is "path", "header", or None: then it is in the query of a GET, in the body of a POST.
    """

    name: str
    schema: Schema
    what: str = ""
    is_required: bool = False
    place: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What the table of routes does not say of one.

    `media` is the type of a good answer, None for none; `errors` are those besides the usual.
    """

    parameters: Sequence[Parameter] = ()
    media: str | None = "application/json"
    status: int = 200
    errors: Sequence[type[ScrapyDoError]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    is_upload: bool = False


# --- parameters ----------------------------------------------------------------------------------


def _text(name: str, what: str, *, is_required: bool = False, **schema: Any) -> Parameter:  # noqa: ANN401  JSON
    """A text."""
    return Parameter(
        name=name, schema={"type": "string", **schema}, what=what, is_required=is_required
    )


def _texts(name: str, what: str, **schema: Any) -> Parameter:  # noqa: ANN401  JSON
    """A text that may be repeated."""
    return Parameter(
        name=name,
        schema={"type": "array", "items": {"type": "string", **schema}},
        what=what,
    )


def _integer(
    name: str, minimum: int, maximum: int, what: str, default: int | None = None
) -> Parameter:
    """A whole number within limits."""
    schema = {"type": "integer", "minimum": minimum, "maximum": maximum}
    return Parameter(name=name, schema=_usually(schema, default), what=what)


def _number(name: str, maximum: float, what: str, default: float | None = None) -> Parameter:
    """A number from 0 on."""
    schema = {"type": "number", "minimum": 0, "maximum": maximum}
    return Parameter(name=name, schema=_usually(schema, default), what=what)


def _flag(name: str, what: str, *, default: bool = False) -> Parameter:
    """A yes or no."""
    schema = {"type": ["boolean", "string"], "enum": [True, False, *FLAG_WORDS]}
    return Parameter(name=name, schema=_usually(schema, default), what=what)


def _timestamp(name: str, what: str, *, is_required: bool = False) -> Parameter:
    """An instant with its offset."""
    return _text(name, what, is_required=is_required, format="date-time")


def _usually(schema: Schema, default: object) -> Schema:
    return schema if default is None else {**schema, "default": default}


def _or_empty(parameter: Parameter) -> Parameter:
    """A rule of a schedule, which an empty value takes away."""
    schema = {"anyOf": [parameter.schema, {"const": ""}]}
    return Parameter(name=parameter.name, schema=schema, what=parameter.what)


def _required(parameter: Parameter) -> Parameter:
    return Parameter(
        name=parameter.name, schema=parameter.schema, what=parameter.what, is_required=True
    )


def _in_path(name: str, what: str, **schema: Any) -> Parameter:  # noqa: ANN401  JSON
    return Parameter(
        name=name,
        schema={"type": "string", **schema},
        what=what,
        is_required=True,
        place="path",
    )


_NAME = f"^{NAME_PATTERN.pattern}$"
_PROJECT = _text("project", "The name of a project", format="project")
_SPIDER = _text("spider", "The name of a spider", format="spider")
_VERSION = _text("version", "The label of a version; without it the current one", format="version")
_TAG = _texts("tag", "A tag; may be repeated", pattern=_NAME)
_TAGGED = _texts("tag", "Only what has one of these tags; may be repeated")
_ID = _text("id", "The identifier of a job or a schedule", is_required=True, format="order")
_SCHEDULE_ID = _text("id", "The identifier of a schedule", is_required=True, format="schedule")
_SINCE = _timestamp("since", "Only what has changed from then on")
_AFTER = _integer("after", 0, LARGEST_PLACE, "`next-after` of the page before")
_STATUS = _text(
    "status",
    "One status, or several with commas between them",
    pattern=f"^({'|'.join(ListName)})(,({'|'.join(ListName)}))*$",
)
_ATTEMPT = _integer("attempt", 1, MOST_ATTEMPTS, "An abandoned attempt, 1 for the oldest")
_PAGE = (
    _integer("limit", 1, MOST_SCHEDULES, "How many", USUAL_SCHEDULES),
    _integer("skip", 0, MOST_RUNS, "How many to leave out before", 0),
)
_WHEN = _text("when", "When, as in `now`, `every 2 hours`, `every monday at 09:30`", format="when")
_ZONE = _text("timezone", "The name of a time zone; without it the daemon's", format="timezone")

_REQUEST = (
    _VERSION,
    _texts("arg", "NAME=VALUE for the spider; may be repeated", pattern="^[^=]+="),
    _texts("setting", "NAME=VALUE of a Scrapy setting; may be repeated", format="setting"),
    _integer("priority", LEAST_PRIORITY, MOST_PRIORITY, "4 is the most urgent", DEFAULT_PRIORITY),
    _TAG,
    _text("description", "For people"),
    _text("payload", "JSON for the spider", format="json"),
    _number("timeout", LONGEST_TIMEOUT_S, "Seconds after which the job is stopped"),
    _number("stall-timeout", LONGEST_TIMEOUT_S, "Seconds without progress, likewise"),
    _integer("memory-limit", 0, MOST_MEMORY_BYTES, "Bytes of memory, likewise"),
    _integer("retries", 0, MOST_RETRIES, "How often a lost or failed job is tried again", 0),
    _number("retry-delay", LONGEST_TIMEOUT_S, "Seconds before that"),
)
_RULES = (
    _ZONE,
    _or_empty(_text("catchup", "What becomes of missed instants", enum=list(CatchUp))),
    _or_empty(_number("catchup-window", LONGEST_WINDOW_S, "Seconds; older ones are missed")),
    _or_empty(_text("overlap", "What if the job before still runs", enum=list(Overlap))),
    _or_empty(_number("jitter", LONGEST_JITTER_S, "At most so many seconds later, by chance")),
    _or_empty(_timestamp("until", "It ends then")),
    _or_empty(_integer("max-runs", 1, MOST_RUNS, "It ends after so many jobs")),
    _text("note", "For people"),
)
_RANGE = Parameter(
    name="Range",
    schema={"type": "string"},
    what="One range of bytes: `bytes=0-99`, `bytes=100-`, `bytes=-100`",
    place="header",
)
_FOLLOW = _flag("follow", "Whether the answer follows what grows until the job ends", default=True)
_SENT: Mapping[str, Any] = {
    "errors": (LogNotFound, UnsatisfiableRange),
    "headers": {"Accept-Ranges": "bytes"},
}
_LAST_EVENT = Parameter(
    name="Last-Event-ID", schema={"type": "string"}, what="What was heard last", place="header"
)

OPERATIONS: Mapping[str, Operation] = {
    "GET /": Operation(media=None, status=302, headers={"Location": "/ui/"}),
    "GET /status.json": Operation(),
    "POST /push-project.json": Operation(
        parameters=(
            Parameter(
                name="archive",
                schema={"type": "string", "contentMediaType": "application/zip"},
                what="The project as a zip",
                is_required=True,
            ),
            _text("version", "The label; without it the next number", pattern=_NAME),
            _text("name", "The project, instead of what scrapy.cfg says", pattern=_NAME),
            _flag("force", "Whether spiders with schedules may vanish"),
            _flag("activate", "Whether it becomes the current version", default=True),
        ),
        is_upload=True,
    ),
    "GET /list-projects.json": Operation(),
    "GET /list-spiders.json": Operation(parameters=(_required(_PROJECT),)),
    "GET /list-versions.json": Operation(parameters=(_required(_PROJECT),)),
    "POST /activate-version.json": Operation(parameters=(_required(_PROJECT), _required(_VERSION))),
    "POST /remove-version.json": Operation(parameters=(_required(_PROJECT), _required(_VERSION))),
    "POST /remove-project.json": Operation(
        parameters=(_text("name", "The name of a project", is_required=True, format="project"),)
    ),
    "POST /schedule-job.json": Operation(
        parameters=(
            _required(_PROJECT),
            _required(_SPIDER),
            _required(_WHEN),
            *_REQUEST,
            *_RULES,
        )
    ),
    "GET /list-jobs.json": Operation(
        parameters=(
            _text(
                "id",
                "The identifier of a job or a schedule, in place of all others",
                format="order",
            ),
            _STATUS,
            _PROJECT,
            _SPIDER,
            _TAGGED,
            _SINCE,
            _AFTER,
            _integer("limit", 1, MOST_ROWS, "How many", USUAL_ROWS),
        )
    ),
    "GET /job.json": Operation(
        parameters=(
            _text(
                "id",
                "The identifier of a job or its beginning, its key, ...",
                is_required=True,
                format="job",
            ),
            _PROJECT,
        )
    ),
    "POST /cancel-job.json": Operation(
        parameters=(
            _ID,
            _number("wait", CANCEL_WAIT_S, "Seconds to wait for the end", CANCEL_WAIT_S),
            _flag("force", "Whether it gets no time to close its spider"),
        )
    ),
    "POST /retry-job.json": Operation(parameters=(_ID,)),
    "POST /delete-job.json": Operation(
        parameters=(_text("id", "The identifier of a job", is_required=True, format="uuid"),)
    ),
    "GET /get-log/data/<name>": Operation(
        parameters=(_in_path("name", "ID.out or ID.err", format="job.log"), _FOLLOW, _RANGE),
        media="text/plain",
        **_SENT,
    ),
    "GET /get-log": Operation(media=None, status=0, errors=(WrongVerb,)),
    "GET /get-items/data/<name>": Operation(
        parameters=(_in_path("name", "ID.jsonl", format="job.items"), _ATTEMPT, _FOLLOW, _RANGE),
        media="application/x-jsonlines",
        **_SENT,
    ),
    "GET /job-files.json": Operation(
        parameters=(
            _text("id", "The identifier of a job", is_required=True, format="job"),
            _integer("limit", 1, MOST_FILES, "How many", USUAL_FILES),
            _integer("after", 0, LARGEST_NUMBER, "`next-after` of the page before", 0),
            _ATTEMPT,
        )
    ),
    "GET /get-file/data/<job>/<path:path>": Operation(
        parameters=(
            _in_path("job", "The identifier of a job", format="job"),
            _in_path("path", "The path of a file, which may have slashes", format="path"),
            _ATTEMPT,
            _FOLLOW,
            _RANGE,
        ),
        media="application/octet-stream",
        **_SENT,
    ),
    "GET /list-schedules.json": Operation(
        parameters=(
            _text(
                "id",
                "The identifier of a schedule or its beginning, in place of all others",
                format="schedule",
            ),
            _texts("state", "One of them; may be repeated", enum=list(ScheduleState)),
            _PROJECT,
            _SPIDER,
            _TAGGED,
            _SINCE,
            _AFTER,
            *_PAGE,
        )
    ),
    "GET /list-schedule-history.json": Operation(parameters=(_SCHEDULE_ID, *_PAGE)),
    "GET /preview-schedule.json": Operation(
        parameters=(
            _required(_WHEN),
            _ZONE,
            _timestamp("from", "The instant to look from; without it, now"),
            _integer("count", 1, MOST_PREVIEWED, "How many instants", 5),
        )
    ),
    "POST /update-schedule.json": Operation(
        parameters=(_SCHEDULE_ID, _PROJECT, _SPIDER, _WHEN, *_REQUEST, *_RULES)
    ),
    "POST /pause-schedule.json": Operation(
        parameters=(_SCHEDULE_ID, _text("note", "Why, for people"))
    ),
    "POST /resume-schedule.json": Operation(parameters=(_SCHEDULE_ID,)),
    "POST /run-schedule.json": Operation(parameters=(_SCHEDULE_ID,)),
    "POST /backfill-schedule.json": Operation(
        parameters=(
            _SCHEDULE_ID,
            _timestamp("from", "The first instant", is_required=True),
            _timestamp("to", "The last instant", is_required=True),
        )
    ),
    "GET /openapi.json": Operation(),
}

ELSEWHERE: Mapping[str, tuple[str, Operation]] = {
    "GET /healthz": (
        "Say whether the daemon works; needs no credentials",
        Operation(),
    ),
    "GET /ui/events": (
        "Tell of changes in lists as they happen, as server-sent events",
        Operation(
            parameters=(
                _texts("of", "Which lists", enum=["jobs", "schedules", "projects", "status"]),
                _LAST_EVENT,
            ),
            media="text/event-stream",
        ),
    ),
    "GET /ui/jobs/<job>/events": (
        "Tell of a job and its log as it goes on, as server-sent events",
        Operation(
            parameters=(
                _in_path("job", "The identifier of a job", format="job"),
                _integer("after", 0, LARGEST_PLACE, "Take up behind this line of the log"),
                _integer("level", 0, 100, "Only lines of this level and above", 0),
                _text("logger", "Only lines of this logger"),
                _text("text", "Only lines with this text"),
                _flag("all", "Whether no line is left out"),
                _LAST_EVENT,
            ),
            media="text/event-stream",
            errors=(NotFound,),
        ),
    ),
}
"""The routes of other rooms, and what they are for."""
