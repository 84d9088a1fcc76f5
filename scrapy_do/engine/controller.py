"""Makes the world as the store says: starts, stops, settles and adopts crawls.

One pass at a time: gather the facts, ask the planner, act. Passes are woken by events
and by the one timer that the planner asks for; nothing polls. A pass that fails is
logged and repeated with a growing delay.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from scrapy_do.core.events import Happening, JobChanged, SettingsChanged
from scrapy_do.core.instants import EPOCH
from scrapy_do.core.job import (
    Finished,
    Job,
    Pending,
    Running,
    Starting,
    State,
    attempt_of,
    is_active,
    is_in_hand,
    process_in,
    running_for,
)
from scrapy_do.core.plan import (
    GONE,
    Action,
    Kill,
    Launch,
    Limits,
    Live,
    Settle,
    Stop,
    View,
    busy,
    free_slots,
    next_check,
    plan,
    saturated,
)
from scrapy_do.core.transitions import (
    Claimed,
    Exited,
    Fenced,
    Limit,
    Lost,
    Shutdown,
    Started,
    advance,
    event_of,
)
from scrapy_do.engine.launch_attempts import Launches, Over
from scrapy_do.engine.memory_watch import MemoryWatch
from scrapy_do.engine.patience import Patience
from scrapy_do.engine.progress import ProgressBook
from scrapy_do.engine.reconcile_loop import ReconcileLoop
from scrapy_do.engine.run_setup import RunSetup
from scrapy_do.errors import Invalid, InvalidTransition, Unavailable
from scrapy_do.files.runs import RunPath
from scrapy_do.launchers.endings import DAMAGED
from scrapy_do.launchers.interface import (
    Adopted,
    Alive,
    Crawl,
    Ended,
    KnownRun,
    Launcher,
    NeverStarted,
)
from scrapy_do.protocol.facts import Ending
from scrapy_do.protocol.run_record import RESULT
from scrapy_do.protocol.wire import Report
from scrapy_do.store.store import Store
from scrapy_do.system.host import Host
from scrapy_do.system.runtime import Delayed, Runtime, background
from scrapy_do.system.service import Farewell

STOP_MARGIN_S = 15.0
"""How much longer than the grace period a stop may take: to kill, to reap, to record."""

LONGEST_READING_S = 5.0
"""How long the ends of crawls whose processes are gone are waited for."""

_DISCARD_AGAIN = timedelta(seconds=10)

_Event = Claimed | Started | Over | Limit | Shutdown


@dataclass(slots=True)
class _Held:
    """A crawl of ours: the handle, and what is known of it."""

    crawl: Crawl | None
    live: Live


class Controller:
    """Starts and ends crawls so that the slots are used and every job is settled."""

    name = "controller"

    def __init__(
        self,
        *,
        store: Store,
        launcher: Launcher,
        run_setup: RunSetup,
        limits: Limits,
        runtime: Runtime,
        host: Host,
    ) -> None:
        self._log = Logger()
        self._store = store
        self._launcher = launcher
        self._run_setup = run_setup
        self._limits = limits
        self._now = runtime.now
        self._reactor = runtime.reactor
        self._progress = ProgressBook(store=store, runtime=runtime)
        self._memory = MemoryWatch(
            runtime=runtime,
            host=host,
            crawls=self._processes,
            found=self._measured,
        )
        self._held: dict[UUID, _Held] = {}
        self._seen: tuple[Job, ...] = ()
        self._hurried: set[UUID] = set()
        self._moving: frozenset[UUID] = frozenset()
        self._undiscarded: dict[tuple[UUID, int], datetime] = {}
        self._launches = Launches(launcher=launcher, run_setup=run_setup, now=runtime.now)
        self._timer: Delayed | None = None
        self._draining = False
        self._is_ending = False
        self._passes = ReconcileLoop(self._pass, what="a pass of the controller", runtime=runtime)
        self._all_ended = Patience(runtime.reactor)

    # --- life ----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Adopt what an earlier daemon left behind, then begin to plan."""
        active = {job.id: job for job in await self._store.jobs.active()}
        runs = await self._run_setup.runs(active.values())
        found = await self._launcher.start(
            [_run(run, active.get(run.job_id)) for run in runs], self._reported
        )
        for run, adopted in zip(runs, found, strict=True):
            await self._adopt(run, adopted, active.get(run.job_id))
        self._run_setup.tidy()
        self._store.events.subscribe(self._hear)
        self._passes.start()

    async def _adopt(self, run: RunPath, adopted: Adopted, job: Job | None) -> None:
        """Take over what a run directory holds; one that no active job is in is cleared away."""
        crawl = adopted.crawl if isinstance(adopted, Alive) else None
        if job is not None and attempt_of(job) == run.attempt:
            event: Over | None = None
            match adopted:
                case Ended(ending=ending):
                    event = event_of(await self._run_setup.close(job.id, run.attempt, ending))
                case NeverStarted() if isinstance(job.state, Running):
                    event = Lost(reason=GONE)
                    await self._run_setup.collect(job.id, run.attempt)
                case NeverStarted():
                    event = Fenced()
                case Alive():
                    pass
            self._hold(job, crawl, event)
        elif crawl is not None:
            self._log.warn("a crawl of no active job is ended: {job}", job=str(run.job_id))
            crawl.ended.addCallback(
                lambda _exit: background(
                    self._discard(run.job_id, run.attempt), "clearing a run away"
                )
            )
            crawl.kill()
        else:
            await self._discard(run.job_id, run.attempt)

    async def stop(self, farewell: Farewell) -> None:
        """Stop planning; leave the crawls to the next daemon, or end them first."""
        self._draining = True
        leave_crawls = farewell.leave_crawls or not await self._end_all()
        await self._passes.stop()
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._memory.close()
        self._run_setup.stop()
        try:
            await self._progress.write()
        except Unavailable as error:
            self._log.warn("the last progress is not recorded: {problem}", problem=str(error))
        await self._launcher.stop(leave_crawls=leave_crawls)

    def hurry(self) -> None:
        """Give crawls that were asked to stop no more grace."""
        self.use(replace(self._limits, stop_grace_s=0.0))
        self._all_ended.restart(STOP_MARGIN_S)
        self.wake()

    def end_now(self, job_id: UUID) -> None:
        """Give the crawl of one job no grace once it was asked to stop."""
        self._hurried.add(job_id)
        self.wake()

    def use(self, limits: Limits) -> None:
        """Keep to other limits from now on; crawls that run are judged by them, too."""
        self._limits = limits
        self.wake()

    def _hear(self, happening: Happening) -> None:
        """Look again when others have changed what is to be done; our own moves are no news."""
        match happening:
            case JobChanged(job=job) if job.id not in self._moving:
                if not is_active(job.state):
                    self._launches.forget(job.id)
                self.wake()
            case SettingsChanged():  # jobs may have waited for runners from outside
                self.wake()

    def wake(self) -> None:
        """Look again, soon. May be called any number of times."""
        self._passes.wake()

    async def settled(self) -> None:
        """Return when the store knows of every crawl that has ended by now.

        The records that cannot be read are waited for only so long, however many they are.

        Raises:
            Unavailable: the store cannot be told now.
        """
        latest_s = self._reactor.seconds() + LONGEST_READING_S
        for held in tuple(self._held.values()):
            if held.crawl is not None and held.live.ended is None and held.crawl.is_ending():
                await self._heard_of(held.crawl, latest_s)
        if any(held.live.ended is not None for held in self._held.values()):
            await self._passes.passed()

    async def _heard_of(self, crawl: Crawl, latest_s: float) -> None:
        heard = Deferred[None]()

        def hear(_result: object = None) -> None:
            if not heard.called:
                heard.callback(None)

        crawl.ended.addCallback(hear)
        patience = self._reactor.callLater(max(0.0, latest_s - self._reactor.seconds()), hear)
        await heard
        if patience.active():
            patience.cancel()

    @property
    def problem(self) -> str | None:
        """What was wrong with the last pass, None when it went well."""
        return self._passes.problem

    @property
    def crawls(self) -> int:
        """How many crawls are held now."""
        return len(self._held) + len(self._launches.under_way)

    # --- gather, plan, act ---------------------------------------------------------------------

    async def _pass(self) -> None:
        now = self._now()
        view, due = await self._gather(now)
        actions = plan(view, self._limits, self._steady())
        moved = await self._act(actions, now)
        await self._forget_strangers(view)
        await self._discard_again()
        if actions:
            view = self._after(view, moved)
            if self._calls_for_more(view, moved):
                self.wake()
        self._seen = view.active
        self._arm(view, due, now)
        if not view.active and not self._launches.under_way:
            self._all_ended.end()

    async def _gather(self, now: datetime) -> tuple[View, datetime | None]:
        """The facts, and when a waiting job becomes due."""
        active, due = await self._store.jobs.in_hand(now, self._seen)
        self._hurried.intersection_update(job.id for job in active)
        # Both at the same moment: a launch that ends between the two would be in neither.
        live = {job_id: held.live for job_id, held in self._held.items()}
        launching = self._launches.under_way
        working = busy(active, live)
        free = free_slots(len(working), self._limits)
        pending: Iterable[Job] = ()
        if free and not self._draining:
            projects, spiders = saturated(working, self._limits)
            pending = await self._store.jobs.pending(
                now, per_project=free, full_projects=projects, full_spiders=spiders
            )
        view = View(
            active=tuple(active),
            pending=tuple(pending),
            live=live,
            launching=launching,
            hurried=frozenset(self._hurried),
            is_stopping=self._is_ending,
        )
        return view, due

    def _after(self, view: View, moved: Sequence[Job]) -> View:
        """The view as it is when jobs have moved, without another look into the store."""
        jobs = {job.id: job for job in (*view.active, *moved)}
        return replace(
            view,
            active=tuple(job for job in jobs.values() if is_in_hand(job.state)),
            pending=tuple(job for job in view.pending if job.id not in jobs),
            live={job_id: held.live for job_id, held in self._held.items()},
            launching=self._launches.under_way,
            is_stopping=self._is_ending,
        )

    def _calls_for_more(self, view: View, moved: Sequence[Job]) -> bool:
        """Whether what was done leads to something else that must be done now."""
        if plan(view, self._limits, self._steady()):
            return True
        # A job that waits again, or others than the few of a project that were looked at.
        has_begun = any(isinstance(job.state, Starting) for job in moved)
        has_room = free_slots(len(busy(view.active, view.live)), self._limits) > 0
        return (has_begun and has_room) or any(isinstance(job.state, Pending) for job in moved)

    async def _act(self, actions: tuple[Action, ...], now: datetime) -> Sequence[Job]:
        """Do what was planned; return the jobs that have moved, as they are now."""
        moves: list[tuple[Job, _Event]] = []
        for action in actions:
            match action:
                case Settle(job=job, event=event):
                    moves.append((job, event))
                case Launch(job=job):
                    moves.append((job, Claimed()))
                case Stop(job_id=job_id):
                    self._ask(job_id)
                case Kill(job_id=job_id):
                    self._kill(job_id)
        return await self._move(moves, now)

    async def _move(self, moves: list[tuple[Job, _Event]], now: datetime) -> Sequence[Job]:
        """Store the moved jobs in one transaction, then do what follows from each.

        A job that has changed meanwhile is left to the next pass.
        """
        if not moves:
            return ()
        moves = [
            (job, self._launches.judged(job, event) if isinstance(event, Over) else event)
            for job, event in moves
        ]
        saved = {job.id: job for job in await self._saved(moves, now)}
        if len(saved) < len(moves):
            self.wake()
        over = []
        for job, event in moves:
            new = saved.get(job.id)
            if new is not None:
                self._follow(new, event)
                if isinstance(event, Over):
                    self._launches.note(job, event, after=new)
                    over.append(job.id)
        # Last, as it takes its time: everybody has heard of everything by then.
        for job_id in over:
            await self._drop(job_id)
        return tuple(saved.values())

    async def _saved(self, moves: list[tuple[Job, _Event]], now: datetime) -> list[Job]:
        """Store the moved jobs together, but let no end of one keep the others from being stored.

        What a crawl has said of its end, and no database can hold, is damage.
        """
        pairs = [pair for pair in (self._advanced(*move, now) for move in moves) if pair]
        self._moving = frozenset(job.id for job, _ in pairs)
        try:
            return await self._store.jobs.save_all(pairs)
        except Invalid as error:
            if len(moves) > 1:
                return [job for move in moves for job in await self._saved([move], now)]
            job, event = moves[0]
            if not isinstance(event, Exited | Lost) or event == _unstorable(error):
                raise
            self._log.warn("the end of job {job}: {error}", job=str(job.id), error=error)
            return await self._saved([(job, _unstorable(error))], now)
        finally:
            self._moving = frozenset()

    def _advanced(self, job: Job, event: _Event, now: datetime) -> tuple[Job, Job] | None:
        try:
            return advance(job, event, now=now), job
        except InvalidTransition:
            # A bug, but of one job: the others go on, and this one is shown in the log.
            self._log.failure("an event of job {job} was refused", job=str(job.id))
            return None

    def _follow(self, job: Job, event: _Event) -> None:
        match event:
            case Claimed():
                background(self._launch(job), f"the launch of job {job.id}")
            case Exited() | Lost() | Fenced():
                self._log.info("job {job} {ended}", job=str(job.id), ended=_in_words(job.state))
            case Limit() | Shutdown():
                pass  # the next pass tells the crawl
            case Started():
                self._log.info(
                    "job {job} of {project}/{spider} runs",
                    job=str(job.id),
                    project=job.request.project,
                    spider=job.request.spider,
                )

    # --- crawls --------------------------------------------------------------------------------

    async def _launch(self, job: Job) -> None:
        try:
            begun = await self._launches.launch(job)
            if isinstance(begun, Fenced | Lost):
                self._hold(job, None, begun)
            else:
                self._hold(job, begun, None)
        finally:
            self.wake()

    def _hold(self, job: Job, crawl: Crawl | None, ended: Over | None) -> None:
        now = self._steady()
        live = Live(
            job_id=job.id,
            attempt=attempt_of(job),
            process=None if crawl is None else crawl.process,
            since=now - running_for(job, self._now()),
            ended=ended,
            active_at=now,
        )
        self._held[job.id] = _Held(crawl=crawl, live=live)
        if crawl is not None:
            crawl.ended.addCallback(self._crawl_ended, job.id)

    def _crawl_ended(self, ending: Ending, job_id: UUID) -> Deferred[None]:
        """Take the end of a crawl; who waits for it later waits for this, too."""
        return Deferred.fromCoroutine(self._take_end(ending, job_id))

    async def _take_end(self, ending: Ending, job_id: UUID) -> None:
        held = self._held.get(job_id)
        if held is None:
            return
        ending = await self._run_setup.close(job_id, held.live.attempt, ending)
        if self._held.get(job_id) is held:
            held.live = replace(held.live, ended=event_of(ending))
            self.wake()

    def _ask(self, job_id: UUID) -> None:
        held = self._held[job_id]
        held.live = replace(held.live, asked_at=self._steady())
        if held.crawl is not None:
            held.crawl.ask_to_stop()

    def _kill(self, job_id: UUID) -> None:
        held = self._held[job_id]
        held.live = replace(held.live, killed=True)
        if held.crawl is not None:
            held.crawl.kill()

    async def _drop(self, job_id: UUID) -> None:
        """Let go of a run that is over, with its directories."""
        held = self._held.pop(job_id, None)
        self._progress.forget(job_id)
        if held is not None:
            is_damaged = isinstance(held.live.ended, Lost) and held.live.ended.damaged
            await self._discard(job_id, held.live.attempt, is_damaged=is_damaged)

    async def _discard(self, job_id: UUID, attempt: int, *, is_damaged: bool = False) -> None:
        """Let the directories of a run disappear; if the disk refuses, it is tried again.

        The records of a run that were damaged are kept in the trash for a while.
        """
        self._undiscarded.pop((job_id, attempt), None)
        try:
            await self._run_setup.discard(job_id, attempt, is_damaged=is_damaged)
        except OSError as error:
            self._log.warn("a run cannot be cleared away: {error}", error=str(error))
            self._undiscarded[job_id, attempt] = self._steady() + _DISCARD_AGAIN

    async def _discard_again(self) -> None:
        """Try again to let go of what the disk has refused to give up."""
        now = self._steady()
        for run in [run for run, when in self._undiscarded.items() if when <= now]:
            await self._discard(*run)

    async def _forget_strangers(self, view: View) -> None:
        """Let go of ended runs that belong to no unfinished job."""
        known = {job.id for job in view.active} | self._launches.under_way
        for job_id, live in view.live.items():
            if job_id not in known and live.ended is not None:
                await self._drop(job_id)

    # --- time ----------------------------------------------------------------------------------

    def _arm(self, view: View, due: datetime | None, now: datetime) -> None:
        """Wake up when time alone changes something, as when a waiting job becomes due."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        waits = []
        check = next_check(view, self._limits)
        if check is not None:
            waits.append(check - self._steady())
        if due is not None and not self._draining:
            waits.append(due - now)
        if self._undiscarded:
            waits.append(min(self._undiscarded.values()) - self._steady())
        if waits:
            self._later(max(0.0, min(waits).total_seconds()))
        self._watch_memory(view)

    def _steady(self) -> datetime:
        """The time for the planner. See Note [The plan's clock]."""
        return EPOCH + timedelta(seconds=self._reactor.seconds())

    def _later(self, delay_s: float) -> None:
        self._timer = self._reactor.callLater(delay_s, self.wake)

    def _watch_memory(self, view: View) -> None:
        """Measure while some crawl has a limit of memory."""
        if any(
            self._limits.of_job(job).memory_bytes is not None
            for job in view.active
            if job.id in view.live
        ):
            self._memory.look()

    def _processes(self) -> dict[int, UUID]:
        return {
            held.live.process.pid: job_id
            for job_id, held in self._held.items()
            if held.live.process is not None and held.live.ended is None
        }

    def _measured(self, sizes_bytes: Mapping[UUID, int]) -> None:
        for job_id, size_bytes in sizes_bytes.items():
            held = self._held.get(job_id)
            if held is not None:
                held.live = replace(held.live, memory_bytes=size_bytes)
        self.wake()

    # --- reports -------------------------------------------------------------------------------

    def _reported(self, report: Report) -> None:
        """Take a crawl's report."""
        held = self._held.get(report.job_id)
        if held is None or held.live.attempt != report.attempt:
            return
        reported_at = datetime.fromtimestamp(report.time_ms / 1000, UTC)
        progress = replace(report.progress, reported_at=reported_at)
        if self._progress.note(report.job_id, progress):
            held.live = replace(held.live, active_at=self._steady())

    # --- stopping ------------------------------------------------------------------------------

    async def _end_all(self) -> bool:
        """Have the planner end every crawl; return whether that came about.

        It did not when the store refuses to record it, or a crawl cannot be ended: then
        everything is left as after a crash, and the next daemon goes on with it.
        """
        self._is_ending = True
        waiting = self._all_ended.wait(self._limits.stop_grace_s + STOP_MARGIN_S)
        self.wake()
        ended = await waiting
        if not ended:
            self._log.error("crawls are left to the next start: {problem}", problem=self.problem)
        return ended


def _unstorable(problem: Invalid) -> Lost:
    return Lost(reason=f"{DAMAGED}: {problem}", damaged=True)


def _in_words(state: State) -> str:
    """How a job whose crawl is over stands now, for the log."""
    match state:
        case Finished():
            return f"is over: {state.outcome.value}, {state.reason}"
        case Pending():
            return f"waits again, after {state.attempt} launches"
        case _:
            return f"is {type(state).__name__.lower()}"


def _run(run: RunPath, job: Job | None) -> KnownRun:
    """Say what is known of a run: its places, and its process if the job had started."""
    known = None if job is None or attempt_of(job) != run.attempt else process_in(job.state)
    return KnownRun(
        job_id=run.job_id,
        attempt=run.attempt,
        run_dir=run.path,
        result=run.crawl / RESULT,
        process=known,
    )
