"""Values to bytes and back: JSON lines, one JSON array, CSV.

Source: Scrapy Cloud: every line of an answer is one JSON value, never an empty line; "no
result" is an empty body. Bodies of requests are JSON lines without a Content-Type.
"""

import csv
import io
import json
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from enum import StrEnum
from typing import Any

from scrapy_do.errors import BadArgument
from scrapy_do.web.answer import Answer, Response, Stream, Written, few
from scrapy_do.web.lines import lines, read_all
from scrapy_do.web.router import Call
from scrapy_do.web.upload import BodyRules, parse_json

BODY_BYTES = 4 * 1024 * 1024
LINE_BYTES = 1024 * 1024
RAW = BodyRules(limit_bytes=BODY_BYTES, raw=True)
"""What a service for storage takes: bytes, whatever their type is said to be."""

JSON_TYPE = "application/json"
JSON_LINES_TYPE = "application/x-jsonlines; charset=UTF-8"
EMPTY = Response()
"""The answer to a write that succeeded."""

WHOLE_BYTES = 64 * 1024
"""An answer up to this size is sent at once, with its length."""

Row = Any
Pages = AsyncGenerator[Iterable[Row], None]
Chunks = AsyncGenerator[bytes, None]


class Format(StrEnum):
    """How a list of values is written."""

    JSON_LINES = "jl"
    JSON = "json"
    CSV = "csv"


_TYPES: Mapping[str, Format] = {
    "application/x-jsonlines": Format.JSON_LINES,
    "application/json": Format.JSON,
    "text/csv": Format.CSV,
}
_CONTENT_TYPES: Mapping[Format, str] = {
    Format.JSON_LINES: JSON_LINES_TYPE,
    Format.JSON: JSON_TYPE,
    Format.CSV: "text/csv; charset=UTF-8",
}


def format_of(call: Call, *formats: Format) -> Format:
    """The format that a client wants, of those that there are; the first is the default.

    The query argument `format` wins over the Accept header.

    Raises:
        BadArgument: there is no such format.
    """
    named = call.params.optional_text("format")
    if named is not None:
        if named not in formats:
            raise BadArgument("format", f"must be one of {', '.join(formats)}")
        return Format(named)
    for accepted in call.header("Accept").split(","):
        kind = _TYPES.get(accepted.partition(";")[0].strip().lower())
        if kind in formats:
            return kind
    return formats[0]


# --- out ---------------------------------------------------------------------------------------


def encoded(value: object) -> bytes:
    """A value as one line of JSON without its end.

    Raises:
        ValueError: it holds what JSON does not have.
    """
    return _ENCODER.encode(value).encode("utf-8", "backslashreplace")


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def one_value(value: object) -> Response:
    """A single JSON value on one line."""
    return Response(body=encoded(value), content_type=JSON_TYPE)


def json_lines(rows: Iterable[Row]) -> Written:
    """Values in memory, one on each line."""
    return Written(
        pieces=(b"".join(encoded(row) + b"\n" for row in run) for run in few(rows)),
        content_type=JSON_LINES_TYPE,
    )


async def listed(call: Call, pages: Pages, wanted: Format) -> Answer:
    """A list of values of any length: at once when it is small, else piece by piece.

    Raises:
        BadArgument: CSV without the names of its columns.
    """
    content_type = _CONTENT_TYPES[wanted]
    chunks = _encoder(call, wanted)(pages)
    head: list[bytes] = []
    size_bytes = 0
    async for chunk in chunks:
        head.append(chunk)
        size_bytes += len(chunk)
        await call.pause()
        if size_bytes > WHOLE_BYTES:
            return Stream(chunks=_continued(head, chunks), content_type=content_type)
    return Response(body=b"".join(head), content_type=content_type)


async def _continued(head: list[bytes], rest: Chunks) -> Chunks:
    async with aclosing(rest):
        while head:
            yield head.pop(0)
        async for chunk in rest:
            yield chunk


async def _pieces(pages: Pages) -> AsyncGenerator[Sequence[Row], None]:
    """The rows in runs that make small pieces of an answer; no run is empty."""
    async with aclosing(pages):
        async for page in pages:
            for run in few(page):
                yield run


async def _lines(pages: Pages) -> Chunks:
    async for rows in _pieces(pages):
        yield b"".join(encoded(row) + b"\n" for row in rows)


async def _array(pages: Pages) -> Chunks:
    opening = b"["
    async for rows in _pieces(pages):
        yield opening + b",".join(encoded(row) for row in rows)
        opening = b","
    yield b"[]" if opening == b"[" else b"]"


def _csv(call: Call) -> Callable[[Pages], Chunks]:
    """Write the columns that `fields` names, after a line of names if they are asked for."""
    fields = [name for text in call.params.texts("fields") for name in text.split(",") if name]
    if not fields:
        raise BadArgument("fields", "must name the columns of CSV, as in fields=key,state")
    with_names = call.params.flag("include_headers")

    async def chunks(pages: Pages) -> Chunks:
        if with_names:
            yield _csv_lines([fields])
        async for rows in _pieces(pages):
            yield _csv_lines([[_cell(row.get(name)) for name in fields] for row in rows])

    return chunks


def _csv_lines(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode("utf-8", "backslashreplace")


def _cell(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else encoded(value).decode("utf-8")


def _encoder(call: Call, wanted: Format) -> Callable[[Pages], Chunks]:
    match wanted:
        case Format.JSON_LINES:
            return _lines
        case Format.JSON:
            return _array
        case Format.CSV:
            return _csv(call)


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
