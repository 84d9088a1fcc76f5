"""Which records a request asks for, and what becomes of each.

Source: Scrapy Cloud items, logs, requests and samples APIs, reading.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from scrapy_do.api.scrapy_cloud.data_filters import Filter, filters_of
from scrapy_do.api.scrapy_cloud.formats import (
    Format,
    RowWriter,
    Value,
    encode_json,
    pack,
    plain_text,
    to_bytes,
)
from scrapy_do.core.job import JobKey
from scrapy_do.errors import BadArgument
from scrapy_do.operations.records import Batch, RecordKey, RecordKind, RecordRange, decode
from scrapy_do.web.params import Params

MOST_SAMPLED = 20
_KEY = re.compile(r"[0-9]{1,18}(/[0-9]{1,18}){0,3}", re.ASCII)
_NO = frozenset({"", "0", "false"})


# --- arguments ---------------------------------------------------------------------------------


def is_set(params: Params, name: str) -> bool:
    """Whether a switch is on: any value but 0 and false, in the spelling of any language."""
    return params.optional_text(name, "").lower() not in _NO


def whole_number(params: Params, name: str) -> int | None:
    """A whole number from 0, however large; None when there is none.

    Raises:
        BadArgument: it is something else.
    """
    text = params.optional_text(name)
    return _number(name, text) if text else None


def _number(name: str, text: str) -> int:
    if not text.isascii() or not text.isdecimal():
        raise BadArgument(name, f"must be a whole number, not {text[:60]!r}")
    return min(int(text[:100]), 10**18)


def range_of(params: Params, wanted: RecordRange) -> RecordRange:
    """Narrow a range by `start`, `startafter`, `index` and `attempt`.

    Raises:
        BadArgument: one of them means nothing.
    """
    wanted = replace(wanted, attempt=asked_attempt(params, wanted))
    if params.optional_text("start") == "random":
        count = whole_number(params, "count")
        if wanted.number is None or count is None or count > MOST_SAMPLED:
            raise BadArgument("start", f"random is for one job and a count up to {MOST_SAMPLED}")
        return replace(wanted, sample=count)
    bounds = [
        _bound(name, text, wanted, is_after=name == "startafter")
        for name in ("start", "startafter")
        if (text := params.optional_text(name))
    ]
    numbers = sorted({_number("index", text) for text in params.texts("index")})
    return replace(
        wanted,
        start=max(bounds, default=None),
        indexes=tuple(numbers) or wanted.indexes,
    )


def asked_attempt(params: Params, wanted: RecordRange) -> int | None:
    """The number of an abandoned attempt of one job, our own addition.

    Raises:
        BadArgument: it is no number from 1, or the range is not of one job.
    """
    number = whole_number(params, "attempt")
    if number is not None and (number < 1 or wanted.number is None):
        raise BadArgument("attempt", "is the number, from 1, of an earlier attempt of one job")
    return number


def _bound(name: str, text: str, wanted: RecordRange, *, is_after: bool) -> RecordKey:
    """The first record of what begins with a key, or of what follows all that begins with it."""
    if not _KEY.fullmatch(text):
        raise BadArgument(name, f"must be a key such as 1/2/3/0, not {text[:60]!r}")
    parts = [int(part) for part in text.split("/")]
    if len(parts) == 1 and wanted.spider is not None and wanted.number is not None:
        parts = [wanted.project, wanted.spider, wanted.number, *parts]
    if is_after:
        parts[-1] += 1
    project, spider, number, index = [*parts, 0, 0, 0][:4]
    return RecordKey(job=JobKey(project=project, spider=spider, number=number), index=index)


# --- records to bytes --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which of the records pass, and what is shown of them.

    `first_ms` is inclusive, `before_ms` exclusive: of the commit time, for samples of their
    own time. `meta` are the names of fields to add. The first `skip` that pass are left out.
    """

    kind: RecordKind
    count: int | None = None
    skip: int = 0
    meta: frozenset[str] = frozenset()
    is_meta_only: bool = False
    filters: Sequence[Filter] = ()
    first_ms: int | None = None
    before_ms: int | None = None

    @classmethod
    def of(cls, params: Params, kind: RecordKind) -> "Choice":
        """Read the arguments of a request.

        Raises:
            BadArgument: one of them means nothing.
        """
        has_meta = kind is not RecordKind.SAMPLES
        return cls(
            kind=kind,
            count=whole_number(params, "count"),
            meta=meta_of(params) if has_meta else frozenset(),
            is_meta_only=has_meta and is_set(params, "nodata"),
            filters=filters_of(params),
            first_ms=whole_number(params, "startts"),
            before_ms=whole_number(params, "endts"),
        )

    @property
    def has_bounds(self) -> bool:
        """Whether times matter."""
        return self.first_ms is not None or self.before_ms is not None


def meta_of(params: Params) -> frozenset[str]:
    """The fields that are to be added to records: `_key`, `_ts`."""
    return frozenset(params.texts("meta")) & {"_key", "_ts"}


class RecordTaker:
    """Writes the records that are wanted in a format; see `Taker`."""

    def __init__(self, choice: Choice, form: Format) -> None:
        self._choice = choice
        self._form = form
        self._rows = RowWriter(form)
        self._left = choice.count
        self._to_skip = choice.skip
        self.needs_times = "_ts" in choice.meta or (
            choice.has_bounds and choice.kind is not RecordKind.SAMPLES
        )
        self.is_full = choice.count == 0
        self._is_plain = (
            form.encode is None
            and form.end == b"\n"
            and not (choice.meta or choice.is_meta_only or choice.filters or choice.has_bounds)
            and choice.count is None
            and choice.skip == 0
        )

    def take(self, batch: Batch) -> bytes:
        """Write those of a batch."""
        return batch.intact() if self._is_plain else self._rows.join(self._taken(batch))

    def _taken(self, batch: Batch) -> Iterator[bytes]:
        for index, committed_ms, line in batch.records():
            if self.is_full:
                return
            made = self._written(batch.job, index, committed_ms, line)
            if made is None:
                continue
            if self._to_skip:
                self._to_skip -= 1
                continue
            if self._left is not None:
                self._left -= 1
                self.is_full = self._left == 0
            yield made

    def _written(self, job: JobKey, index: int, committed_ms: int, line: bytes) -> bytes | None:
        """A record, or None if it does not pass."""
        choice, encode = self._choice, self._form.encode
        is_object = line.startswith(b"{") and line.endswith(b"}")
        value: Value = None
        if encode or choice.filters or choice.kind is RecordKind.SAMPLES or not is_object:
            value = decode(line)
            if value is None or not all(one.passes(value) for one in choice.filters):
                return None
        if choice.has_bounds and not self._is_in_time(committed_ms, value):
            return None
        meta = self._meta(job, index, committed_ms)
        if choice.is_meta_only:
            return self._form.written(meta)
        if encode is not None:
            return encode({**value, **meta} if meta and isinstance(value, dict) else value)
        return add_members(line, meta) if meta and is_object else line

    def _is_in_time(self, committed_ms: int, value: Value) -> bool:
        time_ms: Value = committed_ms
        if self._choice.kind is RecordKind.SAMPLES:
            time_ms = value[0] if isinstance(value, list) and value else None
        if not isinstance(time_ms, int | float):
            return False
        first_ms, before_ms = self._choice.first_ms, self._choice.before_ms
        return (first_ms is None or first_ms <= time_ms) and (
            before_ms is None or time_ms < before_ms
        )

    def _meta(self, job: JobKey, index: int, committed_ms: int) -> dict[str, Value]:
        meta: dict[str, Value] = {}
        if "_key" in self._choice.meta:
            meta["_key"] = f"{job}/{index}"
        if "_ts" in self._choice.meta:
            meta["_ts"] = committed_ms
        return meta


def add_members(text: bytes, members: Mapping[str, Value]) -> bytes:
    """The text of an object with members added, last, so that they win over its own."""
    inside = text[:-1].rstrip()
    comma = b"" if inside == b"{" else b","
    return inside + comma + encode_json(members)[1:]


class FieldTaker:
    """Writes one field of a record: text as it is, anything else as JSON; or msgpack."""

    needs_times = False

    def __init__(self, field: str, *, is_packed: bool) -> None:
        self._field = field
        self._is_packed = is_packed
        self.is_full = False

    def take(self, batch: Batch) -> bytes:
        """Write it; nothing where there is no such field."""
        for _index, _committed_ms, line in batch.records():
            value = decode(line)
            if isinstance(value, dict) and self._field in value:
                self.is_full = True
                found = value[self._field]
                return pack(found) if self._is_packed else to_bytes(plain_text(found))
        return b""
