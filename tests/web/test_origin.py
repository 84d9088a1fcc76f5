"""From where a request may come."""

from itertools import product
from pathlib import Path

import pytest

from scrapy_do.errors import Denied, ForeignOrigin, ScrapyDoError
from scrapy_do.web.origin import check_host, check_origin, own_hosts, split_target
from scrapy_do.web.status import Malformed
from tests.http_client import HOST, HttpClient, site_of
from tests.web.dialects import Echo

OWN = own_hosts(scheme="http", port=7654)

METHODS = ("GET", "POST", "PUT", "DELETE")
TYPES = (
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=b",
    "application/json",
    "application/zip",
    "text/plain",
    None,
)
BODIES = {"multipart/form-data; boundary=b": b"--b--\r\n", "application/json": b"{}"}
ORIGINS = (
    None,
    f"http://{HOST}",
    "http://evil.example",
    "null",
    "http://localhost:8080",
    f"https://{HOST}",
)
FETCH_SITES = (None, "same-origin", "none", "same-site", "cross-site")
CELLS = list(product(METHODS, TYPES, ORIGINS, FETCH_SITES))


def test_matrix_has_720_cells() -> None:
    """The matrix is as large as the threat model says."""
    assert len(CELLS) == 720


@pytest.mark.parametrize("method", METHODS)
def test_browser_matrix(method: str, tmp_path: Path) -> None:
    """A page of ours and a program may do everything, a foreign page nothing but read."""
    client = HttpClient(site_of(Echo(), spool_dir=tmp_path))
    wrong = []
    for verb, kind, origin, fetch_site in CELLS:
        if verb != method:
            continue
        named = {"Content-Type": kind, "Origin": origin, "Sec-Fetch-Site": fetch_site}
        headers = {name: value for name, value in named.items() if value is not None}
        body = b"" if method == "GET" else BODIES.get(kind or "", b"a=1")
        is_own = origin in (None, f"http://{HOST}")
        is_near = fetch_site in (None, "same-origin", "none")
        expected = 200 if method == "GET" or (is_own and is_near) else 403
        status = client.request(method, "/echo", headers=headers, body=body).status
        if status != expected:
            wrong.append((kind, origin, fetch_site, status))
    assert wrong == []


def test_no_answer_allows_other_origins(tmp_path: Path) -> None:
    """No answer has a CORS header, also not to a preflight request."""
    client = HttpClient(site_of(Echo(), spool_dir=tmp_path))
    asked = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    answers = [client.request(method, "/echo", headers=asked) for method in ("GET", "OPTIONS")]
    assert [200, 405] == [answer.status for answer in answers]
    names = {name for answer in answers for name in answer.headers}
    assert [] == [name for name in names if name.startswith("access-control")]


@pytest.mark.parametrize(
    "host",
    [
        HOST,
        "LocalHost:7654",
        "127.0.0.1:7654",
        "[::1]:7654",
    ],
)
def test_own_hosts(host: str, tmp_path: Path) -> None:
    """The loopback names with the port of the listener are ours, in any case."""
    client = HttpClient(site_of(Echo(), spool_dir=tmp_path), host=host)
    assert client.get("/echo").status == 200
    same = {"Origin": f"http://{host}"}
    assert client.post("/echo", headers=same).status == 200


FOREIGN_HOSTS = (
    "evil.example",
    "evil.example:7654",
    "localhost",
    "localhost:",
    "localhost:80",
    "localhost:8080",
    "localhost:07654",
    "localhost:7654x",
    "localhost:7654:7654",
    "localhost.:7654",
    "localhost.evil.example:7654",
    "evil-localhost:7654",
    "user@localhost:7654",
    "localhost:7654@evil.example",
    "localhost:7654/",
    "localhost:7654,evil.example",
    "localhost:7654 evil.example",
    "127.0.0.1",
    "127.0.0.1:80",
    "127.0.0.2:7654",
    "127.1:7654",
    "2130706433:7654",
    "0x7f000001:7654",
    "0177.0.0.1:7654",
    "0.0.0.0:7654",
    "127.0.0.1.evil.example:7654",
    "127.0.0.1.nip.io:7654",
    "::1:7654",
    "[::1]",
    "[::]:7654",
    "[0:0:0:0:0:0:0:1]:7654",
    "[::ffff:127.0.0.1]:7654",
    "[::1%25lo]:7654",
    "169.254.169.254:7654",
    "10.0.0.1:7654",
    "192.168.1.10:7654",
    "xn--localhost:7654",
    "l\u00f6calhost:7654",
    "LOCALHOST.LOCALDOMAIN:7654",
    "",
)


def test_forty_hosts() -> None:
    """The list of foreign hosts is as long as the threat model says."""
    assert len(set(FOREIGN_HOSTS)) == 40


@pytest.mark.parametrize("host", FOREIGN_HOSTS)
def test_foreign_hosts(host: str, tmp_path: Path) -> None:
    """Any other name is misdirected, for reading and writing: rebinding gets nothing."""
    echo = Echo()
    client = HttpClient(site_of(echo, spool_dir=tmp_path), host=host)
    answers = [client.get("/echo"), client.post("/echo", form={"a": "1"}), client.get("/healthz")]
    assert [421, 421, 421] == [answer.status for answer in answers]
    assert echo.calls == []


@pytest.mark.parametrize("values", [[], [HOST, HOST], [HOST, "evil.example"]])
def test_exactly_one_host(values: list[str]) -> None:
    """No Host header and two of them are bad requests, whatever they say."""
    with pytest.raises(Malformed, match=r"^A request must have exactly one Host header$"):
        check_host(values, None, OWN)


def test_absolute_target() -> None:
    """A target that is a whole URL must name the host of the Host header."""
    assert split_target("HTTP://localhost:7654/a?b=http://c/") == (
        "localhost:7654",
        "/a",
        "b=http://c/",
    )
    assert split_target("http://localhost:7654?b") == ("localhost:7654", "/", "b")
    assert check_host([HOST], "LOCALHOST:7654", OWN) == HOST
    for authority in ("evil.example", "127.0.0.1:7654", "a@localhost:7654", ""):
        with pytest.raises(Denied):
            check_host([HOST], authority, OWN)


@pytest.mark.parametrize("target", ["*", "localhost:7654", "ftp://localhost/", "a/b", ""])
def test_other_targets(target: str) -> None:
    """Targets of other forms are bad requests."""
    with pytest.raises(Malformed):
        split_target(target)


def test_several_origins_are_foreign() -> None:
    """More than one Origin is foreign, even if all are ours."""
    own = f"http://{HOST}"
    with pytest.raises(ForeignOrigin):
        check_origin("POST", host=HOST, origins=[own, own], fetch_sites=[], own=OWN)


def test_origin_must_be_that_of_the_host() -> None:
    """A page of one of our names is foreign under another of our names."""
    with pytest.raises(ForeignOrigin):
        check_origin("POST", host=HOST, origins=["http://127.0.0.1:7654"], fetch_sites=[], own=OWN)


def test_configured_names() -> None:
    """A configured name is ours with the listener's port and, behind a proxy, without."""
    own = own_hosts(scheme="http", port=7654, names=["Crawls.example", "other.example:8080"])
    expected = {
        "127.0.0.1:7654",
        "localhost:7654",
        "[::1]:7654",
        "crawls.example:7654",
        "crawls.example",
        "crawls.example:80",
        "other.example:8080",
    }
    assert expected == set(own.origins)


def test_configured_url() -> None:
    """A configured URL says which scheme its pages have."""
    own = own_hosts(scheme="http", port=7654, names=["https://crawls.example"])
    host = "crawls.example"
    check_origin("POST", host=host, origins=["https://crawls.example"], fetch_sites=[], own=own)
    with pytest.raises(ForeignOrigin):
        check_origin("POST", host=host, origins=["http://crawls.example"], fetch_sites=[], own=own)


def test_default_ports() -> None:
    """The port of the scheme may be left out, as browsers do; a Unix socket has none."""
    secure = own_hosts(scheme="https", port=443)
    assert {"localhost", "localhost:443"} <= set(secure.origins)
    assert "localhost" in own_hosts(scheme="http", port=None)


@pytest.mark.parametrize(
    "name", ["", "a:b", "a:70000", "ftp://a", "a/b", "user@a", "http://user@a/", "https://"]
)
def test_bad_configured_names(name: str) -> None:
    """What is no host name is refused at start."""
    with pytest.raises(ValueError, match=r".+"):
        own_hosts(scheme="http", port=7654, names=[name])


def test_foreign_sites_are_told_so(tmp_path: Path) -> None:
    """The refusals say why, in the style of the dialect."""
    client = HttpClient(site_of(Echo(), spool_dir=tmp_path))
    foreign = client.post("/echo", headers={"Origin": "null"})
    expected = {"status": "error", "message": "Requests from pages of other sites are refused"}
    assert (403, expected) == (foreign.status, foreign.json)
    assert issubclass(ForeignOrigin, ScrapyDoError)
