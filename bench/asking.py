"""Asks a system over HTTP: single questions, and how long they take while others are busy."""

import http.client
import json
import math
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode, urlsplit

PATIENCE_S = 120.0


class Client:
    """One connection to a system, made again when it was lost."""

    def __init__(self, url: str) -> None:
        self._address = urlsplit(url).netloc
        self._connection: http.client.HTTPConnection | None = None

    def get(self, path: str) -> Any:  # noqa: ANN401 - decoded JSON is any value
        """The JSON of a path."""
        return json.loads(self.fetch("GET", path))

    def post(self, path: str, form: Mapping[str, str]) -> Any:  # noqa: ANN401 - the same
        """The JSON that a form is answered with."""
        head = {"Content-Type": "application/x-www-form-urlencoded"}
        return json.loads(self.fetch("POST", path, urlencode(form).encode(), head))

    def fetch(
        self, method: str, path: str, body: bytes = b"", head: Mapping[str, str] | None = None
    ) -> bytes:
        """The body of an answer, which must be a good one."""
        if self._connection is None:
            self._connection = http.client.HTTPConnection(self._address, timeout=PATIENCE_S)
        try:
            self._connection.request(method, path, body or None, dict(head or {}))
            answer = self._connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        if answer.status != http.HTTPStatus.OK:
            raise RuntimeError(f"{path}: {answer.status} {content[:300]!r}")
        return content

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that this share of the values does not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


class Prober(threading.Thread):
    """Asks the same thing at a fixed rhythm, whether or not the answers come in time.

    A latency is counted from when the question was due: one late answer makes those that
    wait behind it late too, as it would for other clients.
    """

    def __init__(self, url: str, path: str, *, every_s: float = 0.02) -> None:
        super().__init__(daemon=True)
        self._client = Client(url)
        self._path = path
        self._every_s = every_s
        self._over = threading.Event()
        self._latencies_s: list[float] = []

    def run(self) -> None:
        due = time.perf_counter()
        while not self._over.wait(max(0.0, due - time.perf_counter())):
            self._client.fetch("GET", self._path)
            self._latencies_s.append(time.perf_counter() - due)
            due += self._every_s

    def finish(self) -> list[float]:
        """Stop asking; return the latencies in seconds."""
        self._over.set()
        self.join()
        self._client.close()
        return self._latencies_s


@contextmanager
def probing(url: str, path: str) -> Iterator[list[float]]:
    """Ask for a path meanwhile; the latencies, in seconds, are there at the end."""
    latencies_s: list[float] = []
    prober = Prober(url, path)
    prober.start()
    try:
        yield latencies_s
    finally:
        latencies_s += prober.finish()
