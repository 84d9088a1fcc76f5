"""Speaking to a daemon over HTTP, with the standard library only."""

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from scrapy_do.client.errors import Exit, UserError

_TIMEOUT_S = 90.0
_CHUNK_BYTES = 64 * 1024
_CODES = {401: Exit.LOGIN, 403: Exit.LOGIN, 404: Exit.NOT_FOUND}
_FIRST_ERROR = 400
_FIRST_SERVER_ERROR = 500


class DaemonClient:
    """One daemon, by its address; a connection for each request.

    Every method raises UserError when the daemon cannot be reached or refuses.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        parts = urlsplit(self.url)
        self._host = parts.hostname or "localhost"
        self._port = parts.port
        self._connection_class = HTTPSConnection if parts.scheme == "https" else HTTPConnection

    def get(self, path: str, query: Mapping[str, str]) -> dict[str, Any]:
        """Return the JSON object at a path."""
        with self._request("GET", f"{path}?{urlencode(query)}") as response:
            return _decoded(response)

    def post(self, path: str, form: Sequence[tuple[str, str]]) -> dict[str, Any]:
        """Send a form; a name may be repeated in it. Return the JSON object of the answer."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        with self._request("POST", path, urlencode(form).encode(), headers) as response:
            return _decoded(response)

    def push(self, archive: Path) -> dict[str, Any]:
        """Send a project's archive, streamed from the file."""
        boundary = secrets.token_hex(16)
        head = (
            f"--{boundary}\r\n"
            f'Content-Disposition: form-data; name="archive"; filename="{quote(archive.name)}"\r\n'
            "Content-Type: application/zip\r\n\r\n"
        ).encode()
        tail = f"\r\n--{boundary}--\r\n".encode()
        headers = {
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Content-Length": str(len(head) + archive.stat().st_size + len(tail)),
        }
        body = _parts(head, archive, tail)
        with self._request("POST", "/push-project.json", body, headers) as response:
            return _decoded(response)

    def lines(self, path: str) -> list[str]:
        """Return the lines of a text that is complete."""
        with self._request("GET", path) as response:
            return response.read().decode("utf-8", "replace").splitlines()

    @contextmanager
    def _request(
        self,
        method: str,
        path: str,
        body: bytes | Iterator[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Iterator[HTTPResponse]:
        connection = self._connection_class(self._host, self._port, timeout=_TIMEOUT_S)
        try:
            connection.request(method, path, body=body, headers=dict(headers or {}))
            response = connection.getresponse()
            if response.status >= _FIRST_ERROR:
                raise _refusal(response.status, response.read())
            yield response
        except (OSError, HTTPException) as error:
            raise UserError(
                f"no daemon at {self.url} ({error})",
                try_="scrapy-do serve",
                code=Exit.UNREACHABLE,
            ) from error
        finally:
            connection.close()


def _parts(head: bytes, file: Path, tail: bytes) -> Iterator[bytes]:
    yield head
    with file.open("rb") as content:
        while chunk := content.read(_CHUNK_BYTES):
            yield chunk
    yield tail


def _decoded(response: HTTPResponse) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(response.read())
    return answer


def _refusal(status: int, body: bytes) -> UserError:
    """Say why the daemon refused, in its own words where it gave some."""
    try:
        message = str(json.loads(body)["msg"])
    except (ValueError, KeyError, TypeError):
        message = f"the daemon answered with status {status}"
    general = Exit.SERVER_ERROR if status >= _FIRST_SERVER_ERROR else Exit.FAILED
    return UserError(message, try_="scrapy-do --help", code=_CODES.get(status, general))
