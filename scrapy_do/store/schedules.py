"""The schedules of the store, their firing and what they left out.

Note [A planned instant is a key]
    Firing is one transaction: the schedule moves from one due instant to the next, guarded
    by the old one, and the jobs of the instants between are added, each at most once for
    its schedule and instant. There is no state in which half of it happened.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    bindparam,
    delete,
    func,
    insert,
    select,
    true,
    update,
)

from scrapy_do.core.events import ScheduleChanged
from scrapy_do.core.filter import JobFilter
from scrapy_do.core.instants import instant_of, ms_of
from scrapy_do.core.job import Job, JobRequest, NewJob
from scrapy_do.core.run_history import Run
from scrapy_do.core.schedule import (
    Schedule,
    ScheduleEvent,
    ScheduleEventKind,
    ScheduleState,
    Standing,
)
from scrapy_do.core.sight import check_seen, seen_projects
from scrapy_do.errors import ScheduleNotFound, StaleJob
from scrapy_do.store import tables
from scrapy_do.store.accept import Acceptance
from scrapy_do.store.changes import in_batches
from scrapy_do.store.counters import next_sequences
from scrapy_do.store.database import Database
from scrapy_do.store.job_rows import JOB_ROWS, job_of
from scrapy_do.store.jobs import jobs_changed, save_jobs
from scrapy_do.store.rows import (
    SCHEDULE_ROWS,
    Values,
    event_values,
    maybe_ms,
    schedule_event_of,
    schedule_of,
    schedule_values,
)
from scrapy_do.store.run_history import runs_of_schedules

EVENTS_KEPT = 1000
"""How many events of one schedule are kept; its counts go on."""

_schedules, _events, _jobs = tables.schedules, tables.schedule_events, tables.jobs


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """A schedule moves from one due instant to the next, with what the instants became.

    `cancel` are (new, expected) pairs of jobs that give way to the new ones.
    """

    before: Schedule
    after: Schedule
    jobs: Sequence[NewJob] = ()
    events: Sequence[ScheduleEvent] = ()
    cancel: Sequence[tuple[Job, Job]] = ()


class Schedules:
    """Schedules. Those that are over stay listed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, schedule: Schedule) -> Schedule:
        """Store a schedule.

        Raises:
            ProjectNotFound, VersionNotFound, SpiderNotFound: what it should run is not there.
        """

        def work(connection: Connection) -> Schedule:
            target = Acceptance(connection).target(schedule.request)
            place = _to_the_front(connection)
            row = {**schedule_values(schedule), **place, "project_id": target.project_id}
            connection.execute(insert(_schedules).values(row))
            return replace(schedule, **place)

        return await self._database.transact(work, _changed)

    async def get(self, schedule_id: UUID) -> Schedule:
        """One schedule.

        Raises:
            ScheduleNotFound: there is none.
        """
        return await self._database.read(lambda connection: _get(connection, schedule_id))

    async def find(
        self, wanted: JobFilter, states: Iterable[ScheduleState] = tuple(ScheduleState)
    ) -> list[Schedule]:
        """A page of the schedules in these states, newest change first.

        Of the filter the project, spider, tags and times count, and the page.
        """
        query = SCHEDULE_ROWS.where(*_conditions(wanted, states))
        query = query.order_by(_schedules.c.sequence.desc())
        last = None if wanted.limit is None else wanted.skip + wanted.limit
        if not (wanted.tags_any or wanted.tags_none):
            query = query.limit(last)

        def work(connection: Connection) -> list[Schedule]:
            rows = (row for row in connection.execute(query) if _is_tagged(row.tags, wanted))
            return [schedule_of(row) for row in islice(rows, wanted.skip, last)]

        return await self._database.read(work)

    async def count(
        self, wanted: JobFilter, states: Iterable[ScheduleState] = tuple(ScheduleState)
    ) -> int:
        """How many schedules match, in all pages."""
        return sum((await self.counts(wanted, states)).values())

    async def counts(
        self, wanted: JobFilter, states: Iterable[ScheduleState] = tuple(ScheduleState)
    ) -> Mapping[ScheduleState, int]:
        """How many schedules match in each of some states, in all pages."""
        found = (
            select(_schedules.c.state, _schedules.c.tags)
            .join(tables.projects, tables.projects.c.id == _schedules.c.project_id)
            .where(*_conditions(replace(wanted, after=None), states))
        )
        counted = found.with_only_columns(_schedules.c.state, func.count().label("found")).group_by(
            _schedules.c.state
        )

        def work(connection: Connection) -> dict[ScheduleState, int]:
            if wanted.tags_any or wanted.tags_none:
                rows = connection.execute(found)
                some = Counter(row.state for row in rows if _is_tagged(row.tags, wanted))
            else:
                some = Counter({row.state: row.found for row in connection.execute(counted)})
            return {state: some[state.value] for state in states}

        return await self._database.read(work)

    async def starting_before(self, instant: datetime) -> list[Standing]:
        """When the active schedules start that have an instant before this one, but for chance."""
        columns = [_schedules.c[name] for name in Standing._fields]
        query = select(*columns).where(
            _schedules.c.state == ScheduleState.ACTIVE.value,
            _schedules.c.next_due_ms - 1000 * _schedules.c.jitter_s < ms_of(instant),
            *_seen(),
        )
        return await self._database.read(
            lambda connection: [Standing._make(row) for row in connection.execute(query)]
        )

    async def save(
        self, schedule: Schedule, *, expected: Schedule, events: Sequence[ScheduleEvent] = ()
    ) -> Schedule:
        """Store a changed schedule, with what the change left out, if it still is as expected.

        Raises:
            ScheduleNotFound: it is gone.
            StaleJob: it has changed meanwhile.
            ProjectNotFound, VersionNotFound, SpiderNotFound: it should run something else
                now, which is not there.
        """

        def work(connection: Connection) -> Schedule:
            stored = _get(connection, expected.id)
            if schedule_values(stored) != schedule_values(expected):
                raise StaleJob(f"schedule {expected.id} has changed meanwhile")
            row = schedule_values(schedule)
            if row != schedule_values(stored):
                row |= _to_the_front(connection)
            if _what(schedule.request) != _what(expected.request):
                row["project_id"] = Acceptance(connection).target(schedule.request).project_id
            connection.execute(update(_schedules).where(_schedules.c.id == expected.id).values(row))
            _note(connection, events)
            return _get(connection, expected.id)

        return await self._database.transact(work, _changed)

    async def fail(self, schedule: Schedule, error: str, *, now: datetime) -> Schedule:
        """Put a schedule into the state `error`, whatever it is at that moment.

        Raises:
            ScheduleNotFound: it is gone.
        """

        def work(connection: Connection) -> Schedule:
            connection.execute(
                update(_schedules)
                .where(_schedules.c.id == schedule.id)
                .values(
                    state=ScheduleState.ERROR.value,
                    error=error,
                    next_due_ms=None,
                    changed_ms=ms_of(now),
                    **_to_the_front(connection),
                )
            )
            return _get(connection, schedule.id)

        return await self._database.transact(work, _changed)

    async def delete(self, ids: Iterable[UUID]) -> None:
        """Forget schedules; their jobs stay."""
        unwanted = list(ids)

        def work(connection: Connection) -> None:
            for some in in_batches(unwanted):
                connection.execute(delete(_schedules).where(_schedules.c.id.in_(some)))

        await self._database.transact(
            work, lambda _: [ScheduleChanged(schedule_id=one) for one in unwanted]
        )

    # --- firing --------------------------------------------------------------------------------

    async def due(self, now: datetime, *, limit: int) -> list[Schedule]:
        """The schedules whose next instant has come, longest due first."""
        query = SCHEDULE_ROWS.where(
            _schedules.c.next_due_ms.is_not(None), _schedules.c.next_due_ms <= ms_of(now)
        ).order_by(_schedules.c.next_due_ms)
        return await self._database.read(
            lambda connection: [schedule_of(row) for row in connection.execute(query.limit(limit))]
        )

    async def active(self, *, after: UUID | None, limit: int) -> list[Schedule]:
        """The schedules that are active, by their ids, from behind one on."""
        query = SCHEDULE_ROWS.where(_schedules.c.state == ScheduleState.ACTIVE.value)
        if after is not None:
            query = query.where(_schedules.c.id > after)
        query = query.order_by(_schedules.c.id).limit(limit)
        return await self._database.read(
            lambda connection: [schedule_of(row) for row in connection.execute(query)]
        )

    async def next_to_run(self, *, limit: int) -> list[Schedule]:
        """The schedules with the nearest due instants, the first first."""
        query = SCHEDULE_ROWS.where(_schedules.c.next_due_ms.is_not(None), *_seen())
        query = query.order_by(_schedules.c.next_due_ms, _schedules.c.id).limit(limit)
        return await self._database.read(
            lambda connection: [schedule_of(row) for row in connection.execute(query)]
        )

    async def latest_moment(self) -> datetime | None:
        """The latest moment that an active schedule tells of: a change, an anchor, an instant."""
        query = select(
            func.max(_schedules.c.changed_ms),
            func.max(_schedules.c.anchor_ms),
            func.max(_schedules.c.last_planned_ms),
        ).where(_schedules.c.state == ScheduleState.ACTIVE.value)
        found = await self._database.read(lambda connection: connection.execute(query).one())
        return max((instant_of(ms) for ms in found if ms is not None), default=None)

    async def next_due(self) -> datetime | None:
        """The next instant at which a schedule is due."""
        query = select(func.min(_schedules.c.next_due_ms)).where(
            _schedules.c.next_due_ms.is_not(None)
        )

        def work(connection: Connection) -> datetime | None:
            ms = connection.execute(query).scalar()
            return None if ms is None else instant_of(ms)

        return await self._database.read(work)

    async def fire(
        self,
        before: Schedule,
        after: Schedule,
        jobs: Sequence[NewJob],
        events: Sequence[ScheduleEvent] = (),
        cancel: Sequence[tuple[Job, Job]] = (),
    ) -> tuple[Job, ...]:
        """Fire one schedule: see `fire_many`."""
        firing = Firing(before=before, after=after, jobs=jobs, events=events, cancel=cancel)
        return await self.fire_many([firing])

    async def fire_many(self, firings: Sequence[Firing]) -> tuple[Job, ...]:
        """Fire schedules in one transaction; return the jobs added, then those moved.

        A schedule whose due instant is no longer that of `before` is left out, with all
        that belongs to it; a planned instant that has a job already gets no other, and does
        not count as fired again.

        Raises:
            StaleJob: a job that should give way has changed meanwhile; then none is fired.
            ProjectNotFound, VersionNotFound, SpiderNotFound: what one of the jobs should
                run is not there; then none is fired.
        """
        return await self._database.transact(
            lambda connection: _fire(connection, firings),
            lambda jobs: [
                *jobs_changed(jobs),
                *(ScheduleChanged(schedule_id=firing.before.id) for firing in firings),
            ],
        )

    # --- looking back --------------------------------------------------------------------------

    async def events(
        self, schedule_id: UUID, *, limit: int = EVENTS_KEPT, skip: int = 0
    ) -> list[ScheduleEvent]:
        """The instants of a schedule that made no job, newest first."""
        query = (
            select(_events)
            .where(_events.c.schedule_id == schedule_id)
            .order_by(_events.c.number.desc())
            .limit(limit)
            .offset(skip)
        )
        return await self._database.read(
            lambda connection: [schedule_event_of(row) for row in connection.execute(query)]
        )

    async def events_since(
        self, since: datetime, kinds: Iterable[ScheduleEventKind]
    ) -> dict[UUID, int]:
        """How many instants from `since` on made no job, for such a reason, by schedule."""
        query = (
            select(_events.c.schedule_id, func.sum(_events.c.instants))
            .where(
                _events.c.last_ms >= ms_of(since),
                _events.c.kind.in_([kind.value for kind in kinds]),
                _events.c.schedule_id.in_(select(_schedules.c.id).where(*_seen()))
                if seen_projects() is not None
                else true(),
            )
            .group_by(_events.c.schedule_id)
        )
        return await self._database.read(
            lambda connection: {key: int(count) for key, count in connection.execute(query)}
        )

    async def runs(self, ids: Iterable[UUID], *, limit: int) -> dict[UUID, list[Run]]:
        """The last ended jobs of each of some schedules, the newest last."""
        wanted = tuple(dict.fromkeys(ids))
        return await self._database.read(
            lambda connection: runs_of_schedules(connection, wanted, limit)
        )

    async def active_jobs_of(self, schedule_ids: Iterable[UUID]) -> Mapping[UUID, tuple[Job, ...]]:
        """The unfinished jobs of each schedule that has any, oldest first."""
        wanted = list(schedule_ids)

        def work(connection: Connection) -> Mapping[UUID, tuple[Job, ...]]:
            found: dict[UUID, tuple[Job, ...]] = {}
            for some in in_batches(wanted):
                query = JOB_ROWS.where(
                    _jobs.c.schedule_id.in_(some),
                    _jobs.c.schedule_id.is_not(None),
                    tables.UNFINISHED,
                )
                for row in connection.execute(query.order_by(_jobs.c.created_ms, _jobs.c.sequence)):
                    found[row.schedule_id] = (*found.get(row.schedule_id, ()), job_of(row))
            return found

        return await self._database.read(work)

    async def last_jobs_of(self, schedule_ids: Iterable[UUID]) -> Mapping[UUID, Job]:
        """The job of the newest planned instant of each schedule that has any."""
        wanted = list(schedule_ids)
        # One look into the index for each schedule, however many jobs it has made.
        newest = (
            select(func.max(_jobs.c.planned_ms))
            .where(_jobs.c.schedule_id == _schedules.c.id, _jobs.c.planned_ms.is_not(None))
            .correlate(_schedules)
            .scalar_subquery()
        )
        query = JOB_ROWS.join(
            _schedules, (_jobs.c.schedule_id == _schedules.c.id) & (_jobs.c.planned_ms == newest)
        )
        return await self._database.read(
            lambda connection: {
                row.schedule_id: job_of(row)
                for some in in_batches(wanted)
                for row in connection.execute(query.where(_schedules.c.id.in_(some)))
            }
        )


def _changed(schedule: Schedule) -> list[ScheduleChanged]:
    return [ScheduleChanged(schedule_id=schedule.id)]


def _get(connection: Connection, schedule_id: UUID) -> Schedule:
    row = connection.execute(SCHEDULE_ROWS.where(_schedules.c.id == schedule_id)).first()
    if row is None:
        raise ScheduleNotFound(schedule_id)
    check_seen(row.project_id, f"Schedule {schedule_id}")
    return schedule_of(row)


def _what(request: JobRequest) -> tuple[str, str, str | None]:
    return request.project, request.spider, request.version


def _fire(connection: Connection, firings: Sequence[Firing]) -> tuple[Job, ...]:
    """See Note [A planned instant is a key]."""
    current = [firing for firing in firings if _is_due(connection, firing)]
    if not current:
        return ()
    giving_way = [pair for firing in current for pair in firing.cancel]
    moved = save_jobs(connection, giving_way) if giving_way else []
    if len(moved) < len(giving_way):
        raise StaleJob("a job that should give way has changed meanwhile")
    wanted = [job for firing in current for job in firing.jobs]
    added = Acceptance(connection).accept(wanted)
    again = _per_schedule(wanted) - _per_schedule(added)
    _move(connection, current, again)
    _note(connection, [event for firing in current for event in firing.events])
    return (*added, *moved)


def _per_schedule(jobs: Sequence[Job | NewJob]) -> Counter[UUID | None]:
    return Counter(job.schedule_id for job in jobs)


def _is_due(connection: Connection, firing: Firing) -> bool:
    due_ms = connection.execute(
        select(_schedules.c.next_due_ms).where(_schedules.c.id == firing.before.id)
    ).scalar()
    return due_ms is not None and due_ms == maybe_ms(firing.before.next_due)


_MOVED = (
    "state",
    "anchor_ms",
    "last_planned_ms",
    "next_due_ms",
    "drawn_ms",
    "fired",
    "missed",
    "skipped",
    "error",
)


def _move(
    connection: Connection, firings: Sequence[Firing], again: Mapping[UUID | None, int]
) -> None:
    """Store what firing moves; `again` are the jobs of each schedule that it had already."""
    moved, changed = list[Values](), list[Values]()
    for firing in firings:
        values = schedule_values(firing.after)
        row = {"schedule_id": firing.after.id, **{name: values[name] for name in _MOVED}}
        row["fired"] -= again.get(firing.after.id, 0)
        if firing.after.state is firing.before.state:
            moved.append(row)
        else:
            row["changed_ms"] = values["changed_ms"]
            changed.append({**row, **_to_the_front(connection)})
    statement = update(_schedules).where(_schedules.c.id == bindparam("schedule_id"))
    for rows in (moved, changed):
        if rows:
            connection.execute(statement, rows)


def _to_the_front(connection: Connection) -> Values:
    """The place in lists of a schedule that has just changed."""
    (sequence,) = next_sequences(connection, 1)
    return {"sequence": sequence}


def _conditions(
    wanted: JobFilter, states: Iterable[ScheduleState]
) -> Iterator[ColumnElement[bool]]:
    yield _schedules.c.state.in_([state.value for state in states])
    yield from _seen()
    if wanted.project is not None:
        yield tables.projects.c.name == wanted.project
    if wanted.spider is not None:
        yield _schedules.c.spider == wanted.spider
    if wanted.ids_between is not None:
        yield _schedules.c.id.between(*wanted.ids_between)
    if wanted.changed_from is not None:
        yield _schedules.c.changed_ms >= ms_of(wanted.changed_from)
    if wanted.changed_before is not None:
        yield _schedules.c.changed_ms < ms_of(wanted.changed_before)
    if wanted.after is not None:
        yield _schedules.c.sequence < wanted.after


def _seen() -> Iterator[ColumnElement[bool]]:
    """See Note [Sight]."""
    seen = seen_projects()
    if seen is not None:
        yield _schedules.c.project_id.in_(seen)


def _is_tagged(tags: Iterable[str], wanted: JobFilter) -> bool:
    own = set(tags)
    any_of = not wanted.tags_any or not own.isdisjoint(wanted.tags_any)
    return any_of and own.isdisjoint(wanted.tags_none)


def _note(connection: Connection, events: Sequence[ScheduleEvent]) -> None:
    if events:
        connection.execute(insert(_events), [event_values(event) for event in events])
    for schedule_id in {event.schedule_id for event in events}:
        _forget_events(connection, schedule_id)


def _forget_events(connection: Connection, schedule_id: UUID) -> None:
    oldest = (
        select(_events.c.number)
        .where(_events.c.schedule_id == schedule_id)
        .order_by(_events.c.number.desc())
        .offset(EVENTS_KEPT)
        .limit(1)
        .scalar_subquery()
    )
    connection.execute(
        delete(_events).where(_events.c.schedule_id == schedule_id, _events.c.number <= oldest)
    )
