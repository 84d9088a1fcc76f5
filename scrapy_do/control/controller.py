"""Makes the world as the store says: starts, stops, settles and adopts crawls.

One pass at a time: gather the facts, ask the planner, act. Passes are woken by events
and by the one timer that the planner asks for; nothing polls. A pass that fails is
logged and repeated with a growing delay.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from scrapy_do.control.background import Delayed, Delays, background
from scrapy_do.control.endings import event_of_adopted, event_of_exit, process_of, progress_of
from scrapy_do.control.workspace import Workspace
from scrapy_do.core.events import CrawlReported, JobChanged, Publisher
from scrapy_do.core.job import (
    Claimed,
    Exited,
    Fenced,
    Job,
    Limit,
    Lost,
    Progress,
    Shutdown,
    Started,
    Stopping,
    advance,
    attempt_of,
)
from scrapy_do.core.plan import (
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
from scrapy_do.errors import InvalidTransition, LaunchFailed, NoSpace, ScrapyDoError
from scrapy_do.files.runs import RunPath
from scrapy_do.launchers.interface import Adopted, Alive, Crawl, Exit, Launcher
from scrapy_do.store.store import Store
from scrapy_do.wire import Report

FIRST_RETRY_S = 0.5
LAST_RETRY_S = 10.0
MEMORY_CHECK_S = 1.0
PROGRESS_WRITE_S = 1.0

_Event = Claimed | Started | Exited | Lost | Fenced | Limit | Shutdown


class MeasureMemory(Protocol):
    """Measures the process trees of crawls off the reactor thread."""

    async def __call__(self, pids: tuple[int, ...], /) -> dict[int, int]:
        """Bytes by pid; a process that is gone is absent."""
        ...


@dataclass(slots=True)
class _Held:
    """A crawl of ours: the handle, and what is known of it."""

    crawl: Crawl | None
    live: Live


class Controller:
    """Starts and ends crawls so that the slots are used and every job is settled."""

    def __init__(
        self,
        *,
        store: Store,
        launcher: Launcher,
        workspace: Workspace,
        limits: Limits,
        events: Publisher,
        now: Callable[[], datetime],
        reactor: Delays,
        measure_memory: MeasureMemory,
    ) -> None:
        self._log = Logger()
        self._store = store
        self._launcher = launcher
        self._workspace = workspace
        self._limits = limits
        self._events = events
        self._now = now
        self._reactor = reactor
        self._measure_memory = measure_memory
        self._held: dict[UUID, _Held] = {}
        self._launching: set[UUID] = set()
        self._failed_launches: dict[UUID, int] = {}
        self._progress: dict[UUID, Progress] = {}
        self._progress_call: Delayed | None = None
        self._timer: Delayed | None = None
        self._memory_timer: Delayed | None = None
        self._retry_s = FIRST_RETRY_S
        self._draining = False
        self._stopped = True
        self._dirty = False
        self._is_passing = False
        self._pass_over: Deferred[None] | None = None
        self._idle: list[Deferred[None]] = []
        self.problem: str | None = None

    # --- life ----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Adopt what an earlier daemon left behind, then begin to plan."""
        runs = await self._workspace.runs()
        found = await self._launcher.start([run.path for run in runs], self._reported)
        attempts = {job.id: attempt_of(job) for job in await self._store.jobs.active()}
        for run, adopted in zip(runs, found, strict=True):
            await self._adopt(run, adopted, attempts.get(run.job_id))
        self._stopped = False
        self.wake()

    async def _adopt(self, run: RunPath, adopted: Adopted, attempt: int | None) -> None:
        """Take over what a run directory holds; one that no active job is in is cleared away."""
        crawl = adopted.crawl if isinstance(adopted, Alive) else None
        if attempt == run.attempt:
            self._hold(run.job_id, run.attempt, crawl, event_of_adopted(adopted))
        elif crawl is not None:
            self._log.warn("a crawl of no active job is ended: {job}", job=str(run.job_id))
            crawl.ended.addCallback(
                lambda _exit: background(
                    self._workspace.discard(run.job_id, run.attempt), "clearing a run away"
                )
            )
            crawl.kill()
        else:
            await self._workspace.discard(run.job_id, run.attempt)

    async def stop(self, *, leave_crawls: bool) -> None:
        """Stop planning; leave the crawls to the next daemon, or end them first."""
        self._draining = True
        if not leave_crawls:
            await self._interrupt_all()
            await self._until_idle()
        self._stopped = True
        if self._is_passing and self._pass_over is not None:
            await self._pass_over
        for call in (self._timer, self._memory_timer, self._progress_call):
            if call is not None and call.active():
                call.cancel()
        await self._write_progress()
        await self._launcher.stop(leave_crawls=leave_crawls)

    def hurry(self) -> None:
        """Give crawls that were asked to stop no more grace."""
        self._limits = replace(self._limits, stop_grace_s=0.0)
        self.wake()

    def wake(self) -> None:
        """Look again, soon. May be called any number of times."""
        self._dirty = True
        if not self._is_passing and not self._stopped:
            self._is_passing = True
            self._pass_over = background(self._passes(), "a pass of the controller")
            self._pass_over.addCallback(self._passed)

    @property
    def crawls(self) -> int:
        """How many crawls are held now."""
        return len(self._held) + len(self._launching)

    def _passed(self, _result: None) -> None:
        self._is_passing = False
        if self._dirty and not self._stopped:
            self._later(self._retry_s)

    async def _passes(self) -> None:
        """Pass until nothing has changed meanwhile."""
        while self._dirty and not self._stopped:
            self._dirty = False
            try:
                await self._pass()
            except Exception as error:  # noqa: BLE001 - the edge: no failure may end the loop
                self._log.failure("a pass failed; it is repeated in {delay} s", delay=self._retry_s)
                self.problem = str(error) or type(error).__name__
                self._dirty = True
                self._retry_s = min(self._retry_s * 2, LAST_RETRY_S)
                return
            self.problem = None
            self._retry_s = FIRST_RETRY_S

    # --- gather, plan, act ---------------------------------------------------------------------

    async def _pass(self) -> None:
        now = self._now()
        view = await self._gather(now)
        actions = plan(view, self._limits, now)
        await self._act(actions, now)
        await self._forget_strangers(view)
        if actions:
            self._dirty = True  # what was done may call for more, or for another wake-up
        await self._arm(view, now)
        if not view.active and not self._launching:
            waiting, self._idle = self._idle, []
            for deferred in waiting:
                deferred.callback(None)

    async def _gather(self, now: datetime) -> View:
        active = await self._store.jobs.active()
        live = {job_id: held.live for job_id, held in self._held.items()}
        working = busy(active, live)
        free = free_slots(len(working), self._limits)
        pending: Iterable[Job] = ()
        if free and not self._draining:
            projects, spiders = saturated(working, self._limits)
            pending = await self._store.jobs.pending(
                now, per_project=free, full_projects=projects, full_spiders=spiders
            )
        return View(
            active=tuple(active),
            pending=tuple(pending),
            live=live,
            launching=frozenset(self._launching),
        )

    async def _act(self, actions: tuple[Action, ...], now: datetime) -> None:
        moves: list[tuple[Job, _Event]] = []
        for action in actions:
            match action:
                case Settle(job=job, event=event):
                    moves.append((job, event))
                case Launch(job=job):
                    moves.append((job, Claimed()))
                case Stop(job_id=job_id):
                    self._ask(job_id, now)
                case Kill(job_id=job_id):
                    self._kill(job_id)
        await self._move(moves, now)

    async def _move(self, moves: list[tuple[Job, _Event]], now: datetime) -> None:
        """Store the moved jobs in one transaction, then do what follows from each.

        A job that has changed meanwhile is left to the next pass.
        """
        if not moves:
            return
        pairs = [pair for pair in (self._advanced(*move, now) for move in moves) if pair]
        saved = {job.id: job for job in await self._store.jobs.save_all(pairs)}
        if len(saved) < len(moves):
            self._dirty = True
        for job, event in moves:
            new = saved.get(job.id)
            if new is not None:
                await self._follow(new, event)

    def _advanced(self, job: Job, event: _Event, now: datetime) -> tuple[Job, Job] | None:
        try:
            return advance(job, event, now=now), job
        except InvalidTransition:
            # A bug, but of one job: the others go on, and this one is shown in the log.
            self._log.failure("an event of job {job} was refused", job=str(job.id))
            return None

    async def _follow(self, job: Job, event: _Event) -> None:
        match event:
            case Claimed():
                self._launching.add(job.id)
                background(self._launch(job), f"the launch of job {job.id}")
            case Exited() | Lost() | Fenced():
                self._log.info("job {job} is over: {state}", job=str(job.id), state=job.state)
                await self._drop(job.id)
            case Limit() | Shutdown():
                pass  # the next pass tells the crawl
            case Started():
                self._log.info(
                    "job {job} of {project}/{spider} runs",
                    job=str(job.id),
                    project=job.request.project,
                    spider=job.request.spider,
                )
        self._events.publish(JobChanged(job=job))

    # --- crawls --------------------------------------------------------------------------------

    async def _launch(self, job: Job) -> None:
        attempt = attempt_of(job)
        try:
            spec = await self._workspace.prepare(job)
            crawl = await self._launcher.launch(spec)
        except (LaunchFailed, NoSpace, OSError) as error:
            self._hold(job.id, attempt, None, self._try_again(job, str(error)))
        except ScrapyDoError as error:
            event = Lost(reason=f"could not be started: {error}")
            self._hold(job.id, attempt, None, event)
        else:
            self._failed_launches.pop(job.id, None)
            self._hold(job.id, attempt, crawl, None)
        finally:
            self._launching.discard(job.id)
            self.wake()

    def _try_again(self, job: Job, problem: str) -> Fenced:
        """Nothing was started: the job waits a little longer each time."""
        failures = self._failed_launches.get(job.id, 0)
        self._failed_launches[job.id] = failures + 1
        delay_s = min(FIRST_RETRY_S * 2**failures, LAST_RETRY_S)
        self._log.warn(
            "the launch of job {job} failed: {problem}", job=str(job.id), problem=problem
        )
        return Fenced(not_before=self._now() + timedelta(seconds=delay_s))

    def _hold(
        self, job_id: UUID, attempt: int, crawl: Crawl | None, ended: Exited | Lost | Fenced | None
    ) -> None:
        process = None if crawl is None else process_of(crawl.process)
        live = Live(job_id=job_id, attempt=attempt, process=process, ended=ended)
        self._held[job_id] = _Held(crawl=crawl, live=live)
        if crawl is not None:
            crawl.ended.addCallback(self._crawl_ended, job_id)

    def _crawl_ended(self, ending: Exit, job_id: UUID) -> None:
        held = self._held.get(job_id)
        if held is not None:
            held.live = replace(held.live, ended=event_of_exit(ending))
            self.wake()

    def _ask(self, job_id: UUID, now: datetime) -> None:
        held = self._held[job_id]
        held.live = replace(held.live, asked_at=now)
        if held.crawl is not None:
            held.crawl.ask_to_stop()

    def _kill(self, job_id: UUID) -> None:
        held = self._held[job_id]
        held.live = replace(held.live, killed=True)
        if held.crawl is not None:
            held.crawl.kill()

    async def _drop(self, job_id: UUID) -> None:
        """Let go of a run that is over, with its directory."""
        held = self._held.pop(job_id, None)
        self._progress.pop(job_id, None)
        if held is not None:
            await self._workspace.discard(job_id, held.live.attempt)

    async def _forget_strangers(self, view: View) -> None:
        """Let go of ended runs that belong to no unfinished job."""
        known = {job.id for job in view.active} | self._launching
        for job_id, live in view.live.items():
            if job_id not in known and live.ended is not None:
                await self._drop(job_id)

    # --- time ----------------------------------------------------------------------------------

    async def _arm(self, view: View, now: datetime) -> None:
        """Wake up when time alone changes something."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        instants = [next_check(view, self._limits)]
        if not self._draining:
            instants.append(await self._store.jobs.next_not_before(now))
        due = min((instant for instant in instants if instant is not None), default=None)
        if due is not None:
            self._later(max(0.0, (due - now).total_seconds()))
        self._watch_memory(view)

    def _later(self, delay_s: float) -> None:
        self._timer = self._reactor.callLater(delay_s, self.wake)

    def _watch_memory(self, view: View) -> None:
        """Measure once a second while some crawl has a limit of memory."""
        limited = any(
            self._limits.of_job(job).memory_bytes is not None
            for job in view.active
            if job.id in view.live
        )
        ticking = self._memory_timer is not None and self._memory_timer.active()
        if limited and not ticking:
            self._memory_timer = self._reactor.callLater(MEMORY_CHECK_S, self._check_memory)

    def _check_memory(self) -> None:
        background(self._measure(), "measuring the crawls")

    async def _measure(self) -> None:
        pids = {
            held.live.process.pid: job_id
            for job_id, held in self._held.items()
            if held.live.process is not None and held.live.ended is None
        }
        for pid, size_bytes in (await self._measure_memory(tuple(pids))).items():
            held = self._held.get(pids[pid])
            if held is not None:
                held.live = replace(held.live, memory_bytes=size_bytes)
        self.wake()

    # --- reports -------------------------------------------------------------------------------

    def _reported(self, report: Report) -> None:
        """Take a crawl's report; rows are written at most once a second."""
        held = self._held.get(report.job_id)
        if held is None or held.live.attempt != report.attempt:
            return
        progress = progress_of(report)
        if progress != self._progress.get(report.job_id):
            held.live = replace(held.live, active_at=self._now())
        self._progress[report.job_id] = progress
        if self._progress_call is None:
            self._progress_call = self._reactor.callLater(
                PROGRESS_WRITE_S, lambda: background(self._write_progress(), "writing progress")
            )

    async def _write_progress(self) -> None:
        self._progress_call = None
        unwritten = {job_id: self._progress[job_id] for job_id in self._progress}
        if unwritten:
            await self._store.jobs.record_progress(unwritten)
            for job_id in unwritten:
                self._events.publish(CrawlReported(job_id=job_id))

    # --- stopping ------------------------------------------------------------------------------

    async def _interrupt_all(self) -> None:
        """Commit that the daemon itself ends its crawls, before any of them is told."""
        active = await self._store.jobs.active()
        moves: list[tuple[Job, _Event]] = [
            (job, Shutdown()) for job in active if not isinstance(job.state, Stopping)
        ]
        await self._move(moves, self._now())

    async def _until_idle(self) -> None:
        idle: Deferred[None] = Deferred()
        self._idle.append(idle)
        self.wake()
        await idle
