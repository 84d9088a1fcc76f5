"""Which jobs a client means: the arguments of its lists and counts.

Source: Scrapy Cloud JobQ API, `count` and `list`; Jobs API, `jobs/list`.
"""

from collections.abc import Iterable
from datetime import datetime

from scrapy_do.core.cloud_states import STORED, CloudState
from scrapy_do.core.filter import JobFilter, StateName
from scrapy_do.core.instants import instant_of
from scrapy_do.core.job import JobKey
from scrapy_do.core.project import Project
from scrapy_do.errors import BadArgument
from scrapy_do.web.params import Params

LARGEST = 10**18 - 1
_LAST_MS = 253_402_300_799_999  # the end of the year 9999


def core_states(names: Iterable[str], *, usual: frozenset[StateName]) -> frozenset[StateName]:
    """The states of the core that some states of Scrapy Cloud stand for.

    Raises:
        BadArgument: there is no such state.
    """
    wanted = [state_named(name) for name in names]
    return frozenset(one for state in wanted for one in STORED[state]) if wanted else usual


def state_named(name: object) -> CloudState:
    """A state by its name.

    Raises:
        BadArgument: there is no such state.
    """
    if not isinstance(name, str) or name not in list(CloudState):
        raise BadArgument("state", f"must be one of {', '.join(CloudState)}")
    return CloudState(name)


def instant(params: Params, name: str) -> datetime | None:
    """A time in milliseconds since the epoch; what lies beyond all times is the last."""
    ms = params.integer(name, minimum=-LARGEST, maximum=LARGEST, default=None)
    return None if ms is None else instant_of(min(max(ms, 0), _LAST_MS))


def keys_of(project: Project, texts: Iterable[str], name: str = "key") -> tuple[JobKey, ...]:
    """The keys among texts that can be of a job of the project.

    Raises:
        BadArgument: one is no key at all.
    """
    keys = [job_key(text, name) for text in texts]
    return tuple(key for key in keys if key.project == project.id)


def job_key(text: str, name: str) -> JobKey:
    """A key in an argument.

    Raises:
        BadArgument: it is none; the message names the argument.
    """
    try:
        return JobKey.parse(text)
    except BadArgument as error:
        raise BadArgument(name, f"{text[:60]!r} is not a job key such as '1/2/3'") from error


def row_count(params: Params, name: str, *, default: int) -> int:
    """A number of rows, from 0."""
    return params.integer(name, minimum=0, maximum=LARGEST, default=default)


def job_filter(
    params: Params, project: Project, *, key_name: str, usual: frozenset[StateName]
) -> JobFilter:
    """The jobs of a project that match; `usual` are the states when none is asked for.

    Jobs that are named by key may be in any state, unless some are asked for.
    """
    keys = None
    if key_name in params:
        keys = keys_of(project, params.texts(key_name), key_name)
        usual = frozenset(StateName)
    return JobFilter(
        project_id=project.id,
        spider=params.optional_text("spider"),
        states=core_states(params.texts("state"), usual=usual),
        tags_any=params.texts("has_tag"),
        tags_none=params.texts("lacks_tag"),
        changed_from=instant(params, "startts"),
        changed_before=instant(params, "endts"),
        keys=keys,
        limit=None,
    )
