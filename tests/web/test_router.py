"""The table of routes."""

from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from scrapy_do.core.principal import Role
from scrapy_do.web.answer import Response, json_response, redirect
from scrapy_do.web.router import Call, Router
from scrapy_do.web.status import ErrorStyle, UnknownPath, WrongVerb
from scrapy_do.web.upload import BodyRules
from tests.http_client import HttpClient, site_of
from tests.web.dialects import Echo, Single


async def one(call: Call, **values: Any) -> Any:
    return {"one": values, "path": call.path}


async def two(call: Call, **values: Any) -> Any:
    return {"two": values, "path": call.path}


class Table:
    """A dialect of some routes."""

    prefix = ""

    def __init__(self, *, any_slash: bool = False) -> None:
        self.router = Router(style=ErrorStyle(), any_slash=any_slash)
        add = self.router.add
        add("GET", "/<name>", one)
        add("POST", "/<name>", two)
        add("GET", "/jobs/<int:project>/<int:spider>", one)
        add("GET", "/jobs/", two)
        add("GET", "/files/<path:rest>", one, role=Role.ADMIN)
        add("PUT", "/files/<path:rest>", two, body=BodyRules(raw=True))


@pytest.fixture
def client(tmp_path: Path) -> HttpClient:
    return HttpClient(site_of(Table(), spool_dir=tmp_path))


def test_table() -> None:
    """The table says for each route its method, path, role and body."""
    expected = [
        ("GET /<name>", Role.READ, False),
        ("POST /<name>", Role.RUN, False),
        ("GET /jobs/<int:project>/<int:spider>", Role.READ, False),
        ("GET /jobs/", Role.READ, False),
        ("GET /files/<path:rest>", Role.ADMIN, False),
        ("PUT /files/<path:rest>", Role.RUN, True),
    ]
    found = [(route.name, route.role, route.body.raw) for route in Table().router.routes()]
    assert expected == found


def test_same_function_on_many_routes(client: HttpClient) -> None:
    """Routes of one function, or of functions of one name, do not take each other's place."""
    assert client.get("/a").json == {"one": {"name": "a"}, "path": "/a"}
    assert client.post("/a").json == {"two": {"name": "a"}, "path": "/a"}
    assert client.get("/jobs/1/2").json["one"] == {"project": 1, "spider": 2}


def test_handlers_of_one_name(tmp_path: Path) -> None:
    """Two functions that happen to have one name are two handlers."""

    def make(word: str) -> Any:
        async def handler(call: Call) -> Any:
            return {call.path: word}

        return handler

    router = Router(style=ErrorStyle())
    router.add("GET", "/a", make("first"))
    router.add("GET", "/b", make("second"))
    single = Single(make("none"))
    single.router = router
    client = HttpClient(site_of(single, spool_dir=tmp_path))
    assert [{"/a": "first"}, {"/b": "second"}] == [client.get(path).json for path in ("/a", "/b")]


def test_route_twice() -> None:
    """The same route twice is a mistake of ours, found at start."""
    router = Router(style=ErrorStyle())
    router.add("GET", "/a", one)
    with pytest.raises(ValueError, match=r"^two routes for GET /a$"):
        router.add("GET", "/a", two)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/a%20b", {"name": "a b"}),
        ("/%C3%BC", {"name": "\u00fc"}),
        ("/a%00b", {"name": "a\x00b"}),
        ("/..", {"name": ".."}),
        ("/a+b", {"name": "a+b"}),
        ("/%25", {"name": "%"}),
        ("/files/a/b%2Fc", {"rest": "a/b/c"}),
        ("/files/../../x", {"rest": "../../x"}),
    ],
)
def test_values_of_a_path(client: HttpClient, target: str, expected: Any) -> None:
    """A path is decoded once, and its values are handed on as they are."""
    assert client.get(target).json["one"] == expected


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "//a",
        "/a/",
        "/a/b",
        "/a%2Fb",
        "/jobs/1/x",
        "/jobs/1/-2",
        "/jobs/1/2/3",
        "/jobs/1/1234567890123456789",
        "/jobs/1/%D9%A3",
        "/jobs/1/02",
        "/files/",
    ],
)
def test_unknown_paths(client: HttpClient, target: str) -> None:
    """A path that no pattern matches is unknown; nothing is guessed or redirected."""
    answer = client.get(target)
    assert (404, f"Unknown path: {unquote(target)}") == (answer.status, answer.json["message"])


def test_any_slash(tmp_path: Path) -> None:
    """A router may take a slash at the end for nothing."""
    client = HttpClient(site_of(Table(any_slash=True), spool_dir=tmp_path))
    found = [client.get(path).json for path in ("/a/", "/jobs", "/jobs/", "/jobs/1/2/")]
    assert found == [
        {"one": {"name": "a"}, "path": "/a/"},
        {"two": {}, "path": "/jobs"},
        {"two": {}, "path": "/jobs/"},
        {"one": {"project": 1, "spider": 2}, "path": "/jobs/1/2/"},
    ]


def test_wrong_verb(client: HttpClient) -> None:
    """A known path with another method is 405 and says which methods there are."""
    answers = [client.request(method, "/files/x") for method in ("POST", "DELETE", "BREW")]
    assert [(405, "GET, HEAD, PUT")] * 3 == [(a.status, a.headers["allow"]) for a in answers]
    with pytest.raises(WrongVerb):
        Table().router.match("get", "/files/x")


def test_long_paths_are_shown_short() -> None:
    """The message about an unknown path is bounded."""
    with pytest.raises(UnknownPath) as caught:
        Table().router.match("GET", "/x/" + "a" * 10_000)
    assert len(str(caught.value)) == 214


def test_call(tmp_path: Path) -> None:
    """A handler knows who asks, from where, and with which headers, any bytes in them."""
    echo = Echo()
    client = HttpClient(site_of(echo, spool_dir=tmp_path), address="127.0.0.9")
    client.post("/echo?a=1", json={"b": [1]}, headers={"X-Odd": "\u00fc\u00ff"})
    call = echo.calls[0]
    assert ("POST", "/echo", "127.0.0.9", "local", {"b": [1]}, "\u00fc\u00ff", "", "none") == (
        call.method,
        call.path,
        call.client,
        call.principal.name,
        call.document,
        call.header("X-ODD"),
        call.header("X-None"),
        call.header("X-None", "none"),
    )
    assert {"a": ("1",), "b": ("1",)} == dict(call.params.fields)


def test_raw_route(tmp_path: Path) -> None:
    """A raw route has the bytes whatever their type, bounded; no body is no body."""
    client = HttpClient(site_of(Echo(), spool_dir=tmp_path))
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    found = [
        client.post("/raw", body=b'{"a": 1}\n', headers=form),
        client.post("/raw", body=b"--x"),
        client.post("/raw"),
    ]
    assert ['{"a": 1}\n', "--x", None] == [answer.json for answer in found]
    assert client.post("/raw", body=b"x" * 101).status == 413


def test_answers() -> None:
    """Answers are values: JSON with unescaped text, redirects."""
    assert json_response({"a": "\u00fc"}, status=201) == Response(
        status=201, body=b'{"a": "\xc3\xbc"}\n', content_type="application/json"
    )
    assert redirect("/ui/") == Response(status=303, headers=(("Location", "/ui/"),))
    with pytest.raises(ValueError, match=r"."):
        json_response(float("nan"))
