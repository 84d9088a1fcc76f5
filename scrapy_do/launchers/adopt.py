"""Settles a run directory: is its crawl alive, over, or did it never run?

The same question after a restart of the daemon and after a launch that got no answer:

| found                                   | answer                                     |
|-----------------------------------------|--------------------------------------------|
| no directory, and nothing else of it    | NeverStarted; a known or found process: lost     |
| no `lock` and no other record           | it is taken here: NeverStarted; known: lost      |
| `lock` held, `started`                  | Alive                                      |
| `lock` held, no `started` yet           | asked again until there is; at last killed |
| `lock` free, `exit`                     | Ended, as recorded                         |
| `lock` free, no `started`               | NeverStarted: see Note [Start once]              |
| `lock` free, `started`, another boot    | Ended, lost                                |
| `lock` free, `started`, this boot       | what is left is killed; Ended, lost        |
| anything else                           | what is left is killed; Ended, damaged     |

Note [Whom to believe]: who was there when a crawl was launched knows from its holder who
runs. Later there are the records, which the crawl may have rewritten. They are believed as
far as the system confirms them: a holder must carry the mark of the run, a crawl must carry
it too or be the child of that holder, or be the process that the database knows.
"""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from scrapy_do.launchers import containment
from scrapy_do.launchers.endings import RESTARTED, damaged_exit, gone_exit, lost_exit, read_exit
from scrapy_do.launchers.held_crawl import HeldCrawl, settled_end
from scrapy_do.launchers.interface import Adopted, Alive, Ended, KnownRun, NeverStarted
from scrapy_do.protocol import run_record
from scrapy_do.protocol.run_record import BadRecord, StartRecord
from scrapy_do.system.runtime import Runtime

_ASK_AGAIN_S = 0.02
_PATIENCE_S = 10.0
_PATIENCE_WITH_KNOWN_S = 1.0
_UNMARKED_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """A live crawl and a pidfd of its holder."""

    started: StartRecord
    holder: int


class Settler:
    """Settles run directories, each once. `on_end` is for the crawls that are alive."""

    def __init__(self, runtime: Runtime, on_end: Callable[[HeldCrawl], None]) -> None:
        self._runtime = runtime
        self._on_end = on_end

    async def settle(self, run: KnownRun, announced: StartRecord | None = None) -> Adopted:
        """Answer the question; a holder between its lock and its record is waited for.

        `announced` is what the holder itself has said: then the records need not be asked.

        Raises:
            OSError: one of the `run_record.SHORTAGES`.
        """
        runtime = self._runtime
        if announced is not None:
            holder = containment.open_process(announced.holder)
            if holder is not None:
                return self._alive(run, _Held(started=announced, holder=holder))
            return await runtime.in_thread(
                lambda: Ended(
                    run_dir=run.run_dir, ending=settled_end(run, announced, found_at=runtime.now())
                )
            )
        patience_s = _PATIENCE_S if run.process is None else _PATIENCE_WITH_KNOWN_S
        deadline_s = runtime.reactor.seconds() + patience_s
        owner_killed = False
        while True:
            found = await runtime.in_thread(lambda: _look(run, runtime.now()))
            if isinstance(found, _Held):
                return self._alive(run, found)
            if found is not None:
                return found
            if runtime.reactor.seconds() > deadline_s:
                if owner_killed or not _kill_owner(run):
                    return await runtime.in_thread(lambda: _give_up(run, runtime.now()))
                owner_killed = True
                deadline_s += patience_s
            await runtime.pause(_ASK_AGAIN_S)

    def _alive(self, run: KnownRun, held: _Held) -> Alive:
        crawl = HeldCrawl(
            run, held.started, held.holder, runtime=self._runtime, on_end=self._on_end
        )
        return Alive(run_dir=run.run_dir, crawl=crawl)


def _look(run: KnownRun, now: datetime) -> Ended | NeverStarted | _Held | None:
    """Read the records once; None when the answer is on its way. Blocking."""
    try:
        return _read(run, now)
    except Exception as problem:
        if run_record.is_shortage(problem):
            raise
        return _damaged(run, problem, now)


def _read(run: KnownRun, now: datetime) -> Ended | NeverStarted | _Held | None:
    if not run_record.is_there(run.run_dir):
        return _gone(run, now)
    locked = run_record.is_locked(run.run_dir)
    started = _started(run)
    if locked is None:
        if started is not None:
            raise BadRecord("lock is missing")
        return _gone(run, now) if run.process is not None else _fence(run)
    if locked:
        return None if started is None else _held(run, started)
    return _dead(run, started, now)


def _held(run: KnownRun, started: StartRecord) -> _Held | None:
    """Take a live crawl over. See Note [Whom to believe]."""
    holder = containment.open_process(started.holder)
    if holder is None:
        return None
    is_known = started.crawl == run.process
    if containment.is_of_run(started.holder, run.mark) and (
        is_known or _is_ours(run, started) or not run_record.is_alive(started.crawl)
    ):
        return _Held(started=started, holder=holder)
    os.close(holder)
    raise BadRecord("started names processes that are not of this run")


def _stays_a_stranger(run: KnownRun, started: StartRecord) -> bool:
    """Whether a live process that the records name is none of the run's.

    One that was forked a moment ago carries no mark yet; it gets one, or dies with its holder.
    """
    deadline_s = time.monotonic() + _UNMARKED_S
    while run_record.is_alive(started.crawl) and not _is_ours(run, started):
        if time.monotonic() > deadline_s:
            return True
        time.sleep(_ASK_AGAIN_S)
    return False


def _is_ours(run: KnownRun, started: StartRecord) -> bool:
    return containment.is_of_run(started.crawl, run.mark) or containment.is_child(
        started.crawl, started.holder
    )


def _fence(run: KnownRun) -> NeverStarted | None:
    """Decide that the start never happened, unless a late holder decides first."""
    lock = run_record.take_lock(run.run_dir)
    if lock is None:
        return None
    os.close(lock)
    return NeverStarted(run_dir=run.run_dir)


def _gone(run: KnownRun, now: datetime) -> Ended | NeverStarted:
    """Settle a run of which there are no records: it is over, but did it ever begin?"""
    known = () if run.process is None else (run.process,)
    had_begun = containment.end_run(run.mark, *known)
    if had_begun or known or run.result.parent.exists():
        return Ended(run_dir=run.run_dir, ending=gone_exit(run, now))
    return NeverStarted(run_dir=run.run_dir)


def _dead(run: KnownRun, started: StartRecord | None, now: datetime) -> Ended | NeverStarted:
    """Settle a run whose holder is dead."""
    if started is None:
        if run_record.read(run.run_dir, run_record.EXIT) is not None:
            raise BadRecord("started is missing")
        if run.process is not None:
            return _gone(run, now)
        containment.sweep(run.mark)
        return NeverStarted(run_dir=run.run_dir)
    if started.crawl.boot_id != run_record.boot_id() and read_exit(run, started) is None:
        ending = lost_exit(run, RESTARTED, found_at=now, same_boot=False)
        return Ended(run_dir=run.run_dir, ending=ending)
    if started.crawl != run.process and _stays_a_stranger(run, started):
        raise BadRecord("started names a process that is not of this run")
    ending = settled_end(run, started, found_at=now)
    containment.reap_ended(started.holder)
    return Ended(run_dir=run.run_dir, ending=ending)


def _kill_owner(run: KnownRun) -> bool:
    owner = run_record.lock_owner(run.run_dir)
    return (
        owner is not None
        and containment.is_of_run(owner, run.mark)
        and containment.send(owner, signal.SIGKILL)
    )


def _give_up(run: KnownRun, now: datetime) -> Ended:
    """Settle a run whose lock somebody holds who does not go on. Blocking."""
    return _damaged(run, "lock is held by a process that is not its holder", now)


def _damaged(run: KnownRun, problem: object, now: datetime) -> Ended:
    known = () if run.process is None else (run.process,)
    containment.end_run(run.mark, *known)
    return Ended(run_dir=run.run_dir, ending=damaged_exit(run, problem, now))


def _started(run: KnownRun) -> StartRecord | None:
    """Read who runs.

    Raises:
        BadRecord: it cannot be read, or it is not whom the daemon knows.
    """
    record = run_record.read(run.run_dir, run_record.STARTED)
    if record is None:
        return None
    started = StartRecord.decode(record)
    if run.process not in (None, started.crawl):
        raise BadRecord("started names another process than the one that was started")
    return started
