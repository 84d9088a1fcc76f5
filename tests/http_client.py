# ruff: noqa: N802  the names are those of twisted
# Twisted's Failure is untyped:
# mypy: disable-error-code="no-untyped-call"
r"""An HTTP client without sockets: drives a real Site through byte transports, at once.

    client = HttpClient(site_of(dialect, spool_dir=tmp_path))
    answer = client.post("/schedule-job.json", form={"project": "quotesbot"})
    assert answer.json == {"status": "ok"}

    connection = client.connect()          # for raw bytes, slow clients, streams
    connection.send(b"GET / HTTP/1.1\r\n")
    client.clock.advance(11)
    assert connection.is_closed

Everything that the handlers await must complete at once or by `clock`.
"""

import base64
import json as json_text
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import IPushProducer, ITransport
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer

from scrapy_do.web.auth import Access, OpenAccess
from scrapy_do.web.connection import ConnectionLimits
from scrapy_do.web.digest import Digests
from scrapy_do.web.origin import OwnHosts, own_hosts
from scrapy_do.web.router import Dialect
from scrapy_do.web.site import Health, Site, make_site
from tests.fakes import inline

PORT = 7654
HOST = f"localhost:{PORT}"
BOUNDARY = "-----------------------------a-boundary-of-the-tests"
_BUFFER_BYTES = 64 * 1024
_MOST_TURNS = 1000

Result = TypeVar("Result")
Form = Mapping[str, str | Sequence[str]]


async def healthy() -> Sequence[str]:
    """Say that everything works."""
    return ()


def site_of(
    *dialects: Dialect,
    spool_dir: Path,
    access: Access | None = None,
    hosts: OwnHosts | None = None,
    health: Health = healthy,
    public: Iterable[str] = (),
    limits: ConnectionLimits | None = None,
    clock: Clock | None = None,
    digests: Callable[[], Digests | None] = lambda: None,
) -> Site:
    """Make a site of a loopback listener without authentication, unless said otherwise."""
    return make_site(
        dialects=dialects,
        access=OpenAccess() if access is None else access,
        hosts=own_hosts(scheme="http", port=PORT) if hosts is None else hosts,
        health=health,
        spool_dir=spool_dir,
        in_thread=inline,
        reactor=Clock() if clock is None else clock,  # type: ignore[arg-type]  # it is one
        public=public,
        limits=limits,
        digests=digests,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back. `headers` have lower-case names; repeated ones are joined by ", "."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8")

    @property
    def json(self) -> Any:
        return json_text.loads(self.body)


@implementer(ITransport, IPushProducer)
class _Wire:
    """The server's end of a connection: a socket buffer of 64 KiB and a list of bytes."""

    def __init__(self, connection: "Connection", address: str) -> None:
        self._connection = connection
        self._address = address
        self.producer: Any = None
        self.reactor = self
        self.bufferSize = _BUFFER_BYTES
        self.is_reading = True
        self.disconnecting = False

    def write(self, data: bytes) -> None:
        self._connection.deliver(data)

    def writeSequence(self, data: Iterable[bytes]) -> None:
        self._connection.deliver(b"".join(data))

    def loseConnection(self) -> None:
        self.disconnecting = True
        self._connection.finish(Failure(ConnectionDone()))

    def abortConnection(self) -> None:
        self.disconnecting = True
        self._connection.finish(Failure(ConnectionAborted()))

    def getPeer(self) -> IPv4Address:
        return IPv4Address("TCP", self._address, 40000)

    def getHost(self) -> IPv4Address:
        return IPv4Address("TCP", "127.0.0.1", PORT)

    def registerProducer(self, producer: Any, streaming: bool) -> None:  # noqa: FBT001  Twisted's signature
        assert streaming
        self.producer = producer

    def unregisterProducer(self) -> None:
        self.producer = None

    def fileno(self) -> int:
        return -1

    def getWriters(self) -> list["_Wire"]:
        return [self] if self._connection.unread_bytes else []

    def pauseProducing(self) -> None:
        self.is_reading = False

    def resumeProducing(self) -> None:
        self.is_reading = True
        self._connection.flush()

    def stopProducing(self) -> None:
        self.loseConnection()


class Connection:
    """The client's end of a connection.

    `reads` False makes a client that does not read: then at most 64 KiB fit before the
    server is told to pause, until `read`.
    """

    def __init__(self, site: Site, *, address: str = "127.0.0.1", reads: bool = True) -> None:
        self.received = b""
        self.unread_bytes = 0
        self.most_unread_bytes = 0
        self.writes: list[bytes] = []
        self.is_closed = False
        self.reads = reads
        self._outgoing = b""
        self._depth = 0
        self._end: Failure | None = None
        self._is_paused = False
        self._wire = _Wire(self, address)
        peer: Any = self._wire.getPeer()
        self._protocol: Any = site.buildProtocol(peer)
        self.is_refused = self._protocol is None
        self.is_closed = self.is_refused
        if self._protocol is not None:
            self._protocol.makeConnection(self._wire)

    def send(self, data: bytes) -> None:
        """Send bytes; what the server does not read yet waits."""
        self._outgoing += data
        self.flush()

    def close(self) -> None:
        """Leave."""
        self.finish(Failure(ConnectionDone()))

    def read(self, size: int | None = None) -> None:
        """Take bytes out of the socket's buffer."""
        self.unread_bytes -= self.unread_bytes if size is None else min(size, self.unread_bytes)
        if self._is_paused and self.unread_bytes == 0 and self._wire.producer is not None:
            self._is_paused = False
            self._wire.producer.resumeProducing()

    @property
    def is_read_by_server(self) -> bool:
        """Whether the server reads from the connection at present."""
        return self._wire.is_reading

    def answers(self, *methods: str) -> list[Answer]:
        """All whole answers that came; `methods` are those of the requests, GET by default."""
        found: list[Answer] = []
        rest = self.received
        for method in (*methods, *["GET"] * 10_000):
            if not rest:
                return found
            answer, rest = parse_answer(rest, method, is_closed=self.is_closed)
            if answer is None:
                return found
            found.append(answer)
        return found

    # --- the server's side

    def flush(self) -> None:
        while self._outgoing and self._wire.is_reading and not self.is_closed:
            data, self._outgoing = self._outgoing[:_BUFFER_BYTES], self._outgoing[_BUFFER_BYTES:]
            self._depth += 1
            try:
                self._protocol.dataReceived(data)
            finally:
                self._depth -= 1
            self._settle()

    def deliver(self, data: bytes) -> None:
        if self.is_closed or not data:
            return
        self.writes.append(data)
        self.received += data
        if self.reads:
            return
        self.unread_bytes += len(data)
        self.most_unread_bytes = max(self.unread_bytes, self.most_unread_bytes)
        producer = self._wire.producer
        if (
            self.unread_bytes > self._wire.bufferSize
            and producer is not None
            and not self._is_paused
        ):
            self._is_paused = True
            producer.pauseProducing()

    def finish(self, reason: Failure) -> None:
        self._end = self._end or reason
        self._settle()

    def _settle(self) -> None:
        if self._end is not None and self._depth == 0 and not self.is_closed:
            self.is_closed = True
            self._protocol.connectionLost(self._end)


class HttpClient:
    """Sends requests on connections of their own and gives back whole answers."""

    def __init__(
        self, site: Site, *, host: str = HOST, address: str = "127.0.0.1", auth: str | None = None
    ) -> None:
        self.site = site
        self.clock: Clock = site.reactor  # the one of `site_of`
        self._host = host
        self._address = address
        self._auth = auth

    def connect(self, *, reads: bool = True) -> Connection:
        """Open a connection."""
        return Connection(self.site, address=self._address, reads=reads)

    def get(self, target: str, **options: Any) -> Answer:
        """GET; options as of `request`."""
        return self.request("GET", target, **options)

    def post(self, target: str, **options: Any) -> Answer:
        """POST; options as of `request`."""
        return self.request("POST", target, **options)

    def request(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        form: Form | None = None,
        files: Mapping[str, tuple[str, bytes]] | None = None,
        json: Any = None,
    ) -> Answer:
        """Send a request and give its answer, which must be complete at once.

        `form` alone is sent urlencoded, with `files` (name: filename, content) as multipart.
        """
        raw = self.raw_request(
            method, target, headers=headers, body=body, form=form, files=files, json=json
        )
        connection = self.connect()
        connection.send(raw)
        for _ in range(_MOST_TURNS):
            if answers := connection.answers(method):
                break
            self.clock.advance(0)  # a long answer is made in turns
        connection.close()
        assert len(answers) == 1, f"no whole answer to {method} {target}: {connection.received!r}"
        return answers[0]

    def raw_request(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        form: Form | None = None,
        files: Mapping[str, tuple[str, bytes]] | None = None,
        json: Any = None,
    ) -> bytes:
        """Build the bytes of a request."""
        sent = {"Host": self._host}
        if self._auth is not None:
            sent["Authorization"] = "Basic " + base64.b64encode(self._auth.encode()).decode()
        if json is not None:
            body, sent["Content-Type"] = json_text.dumps(json).encode(), "application/json"
        elif files is not None:
            body = multipart(form or {}, files)
            sent["Content-Type"] = f"multipart/form-data; boundary={BOUNDARY}"
        elif form is not None:
            body = urlencode(form, doseq=True).encode()
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        if body or method not in ("GET", "HEAD", "OPTIONS"):
            sent["Content-Length"] = str(len(body))
        return raw_head(method, target, {**sent, **(headers or {})}) + body


def raw_head(method: str, target: str, headers: Mapping[str, str]) -> bytes:
    """The bytes of a request line and headers."""
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {headers[name]}" for name in headers)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def multipart(form: Form, files: Mapping[str, tuple[str, bytes]]) -> bytes:
    """The body of a multipart form, as curl -F sends it."""
    parts = []
    for name, values in form.items():
        for value in (values,) if isinstance(values, str) else values:
            head = f'Content-Disposition: form-data; name="{name}"\r\n\r\n'
            parts.append(head.encode() + value.encode())
    for name, (filename, content) in files.items():
        head = (
            f'Content-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        parts.append(head.encode() + content)
    begin = f"--{BOUNDARY}\r\n".encode()
    return b"".join(begin + part + b"\r\n" for part in parts) + f"--{BOUNDARY}--\r\n".encode()


def parse_answer(data: bytes, method: str, *, is_closed: bool) -> tuple[Answer | None, bytes]:
    """The first answer in some bytes, None when it is not complete, and what follows it."""
    head, blank, rest = data.partition(b"\r\n\r\n")
    if not blank:
        return None, data
    status_line, *lines = head.decode("latin-1").split("\r\n")
    status = int(status_line.split(" ")[1])
    if status == 100:
        return parse_answer(rest, method, is_closed=is_closed)
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        known = headers.get(name.lower())
        headers[name.lower()] = value if known is None else f"{known}, {value}"
    body, rest = _body(rest, headers, status, method, is_closed=is_closed)
    if body is None:
        return None, data
    return Answer(status=status, headers=headers, body=body), rest


def _body(
    rest: bytes, headers: Mapping[str, str], status: int, method: str, *, is_closed: bool
) -> tuple[bytes | None, bytes]:
    if method == "HEAD" or status in (204, 304):
        return b"", rest
    if headers.get("transfer-encoding") == "chunked":
        return _chunks(rest)
    if "content-length" in headers:
        length = int(headers["content-length"])
        return (rest[:length], rest[length:]) if len(rest) >= length else (None, rest)
    return (rest, b"") if is_closed else (None, rest)


def _chunks(rest: bytes) -> tuple[bytes | None, bytes]:
    body = b""
    while True:
        size_text, newline, rest = rest.partition(b"\r\n")
        if not newline:
            return None, rest
        size = int(size_text, 16)
        if len(rest) < size + 2:
            return None, rest
        body, rest = body + rest[:size], rest[size + 2 :]
        if size == 0:
            return body, rest


def completed(awaitable: Awaitable[Result]) -> Result:
    """The result of something that completes at once."""
    steps = awaitable.__await__()
    try:
        next(steps)
    except StopIteration as stop:
        result: Result = stop.value
        return result
    raise AssertionError("the awaitable did not complete at once")
