"""Hearing what happens as it happens: the server-sent events of docs/live.md.

A stream that breaks is taken up where it was left, also after a restart of the daemon.
"""

import json
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from scrapy_do.client.errors import Exit, UserError
from scrapy_do.client.http import Broken, DaemonClient, with_query
from scrapy_do.client.invocation import Invocation

_SILENCE_S = 40.0
"""Longer than the 15 seconds in which a daemon says that it is alive."""

_LONGEST_S = 7 * 86_400.0
"""A crawl may be silent for long, and its daemon sends nothing meanwhile."""

_PAUSES_S = (0.2, 0.5, 1, *[2] * 30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event."""

    name: str
    data: Any
    id: str = ""


_NOTHING = Event(name="", data=None)


class Deadline:
    """When waiting is over; never, where nobody has said."""

    def __init__(self, limit_s: float | None, *, try_: str, what: str) -> None:
        self._limit_s = limit_s
        self._end_s = None if limit_s is None else time.monotonic() + limit_s
        self._try = try_
        self._what = what

    def left_s(self, most_s: float) -> float:
        """How long to wait at most.

        Raises:
            UserError: no longer.
        """
        if self._end_s is None:
            return most_s
        left_s = self._end_s - time.monotonic()
        if left_s <= 0:
            raise UserError(
                f"{self._what} after {self._limit_s:g} s; it goes on",
                try_=self._try,
                code=Exit.WAITED_TOO_LONG,
            )
        return min(left_s, most_s)


NEVER = Deadline(None, try_="", what="")


def events(
    call: Invocation,
    path: str,
    query: Iterable[tuple[str, str]] = (),
    *,
    deadline: Deadline = NEVER,
) -> Iterator[Event]:
    """Yield the events of a stream until its `end`.

    Raises:
        UserError: the daemon refuses, stays away for a minute, or the deadline is over.
    """
    last_id = ""
    has_heard = False
    pauses = iter(_PAUSES_S)
    daemon = call.daemon_within(_SILENCE_S)
    while True:
        try:
            for event in _stream(daemon, with_query(path, list(query)), last_id, deadline):
                has_heard, pauses = True, iter(_PAUSES_S)
                if not event.name:
                    continue
                last_id = event.id or last_id
                yield event
                if event.name == "end":
                    return
        except UserError as error:
            if error.exit_code not in {Exit.UNREACHABLE, Exit.WAITED_TOO_LONG, Exit.SERVER_ERROR}:
                raise
            deadline.left_s(_SILENCE_S)
            pause_s = next(pauses, None)
            if pause_s is None or not has_heard:
                raise
            time.sleep(deadline.left_s(pause_s))


def file_chunks(call: Invocation, path: str) -> Iterator[bytes]:
    """Yield a file of a job to its end, while it grows; a break is mended from where it was.

    Raises:
        UserError: the daemon refuses, or stays away for a minute.
    """
    daemon = call.daemon
    done = 0
    pauses = iter(_PAUSES_S)
    while True:
        passed = 0
        try:
            with daemon.request("GET", path) as response:
                for chunk in daemon.chunks(response, lambda: _LONGEST_S):
                    known = max(0, min(len(chunk), done - passed))
                    passed += len(chunk)
                    if known < len(chunk):
                        done, pauses = passed, iter(_PAUSES_S)
                        yield chunk[known:]
                return
        except UserError as error:
            pause_s = next(pauses, None)
            if pause_s is None or not done or error.exit_code != Exit.UNREACHABLE:
                raise
            time.sleep(pause_s)


def _stream(daemon: DaemonClient, path: str, last_id: str, deadline: Deadline) -> Iterator[Event]:
    """Yield what one connection brings; a comment is an event without a name."""
    headers = {"Accept": "text/event-stream"}
    if last_id:
        headers["Last-Event-ID"] = last_id
    with daemon.request("GET", path, None, headers) as response:
        yield _NOTHING  # it answers
        rest = b""
        for chunk in daemon.chunks(response, lambda: deadline.left_s(_SILENCE_S)):
            *blocks, rest = (rest + chunk).split(b"\n\n")
            for block in blocks:
                yield _event(block.decode("utf-8", "replace"))
    raise Broken(daemon.url, EOFError("it was closed"))


def _event(block: str) -> Event:
    fields: dict[str, str] = {}
    for line in block.split("\n"):
        name, _, value = line.partition(":")
        fields[name] = fields.get(name, "") + value.removeprefix(" ")
    data = None
    with suppress(ValueError):
        data = json.loads(fields.get("data", "null"))
    return Event(name=fields.get("event", ""), data=data, id=fields.get("id", ""))
