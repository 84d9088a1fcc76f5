"""Crawls forked from a warm parent, an interpreter that has imported Scrapy already.

One warm parent per interpreter, started when first needed; its only tie to us is a socket.
When that closes it takes no more orders, and stays as the keeper of its crawls. When one dies
a new one is made at the next order, not before a growing pause if they die young. Running
crawls do not notice.
"""

import contextlib
import os
import socket
from collections.abc import Mapping

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from scrapy_do.errors import LaunchFailed
from scrapy_do.launchers.interpreters import Child, start_interpreter
from scrapy_do.launchers.watch import Watch
from scrapy_do.protocol.wire import MARK, MARK_PLACEHOLDER
from scrapy_do.system.runtime import Runtime

MODULE = "scrapy_do.crawl.warm_parent"

_YOUNG_S = 60.0
_LEAVING_S = 5.0
_LONGEST_PAUSE_S = 30.0


class ForkServer:
    """Sends each order to the warm parent of its interpreter; implements `Starter`."""

    def __init__(self, runtime: Runtime, environment: Mapping[str, str]) -> None:
        self._runtime = runtime
        self._environment = environment
        self._parents: dict[str, _WarmParent] = {}
        self._pauses: dict[str, _Pause] = {}
        self._log = Logger(source=self)

    def begin(self, order: bytes, python: str, mark: str, source: int, sink: int) -> None:  # noqa: ARG002 - a forked process writes the mark itself
        """Have a process forked that does what is ordered."""
        parent = self._parents.get(python)
        if parent is not None and parent.send(order, source, sink):
            return
        # There is none, or it has died and we have not heard of it yet.
        if not self._start(python).send(order, source, sink):
            raise LaunchFailed("the warm parent ended at once")

    def give_up(self, python: str, ordered_s: float) -> None:
        """Kill a warm parent that has not answered; the next order makes a new one."""
        parent = self._parents.get(python)
        if parent is not None and parent.born_s <= ordered_s:
            self._log.warn("The warm parent of {python} is stuck and is killed", python=python)
            del self._parents[python]
            parent.kill()

    async def stop(self) -> None:
        """Let the warm parents go and wait until they have gone."""
        parents = list(self._parents.values())
        self._parents.clear()
        for parent in parents:
            await parent.leave()

    def _start(self, python: str) -> "_WarmParent":
        pause = self._pauses.setdefault(python, _Pause(self._runtime))
        wait_s = pause.left_s()
        if wait_s > 0:
            raise LaunchFailed(f"the warm parent keeps dying; tried again in {wait_s:.0f} s")
        parent = _WarmParent(self._runtime, python, self._environment)
        self._parents[python] = parent
        parent.gone.addCallback(lambda _: self._forget(python, parent))
        return parent

    def _forget(self, python: str, parent: "_WarmParent") -> None:
        if self._parents.get(python) is parent:
            del self._parents[python]
        if not parent.left:
            self._log.warn("The warm parent of {python} died", python=python)
            self._pauses[python].died(self._runtime.reactor.seconds() - parent.born_s)


class _WarmParent:
    """One warm parent. `gone` fires when it takes no more orders; it is reaped at its end."""

    def __init__(self, runtime: Runtime, python: str, environment: Mapping[str, str]) -> None:
        self.gone: Deferred[None] = Deferred()
        self.left = False
        self.born_s: float = runtime.reactor.seconds()
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.setblocking(False)
        try:
            process = start_interpreter(
                python,
                MODULE,
                environment={**environment, MARK: MARK_PLACEHOLDER},
                descriptors={0: theirs.fileno()},
            )
        except OSError:
            self._socket.close()
            raise
        finally:
            theirs.close()
        self._runtime = runtime
        self._child = Child(runtime.reactor, process, self._ended)

    def send(self, order: bytes, source: int, sink: int) -> bool:
        """Send an order; return whether there was somebody to take it.

        Raises:
            LaunchFailed: it has too many orders in hand.
        """
        try:
            socket.send_fds(self._socket, [order], [source, sink])
        except (BrokenPipeError, ConnectionResetError):
            return False
        except BlockingIOError:
            raise LaunchFailed("the warm parent is busy") from None
        return True

    def kill(self) -> None:
        """Kill it; harmless after its end."""
        self._child.kill()

    async def leave(self) -> None:
        """Give no more orders, and wait until it takes none; kill it if it is stuck."""
        self.left = True
        with contextlib.suppress(OSError):  # it has ended already
            self._socket.shutdown(socket.SHUT_WR)
        reactor = self._runtime.reactor
        # The end of the socket can be read when nobody is left who would take an order.
        silence = Watch(reactor, os.dup(self._socket.fileno()), self._be_gone)
        late = reactor.callLater(_LEAVING_S, self._child.kill)
        await self.gone
        silence.close()
        self._socket.close()
        if late.active():
            late.cancel()

    def _ended(self, _child: Child) -> None:
        self._socket.close()
        self._be_gone()

    def _be_gone(self) -> None:
        if not self.gone.called:
            self.gone.callback(None)


class _Pause:
    """How long to wait before the next warm parent, after some that died young."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._next_s = 0.0
        self._not_before_s = float("-inf")

    def left_s(self) -> float:
        """Return the seconds still to wait; 0 or less when there are none."""
        return self._not_before_s - float(self._runtime.reactor.seconds())

    def died(self, lived_s: float) -> None:
        """Learn of a death: the first one costs nothing, those that follow ever more."""
        if lived_s >= _YOUNG_S:
            self._next_s = 0.0
        self._not_before_s = self._runtime.reactor.seconds() + self._next_s
        self._next_s = min(max(1.0, self._next_s * 2), _LONGEST_PAUSE_S)
