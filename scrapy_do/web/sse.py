"""Server-sent events: answers that go on, are never compressed, and say that they live.

Source: the HTML standard, section "Server-sent events". What is sent is made only when the
client has taken what came before, so a slow client holds one piece in memory and no more; who
makes the events says what was left out meanwhile.
"""

import json
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from twisted.internet.defer import Deferred

from scrapy_do.system.runtime import Delays
from scrapy_do.web.answer import JSON, Headers, Stream

HEARTBEAT_S = 15.0
RETRY_MS = 2000
EVENTS = "text/event-stream; charset=utf-8"
HEADERS: Headers = (("Cache-Control", "no-store"), ("X-Accel-Buffering", "no"))
BEGIN = f"retry: {RETRY_MS}\n\n".encode()
HEARTBEAT = b": alive\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event. `data` becomes JSON in one line; `id` is where the client takes up again."""

    name: str
    data: JSON
    id: str = ""

    def encode(self) -> bytes:
        """The event as it is sent."""
        text = json.dumps(self.data, ensure_ascii=False, separators=(",", ":"))
        head = f"id: {self.id}\n" if self.id else ""
        return f"{head}event: {self.name}\ndata: {text}\n\n".encode("utf-8", "backslashreplace")


def event_stream(chunks: AsyncGenerator[bytes, None], release: Callable[[], None]) -> Stream:
    """An answer of events; `release` is called exactly once, however it ends."""
    return Stream(chunks=chunks, content_type=EVENTS, headers=HEADERS, release=release)


class Bell:
    """Wakes the one who makes events, or lets them sleep for a while."""

    def __init__(self, reactor: Delays) -> None:
        self._reactor = reactor
        self._is_rung = False
        self._waiting: Deferred[None] | None = None

    def seconds(self) -> float:
        """The time, for measuring how long nothing was sent."""
        return self._reactor.seconds()

    def ring(self) -> None:
        """Wake who waits, now or at the next wait."""
        self._is_rung = True
        if self._waiting is not None:
            _fire(self._waiting)

    async def wait(self, most_s: float) -> bool:
        """Wait until it is rung, at most so long; return whether it was."""
        if not self._is_rung:
            self._waiting = Deferred()
            try:
                await self._pass(self._waiting, most_s)
            finally:
                self._waiting = None
        rung, self._is_rung = self._is_rung, False
        return rung

    async def sleep(self, delay_s: float) -> None:
        """Wait so long, whatever happens."""
        await self._pass(Deferred(), delay_s)

    async def _pass(self, woken: "Deferred[None]", delay_s: float) -> None:
        later = self._reactor.callLater(delay_s, _fire, woken)
        try:
            await woken
        finally:
            if later.active():
                later.cancel()


def _fire(woken: "Deferred[None]") -> None:
    if not woken.called:
        woken.callback(None)
