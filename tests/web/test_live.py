"""The site on real sockets."""

import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.http_client import BOUNDARY, multipart

pytestmark = pytest.mark.live
ROOT = Path(__file__).parents[2]
MEGABYTE = b"x" * 1_000_000


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    spool_dir = tmp_path / "spool"
    spool_dir.mkdir()
    log = tmp_path / "log"
    log.write_bytes(MEGABYTE * 20)
    command = [sys.executable, "-m", "tests.web.live_server", str(spool_dir), str(log)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        try:
            yield int(server.stdout.readline())
        finally:
            server.terminate()
    assert list(spool_dir.iterdir()) == []


def upload(port: int, first: bytes, count: int, last: bytes, kind: str) -> dict[str, int]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.putrequest("POST", "/upload")
    connection.putheader("Content-Type", kind)
    connection.putheader("Content-Length", str(len(first) + count * 1_000_000 + len(last)))
    connection.endheaders()
    for data in (first, *[MEGABYTE] * count, last):
        connection.send(data)
    answer = connection.getresponse()
    found: dict[str, int] = json.loads(answer.read())
    connection.close()
    assert answer.status == 200
    return found


def test_memory_of_uploads(port: int) -> None:
    """Uploads of 64 MB, multipart and raw, cost the server at most 8 MB at their peak."""
    whole = multipart({}, {"archive": ("a.zip", b"")})
    last = whole[whole.index(b"\r\n\r\n") + 4 :]
    first = whole.removesuffix(last)
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    before = upload(port, first, 1, last, kind)["peak_kib"]
    found = [upload(port, first, 64, last, kind), upload(port, b"", 64, b"", "application/zip")]
    assert [64_000_000, 64_000_000] == [one["size"] for one in found]
    assert max(one["peak_kib"] for one in found) - before <= 8 * 1024


def test_reason_reaches_a_client_that_sends(port: int) -> None:
    """A client in the middle of a body that is too large can read why it is refused."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        head = f"POST /upload HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        client.sendall(f"{head}Content-Length: 200000000\r\n\r\n".encode())
        for _ in range(5):
            client.sendall(MEGABYTE)
        assert client.recv(100_000).startswith(b"HTTP/1.1 413 ")


def test_download(port: int) -> None:
    """A file arrives whole, and in ranges, on one kept connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/log")
    assert len(connection.getresponse().read()) == 20_000_000
    connection.request("GET", "/log", headers={"Range": "bytes=-10"})
    answer = connection.getresponse()
    assert (206, b"x" * 10) == (answer.status, answer.read())
    connection.close()


@pytest.mark.parametrize("size", [1_000_000, 20_000_000], ids=["in the kernel", "in the daemon"])
@pytest.mark.parametrize("words", ["HTTP/1.1", "HTTP/1.0", "HTTP/1.1 and close"])
def test_reader_that_sleeps(port: int, words: str, size: int) -> None:
    """Who reads nothing for many times what may be idle still gets every byte, and then the end."""
    version, _, close = words.partition(" and ")
    head = f"GET /log HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nRange: bytes=0-{size - 1}\r\n"
    head = head.replace("HTTP/1.1", version) + ("Connection: close\r\n" if close else "")
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(f"{head}\r\n".encode())
        received = client.recv(1000)
        time.sleep(0.8)  # nothing happens: that is what this is about
        while piece := client.recv(1_000_000):
            received += piece
    assert len(received.partition(b"\r\n\r\n")[2]) == size


def test_slow_clients(port: int) -> None:
    """Two hundred silent clients keep nobody waiting, and are all gone after their deadline."""
    silent = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(200)]
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/healthz")
    assert (200, True) == (connection.getresponse().status, time.monotonic() - began < 1)
    connection.close()
    for client in silent:
        with suppress(ConnectionResetError):
            assert client.recv(1) == b""
        client.close()
    assert time.monotonic() - began < 8
