"""Bodies of JSON lines, judged to the last line before the first one is stored.

Source: Scrapy Cloud items, logs, requests and samples APIs, writing. Its clients repeat a
refused batch for hours, so what can be stored is not refused.
"""

import json
import re
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from scrapy_do.api.scrapy_cloud.data_reading import whole_number
from scrapy_do.api.scrapy_cloud.formats import Value, encode_json
from scrapy_do.errors import Invalid, TooLarge
from scrapy_do.operations.records import VALUE_LIMIT_BYTES, RecordKind
from scrapy_do.web.lines import lines
from scrapy_do.web.router import Call
from scrapy_do.web.upload import BodyRules

BODY_BYTES = 1024 * 1024 * 1024
BODY = BodyRules(limit_bytes=BODY_BYTES, raw=True)
"""A client sends a thousand values, each of up to 1 MiB, at a time."""

HELD_BYTES = 4 * 1024 * 1024
"""How much of a body is kept while it is judged; a larger one is read twice."""

JUDGED_BYTES = 256 * 1024
LONGEST_NAME_BYTES = 1024
DEEPEST = 200  # levels of nesting

_RANGE = re.compile(r"items\s+([0-9]{1,18})-.*", re.ASCII)

_Judged = TypeVar("_Judged")


class BadLine(Invalid):
    """A line of a body that cannot be stored; then nothing of the body is.

    Source: Scrapy Cloud collections API, its sentences.
    """

    def __init__(self, problem: str) -> None:
        super().__init__(f"Error parsing data, {problem}")


def first_number(call: Call) -> int | None:
    """The number of the first record, by `start` or Content-Range; None: behind the last.

    Raises:
        BadArgument: `start` is no number.
    """
    start = whole_number(call.params, "start")
    found = _RANGE.fullmatch(call.header("Content-Range").strip())
    if start is None and found is not None:
        return int(found.group(1))
    return start


async def judged_lines(
    call: Call, judge: Callable[[bytes], _Judged]
) -> AsyncIterable[Sequence[_Judged]]:
    """What a judge makes of the lines of a body, in runs.

    Raises:
        BadRecord, TooLarge, Malformed: some line, or the body, is wrong.
    """
    held: list[Sequence[_Judged]] = []
    total_bytes = 0
    async for run, run_bytes in _runs(call, judge):
        total_bytes += run_bytes
        held.append(run)
        if total_bytes > HELD_BYTES:
            held.clear()
    return _again(call, judge) if total_bytes > HELD_BYTES else _given(held)


async def _given(runs: Sequence[Sequence[_Judged]]) -> AsyncGenerator[Sequence[_Judged], None]:
    for run in runs:
        yield run


async def _again(
    call: Call, judge: Callable[[bytes], _Judged]
) -> AsyncGenerator[Sequence[_Judged], None]:
    async for run, _ in _runs(call, judge):
        yield run


async def _runs(
    call: Call, judge: Callable[[bytes], _Judged]
) -> AsyncGenerator[tuple[Sequence[_Judged], int], None]:
    """Judge the lines in threads, some at a time; with the size of these in bytes."""
    found = lines(call, limit_bytes_per_line=VALUE_LIMIT_BYTES, limit_bytes=BODY_BYTES)
    run: list[bytes] = []
    run_bytes = 0
    async for line in found:
        run.append(line)
        run_bytes += len(line)
        if run_bytes >= JUDGED_BYTES:
            yield await call.in_thread(_judging(judge, run)), run_bytes
            run, run_bytes = [], 0
    if run:
        yield await call.in_thread(_judging(judge, run)), run_bytes


def _judging(
    judge: Callable[[bytes], _Judged], run: Sequence[bytes]
) -> Callable[[], list[_Judged]]:
    return lambda: [judge(line.strip()) for line in run]


# --- one line ----------------------------------------------------------------------------------


def parse_record(line: bytes) -> tuple[Value, bytes]:
    """The value of a line, and its text as it can be stored.

    NaN and infinities, which some clients send but JSON does not have, become null.

    Raises:
        BadRecord: it is no JSON text, or nested too deeply.
    """
    constants: list[str] = []
    try:
        text = line.decode("utf-8")
        decoder = _DECODER if "N" not in text and "I" not in text else _noting(constants)
        value = decoder.decode(text)
    except RecursionError:
        raise BadLine("nested too deeply") from None
    except ValueError as error:
        raise BadLine(f"not a line of JSON: {str(error)[:200]}") from None
    if line.count(b"[") + line.count(b"{") > DEEPEST and _is_deep(value):
        raise BadLine("nested too deeply")
    return value, encode_json(value) if constants else line


_DECODER = json.JSONDecoder()


def _noting(constants: list[str]) -> json.JSONDecoder:
    return json.JSONDecoder(parse_constant=constants.append)


def _is_deep(value: Value) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        level = [
            member
            for one in level
            if isinstance(one, dict | list)
            for member in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return False
    return True


def parse_object(line: bytes) -> tuple[dict[str, Any], bytes]:
    """As `parse_record`, for a line that must be an object.

    Raises:
        BadRecord: it is none.
    """
    value, text = parse_record(line)
    if not isinstance(value, dict):
        raise BadLine("a line must be an object")
    return value, text


# --- the kinds of records ----------------------------------------------------------------------

_REQUEST_TEXTS = ("url", "method")
_REQUEST_NUMBERS = ("status", "rs", "duration", "time")
_REQUEST_OPTIONAL = ("parent", "fp")


def judge_of(kind: RecordKind, now_ms: int) -> Callable[[bytes], bytes]:
    """What makes of a line of a kind the line to be stored, or raises.

    `now_ms` is the time of logs that say none.
    """
    return lambda line: _bounded(_record(kind, line, now_ms))


def _record(kind: RecordKind, line: bytes, now_ms: int) -> bytes:
    match kind:
        case RecordKind.ITEMS:
            return parse_object(line)[1]
        case RecordKind.LOGS:
            return _log(parse_object(line)[0], now_ms)
        case RecordKind.REQUESTS:
            return _request(parse_object(line)[0])
        case RecordKind.SAMPLES:
            return _sample(line)


def _bounded(line: bytes) -> bytes:
    if len(line) > VALUE_LIMIT_BYTES:
        raise TooLarge("A line", VALUE_LIMIT_BYTES)
    return line


def _log(record: Mapping[str, Value], now_ms: int) -> bytes:
    time_ms = now_ms if record.get("time") is None else _whole(record, "time")
    return encode_json(
        {"time": time_ms, "level": _whole(record, "level"), "message": _text(record, "message")}
    )


def _request(record: Mapping[str, Value]) -> bytes:
    return encode_json(
        {
            **{name: _text(record, name) for name in _REQUEST_TEXTS},
            **{name: _whole(record, name) for name in _REQUEST_NUMBERS},
            **{name: record[name] for name in _REQUEST_OPTIONAL if record.get(name) is not None},
        }
    )


def _sample(line: bytes) -> bytes:
    value, text = parse_record(line)
    if not isinstance(value, list) or not value or not _is_number(value[0]):
        raise BadLine("a sample must be an array that begins with its time")
    return text


def _text(record: Mapping[str, Value], name: str) -> str:
    value = _required(record, name)
    if not isinstance(value, str):
        raise BadLine(f"the {name} field must be a text")
    return value


def _whole(record: Mapping[str, Value], name: str) -> int:
    value = _required(record, name)
    if not _is_number(value) or not abs(value) < 2**63:
        raise BadLine(f"the {name} field must be a whole number")
    return int(value)


def _required(record: Mapping[str, Value], name: str) -> Value:
    if record.get(name) is None:
        raise BadLine(f"missing value for {name} field")
    return record[name]


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


# --- names -------------------------------------------------------------------------------------


def parse_name(record: Mapping[str, Value], field: str) -> str:
    """A field that names something in the database.

    Raises:
        BadRecord: it is absent, no text, or none that a database can hold.
    """
    name = record.get(field)
    if not isinstance(name, str) or not name:
        raise BadLine(f"missing value for {field} field")
    return checked_text(field, name)


def checked_text(field: str, text: str) -> str:
    """A text that every database can hold and find.

    Raises:
        BadRecord: it is too long, or has characters that a database lacks.
    """
    if "\0" in text or len(text.encode("utf-8", "replace")) > LONGEST_NAME_BYTES:
        raise BadLine(f"the {field} field is too long, or holds a NUL")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise BadLine(f"the {field} field is no Unicode text")
    return text
