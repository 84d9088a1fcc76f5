"""Connections and requests as bytes: odd HTTP, deadlines, bodies, answers."""

from collections.abc import AsyncGenerator, Callable, Iterator
from pathlib import Path
from random import Random

import pytest
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs, formatEvent

from scrapy_do.core.principal import Principal, Role
from scrapy_do.system.passwords import token_digest
from scrapy_do.web.auth import TokenAccess
from scrapy_do.web.connection import ConnectionLimits
from scrapy_do.web.upload import BodyRules
from tests.http_client import HOST, HttpClient, multipart, raw_head, site_of
from tests.web.dialects import UPLOAD_BYTES, Echo, Pouring, Single, Waiting, hello, no_content

HEAD = f"GET /echo HTTP/1.1\r\nHost: {HOST}\r\n"


@pytest.fixture
def client(tmp_path: Path) -> HttpClient:
    return HttpClient(site_of(Echo(), spool_dir=tmp_path))


def files(client: HttpClient, tmp_path: Path) -> list[str]:
    assert client.site is not None
    return [path.name for path in tmp_path.iterdir()]


# --- T16: what is not quite HTTP ---------------------------------------------------------------

ODD = [
    # request lines
    "GET\r\n\r\n",
    "GET /echo\r\n\r\n",
    "GET  /echo HTTP/1.1\r\nHost: localhost:7654\r\n\r\n",
    "GET /echo  HTTP/1.1\r\nHost: localhost:7654\r\n\r\n",
    "GET /echo HTTP/0.9\r\nHost: localhost:7654\r\n\r\n",
    "GET /echo HTTP/9.9\r\nHost: localhost:7654\r\n\r\n",
    "GET /echo HTTP/2.0\r\nHost: localhost:7654\r\n\r\n",
    "GET /echo http/1.1\r\nHost: localhost:7654\r\n\r\n",
    "GET /echo HTTP/1.1 x\r\nHost: localhost:7654\r\n\r\n",
    " GET /echo HTTP/1.1\r\nHost: localhost:7654\r\n\r\n",
    "\tGET /echo HTTP/1.1\r\nHost: localhost:7654\r\n\r\n",
    "G\x00T /echo HTTP/1.1\r\nHost: localhost:7654\r\n\r\n",
    "G(T /echo HTTP/1.1\r\nHost: localhost:7654\r\n\r\n",
    "\r\n\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    # targets
    "GET echo HTTP/1.1\r\nHost: localhost:7654\r\n\r\n",
    "GET * HTTP/1.1\r\nHost: localhost:7654\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: localhost:7654\r\n\r\n",
    "CONNECT evil.example:443 HTTP/1.1\r\nHost: localhost:7654\r\n\r\n",
    "GET http://evil.example/echo HTTP/1.1\r\nHost: localhost:7654\r\n\r\n",
    "GET http://localhost:7654/echo HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    "GET http://evil.example@localhost:7654/echo HTTP/1.1\r\nHost: localhost:7654\r\n\r\n",
    "GET https:/echo HTTP/1.1\r\nHost: localhost:7654\r\n\r\n",
    "GET ftp://localhost:7654/echo HTTP/1.1\r\nHost: localhost:7654\r\n\r\n",
    "GET /%ff HTTP/1.1\r\nHost: localhost:7654\r\n\r\n",
    "GET /echo?%ff=1 HTTP/1.1\r\nHost: localhost:7654\r\n\r\n",
    # hosts
    "GET /echo HTTP/1.1\r\n\r\n",
    "GET /echo HTTP/1.0\r\n\r\n",
    "GET /echo HTTP/1.1\r\nHost:\r\n\r\n",
    "GET /echo HTTP/1.1\r\nHost: localhost:7654\r\nHost: localhost:7654\r\n\r\n",
    "GET /echo HTTP/1.1\r\nHost: localhost:7654\r\nHost: evil.example\r\n\r\n",
    "GET /echo HTTP/1.1\r\nHost: evil.example\r\nHost: localhost:7654\r\n\r\n",
    "GET /echo HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    "GET /echo HTTP/1.1\r\nHost: localhost:7654, evil.example\r\n\r\n",
    "GET /echo HTTP/1.1\r\nhost: localhost:7654\r\nHOST: localhost:7654\r\n\r\n",
    # headers
    HEAD + "X: a\r\n b\r\n\r\n",
    HEAD + "X: a\r\n\tb\r\n\r\n",
    HEAD + " X: a\r\n\r\n",
    "GET /echo HTTP/1.1\r\nHost: localhost:7654\r\n evil.example\r\n\r\n",
    "GET /echo HTTP/1.1\r\n Host: localhost:7654\r\n\r\n",
    "GET /echo HTTP/1.1\r\nX: a\r\n Host: localhost:7654\r\n\r\n",
    HEAD + "Content-Length: 1\r\n 0\r\n\r\n",
    HEAD + "X : a\r\n\r\n",
    HEAD + "X\r\n\r\n",
    HEAD + ": a\r\n\r\n",
    HEAD + "X: a\x00b\r\n\r\n",
    HEAD + "X: a\rb\r\n\r\n",
    HEAD + "X: a\nY: b\r\n\r\n",
    HEAD + "X\x00: a\r\n\r\n",
    HEAD + "X(: a\r\n\r\n",
    HEAD + "".join(f"X{number}: a\r\n" for number in range(600)) + "\r\n",
    HEAD + "X: " + "a" * 17_000 + "\r\n\r\n",
    "GET /" + "a" * 17_000,
    # lengths
    HEAD + "Content-Length: +4\r\n\r\nabcd",
    HEAD + "Content-Length: -4\r\n\r\nabcd",
    HEAD + "Content-Length: 0x4\r\n\r\nabcd",
    HEAD + "Content-Length: 4.0\r\n\r\nabcd",
    HEAD + "Content-Length: 4 4\r\n\r\nabcd",
    HEAD + "Content-Length: 4, 4\r\n\r\nabcd",
    HEAD + "Content-Length: 4,5\r\n\r\nabcd",
    HEAD + "Content-Length: \r\n\r\nabcd",
    HEAD + "Content-Length: abc\r\n\r\nabcd",
    HEAD + "Content-Length: 4\r\nContent-Length: 4\r\n\r\nabcd",
    HEAD + "Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
    HEAD + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    HEAD + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    HEAD + "Content-Length: " + "9" * 400 + "\r\n\r\nabcd",
    # transfer encodings
    HEAD + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    HEAD + "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    HEAD + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    HEAD + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    HEAD + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    HEAD + "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    HEAD + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    HEAD + "Transfer-Encoding: identity\r\n\r\n",
    HEAD + "Transfer-Encoding: identity\r\nContent-Length: 4\r\n\r\nabcd",
    HEAD + "Transfer-Encoding:\r\n\r\n",
    HEAD.replace("HTTP/1.1", "HTTP/1.0") + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    HEAD.replace("HTTP/1.1", "HTTP/1.0") + "Transfer-Encoding: Chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
    HEAD + "Transfer-Encoding: gzip\r\n\r\nabcd",
    HEAD + "Transfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n",
    HEAD + "Transfer-Encoding: chunked\r\n\r\n+1\r\na\r\n0\r\n\r\n",
    HEAD + "Transfer-Encoding: chunked\r\n\r\n-1\r\na\r\n0\r\n\r\n",
    HEAD + "Transfer-Encoding: chunked\r\n\r\n1 \r\na\r\n0\r\n\r\n",
    HEAD + "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
    HEAD + "Transfer-Encoding: chunked\r\n\r\nzz\r\na\r\n0\r\n\r\n",
    HEAD + "Transfer-Encoding: chunked\r\n\r\n1;" + "x" * 5000 + "\r\na\r\n0\r\n\r\n",
]


def test_eighty_odd_requests() -> None:
    """The list is as long as the threat model says."""
    assert len(set(ODD)) >= 80


@pytest.mark.parametrize("raw", ODD, ids=range(len(ODD)))
def test_odd_http(client: HttpClient, raw: str) -> None:
    """What is not quite HTTP is refused or cut off, and nothing hidden in it is answered."""
    connection = client.connect()
    hidden = f"GET /healthz HTTP/1.1\r\nHost: {HOST}\r\n\r\n"
    with capturedLogs() as events:
        connection.send((raw + hidden).encode("latin-1"))
    statuses = [answer.status for answer in connection.answers()]
    assert set(statuses) <= {200, 400, 404, 405, 413, 421}
    assert statuses[:1] in ([], [400], [404], [413], [421])
    assert (
        connection.is_closed
        or statuses in ([413], [400, 200], [421, 200], [404, 200])
        or not statuses
    )
    client.clock.advance(61)
    assert connection.is_closed
    assert client.get("/healthz").status == 200
    assert [] == [event for event in events if "log_failure" in event]


def test_random_bytes(client: HttpClient) -> None:
    """Random bytes, and requests with random bytes in them, are never a bug."""
    seed = 20260603
    random = Random(seed)
    good = raw_head("POST", "/echo?a=1", {"Host": HOST, "Content-Length": "3"}) + b"a=1"
    with capturedLogs() as events:
        for _ in range(300):
            raw = bytearray(good)
            for _ in range(random.randint(1, 4)):
                raw[random.randrange(len(raw))] = random.randrange(256)
            connection = client.connect()
            connection.send(bytes(raw))
            found = [answer.status for answer in connection.answers()]
            assert set(found) <= {200, 400, 404, 405, 421, 413}, (seed, bytes(raw))
            connection.close()
    assert [] == [event for event in events if "log_failure" in event], seed


# --- T17: slow clients -------------------------------------------------------------------------


def test_slow_headers(client: HttpClient) -> None:
    """Headers that come byte by byte are cut off at an absolute deadline."""
    connection = client.connect()
    for byte in HEAD[:9]:
        connection.send(byte.encode())
        client.clock.advance(1)
    assert not connection.is_closed
    connection.send(HEAD[9:].encode())
    client.clock.advance(1)
    assert (True, b"") == (connection.is_closed, connection.received)


def test_silent_connection(client: HttpClient) -> None:
    """A connection that says nothing is closed when its headers are due."""
    connection = client.connect()
    client.clock.advance(9.9)
    assert not connection.is_closed
    client.clock.advance(0.2)
    assert connection.is_closed


def test_kept_connection(client: HttpClient) -> None:
    """A kept connection may idle for a while, and each request has its own deadline."""
    connection = client.connect()
    connection.send(f"{HEAD}\r\n".encode())
    client.clock.advance(59)
    connection.send(HEAD.encode())
    client.clock.advance(9)
    connection.send(b"\r\n")
    assert [200, 200] == [answer.status for answer in connection.answers()]
    client.clock.advance(59)
    assert not connection.is_closed
    client.clock.advance(2)
    assert connection.is_closed


def test_pipelined_requests(client: HttpClient) -> None:
    """Requests that come at once are answered in their order."""
    connection = client.connect()
    first, second = (HEAD.replace("/echo", f"/echo?n={number}") + "\r\n" for number in (1, 2))
    connection.send((first + second).encode())
    assert [{"n": ["1"]}, {"n": ["2"]}] == [answer.json for answer in connection.answers()]


def test_slow_body(client: HttpClient, tmp_path: Path) -> None:
    """A body below its least pace is cut off, and its file is deleted."""
    connection = client.connect()
    connection.send(_upload_head(100_000))
    connection.send(b"x" * 20_000)
    assert len(files(client, tmp_path)) == 1
    client.clock.advance(10)
    assert not connection.is_closed
    for _ in range(9):
        connection.send(b"x" * 1000)
        client.clock.advance(1)
    client.clock.advance(1)
    assert (True, b"", []) == (
        connection.is_closed,
        connection.received,
        files(client, tmp_path),
    )


def test_steady_body(client: HttpClient) -> None:
    """A body that keeps the pace may take as long as it needs."""
    connection = client.connect()
    connection.send(_upload_head(100_000))
    for _ in range(10):
        connection.send(b"x" * 10_000)
        client.clock.advance(9)
    assert [200] == [answer.status for answer in connection.answers()]


def test_long_handler(tmp_path: Path) -> None:
    """Nothing is closed while a handler works."""
    waiting = Waiting()
    client = HttpClient(site_of(waiting, spool_dir=tmp_path))
    connection = client.connect()
    connection.send(client.raw_request("POST", "/waiting", form={"a": "1"}))
    client.clock.advance(10_000)
    waiting.begun[0].callback("done")
    assert [{"word": "done"}] == [answer.json for answer in connection.answers()]


async def _pieces(count: int = 10_000, size: int = 65_536) -> AsyncGenerator[bytes, None]:
    for _ in range(count):
        yield b"x" * size


def test_slow_reader(tmp_path: Path) -> None:
    """A stream waits for its reader as long as it takes, with one piece in the buffer."""
    pouring = Pouring(_pieces)
    client = HttpClient(site_of(pouring, spool_dir=tmp_path))
    connection = client.connect(reads=False)
    connection.send(client.raw_request("GET", "/pour"))
    for _ in range(5):
        client.clock.advance(1_000_000)
        connection.read()
    assert not connection.is_closed
    assert connection.most_unread_bytes < 65_536 + 1000
    connection.close()
    assert pouring.releases == 1


def test_reader_that_may_not_stall(tmp_path: Path) -> None:
    """Where an option says so, a reader has to take a piece within a time."""
    pouring = Pouring(_pieces)
    site = site_of(pouring, spool_dir=tmp_path, limits=ConnectionLimits(stall_s=60))
    client = HttpClient(site)
    connection = client.connect(reads=False)
    connection.send(client.raw_request("GET", "/pour"))
    for _ in range(5):
        client.clock.advance(59)
        connection.read()
    assert not connection.is_closed
    client.clock.advance(61)
    assert (True, 1) == (connection.is_closed, pouring.releases)


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_last_bytes_of_an_answer(client: HttpClient, version: str) -> None:
    """A connection is not idle, and not closed, while its client takes the last answer."""
    connection = client.connect(reads=False)
    connection.send(HEAD.replace("1.1", version).encode() + b"\r\n")
    for _ in range(1000):
        client.clock.advance(61)
    assert (False, [200]) == (
        connection.is_closed,
        [answer.status for answer in connection.answers()],
    )
    connection.read()
    client.clock.advance(61)
    assert connection.is_closed


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_large_answer(tmp_path: Path, method: str) -> None:
    """However large an answer of a handler is, one piece of it waits in memory for its reader."""
    word = "x" * 3_000_000

    async def speak(_call: object) -> dict[str, str]:
        return {"word": word}

    client = HttpClient(site_of(Single(speak), spool_dir=tmp_path))
    connection = client.connect(reads=False)
    connection.send(client.raw_request(method, "/one"))
    while not connection.answers(method):
        client.clock.advance(10_000)
        connection.read()
    (answer,) = connection.answers(method)
    assert answer.headers["content-length"] == str(len(word) + 13)
    assert answer.body == (b"" if method == "HEAD" else b'{"word": "%b"}\n' % word.encode())
    assert connection.most_unread_bytes < 65_536 + 1000
    assert list(tmp_path.iterdir()) == []


def test_too_many_connections(tmp_path: Path) -> None:
    """Beyond the limit who asks takes the place of the oldest idle; if all work, it is told."""
    waiting = Waiting()
    limits = ConnectionLimits(connections=3, connections_per_address=2, surplus=2)
    site = site_of(waiting, spool_dir=tmp_path, limits=limits)
    near, far = HttpClient(site), HttpClient(site, address="127.0.0.9")
    busy, idle = near.connect(), near.connect()
    busy.send(near.raw_request("GET", "/waiting"))
    idle.send(near.raw_request("GET", "/healthz"))
    third, silent = near.connect(), near.connect()
    assert (False, False) == (busy.is_closed, idle.is_closed)
    third.send(near.raw_request("GET", "/waiting"))
    assert (False, True, False) == (busy.is_closed, idle.is_closed, third.is_closed)
    with capturedLogs() as events:
        answer = near.get("/waiting")
    assert (503, "5", "close") == (
        answer.status,
        answer.headers["retry-after"],
        answer.headers["connection"],
    )
    assert ["connections-per-address 2"] == [
        str(formatEvent(event)).rpartition(", ")[2] for event in events
    ]
    assert near.get("/healthz").status == 200
    assert [200, 200] == [far.get("/healthz").status, far.get("/healthz").status]
    client_of_all = far.connect()
    client_of_all.send(far.raw_request("GET", "/waiting"))
    assert (far.get("/waiting").status, silent.is_closed) == (503, False)
    assert [False, False] == [near.connect().is_refused for _ in range(2)]
    assert silent.is_closed
    assert site.connections == 5


def test_no_limit_of_an_address(tmp_path: Path) -> None:
    """Behind a proxy, where all share one address, the limit of an address can be left out."""
    limits = ConnectionLimits(connections=100, connections_per_address=0)
    waiting = Waiting()
    client = HttpClient(site_of(waiting, spool_dir=tmp_path, limits=limits))
    for _ in range(100):
        client.connect().send(client.raw_request("GET", "/waiting"))
    assert len(waiting.begun) == 100
    assert client.get("/waiting").status == 503


@pytest.mark.parametrize(
    "limits",
    [ConnectionLimits(connections=8), ConnectionLimits(connections_per_address=8)],
    ids=["all", "one"],
)
def test_readers_leave_room(tmp_path: Path, limits: ConnectionLimits) -> None:
    """Answers that may take long get three quarters of the connections, the rest is for others."""
    pouring = Pouring(_pieces)
    client = HttpClient(site_of(pouring, spool_dir=tmp_path, limits=limits))
    readers = [client.connect(reads=False) for _ in range(6)]
    for reader in readers:
        reader.send(client.raw_request("GET", "/pour"))
    refused = client.get("/pour")
    short = [client.get("/healthz").status for _ in range(20)]
    assert (503, "5", 1) == (refused.status, refused.headers["retry-after"], pouring.releases)
    assert {200} == set(short)
    readers[0].close()
    again = client.connect(reads=False)
    again.send(client.raw_request("GET", "/pour"))
    assert again.received.startswith(b"HTTP/1.1 200 ")


def test_slow_clients_do_not_keep_others_out(tmp_path: Path) -> None:
    """A thousand clients that send no headers do not keep an honest one from its answer."""
    client = HttpClient(site_of(Echo(), spool_dir=tmp_path))
    slow = [client.connect() for _ in range(500)]
    for connection in slow:
        connection.send(b"GET /echo HT")
    slow += [client.connect() for _ in range(500)]
    client.clock.advance(0.5)
    assert client.get("/echo").status == 200
    client.clock.advance(11)
    assert [] == [connection for connection in slow if not connection.is_closed]


# --- T18: large bodies -------------------------------------------------------------------------


def _upload_head(length: int, **headers: str) -> bytes:
    sent = {"Host": HOST, "Content-Type": "application/zip", "Content-Length": str(length)}
    return raw_head("POST", "/upload", {**sent, **headers})


def test_large_body_is_refused_unread(client: HttpClient, tmp_path: Path) -> None:
    """A body that says it is too large is refused before its first byte."""
    connection = client.connect()
    connection.send(_upload_head(UPLOAD_BYTES + 1))
    answer = connection.answers()[0]
    assert (413, "close") == (answer.status, answer.headers["connection"])
    assert answer.json["message"] == f"The body is larger than the limit of {UPLOAD_BYTES} bytes"
    assert files(client, tmp_path) == []


def test_refused_client_can_read_why(client: HttpClient) -> None:
    """What still comes of a refused body is dropped for a moment, so that no reset hides why."""
    connection = client.connect()
    connection.send(_upload_head(UPLOAD_BYTES + 1) + b"x" * 100_000)
    connection.send(b"x" * 10_000_000)
    assert (1, False) == (len(connection.answers()), connection.is_closed)
    client.clock.advance(2)
    assert connection.is_closed


def test_no_continue_for_a_refused_body(client: HttpClient) -> None:
    """A client that asks before it sends is not told to go on with what is refused."""
    connection = client.connect()
    connection.send(_upload_head(UPLOAD_BYTES + 1, Expect="100-continue"))
    assert connection.received.startswith(b"HTTP/1.1 413 ")
    connection = client.connect()
    connection.send(_upload_head(3, Expect="100-continue"))
    assert connection.received == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.send(b"abc")
    assert [3] == [answer.json["size"] for answer in connection.answers()]


def _chunked(pieces: Iterator[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        yield f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
    yield b"0\r\n\r\n"


def test_chunked_body(client: HttpClient) -> None:
    """A chunked body is taken in like any other."""
    connection = client.connect()
    head = {"Host": HOST, "Transfer-Encoding": "chunked"}
    connection.send(raw_head("POST", "/upload", head))
    for raw in _chunked(iter([b"PK12", b"3456"])):
        connection.send(raw)
    assert ["PK123456"] == [answer.json["begins"] for answer in connection.answers()]


def test_large_chunked_body_is_counted(client: HttpClient, tmp_path: Path) -> None:
    """A chunked body is cut off where it passes the limit, in whatever pieces it comes."""
    for size in (10_000, 65_536, UPLOAD_BYTES + 1):
        connection = client.connect()
        head = {"Host": HOST, "Transfer-Encoding": "chunked"}
        connection.send(raw_head("POST", "/upload", head))
        chunks = _chunked(b"x" * size for _ in range(UPLOAD_BYTES // size + 1))
        for raw in chunks if size > 65_535 else [b"".join(chunks)]:
            connection.send(raw)
        answers = connection.answers()
        assert [413] == [answer.status for answer in answers]
        assert files(client, tmp_path) == []
        client.clock.advance(2)
        assert connection.is_closed


def test_body_is_refused_where_it_breaks(client: HttpClient, tmp_path: Path) -> None:
    """A broken body is answered at once; also when it breaks in its very last piece."""
    form = {"Content-Type": "multipart/form-data; boundary=b", "Host": HOST}
    for body, length in ((b"--b\r\nX: a\r\n\r\n", 10_000), (b"--b\r\nX: a\r\n\r\n", 14)):
        connection = client.connect()
        head = raw_head("POST", "/upload", {**form, "Content-Length": str(length)})
        connection.send(head + body)
        connection.send(f"GET /healthz HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        assert [400] == [answer.status for answer in connection.answers()][:1]
        assert files(client, tmp_path) == []


class Counting:
    """Counts what the site holds of an upload, at every piece."""

    def __init__(self, tmp_path: Path) -> None:
        self.most_bytes = 0
        self.size = 0
        self._tmp_path = tmp_path
        rules = BodyRules(limit_bytes=100 * 1024 * 1024, upload="archive")
        self.client = HttpClient(
            site_of(Single(self._size, body=rules), spool_dir=tmp_path),
        )

    async def _size(self, call: object) -> int:
        file = call.params.file("archive")  # type: ignore[attr-defined]  # a Call
        self.size = file.size_bytes
        return self.size

    def upload(self, head: bytes, first: bytes, count: int, last: bytes) -> int:
        """Send `count` pieces of 64 KiB and give the most bytes that were held in memory."""
        connection = self.client.connect()
        connection.send(head + first)
        piece = b"x" * 65_536
        for number in range(1, count + 1):
            connection.send(piece)
            if number < count:  # the file of a whole body may be gone already
                on_disk = sum(path.stat().st_size for path in self._tmp_path.iterdir())
                self.most_bytes = max(self.most_bytes, number * len(piece) - on_disk)
        connection.send(last)
        assert [200] == [answer.status for answer in connection.answers()]
        return self.most_bytes


@pytest.mark.parametrize("kind", ["raw", "multipart"])
def test_upload_of_64_mb_stays_out_of_memory(tmp_path: Path, kind: str) -> None:
    """Of an upload of 64 MB never more than a piece is in memory: the rest is on disk."""
    counting, count = Counting(tmp_path), 1024
    first = last = b""
    head = {"Host": HOST, "Content-Type": "application/zip"}
    if kind == "multipart":
        whole = multipart({}, {"archive": ("a.zip", b"")})
        first, last = whole[: -len(whole.split(b"\r\n\r\n")[-1])], whole.split(b"\r\n\r\n")[-1]
        boundary = whole.split(b"\r\n")[0][2:].decode()
        head["Content-Type"] = f"multipart/form-data; boundary={boundary}"
    head["Content-Length"] = str(len(first) + count * 65_536 + len(last))
    most_bytes = counting.upload(raw_head("POST", "/one", head), first, count, last)
    assert counting.size == count * 65_536
    assert most_bytes <= 65_536
    assert list(tmp_path.iterdir()) == []


def test_client_that_leaves_mid_upload(client: HttpClient, tmp_path: Path) -> None:
    """The file of an upload whose client leaves is deleted, and nobody is called."""
    for pieces in (0, 1, 5):
        connection = client.connect()
        connection.send(_upload_head(1_000_000))
        for _ in range(pieces):
            connection.send(b"x" * 10_000)
        assert len(files(client, tmp_path)) == (pieces > 0)
        connection.close()
        assert files(client, tmp_path) == []


def test_file_lives_as_long_as_its_handler(tmp_path: Path) -> None:
    """A handler keeps its upload when the client leaves, until it is done."""
    seen: list[bytes] = []
    gate: Deferred[None] = Deferred()

    async def slow(call: object) -> None:
        file = call.params.file("archive")  # type: ignore[attr-defined]  # a Call
        await gate
        seen.append(file.path.read_bytes())

    rules = BodyRules(upload="archive")
    client = HttpClient(site_of(Single(slow, body=rules), spool_dir=tmp_path))
    connection = client.connect()
    connection.send(client.raw_request("POST", "/one", files={"archive": ("a", b"content")}))
    connection.close()
    gate.callback(None)
    assert ([b"content"], []) == (seen, list(tmp_path.iterdir()))


# --- slow verdicts -----------------------------------------------------------------------------


@pytest.fixture
def verdicts() -> list[Deferred[Principal | None]]:
    return []


@pytest.fixture
def guarded(tmp_path: Path, verdicts: list[Deferred[Principal | None]]) -> HttpClient:
    async def verify(user: str, password: str) -> Principal | None:
        assert (user, password) == ("ann", "secret")
        verdict: Deferred[Principal | None] = Deferred()
        verdicts.append(verdict)
        return await verdict

    access = TokenAccess({token_digest("t"): Principal(name="t", role=Role.READ)}, verify=verify)
    return HttpClient(site_of(Echo(), spool_dir=tmp_path, access=access), auth="ann:secret")


def _slow_upload(client: HttpClient) -> bytes:
    body = b"x" * 200_000
    return client.raw_request(
        "POST", "/upload", body=body, headers={"Content-Type": "application/zip"}
    )


def test_body_waits_for_a_slow_verdict(
    guarded: HttpClient, verdicts: list[Deferred[Principal | None]], tmp_path: Path
) -> None:
    """While a password is checked nothing more is read; then the body is taken in whole."""
    connection = guarded.connect()
    connection.send(_slow_upload(guarded))
    assert (False, []) == (connection.is_read_by_server, files(guarded, tmp_path))
    guarded.clock.advance(30)
    verdicts[0].callback(Principal(name="ann", role=Role.PUSH))
    assert [200_000] == [answer.json["size"] for answer in connection.answers()]


def test_refusal_by_a_slow_verdict(
    guarded: HttpClient, verdicts: list[Deferred[Principal | None]], tmp_path: Path
) -> None:
    """A body that waited for a verdict is dropped when that is no."""
    connection = guarded.connect()
    connection.send(_slow_upload(guarded))
    verdicts[0].callback(None)
    assert [401] == [answer.status for answer in connection.answers()]
    assert files(guarded, tmp_path) == []


@pytest.mark.parametrize("principal", [None, Principal(name="ann", role=Role.PUSH)])
def test_client_that_leaves_before_a_slow_verdict(
    guarded: HttpClient,
    verdicts: list[Deferred[Principal | None]],
    tmp_path: Path,
    principal: Principal | None,
) -> None:
    """A verdict that comes too late finds nobody, and that is no error."""
    connection = guarded.connect()
    with capturedLogs() as events:
        connection.send(_slow_upload(guarded))
        connection.close()
        verdicts[0].callback(principal)
    assert ([], []) == (files(guarded, tmp_path), [e for e in events if "log_failure" in e])


# --- answers -----------------------------------------------------------------------------------


def test_headers_of_an_answer(client: HttpClient) -> None:
    """An answer says nothing of the software, and browsers do not guess its type."""
    answer = client.get("/echo?a=1")
    date = answer.headers["date"]
    expected = {
        "date": date,
        "x-content-type-options": "nosniff",
        "content-type": "application/json",
        "content-length": "13",
    }
    assert (200, expected, b'{"a": ["1"]}\n') == (answer.status, answer.headers, answer.body)


def test_small_answer_is_written_at_once(client: HttpClient) -> None:
    """Head and body of a small answer reach the transport in one turn, nothing between them."""
    connection = client.connect()
    connection.send(client.raw_request("GET", "/echo"))
    assert [b"HTTP/1.1 200 OK\r\n", b"{}\n"] == [connection.writes[0][:17], connection.writes[1]]
    assert len(connection.writes) == 2


def test_head(client: HttpClient) -> None:
    """HEAD has the headers of GET and no body."""
    got, head = client.get("/echo?a=1"), client.request("HEAD", "/echo?a=1")
    assert (200, b"") == (head.status, head.body)
    same = {"content-type", "content-length"}
    assert {got.headers[name] for name in same} == {head.headers[name] for name in same}
    assert client.request("HEAD", "/nothing").status == 404


def test_answer_without_body(tmp_path: Path) -> None:
    """An answer that has no body has no length."""
    client = HttpClient(site_of(Single(no_content), spool_dir=tmp_path))
    answer = client.get("/one")
    assert (204, False, b"") == (answer.status, "content-length" in answer.headers, answer.body)


def test_own_headers_and_base_url(tmp_path: Path) -> None:
    """A handler may add headers, and knows under which address it was asked."""
    client = HttpClient(site_of(Single(hello), spool_dir=tmp_path), host="127.0.0.1:7654")
    answer = client.get("/one")
    assert ("greeting", {"hello": "http://127.0.0.1:7654"}) == (
        answer.headers["x-kind"],
        answer.json,
    )


def test_old_clients(client: HttpClient) -> None:
    """HTTP/1.0 is answered and closed."""
    connection = client.connect()
    connection.send(f"GET /echo HTTP/1.0\r\nHost: {HOST}\r\n\r\n".encode())
    assert ([200], True) == ([a.status for a in connection.answers()], connection.is_closed)


def test_client_that_leaves_a_handler(tmp_path: Path) -> None:
    """A handler runs to its end when the client leaves."""
    waiting = Waiting()
    client = HttpClient(site_of(waiting, spool_dir=tmp_path))
    connection = client.connect()
    with capturedLogs() as events:
        connection.send(client.raw_request("GET", "/waiting"))
        connection.close()
        waiting.begun[0].callback("done")
    assert (["done"], b"", []) == (
        waiting.ended,
        connection.received,
        [event for event in events if "log_failure" in event],
    )


def test_answer_that_cannot_be_written(tmp_path: Path) -> None:
    """An answer with an impossible status is logged, and its connection closed."""

    async def impossible(call: object) -> object:
        assert call is not None
        return {"not json": {1, 2}}

    client = HttpClient(site_of(Single(impossible), spool_dir=tmp_path))
    with capturedLogs() as events:
        assert client.get("/one").status == 500
    assert ["GET /one"] == [event["where"] for event in events if "log_failure" in event]


# --- streams -----------------------------------------------------------------------------------


@pytest.mark.parametrize("length_bytes", [None, 300])
def test_stream(tmp_path: Path, length_bytes: int | None) -> None:
    """A stream is sent piece by piece, with its length or in chunks, and released once."""
    pouring = Pouring(lambda: _pieces(3, 100), length_bytes=length_bytes)
    client = HttpClient(site_of(pouring, spool_dir=tmp_path))
    answer = client.get("/pour")
    assert (200, b"x" * 300, 1) == (answer.status, answer.body, pouring.releases)
    expected = None if length_bytes is None else "300"
    assert answer.headers.get("content-length") == expected


def test_head_of_a_stream(tmp_path: Path) -> None:
    """HEAD begins no stream, but releases it."""
    pouring = Pouring(_never_begun, length_bytes=300)
    client = HttpClient(site_of(pouring, spool_dir=tmp_path))
    answer = client.request("HEAD", "/pour")
    assert ("300", b"", 1) == (answer.headers["content-length"], answer.body, pouring.releases)


async def _never_begun() -> AsyncGenerator[bytes, None]:
    pieces: list[bytes] = []
    assert pieces, "this stream must not begin"
    yield pieces[0]


async def _broken() -> AsyncGenerator[bytes, None]:
    yield b"x" * 100
    raise RuntimeError("the disk is gone")


def _short() -> AsyncGenerator[bytes, None]:
    return _pieces(1, 100)


@pytest.mark.parametrize("pieces", [_broken, _short])
def test_stream_that_breaks(
    tmp_path: Path, pieces: Callable[[], AsyncGenerator[bytes, None]]
) -> None:
    """A stream that ends before its length is cut, so that the client notices, and logged."""
    pouring = Pouring(pieces, length_bytes=300)
    client = HttpClient(site_of(pouring, spool_dir=tmp_path))
    connection = client.connect()
    with capturedLogs() as events:
        connection.send(client.raw_request("GET", "/pour"))
    assert (True, True, 1, 1) == (
        connection.is_closed,
        connection.received.endswith(b"x" * 100),
        pouring.releases,
        len([event for event in events if "log_failure" in event]),
    )


def test_client_that_leaves_a_stream(tmp_path: Path) -> None:
    """A stream ends with its client, also in the middle of waiting, and runs its clean-up."""
    cleaned: list[str] = []

    async def waits() -> AsyncGenerator[bytes, None]:
        try:
            yield b"first"
            await Deferred()
        finally:
            cleaned.append("clean")

    for reads in (True, False):
        pouring = Pouring(waits if reads else _pieces)
        client = HttpClient(site_of(pouring, spool_dir=tmp_path))
        connection = client.connect(reads=reads)
        with capturedLogs() as events:
            connection.send(client.raw_request("GET", "/pour"))
            connection.close()
        assert (1, []) == (pouring.releases, [e for e in events if "log_failure" in e])
    assert cleaned == ["clean"]


def test_stream_for_a_client_that_left(tmp_path: Path) -> None:
    """A stream that is made for nobody is released."""
    pouring = Pouring(_never_begun)
    gate: Deferred[None] = Deferred()

    async def late(call: object) -> object:
        await gate
        return await pouring.pour(call)  # type: ignore[arg-type]  # a Call

    client = HttpClient(site_of(Single(late), spool_dir=tmp_path))
    connection = client.connect()
    connection.send(client.raw_request("GET", "/one"))
    connection.close()
    gate.callback(None)
    assert pouring.releases == 1
