"""What a project hands over, as JSON and as text, whatever it is.

Note [Values of a record]: a record holds what a feed of JSON lines of the same crawl would
hold: the serializers of fields are asked, and Scrapy's own encoder. Where a feed gives up, a
value that has a text of its own (a UUID, a path, an address, bytes that are UTF-8) is that
text, a collection is an array, an array of numbers its numbers, and a number that is not
finite is null, as JSON has none. What then remains has no value, only an address in memory,
or no end: the item is not kept, and an error says which field it was.
"""

import math
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Any, NoReturn

from itemadapter import ItemAdapter
from scrapy.exporters import BaseItemExporter
from scrapy.utils.serialize import ScrapyJSONEncoder

from scrapy_do.protocol.record_file import LINE_LIMIT_BYTES

_SHOWN_CHARACTERS = 200
_TYPE = "_type"


class CannotEncodeError(ValueError):
    """An item that has no JSON; the message names the item and its field."""


# --- texts -------------------------------------------------------------------------------------


def text_of(value: object) -> str:
    """Return the text of anything, such as UTF-8 and every database can hold; never fail."""
    return _text(value, _decoded if isinstance(value, bytes | bytearray) else str)


def _text(value: Any, read: Callable[[Any], str]) -> str:  # noqa: ANN401 - values are anything
    try:
        text = read(value)
    except Exception as error:  # noqa: BLE001 - what a project's own text raises
        text = f"<{type(value).__name__} without a text: {type(error).__name__}>"
    # Of `str`, as a class made from it may do anything.
    plain = str.encode(text, "utf-8", "backslashreplace").decode()
    return plain.replace("\0", r"\x00")


def _decoded(value: bytes | bytearray) -> str:
    return value.decode("utf-8", "backslashreplace")


# --- items -------------------------------------------------------------------------------------


class _Encoder(ScrapyJSONEncoder):
    """Scrapy's encoder, which knows items, times and decimals, and what has a text of its own."""

    def default(self, o: Any) -> Any:  # noqa: ANN401 - the signature of `json`
        try:
            return super().default(o)
        except TypeError:
            return _readable(o)


def _readable(value: Any) -> Any:  # noqa: ANN401 - values are anything
    """Return what JSON has for a value that Scrapy's encoder does not know."""
    if isinstance(value, bytes | bytearray):
        return value.decode()
    if isinstance(value, Mapping):
        return dict(value)
    kind = type(value)
    if hasattr(kind, "tolist"):  # numpy, pandas, `array`
        return value.tolist()
    if kind.__str__ not in (object.__str__, kind.__repr__):
        return str(value)
    if isinstance(value, Collection):
        return list(value)
    raise TypeError(f"an object of type {kind.__name__} has no JSON")


_ENCODER = _Encoder(allow_nan=False, separators=(",", ":"))


class _Fields(BaseItemExporter):
    """Scrapy's own way to the fields of an item."""

    def export_item(self, item: Any) -> None:  # noqa: ANN401 - the signature of Scrapy
        raise NotImplementedError

    def serialize_field(self, field: Mapping[str, Any], name: str, value: Any) -> Any:  # noqa: ANN401 - the signature of Scrapy
        if "serializer" not in field:
            return value
        try:
            return super().serialize_field(field, name, value)
        except Exception as error:  # whatever the project's function raises
            raise _FieldError(name, f"its serializer failed: {_why(error)}") from error


class _FieldError(ValueError):
    """A field that has no JSON."""

    def __init__(self, name: object, why: str) -> None:
        super().__init__(f"its field {text_of(name)[:_SHOWN_CHARACTERS]!r} cannot be kept: {why}")


_FIELDS = _Fields()


def is_item(value: object) -> bool:
    """Whether Scrapy takes a value for an item."""
    return type(value) is dict or ItemAdapter.is_item(value)


def encode_item(item: object) -> bytes:
    """Return an item as one line of JSON, `_type` added. See Note [Values of a record].

    Raises:
        CannotEncodeError: it has no JSON, or too much.
    """
    try:
        fields = dict(item if type(item) is dict else _FIELDS.get_serialized_fields(item))
        fields.setdefault(_TYPE, type(item).__name__)
        line = encode_fields(fields)
        if len(line) > LINE_LIMIT_BYTES:
            _refuse_largest(fields)
    except Exception as error:  # an item may be any object
        shown = " ".join(_text(item, repr).split())[:_SHOWN_CHARACTERS]
        raise CannotEncodeError(f"{type(item).__name__} {shown}: {_why(error)}") from error
    return line


def encode_fields(fields: Mapping[Any, Any]) -> bytes:
    """Return fields as one line of JSON.

    Raises:
        ValueError: a field has none; the message names it.
    """
    with suppress(Exception):  # the long way, field by field, finds out which and why
        return _ENCODER.encode(fields).encode()
    return _ENCODER.encode({_name(one): _field(one, fields[one]) for one in fields}).encode()


def _field(name: object, value: object) -> Any:  # noqa: ANN401 - JSON is anything
    try:
        plain = _plain(value)
        _ENCODER.encode(plain)
    except RecursionError:
        raise _FieldError(name, "it contains itself, or is nested too deeply") from None
    except Exception as error:  # whatever the methods of a project's objects raise
        raise _FieldError(name, _why(error)) from error
    return plain


def _plain(value: Any) -> Any:  # noqa: ANN401 - JSON is anything
    match value:
        case None | str() | int():
            return value
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {_name(one): _plain(member) for one, member in value.items()}
        case list() | tuple():
            return [_plain(member) for member in value]
    return _plain(_ENCODER.default(value))


def _name(name: Any) -> Any:  # noqa: ANN401 - the names of a dictionary are anything
    """Return what JSON has for the name of a field."""
    is_plain = (
        math.isfinite(name) if isinstance(name, float) else isinstance(name, str | int | None)
    )
    return name if is_plain else text_of(name)


def _refuse_largest(fields: Mapping[Any, Any]) -> NoReturn:
    sizes = {name: len(encode_fields({name: value})) for name, value in fields.items()}
    largest = max(sizes, key=sizes.__getitem__)
    raise _FieldError(largest, f"{sizes[largest]} bytes; an item may have {LINE_LIMIT_BYTES}")


def _why(error: Exception) -> str:
    words = text_of(error)
    return words if isinstance(error, _FieldError) else f"{type(error).__name__}: {words}"
