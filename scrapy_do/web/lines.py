"""Raw bodies read back: line by line or whole, gzip or not, off the reactor thread.

Source: Scrapy Cloud, whose clients send JSON lines without a Content-Type, with
`Content-Encoding: gzip` or literally `identity`.
"""

import zlib
from collections.abc import AsyncGenerator
from typing import BinaryIO

from scrapy_do.errors import TooLarge
from scrapy_do.web.router import Call
from scrapy_do.web.status import Malformed
from scrapy_do.web.upload import Body

PIECE_BYTES = 64 * 1024
_LEAST_LIMIT_BYTES = 1024 * 1024
_GZIP = 16 + zlib.MAX_WBITS
_PLAIN = frozenset({"", "identity"})
_PACKED = frozenset({"gzip", "x-gzip"})


async def lines(
    call: Call, *, limit_bytes_per_line: int, limit_bytes: int | None = None
) -> AsyncGenerator[bytes, None]:
    """The lines of a raw body without their ends, empty ones left out.

    `limit_bytes` bounds the decoded body: None for a hundred times its size as sent, and
    1 MiB at least.

    Raises:
        TooLarge: a line, or the decoded body, is above its limit.
        Malformed: the body is not what its Content-Encoding says.
    """
    if call.body is None:
        return
    rest = b""
    async for piece in _pieces(call, call.body, limit_bytes):
        whole, newline, rest = (rest + piece).rpartition(b"\n")
        if len(rest) > limit_bytes_per_line:
            raise TooLarge("A line", limit_bytes_per_line)
        for line in whole.split(b"\n") if newline else ():
            if len(line) > limit_bytes_per_line:
                raise TooLarge("A line", limit_bytes_per_line)
            if line.strip():
                yield line.removesuffix(b"\r")
    if rest.strip():
        yield rest.removesuffix(b"\r")


async def read_all(call: Call, *, limit_bytes: int) -> bytes:
    """A whole raw body, decoded; empty when there was none.

    Raises:
        TooLarge: it is above the limit.
        Malformed: the body is not what its Content-Encoding says.
    """
    if call.body is None:
        return b""
    return b"".join([piece async for piece in _pieces(call, call.body, limit_bytes)])


async def _pieces(call: Call, body: Body, limit_bytes: int | None) -> AsyncGenerator[bytes, None]:
    """The decoded body in pieces of at most 64 KiB; in memory, plain and small: at once."""
    limit = max(_LEAST_LIMIT_BYTES, 100 * body.size_bytes) if limit_bytes is None else limit_bytes
    encoding = body.encoding.strip().lower()
    if encoding not in _PLAIN | _PACKED:
        raise Malformed(f"Content-Encoding must be gzip or identity, not {encoding[:60]!r}")
    is_small = body.spool.path is None and encoding in _PLAIN
    source = await _reader(call, body, is_packed=encoding in _PACKED)
    total_bytes = 0
    try:
        while piece := source.read() if is_small else await call.in_thread(source.read):
            total_bytes += len(piece)
            if total_bytes > limit:
                raise TooLarge("The decoded body", limit)
            yield piece
    finally:
        source.file.close()


async def _reader(call: Call, body: Body, *, is_packed: bool) -> "_Plain | _Packed":
    file = body.spool.open() if body.spool.path is None else await call.in_thread(body.spool.open)
    return _Packed(file) if is_packed else _Plain(file)


class _Plain:
    """A body as it was sent."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file

    def read(self) -> bytes:
        """The next piece, empty at the end."""
        return self.file.read(PIECE_BYTES)


class _Packed:
    """A body in gzip, inflated with bounded memory; several gzip files in a row are one."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self._inflater = zlib.decompressobj(_GZIP)
        self._source = b""

    def read(self) -> bytes:
        """The next piece, empty at the end."""
        piece = b""
        try:
            while not piece and self._has_source():
                if self._inflater.eof:
                    self._inflater = zlib.decompressobj(_GZIP)
                piece = self._inflater.decompress(self._source, PIECE_BYTES)
                self._source = self._inflater.unconsumed_tail or self._inflater.unused_data
            # All input may be taken while output is still waiting behind the last piece.
            piece = piece or self._inflater.decompress(b"", PIECE_BYTES)
        except zlib.error as error:
            raise Malformed(f"The body is not gzip: {error}") from None
        if not piece and not self._inflater.eof:
            raise Malformed("The gzip body is cut short")
        return piece

    def _has_source(self) -> bool:
        self._source = self._source or self.file.read(PIECE_BYTES)
        return bool(self._source)
