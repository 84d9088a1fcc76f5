"""What a Scrapy Do client says, read into the values of the core.

Source: Scrapy Do REST API, `schedule-job.json` and `list-jobs.json`.
"""

import json
from typing import NoReturn

from scrapy_do.core.filter import JobFilter
from scrapy_do.core.job import DEFAULT_PRIORITY, JobRequest
from scrapy_do.core.project import check_name
from scrapy_do.errors import BadArgument, BadPayload
from scrapy_do.operations.listing import USUAL_ROWS, ListName
from scrapy_do.web.params import Params

LONGEST_TIMEOUT_S = 366 * 86400
MOST_ROWS = 10_000
LARGEST_PLACE = 1 << 60
MOST_MEMORY_BYTES = 1 << 50
MOST_RETRIES = 100
LEAST_PRIORITY, MOST_PRIORITY = 0, 4
MOST_ATTEMPTS = 10**9
USUAL_FILES, MOST_FILES = 1000, 10_000
LARGEST_NUMBER = 1 << 40


def list_names(params: Params) -> tuple[ListName, ...]:
    """Read which jobs to list: one status, or several with commas between them.

    Raises:
        BadArgument: there is no such status.
    """
    words = params.text("status").split(",")
    for word in words:
        if word not in tuple(ListName):
            raise BadArgument(
                "status", f"Unknown status: {word[:100]} (one of {', '.join(ListName)})"
            )
    return tuple(ListName(word) for word in words)


def job_request(params: Params) -> JobRequest:
    """Read what to run, and how.

    Raises:
        BadArgument, BadPayload: a parameter is wrong; the message names it.
    """
    return JobRequest(
        project=params.text("project"),
        spider=params.text("spider"),
        version=params.optional_text("version"),
        arguments=_pairs(params, "arg"),
        settings=_settings(params),
        priority=params.integer(
            "priority", minimum=LEAST_PRIORITY, maximum=MOST_PRIORITY, default=DEFAULT_PRIORITY
        ),
        tags=tuple(dict.fromkeys(check_name(tag, "tag") for tag in params.texts("tag"))),
        description=params.optional_text("description", ""),
        payload=payload(params.json_text("payload", "{}") if "payload" in params else "{}"),
        timeout_s=_seconds(params, "timeout"),
        stall_timeout_s=_seconds(params, "stall-timeout"),
        memory_limit_bytes=params.integer(
            "memory-limit", minimum=0, maximum=MOST_MEMORY_BYTES, default=None
        ),
        retries=params.integer("retries", minimum=0, maximum=MOST_RETRIES, default=0),
        retry_delay_s=_seconds(params, "retry-delay") or 0.0,
    )


def _seconds(params: Params, name: str) -> float | None:
    return params.number(name, minimum=0, maximum=LONGEST_TIMEOUT_S, default=None)


def _pairs(params: Params, name: str) -> dict[str, str]:
    """Read a repeated `NAME=VALUE`; of a repeated NAME the last counts."""
    pairs = {}
    for text in params.texts(name):
        key, separator, value = text.partition("=")
        if not separator or not key:
            raise BadArgument(name, f"{text[:60]!r} is not NAME=VALUE, as in {name}=category=books")
        pairs[key] = value
    return pairs


def _settings(params: Params) -> dict[str, str]:
    """Read settings, without the blanks around their names, which no setting has."""
    settings = {name.strip(): value for name, value in _pairs(params, "setting").items()}
    if "" in settings:
        raise BadArgument("setting", "has no name, as in setting=LOG_LEVEL=INFO")
    return settings


def payload(text: str) -> str:
    """Return the payload as it was sent, if it is JSON.

    Raises:
        BadPayload: it is not, or holds what JSON does not have.
    """
    try:
        json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise BadPayload(str(error)) from None
    return text


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def job_filter(params: Params) -> JobFilter:
    """Read which jobs or schedules to list, and which page of them."""
    return JobFilter(
        project=params.optional_text("project"),
        spider=params.optional_text("spider"),
        tags_any=params.texts("tag"),
        changed_from=params.timestamp("since", default=None),
        after=params.integer("after", minimum=0, maximum=LARGEST_PLACE, default=None),
        limit=params.integer("limit", minimum=1, maximum=MOST_ROWS, default=USUAL_ROWS),
    )
