"""Waiting for something that may never come, no longer than a bound."""

from twisted.internet.defer import Deferred

from scrapy_do.system.runtime import Delayed, Delays


class Patience:
    """One wait, that may be shortened while it lasts."""

    def __init__(self, reactor: Delays) -> None:
        self._reactor = reactor
        self._waiting: Deferred[bool] | None = None
        self._bound: Delayed | None = None

    def wait(self, bound_s: float) -> Deferred[bool]:
        """Begin to wait until `end` is called; gives False when the bound came first."""
        self._waiting = waiting = Deferred[bool]()
        self._begin(bound_s)
        return waiting

    def restart(self, bound_s: float) -> None:
        """Wait, if anybody waits, so long from now on instead."""
        if self._bound is not None and self._bound.active():
            self._bound.cancel()
            self._begin(bound_s)

    def end(self) -> None:
        """What was waited for has come; nothing happens when nobody waits."""
        self._end(came=True)

    def _begin(self, bound_s: float) -> None:
        self._bound = self._reactor.callLater(bound_s, lambda: self._end(came=False))

    def _end(self, *, came: bool) -> None:
        if self._bound is not None and self._bound.active():
            self._bound.cancel()
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            waiting.callback(came)
