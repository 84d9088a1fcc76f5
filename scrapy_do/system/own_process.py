"""The daemon as a process of its system: its signals, its exit status, its next program.

Note [Signals across a start in place]
    From before this program is replaced until the next one listens to signals, they are
    blocked: one that comes meanwhile waits for the next program. A wish to stop that came
    during the restart is sent on to it.
"""

import ctypes
import os
import signal
import sys
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any, NoReturn, Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from scrapy_do import __version__
from scrapy_do.system.notify import ServiceManager
from scrapy_do.system.service import Farewell

_log = Logger(namespace="scrapy_do.process")

_PR_SET_DUMPABLE = 4
_M_ARENA_MAX = -8
_STOPS = (signal.SIGTERM, signal.SIGINT)
_RESTARTS = (signal.SIGUSR2,)
_RELOADS = (signal.SIGHUP,)


class Served(Protocol):
    """What runs in the process. `broken` fires with the reason when it cannot go on."""

    broken: Deferred[str]

    @property
    def addresses(self) -> tuple[str, ...]:
        """The base URLs that are listened on."""
        ...

    async def start(self) -> None:
        """Start, and listen."""
        ...

    async def stop(self, farewell: Farewell) -> None:
        """Stop."""
        ...

    def hurry(self) -> None:
        """Give what is being ended no more grace."""
        ...

    async def reload(self) -> None:
        """Read again what can change in flight, and tell the log. Never raises."""
        ...

    def hand_on(self, environ: MutableMapping[str, str]) -> None:
        """Prepare the sockets for the next program of this process."""
        ...


class OwnProcess:
    """Starts what runs in it, stops it at SIGTERM and SIGINT, and starts it anew at SIGUSR2.

    At SIGHUP it reads its configuration again.

    `leave_crawls` is what a plain stop does to running crawls.
    """

    def __init__(
        self,
        served: Served,
        manager: ServiceManager,
        reactor: Any,  # noqa: ANN401 - of many interfaces
        *,
        leave_crawls: bool,
    ) -> None:
        self._served = served
        self._manager = manager
        self._reactor = reactor
        self._leave_crawls = leave_crawls
        self._started: Deferred[bool] = Deferred()
        self._is_over = False
        self._is_restart = False
        self._is_unwanted = False
        self._has_left = False
        self._status = 0

    def run(self) -> int:
        """Run to the end; return the exit status."""
        _keep_to_itself()
        _keep_memory_together()
        self._reactor.callWhenRunning(self._begin)
        self._reactor.run()
        if self._is_restart:
            self._start_again()
        return self._status

    # --- beginning -----------------------------------------------------------------------------

    def _begin(self) -> None:
        self._catch_signals()
        self._served.broken.addCallback(self._give_up)
        self._manager.keep_alive(self._reactor)
        Deferred.fromCoroutine(self._start()).chainDeferred(self._started)

    async def _start(self) -> bool:
        """Start, then say so; return whether that went well."""
        try:
            await self._served.start()
        except Exception:  # noqa: BLE001 - the edge: whatever it is, it ends the process
            _log.failure("the daemon could not be started")
            self._fail()
            return False
        addresses = ", ".join(self._served.addresses)
        with suppress(OSError):  # nobody need read it
            print(f"Scrapy Do {__version__} listening on {addresses}", flush=True)  # noqa: T201 - the promised line
        self._manager.ready(f"listening on {addresses}")
        return True

    # --- signals -------------------------------------------------------------------------------

    def _catch_signals(self) -> None:
        for number in _STOPS:
            signal.signal(number, self._stop_asked)
        for number in _RESTARTS:
            signal.signal(number, self._restart_asked)
        for number in _RELOADS:
            signal.signal(number, self._reload_asked)
        self._reap_nobody()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (*_STOPS, *_RESTARTS, *_RELOADS))

    def _reap_nobody(self) -> None:
        """Have the kernel bury our children: we hear of their ends by other ways.

        Some are not even known to us: children of the program that this process was
        before, and, in a container, orphans of crawls.
        """
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        with suppress(ChildProcessError):  # who ended earlier is still there
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass

    def _stop_asked(self, _number: int, _frame: object) -> None:
        self._is_unwanted = True
        self._reactor.callFromThread(self._stop_plainly)

    def _restart_asked(self, _number: int, _frame: object) -> None:
        self._reactor.callFromThread(self._restart)

    def _reload_asked(self, _number: int, _frame: object) -> None:
        self._reactor.callFromThread(self._reload)

    def _reload(self) -> None:
        if not self._is_over:
            Deferred.fromCoroutine(self._served.reload())

    # --- ending --------------------------------------------------------------------------------

    def _stop_plainly(self) -> None:
        """Begin to stop; asked again, give crawls no more grace."""
        if self._is_restart:
            return  # the next program is told, see `_start_again`
        if self._is_over:
            self._served.hurry()
            return
        self._manager.stopping()
        self._end(leave_crawls=self._leave_crawls)

    def _restart(self) -> None:
        if not self._is_over:
            self._is_restart = True
            self._manager.reloading()
            self._end(leave_crawls=True)

    def _give_up(self, reason: str) -> None:
        """End as failed and leave the crawls: a new start finds out what was stored."""
        _log.critical("the daemon ends: {reason}", reason=reason)
        self._status = 1
        if not self._is_over:
            self._manager.stopping()
            self._end(leave_crawls=True)

    def _end(self, *, leave_crawls: bool) -> None:
        self._is_over = True
        Deferred.fromCoroutine(self._stop(leave_crawls=leave_crawls))

    async def _stop(self, *, leave_crawls: bool) -> None:
        """Stop what was started, once that is complete, and leave the reactor."""
        if not await self._started:
            return
        try:
            await self._served.stop(Farewell(leave_crawls=leave_crawls, hand_over=self._is_restart))
        except Exception:  # noqa: BLE001 - the edge: the process ends all the same
            _log.failure("the daemon could not be stopped in order")
            self._fail()
        else:
            self._leave()

    def _fail(self) -> None:
        self._status = 1
        self._is_restart = False
        self._leave()

    def _leave(self) -> None:
        if not self._has_left:
            self._has_left = True
            self._reactor.stop()

    def _start_again(self) -> NoReturn:
        """Become the next program, with the same process id and the same listening sockets.

        See Note [Signals across a start in place].
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, (*_STOPS, *_RESTARTS, *_RELOADS))
        if self._is_unwanted:
            signal.raise_signal(signal.SIGTERM)
        self._served.hand_on(os.environ)
        sys.stderr.flush()
        os.execv(sys.executable, [sys.executable, "-m", "scrapy_do", *sys.argv[1:]])  # noqa: S606 - ourselves


def _keep_to_itself() -> None:
    """Let no other process of this user look into the memory and the environment of this one.

    Source: prctl(2), PR_SET_DUMPABLE. A program that is started from this one can be looked into.
    """
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, ctypes.c_ulong(0), 0, 0, 0)


def _keep_memory_together() -> None:
    """Let all threads take memory from one heap, where the C library has one for each.

    What the pages and statements of a database take is taken in one thread and given back in
    another: with a heap for each, all of them grow to what one needs. Source: mallopt(3).
    """
    with suppress(AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
