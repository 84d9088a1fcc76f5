"""The site: mounting, health, and the way out."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred

from scrapy_do.core.principal import Principal, Role
from scrapy_do.system.passwords import token_digest
from scrapy_do.web.auth import TokenAccess
from tests.http_client import HttpClient, site_of
from tests.web.dialects import Echo, Faulty, Pouring, Waiting
from tests.web.test_request import _pieces
from tests.web.test_status import DIALECT


def test_longest_prefix_answers(tmp_path: Path) -> None:
    """A path goes to the dialect with the longest prefix, what is left to the one without."""
    dialects = [Echo(prefix) for prefix in ("", "/api", "/api/v2")]
    client = HttpClient(site_of(*dialects, spool_dir=tmp_path))
    for path in ("/api/v2/echo", "/echo", "/api/echo", "/%61pi/echo"):
        assert client.get(path).status == 200
    assert [1, 2, 1] == [len(dialect.calls) for dialect in dialects]
    assert client.get("/apiece/echo").status == 404


def test_without_a_fallback(tmp_path: Path) -> None:
    """A path of no dialect is unknown, in the default style."""
    client = HttpClient(site_of(Echo("/api"), spool_dir=tmp_path))
    assert (404, "Unknown path: /echo") == (
        client.get("/echo").status,
        client.get("/echo").json["message"],
    )


@pytest.mark.parametrize("prefixes", [("", ""), ("/a", "/a"), ("/",), ("/a/",), ("/healthz",)])
def test_wrong_prefixes(tmp_path: Path, prefixes: Sequence[str]) -> None:
    """Prefixes that cannot be told apart are a mistake of ours, found at start."""
    with pytest.raises(ValueError, match=r"^prefixes must be different and end without a slash"):
        site_of(*(Echo(prefix) for prefix in prefixes), spool_dir=tmp_path)


def test_health(tmp_path: Path) -> None:
    """Health is 200, or 503 with the names of what does not work."""
    failing: list[str] = []

    async def health() -> Sequence[str]:
        return failing

    client = HttpClient(site_of(spool_dir=tmp_path, health=health))
    assert (200, {"status": "ok"}) == (client.get("/healthz").status, client.get("/healthz").json)
    failing.append("scheduler")
    answer = client.get("/healthz")
    assert (503, {"status": "error", "failing": ["scheduler"]}) == (answer.status, answer.json)
    assert client.request("HEAD", "/healthz").status == 503


def test_health_for_nobody(tmp_path: Path) -> None:
    """With authentication on health needs no credentials and then tells no names."""

    async def health() -> Sequence[str]:
        return ("scheduler",)

    access = TokenAccess({token_digest("t"): Principal(name="t", role=Role.READ)})
    site = site_of(spool_dir=tmp_path, health=health, access=access)
    assert HttpClient(site).get("/healthz").json == {"status": "error"}
    assert HttpClient(site, auth="wrong:").get("/healthz").json == {"status": "error"}
    expected = {"status": "error", "failing": ["scheduler"]}
    assert HttpClient(site, auth="t:").get("/healthz").json == expected


def test_draining(tmp_path: Path) -> None:
    """A site that stops finishes what is under way, refuses the new, closes the idle."""
    waiting = Waiting()
    site = site_of(waiting, Faulty(DIALECT), spool_dir=tmp_path)
    client = HttpClient(site)
    idle, busy = client.connect(), client.connect()
    idle.send(client.raw_request("GET", "/healthz"))
    busy.send(client.raw_request("GET", "/waiting"))
    site.drain()
    assert (True, False) == (idle.is_closed, busy.is_closed)
    late = client.get("/faulty/job")
    assert (503, "close", "503 The server is stopping\n") == (
        late.status,
        late.headers["connection"],
        late.text,
    )
    assert client.get("/healthz").status == 200
    waiting.begun[0].callback("done")
    answer = busy.answers()[0]
    assert ("close", {"word": "done"}, True) == (
        answer.headers["connection"],
        answer.json,
        busy.is_closed,
    )


def test_draining_spares_who_has_just_connected(tmp_path: Path) -> None:
    """A request that is on its way is answered; who sends none is disconnected soon."""
    site = site_of(spool_dir=tmp_path)
    client = HttpClient(site)
    speaking, silent = client.connect(), client.connect()
    site.drain()
    client.clock.advance(0.2)
    before = (speaking.is_closed, silent.is_closed)
    speaking.send(client.raw_request("GET", "/healthz"))
    client.clock.advance(0.2)
    assert (False, False) == before
    assert ([200], True) == ([answer.status for answer in speaking.answers()], speaking.is_closed)
    assert silent.is_closed


def test_emptied(tmp_path: Path) -> None:
    """The site says when its last connection is gone; streams have to be aborted for that."""
    pouring = Pouring(_pieces)
    site = site_of(pouring, spool_dir=tmp_path)
    client = HttpClient(site)
    ended: list[str] = []

    async def wait() -> None:
        await site.emptied()
        ended.append("empty")

    first = Deferred.fromCoroutine(wait())
    assert (["empty"], True) == (ended, first.called)
    stream = client.connect(reads=False)
    stream.send(client.raw_request("GET", "/pour"))
    Deferred.fromCoroutine(wait())
    site.drain()
    assert (1, 1) == (len(ended), site.connections)
    site.abort()
    assert (2, 0, 1) == (len(ended), site.connections, pouring.releases)


def test_nothing_runs_between_requests(tmp_path: Path) -> None:
    """A site without connections has no timer running and writes no access log."""
    client = HttpClient(site_of(Echo(), spool_dir=tmp_path))
    client.site.startFactory()
    client.get("/echo")
    client.site.stopFactory()
    assert client.clock.getDelayedCalls() == []


LEAKS = (b"Traceback", b"/work", b"/tmp", b"site-packages", b"wisted", b"ython", b"klein", b".py")


def test_errors_tell_nothing_of_the_inside(tmp_path: Path) -> None:
    """No error names a path of the machine, a library, a version or a line of code."""
    client = HttpClient(site_of(Echo(), Faulty(DIALECT), spool_dir=tmp_path))
    requests = [
        ("GET", "/nothing", {}, b""),
        ("POST", "/nothing", {}, b""),
        ("BREW", "/echo", {}, b""),
        ("GET", "/faulty/bug", {}, b""),
        ("GET", "/echo", {"Host": "evil.example"}, b""),
        ("POST", "/echo", {"Origin": "null"}, b""),
        ("POST", "/echo", {"Content-Type": "application/json"}, b"{"),
        ("POST", "/echo", {"Content-Type": "multipart/form-data"}, b"x"),
        ("POST", "/echo", {"Content-Type": "multipart/form-data; boundary=b"}, b"x" * 100),
        ("POST", "/upload", {}, b""),
        ("POST", "/upload", {"Content-Length": "99999999"}, b""),
        ("GET", "/%ff", {}, b""),
        ("GET", "/echo", {"Authorization": "Basic !"}, b""),
    ]
    for method, target, headers, body in requests:
        connection = client.connect()
        connection.send(client.raw_request(method, target, headers=headers, body=body))
        assert connection.answers()[0].status >= 400, target
        found = [word for word in LEAKS if word in connection.received]
        assert found == [], (target, connection.received)
        connection.close()
