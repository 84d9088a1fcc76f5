"""Settles a run directory: is its crawl alive, over, or did it never run?

The same question after a restart of the daemon and after a launch that got no answer:

| found                                   | answer                                     |
|-----------------------------------------|--------------------------------------------|
| `exit`                                  | Ended, as recorded                         |
| no `lock`                               | it is taken here: Fenced                   |
| `lock` held, `started`                  | Alive                                      |
| `lock` held, no `started` yet           | asked again until there is; at last killed |
| `lock` free, no `started`               | Fenced: see Note [Start once]              |
| `lock` free, `started`, another boot    | Ended, lost: nothing is signalled          |
| `lock` free, `started`, this boot       | what is left is killed; Ended, lost        |
"""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from scrapy_do.launchers import containment
from scrapy_do.launchers.endings import DAMAGED, RESTARTED, lost_exit, read_exit
from scrapy_do.launchers.held_crawl import HeldCrawl, settled_end
from scrapy_do.launchers.interface import Adopted, Alive, Ended, Fenced, Run
from scrapy_do.launchers.services import Services
from scrapy_do.protocol import run_record
from scrapy_do.protocol.run_record import BadRecord, Started

_ASK_AGAIN_S = 0.02
_PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """A live crawl and a pidfd of its holder."""

    run: Run
    started: Started
    holder: int


class Settler:
    """Settles run directories, each once. `on_end` is for the crawls that are alive."""

    def __init__(self, services: Services, on_end: Callable[[HeldCrawl], None]) -> None:
        self._services = services
        self._on_end = on_end

    async def settle(self, run: Run) -> Adopted:
        """Answer the question; a holder between its lock and its record is waited for.

        Raises:
            OSError: the records cannot be read or the lock not be taken now.
        """
        services = self._services
        deadline_s = services.reactor.seconds() + _PATIENCE_S
        owner_killed = False
        while True:
            found = await services.in_thread(lambda: _look(run, services.now()))
            if isinstance(found, _Held):
                return Alive(run_dir=run.run_dir, crawl=self._crawl(found))
            if found is not None:
                return found
            if services.reactor.seconds() > deadline_s:
                if owner_killed or not _kill_owner(run.run_dir):
                    return await services.in_thread(lambda: _give_up(run, services.now()))
                owner_killed = True
                deadline_s += _PATIENCE_S
            await services.pause(_ASK_AGAIN_S)

    def _crawl(self, found: _Held) -> HeldCrawl:
        return HeldCrawl(
            found.run,
            found.started,
            found.holder,
            services=self._services,
            on_end=self._on_end,
        )


def _look(run: Run, now: datetime) -> Ended | Fenced | _Held | None:
    """Read the directory once; None when the answer is on its way. Blocking."""
    run_dir = run.run_dir
    locked = run_record.is_locked(run_dir)
    if locked is None:
        return _fence(run_dir)
    try:
        started = _started(run_dir)
        ending = read_exit(run)
    except BadRecord:
        return None if locked else _damaged(run, now)
    if ending is not None:
        if started is not None:
            containment.reap_ended(started.holder)
        return Ended(run_dir=run_dir, exit=ending)
    if locked:
        holder = None if started is None else containment.open_process(started.holder)
        if started is None or holder is None:
            return None
        return _Held(run=run, started=started, holder=holder)
    return _dead(run, started, now)


def _fence(run_dir: Path) -> Fenced | None:
    """Decide that the start never happened, unless a late holder decides first."""
    lock = run_record.take_lock(run_dir)
    if lock is None:
        return None
    os.close(lock)
    return Fenced(run_dir=run_dir)


def _dead(run: Run, started: Started | None, now: datetime) -> Ended | Fenced:
    """Settle a run whose holder died without a word."""
    if started is None:
        return Fenced(run_dir=run.run_dir)
    if started.crawl.boot_id != run_record.boot_id():
        ending = lost_exit(run, RESTARTED, found_at=now, same_boot=False)
    else:
        ending = settled_end(run, started, found_at=now)
    return Ended(run_dir=run.run_dir, exit=ending)


def _kill_owner(run_dir: Path) -> bool:
    owner = run_record.lock_owner(run_dir)
    return owner is not None and containment.send(owner, signal.SIGKILL)


def _give_up(run: Run, now: datetime) -> Ended:
    """Settle a directory whose records contradict each other: end what they name. Blocking."""
    try:
        started = _started(run.run_dir)
    except BadRecord:
        return _damaged(run, now)
    if started is None:
        return _damaged(run, now)
    return Ended(run_dir=run.run_dir, exit=settled_end(run, started, found_at=now))


def _damaged(run: Run, now: datetime) -> Ended:
    ending = lost_exit(run, DAMAGED, found_at=now, same_boot=False)
    return Ended(run_dir=run.run_dir, exit=ending)


def _started(run_dir: Path) -> Started | None:
    record = run_record.read(run_dir, run_record.STARTED)
    return None if record is None else Started.decode(record)
