"""Which jobs, in which order, which page: one value for every dialect's list."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from scrapy_do.core.job import JobKey, Outcome


class StateName(StrEnum):
    """The stored names of the states of a job, for filters and rows."""

    PENDING = "pending"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    FINISHED = "finished"
    DELETED = "deleted"


ACTIVE_STATES = frozenset(
    {StateName.PENDING, StateName.STARTING, StateName.RUNNING, StateName.STOPPING}
)
_FEWEST_DIGITS, _DIGITS = 4, 32
_HEXADECIMAL = frozenset("0123456789abcdef")
VISIBLE_STATES = frozenset(StateName) - {StateName.DELETED}


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Jobs that match every field that is set, newest change first.

    `tags_any`: at least one of them; `tags_none`: none of them. `changed_from` is
    inclusive, `changed_before` exclusive; `ids_between` includes both. `after` is the `sequence`
    of the last job of the page before; `newer_than` is that of the first job of the page behind: of
    what is newer the nearest, still newest first. `skip` and `limit` count jobs; `limit` None means
    no limit, for callers that stream.
    """

    states: frozenset[StateName] = VISIBLE_STATES
    outcomes: frozenset[Outcome] | None = None
    project: str | None = None
    project_id: int | None = None
    spider: str | None = None
    spider_number: int | None = None
    tags_any: tuple[str, ...] = ()
    tags_none: tuple[str, ...] = ()
    changed_from: datetime | None = None
    changed_before: datetime | None = None
    ids: tuple[UUID, ...] | None = None
    ids_between: tuple[UUID, UUID] | None = None
    keys: tuple[JobKey, ...] | None = None
    schedule_id: UUID | None = None
    after: int | None = None
    newer_than: int | None = None
    skip: int = 0
    limit: int | None = 1000


def ids_beginning(text: str) -> tuple[UUID, UUID] | None:
    """The first and last identifier that begin so; None for what is too short or no beginning."""
    digits = text.lower().replace("-", "")
    if not _FEWEST_DIGITS <= len(digits) <= _DIGITS or not _HEXADECIMAL.issuperset(digits):
        return None
    return UUID(digits.ljust(_DIGITS, "0")), UUID(digits.ljust(_DIGITS, "f"))


def states(*names: StateName) -> frozenset[StateName]:
    """Spell a set of states in one word."""
    return frozenset(names)


def outcomes(names: Iterable[Outcome]) -> frozenset[Outcome]:
    """Spell a set of outcomes in one word."""
    return frozenset(names)
