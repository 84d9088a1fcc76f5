"""Bodies of requests, taken in as they arrive: forms, files, JSON, raw bytes.

A `Sink` gets the pieces of one body. Fields stay in bounded memory, file parts go to
temporary files, and nothing waits for the end of the body to be parsed. `discard` deletes
the files; the owner of the sink calls it when the request is over, however it ended.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes

from multipart import (
    MultipartError,
    MultipartSegment,
    PushMultipartParser,
    parse_options_header,
)

from scrapy_do.errors import BadArgument, TooLarge
from scrapy_do.web.spool import MEMORY_BYTES, Spool
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


class Sink(Protocol):
    """Takes in one body. All methods raise domain errors only."""

    def write(self, data: bytes) -> None:
        """Take the next piece."""
        ...

    def finish(self) -> Form:
        """The body is complete: what it held."""
        ...

    def discard(self) -> None:
        """Delete what is still on disk; may be repeated."""
        ...


def sink_for(rules: BodyRules, content_type: str, encoding: str, directory: Path) -> Sink:
    """The sink for a body, chosen by the route and its Content-Type.

    `encoding` is its Content-Encoding, "" for none. Forms and JSON must not be compressed.

    Raises:
        Malformed: a multipart body without a boundary, or a compressed form.
    """
    kind, options = parse_options_header(content_type)  # type: ignore[no-untyped-call]  # untyped
    encoded = encoding.lower() not in ("", "identity")
    if rules.raw or kind not in _FORM_KINDS:
        return RawSink(rules, content_type, encoding, directory)
    if encoded:
        raise Malformed(f"A body of type {kind} must not be compressed")
    if kind == "multipart/form-data":
        return MultipartSink(options.get("boundary", ""), directory)
    if kind == "application/x-www-form-urlencoded":
        return PairsSink() if rules.upload is None else UploadPairsSink(rules.upload, directory)
    return DocumentSink()


_FORM_KINDS = frozenset(
    {"multipart/form-data", "application/x-www-form-urlencoded", "application/json"}
)


class RawSink:
    """Bytes as they are, in a little memory or on disk."""

    def __init__(self, rules: BodyRules, content_type: str, encoding: str, directory: Path) -> None:
        self._upload = None if rules.raw else rules.upload
        self._spool = Spool(directory, memory_bytes=0 if self._upload else MEMORY_BYTES)
        self._body = Body(spool=self._spool, content_type=content_type, encoding=encoding)

    def write(self, data: bytes) -> None:
        """Keep the bytes."""
        self._spool.write(data)

    def finish(self) -> Form:
        """The bytes, and the file argument that they stand for."""
        if self._upload is None or self._spool.size_bytes == 0:
            self._spool.finish()
            return Form(body=self._body)
        return Form(files={self._upload: _uploaded(self._spool, "")}, body=self._body)

    def discard(self) -> None:
        """Delete the file."""
        self._spool.discard()


class PairsSink:
    """An urlencoded form, in memory: it is small."""

    def __init__(self) -> None:
        self._data = bytearray()

    def write(self, data: bytes) -> None:
        """Keep the bytes."""
        if len(self._data) + len(data) > FORM_BYTES:
            raise TooLarge("The form", FORM_BYTES)
        self._data += data

    def finish(self) -> Form:
        """The fields."""
        return Form(fields=decode_pairs(bytes(self._data)))

    def discard(self) -> None:
        """Forget the bytes."""
        self._data.clear()


class UploadPairsSink:
    """An urlencoded form of which one value is a file: that one goes to disk as it arrives.

    Source: scrapy-do-cl 0.5, which sends archives so.
    """

    def __init__(self, upload: str, directory: Path) -> None:
        self._upload = upload
        self._prefix = f"{upload}=".encode()
        self._pairs = PairsSink()
        self._spool = Spool(directory, memory_bytes=0)
        self._held = b""
        self._at_start = True
        self._in_file = False
        self._has_file = False

    def write(self, data: bytes) -> None:
        """Decode the file's value, keep the other pairs."""
        held = self._held + data
        while held:
            if self._at_start and len(held) < len(self._prefix) and b"&" not in held:
                break  # too little to see whose value begins
            if self._at_start:
                self._at_start = False
                self._in_file = not self._has_file and held.startswith(self._prefix)
                held = held[len(self._prefix) :] if self._in_file else held
                self._has_file = self._has_file or self._in_file
            piece, separator, rest = held.partition(b"&")
            held = self._keep(piece, is_whole=bool(separator)) + rest
            if not separator:
                break
            self._at_start = True
        self._held = held

    def _keep(self, piece: bytes, *, is_whole: bool) -> bytes:
        """Take a piece of a pair; return what cannot be understood before more has come."""
        if not self._in_file:
            self._pairs.write(piece + b"&" * is_whole)
            return b""
        # An escape is three bytes long: one that is cut waits for its end.
        cut = len(piece) if is_whole else len(piece) - _cut_escape(piece)
        self._spool.write(unquote_to_bytes(piece[:cut].replace(b"+", b" ")))
        return piece[cut:]

    def finish(self) -> Form:
        """The fields and the file."""
        held, self._held = self._held, b""
        self._keep(held, is_whole=True)
        fields = self._pairs.finish().fields
        files = {self._upload: _uploaded(self._spool, "")} if self._has_file else {}
        return Form(fields=fields, files=files)

    def discard(self) -> None:
        """Delete the file."""
        self._pairs.discard()
        self._spool.discard()


def _cut_escape(piece: bytes) -> int:
    """How many bytes at the end begin an escape that is not all there."""
    return next((length for length in (1, 2) if piece[-length:][:1] == b"%"), 0)


class DocumentSink:
    """A JSON body, in memory: it is small."""

    def __init__(self) -> None:
        self._data = bytearray()

    def write(self, data: bytes) -> None:
        """Keep the bytes."""
        if len(self._data) + len(data) > JSON_BYTES:
            raise TooLarge("The JSON body", JSON_BYTES)
        self._data += data

    def finish(self) -> Form:
        """The value; an empty body is no value."""
        return Form(document=parse_json(bytes(self._data)) if self._data else None)

    def discard(self) -> None:
        """Forget the bytes."""
        self._data.clear()


class MultipartSink:
    """A multipart/form-data body, parsed as it arrives: fields to memory, files to disk."""

    def __init__(self, boundary: str, directory: Path) -> None:
        self._directory = directory
        try:
            self._parser = PushMultipartParser(boundary, max_segment_count=FIELDS)
        except MultipartError as error:
            raise Malformed(f"Multipart body: {error}") from error
        self._part: MultipartSegment | None = None
        self._value = bytearray()
        self._spool: Spool | None = None
        self._field_bytes = 0
        self._fields: dict[str, list[str]] = {}
        self._files: dict[str, UploadedFile] = {}
        self._spools: list[Spool] = []

    def write(self, data: bytes) -> None:
        """Parse the next piece."""
        if not data:  # to the parser this would be the end
            return
        try:
            for event in self._parser.parse(data):
                if isinstance(event, MultipartSegment):
                    self._begin(event)
                elif event is None:
                    self._end()
                else:
                    self._payload(event)
        except MultipartError as error:
            raise Malformed(f"Multipart body: {error}") from error

    def finish(self) -> Form:
        """The fields and files; a body that stops before its last boundary is refused."""
        try:
            self._parser.close()  # type: ignore[no-untyped-call]  # the library is untyped
        except MultipartError as error:
            raise Malformed(f"Multipart body: {error}") from error
        fields = {name: tuple(values) for name, values in self._fields.items()}
        return Form(fields=fields, files=dict(self._files))

    def discard(self) -> None:
        """Delete the files."""
        self._value.clear()
        for spool in self._spools:
            spool.discard()

    def _begin(self, part: MultipartSegment) -> None:
        if not part.name:
            raise Malformed("Multipart body: a part without a name")
        self._part = part
        if part.filename is not None:
            self._spool = Spool(self._directory, memory_bytes=0)
            self._spools.append(self._spool)

    def _payload(self, data: bytes) -> None:
        if self._spool is not None:
            self._spool.write(data)
            return
        self._value += data
        self._field_bytes += len(data)
        if len(self._value) > FIELD_BYTES:
            raise TooLarge(f"The field {self._name()}", FIELD_BYTES)
        if self._field_bytes > FORM_BYTES:
            raise TooLarge("The form", FORM_BYTES)

    def _end(self) -> None:
        name = self._name()
        if self._spool is None:
            self._fields.setdefault(name, []).append(decode(name, bytes(self._value)))
        else:
            filename = "" if self._part is None else self._part.filename or ""
            self._files.setdefault(name, _uploaded(self._spool, filename))
        self._value.clear()
        self._spool = None

    def _name(self) -> str:
        return "" if self._part is None else self._part.name or ""


def decode(name: str, value: bytes) -> str:
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
            name = decode("a field name", unquote_to_bytes(raw_name))
            value = unquote_to_bytes(raw_value)
            if len(value) > FIELD_BYTES:
                raise TooLarge(f"The field {name}", FIELD_BYTES)
            fields.setdefault(name, []).append(decode(name, value))
    return {name: tuple(values) for name, values in fields.items()}


def parse_json(data: bytes | str) -> Any:  # noqa: ANN401  decoded JSON is any value
    """The value of a JSON text: no NaN, no infinity, at most 64 levels deep.

    Raises:
        BadArgument: it is not such a text.
    """
    try:
        value = json.loads(data, parse_constant=_refuse_constant)
    except RecursionError:
        raise BadArgument("JSON", "is nested too deeply") from None
    except ValueError as error:  # also: not UTF-8, a number of thousands of digits
        raise BadArgument("JSON", f"is not valid: {error}") from None
    if not _is_shallow(value):
        raise BadArgument("JSON", "is nested too deeply")
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


def _uploaded(spool: Spool, filename: str) -> UploadedFile:
    spool.finish()
    if spool.path is None:
        raise AssertionError("a spool without memory has a file once it is finished")
    return UploadedFile(path=spool.path, size_bytes=spool.size_bytes, filename=filename)
