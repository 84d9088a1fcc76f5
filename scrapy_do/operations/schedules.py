"""The use cases of schedules: give one, look at it, change it, run it out of turn."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from statistics import median
from uuid import UUID, uuid4
from zoneinfo import available_timezones

from scrapy_do.core import catchup
from scrapy_do.core.catchup import Settled, left_out, planned, scheduled_job
from scrapy_do.core.filter import JobFilter, ids_beginning
from scrapy_do.core.grammar import is_zone_name, parse_when, parse_zone
from scrapy_do.core.job import Job, JobRequest
from scrapy_do.core.principal import Principal
from scrapy_do.core.run_history import Run
from scrapy_do.core.schedule import (
    STANDING,
    Schedule,
    ScheduleEventKind,
    ScheduleState,
    Timing,
    Unreadable,
    next_runs,
    whole_ms,
)
from scrapy_do.core.schedule_rules import (
    ScheduleRequest,
    check_note,
    check_rules,
    edited_timing,
    never_runs,
    refuse_rules_for_now,
)
from scrapy_do.core.when import Now
from scrapy_do.errors import (
    AmbiguousName,
    JobNotActive,
    ScheduleNotFound,
    ScheduleOver,
    SpiderNotFound,
    StaleJob,
)
from scrapy_do.operations.admission import Admission
from scrapy_do.operations.jobs import JobOperations
from scrapy_do.operations.outlook import (
    History,
    Meeting,
    Outlook,
    Preview,
    preview_of,
    starts_within,
)
from scrapy_do.store.store import Store
from scrapy_do.system.runtime import Runtime

__all__ = ["Edit", "History", "Meeting", "Outlook", "Preview", "ScheduleOperations"]

TRIES = 5
_SHOWN_NAMES = 5
MOST_MEASURED = 50
USUAL_RUNS = 20

Edit = Callable[[Schedule], tuple[JobRequest, ScheduleRequest]]
"""Says what a schedule should run and when, seeing what it is now."""


class ScheduleOperations:
    """Every use case of schedules, once, for all dialects.

    `zone` is the IANA name for orders that give none.
    """

    def __init__(
        self,
        *,
        store: Store,
        jobs: JobOperations,
        rules: Admission,
        runtime: Runtime,
        zone: str,
    ) -> None:
        self._store = store
        self._jobs = jobs
        self._rules = rules
        self._now = runtime.now
        self._rng = runtime.rng
        self._zone = zone
        self._in_thread = runtime.in_thread

    # --- adding --------------------------------------------------------------------------------

    async def submit(
        self, request: JobRequest, asked: ScheduleRequest, *, by: Principal
    ) -> Job | Schedule:
        """Accept a job for 'now', a schedule for everything else; durable on return.

        Raises:
            BadWhen, BadArgument: the order or the request cannot be kept; named in the message.
            ProjectNotFound, VersionNotFound, SpiderNotFound: what it should run is not there.
            ShuttingDown: the daemon takes no new jobs.
        """
        self._rules.check(request, by=by)
        now = whole_ms(self._now())
        zone = parse_zone(self._zone if asked.zone is None else asked.zone)
        when = parse_when(asked.when, now=now, zone=zone)
        if isinstance(when, Now):
            refuse_rules_for_now(asked)
            return await self._jobs.enqueue(request, by=by)
        check_rules(asked, now)
        schedule = Schedule(
            id=uuid4(),
            request=request,
            timing=Timing(when=when, zone=zone),
            anchor=now,
            created_at=now,
            changed_at=now,
            created_by=by.name,
            policies=asked.policies,
            note=asked.note,
        )
        return await self._store.schedules.add(self._planned_from(schedule, now))

    def preview(
        self, when: str, *, zone: str | None, start: datetime | None, count: int
    ) -> Preview:
        """Say what a specification would mean, if it were accepted at `start`.

        Of a random interval no instants are shown: they are not drawn yet.

        Raises:
            BadWhen, BadArgument: it means nothing, or its zone or start does not.
        """
        anchor = whole_ms(self._now() if start is None else start)
        return preview_of(when, self._zone if zone is None else zone, anchor, count=count)

    # --- looking -------------------------------------------------------------------------------

    async def get(self, schedule_id: UUID) -> Schedule:
        """One schedule.

        Raises:
            ScheduleNotFound: there is none.
        """
        return await self._store.schedules.get(schedule_id)

    async def named(self, name: str) -> Schedule:
        """One schedule by its identifier or the beginning of it.

        Raises:
            ScheduleNotFound: there is none.
            AmbiguousName: several begin so.
        """
        between = ids_beginning(name)
        wanted = JobFilter(ids_between=between, limit=_SHOWN_NAMES)
        found = await self._store.schedules.find(wanted) if between else []
        if not found:
            raise ScheduleNotFound(name[:100])
        if len(found) > 1:
            raise AmbiguousName(name, [schedule.id for schedule in found])
        return found[0]

    async def outlooks(self, schedules: Sequence[Schedule]) -> list[Outlook]:
        """Look ahead and back for each of these schedules."""
        last = await self._store.schedules.last_jobs_of(schedule.id for schedule in schedules)
        runs = await self._in_thread(lambda: [next_runs(schedule) for schedule in schedules])
        return [
            Outlook(schedule=schedule, runs=instants, last_job=last.get(schedule.id))
            for schedule, instants in zip(schedules, runs, strict=True)
        ]

    async def runs(
        self, schedules: Iterable[Schedule], *, limit: int
    ) -> Mapping[UUID, Sequence[Run]]:
        """The last ended jobs of each of some schedules, the newest last."""
        return await self._store.schedules.runs((one.id for one in schedules), limit=limit)

    async def next_to_run(self, *, limit: int) -> Sequence[Schedule]:
        """The schedules that start next, the first first."""
        return await self._store.schedules.next_to_run(limit=limit)

    async def events_since(
        self, since: datetime, kinds: Iterable[ScheduleEventKind]
    ) -> Mapping[UUID, int]:
        """How many instants from `since` on made no job, for such a reason, by schedule."""
        return await self._store.schedules.events_since(since, kinds)

    async def zones(self) -> Sequence[str]:
        """The names of the zones that can be given, in order."""
        return await self._in_thread(_zone_names)

    async def meeting(self, at: datetime, *, slots: int, besides: UUID | None = None) -> Meeting:
        """What other schedules start in the same minute as a planned instant."""
        first = at.astimezone(UTC).replace(second=0, microsecond=0)
        last = first + timedelta(minutes=1)
        standing = await self._store.schedules.starting_before(last)

        def meet() -> list[UUID]:
            others = (one for one in standing if one.id != besides)
            return [one.id for one in others if starts_within(one, first, last)]

        met = await self._in_thread(meet)
        runs = await self._store.schedules.runs(met[:MOST_MEASURED], limit=USUAL_RUNS)
        lengths = [
            median(known)
            for some in runs.values()
            if (known := [run.duration.total_seconds() for run in some if run.duration])
        ]
        waves = len(met) // max(slots, 1)
        wait = timedelta(seconds=waves * median(lengths)) if lengths and waves else None
        return Meeting(at=at, schedules=len(met), slots=slots, wait=wait)

    async def history(self, schedule_id: UUID, *, limit: int, skip: int = 0) -> History:
        """The jobs of a schedule and the instants that made none, `limit` of each.

        Raises:
            ScheduleNotFound: there is none.
        """
        schedule = await self.get(schedule_id)
        jobs = await self._jobs.find(JobFilter(schedule_id=schedule_id, limit=limit, skip=skip))
        events = await self._store.schedules.events(schedule_id, limit=limit, skip=skip)
        return History(schedule=schedule, jobs=jobs, events=events)

    # --- changing ------------------------------------------------------------------------------

    async def cancel(self, schedule_id: UUID, *, by: str) -> Schedule:
        """End a schedule for good; it stays listed, and its jobs go on.

        Raises:
            ScheduleNotFound: there is none.
            JobNotActive: it has ended already.
        """

        def change(schedule: Schedule, now: datetime) -> Settled:
            gone = self._gone_by(schedule, now, f"canceled by {by}")
            state = ScheduleState.CANCELED
            ended = replace(gone.schedule, state=state, next_due=None, drawn=None, changed_at=now)
            return replace(gone, schedule=ended)

        try:
            return await self._change(schedule_id, STANDING, change)
        except ScheduleOver as error:
            raise JobNotActive(schedule_id) from error

    async def pause(self, schedule_id: UUID, *, note: str | None = None) -> Schedule:
        """Stop planning until it is resumed; a note says why.

        Raises:
            ScheduleNotFound: there is none.
            ScheduleOver: its state does not allow it.
            BadArgument: the note is too long.
        """
        check_note(note or "")

        def change(schedule: Schedule, now: datetime) -> Settled:
            return Settled(
                schedule=replace(
                    schedule,
                    state=ScheduleState.PAUSED,
                    next_due=None,
                    changed_at=now,
                    note=schedule.note if note is None else note,
                )
            )

        states = frozenset({ScheduleState.ACTIVE, ScheduleState.PAUSED})
        return await self._change(schedule_id, states, change)

    async def resume(self, schedule_id: UUID) -> Schedule:
        """Plan on from now, after a pause or an error; what went by meanwhile stays out.

        Raises:
            ScheduleNotFound: there is none.
            ScheduleOver: its state does not allow it.
            BadArgument: it has no planned instant left.
            ProjectNotFound, VersionNotFound, SpiderNotFound: what it should run is still gone.
        """
        schedule = await self.get(schedule_id)
        if schedule.state is ScheduleState.ERROR:
            await self._check_target(schedule.request)

        def change(schedule: Schedule, now: datetime) -> Settled:
            if schedule.state is ScheduleState.ACTIVE:
                return Settled(schedule=schedule)
            gone = self._gone_by(schedule, now, schedule.error or "paused")
            return replace(gone, schedule=self._planned_on(gone.schedule, now))

        return await self._change(schedule_id, STANDING, change)

    async def update(self, schedule_id: UUID, edit: Edit, *, by: Principal) -> Schedule:
        """Replace what a schedule runs, and when, by what `edit` makes of the present one.

        It may be called more than once, when somebody else changes the order at the same time.

        A new specification or zone starts a new grid at this moment; nothing else does. A
        paused one stays paused; one in error or finished is planned again from now.

        Raises:
            ScheduleNotFound: there is none.
            ScheduleOver: it was canceled.
            BadWhen, BadArgument: what it should become cannot be kept.
            ProjectNotFound, VersionNotFound, SpiderNotFound: what it should run is not there.
        """
        standing = await self.get(schedule_id)
        request, _ = edit(standing)
        self._rules.check(request, by=by, before=standing.request)
        await self._check_target(request)

        def change(schedule: Schedule, now: datetime) -> Settled:
            return self._updated(schedule, *edit(schedule), now)

        return await self._change(schedule_id, STANDING | {ScheduleState.FINISHED}, change)

    def _updated(
        self, schedule: Schedule, request: JobRequest, asked: ScheduleRequest, now: datetime
    ) -> Settled:
        timing = edited_timing(schedule, asked, now)
        check_rules(asked, now)
        edited = replace(
            schedule, request=request, policies=asked.policies, note=asked.note, changed_at=now
        )
        gone = Settled(schedule=schedule)
        if timing != schedule.timing:
            gone = self._gone_by(schedule, now, "the schedule was changed before it fired")
            fresh = replace(edited, timing=timing, anchor=now, last_planned=None, drawn=None)
            after = self._planned_from(fresh, now)
        elif schedule.state in {ScheduleState.ACTIVE, ScheduleState.PAUSED}:
            after = self._planned_from(edited, now)
        else:
            gone = self._gone_by(schedule, now, schedule.error)
            after = self._planned_on(edited, now)
        if schedule.state is ScheduleState.PAUSED:
            after = replace(after, state=ScheduleState.PAUSED, next_due=None)
        return replace(gone, schedule=replace(after, counts=gone.schedule.counts))

    # --- out of turn ---------------------------------------------------------------------------

    async def run_now(self, schedule_id: UUID, *, by: str) -> Job:
        """Make an extra job of a schedule; its planned instants stay where they are.

        Raises:
            ScheduleNotFound: there is none.
            ProjectNotFound, VersionNotFound, SpiderNotFound: what it should run is not there.
        """
        schedule = await self.get(schedule_id)
        now = whole_ms(self._now())
        new = scheduled_job(schedule, planned_at=None, now=now, by=by)
        return await self._store.jobs.add(new)

    async def backfill(
        self, schedule_id: UUID, *, first: datetime, last: datetime, by: str
    ) -> list[Job]:
        """Make jobs of the planned instants in [first, last] that have none, oldest first.

        Raises:
            ScheduleNotFound: there is none.
            BadArgument: the range is empty, has too many instants, or nobody knows them.
            ProjectNotFound, VersionNotFound, SpiderNotFound: what it should run is not there.
        """
        schedule = await self.get(schedule_id)
        now = whole_ms(self._now())
        instants = catchup.backfill(schedule, first=first, last=last, now=now)
        return await self._store.jobs.add_all(
            [scheduled_job(schedule, planned_at=at, now=now, by=by) for at in instants]
        )

    # --- steps ---------------------------------------------------------------------------------

    async def _change(
        self,
        schedule_id: UUID,
        states: frozenset[ScheduleState],
        change: Callable[[Schedule, datetime], Settled],
    ) -> Schedule:
        """Change a schedule that is in one of these states, whatever happens to it meanwhile."""
        for _ in range(TRIES):
            before = await self._store.schedules.get(schedule_id)
            if before.state not in states:
                raise ScheduleOver(schedule_id, before.state)
            after = change(before, whole_ms(self._now()))
            try:
                return await self._store.schedules.save(
                    after.schedule, expected=before, events=after.events
                )
            except StaleJob:
                continue
        raise StaleJob(f"schedule {schedule_id} changes too fast; try again")

    def _planned_from(self, schedule: Schedule, now: datetime) -> Schedule:
        """Plan from the last planned instant on; refuse what would never run."""
        plan = catchup.replan(schedule, rng=self._rng)
        if plan.next_due is None:
            raise never_runs(schedule)
        return planned(schedule, plan, now=now)

    def _planned_on(self, schedule: Schedule, now: datetime) -> Schedule:
        """Plan from now on; refuse what would never run.

        An anchor that lies ahead is from before the clock was set back.
        """
        anchored = replace(schedule, anchor=min(schedule.anchor, now))
        plan = catchup.resume(anchored, now=now, rng=self._rng).plan
        if plan.next_due is None:
            raise never_runs(schedule)
        return planned(schedule, plan, now=now)

    def _gone_by(self, schedule: Schedule, now: datetime, reason: str) -> Settled:
        """Note the planned instants up to now that no job will come of."""
        paused = schedule.state is ScheduleState.PAUSED
        kind = ScheduleEventKind.PAUSED if paused else ScheduleEventKind.MISSED
        if schedule.state is ScheduleState.FINISHED or isinstance(schedule.timing, Unreadable):
            return Settled(schedule=schedule)  # it has no instants
        passed = catchup.resume(schedule, now=now, rng=self._rng).passed
        return left_out(schedule, passed, kind=kind, reason="paused" if paused else reason)

    async def _check_target(self, request: JobRequest) -> None:
        """Refuse what could not run now."""
        projects = self._store.projects
        version = (await projects.get(request.project)).current
        if request.version is not None:
            version = await projects.version(request.project, request.version)
        if version is None or request.spider not in version.spiders:
            raise SpiderNotFound(request.project, request.spider)


@lru_cache(maxsize=1)
def _zone_names() -> tuple[str, ...]:
    return tuple(sorted(name for name in available_timezones() if is_zone_name(name)))
