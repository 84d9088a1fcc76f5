"""The launcher of this machine: the same for spawned and forked crawls.

How a process comes into being is the business of a `Starter`, which the order chooses; all
the rest is here: the order, the answer, what remains of a start that failed, reports,
adoption, listing.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol
from uuid import UUID, uuid4

from twisted.internet.defer import Deferred, DeferredList, gatherResults, succeed
from twisted.logger import Logger

from scrapy_do.errors import BadArchive, LaunchFailed, ShuttingDown
from scrapy_do.launchers import containment
from scrapy_do.launchers.adopt import Settler
from scrapy_do.launchers.held_crawl import HeldCrawl
from scrapy_do.launchers.inbox import Inbox
from scrapy_do.launchers.interface import (
    Adopted,
    Alive,
    Crawl,
    Ended,
    KnownRun,
    NeverStarted,
    SpiderList,
)
from scrapy_do.launchers.reports import ReportsSocket
from scrapy_do.protocol import run_record
from scrapy_do.protocol.facts import Ending, Process
from scrapy_do.protocol.frames import BadFrame
from scrapy_do.protocol.run_record import StartRecord
from scrapy_do.protocol.wire import (
    CRAWL_ORDER,
    FAILED_ANNOUNCEMENT,
    LISTING_ORDER,
    MAX_SPEC_BYTES,
    STARTED_ANNOUNCEMENT,
    TAKEN_ANNOUNCEMENT,
    CrawlSpec,
    Placement,
    Report,
    SpidersRequest,
    StartMethod,
    decode_spiders_answer,
    encode,
)
from scrapy_do.system.runtime import Runtime

_START_PATIENCE_S = 30.0
_LISTING_GRACE_S = 10.0
_MAX_ANSWER_BYTES = 32 * 1024 * 1024
_SHOWN_WARNINGS = 100
_SHOWN_CHARACTERS = 1000
_SETTLE_AGAIN_S = 1.0
_UNABLE = "Unable to get the list of spiders"


class Starter(Protocol):
    """Makes processes that do what is ordered, without waiting for them."""

    def begin(self, order: bytes, python: str, mark: str, source: int, sink: int) -> None:
        """Have a process started that reads `source` and answers on `sink`.

        Both descriptors stay the caller's.

        Raises:
            LaunchFailed, OSError: no process was started.
        """
        ...

    def give_up(self, python: str, ordered_s: float) -> None:
        """Hear that an order of that time was not answered: the next one must be."""
        ...

    async def stop(self) -> None:
        """Let go of what starts processes; what was started goes on."""
        ...


class LocalLauncher:
    """Implements `Launcher` with whatever makes the processes: a starter for each method."""

    def __init__(
        self,
        starters: Mapping[StartMethod, Starter],
        *,
        reports_socket: Path,
        runtime: Runtime,
    ) -> None:
        self._starters = starters
        self._reports_path = reports_socket
        self._runtime = runtime
        self._crawls: dict[tuple[UUID, int], HeldCrawl] = {}
        self._launches: set[Deferred[None]] = set()
        self._listings: set[Inbox] = set()
        self._settler = Settler(runtime, self._forget)
        self._reports: ReportsSocket | None = None
        self._on_report: Callable[[Report], None] = lambda _report: None
        self._stopped = False
        self._log = Logger(source=self)

    async def start(
        self, runs: Sequence[KnownRun], on_report: Callable[[Report], None]
    ) -> tuple[Adopted, ...]:
        """Settle the runs given and begin to listen to their crawls."""
        self._on_report = on_report
        # All at once: one of them may have to be waited for.
        found = await gatherResults([Deferred.fromCoroutine(self._settle(run)) for run in runs])
        self._reports = ReportsSocket(self._runtime.reactor, self._reports_path, self._report)
        return tuple(found)

    async def launch(self, spec: CrawlSpec) -> Crawl:
        """Start one crawl."""
        if self._stopped:
            raise LaunchFailed("the launcher is stopped")
        over: Deferred[None] = Deferred()
        self._launches.add(over)
        try:
            placement = replace(spec.placement, reports_socket=self._reports_path)
            return await self._launch(replace(spec, placement=placement))
        finally:
            self._launches.remove(over)
            over.callback(None)

    async def _launch(self, spec: CrawlSpec) -> Crawl:
        """Start one crawl: the records decide about what its holder has not announced."""
        placement, ordered_s = spec.placement, self._runtime.reactor.seconds()
        said = await self._order_crawl(spec).read(_START_PATIENCE_S)
        if said is None and not self._stopped:
            self._starters[placement.start_method].give_up(placement.python, ordered_s)
        match await self._settle_surely(KnownRun.of(spec), _announced(said)):
            case Alive(crawl=crawl):
                return crawl
            case Ended(ending=ending):
                return EndedCrawl(spec, ending)
            case NeverStarted():
                raise LaunchFailed(_failure(said))

    async def spiders(self, request: SpidersRequest) -> SpiderList:
        """Ask a throw-away process for the spiders of a project.

        It always answers, whatever the project does, unless somebody kills it: the warm parent
        before it has forked, or the system for want of memory. Then it is asked once more.
        """
        said = await self._ask_for_spiders(request) or await self._ask_for_spiders(request)
        if not said:
            raise LaunchFailed("the process that lists the spiders was killed; try again")
        if said.startswith(FAILED_ANNOUNCEMENT):
            raise LaunchFailed(_failure(said))
        try:
            answer = decode_spiders_answer(said)
        except BadFrame:
            raise LaunchFailed("the process that lists the spiders was disturbed") from None
        if answer.problem is not None:
            raise BadArchive(f"{_UNABLE}: {answer.problem}", traceback=answer.output)
        return SpiderList(names=tuple(sorted(answer.names)), warnings=_shown(answer.warnings))

    async def _ask_for_spiders(self, request: SpidersRequest) -> bytes:
        """Give what was answered; nothing when whoever was to answer has died."""
        mark = f"listing.{uuid4()}"
        inbox = self._order_listing(replace(request, mark=mark))
        self._listings.add(inbox)
        try:
            said = await inbox.read(request.timeout_s + _LISTING_GRACE_S)
        finally:
            self._listings.remove(inbox)
        if said is None and self._stopped:
            raise ShuttingDown("the daemon is stopping: push again when it is back")
        if said is None:
            raise BadArchive(f"{_UNABLE}: no answer within {request.timeout_s:g} s")
        if not said:
            await self._runtime.in_thread(lambda: containment.sweep(mark))
        return said

    def end_listings(self) -> None:
        """End the listings that are under way; `spiders` raises for each of them."""
        for inbox in tuple(self._listings):
            inbox.give_up()

    async def stop(self, *, leave_crawls: bool) -> None:
        """Let go of everything; kill what runs unless it is to be left."""
        self._stopped = True
        # Orders that were given are carried out, or those who should are killed; either way
        # what is being launched has an outcome soon, of which its caller must hear.
        for starter in self._starters.values():
            await starter.stop()
        await DeferredList(list(self._launches))
        crawls = tuple(self._crawls.values())
        for crawl in crawls:
            if leave_crawls:
                crawl.let_go()
            else:
                crawl.kill()
        if not leave_crawls:
            await DeferredList([crawl.ended for crawl in crawls])
        self._crawls.clear()
        if self._reports is not None:
            self._reports.close()

    # --- orders ------------------------------------------------------------------------------

    def _order_crawl(self, spec: CrawlSpec) -> Inbox:
        """Write the order and have a holder started; return where it announces itself."""
        order = encode(spec)
        if len(order) > MAX_SPEC_BYTES:
            raise LaunchFailed("the order is too large")
        try:
            # Not synced: without a lock, which is, there was no start.
            run_dir = spec.placement.run_dir
            run_record.write(run_dir, run_record.ORDER, order, synced=False)
            source = os.open(run_dir / run_record.ORDER, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise LaunchFailed(str(error)) from error
        return self._begin(CRAWL_ORDER, spec.placement, spec.order.mark, source)

    def _order_listing(self, request: SpidersRequest) -> Inbox:
        if self._stopped:
            raise LaunchFailed("the launcher is stopped")
        try:
            source = os.memfd_create("spiders-request")
        except OSError as error:
            raise LaunchFailed(str(error)) from error
        os.write(source, encode(request))
        os.lseek(source, 0, os.SEEK_SET)
        return self._begin(LISTING_ORDER, request, request.mark, source)

    def _begin(
        self, order: bytes, place: Placement | SpidersRequest, mark: str, source: int
    ) -> Inbox:
        starter = self._starters[place.start_method]
        try:
            inbox = Inbox(self._runtime, _MAX_ANSWER_BYTES)
            try:
                starter.begin(order, place.python, mark, source, inbox.sink)
            except (OSError, LaunchFailed):
                inbox.close()
                raise
        except OSError as error:
            raise LaunchFailed(str(error)) from error
        finally:
            os.close(source)
        return inbox

    # --- crawls ------------------------------------------------------------------------------

    async def _settle(self, run: KnownRun, announced: StartRecord | None = None) -> Adopted:
        found = await self._settler.settle(run, announced)
        if isinstance(found, Alive) and isinstance(found.crawl, HeldCrawl):
            self._crawls[found.crawl.job_id, found.crawl.attempt] = found.crawl
        return found

    async def _settle_surely(self, run: KnownRun, announced: StartRecord | None) -> Adopted:
        """Settle a start of which a process may exist: give up only with certainty."""
        while True:
            try:
                return await self._settle(run, announced)
            except OSError as error:
                self._log.warn("{run_dir}: {error}", run_dir=run.run_dir, error=error)
                await self._runtime.pause(_SETTLE_AGAIN_S)

    def _forget(self, crawl: HeldCrawl) -> None:
        self._crawls.pop((crawl.job_id, crawl.attempt), None)

    def _report(self, report: Report) -> None:
        crawl = self._crawls.get((report.job_id, report.attempt))
        if crawl is not None:
            crawl.last_report = report
            self._on_report(report)


class EndedCrawl:
    """A crawl that was over before its launch was; implements `Crawl`."""

    def __init__(self, spec: CrawlSpec, ending: Ending) -> None:
        self.job_id: UUID = spec.order.job_id
        self.attempt: int = spec.order.attempt
        self.process: Process | None = None
        self.ended: Deferred[Ending] = succeed(ending)

    def is_ending(self) -> bool:
        """Return False: it has ended."""
        return False

    def ask_to_stop(self) -> None:
        """Nothing is left to stop."""

    def kill(self) -> None:
        """Nothing is left to kill."""


def _announced(said: bytes | None) -> StartRecord | None:
    """Return what a holder said of the start of its crawl, None when it said something else."""
    if said is None or not said.startswith(STARTED_ANNOUNCEMENT):
        return None
    return StartRecord.decode(said.removeprefix(STARTED_ANNOUNCEMENT))


def _failure(said: bytes | None) -> str:
    if said is None:
        return "the crawl's holder did not answer"
    if said == TAKEN_ANNOUNCEMENT:
        return "this attempt was started before"
    if said.startswith(FAILED_ANNOUNCEMENT):
        return said.removeprefix(FAILED_ANNOUNCEMENT).decode(errors="replace")
    return "the crawl's holder ended before the crawl started"


def _shown(warnings: Sequence[str]) -> tuple[str, ...]:
    """What a project's process says, as far as it can be shown."""
    lines = (
        "".join(letter if letter.isprintable() else " " for letter in one[:_SHOWN_CHARACTERS])
        for one in warnings[:_SHOWN_WARNINGS]
    )
    more = len(warnings) - _SHOWN_WARNINGS
    return (*lines, f"{more} more warnings") if more > 0 else tuple(lines)
