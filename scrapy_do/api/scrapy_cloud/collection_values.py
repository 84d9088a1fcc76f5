"""Values of collections: what a request asks for, what it sends, and how a value is shown.

Source: Scrapy Cloud collections API.
"""

import json
import re
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from typing import Any

from scrapy_do.api.scrapy_cloud.data_filters import filters_of
from scrapy_do.api.scrapy_cloud.data_reading import add_members, is_set, whole_number
from scrapy_do.api.scrapy_cloud.data_writing import BadLine, parse_name, parse_object, parse_record
from scrapy_do.api.scrapy_cloud.formats import Format, RowWriter, Value, encode_json
from scrapy_do.core.collection import CollectionKind, CollectionName, StoredValue
from scrapy_do.errors import BadArgument
from scrapy_do.operations.cloud.collections import ValueQuery
from scrapy_do.web.params import Params

_NAME = re.compile(r"\w{1,200}")
_KINDS = {kind.value: kind for kind in CollectionKind}
_META = frozenset({"_key", "_ts"})


def collection_of(project: int, kind: str, name: str) -> CollectionName:
    """The collection of a path.

    Raises:
        BadArgument: there is no such kind, or the name cannot be one.
    """
    if kind not in _KINDS:
        raise BadArgument("type", f"must be one of {', '.join(_KINDS)}, not {kind[:60]!r}")
    return CollectionName(project=project, kind=_KINDS[kind], name=checked_name("name", name))


def checked_name(argument: str, name: str) -> str:
    """A name that a collection may have.

    Raises:
        BadArgument: it has other characters than letters, digits and `_`.
    """
    if not _NAME.fullmatch(name):
        raise BadArgument(argument, f"{name[:60]!r} is not letters, digits and '_' only")
    return name


# --- asked for ---------------------------------------------------------------------------------


def query_of(params: Params) -> ValueQuery:
    """Which values, by their keys and times.

    Raises:
        BadArgument: some argument means nothing.
    """
    return ValueQuery(
        keys=params.texts("key") or None,
        prefixes=tuple(prefix for prefix in params.texts("prefix") if prefix),
        prefix_count=whole_number(params, "prefixcount"),
        start=params.optional_text("start", ""),
        start_after=params.optional_text("startafter") or None,
        first_ms=whole_number(params, "startts"),
        before_ms=whole_number(params, "endts"),
    )


def passes_of(params: Params) -> Callable[[StoredValue], bool] | None:
    """Which values, by their content; None when that does not matter.

    Raises:
        BadArgument: a filter means nothing.
    """
    filters = filters_of(params)
    if not filters:
        return None

    def passes(stored: StoredValue) -> bool:
        value = json.loads(stored.text)
        return all(one.passes(value) for one in filters)

    return passes


def any_value(_stored: StoredValue) -> bool:
    """Let every value pass."""
    return True


# --- shown -------------------------------------------------------------------------------------


class ShownValue:
    """How values are shown: their text with the meta fields that are asked for."""

    def __init__(self, params: Params) -> None:
        self._meta = frozenset(params.texts("meta")) & _META
        self._is_meta_only = is_set(params, "nodata")

    def text(self, stored: StoredValue) -> bytes:
        """The JSON of a value."""
        meta = self._meta_of(stored)
        if self._is_meta_only:
            return encode_json(meta)
        text = stored.text.encode("ascii")
        return add_members(text, meta) if meta else text

    def value(self, stored: StoredValue) -> Value:
        """The value itself."""
        meta = self._meta_of(stored)
        return meta if self._is_meta_only else {**json.loads(stored.text), **meta}

    def _meta_of(self, stored: StoredValue) -> dict[str, Value]:
        meta = {"_key": stored.key, "_ts": stored.written_ms}
        return {name: meta[name] for name in meta if name in self._meta}


class ValueWriter:
    """Writes the values that are wanted in a format; see `ValueTaker`."""

    def __init__(self, params: Params, form: Format) -> None:
        self._form = form
        self._rows = RowWriter(form)
        self._shown = ShownValue(params)
        self._passes = passes_of(params) or any_value
        self._left = whole_number(params, "count")
        self.is_full = self._left == 0

    def take(self, values: Sequence[StoredValue]) -> bytes:
        """Write those that pass."""
        return self._rows.join(self._taken(values))

    def _taken(self, values: Sequence[StoredValue]) -> Iterator[bytes]:
        encode = self._form.encode
        for stored in values:
            if self.is_full:
                return
            if not self._passes(stored):
                continue
            if self._left is not None:
                self._left -= 1
                self.is_full = self._left == 0
            yield encode(self._shown.value(stored)) if encode else self._shown.text(stored)


# --- sent --------------------------------------------------------------------------------------


def keyed_line(line: bytes) -> tuple[str, str]:
    """The key and the text of a value in a line.

    Raises:
        BadRecord: it is no object with a `_key`.
    """
    return keyed(parse_object(line)[0])


def keyed(value: dict[str, Any]) -> tuple[str, str]:
    """The key and the text of a value with a `_key`.

    Raises:
        BadRecord: it has none.
    """
    key = parse_name(value, "_key")
    # NaN and infinities have become null already in the text that was parsed.
    return key, encode_json({name: value[name] for name in value if name != "_key"}).decode()


def parse_texts(line: bytes) -> list[str]:
    """The texts in a line: one, or an array of them.

    Raises:
        BadRecord: there is something else.
    """
    value, _ = parse_record(line)
    texts = value if isinstance(value, list) else [value]
    if not all(isinstance(text, str) for text in texts):
        raise BadLine("a line must be a text or an array of texts")
    return texts


async def once(pairs: Sequence[tuple[str, str]]) -> AsyncGenerator[Sequence[tuple[str, str]], None]:
    """Some pairs as the only run."""
    yield pairs
