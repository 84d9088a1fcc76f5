"""Values to bytes and back: JSON lines, JSON, CSV, text, XML, msgpack.

Source: Scrapy Cloud storage APIs, `format` and `Accept`. The official client asks for
msgpack by Accept and takes JSON lines otherwise. Every line of an answer is one JSON value,
never an empty line; "no result" is an empty body. Bodies of requests are JSON lines without
a Content-Type.
"""

import csv
import io
import json
import math
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

import msgpack

from scrapy_do.errors import BadArgument
from scrapy_do.operations.records import RecordKind
from scrapy_do.web.answer import Answer, Headers, Response, Stream, Written, few
from scrapy_do.web.lines import lines, read_all
from scrapy_do.web.params import Params
from scrapy_do.web.router import Call
from scrapy_do.web.upload import BodyRules, parse_json

BODY_BYTES = 4 * 1024 * 1024
LINE_BYTES = 1024 * 1024
RAW = BodyRules(limit_bytes=BODY_BYTES, raw=True)
"""What a service for storage takes: bytes, whatever their type is said to be."""

EMPTY = Response()
"""The answer to a write that succeeded."""

PIECE_BYTES = 64 * 1024
"""About the size of the pieces of a list; one that is shorter is sent at once, with its length."""

Value = Any
"""A decoded JSON value."""

Encode = Callable[[Value], bytes]
Pages = AsyncGenerator[Iterable[Value], None]
Pieces = AsyncGenerator[bytes, None]

MSGPACK_TYPE = "application/x-msgpack; charset=UTF-8"
TEXT_TYPE = "text/plain; charset=UTF-8"

MSGPACK_DEPTH = 200
"""Deeper parts of a value are sent as JSON text: old packers have a limit near 500."""

MSGPACK_INTEGERS = range(-(2**63), 2**64)

LEVELS = {10: "DEBUG", 20: "INFO", 30: "WARNING", 40: "ERROR", 50: "CRITICAL"}
LOG_FIELDS = ("time", "level", "message")


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """How a list of values is written: `head`, the values with `between`, `tail`.

    `encode` writes a value; None when its JSON text is taken as it is, with `end` behind it.
    """

    content_type: str
    encode: Encode | None = None
    head: bytes = b""
    between: bytes = b""
    end: bytes = b""
    tail: bytes = b""

    def written(self, value: Value) -> bytes:
        """A value, without what stands around it."""
        return encode_json(value) if self.encode is None else self.encode(value)


class RowWriter:
    """Puts rows together, of which each is written already. The first has nothing before it."""

    def __init__(self, form: Format) -> None:
        self._form = form
        self._between = b""

    def join(self, rows: Iterable[bytes]) -> bytes:
        """The next rows, with what stands between and behind them."""
        written = (self._form.end + self._form.between).join(rows)
        if not written:
            return b""
        before, self._between = self._between, self._form.between
        return before + written + self._form.end


JSON_LINES = Format(content_type="application/x-jsonlines; charset=UTF-8", end=b"\n")
JSON_ARRAY = Format(
    content_type="application/json; charset=UTF-8", head=b"[", between=b",", tail=b"]\n"
)


def encode_json(value: Value) -> bytes:
    """A value as JSON text in one line, in ASCII; infinities, which JSON lacks, become null."""
    try:
        return _ENCODER.encode(value).encode("ascii")
    except ValueError:
        return _ENCODER.encode(_finite(value)).encode("ascii")


def encode_row(value: Value) -> bytes:
    """What we say of jobs and projects, as JSON text in one line, in UTF-8.

    Raises:
        ValueError: it holds what JSON does not have.
    """
    return _ROW_ENCODER.encode(value).encode("utf-8", "backslashreplace")


_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
_ROW_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)

ROW_LINES = Format(content_type=JSON_LINES.content_type, encode=encode_row, end=b"\n")
ROW_ARRAY = Format(
    content_type="application/json", encode=encode_row, head=b"[", between=b",", tail=b"]"
)
_ROW_FORMATS = {"jl": ROW_LINES, "json": ROW_ARRAY}


def _finite(value: Value) -> Value:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(member) for name, member in value.items()}
    return [_finite(member) for member in value] if isinstance(value, list) else value


def format_of(call: Call, *, kind: RecordKind | None = None) -> Format:
    """The format that a request asks for: by `format`, else by Accept, else JSON lines.

    Raises:
        BadArgument: there is no such format, or one of its options is wrong.
    """
    return format_named(_asked(call, tuple(_FORMATS)), call.params, kind=kind)


def row_format_of(call: Call, *names: str) -> Format:
    """The same for what we say of jobs and projects, of some of the formats."""
    name = _asked(call, names)
    if name == "csv" and not _columns(call.params):
        raise BadArgument("fields", "must name the columns of CSV, as in fields=key,state")
    return _ROW_FORMATS.get(name) or format_named(name, call.params)


def format_named(name: str, params: Params, *, kind: RecordKind | None = None) -> Format:
    """A format by its name, with its options.

    Raises:
        BadArgument: one of its options is wrong.
    """
    return _FORMATS[name](params, kind)


def wants_msgpack(call: Call) -> bool:
    """Whether a single value is wanted as msgpack."""
    return (call.params.optional_text("format") or _accepted(call, tuple(_FORMATS))) == "msgpack"


def download_headers(params: Params) -> Headers:
    """The header that makes a browser store the answer as a file: `saveas`."""
    name = params.optional_text("saveas", "")
    if not name:
        return ()
    return (("Content-Disposition", f"attachment; filename*=UTF-8''{quote(name[:200], safe='')}"),)


_MEDIA_TYPES = {
    "application/x-msgpack": "msgpack",
    "application/msgpack": "msgpack",
    "application/x-jsonlines": "jl",
    "application/json": "json",
    "text/csv": "csv",
    "application/xml": "xml",
    "text/xml": "xml",
    "text/plain": "text",
}


def _asked(call: Call, known: Sequence[str]) -> str:
    return call.params.choice("format", known, default=None) or _accepted(call, known)


def _accepted(call: Call, known: Sequence[str]) -> str:
    """The first of the accepted media types that we have."""
    for part in call.header("Accept").split(","):
        found = _MEDIA_TYPES.get(part.partition(";")[0].strip().lower())
        if found is not None and found in known:
            return found
    return known[0]


# --- answers -----------------------------------------------------------------------------------


def one_value(value: Value) -> Response:
    """A single JSON value on one line."""
    return Response(body=encode_row(value), content_type=ROW_ARRAY.content_type)


def json_lines(rows: Iterable[Value]) -> Written:
    """Values in memory, one on each line."""
    return Written(
        pieces=(b"".join(encode_row(row) + b"\n" for row in run) for run in few(rows)),
        content_type=ROW_LINES.content_type,
    )


async def listed(call: Call, pages: Pages, form: Format) -> Answer:
    """A list of values of any length: at once when it is small, else piece by piece."""
    return await answer(_pieces(call, pages, form), form)


async def _pieces(call: Call, pages: Pages, form: Format) -> Pieces:
    """The values in pieces of `PIECE_BYTES` or a little more; others have their turn between."""
    rows, held, size_bytes = RowWriter(form), list[bytes](), 0
    async with aclosing(pages):
        async for page in pages:
            for run in few(page):
                held.append(rows.join(form.written(value) for value in run))
                size_bytes += len(held[-1])
                await call.pause()
                if size_bytes > PIECE_BYTES:
                    yield b"".join(held)
                    held, size_bytes = [], 0
    if held:
        yield b"".join(held)


async def answer(pieces: Pieces, form: Format, headers: Headers = ()) -> Answer:
    """Pieces as an answer: whole when there is one at most, else a stream."""
    first = await _next(pieces)
    second = await _next(pieces)
    begun = [form.head + (first or b"")]
    if second is None:
        return Response(body=begun[0] + form.tail, content_type=form.content_type, headers=headers)
    begun.append(second)
    return Stream(
        chunks=_framed(form, begun, pieces),
        content_type=form.content_type,
        headers=headers,
    )


async def _next(pieces: Pieces) -> bytes | None:
    # `anext` with a default cannot be resumed with a value, as Deferreds do it (Python 3.11).
    async for piece in pieces:
        return piece
    return None


async def _framed(form: Format, begun: list[bytes], pieces: Pieces) -> Pieces:
    """All of an answer; nothing of it stays here while the client takes it."""
    async with aclosing(pieces):
        while begun:
            yield begun.pop(0)
        async for piece in pieces:
            begun.append(piece)
            del piece
            yield begun.pop()
        if form.tail:
            yield form.tail


# --- msgpack -----------------------------------------------------------------------------------


def pack(value: Value) -> bytes:
    """A value as msgpack; what msgpack does not have is replaced by what is nearest to it."""
    try:
        return _packed(value)
    except (ValueError, OverflowError, UnicodeError):
        return _packed(_packable(value, MSGPACK_DEPTH))


def _packed(value: Value) -> bytes:
    return bytes(msgpack.packb(value))  # type: ignore[no-untyped-call] # the library is untyped


def _packable(value: Value, depth: int) -> Value:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, int) and value not in MSGPACK_INTEGERS:
        return _nearest(value)
    if isinstance(value, dict | list) and depth == 0:
        return json.dumps(value)
    if isinstance(value, dict):
        return {
            _packable(name, depth): _packable(member, depth - 1) for name, member in value.items()
        }
    if isinstance(value, list):
        return [_packable(member, depth - 1) for member in value]
    return value


def _nearest(number: int) -> float | str:
    try:
        return float(number)
    except OverflowError:
        return str(number)


def _msgpack(_params: Params, _kind: RecordKind | None) -> Format:
    return Format(content_type=MSGPACK_TYPE, encode=pack)


# --- text, CSV, XML ----------------------------------------------------------------------------


def plain_text(value: Value) -> str:
    """A single value as people read it: text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def to_bytes(text: str) -> bytes:
    """UTF-8; halves of surrogate pairs, which it does not have, become question marks."""
    return text.encode("utf-8", "replace")


def _text(_params: Params, kind: RecordKind | None) -> Format:
    line = _log_line if kind is RecordKind.LOGS else plain_text
    return Format(content_type=TEXT_TYPE, encode=lambda value: to_bytes(line(value) + "\n"))


def _log_line(record: Value) -> str:
    fields = record if isinstance(record, dict) else {}
    level = fields.get("level")
    name = LEVELS.get(level, str(level)) if isinstance(level, int) else ""
    return f"{instant_text(fields.get('time'))} {name} {fields.get('message', '')}"


def instant_text(ms: Value) -> str:
    """A time in milliseconds since the epoch, in UTC to the second; `-` for what is none."""
    try:
        instant = datetime.fromtimestamp(ms / 1000, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return "-"
    return instant.strftime("%Y-%m-%d %H:%M:%S")


def _csv(params: Params, kind: RecordKind | None) -> Format:
    names = _columns(params) or (LOG_FIELDS if kind is RecordKind.LOGS else ())
    if not names and kind is not RecordKind.SAMPLES:
        raise BadArgument("fields", "must name the columns, as in fields=url,price")
    options = {
        "delimiter": _character(params, "sep", ","),
        "quotechar": _character(params, "quote", '"'),
        "escapechar": _character(params, "escape", None),
    }
    if len(set(options.values())) < len(options):
        raise BadArgument("sep, quote, escape", "must be different")
    # Taken as it is: as a text it would lose the line break that it is.
    line_end = next(iter(params.fields.get("lineend", ())), "") or "\n"
    encode = _rows({**options, "lineterminator": line_end})
    has_head = params.flag("include_headers") and names
    return Format(
        content_type="text/csv; charset=UTF-8",
        encode=lambda value: encode(_cells(value, names)),
        head=encode(list(names)) if has_head else b"",
    )


def _columns(params: Params) -> Sequence[str]:
    return [name for text in params.texts("fields") for name in text.split(",") if name]


def _character(params: Params, name: str, default: str | None) -> str | None:
    text = params.optional_text(name, default)
    if text is not None and (len(text) != 1 or text in "\r\n"):
        raise BadArgument(name, "must be one character, and no end of line")
    return text


def _rows(options: Mapping[str, str | None]) -> Callable[[Sequence[str]], bytes]:
    def encode(cells: Sequence[str]) -> bytes:
        file = io.StringIO(newline="")
        csv.writer(file, **options).writerow(cells)  # type: ignore[arg-type]  # checked before
        return to_bytes(file.getvalue())

    # Some versions of Python let fewer characters be separators than others.
    try:
        encode(["", "a"])
    except (csv.Error, TypeError, ValueError) as error:
        raise BadArgument("sep, quote, escape", str(error)) from None
    return encode


def _cells(value: Value, names: Sequence[str]) -> list[str]:
    if isinstance(value, list):
        return [_cell(member) for member in value]
    fields = value if isinstance(value, dict) else {}
    return [_cell(fields.get(name)) for name in names]


def _cell(value: Value) -> str:
    return "" if value is None else plain_text(value)


def _xml(_params: Params, _kind: RecordKind | None) -> Format:
    return Format(
        content_type="application/xml; charset=UTF-8",
        encode=lambda value: to_bytes(_element(value) + "\n"),
        head=b'<?xml version="1.0" encoding="UTF-8"?>\n<values>\n',
        tail=b"</values>\n",
    )


def _element(value: Value, name: str | None = None) -> str:
    """A value as `<value>`; members of objects have the attribute `name`."""
    match value:
        case dict():
            content = "".join(_element(member, key) for key, member in value.items())
        case list():
            content = "".join(_element(member) for member in value)
        case None:
            content = ""
        case _:
            content = escape(_xml_text(plain_text(value)))
    attribute = "" if name is None else f" name={quoteattr(_xml_text(name))}"
    return f"<value{attribute}>{content}</value>"


def _xml_text(text: str) -> str:
    """The text with a question mark for each character that XML does not have."""
    return "".join(
        character if character >= " " or character in "\t\n\r" else "?"
        for character in text.replace("\ufffe", "?").replace("\uffff", "?")
    )


# --- the table ---------------------------------------------------------------------------------


def _json_lines(_params: Params, _kind: RecordKind | None) -> Format:
    return JSON_LINES


def _json_array(_params: Params, _kind: RecordKind | None) -> Format:
    return JSON_ARRAY


_FORMATS: Mapping[str, Callable[[Params, RecordKind | None], Format]] = {
    "jl": _json_lines,
    "json": _json_array,
    "csv": _csv,
    "text": _text,
    "txt": _text,
    "xml": _xml,
    "msgpack": _msgpack,
}


# --- in ----------------------------------------------------------------------------------------


async def read_value(call: Call) -> Any:  # noqa: ANN401 - decoded JSON
    """The one JSON value of a body; None when there is no body.

    Raises:
        BadArgument: it is not JSON.
    """
    data = (await read_all(call, limit_bytes=LINE_BYTES)).strip()
    return parse_json(data) if data else None


async def read_object(call: Call) -> dict[str, Any]:
    """The JSON object of a body; an empty one when there is no body.

    Raises:
        BadArgument: it is something else.
    """
    value = await read_value(call)
    return {} if value is None else as_object(value)


async def read_values(call: Call) -> list[Any]:
    """The JSON values of a body, one on each line.

    Raises:
        BadArgument: a line is not JSON.
    """
    return [
        parse_json(line)
        async for line in lines(call, limit_bytes_per_line=LINE_BYTES, limit_bytes=BODY_BYTES)
    ]


def as_object(value: object) -> dict[str, Any]:
    """A value that must be a JSON object.

    Raises:
        BadArgument: it is another.
    """
    if not isinstance(value, dict):
        raise BadArgument("body", "must be a JSON object on each line")
    return value
