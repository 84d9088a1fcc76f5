"""Speaking to a daemon: what goes over the wire, and what comes of refusals."""

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from scrapy_do.client.errors import Exit, UserError
from scrapy_do.client.http import DaemonClient


@dataclass
class Peer:
    """A server that notes requests and answers them with what it was told to."""

    url: str = ""
    status: int = 200
    answer: bytes = b'{"status": "ok"}'
    requests: list[tuple[str, str, str | None, bytes]] = field(default_factory=list)


@pytest.fixture(name="peer")
def _peer() -> Iterator[Peer]:
    peer = Peer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked = (self.command, self.path, self.headers.get("Content-Type"), body)
            peer.requests.append(asked)
            self.send_response(peer.status)
            self.send_header("Content-Length", str(len(peer.answer)))
            self.end_headers()
            self.wfile.write(peer.answer)

        do_POST = do_GET  # noqa: N815 - the standard library's name

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its signature
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        peer.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield peer
        server.shutdown()
        thread.join()


@pytest.mark.live
def test_get(peer: Peer) -> None:
    """The query is encoded, the answer decoded."""
    answer = DaemonClient(f"{peer.url}/").get("/list-jobs.json", {"id": "a b&c"})
    assert answer == {"status": "ok"}
    assert peer.requests == [("GET", "/list-jobs.json?id=a+b%26c", None, b"")]


@pytest.mark.live
def test_post(peer: Peer) -> None:
    """A form may repeat a name."""
    DaemonClient(peer.url).post("/schedule-job.json", [("arg", "a=1"), ("arg", "b=ä")])
    form = "application/x-www-form-urlencoded"
    assert peer.requests == [("POST", "/schedule-job.json", form, b"arg=a%3D1&arg=b%3D%C3%A4")]


@pytest.mark.live
def test_push(peer: Peer, tmp_path: Path) -> None:
    """An archive goes as one part of a form, its bytes unchanged."""
    archive = tmp_path / "bot.zip"
    content = bytes(range(256)) * 1000
    archive.write_bytes(content)
    DaemonClient(peer.url).push(archive)
    ((method, path, content_type, body),) = peer.requests
    assert (method, path) == ("POST", "/push-project.json")
    assert content_type is not None
    boundary = content_type.removeprefix("multipart/form-data; boundary=").encode()
    head, sent = body.removesuffix(b"\r\n--" + boundary + b"--\r\n").split(b"\r\n\r\n", 1)
    assert head.splitlines() == [
        b"--" + boundary,
        b'Content-Disposition: form-data; name="archive"; filename="bot.zip"',
        b"Content-Type: application/zip",
    ]
    assert sent == content


@pytest.mark.live
def test_lines(peer: Peer) -> None:
    """A text comes as lines, whatever bytes are in it."""
    peer.answer = b"one\ntwo \xff\n"
    assert DaemonClient(peer.url).lines("/get-log/data/x.err") == [
        "one",
        "two \N{REPLACEMENT CHARACTER}",
    ]


@pytest.mark.live
@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, Exit.FAILED),
        (401, Exit.LOGIN),
        (403, Exit.LOGIN),
        (404, Exit.NOT_FOUND),
        (500, Exit.SERVER_ERROR),
        (503, Exit.SERVER_ERROR),
    ],
)
def test_refusals(peer: Peer, status: int, code: Exit) -> None:
    """A refusal is repeated in the daemon's words, with the exit code of its kind."""
    peer.status, peer.answer = status, json.dumps({"msg": "No such thing"}).encode()
    with pytest.raises(UserError) as caught:
        DaemonClient(peer.url).get("/status.json", {})
    assert (caught.value.message, caught.value.exit_code) == ("No such thing", code)


@pytest.mark.live
def test_a_refusal_without_words(peer: Peer) -> None:
    """An answer that is not ours is named by its status."""
    peer.status, peer.answer = 502, b"<html>"
    with pytest.raises(UserError, match="the daemon answered with status 502"):
        DaemonClient(peer.url).get("/status.json", {})


@pytest.mark.live
def test_no_daemon() -> None:
    """Where nobody listens the error says so, and how to start a daemon."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(UserError) as caught:
            DaemonClient(url).get("/status.json", {})
    assert caught.value.message.startswith(f"no daemon at {url} (")
    assert (caught.value.try_, caught.value.exit_code) == ("scrapy-do serve", Exit.UNREACHABLE)
