# ruff: noqa: N802, N815  the names are those of twisted.web
# twisted.web.http is untyped:
# mypy: disable-error-code="no-untyped-call"
"""One connection: deadlines, a least pace, no folded headers, refusals before the body.

What `twisted.web` leaves open is closed here. Its own time-out starts again with every
byte, so a head may take for ever; ours is absolute. Nagle's algorithm is off already
(`HTTPChannel.connectionMade`), and the head and body of a small answer meet in the
transport's buffer, so they leave in one write.

Note [How an answer gets to a slow reader]
    A reader may take as long as it likes: what has its limits is what it holds meanwhile.
    In our memory that is one piece: a whole one fills the transport's buffer, which then
    asks for the next only when it is empty. What the kernel has taken is not read yet
    either: an abort would throw it away, and so would, after some minutes, a close, because
    the kernel gives up sockets without an owner. So a connection counts as idle, and is
    closed, only when the other side has acknowledged every byte. A dead peer acknowledges
    nothing and answers no probe, and then the kernel ends the connection (`listening.py`).
"""

import fcntl
import struct
import termios
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web import http

from scrapy_do.web.answer import PIECE_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """How long and how much. Seconds, bytes, connections.

    `headers_s` runs from the first byte of a request, or from the connection. A body must
    bring `body_bytes_per_s` in every window of `body_window_s`. A piece of an answer (64 KiB)
    must be taken within `stall_s`; 0: whenever. `linger_s` is how long a client that is
    still sending a refused body has for reading why; `depart_s` is how long a request may
    take to come in once nothing new is taken.

    `connections` are open at once, `connections_per_address` of one address (0: no limit of
    its own). `surplus` more may come in to be told so. A connection that has asked for
    nothing for `young_s` makes room for one that asks.
    """

    headers_s: float = 10
    idle_s: float = 60
    body_window_s: float = 10
    body_bytes_per_s: int = 1024
    stall_s: float = 0
    linger_s: float = 2
    depart_s: float = 0.3
    young_s: float = 0.5
    connections: int = 512
    connections_per_address: int = 64
    surplus: int = 64


class Phase(Enum):
    """What a connection is doing."""

    HEAD = auto()
    BODY = auto()
    ANSWER = auto()
    IDLE = auto()
    LEAVING = auto()
    CLOSING = auto()


_FIRST_LOOK_S = 0.001
_LAST_LOOK_S = 1.0
"""How often it is seen whether a client has taken all: soon at first, then less and less."""


class Channel(http.HTTPChannel):
    """A connection: Twisted's parser with our clock and our refusals."""

    # All set by the factory and the transport; `site` is a `request.Door`.
    site: Any
    transport: Any
    callLater: Any
    requests: list[Any]

    def __init__(self) -> None:
        super().__init__()
        self.phase = Phase.HEAD
        self.since_s = 0.0
        self.is_full = False
        self.is_surplus = False
        self.is_streaming = False
        self._is_refused = False
        self._deadline: Any = None
        self._stall: Any = None
        self._window_bytes = 0

    # --- what Twisted calls

    def connectionMade(self) -> None:
        """Start the clock."""
        super().connectionMade()
        # See Note [How an answer gets to a slow reader].
        self._wire.bufferSize = PIECE_BYTES - 1
        self._enter(Phase.HEAD, self.site.limits.headers_s)

    def dataReceived(self, data: bytes) -> None:
        """Take bytes, unless nothing that comes can matter any more."""
        if self.phase in (Phase.CLOSING, Phase.LEAVING):
            return
        if self.phase is Phase.IDLE and data:
            self._enter(Phase.HEAD, self.site.limits.headers_s)
        super().dataReceived(data)

    def lineReceived(self, line: bytes) -> None:
        """Take a line of a head; refuse folded headers, which proxies read differently."""
        if line[:1] in (b" ", b"\t"):
            self.refuse_syntax()
            return
        known = len(self.requests)
        super().lineReceived(line)
        if len(self.requests) > known:
            self.requests[-1].request_line = line

    def allHeadersReceived(self) -> None:
        """A head is complete; refuse a coding of the body that proxies may read differently."""
        codings = self.requests[-1].requestHeaders.getRawHeaders(b"Transfer-Encoding", [])
        is_known = [one.lower() for one in codings] == [b"chunked"] and self._is_of_http_1_1()
        if codings and not is_known:
            self._is_refused = True
            self.refuse_syntax()
            return
        super().allHeadersReceived()

    def _is_of_http_1_1(self) -> bool:
        return bool(self.requests[-1].request_line.endswith(b" HTTP/1.1"))

    def rawDataReceived(self, data: bytes) -> None:
        """Take a piece of a body."""
        if self.phase is not Phase.CLOSING and not self._is_refused:
            self._window_bytes += len(data)
            super().rawDataReceived(data)

    def allContentReceived(self) -> None:
        """A request is complete, unless it was answered before."""
        if self.phase is not Phase.CLOSING and not self._is_refused:
            self._enter(Phase.ANSWER, None)
            super().allContentReceived()

    def requestDone(self, request: http.Request) -> None:
        """Wait for the next request; it may be in our buffer already."""
        if self.phase is not Phase.CLOSING:
            self._enter(Phase.IDLE, self.site.limits.idle_s, self._idle_over)
        super().requestDone(request)

    def loseConnection(self) -> None:
        """Close once the client has all; after a refused body when it had time to read why."""
        if self.phase not in (Phase.CLOSING, Phase.LEAVING):
            self._leave(_FIRST_LOOK_S)

    def pauseProducing(self) -> None:
        """Our buffer is full: the client has to read."""
        self.is_full = True
        if self._stall is None and self.site.limits.stall_s:
            self._stall = self.callLater(self.site.limits.stall_s, self.abort)
        super().pauseProducing()

    def resumeProducing(self) -> None:
        """Our buffer is empty again."""
        self.is_full = False
        self._stop_stall()
        super().resumeProducing()
        if self.phase is Phase.LEAVING:
            self._leave(_FIRST_LOOK_S)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone."""
        self._enter(Phase.CLOSING, None)
        self._stop_stall()
        self.site.disconnected(self)
        super().connectionLost(reason)

    # --- what requests and the site call

    @property
    def is_waiting(self) -> bool:
        """Whether no request and no answer is lost when the connection is closed now."""
        return self.phase in (Phase.HEAD, Phase.IDLE, Phase.CLOSING) and self._is_taken()

    @property
    def is_reading(self) -> bool:
        """Whether the client is taking an answer, and nobody knows for how long."""
        return self.is_streaming or (
            self.phase in (Phase.IDLE, Phase.LEAVING) and not self._is_taken()
        )

    def depart(self) -> None:
        """Close: at once between requests, in a moment when the first may be on its way."""
        if self.phase is Phase.HEAD:
            self._enter(Phase.HEAD, self.site.limits.depart_s)
        elif self.is_waiting:
            self.loseConnection()

    def hold_body(self) -> None:
        """Read no more until `admit_body` or `linger`."""
        self._enter(Phase.BODY, None)
        self.transport.pauseProducing()

    def admit_body(self) -> None:
        """Read the body, and watch its pace from now on."""
        self._enter(Phase.BODY, None)
        self._window_bytes = 0
        self._watch_pace()
        self.transport.resumeProducing()

    def linger(self) -> None:
        """Drop what still comes, and close in a moment."""
        self.persistent = False
        self._enter(Phase.CLOSING, self.site.limits.linger_s)
        self.transport.resumeProducing()

    def refuse_syntax(self) -> None:
        """Answer what is not HTTP and close."""
        self.transport.write(
            b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        )
        self._leave(_FIRST_LOOK_S)

    def abort(self) -> None:
        """Close at once."""
        self.transport.abortConnection()

    # --- time

    def _enter(
        self, phase: Phase, deadline_s: float | None, then: Callable[[], None] | None = None
    ) -> None:
        self.phase = phase
        self.since_s = self.site.seconds()
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        self._deadline = None
        if deadline_s is not None:
            self._deadline = self.callLater(deadline_s, then or self.abort)

    def _idle_over(self) -> None:
        """Close, unless it is the answer before that takes so long."""
        if self._is_taken():
            self.loseConnection()
        else:
            self._enter(Phase.IDLE, self.site.limits.idle_s, self._idle_over)

    def _leave(self, look_s: float) -> None:
        """Close if the client has all, else look again.

        See Note [How an answer gets to a slow reader].
        """
        if self._is_taken():
            self._enter(Phase.CLOSING, None)
            super().loseConnection()
            return
        later_s = min(2 * look_s, _LAST_LOOK_S)
        self._enter(Phase.LEAVING, look_s, lambda: self._leave(later_s))

    def _is_taken(self) -> bool:
        """Whether nothing of what was answered is still under way."""
        wire = self._wire
        is_sent = wire not in wire.reactor.getWriters()
        return is_sent and _unacknowledged_bytes(wire.fileno()) == 0

    @property
    def _wire(self) -> Any:  # noqa: ANN401 - one of Twisted's, or a test's
        """The transport of bytes, below TLS if that is spoken."""
        return getattr(self.transport, "transport", self.transport)

    def _watch_pace(self) -> None:
        limits = self.site.limits
        window_s = limits.body_window_s

        def check() -> None:
            if self._window_bytes < window_s * limits.body_bytes_per_s:
                self.abort()
            else:
                self._window_bytes = 0
                self._watch_pace()

        self._deadline = self.callLater(window_s, check)

    def _stop_stall(self) -> None:
        if self._stall is not None and self._stall.active():
            self._stall.cancel()
        self._stall = None


def _unacknowledged_bytes(descriptor: int) -> int:
    """How much the other side of a socket has not taken yet. Source: tcp(7), SIOCOUTQ."""
    if descriptor < 0:
        return 0
    size = struct.Struct("i")
    (found,) = size.unpack(fcntl.ioctl(descriptor, termios.TIOCOUTQ, bytes(size.size)))
    return int(found)
