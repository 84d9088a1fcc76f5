"""Files as answers: ranges, and following."""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.python.failure import Failure

from scrapy_do.web.answer import PIECE_BYTES, Answer
from scrapy_do.web.router import Call
from scrapy_do.web.status import UnsatisfiableRange
from scrapy_do.web.tail import OpenFile, Tail, parse_range
from tests.fakes import inline
from tests.http_client import Connection, HttpClient, completed, site_of
from tests.web.dialects import Single

CONTENT = bytes(Random(1).randbytes(200_000))


class Log:
    """A file of a job that runs until `end`."""

    def __init__(self, tmp_path: Path, content: bytes = b"") -> None:
        self.path = tmp_path / "job.log"
        self.path.write_bytes(content)
        self.is_live = True
        self.listeners: list[Callable[[], None]] = []
        clock = Clock()
        self._tail = Tail(reactor=clock)
        spool_dir = tmp_path / "spool"
        spool_dir.mkdir()
        self.client = HttpClient(site_of(Single(self.serve), spool_dir=spool_dir, clock=clock))

    async def serve(self, call: Call) -> Answer:
        return await self._tail.serve(
            call, self.path, is_live=lambda: self.is_live, on_end=self._on_end
        )

    def append(self, data: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(data)

    def end(self) -> None:
        self.is_live = False
        for listener in tuple(self.listeners):
            listener()

    def follow(self, target: str = "/one", *, reads: bool = True) -> Connection:
        connection = self.client.connect(reads=reads)
        connection.send(self.client.raw_request("GET", target))
        return connection

    def _on_end(self, listener: Callable[[], None]) -> Callable[[], None]:
        self.listeners.append(listener)
        return lambda: self.listeners.remove(listener)


def open_files(path: Path) -> int:
    found = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the one of the listing itself
            found += descriptor.readlink() == path
    return found


def name_of(failure: Failure) -> str:
    return type(failure.value).__name__


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    log = Log(tmp_path)
    yield log
    log.client.site.abort()
    assert (0, [], []) == (
        open_files(log.path),
        log.listeners,
        log.client.clock.getDelayedCalls(),
    )


@pytest.fixture
def finished(log: Log) -> Log:
    log.append(CONTENT)
    log.is_live = False
    return log


def test_whole_file(finished: Log) -> None:
    """A finished file has its length, its type, and takes ranges."""
    answer = finished.client.get("/one")
    assert (200, CONTENT, "200000", "bytes", "text/plain; charset=utf-8") == (
        answer.status,
        answer.body,
        answer.headers["content-length"],
        answer.headers["accept-ranges"],
        answer.headers["content-type"],
    )


def test_empty_file(log: Log) -> None:
    """An empty file is an empty answer."""
    log.is_live = False
    answer = log.client.get("/one")
    assert (200, b"", "0") == (answer.status, answer.body, answer.headers["content-length"])


@pytest.mark.parametrize(
    ("wanted", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("bytes=199999-", 199_999, 200_000),
        ("bytes=199990-999999999", 199_990, 200_000),
        ("bytes=-5", 199_995, 200_000),
        ("bytes=-300000", 0, 200_000),
        ("Bytes=65000-140000", 65_000, 140_001),
    ],
)
def test_range(finished: Log, wanted: str, start: int, stop: int) -> None:
    """One range is served, also one from the end."""
    answer = finished.client.get("/one", headers={"Range": wanted})
    assert (206, f"bytes {start}-{stop - 1}/200000", str(stop - start)) == (
        answer.status,
        answer.headers["content-range"],
        answer.headers["content-length"],
    )
    assert answer.body == CONTENT[start:stop]


@pytest.mark.parametrize(
    "wanted", ["", "bytes=", "bytes=-", "bytes=5-4", "bytes=0-1,3-4", "lines=0-1", "bytes=a-b"]
)
def test_range_that_is_none(wanted: str) -> None:
    """Ranges that need not be served give the whole file."""
    assert parse_range(wanted, 100) is None


@pytest.mark.parametrize("wanted", ["bytes=200000-", "bytes=200000-200001", "bytes=-0"])
def test_range_behind_the_end(finished: Log, wanted: str) -> None:
    """A range without any byte of the file is refused with its size."""
    answer = finished.client.get("/one", headers={"Range": wanted})
    assert (416, "bytes */200000") == (answer.status, answer.headers["content-range"])
    with pytest.raises(UnsatisfiableRange):
        parse_range("bytes=-1", 0)


def test_head(finished: Log) -> None:
    """HEAD has the length and reads nothing."""
    answer = finished.client.request("HEAD", "/one")
    assert ("200000", b"") == (answer.headers["content-length"], answer.body)


def test_head_of_a_growing_file(log: Log) -> None:
    """HEAD of a growing file ends at once, without a length."""
    log.append(b"line\n")
    answer = log.client.request("HEAD", "/one")
    assert (200, False, b"") == (answer.status, "content-length" in answer.headers, answer.body)


def test_missing_file(finished: Log) -> None:
    """A file that is not there is not found."""
    finished.path.unlink()
    answer = finished.client.get("/one")
    assert (404, "File not found") == (answer.status, answer.json["message"])


def test_following(log: Log) -> None:
    """A growing file is followed: the head at once, each growth in a moment, then the end."""
    connection = log.follow()
    assert connection.received.startswith(b"HTTP/1.1 200 OK\r\n")
    for number in range(3):
        log.append(f"line {number}\n".encode())
        log.client.clock.advance(0.25)
        assert connection.received.endswith(f"line {number}\n\r\n".encode())
    log.append(b"last\n")
    log.end()
    answer = connection.answers()[0]
    assert ("chunked", b"line 0\nline 1\nline 2\nlast\n") == (
        answer.headers["transfer-encoding"],
        answer.body,
    )


def test_end_is_not_waited_for(log: Log) -> None:
    """The end of the job ends the answer at once, with what was written last."""
    connection = log.follow()
    log.append(b"last words")
    log.end()
    assert [b"last words"] == [answer.body for answer in connection.answers()]


def test_growth_that_is_larger_than_a_piece(log: Log) -> None:
    """Whatever was written between two looks arrives, in its order."""
    log.append(CONTENT)
    connection = log.follow()
    log.append(CONTENT)
    log.end()
    assert [2 * CONTENT] == [answer.body for answer in connection.answers()]


def test_not_following(log: Log) -> None:
    """Without following a growing file is what is there now, with length and ranges."""
    log.append(b"0123456789")
    answer = log.client.get("/one?follow=0", headers={"Range": "bytes=-3"})
    assert (206, b"789") == (answer.status, answer.body)
    assert log.client.get("/one?follow=perhaps").status == 400


@pytest.mark.parametrize(
    ("wanted", "span", "body"),
    [
        ("bytes=0-2", "0-2", b"012"),
        ("bytes=-3", "7-9", b"789"),
        ("bytes=4-", "4-9", b"456789"),
        ("Bytes=8-100", "8-9", b"89"),
    ],
)
def test_range_of_a_growing_file(log: Log, wanted: str, span: str, body: bytes) -> None:
    """A range of a growing file is answered at once from what is there, also to HEAD."""
    log.append(b"0123456789")
    for method in ("GET", "HEAD"):
        answer = log.client.request(method, "/one", headers={"Range": wanted})
        assert (206, f"bytes {span}/10", str(len(body)), body if method == "GET" else b"") == (
            answer.status,
            answer.headers["content-range"],
            answer.headers["content-length"],
            answer.body,
        )
    behind = log.client.get("/one", headers={"Range": "bytes=10-"})
    assert (416, "bytes */10") == (behind.status, behind.headers["content-range"])


def test_client_that_leaves(log: Log) -> None:
    """A follower stops when its client leaves: no file, no timer, no listener stays."""
    connection = log.follow()
    assert (1, 1) == (open_files(log.path), len(log.listeners))
    with capturedLogs() as events:
        connection.close()
    assert [] == [event for event in events if "log_failure" in event]


def test_slow_client(finished: Log) -> None:
    """A client that does not read holds at most a few pieces, and then gets all the rest."""
    finished.append(CONTENT * 20)
    connection = finished.follow(reads=False)
    assert connection.most_unread_bytes <= 2 * PIECE_BYTES + 1000
    while not connection.answers():
        assert connection.unread_bytes > 0
        connection.read()
    connection.read()
    assert (CONTENT * 21, 0) == (connection.answers()[0].body, open_files(finished.path))
    assert connection.most_unread_bytes <= 2 * PIECE_BYTES + 1000


def test_file_that_is_cut(finished: Log) -> None:
    """A file that shrinks while it is sent cuts the connection: the client sees it is not whole."""
    connection = finished.follow(reads=False)
    os.truncate(finished.path, 100_000)
    with capturedLogs():
        for _ in range(100_000 // PIECE_BYTES + 1):
            connection.read()
    assert connection.is_closed


class LateThread:
    """Reads only when it is told to."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Callable[[], Any], Deferred[Any]]] = []

    async def __call__(self, function: Callable[[], Any]) -> Any:
        result: Deferred[Any] = Deferred()
        self.waiting.append((function, result))
        return await result

    def work(self) -> None:
        function, result = self.waiting.pop(0)
        result.callback(function())


def test_descriptor_outlives_a_read(tmp_path: Path) -> None:
    """A file that is closed during a read in a thread stays open until the read is over."""
    path = tmp_path / "file"
    path.write_bytes(b"content")
    thread = LateThread()
    opening = Deferred.fromCoroutine(OpenFile.open(path, thread))
    thread.work()
    file: OpenFile = opening.result  # type: ignore[assignment]  # it has fired
    reading = Deferred.fromCoroutine(file.read(0, 7)).addErrback(name_of)
    reading.cancel()
    file.close()
    file.close()
    assert ("CancelledError", 1) == (reading.result, open_files(path))
    thread.work()
    assert open_files(path) == 0


def test_failing_read(tmp_path: Path) -> None:
    """The error of a read reaches the reader."""
    path = tmp_path / "file"
    path.write_bytes(b"content")
    file = completed(OpenFile.open(path, inline))
    assert completed(file.read(3, 100)) == b"tent"
    os.close(file._descriptor)
    failing = Deferred.fromCoroutine(file.read(0, 1)).addErrback(name_of)
    assert failing.result == "OSError"
