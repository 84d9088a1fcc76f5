"""Counts over captured records, as the Scrapy Cloud API defines them, folded in as records come.

The counts of what was seen so far lie in a file beside the records, with the place up to
which they hold, so that a read costs only what was written since the last one.
Source: Scrapy Cloud items, logs and requests APIs, `stats`.

Blocking: called off the reactor thread.
"""

import json
import os
import tempfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from scrapy_do.protocol.record_file import beside, scan
from scrapy_do.protocol.regular_file import opened, read_whole

STATS_SUFFIX = ".stats"
ERROR_LEVEL = 40

# A crawl may invent field names for ever: beyond these limits names are not counted.
FIELD_LIMIT = 10_000
FIELD_NAME_LIMIT = 256  # characters

_MARK_BYTES = 256
_REQUEST_FIELDS = ("url", "status", "method", "rs", "duration", "parent", "fp")
_REQUEST_SIZED = ("url", "parent", "status", "rs", "duration")
_REQUEST_EXTRA_BYTES = 3
_LOG_EXTRA_BYTES = 1

_WIDTHS = (0x100, 0x1_0000, 0x1_0000_0000)  # what fits in 1, 2 and 4 bytes
_SHORT_TEXT = 32
_SHORT_CONTAINER = 16
_SMALLEST, _LARGEST = -32, 127  # integers in one byte
_NUMBER_BYTES = 9  # a float, or a 64-bit integer

_FILE_LIMIT_BYTES = FIELD_LIMIT * (FIELD_NAME_LIMIT * 6 + 32)


class RecordKind(StrEnum):
    """What the records of a file are; it decides what is counted."""

    ITEMS = "items"
    REQUESTS = "requests"
    LOGS = "logs"
    SAMPLES = "samples"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordStats:
    """How many records there are, what they weigh, and how often each field occurs.

    `counts` is by field name; for logs by the level, as text. `input_bytes` is what the
    values would take as msgpack, whatever they take on the disk.
    """

    input_values: int
    input_bytes: int
    counts: Mapping[str, int]

    @property
    def errors(self) -> int:
        """How many of the logs are of level ERROR or above."""
        return sum(
            count
            for level, count in self.counts.items()
            if level.isdecimal() and int(level) >= ERROR_LEVEL
        )

    def visible_counts(self) -> dict[str, int]:
        """Return the counts without the fields whose name begins with an underscore."""
        return {name: count for name, count in self.counts.items() if not name.startswith("_")}


@dataclass(slots=True)
class Tally:
    """Running counts of records of one kind; what is no JSON value is not counted."""

    kind: RecordKind
    input_values: int = 0
    input_bytes: int = 0
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, line: bytes, times: int = 1) -> None:
        """Count a stored line; with `times` = -1, take it out again."""
        value = decode(line)
        if value is None:
            return
        names, size_bytes = _MEASURES[self.kind](value)
        self.input_values += times
        self.input_bytes += times * size_bytes
        counts = self.counts
        for name in names:
            if name in counts:
                counts[name] += times
                if not counts[name]:
                    del counts[name]
            elif times > 0 and len(counts) < FIELD_LIMIT and len(name) <= FIELD_NAME_LIMIT:
                counts[name] = times

    def stats(self) -> RecordStats:
        """Return the counts as they are now."""
        return RecordStats(
            input_values=self.input_values,
            input_bytes=self.input_bytes,
            counts=dict(self.counts),
        )


def decode(line: bytes) -> object:
    """Return the value of a stored line; None for a gap and for what is no JSON value."""
    try:
        return json.loads(line) if line else None
    except (ValueError, RecursionError):
        return None


def tally(path: Path, kind: RecordKind) -> tuple[Tally, int]:
    """Count the records of a file, starting from what was counted before.

    Returns:
        The counts, and the offset up to which they hold.
    """
    with opened(path) as data:
        if data is None:
            return Tally(kind), 0
        counted, known = _load(path, kind, data)
        end = known
        for end, line in scan(data, known):  # noqa: B007 - the last offset is used
            counted.add(line)
        if end != known:
            save(path, counted, end)
    return counted, end


def save(path: Path, counted: Tally, end: int) -> None:
    """Remember counts that hold up to an offset of the record file."""
    # Only a shortcut for the next time: without it the records are counted again.
    with suppress(OSError), opened(path) as data:
        content = {
            "end": end,
            "mark": _mark(data, end),
            "input_values": counted.input_values,
            "input_bytes": counted.input_bytes,
            "counts": counted.counts,
        }
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - no path
            json.dump(content, file)
        Path(temporary).replace(beside(path, STATS_SUFFIX))


def forget_stats(path: Path) -> None:
    """Drop the remembered counts, before records are changed that they cover."""
    beside(path, STATS_SUFFIX).unlink(missing_ok=True)


def _load(path: Path, kind: RecordKind, data: int) -> tuple[Tally, int]:
    """Return remembered counts if they fit the record file, else none."""
    with opened(beside(path, STATS_SUFFIX)) as file:
        content = None if file is None else read_whole(file, _FILE_LIMIT_BYTES)
    match decode(content or b""):
        case {
            "end": int(end),
            "mark": int(mark),
            "input_values": int(values),
            "input_bytes": int(size_bytes),
            "counts": dict(counts),
        } if (
            0 < end <= os.fstat(data).st_size
            and mark == _mark(data, end)
            and all(isinstance(count, int) for count in counts.values())
        ):
            counted = Tally(kind, input_values=values, input_bytes=size_bytes, counts=counts)
            return counted, end
    return Tally(kind), 0


def _mark(data: int | None, end: int) -> int:
    """Return a checksum of the bytes before an offset: it tells whether the file was changed."""
    start = max(0, end - _MARK_BYTES)
    return 0 if data is None else zlib.crc32(os.pread(data, end - start, start))


# --- what each kind counts ---------------------------------------------------------------------


def _measure_item(value: object) -> tuple[Iterable[str], int]:
    return value if isinstance(value, dict) else (), packed_size(value)


def _measure_request(value: object) -> tuple[Iterable[str], int]:
    fields = value if isinstance(value, dict) else {}
    names = [name for name in _REQUEST_FIELDS if fields.get(name) is not None]
    size_bytes = sum(packed_size(fields.get(name)) for name in _REQUEST_SIZED)
    return names, size_bytes + _REQUEST_EXTRA_BYTES


def _measure_log(value: object) -> tuple[Iterable[str], int]:
    fields = value if isinstance(value, dict) else {}
    message = fields.get("message")
    text = message if isinstance(message, str) else ""
    return (str(fields.get("level")),), _text_bytes(text) + _LOG_EXTRA_BYTES


def _measure_sample(value: object) -> tuple[Iterable[str], int]:
    return (), packed_size(value)


_MEASURES: Mapping[RecordKind, Callable[[object], tuple[Iterable[str], int]]] = {
    RecordKind.ITEMS: _measure_item,
    RecordKind.REQUESTS: _measure_request,
    RecordKind.LOGS: _measure_log,
    RecordKind.SAMPLES: _measure_sample,
}


# --- sizes as msgpack --------------------------------------------------------------------------


def packed_size(value: object) -> int:
    """Return how many bytes a JSON value takes as msgpack.

    Integers beyond 64 bits, which msgpack does not have, count as 9. Source: the
    MessagePack specification, each value in its shortest form, floats in 64 bits.
    """
    total = 0
    waiting = [value]
    for part in waiting:  # grows while it is walked: no recursion, however deep the value
        if isinstance(part, str):
            length = _text_bytes(part)
            total += length + (1 if length < _SHORT_TEXT else _header_bytes(length))
        elif part is None or isinstance(part, bool):
            total += 1
        elif isinstance(part, int):
            total += _integer_bytes(part)
        elif isinstance(part, float):
            total += _NUMBER_BYTES
        else:
            assert isinstance(part, dict | list)
            length = len(part)
            # Containers have no 8-bit form: 3 bytes up to 65,535 members.
            total += 1 if length < _SHORT_CONTAINER else max(3, _header_bytes(length))
            waiting.extend(part)
            if isinstance(part, dict):
                waiting.extend(part.values())
    return total


def _text_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _header_bytes(length: int) -> int:
    return 2 if length < _WIDTHS[0] else 3 if length < _WIDTHS[1] else 5


def _integer_bytes(number: int) -> int:
    if _SMALLEST <= number <= _LARGEST:
        return 1
    # -n needs as many bits as n - 1 and one for the sign.
    span = number if number >= 0 else 2 * (-number - 1)
    widths = zip(_WIDTHS, (2, 3, 5), strict=True)
    return next((size for width, size in widths if span < width), _NUMBER_BYTES)
