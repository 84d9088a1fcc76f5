"""A crawl with a holder: how the daemon hears of its end and ends it.

The same for crawls that were just launched and for those of an earlier daemon.
"""

import os
import signal
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from twisted.internet.base import DelayedCall
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from scrapy_do.launchers import containment
from scrapy_do.launchers.endings import HOLDER_DIED, damaged_exit, gone_exit, lost_exit, read_exit
from scrapy_do.launchers.interface import KnownRun
from scrapy_do.launchers.watch import Watch
from scrapy_do.protocol import run_record
from scrapy_do.protocol.facts import Ending, Process
from scrapy_do.protocol.run_record import StartRecord
from scrapy_do.protocol.wire import Report
from scrapy_do.system.runtime import Runtime, background

KILL_PATIENCE_S = 5.0
"""How long a holder may take to end a killed crawl before it is killed itself."""

_READ_AGAIN_S = 1.0


class HeldCrawl:
    """The live handle of a crawl; implements `Crawl`. `on_end` is called before `ended` fires."""

    def __init__(
        self,
        run: KnownRun,
        started: StartRecord,
        holder: int,
        *,
        runtime: Runtime,
        on_end: Callable[["HeldCrawl"], None],
    ) -> None:
        self.job_id: UUID = run.job_id
        self.attempt: int = run.attempt
        self.process: Process | None = started.crawl
        self.ended: Deferred[Ending] = Deferred()
        self.last_report: Report | None = None
        self._run = run
        self._started = started
        self._runtime = runtime
        self._on_end = on_end
        self._over = False
        self._left = False
        self._is_asked = False
        self._escalation: DelayedCall | None = None
        self._log = Logger(source=self)
        self._watch = Watch(runtime.reactor, holder, self._holder_ended)

    def is_ending(self) -> bool:
        """Whether its holder is gone, also when the reactor has not heard of it yet."""
        return not self.ended.called and (self._over or self._watch.is_ready())

    def ask_to_stop(self) -> None:
        """Send the one SIGTERM that lets Scrapy close the spider; a second would cut it short."""
        if self._over or self._was_asked():
            return
        containment.send(self._started.crawl, signal.SIGTERM)

    def kill(self) -> None:
        """Kill the crawl; its holder kills the rest, and is killed if it does not."""
        if self._over:
            return
        containment.kill_with_group(self._started.crawl)
        if self._escalation is None:
            later = self._runtime.reactor.callLater
            self._escalation = later(KILL_PATIENCE_S, self._kill_holder)

    def let_go(self) -> None:
        """Stop watching; `ended` will not fire."""
        self._left = True
        self._close()

    def _close(self) -> None:
        self._over = True
        self._watch.close()
        if self._escalation is not None and self._escalation.active():
            self._escalation.cancel()

    def _was_asked(self) -> bool:
        """Whether we asked before, or another daemon did; from now on, somebody did."""
        if self._is_asked:
            return True
        self._is_asked = True
        path = self._run.run_dir / run_record.STOPPING
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            return True
        except OSError as error:  # a full disk must not keep a crawl alive
            self._log.warn("job={job}: {error}", job=self.job_id, error=error)
        return False

    def _kill_holder(self) -> None:
        self._log.warn("The holder of job={job} is stuck and is killed", job=self.job_id)
        containment.send(self._started.holder, signal.SIGKILL)

    def _holder_ended(self) -> None:
        if self._over:
            return
        containment.reap(self._watch.descriptor)
        self._close()
        background(self._settle(), f"reading the end of job={self.job_id}")

    async def _settle(self) -> None:
        ending: Ending | None = None
        while ending is None:
            try:
                ending = await self._runtime.in_thread(self._read_end)
            except Exception as error:  # noqa: BLE001 - the edge: `ended` fires, sooner or later
                self._log.warn("job={job}: {error}", job=self.job_id, error=error)
                await self._runtime.pause(_READ_AGAIN_S)
        if not self._left:
            self._on_end(self)
            self.ended.callback(ending)

    def _read_end(self) -> Ending:
        return settled_end(
            self._run, self._started, found_at=self._runtime.now(), last_report=self.last_report
        )


def settled_end(
    run: KnownRun, started: StartRecord, *, found_at: datetime, last_report: Report | None = None
) -> Ending:
    """Return the end of a crawl whose holder is dead; kill what it left behind. Blocking.

    `started` must be what the holder announced, or be believed for another reason. Whatever is
    wrong with the records, also what nobody has thought of, is damage.

    Raises:
        OSError: one of the `run_record.SHORTAGES`.
    """
    try:
        is_there = run_record.is_there(run.run_dir)
        ending = read_exit(run, started, last_report)
    except Exception as problem:
        if run_record.is_shortage(problem):
            raise
        containment.end_run(run.mark, started.crawl)
        return damaged_exit(run, problem, found_at)
    if ending is not None:
        return ending
    containment.end_run(run.mark, started.crawl)
    if not is_there:
        return gone_exit(run, found_at)
    return lost_exit(
        run, HOLDER_DIED, found_at=found_at, same_boot=True, was_opened=last_report is not None
    )
