"""What a handler gives back: a value, a `Response`, `Written`, or a `Stream`.

Note [Why long lists are written in turns]
    Making the rows of a list and writing them takes tens of microseconds each, on the one
    thread that serves everybody. So no answer makes more than `ROWS_PER_TURN` of them at a
    time: handlers give rows that are not made yet, and between two pieces others have a turn.
"""

import json
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TypeVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """A list inside a JSON value, made while it is written; `made` is iterated once."""

    made: Iterable["JSON"]


JSON = None | bool | int | float | str | Sequence["JSON"] | Mapping[str, "JSON"] | Rows
Headers = tuple[tuple[str, str], ...]

ROWS_PER_TURN = 25
PIECE_BYTES = 32 * 1024
"""How much of an answer is in memory while a client takes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A whole answer that fits in memory.

    `content_type` None means that no such header is sent.
    """

    status: int = 200
    body: bytes = b""
    content_type: str | None = None
    headers: Headers = ()


def _nothing() -> None:
    """Release nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """An answer made piece by piece, as fast as the client takes it.

    `chunks` is iterated only while the client is there and ready for more; pieces of at
    most 64 KiB keep memory bounded. `length_bytes` is the exact sum of the pieces and
    becomes Content-Length; None means that the end is not known yet (chunked).
    `release` is called exactly once, however the answer ends, also when it never began.
    """

    chunks: AsyncGenerator[bytes, None]
    content_type: str | None
    status: int = 200
    length_bytes: int | None = None
    headers: Headers = ()
    release: Callable[[], None] = field(default=_nothing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A whole answer that is made piece by piece, others having their turn in between.

    Each step of `pieces` makes about `ROWS_PER_TURN` rows.
    """

    pieces: Iterator[bytes]
    content_type: str | None = None
    status: int = 200
    headers: Headers = ()


Answer = Response | Written | Stream

_Row = TypeVar("_Row")


def few(rows: Iterable[_Row]) -> Iterator[list[_Row]]:
    """The rows in runs as long as a turn allows; no run is empty."""
    rest = iter(rows)
    while run := list(islice(rest, ROWS_PER_TURN)):
        yield run


async def whole_answer(written: Written, pause: Callable[[], Awaitable[None]]) -> Response:
    """Make an answer; `pause` gives others a turn.

    Raises:
        ValueError: a value holds what JSON does not have.
    """
    made: list[bytes] = []
    for piece in written.pieces:
        if made:
            await pause()
        made.append(piece)
    return Response(
        status=written.status,
        body=b"".join(made),
        content_type=written.content_type,
        headers=written.headers,
    )


def written_json(value: object) -> Written:
    """A value as one line of JSON, UTF-8 unescaped, its lists a few rows at a time.

    A list is written so when it is the value, or a member of it.
    """
    return Written(pieces=_turns(_fragments(value)), content_type="application/json")


def _turns(fragments: Iterator[str | None]) -> Iterator[bytes]:
    """What is written in one turn, then in the next; None is between two of them."""
    held: list[str] = []
    for fragment in chain(fragments, ["\n", None]):
        if fragment is not None:
            held.append(fragment)
            continue
        yield "".join(held).encode("utf-8", "backslashreplace")
        held.clear()


def _fragments(value: object) -> Iterator[str | None]:
    if not isinstance(value, Mapping):
        yield from _list_fragments(value)
        return
    yield "{"
    for place, (name, member) in enumerate(value.items()):
        yield f"{', ' if place else ''}{_text(name)}: "
        yield from _list_fragments(member)
    yield "}"


def _list_fragments(value: object) -> Iterator[str | None]:
    """A value; if it is a list, a few rows in each turn."""
    if isinstance(value, Rows):
        value = value.made
    elif not isinstance(value, list):
        yield _text(value)
        return
    yield "["
    between = ""
    for run in few(value):
        yield between + _text(run)[1:-1]
        between = ", "
        if len(run) == ROWS_PER_TURN:
            yield None
    yield "]"


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def json_response(value: object, *, status: int = 200, headers: Headers = ()) -> Response:
    """A value as one line of JSON, UTF-8 unescaped.

    Raises:
        ValueError: the value holds a NaN or an infinity, which JSON does not have.
    """
    return Response(
        status=status,
        body=_text(value).encode("utf-8", "backslashreplace") + b"\n",
        content_type="application/json",
        headers=headers,
    )


def redirect(location: str, *, status: int = 303) -> Response:
    """Send the client elsewhere; 303 after a form, 302 or 308 for a moved page."""
    return Response(status=status, headers=(("Location", location),))
