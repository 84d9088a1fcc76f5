"""Lists of jobs and schedules: what a word lists, in one order, cut once.

To a Scrapy Do client a schedule is a job. Both kinds have their place in the store's
one sequence: newest change, largest number. So a list of both is merged by it, and one
number says where the next page begins, whatever is added meanwhile.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Generic, TypeVar

from scrapy_do.core.filter import JobFilter, StateName
from scrapy_do.core.job import Job, Outcome
from scrapy_do.core.schedule import STANDING, Schedule, ScheduleState
from scrapy_do.store.store import Store

USUAL_ROWS = 1000
"""How long a page is of which nothing is said."""


class ListName(StrEnum):
    """What can be listed; the last two are several of the others together."""

    SCHEDULED = "SCHEDULED"
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCESSFUL = "SUCCESSFUL"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    ACTIVE = "ACTIVE"
    COMPLETED = "COMPLETED"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listed:
    """Which jobs and which schedules belong to a list."""

    states: frozenset[StateName] = frozenset()
    outcomes: frozenset[Outcome] | None = None
    schedules: frozenset[ScheduleState] = frozenset()


_PENDING = frozenset({StateName.PENDING})
_RUNNING = frozenset({StateName.STARTING, StateName.RUNNING, StateName.STOPPING})


def _ended(*outcomes: Outcome) -> _Listed:
    return _Listed(states=frozenset({StateName.FINISHED}), outcomes=frozenset(outcomes))


_LISTED: Mapping[ListName, _Listed] = {
    ListName.SCHEDULED: _Listed(schedules=STANDING),
    ListName.PENDING: _Listed(states=_PENDING),
    ListName.RUNNING: _Listed(states=_RUNNING),
    ListName.SUCCESSFUL: _ended(Outcome.SUCCESSFUL),
    ListName.FAILED: _ended(Outcome.FAILED, Outcome.LOST),
    ListName.CANCELED: _ended(Outcome.CANCELED),
    ListName.ACTIVE: _Listed(states=_PENDING | _RUNNING, schedules=STANDING),
    ListName.COMPLETED: _ended(*Outcome),
}
"""Schedules are only where something stands or waits; an outcome is a job's alone."""


Row = TypeVar("Row", Job, Schedule, Job | Schedule)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[Row]):
    """Some rows of a list; `next_after` is for the page behind them, None when it is the last."""

    rows: tuple[Row, ...]
    next_after: int | None = None


class ListingOperations:
    """Answers lists page by page.

    A walk from page to page meets every row once that does not change meanwhile, whatever is
    added: what is new or has changed comes first, before the first page.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def page(self, names: Sequence[ListName], wanted: JobFilter) -> Page[Job | Schedule]:
        """A page of what some words list: `limit` rows behind `after`, newest change first.

        Of the filter the states and outcomes are those of the words.
        """
        listed, limit = [_LISTED[name] for name in names], _limit(wanted)
        asked = replace(wanted, outcomes=None, limit=limit + 1, skip=0)
        rows: list[Job | Schedule] = []
        # Only ended jobs have an outcome, so what asks for one is asked for by itself.
        unfinished = frozenset[StateName]().union(
            *(one.states for one in listed if one.outcomes is None)
        )
        outcomes = frozenset[Outcome]().union(*(one.outcomes or () for one in listed))
        schedules = frozenset[ScheduleState]().union(*(one.schedules for one in listed))
        if unfinished:
            rows.extend(await self._store.jobs.find(replace(asked, states=unfinished)))
        if outcomes:
            ended = replace(asked, states=frozenset({StateName.FINISHED}), outcomes=outcomes)
            rows.extend(await self._store.jobs.find(ended))
        if schedules:
            rows.extend(await self._store.schedules.find(asked, schedules))
        rows.sort(key=lambda row: row.sequence, reverse=True)
        return _cut(rows, limit)

    async def jobs(self, wanted: JobFilter) -> Page[Job]:
        """A page of jobs, newest change first: `limit` rows behind `after`.

        Or, with `newer_than`, those before a page; `next_after` then says only whether more
        are newer still.
        """
        limit = _limit(wanted)
        rows = list(await self._store.jobs.find(replace(wanted, limit=limit + 1)))
        if wanted.newer_than is None or len(rows) <= limit:
            return _cut(rows, limit)
        return Page(rows=tuple(rows[1:]), next_after=rows[0].sequence)

    async def schedules(
        self, wanted: JobFilter, states: frozenset[ScheduleState] = frozenset(ScheduleState)
    ) -> Page[Schedule]:
        """A page of the schedules in these states, newest change first.

        Of the filter the project, spider, tags and times count, and the page.
        """
        limit = _limit(wanted)
        found = await self._store.schedules.find(replace(wanted, limit=limit + 1), states)
        return _cut(found, limit)

    async def schedule_counts(self, wanted: JobFilter) -> Mapping[ScheduleState, int]:
        """How many schedules match in each state."""
        return await self._store.schedules.counts(wanted)

    async def count_schedules(
        self, wanted: JobFilter, states: frozenset[ScheduleState] = frozenset(ScheduleState)
    ) -> int:
        """How many schedules match, in all pages."""
        return await self._store.schedules.count(wanted, states)


def _limit(wanted: JobFilter) -> int:
    return USUAL_ROWS if wanted.limit is None else wanted.limit


def _cut(rows: Sequence[Row], limit: int) -> Page[Row]:
    page = tuple(rows[:limit])
    return Page(rows=page, next_after=page[-1].sequence if len(rows) > limit else None)
