"""Fires schedules at their planned instants.

One pass at a time: what is due is decided by the core and stored in one transaction, and
only then is anybody told. One alarm is set for the earliest instant of all; an idle
scheduler costs nothing. A pass that fails is logged and repeated with a growing delay;
what was due then is still due, as the rows say so.

Note [One schedule never stops the others]
    What cannot be planned, or has nothing to run any more, goes to the state `error` with
    the reason in its text, and the pass goes on. So does a schedule whose next instant
    would not lie ahead: it would be due again at once, for ever.

Note [What has ended is settled first]
    Whether an earlier job is still active is asked of the store, and the store may not know
    yet: after a start of the daemon a crawl that ended meanwhile is first told of by its
    records. So where a decision depends on active jobs, the controller has settled first
    what has ended.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from twisted.internet.task import deferLater
from twisted.logger import Logger

from scrapy_do.core import catchup
from scrapy_do.core.catchup import LARGEST_STEP_BACK, Plan, planned, settled
from scrapy_do.core.events import Happening, ScheduleChanged
from scrapy_do.core.job import Driver, Job, Pending, StopCause, Stopping
from scrapy_do.core.schedule import SCHEDULER, Overlap, Schedule, ScheduleState, whole_ms
from scrapy_do.core.transitions import cancel
from scrapy_do.engine.reconcile_loop import ReconcileLoop
from scrapy_do.errors import NotFound, StaleJob
from scrapy_do.store.schedules import Firing
from scrapy_do.store.store import Store
from scrapy_do.system.clock import WakeUp
from scrapy_do.system.runtime import Runtime
from scrapy_do.system.service import Farewell

BATCH = 200
"""How many schedules are read, and how many rows are written, in one transaction."""

LONGEST_TURN_S = 0.02
"""After so long planning lets the reactor do something else."""


class ClockWatch:
    """Tells how far the wall clock was set back, by a clock that nobody can set.

    It matters only until the clock shows again what it has shown before: nothing that was
    done before the step lies ahead any more then.
    """

    def __init__(self, seconds: Callable[[], float], latest: datetime) -> None:
        self._seconds = seconds
        self._latest = latest
        self._latest_at_s = seconds()

    def set_back(self, now: datetime) -> timedelta:
        """Return what the clock would show, had nobody set it, less what it shows; at least 0."""
        elapsed_s = self._seconds() - self._latest_at_s
        if now >= self._latest:
            self._latest = now
            self._latest_at_s += elapsed_s
            return timedelta(0)
        return self._latest + timedelta(seconds=elapsed_s) - now


class Scheduler:
    """Turns planned instants into jobs, each into exactly one job, one miss or one skip."""

    name = "scheduler"

    def __init__(
        self,
        *,
        store: Store,
        settle: Callable[[], Awaitable[None]],
        runtime: Runtime,
    ) -> None:
        self._log = Logger()
        self._store = store
        self._settle = settle
        self._now = runtime.now
        self._rng = runtime.rng
        self._reactor = runtime.reactor
        self._make_wake_up = runtime.make_wake_up
        self._alarm: WakeUp | None = None
        self._passes = ReconcileLoop(self._pass, what="a pass of the scheduler", runtime=runtime)
        self._turn_began_s = 0.0
        self._watch: ClockWatch | None = None
        self._present_since = datetime.max.replace(tzinfo=UTC)
        self._armed: datetime | None = None
        self._moving: frozenset[UUID] = frozenset()
        self._unsubscribe: Callable[[], None] = lambda: None

    # --- life ----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin; the first pass plans every schedule anew, as zones and clock may have changed.

        Raises:
            OSError: the system has no alarm left.
        """
        self._alarm = self._make_wake_up(on_due=self.wake, on_step=self.wake)
        self._unsubscribe = self._store.events.subscribe(self._hear)
        self._passes.start()

    async def stop(self, _farewell: Farewell) -> None:
        """Fire no more; return when the pass at hand is over."""
        self._unsubscribe()
        await self._passes.stop()
        if self._alarm is not None:
            self._alarm.close()

    def _hear(self, happening: Happening) -> None:
        """Look again when others have changed a schedule; what we fire is no news."""
        if isinstance(happening, ScheduleChanged) and happening.schedule_id not in self._moving:
            self.wake()

    def wake(self) -> None:
        """Look again, soon. May be called any number of times."""
        self._passes.wake()

    @property
    def problem(self) -> str | None:
        """What was wrong with the last pass, None when it went well."""
        return self._passes.problem

    @property
    def lag_s(self) -> float:
        """For how long the next instant has been due without having fired; 0 when all is well."""
        if self._armed is None:
            return 0.0
        return max(0.0, (self._now() - self._armed).total_seconds())

    # --- a pass --------------------------------------------------------------------------------

    async def _pass(self) -> None:
        self._turn_began_s = self._reactor.seconds()
        # The first pass begins our presence; a clock set back shows moments of it again.
        self._present_since = min(self._present_since, self._moment())
        await self._follow_clock(self._moment())
        while not self._passes.stopped:
            now = self._moment()
            due = await self._store.schedules.due(now, limit=BATCH)
            if not due:
                break
            await self._fire(due, now)
        self._armed = await self._store.schedules.next_due()
        if self._alarm is not None and not self._passes.stopped:
            self._alarm.arm(self._armed)

    def _moment(self) -> datetime:
        return whole_ms(self._now())

    async def _fire(self, due: Sequence[Schedule], now: datetime) -> None:
        """Decide about schedules that are due; store it in pieces of bounded size."""
        active = await self._active_jobs_of(due)
        firings: list[Firing] = []
        rows = 0
        for schedule in due:
            firing = self._firing(schedule, active.get(schedule.id, ()), now)
            firings.append(firing)
            rows += 1 + len(firing.jobs)
            if rows >= BATCH:
                await self._commit(firings, now)
                firings, rows = [], 0
            await self._breathe()
        await self._commit(firings, now)

    async def _active_jobs_of(self, due: Iterable[Schedule]) -> Mapping[UUID, tuple[Job, ...]]:
        """See Note [What has ended is settled first]."""
        # Those whose jobs may overlap do not ask for them, however many there are.
        ids = [one.id for one in due if one.policies.overlap is not Overlap.ALLOW]
        active = await self._store.schedules.active_jobs_of(ids)
        if not active:
            return active
        await self._settle()
        return await self._store.schedules.active_jobs_of(active)

    def _firing(self, schedule: Schedule, active: Sequence[Job], now: datetime) -> Firing:
        """Say what becomes of what is due. See Note [One schedule never stops the others]."""
        waiting = [job for job in active if isinstance(job.state, Pending)]
        try:
            decision = catchup.decide(
                schedule,
                now=now,
                present_since=self._present_since,
                active=len(active) > len(waiting),
                pending=bool(waiting),
                rng=self._rng,
            )
            check_ahead(decision.plan, now)
            after = settled(schedule, decision, now=now)
        except Exception as error:  # noqa: BLE001 - the edge: of one schedule
            return self._failed(schedule, error, now)
        if decision.missed is not None:
            self._log.warn(
                "{count} planned instants of schedule {schedule} were missed",
                count=decision.missed.count,
                schedule=str(schedule.id),
                project=schedule.request.project,
            )
        return Firing(
            before=schedule,
            after=after.schedule,
            jobs=after.jobs,
            events=after.events,
            cancel=_giving_way(active, now) if decision.stop_active else (),
        )

    def _failed(self, schedule: Schedule, error: Exception, now: datetime) -> Firing:
        """Put a schedule aside."""
        problem = str(error) or type(error).__name__
        self._log.error(
            "schedule {schedule} of {project} cannot be planned: {problem}",
            problem=problem,
            schedule=str(schedule.id),
            project=schedule.request.project,
        )
        aside = replace(
            schedule, state=ScheduleState.ERROR, error=problem, next_due=None, changed_at=now
        )
        return Firing(before=schedule, after=aside)

    async def _commit(self, firings: Sequence[Firing], now: datetime) -> None:
        """Store firings.

        Where one of them is stale all are left to be read again: they are still due.
        """
        if not firings:
            return
        try:
            await self._fired(firings)
        except StaleJob:
            return
        except NotFound:
            for firing in firings:
                await self._commit_alone(firing, now)
            return

    async def _commit_alone(self, firing: Firing, now: datetime) -> None:
        """Store one firing, or put its schedule aside when it has nothing to run any more."""
        try:
            await self._fired([firing])
        except StaleJob:
            return
        except NotFound as error:
            firing = self._failed(firing.before, error, now)
            await self._fired([firing])

    async def _fired(self, firings: Sequence[Firing]) -> None:
        self._moving = frozenset(firing.before.id for firing in firings)
        try:
            await self._store.schedules.fire_many(firings)
        finally:
            self._moving = frozenset()
            self._turn_began_s = self._reactor.seconds()

    async def _breathe(self) -> None:
        """Let the reactor do something else when this turn was long."""
        if self._reactor.seconds() - self._turn_began_s >= LONGEST_TURN_S:
            await deferLater(self._reactor, 0)
            self._turn_began_s = self._reactor.seconds()

    # --- the clock -----------------------------------------------------------------------------

    async def _follow_clock(self, now: datetime) -> None:
        """Plan everything anew at the start, and after the clock was set back a long way."""
        watch = self._watch
        back = timedelta(0) if watch is None else watch.set_back(now)
        if watch is not None and back <= LARGEST_STEP_BACK:
            return
        if watch is None:
            latest = await self._store.schedules.latest_moment()
            watch = ClockWatch(self._reactor.seconds, latest or now)
            back = watch.set_back(now)
        if back > LARGEST_STEP_BACK:
            self._log.warn(
                "the clock was set back by {hours} hours: everything is planned from now on",
                hours=round(back / timedelta(hours=1), 1),
            )
            watch = ClockWatch(self._reactor.seconds, now)
        after: UUID | None = None
        while page := await self._store.schedules.active(after=after, limit=BATCH):
            await self._plan_anew(page, now, back)
            after = page[-1].id
        self._watch = watch

    async def _plan_anew(
        self, schedules: Iterable[Schedule], now: datetime, back: timedelta
    ) -> None:
        self._turn_began_s = self._reactor.seconds()
        moved: list[Firing] = []
        for schedule in schedules:
            firing = self._planned_anew(schedule, now, back)
            if firing is not None:
                moved.append(firing)
            await self._breathe()
        await self._commit(moved, now)

    def _planned_anew(self, schedule: Schedule, now: datetime, back: timedelta) -> Firing | None:
        """Return how the next instant of a schedule moves; None when it stays."""
        try:
            # What was last planned before now lost nothing by the step.
            step = back if schedule.since > now else timedelta(0)
            plan = catchup.after_step(schedule, now=now, back=step, rng=self._rng)
            if plan is None:
                plan = catchup.replan(schedule, rng=self._rng)
            after = planned(schedule, plan, now=now)
        except Exception as error:  # noqa: BLE001 - the edge: of one schedule
            return self._failed(schedule, error, now)
        return None if after == schedule else Firing(before=schedule, after=after)


def check_ahead(plan: Plan, now: datetime) -> None:
    """See Note [One schedule never stops the others].

    Raises:
        ValueError: the next instant does not lie ahead.
    """
    if plan.next_due is None or plan.wake_at is None:
        return
    if plan.wake_at <= now or (
        plan.last_planned is not None and plan.next_due <= plan.last_planned
    ):
        raise ValueError(f"the instant after {plan.last_planned} would be {plan.next_due}")


def _giving_way(active: Iterable[Job], now: datetime) -> tuple[tuple[Job, Job], ...]:
    """Cancel the jobs that a new one replaces; what an outside client runs is left to it."""
    return tuple(
        (cancel(job, by=SCHEDULER, now=now), job)
        for job in active
        if job.driver is Driver.LOCAL
        and not (isinstance(job.state, Stopping) and job.state.cause is StopCause.CANCEL)
    )
