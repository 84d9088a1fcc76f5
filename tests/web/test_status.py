"""Errors as answers."""

import json
from pathlib import Path

import pytest
from twisted.logger import capturedLogs

from scrapy_do import errors
from scrapy_do.errors import (
    BadArgument,
    BadWhen,
    Conflict,
    Denied,
    ForeignOrigin,
    Invalid,
    JobNotActive,
    JobNotFound,
    NoSpace,
    NotAuthenticated,
    NotFound,
    NotPermitted,
    ScrapyDoError,
    ShuttingDown,
    StoreUnavailable,
    TooLarge,
    Unavailable,
    WrongHost,
)
from scrapy_do.web.answer import Response
from scrapy_do.web.status import (
    ErrorStyle,
    Malformed,
    UnknownPath,
    UnsatisfiableRange,
    WrongVerb,
    error_response,
    status_of,
)
from tests.http_client import HttpClient, site_of
from tests.web.dialects import Faulty, plain_body

DIALECT = ErrorStyle(
    status={NotFound: 400, Conflict: 400}, body=plain_body, content_type="text/plain"
)


@pytest.mark.parametrize(
    ("error", "usual", "restyled"),
    [
        (JobNotFound("x"), 404, 400),
        (UnknownPath("/x"), 404, 404),
        (BadArgument("a"), 400, 400),
        (BadWhen("a"), 400, 400),
        (Malformed("a"), 400, 400),
        (WrongVerb("PUT", ("GET",)), 405, 405),
        (TooLarge("a", 1), 413, 413),
        (UnsatisfiableRange(1), 416, 416),
        (JobNotActive("x"), 409, 400),
        (NotPermitted("x"), 403, 403),
        (ForeignOrigin("x"), 403, 403),
        (NotAuthenticated("x"), 401, 401),
        (WrongHost("x"), 421, 421),
        (StoreUnavailable("x"), 503, 503),
        (ShuttingDown("x"), 503, 503),
        (NoSpace("x"), 507, 507),
        (ScrapyDoError("x"), 500, 500),
    ],
)
def test_table(error: ScrapyDoError, usual: int, restyled: int) -> None:
    """The most specific class decides, in the dialect's table or in ours."""
    assert (usual, restyled) == (status_of(error, ErrorStyle()), status_of(error, DIALECT))


def test_every_error_of_a_family_has_a_status() -> None:
    """No error that a handler may raise falls through to the last resort."""
    families = (NotFound, Invalid, Conflict, Denied, Unavailable)
    named = [getattr(errors, name) for name in errors.__all__]
    assert [] == [
        error
        for error in named
        if issubclass(error, families) and status_of(error.__new__(error), ErrorStyle()) == 500
    ]


def test_default_style() -> None:
    """An error is one line of JSON with a sentence."""
    expected = Response(
        status=400,
        body=b'{"status": "error", "message": "Missing argument: w\xc3\xbcnsche"}\n',
        content_type="application/json",
    )
    assert error_response(BadArgument("w\u00fcnsche"), ErrorStyle()) == expected


def test_headers_that_http_demands() -> None:
    """Allow, Content-Range and WWW-Authenticate come by themselves, the style's after them."""
    style = ErrorStyle(headers=lambda _, status: (("X-Status", str(status)),))
    found = [
        error_response(error, style).headers
        for error in (WrongVerb("PUT", ("GET", "HEAD")), UnsatisfiableRange(7))
    ]
    assert found == [
        (("Allow", "GET, HEAD"), ("X-Status", "405")),
        (("Content-Range", "bytes */7"), ("X-Status", "416")),
    ]
    silent = ErrorStyle(challenge=None)
    assert error_response(NotAuthenticated("x"), silent).headers == ()


def test_dialects_keep_their_style(tmp_path: Path) -> None:
    """What a handler raises is worded by its dialect, and so is what never reached it."""
    client = HttpClient(site_of(Faulty(DIALECT), spool_dir=tmp_path))
    found = [
        (answer.status, answer.headers["content-type"], answer.text)
        for answer in (
            client.get("/faulty/job"),
            client.get("/faulty/store"),
            client.get("/faulty/space"),
            client.get("/faulty/a/b"),
            client.post("/faulty/job"),
            client.post("/faulty/job", headers={"Origin": "null"}),
        )
    ]
    assert found == [
        (400, "text/plain", '400 No such job: "foo"\n'),
        (503, "text/plain", "503 The database is locked\n"),
        (507, "text/plain", "507 The disk is full\n"),
        (404, "text/plain", "404 Unknown path: /faulty/a/b\n"),
        (405, "text/plain", "405 Wrong method POST: expected one of GET, HEAD\n"),
        (403, "text/plain", "403 Requests from pages of other sites are refused\n"),
    ]


def test_bug(tmp_path: Path) -> None:
    """A bug is logged with its failure; the client gets a neutral sentence."""
    client = HttpClient(site_of(Faulty(ErrorStyle()), spool_dir=tmp_path))
    with capturedLogs() as events:
        answer = client.get("/faulty/bug")
    expected = {"status": "error", "message": "Internal error: the server log says more"}
    assert (500, expected) == (answer.status, answer.json)
    logged = [event for event in events if "log_failure" in event]
    assert ["GET /faulty/bug"] == [event["where"] for event in logged]
    assert str(logged[0]["log_failure"].value) == "/secret/path of a bug"


@pytest.mark.parametrize(
    ("name", "status", "words"),
    [
        ("descriptors", 503, "The server cannot do this now: it has no file descriptors left"),
        ("disk", 503, "The server cannot do this now: its disk fails"),
        ("room", 507, "The disk is full"),
    ],
)
def test_what_the_system_refuses(tmp_path: Path, name: str, status: int, words: str) -> None:
    """What the system lacks at the moment is no bug of ours: the client may try again."""
    with capturedLogs() as events:
        answer = HttpClient(site_of(Faulty(ErrorStyle()), spool_dir=tmp_path)).get(
            f"/faulty/{name}"
        )
    assert (status, words) == (answer.status, answer.json["message"])
    assert [] == [event for event in events if "log_failure" in event]


def test_text_with_half_a_character(tmp_path: Path) -> None:
    """A text that UTF-8 cannot hold is still answered as JSON."""
    style = ErrorStyle()
    body = error_response(BadArgument("a", "\udcff"), style).body
    assert json.loads(body) == {"status": "error", "message": "a: \udcff"}
    assert HttpClient(site_of(Faulty(style), spool_dir=tmp_path)).get("/faulty/%FF").status == 400
