"""What bodies of requests hold: fields, files, JSON, raw bytes; and how they are read.

`sinks.py` takes bodies in as they arrive.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

from scrapy_do.errors import BadArgument, TooLarge
from scrapy_do.web.spool import Spool
from scrapy_do.web.status import Malformed

FORM_BYTES = 4 * 1024 * 1024
FIELD_BYTES = 1024 * 1024
FIELDS = 1000
JSON_BYTES = 1024 * 1024
JSON_DEPTH = 64

Fields = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadedFile:
    """A file part on disk, until the request ends; rename it away to keep it.

    `filename` is what the client called it: text for messages, never a path.
    """

    path: Path
    size_bytes: int
    filename: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A body that is no form: its bytes as sent, still encoded as `encoding` says."""

    spool: Spool
    content_type: str
    encoding: str

    @property
    def size_bytes(self) -> int:
        """The size as sent."""
        return self.spool.size_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What a body held. Repeated fields keep their order; of repeated files the first wins.

    `document` is the value of a JSON body; `body` is there when the body was of another
    type, or when the route wants raw bytes whatever their type.
    """

    fields: Fields = field(default_factory=dict)
    files: Mapping[str, UploadedFile] = field(default_factory=dict)
    document: Any = None
    body: Body | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyRules:
    """What a route takes.

    `limit_bytes` bounds the whole body. `raw` keeps even forms as bytes. `upload` names
    the file argument that a raw body stands for, so that `--data-binary @x.zip` works like
    `-F archive=@x.zip`.
    """

    limit_bytes: int = FORM_BYTES
    raw: bool = False
    upload: str | None = None


def decode_field(name: str, value: bytes) -> str:
    """The text of a field.

    Raises:
        BadArgument: it is not UTF-8.
    """
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise BadArgument(name, "is not valid UTF-8") from None


def decode_pairs(data: bytes) -> Fields:
    """The fields of a query string or an urlencoded body, empty values kept.

    Raises:
        BadArgument: a name or value is not UTF-8.
        TooLarge: too many fields, or one above the limit.
    """
    pairs = data.split(b"&") if data else []
    if len(pairs) > FIELDS:
        raise Malformed(f"More than {FIELDS} fields")
    fields: dict[str, list[str]] = {}
    for pair in pairs:
        raw_name, _, raw_value = pair.replace(b"+", b" ").partition(b"=")
        if raw_name or raw_value:
            name = decode_field("a field name", unquote_to_bytes(raw_name))
            value = unquote_to_bytes(raw_value)
            if len(value) > FIELD_BYTES:
                raise TooLarge(f"The field {name}", FIELD_BYTES)
            fields.setdefault(name, []).append(decode_field(name, value))
    return {name: tuple(values) for name, values in fields.items()}


def parse_json(data: bytes | str, name: str = "JSON") -> Any:  # noqa: ANN401  any JSON value
    """The value of a JSON text: no NaN, no infinity, at most 64 levels deep.

    Raises:
        BadArgument: it is not such a text; the message begins with the name.
    """
    try:
        value = json.loads(data, parse_constant=_refuse_constant)
    except RecursionError:
        raise BadArgument(name, "is nested too deeply") from None
    except ValueError as error:  # also: not UTF-8, a number of thousands of digits
        raise BadArgument(name, f"is not valid: {error}") from None
    if not _is_shallow(value):
        raise BadArgument(name, "is nested too deeply")
    return value


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _is_shallow(value: object) -> bool:
    level: list[object] = [value]
    for _ in range(JSON_DEPTH):
        containers = [one for one in level if isinstance(one, dict | list)]
        if not containers:
            return True
        level = [
            inner
            for one in containers
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
    return False
