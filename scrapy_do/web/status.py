"""THE table: which error gives which status, and how a dialect words it.

A handler raises; the router asks this module for the status and the dialect's
`ErrorStyle` for the body. An error that nobody raised on purpose is a bug: it is logged
with its failure, and the client gets a neutral sentence without any detail.
"""

import errno
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from twisted.logger import Logger
from twisted.python.failure import Failure

from scrapy_do.errors import (
    Conflict,
    Denied,
    Invalid,
    NoSpace,
    NotAuthenticated,
    NotFound,
    OutOfMeans,
    ScrapyDoError,
    TooLarge,
    TooManyGuesses,
    Unavailable,
    WrongHost,
)
from scrapy_do.web.answer import Headers, Response

_log = Logger()
_SHOWN_CHARACTERS = 200


class UnknownPath(NotFound):
    """No route has this path. 404 in every dialect, also where other NotFound are not."""

    def __init__(self, path: str) -> None:
        super().__init__(f"Unknown path: {path[:_SHOWN_CHARACTERS]}")
        self.path = path[:_SHOWN_CHARACTERS]


class WrongVerb(Invalid):
    """The path exists, but not for this method (status 405 with Allow)."""

    def __init__(self, method: str, allowed: tuple[str, ...]) -> None:
        super().__init__(f"Wrong method {method}: expected one of {', '.join(allowed)}")
        self.allowed = allowed


class Malformed(Invalid):
    """The request breaks a rule of HTTP itself (status 400 in every dialect)."""


class UnsatisfiableRange(Invalid):
    """No byte of the file is in the range that was asked for (status 416)."""

    def __init__(self, size_bytes: int) -> None:
        super().__init__(f"The range is outside of the {size_bytes} bytes of the file")
        self.size_bytes = size_bytes


class InternalError(ScrapyDoError):
    """What a client is told of a bug; `reference` finds it in the server's log."""

    def __init__(self) -> None:
        super().__init__("Internal error: the server log says more")
        self.reference = secrets.token_hex(4)


STATUS: Mapping[type[ScrapyDoError], int] = MappingProxyType(
    {
        NotFound: 404,
        UnknownPath: 404,
        Invalid: 400,
        Malformed: 400,
        WrongVerb: 405,
        TooLarge: 413,
        UnsatisfiableRange: 416,
        Conflict: 409,
        Denied: 403,
        NotAuthenticated: 401,
        TooManyGuesses: 429,
        WrongHost: 421,
        Unavailable: 503,
        NoSpace: 507,
        InternalError: 500,
    }
)


NO_MEANS: Mapping[int, str] = MappingProxyType(
    {
        errno.EMFILE: "it has no file descriptors left",
        errno.ENFILE: "its system has no file descriptors left",
        errno.ENOMEM: "its system has no memory left",
        errno.EAGAIN: "its system has no means left",
        errno.EIO: "its disk fails",
    }
)
"""What a system may refuse to any request, by the number of the OSError; trying again helps."""


def _json_body(error: ScrapyDoError, _status: int) -> bytes:
    value = {"status": "error", "message": str(error)}
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


def _no_headers(_error: ScrapyDoError, _status: int) -> Headers:
    return ()


BASIC = 'Basic realm="scrapy-do", charset="UTF-8"'


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorStyle:
    """How a dialect words errors.

    `status` overrides single entries of `STATUS`; the most specific class of the error in
    either table wins, so `{NotFound: 400}` leaves `UnknownPath` at 404. `body` gets the
    error and its status. `headers` adds to those that the protocol itself demands.
    `challenge` is the WWW-Authenticate of a 401, None for none.
    """

    body: Callable[[ScrapyDoError, int], bytes] = _json_body
    content_type: str | None = "application/json"
    status: Mapping[type[ScrapyDoError], int] = field(default_factory=dict)
    headers: Callable[[ScrapyDoError, int], Headers] = _no_headers
    challenge: str | None = BASIC


def status_of(error: ScrapyDoError, style: ErrorStyle) -> int:
    """The status of an error: the most specific class in the style's table or in ours."""
    return status_of_kind(type(error), style)


def status_of_kind(kind: type[ScrapyDoError], style: ErrorStyle) -> int:
    """The status of all errors of a class."""
    for one in kind.__mro__:
        for table in (style.status, STATUS):
            if one in table:
                return table[one]
    return 500


def error_response(error: ScrapyDoError, style: ErrorStyle) -> Response:
    """An error in the words of a dialect."""
    status = status_of(error, style)
    return Response(
        status=status,
        body=style.body(error, status),
        content_type=style.content_type,
        headers=(*_protocol_headers(error, status, style), *style.headers(error, status)),
    )


def failure_response(failure: Failure, style: ErrorStyle, *, where: str) -> Response:
    """Whatever a handler raised, as an answer; what is not ours is logged under `where`."""
    error = failure.value
    if isinstance(error, ScrapyDoError):
        return error_response(error, style)
    if isinstance(error, OSError) and (problem := NO_MEANS.get(error.errno or 0)):
        _log.warn("{where}: {error}", where=where, error=error)
        return error_response(OutOfMeans(problem), style)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return error_response(NoSpace("The disk is full"), style)
    bug = InternalError()
    _log.failure(
        "{where} failed (reference {reference})", failure, where=where, reference=bug.reference
    )
    return error_response(bug, style)


def _protocol_headers(error: ScrapyDoError, status: int, style: ErrorStyle) -> Headers:
    """The headers without which the status would break HTTP."""
    if isinstance(error, WrongVerb):
        return (("Allow", ", ".join(error.allowed)),)
    if isinstance(error, TooManyGuesses):
        return (("Retry-After", str(error.wait_s)),)
    if isinstance(error, UnsatisfiableRange):
        return (("Content-Range", f"bytes */{error.size_bytes}"),)
    if status == 401 and style.challenge is not None:  # noqa: PLR2004  the number is the name
        return (("WWW-Authenticate", style.challenge),)
    return ()
