"""Tiny dialects for the tests of the web room."""

import errno
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from twisted.internet.defer import Deferred

from scrapy_do.core.principal import Role
from scrapy_do.errors import (
    BadArgument,
    JobNotFound,
    NoSpace,
    NotFound,
    ScrapyDoError,
    StoreUnavailable,
)
from scrapy_do.web.answer import Answer, Response, Stream, json_response
from scrapy_do.web.auth import Access
from scrapy_do.web.router import Call, Router
from scrapy_do.web.status import ErrorStyle
from scrapy_do.web.upload import BodyRules

UPLOAD_BYTES = 1024 * 1024


def plain_body(error: ScrapyDoError, status: int) -> bytes:
    return f"{status} {error}\n".encode()


class Echo:
    """Answers with what it was asked, in the default style."""

    def __init__(self, prefix: str = "", access: Access | None = None) -> None:
        self.prefix = prefix
        self.calls: list[Call] = []
        self.router = Router(style=ErrorStyle(), access=access)
        add = self.router.add
        upload = BodyRules(limit_bytes=UPLOAD_BYTES, upload="archive")
        add("GET", f"{prefix}/echo", self.echo)
        for method in ("POST", "PUT", "DELETE"):
            add(method, f"{prefix}/echo", self.echo)
        add("POST", f"{prefix}/upload", self.upload, role=Role.PUSH, body=upload)
        add("POST", f"{prefix}/raw", self.raw, body=BodyRules(limit_bytes=100, raw=True))
        add("GET", f"{prefix}/admin", self.echo, role=Role.ADMIN)

    async def echo(self, call: Call) -> Any:
        self.calls.append(call)
        return {name: list(values) for name, values in call.params.fields.items()}

    async def upload(self, call: Call) -> Any:
        self.calls.append(call)
        file = call.params.file("archive")
        return {
            "size": file.size_bytes,
            "filename": file.filename,
            "begins": file.path.read_bytes()[:8].decode("latin-1"),
            "fields": {name: list(values) for name, values in call.params.fields.items()},
        }

    async def raw(self, call: Call) -> Any:
        self.calls.append(call)
        body = call.body
        return None if body is None else body.spool.open().read().decode()


class Faulty:
    """Raises what it is asked to raise."""

    prefix = "/faulty"

    def __init__(self, style: ErrorStyle) -> None:
        self.router = Router(style=style)
        self.router.add("GET", "/faulty/<name>", self.fail)

    async def fail(self, call: Call, *, name: str) -> Any:
        assert call.path == f"/faulty/{name}"
        errors: dict[str, Exception] = {
            "job": JobNotFound("foo"),
            "argument": BadArgument("when"),
            "store": StoreUnavailable("The database is locked"),
            "space": NoSpace("The disk is full"),
            "bug": RuntimeError("/secret/path of a bug"),
            "descriptors": OSError(errno.EMFILE, "Too many open files", "/secret/path"),
            "disk": OSError(errno.EIO, "Input/output error", "/secret/path"),
            "room": OSError(errno.ENOSPC, "No space left on device", "/secret/path"),
        }
        raise errors.get(name, NotFound(name))


class Waiting:
    """Answers when it is told to."""

    prefix = "/waiting"

    def __init__(self) -> None:
        self.begun: list[Deferred[str]] = []
        self.ended: list[str] = []
        self.router = Router(style=ErrorStyle())
        self.router.add("GET", "/waiting", self.wait)
        self.router.add("POST", "/waiting", self.wait)

    async def wait(self, call: Call) -> Any:
        assert call.principal.name == "local"
        waiting: Deferred[str] = Deferred()
        self.begun.append(waiting)
        word = await waiting
        self.ended.append(word)
        return {"word": word}


class Pouring:
    """Streams pieces, as many as the client takes, and notes how it ended."""

    prefix = "/pour"

    def __init__(
        self,
        pieces: Callable[[], AsyncGenerator[bytes, None]],
        *,
        length_bytes: int | None = None,
    ) -> None:
        self._pieces = pieces
        self._length_bytes = length_bytes
        self.releases = 0
        self.router = Router(style=ErrorStyle())
        self.router.add("GET", "/pour", self.pour)

    async def pour(self, call: Call) -> Answer:
        assert call.method in ("GET", "HEAD")
        return Stream(
            chunks=self._pieces(),
            content_type="text/plain",
            length_bytes=self._length_bytes,
            release=self._released,
        )

    def _released(self) -> None:
        self.releases += 1


class Single:
    """One route around one function."""

    def __init__(
        self,
        answer: Callable[[Call], Awaitable[Any]],
        *,
        prefix: str = "",
        body: BodyRules | None = None,
    ) -> None:
        self.prefix = prefix
        self.router = Router(style=ErrorStyle())
        self.router.add("GET", f"{prefix}/one", answer)
        self.router.add("POST", f"{prefix}/one", answer, body=body)


async def no_content(call: Call) -> Response:
    assert call.path == "/one"
    return Response(status=204)


async def hello(call: Call) -> Response:
    return json_response({"hello": call.base_url}, headers=(("X-Kind", "greeting"),))
