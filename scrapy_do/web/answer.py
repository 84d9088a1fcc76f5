"""What a handler gives back: a value, a `Response`, or a `Stream`."""

import json
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field

JSON = None | bool | int | float | str | Sequence["JSON"] | Mapping[str, "JSON"]
Headers = tuple[tuple[str, str], ...]

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


Answer = Response | Stream


def json_response(value: object, *, status: int = 200, headers: Headers = ()) -> Response:
    """A value as one line of JSON, UTF-8 unescaped.

    Raises:
        ValueError: the value holds a NaN or an infinity, which JSON does not have.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return Response(
        status=status,
        body=text.encode("utf-8", "backslashreplace") + b"\n",
        content_type="application/json",
        headers=headers,
    )


def redirect(location: str, *, status: int = 303) -> Response:
    """Send the client elsewhere; 303 after a form, 302 or 308 for a moved page."""
    return Response(status=status, headers=(("Location", location),))
