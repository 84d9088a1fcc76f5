"""Stand-ins for what needs processes; each is verified by the contract suite of the real thing."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import TypeVar
from uuid import UUID

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from scrapy_do.errors import LaunchFailed
from scrapy_do.launchers.interface import (
    Adopted,
    Alive,
    KnownRun,
    NeverStarted,
    SpiderList,
    SpidersRequest,
)
from scrapy_do.protocol import run_record
from scrapy_do.protocol.facts import Ending, Process
from scrapy_do.protocol.wire import CrawlSpec, Report
from scrapy_do.system.clock import make_wake_up
from scrapy_do.system.runtime import Runtime

Result = TypeVar("Result")

DAY_ONE = datetime(2026, 1, 1, tzinfo=UTC)
FINISHED = Ending(ended_at=DAY_ONE, status=0, opened=True, close_reason="finished")
SHUT_DOWN = replace(FINISHED, close_reason="shutdown")
KILLED = Ending(ended_at=DAY_ONE, signal=9, opened=True)


class FakeCrawl:
    """A crawl of the `FakeLauncher`: it runs until told to stop, killed, or `finish` is called.

    A `stubborn` one does not stop when asked. One that is `ending` has no process any more.
    """

    def __init__(self, spec: CrawlSpec, pid: int, now: Callable[[], datetime]) -> None:
        self.spec = spec
        self.job_id: UUID = spec.order.job_id
        self.attempt: int = spec.order.attempt
        self.process: Process | None = Process(pid=pid, start_ticks=pid, boot_id="fake")
        self.ended: Deferred[Ending] = Deferred()
        self.stubborn = False
        self.ending = False
        self.asked = 0
        self.killed = 0
        self._now = now

    def seen_again(self) -> "FakeCrawl":
        """Return the handle that the next daemon has of the same crawl."""
        pid = 0 if self.process is None else self.process.pid
        again = FakeCrawl(self.spec, pid, self._now)
        again.stubborn = self.stubborn
        if self.ended.called:
            again.finish()
        return again

    def is_ending(self) -> bool:
        return self.ending and not self.ended.called

    def ask_to_stop(self) -> None:
        self.asked += 1
        if not self.stubborn:
            self.finish(replace(SHUT_DOWN, ended_at=self._now()))

    def kill(self) -> None:
        self.killed += 1
        self.finish(replace(KILLED, ended_at=self._now()))

    def finish(self, ending: Ending | None = None) -> None:
        """End the crawl, well by default; nothing happens after the end."""
        if not self.ended.called:
            self.ended.callback(ending or replace(FINISHED, ended_at=self._now()))


class FakeLauncher:
    """Crawls without processes.

    `crawls` holds every crawl ever launched or adopted, by (job id, attempt).
    `refusals` are raised by the next launches, first in first out. `found` says what
    `start` answers for a run directory; one that is not in it is `NeverStarted`. `spider_lists`
    answers `spiders` by the project's directory or name, `usual_spiders` for all others; an
    exception in it is raised.
    """

    def __init__(self, now: Callable[[], datetime] = lambda: DAY_ONE) -> None:
        self.crawls: dict[tuple[UUID, int], FakeCrawl] = {}
        self.refusals: list[LaunchFailed] = []
        self.found: dict[Path, Adopted] = {}
        self.spider_lists: dict[Path | str, SpiderList | tuple[str, ...] | Exception] = {}
        self.usual_spiders: tuple[str, ...] = ()
        self.stubborn_spiders: set[str] = set()
        self.stopped = False
        self._now = now
        self._on_report: Callable[[Report], None] | None = None
        self._next_pid = 1000

    @property
    def alive(self) -> tuple[FakeCrawl, ...]:
        return tuple(crawl for crawl in self.crawls.values() if not crawl.ended.called)

    def crawl_of(self, job_id: UUID) -> FakeCrawl:
        """Return the latest attempt's crawl of a job."""
        attempt = max(attempt for one, attempt in self.crawls if one == job_id)
        return self.crawls[job_id, attempt]

    def report(self, report: Report) -> None:
        """Deliver a report, if its crawl is alive."""
        crawl = self.crawls.get((report.job_id, report.attempt))
        if self._on_report is not None and crawl is not None and not crawl.ended.called:
            self._on_report(report)

    def make_crawl(self, spec: CrawlSpec) -> FakeCrawl:
        """Make a live crawl, as for an entry of `found`."""
        self._next_pid += 1
        crawl = FakeCrawl(spec, self._next_pid, self._now)
        crawl.stubborn = spec.order.spider in self.stubborn_spiders
        self.crawls[spec.order.job_id, spec.order.attempt] = crawl
        return crawl

    async def start(
        self, runs: Sequence[KnownRun], on_report: Callable[[Report], None]
    ) -> tuple[Adopted, ...]:
        self._on_report = on_report
        return tuple(self.found.get(run.run_dir, NeverStarted(run_dir=run.run_dir)) for run in runs)

    async def launch(self, spec: CrawlSpec) -> FakeCrawl:
        if self.stopped:
            raise LaunchFailed("the launcher is stopped")
        if self.refusals:
            raise self.refusals.pop(0)
        lock = spec.placement.run_dir / run_record.LOCK
        if lock.exists():
            raise LaunchFailed("this attempt was started before")
        lock.touch()
        return self.make_crawl(spec)

    async def spiders(self, request: SpidersRequest) -> SpiderList:
        answer = self.spider_lists.get(request.project_dir)
        if answer is None:  # a world's project lies somewhere; its environment says which it is
            assert not self.usual_spiders or any(request.project_dir.iterdir())
            project = request.environment.get("PROJECT_OF", "")
            answer = self.spider_lists.get(project, self.usual_spiders)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, SpiderList) else SpiderList(names=answer)

    def end_listings(self) -> None:
        """Nothing is ever under way."""

    async def stop(self, *, leave_crawls: bool) -> None:
        self.stopped = True
        if not leave_crawls:
            for crawl in self.alive:
                crawl.kill()

    def restarted(self) -> "FakeLauncher":
        """Return the launcher of the next daemon: it finds the crawls that live."""
        following = FakeLauncher(self._now)
        following._next_pid = self._next_pid
        for key, crawl in self.crawls.items():
            following.crawls[key] = crawl.seen_again()
        following.found = {
            crawl.spec.placement.run_dir: Alive(run_dir=crawl.spec.placement.run_dir, crawl=crawl)
            for crawl in following.alive
        }
        return following


async def inline(function: Callable[[], Result]) -> Result:
    """Run what belongs in a thread here and now."""
    return function()


def still_runtime(clock: Clock, now: Callable[[], datetime] | None = None) -> Runtime:
    """A runtime in which time passes only when a clock is told so, and no thread is there."""

    def wall_clock() -> datetime:
        return DAY_ONE + timedelta(seconds=clock.seconds())

    now = wall_clock if now is None else now
    return Runtime(
        reactor=clock,
        now=now,
        rng=Random(1),
        in_thread=inline,
        make_wake_up=partial(make_wake_up, clock, now),
    )
