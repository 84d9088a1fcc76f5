"""Speaking to a daemon over HTTP, with the standard library only."""

import base64
import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from shlex import quote as quoted
from socket import socket
from typing import Any
from urllib.parse import SplitResult, quote, urlencode, urlsplit

from scrapy_do.client.errors import Exit, UserError

_TIMEOUT_S = 90.0
_CHUNK_BYTES = 64 * 1024
_CODES = {401: Exit.LOGIN, 403: Exit.LOGIN, 404: Exit.NOT_FOUND}
_FIRST_ERROR = 400
_FIRST_SERVER_ERROR = 500
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_HINTS = {
    "project-not-found": "scrapy-do projects",
    "ambiguous-name": "scrapy-do jobs",
    "spider-not-found": "scrapy-do spiders",
    "version-not-found": "scrapy-do projects",
    "job-not-found": "scrapy-do jobs",
    "schedule-not-found": "scrapy-do schedule list",
    "bad-when": 'scrapy-do schedule preview "every 2 hours"',
    "project-in-use": "scrapy-do schedule list",
    "spider-in-use": "scrapy-do schedule list",
}
"""What to try after an error of this name, where the command knows nothing better."""

Query = Mapping[str, str] | Sequence[tuple[str, str]]
Form = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Who asks: a token, or a name with a password, or nobody in particular."""

    token: str | None = field(default=None, repr=False)
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @property
    def header(self) -> str | None:
        """The value of `Authorization`; the token goes first.

        Raises:
            UserError: the token cannot be sent.
        """
        if self.token:
            if not (self.token.isascii() and self.token.isprintable()):
                raise UserError(
                    "the token has characters, such as a line break, that no token has",
                    try_="scrapy-do config show --origin",
                    code=Exit.LOGIN,
                )
            return f"Bearer {self.token}"
        if self.username:
            pair = f"{self.username}:{self.password or ''}".encode()
            return f"Basic {base64.b64encode(pair).decode()}"
        return None


class Refused(UserError):
    """The daemon has refused. `kind` is its name of the error, `answer` all it said."""

    def __init__(self, status: int, answer: Mapping[str, Any], url: str) -> None:
        self.status = status
        self.answer = answer
        self.kind = str(answer.get("error", ""))
        message = str(answer.get("msg") or answer.get("message") or "")
        general = Exit.SERVER_ERROR if status >= _FIRST_SERVER_ERROR else Exit.FAILED
        code = Exit.NOT_FOUND if self.kind.endswith("-not-found") else _CODES.get(status, general)
        hint = _HINTS.get(self.kind, "scrapy-do --help")
        if code is Exit.LOGIN:
            hint = f"scrapy-do login {quoted(url)}"
        elif code is Exit.SERVER_ERROR:
            hint = "scrapy-do status"
        super().__init__(
            message or f"the daemon answered with status {status}", try_=hint, code=code
        )


class Broken(UserError):
    """The connection broke while we sent or read."""

    def __init__(self, url: str, error: Exception) -> None:
        super().__init__(
            f"the connection to {url} broke ({str(error) or type(error).__name__})",
            try_=f"scrapy-do status --url {quoted(url)}",
            code=Exit.UNREACHABLE,
        )


class Answer(dict[str, Any]):
    """An object that a daemon has answered; one without a field that it must have is another's."""

    def __init__(self, fields: Mapping[str, Any], url: str) -> None:
        super().__init__(fields)
        self._url = url

    def __missing__(self, name: str) -> object:
        raise UserError(
            f"what answers at {self._url} is no Scrapy Do of this version: "
            f'there is no "{name}" in its answer',
            try_="scrapy-do config show --origin",
            code=Exit.UNREACHABLE,
        )


class DaemonClient:
    """One daemon, by its address; a connection for each request.

    Every method raises UserError when the daemon cannot be reached or refuses, and `Refused`
    for the latter. `tell` is told of each request, `waiting` is entered until its answer begins.
    Without `is_verified` any certificate will do.
    """

    def __init__(
        self,
        url: str,
        *,
        credentials: Credentials | None = None,
        timeout_s: float = _TIMEOUT_S,
        ca_file: str | None = None,
        is_verified: bool = True,
        tell: Callable[[str], None] | None = None,
        waiting: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self.url = url.rstrip("/")
        parts = _parts(self.url)
        if parts is None:
            raise UserError(
                f"{url!r} is no address of a daemon, such as http://localhost:7654",
                try_="scrapy-do login http://localhost:7654",
                code=Exit.USAGE,
            )
        self._is_secure = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port
        self._base = parts.path
        self._ca_file = ca_file
        self._is_verified = is_verified
        self._credentials = credentials or Credentials()
        self.timeout_s = timeout_s
        self._tell = tell
        self._waiting = waiting
        self._socket: socket | None = None

    def get(self, path: str, query: Query = ()) -> dict[str, Any]:
        """Return the JSON object at a path."""
        with self.request("GET", with_query(path, query)) as response:
            return self._decoded(response)

    def post(self, path: str, form: Form = ()) -> dict[str, Any]:
        """Send a form; a name may be repeated in it. Return the JSON object of the answer."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        body = urlencode(form).encode()
        with self.request("POST", path, body, headers) as response:
            return self._decoded(response)

    def push(
        self,
        archive: Path,
        form: Form = (),
        *,
        sent: Callable[[int, int], None] = lambda _done, _all: None,
    ) -> dict[str, Any]:
        """Send a project's archive, streamed from the file; `sent` hears of bytes and of all."""
        body, headers = multipart(form, {"archive": archive}, sent)
        with self.request("POST", "/push-project.json", body, headers) as response:
            return self._decoded(response)

    def lines(self, path: str) -> list[str]:
        """Return the lines of a text that is complete."""
        with self.request("GET", path) as response:
            return b"".join(self.chunks(response)).decode("utf-8", "replace").splitlines()

    @contextmanager
    def request(
        self,
        method: str,
        path: str,
        body: bytes | Iterator[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Iterator[HTTPResponse]:
        """Give the answer to a request, to be read as it comes.

        Raises:
            Refused: its status is one of an error.
        """
        begun_s = time.monotonic()
        sent = dict(headers or {})
        if self._credentials.header:
            sent["Authorization"] = self._credentials.header
        connection = self._connection()
        try:
            with self._waiting(), self._speaking():
                self._connect(connection)
                self._socket = connection.sock
                connection.request(method, self._base + path, body=body, headers=sent)
                response = connection.getresponse()
            if self._tell is not None:
                took_ms = (time.monotonic() - begun_s) * 1000
                self._tell(f"{method} {self.url}{path}: {response.status} in {took_ms:.0f} ms")
            if response.status >= _FIRST_ERROR:
                with self._speaking():
                    answer = response.read()
                raise Refused(response.status, _object(answer, self.url), self.url)
            yield response
        finally:
            connection.close()

    def chunks(
        self, response: HTTPResponse, patience_s: Callable[[], float] | None = None
    ) -> Iterator[bytes]:
        """Give what comes of an answer as it comes, to its end.

        `patience_s` says before each piece how long to wait for it.
        """
        while True:
            if patience_s is not None and self._socket is not None:
                self._socket.settimeout(patience_s())
            with self._speaking():
                chunk = response.read1(_CHUNK_BYTES)
            if not chunk:
                if response.length:
                    raise Broken(self.url, EOFError(f"{response.length} bytes are missing"))
                return
            yield chunk

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        """Say in a sentence what breaks while we send and read."""
        try:
            yield
        except TimeoutError as error:
            raise UserError(
                f"{self.url} has not answered within {self.timeout_s:g} s",
                try_=f"scrapy-do status --url {quoted(self.url)} --timeout 5m",
                code=Exit.WAITED_TOO_LONG,
            ) from error
        except (OSError, HTTPException) as error:
            raise Broken(self.url, error) from error

    def _connection(self) -> HTTPConnection:
        if not self._is_secure:
            return HTTPConnection(self._host, self._port, timeout=self.timeout_s)
        import ssl  # noqa: PLC0415 - for HTTPS only

        try:
            context = ssl.create_default_context(cafile=self._ca_file)
        except OSError as error:
            raise UserError(
                f"the authority in {self._ca_file} cannot be read: {error.strerror or error}",
                try_="scrapy-do config show --origin",
                code=Exit.UNREACHABLE,
            ) from error
        if not self._is_verified:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return HTTPSConnection(self._host, self._port, timeout=self.timeout_s, context=context)

    def _connect(self, connection: HTTPConnection) -> None:
        is_here = self._host in _LOOPBACK
        elsewhere = f"scrapy-do login {quoted(self.url)}"
        try:
            connection.connect()
        except OSError as error:
            if type(error).__name__ == "SSLCertVerificationError":
                raise UserError(
                    f"the certificate of {self.url} is not trusted: "
                    f"{getattr(error, 'verify_message', error)}",
                    try_=f"{elsewhere} --ca-file FILE",
                    code=Exit.UNREACHABLE,
                ) from error
            reason = error.strerror or str(error)
            raise UserError(
                f"no daemon at {self.url} ({reason})",
                try_="scrapy-do serve" if is_here else elsewhere,
                code=Exit.UNREACHABLE,
            ) from error

    def _decoded(self, response: HTTPResponse) -> dict[str, Any]:
        answer = _object(b"".join(self.chunks(response)), self.url)
        if not answer:
            raise UserError(
                f"what answers at {self.url} is no Scrapy Do (status {response.status})",
                try_="scrapy-do config show --origin",
                code=Exit.UNREACHABLE,
            )
        return answer


def multipart(
    form: Form,
    files: Mapping[str, Path],
    sent: Callable[[int, int], None] = lambda _done, _all: None,
) -> tuple[Iterator[bytes], dict[str, str]]:
    """The body of a form with files, streamed from them, and its headers."""
    boundary = secrets.token_hex(16)
    heads: list[tuple[bytes, Path | None]] = [
        (
            f"--{boundary}\r\n"
            f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode(),
            None,
        )
        for name, value in form
    ]
    heads += [
        (
            f"--{boundary}\r\n"
            f'Content-Disposition: form-data; name="{name}"; filename="{quote(path.name)}"\r\n'
            "Content-Type: application/zip\r\n\r\n".encode(),
            path,
        )
        for name, path in files.items()
    ]
    tail = f"--{boundary}--\r\n".encode()
    size = len(tail) + sum(
        len(head) + (0 if path is None else path.stat().st_size + 2) for head, path in heads
    )

    def body() -> Iterator[bytes]:
        done = 0
        for piece in _pieces(heads, tail):
            yield piece
            done += len(piece)
            sent(done, size)

    headers = {
        "Content-Type": f"multipart/form-data; boundary={boundary}",
        "Content-Length": str(size),
    }
    return body(), headers


def _pieces(heads: Sequence[tuple[bytes, Path | None]], tail: bytes) -> Iterator[bytes]:
    for head, path in heads:
        yield head
        if path is not None:
            with path.open("rb") as content:
                while chunk := content.read(_CHUNK_BYTES):
                    yield chunk
            yield b"\r\n"
    yield tail


def with_query(path: str, query: Query) -> str:
    """A path with its query."""
    text = urlencode(query)
    return f"{path}?{text}" if text else path


def _parts(url: str) -> SplitResult | None:
    """The parts of a daemon's address; None for what is none."""
    try:
        parts = urlsplit(url)
        is_one = parts.scheme in {"http", "https"} and parts.port != 0
        is_one = is_one and bool((parts.hostname or "").encode("idna"))
    except ValueError:  # brackets, a port or labels that cannot be
        return None
    return parts if is_one else None


def _object(body: bytes, url: str) -> dict[str, Any]:
    """A JSON object; an empty one for anything else."""
    try:
        value = json.loads(body, object_hook=lambda fields: Answer(fields, url))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
