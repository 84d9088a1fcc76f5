"""Bodies of requests, taken in as they arrive.

A `Sink` gets the pieces of one body. Fields stay in bounded memory, file parts go to
temporary files, and nothing waits for the end of the body to be parsed. `discard` deletes
the files; the owner of the sink calls it when the request is over, however it ended.
"""

from pathlib import Path
from typing import Protocol
from urllib.parse import unquote_to_bytes

from multipart import (
    MultipartError,
    MultipartSegment,
    PushMultipartParser,
    parse_options_header,
)

from scrapy_do.errors import TooLarge
from scrapy_do.web.spool import MEMORY_BYTES, Spool
from scrapy_do.web.status import Malformed
from scrapy_do.web.upload import (
    FIELD_BYTES,
    FIELDS,
    FORM_BYTES,
    JSON_BYTES,
    Body,
    BodyRules,
    Form,
    UploadedFile,
    decode_field,
    decode_pairs,
    parse_json,
)


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
            self._at_start, self._in_file = True, False
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
            self._fields.setdefault(name, []).append(decode_field(name, bytes(self._value)))
        else:
            filename = "" if self._part is None else self._part.filename or ""
            self._files.setdefault(name, _uploaded(self._spool, filename))
        self._value.clear()
        self._spool = None

    def _name(self) -> str:
        return "" if self._part is None else self._part.name or ""


def _uploaded(spool: Spool, filename: str) -> UploadedFile:
    spool.finish()
    if spool.path is None:
        raise AssertionError("a spool without memory has a file once it is finished")
    return UploadedFile(path=spool.path, size_bytes=spool.size_bytes, filename=filename)
