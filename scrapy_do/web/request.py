# ruff: noqa: N802  the names are those of twisted.web
# twisted.web.http is untyped:
# mypy: disable-error-code="no-untyped-call"
"""One request: verdict before the body, body to a sink, answer to the client.

`site.py` gives the verdict and the answer; this file moves bytes and never holds more
than a piece of them. Whatever is raised on the way becomes an answer at one place.
"""

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web import http
from twisted.web.iweb import INonQueuedRequestFactory
from zope.interface import implementer, provider

from scrapy_do.errors import TooLarge, TooManyConnections
from scrapy_do.web.answer import PIECE_BYTES, Response, Stream
from scrapy_do.web.connection import Channel, ConnectionLimits
from scrapy_do.web.sinks import Sink
from scrapy_do.web.upload import Form

_log = Logger()


ONLY_HTTPS = b"max-age=31536000"
"""For a year browsers that have come over HTTPS come over nothing else. Source: RFC 6797."""

RETRY_AFTER_S = b"5"
"""How long to wait before asking again what was answered with 503."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A request before its body. `length_bytes` None: chunked, so not known yet.

    The names of `headers` are in lower case, their values latin-1, so any bytes.
    """

    method: str
    target: str
    headers: Mapping[str, tuple[str, ...]]
    length_bytes: int | None
    client: str
    is_secure: bool

    def values(self, name: str) -> Sequence[str]:
        """All headers of this name."""
        return self.headers.get(name, ())


class Visit(Protocol):
    """What a site makes of one request."""

    limit_bytes: int

    async def admit(self) -> Sink | None:
        """The verdict, before the body: where that goes, None without one. Raises refusals."""
        ...

    async def answer(self, form: Form) -> Response | Stream:
        """Do what was asked."""
        ...

    def refusal(self, failure: Failure) -> Response:
        """Say why not. Never raises."""
        ...


class Door(Protocol):
    """The site, as its connections and requests see it."""

    limits: ConnectionLimits
    is_draining: bool

    def disconnected(self, channel: Channel) -> None:
        """Forget a connection."""
        ...

    def visit(self, head: Head, channel: Channel) -> Visit:
        """Begin a request. Never raises."""
        ...

    def check_readers(self, channel: Channel) -> None:
        """Let a client take an answer of any length.

        Raises:
            TooManyConnections: those that do leave no room for others.
        """
        ...

    async def shelve(self, answer: Response) -> Response | Stream:
        """Put a large answer where it costs no memory while the client takes it."""
        ...


@implementer(IPushProducer)
class _Valve:
    """Holds a stream back while the client's buffer is full."""

    def __init__(self, *, is_open: bool) -> None:
        self._opening: Deferred[None] | None = None if is_open else Deferred()

    def pauseProducing(self) -> None:
        """Close."""
        if self._opening is None:
            self._opening = Deferred()

    def resumeProducing(self) -> None:
        """Open."""
        opening, self._opening = self._opening, None
        if opening is not None:
            opening.callback(None)

    def stopProducing(self) -> None:
        """The client is gone; `Request.connectionLost` follows and ends the stream."""

    async def opened(self) -> None:
        """Wait until the client takes more."""
        if self._opening is not None:
            await self._opening


class _ClientLeft(Exception):
    """The connection ended before the body did."""


class _WrongLength(Exception):
    """A stream was shorter or longer than it had promised."""


@provider(INonQueuedRequestFactory)
class Request(http.Request):
    """A request from its head to its answer.

    `args` stays empty: bodies go piece by piece to the sink of the verdict.
    """

    channel: Channel
    request_line: bytes = b""

    def __init__(self, channel: Channel) -> None:
        super().__init__(channel)
        self._site: Door = channel.site
        self.args: dict[bytes, list[bytes]] = {}
        self._length_bytes: int | None = 0
        self._limit_bytes = 0
        self._sink: Sink | None = None
        self._early: list[bytes] = []
        self._received_bytes = 0
        self._body_end: Deferred[None] = Deferred()
        self._body_failure: Failure | None = None
        self._is_whole = False
        self._is_answered = False
        self._pump: Deferred[None] | None = None

    # --- what Twisted calls

    def gotLength(self, length: int | None) -> None:
        """The head is complete: judge it before the body comes."""
        self.method, self.uri, self.clientproto = self.request_line.split(b" ")
        self._length_bytes = length
        if length != 0:
            self._begin()
            if self._sink is None and not self._is_answered:
                self.channel.hold_body()

    def handleContentChunk(self, data: bytes) -> None:
        """Take a piece of the body."""
        if self._sink is None:
            self._early.append(data)
        else:
            self._take(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:  # noqa: ARG002
        """The request is complete; its head is known since `gotLength`."""
        self._is_whole = True
        if self._length_bytes == 0:
            self._begin()
        self._end_body()

    def connectionLost(self, reason: Failure) -> None:
        """The client left. A handler goes on to its end; a body or a stream does not."""
        super().connectionLost(reason)
        self._end_body()
        if self._pump is not None:
            self._pump.cancel()

    # --- from the head to the answer

    def _begin(self) -> None:
        visit = self._site.visit(self._head(), self.channel)
        Deferred.fromCoroutine(self._run(visit)).addErrback(self._give_up)

    def _head(self) -> Head:
        return Head(
            method=self.method.decode("latin-1"),
            target=self.uri.decode("latin-1"),
            headers={
                name.decode("latin-1").lower(): tuple(value.decode("latin-1") for value in values)
                for name, values in self.requestHeaders.getAllRawHeaders()
            },
            length_bytes=self._length_bytes,
            client=str(getattr(self.channel.getPeer(), "host", "")),
            is_secure=self.channel.isSecure(),
        )

    async def _run(self, visit: Visit) -> None:
        try:
            answer = await self._answer(visit)
            if isinstance(answer, Stream):
                self._check_readers(answer)
            elif len(answer.body) > PIECE_BYTES and self.method != b"HEAD":
                answer = await self._site.shelve(answer)
        except _ClientLeft:
            return
        except Exception:  # noqa: BLE001  the HTTP edge: whatever was raised becomes an answer
            answer = visit.refusal(Failure())
        finally:
            if self._sink is not None:
                self._sink.discard()
        await self._send(answer)

    async def _answer(self, visit: Visit) -> Response | Stream:
        sink = await visit.admit()
        if sink is None:
            return await visit.answer(Form())
        self._sink = sink
        self._limit_bytes = visit.limit_bytes
        if not self._is_whole and not self._disconnected:
            self.channel.admit_body()
        early, self._early = self._early, []
        for data in early:
            self._take(data)
        await self._body_end
        if self._body_failure is not None:
            self._body_failure.raiseException()
        if not self._is_whole:
            raise _ClientLeft
        return await visit.answer(sink.finish())

    def _check_readers(self, stream: Stream) -> None:
        try:
            self._site.check_readers(self.channel)
        except TooManyConnections:
            stream.release()
            raise

    def _take(self, data: bytes) -> None:
        if self._is_answered or self._sink is None:
            return
        self._received_bytes += len(data)
        try:
            check_size(self._received_bytes, self._limit_bytes)
            self._sink.write(data)
        except Exception:  # noqa: BLE001  the HTTP edge: `_run` makes an answer of it
            self._body_failure = Failure()
            self._end_body()

    def _end_body(self) -> None:
        if not self._body_end.called:
            self._body_end.callback(None)

    def _give_up(self, failure: Failure) -> None:
        _log.failure("answering {uri} failed", failure, uri=self.uri)
        if not self._disconnected:
            self.channel.abort()

    # --- the answer

    async def _send(self, answer: Response | Stream) -> None:
        self._is_answered = True
        try:
            if self._disconnected:
                return
            self._set_head(answer)
            if isinstance(answer, Stream) and self.method != b"HEAD":
                await self._send_stream(answer)
                return
            self.write(answer.body if isinstance(answer, Response) else b"")
            self.finish()
        finally:
            if isinstance(answer, Stream):
                answer.release()

    def _set_head(self, answer: Response | Stream) -> None:
        self.setResponseCode(answer.status, HTTPStatus(answer.status).phrase.encode("ascii"))
        headers = self.responseHeaders
        headers.setRawHeaders(b"Date", [http.datetimeToString()])
        headers.setRawHeaders(b"X-Content-Type-Options", [b"nosniff"])
        if self.channel.isSecure():
            headers.setRawHeaders(b"Strict-Transport-Security", [ONLY_HTTPS])
        if answer.content_type is not None:
            headers.setRawHeaders(b"Content-Type", [answer.content_type.encode()])
        for name, value in answer.headers:
            headers.addRawHeader(name.encode(), value.encode())
        if answer.status == HTTPStatus.SERVICE_UNAVAILABLE:
            headers.setRawHeaders(b"Retry-After", [RETRY_AFTER_S])
        length = len(answer.body) if isinstance(answer, Response) else answer.length_bytes
        if length is not None and answer.status not in http.NO_BODY_CODES:
            headers.setRawHeaders(b"Content-Length", [str(length).encode()])
        if not self._is_whole:  # a refusal; the rest of the body is neither wanted nor read
            self.requestHeaders.removeHeader(b"expect")
            self.channel.linger()
        if not self._is_whole or self._site.is_draining or self.channel.is_surplus:
            self.channel.persistent = False
            headers.setRawHeaders(b"Connection", [b"close"])

    async def _send_stream(self, stream: Stream) -> None:
        self._pump = Deferred.fromCoroutine(self._pour(stream))
        try:
            await self._pump
        except CancelledError:
            if not self._disconnected:
                raise
        else:
            self.finish()

    async def _pour(self, stream: Stream) -> None:
        self.write(b"")  # the head goes now: the first piece may be a long time coming
        valve = _Valve(is_open=not self.channel.is_full)
        self.registerProducer(valve, streaming=True)
        self.channel.is_streaming = True
        sent_bytes = 0
        try:
            async with aclosing(stream.chunks) as chunks:
                async for chunk in chunks:
                    sent_bytes += len(chunk)
                    self.write(chunk)
                    del chunk  # the transport's copy is the only one while the client waits
                    await valve.opened()
        finally:
            if not self._disconnected:
                self.channel.is_streaming = False
                self.unregisterProducer()
        if stream.length_bytes not in (None, sent_bytes):
            raise _WrongLength(f"{sent_bytes} bytes instead of {stream.length_bytes}")


def check_size(size_bytes: int, limit_bytes: int) -> None:
    """Let a body through, or what has come of it.

    Raises:
        TooLarge: it is above the limit of its route.
    """
    if size_bytes > limit_bytes:
        raise TooLarge("The body", limit_bytes)
