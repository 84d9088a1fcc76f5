"""A service that looks again and again: one pass at a time, woken by events.

Nothing polls. A pass that fails is logged and repeated with a growing delay, so no failure
ends the service, and `problem` says what is wrong until a pass goes well.
"""

from collections.abc import Awaitable, Callable, Sequence

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.reflect import safe_str

from scrapy_do.errors import Unavailable
from scrapy_do.system.runtime import Delayed, Runtime, background

FIRST_RETRY_S = 0.5
LAST_RETRY_S = 10.0


class ReconcileLoop:
    """Runs `run` whenever it was woken; `what` names it in the log."""

    def __init__(self, run: Callable[[], Awaitable[None]], *, what: str, runtime: Runtime) -> None:
        self._log = Logger()
        self._run = run
        self._what = what
        self._reactor = runtime.reactor
        self._dirty = False
        self._busy = False
        self._over: Deferred[None] | None = None
        self._waiting: list[Deferred[None]] = []
        self._retry: Delayed | None = None
        self._retry_s = FIRST_RETRY_S
        self.stopped = True
        self.problem: str | None = None

    def start(self) -> None:
        """Begin with a first pass."""
        self.stopped = False
        self.wake()

    async def stop(self) -> None:
        """Begin no pass any more; return when the one at hand is over."""
        self.stopped = True
        if self._retry is not None and self._retry.active():
            self._retry.cancel()
        if self._busy and self._over is not None:
            await self._over
        self._answer(self._waiting, f"{self._what} is not made any more")

    async def passed(self) -> None:
        """Return when a pass that began after this call went well.

        Raises:
            Unavailable: it failed, or none is made any more.
        """
        if self.stopped:
            raise Unavailable(f"{self._what} is not made now")
        waiting = Deferred[None]()
        self._waiting.append(waiting)
        self.wake()
        await waiting

    def wake(self) -> None:
        """Look again, soon. May be called any number of times, also from within a pass."""
        self._dirty = True
        if not self._busy and not self.stopped:
            self._busy = True
            self._over = background(self._pass_on(), self._what)
            self._over.addCallback(self._passed)

    def _passed(self, _result: None) -> None:
        self._busy = False
        if self._dirty and not self.stopped:
            self._retry = self._reactor.callLater(self._retry_s, self.wake)

    async def _pass_on(self) -> None:
        """Pass until nothing has changed meanwhile."""
        while self._dirty and not self.stopped:
            self._dirty = False
            waiting, self._waiting = self._waiting, []
            try:
                await self._run()
            except Exception as error:  # noqa: BLE001 - the edge: no failure may end the service
                self._dirty = True
                self._log.failure("{what} failed; it is repeated", what=self._what)
                self.problem = safe_str(error) or type(error).__name__
                self._retry_s = min(self._retry_s * 2, LAST_RETRY_S)
                self._answer(waiting, f"{self._what} failed: {self.problem}")
                return
            self.problem = None
            self._retry_s = FIRST_RETRY_S
            self._answer(waiting)

    @staticmethod
    def _answer(waiting: Sequence[Deferred[None]], problem: str | None = None) -> None:
        for one in waiting:
            if problem is None:
                one.callback(None)
            else:
                one.errback(Unavailable(problem))
