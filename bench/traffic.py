"""Heavy traffic, each kind made by a process of its own so that it slows down nobody's clock.

`python -m bench.traffic load URL SECONDS CONNECTIONS`, `... download URL BYTES_PER_S`, or
`... upload URL FIELD FILE [NAME=VALUE]...` prints what came of it as JSON.
"""

import http.client
import json
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.asking import PATIENCE_S, percentile

_CHUNK_BYTES = 64 * 1024
_BOUNDARY = "a-boundary-that-is-not-in-the-file"


def traffic(kind: str, *words: object) -> dict[str, Any]:
    """Make some traffic in a process of its own and return what it says."""
    command = [sys.executable, "-m", "bench.traffic", kind, *map(str, words)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


class _Asker:
    """One connection of a load: asks again as soon as it is answered."""

    def __init__(self, host: str, port: int, request: bytes) -> None:
        self.socket = socket.create_connection((host, port), PATIENCE_S)
        self.latencies_s: list[float] = []
        self._request = request
        self._received = b""
        self._asked_s = 0.0
        self.ask()

    def ask(self) -> None:
        self._received = b""
        self._asked_s = time.perf_counter()
        self.socket.sendall(self._request)

    def hear(self) -> None:
        """Take what came; ask again when the answer is complete."""
        chunk = self.socket.recv(_CHUNK_BYTES)
        if not chunk:
            raise ConnectionError("the connection was closed")
        self._received += chunk
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator or len(body) < _length(head):
            return
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.decode())
        self.latencies_s.append(time.perf_counter() - self._asked_s)
        self.ask()


def _length(head: bytes) -> int:
    lines = head.lower().split(b"\r\n")
    return next(int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:"))


def load(url: str, seconds: str, connections: str) -> Mapping[str, float]:
    """Ask for the same thing on some connections at once, each waiting for its answer."""
    parts = urlsplit(url)
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    request = f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode()
    host, port = str(parts.hostname), int(parts.port or 0)
    askers = [_Asker(host, port, request) for _ in range(int(connections))]
    begun = time.perf_counter()
    with selectors.DefaultSelector() as selector:
        for asker in askers:
            selector.register(asker.socket, selectors.EVENT_READ, asker)
        while time.perf_counter() < begun + float(seconds) or not askers[0].latencies_s:
            for key, _ in selector.select(PATIENCE_S):
                key.data.hear()
    took_s = time.perf_counter() - begun
    for asker in askers:
        asker.socket.close()
    latencies_s = [latency for asker in askers for latency in asker.latencies_s]
    return {"per_s": len(latencies_s) / took_s, "p99_s": percentile(latencies_s, 0.99)}


def download(url: str, bytes_per_s: str) -> Mapping[str, float]:
    """Read a file, not faster than told; 0 is as fast as it comes."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=PATIENCE_S)
    begun = time.perf_counter()
    connection.request("GET", parts.path)
    answer = connection.getresponse()
    if answer.status != http.HTTPStatus.OK:
        raise RuntimeError(f"{url}: {answer.status}")
    size, rate = 0, float(bytes_per_s)
    buffer = bytearray(_CHUNK_BYTES)
    while count := answer.readinto(buffer):
        size += count
        if rate:
            time.sleep(max(0.0, begun + size / rate - time.perf_counter()))
    connection.close()
    return {"bytes": size, "seconds": time.perf_counter() - begun}


def upload(url: str, field: str, file: str, *pairs: str) -> Mapping[str, Any]:
    """Send a file and some fields as a form, the file from the disk as it goes."""
    path = Path(file)
    fields = "".join(_field(*pair.split("=", 1)) for pair in pairs).encode()
    head = (
        fields
        + (
            f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"; '
            f'filename="{path.name}"\r\nContent-Type: application/octet-stream\r\n\r\n'
        ).encode()
    )
    tail = f"\r\n--{_BOUNDARY}--\r\n".encode()
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=PATIENCE_S)
    begun = time.perf_counter()
    connection.putrequest("POST", parts.path)
    connection.putheader("Content-Type", f"multipart/form-data; boundary={_BOUNDARY}")
    connection.putheader("Content-Length", str(len(head) + path.stat().st_size + len(tail)))
    connection.endheaders(head)
    with path.open("rb") as content:
        while chunk := content.read(_CHUNK_BYTES):
            connection.send(chunk)
    connection.send(tail)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    if answer.status != http.HTTPStatus.OK or b'"ok"' not in body:
        raise RuntimeError(f"{url}: {answer.status} {body[:300]!r}")
    return {"seconds": time.perf_counter() - begun}


def _field(name: str, value: str) -> str:
    return f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'


_KINDS: Mapping[str, Callable[..., Mapping[str, Any]]] = {
    "load": load,
    "download": download,
    "upload": upload,
}

if __name__ == "__main__":
    print(json.dumps(_KINDS[sys.argv[1]](*sys.argv[2:])))
