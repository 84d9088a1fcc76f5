"""Reading a zip archive without trusting it: its directory, its layout, its bytes.

The standard library's `zipfile` believes what an archive says: it reads entries that
overlap, end records that contradict each other and a million entries before the
caller can object. This reader accepts only archives in which every byte belongs to
exactly one thing, so that no two programs can see two different archives in one file.

Blocking: called off the reactor thread. Source: APPNOTE.TXT, the .ZIP file format.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NoReturn

from scrapy_do.errors import BadArchive

STORED = 0
DEFLATED = 8

_END = struct.Struct("<4s4H2LH")
_END_SIGNATURE = b"PK\x05\x06"
_END64 = struct.Struct("<4sQ2H2L4Q")
_END64_SIGNATURE = b"PK\x06\x06"
_LOCATOR = struct.Struct("<4sLQL")
_LOCATOR_SIGNATURE = b"PK\x06\x07"
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_CENTRAL_SIGNATURE = b"PK\x01\x02"
_LOCAL = struct.Struct("<4s5H3L2H")
_LOCAL_SIGNATURE = b"PK\x03\x04"
_DESCRIPTOR_SIGNATURE = b"PK\x07\x08"

_COMMENT_LIMIT_BYTES = 0xFFFF
_ENTRY_LIMIT_BYTES = 1024  # of the directory, on average: name, extra fields and comment
_IN_16_BITS = 0xFFFF  # this value says: see the zip64 record
_IN_32_BITS = 0xFFFFFFFF  # the same
_LONGEST_DESCRIPTOR_BYTES = 24
_OFFSET_LIMIT = 1 << 62  # above it the operating system refuses to read
_CHUNK_BYTES = 64 * 1024
_SHOWN_LIMIT = 100

_DEFLATE_OPTIONS = 0x0006
_DESCRIPTOR = 0x0008
_UTF8 = 0x0800
_KNOWN_FLAGS = _DEFLATE_OPTIONS | _DESCRIPTOR | _UTF8

_UNKNOWN = (0, _IN_32_BITS)  # a checksum or size that the writer did not know yet

_EXTRA_ZIP64 = 0x0001
_EXTRA_UNICODE_PATH = 0x7075
_EXTRAS_READ = frozenset({_EXTRA_ZIP64, _EXTRA_UNICODE_PATH})
_UNICODE_PATH_HEADER = struct.Struct("<BL")  # version, and CRC of the first name
_UNIX_SYSTEMS = frozenset({3, 19})  # Unix and OS X, of the systems that make archives


@dataclass(frozen=True, slots=True, kw_only=True)
class ZipEntry:
    """One entry as the directory describes it, its layout checked, its name not yet."""

    name: bytes
    method: int
    crc: int
    compressed_bytes: int
    size_bytes: int
    header_offset: int
    data_offset: int
    flags: int
    attributes: int
    is_of_unix: bool
    unicode_name: bytes | None

    @property
    def says_utf8(self) -> bool:
        """Whether the writer says that the name is UTF-8; many write UTF-8 without saying so."""
        return bool(self.flags & _UTF8)


@dataclass(frozen=True, slots=True, kw_only=True)
class _End:
    entries: int
    directory_bytes: int
    directory_offset: int


def refuse(reason: str) -> NoReturn:
    """Say that the file is no zip archive that we accept."""
    raise BadArchive(f"Not a valid zip archive: {reason}")


def shown(name: bytes | str) -> str:
    """Return an entry's name for a message: quoted, escaped, at most 100 characters."""
    text = name.decode("utf-8", "backslashreplace") if isinstance(name, bytes) else name
    return ascii(text if len(text) <= _SHOWN_LIMIT else text[: _SHOWN_LIMIT - 3] + "...")


def read_directory(descriptor: int, *, entry_limit: int) -> tuple[ZipEntry, ...]:
    """Read and check the directory of an archive, in the order of the directory.

    Time and memory depend on `entry_limit`, not on what the archive claims.

    Raises:
        BadArchive: the structure is broken, ambiguous or too big; the message names
            the entry and the rule.
    """
    end = _read_end(descriptor)
    if end.entries > entry_limit:
        refuse(f"{end.entries} entries, at most {entry_limit} are allowed")
    if end.directory_bytes > entry_limit * _ENTRY_LIMIT_BYTES:
        refuse(f"its directory has {end.directory_bytes} bytes, which is too much")
    directory = os.pread(descriptor, end.directory_bytes, end.directory_offset)
    entries = []
    position = 0
    for _ in range(end.entries):
        entry, position = _read_central(descriptor, directory, position)
        entries.append(entry)
    if position != len(directory):
        refuse("its directory has more entries than the end record says")
    _check_layout(descriptor, entries, end.directory_offset)
    return tuple(entries)


def inflate(descriptor: int, entry: ZipEntry) -> Iterator[bytes]:
    """Yield the content of an entry in pieces of at most 64 KiB.

    The bytes are counted while they appear: never more than `entry.size_bytes` come out.

    Raises:
        BadArchive: the data are broken, or not what the directory says they are.
    """
    crc = 0
    size_bytes = 0
    for piece in _pieces(descriptor, entry):
        size_bytes += len(piece)
        if size_bytes > entry.size_bytes:
            refuse(f"entry {shown(entry.name)}: more data than its {entry.size_bytes} bytes")
        crc = zlib.crc32(piece, crc)
        yield piece
    if size_bytes != entry.size_bytes:
        refuse(f"entry {shown(entry.name)}: {size_bytes} of its {entry.size_bytes} bytes")
    if crc != entry.crc:
        refuse(f"entry {shown(entry.name)}: wrong checksum")


def _pieces(descriptor: int, entry: ZipEntry) -> Iterator[bytes]:
    if entry.method == STORED:
        yield from _raw(descriptor, entry)
        return
    decoder = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for chunk in _raw(descriptor, entry):
            rest = chunk
            while rest and not decoder.eof:
                yield decoder.decompress(rest, _CHUNK_BYTES)
                rest = decoder.unconsumed_tail
        while not decoder.eof and (piece := decoder.decompress(b"", _CHUNK_BYTES)):
            yield piece
    except zlib.error:
        refuse(f"entry {shown(entry.name)}: broken deflate data")
    if not decoder.eof or decoder.unused_data:
        refuse(f"entry {shown(entry.name)}: its deflate data end in the wrong place")


def _raw(descriptor: int, entry: ZipEntry) -> Iterator[bytes]:
    position = entry.data_offset
    stop = position + entry.compressed_bytes
    while position < stop:
        chunk = os.pread(descriptor, min(_CHUNK_BYTES, stop - position), position)
        if not chunk:
            refuse(f"entry {shown(entry.name)}: the file ends inside its data")
        yield chunk
        position += len(chunk)


# --- the end record ----------------------------------------------------------------------------


def _read_end(descriptor: int) -> _End:
    file_bytes = os.fstat(descriptor).st_size
    tail_offset = max(0, file_bytes - _END.size - _COMMENT_LIMIT_BYTES)
    tail = os.pread(descriptor, file_bytes - tail_offset, tail_offset)
    at = _find_end(tail)
    end_offset = tail_offset + at
    _, disk, first_disk, here, entries, size, offset, _ = _END.unpack_from(tail, at)
    if disk or first_disk or here != entries:
        refuse("it is split over several files")
    end = _End(entries=entries, directory_bytes=size, directory_offset=offset)
    limit = end_offset
    if at >= _LOCATOR.size and tail.startswith(_LOCATOR_SIGNATURE, at - _LOCATOR.size):
        end, limit = _read_end64(descriptor, end, end_offset - _LOCATOR.size)
    elif entries == _IN_16_BITS or _IN_32_BITS in {size, offset}:
        refuse("its end record needs a zip64 record that is missing")
    if end.directory_offset + end.directory_bytes != limit:
        refuse("its directory does not end where the end record begins")
    return end


def _find_end(tail: bytes) -> int:
    """Return where the one end record is: nothing may follow it but its comment."""
    fitting = []
    at = tail.find(_END_SIGNATURE)
    last = at
    while at >= 0:
        last = at
        if at + _END.size <= len(tail):
            comment_bytes = _END.unpack_from(tail, at)[-1]
            if at + _END.size + comment_bytes == len(tail):
                fitting.append(at)
        at = tail.find(_END_SIGNATURE, at + 1)
    if not fitting:
        refuse("no end record")
    if len(fitting) > 1 or last != fitting[0]:
        refuse("more than one end record")
    return fitting[0]


def _read_end64(descriptor: int, end: _End, locator_offset: int) -> tuple[_End, int]:
    """Return what the zip64 end record says, and where it begins."""
    locator = os.pread(descriptor, _LOCATOR.size, locator_offset)
    _, disk, offset, disks = _LOCATOR.unpack(locator)
    if disk or disks != 1:
        refuse("it is split over several files")
    if offset + _END64.size != locator_offset:
        refuse("its zip64 end record is not where it should be")
    record = os.pread(descriptor, _END64.size, offset)
    signature, size, *_, disk, first_disk, here, entries, bytes_, start = _END64.unpack(record)
    if signature != _END64_SIGNATURE or size != _END64.size - 12:
        refuse("its zip64 end record is broken")
    if disk or first_disk or here != entries:
        refuse("it is split over several files")
    end64 = _End(entries=entries, directory_bytes=bytes_, directory_offset=start)
    if (
        end.entries not in {entries, _IN_16_BITS}
        or end.directory_bytes not in {bytes_, _IN_32_BITS}
        or end.directory_offset not in {start, _IN_32_BITS}
    ):
        refuse("its zip64 end record contradicts its end record")
    return end64, offset


# --- one entry ---------------------------------------------------------------------------------


def _read_central(descriptor: int, directory: bytes, at: int) -> tuple[ZipEntry, int]:
    """Read the entry at a position of the directory; return it and the next position."""
    if len(directory) - at < _CENTRAL.size:
        refuse("its directory ends too early")
    fields = _CENTRAL.unpack_from(directory, at)
    signature, made_by, _needed, flags, method, _time, _date, crc = fields[:8]
    compressed, size, name_bytes, extra_bytes, comment_bytes, disk = fields[8:14]
    _internal, attributes, offset = fields[14:]
    name_end = at + _CENTRAL.size + name_bytes
    extra_end = name_end + extra_bytes
    following = extra_end + comment_bytes
    if signature != _CENTRAL_SIGNATURE or following > len(directory):
        refuse("its directory is broken")
    name = directory[name_end - name_bytes : name_end]
    if disk:
        refuse("it is split over several files")
    extra = _extra_fields(name, directory[name_end:extra_end])
    size, compressed, offset = _sizes(name, extra, size, compressed, offset)
    _check_encoding(name, flags, method)
    if method == STORED and compressed != size:
        refuse(f"entry {shown(name)}: stored, but with two different sizes")
    entry = ZipEntry(
        name=name,
        method=method,
        crc=crc,
        compressed_bytes=compressed,
        size_bytes=size,
        header_offset=offset,
        data_offset=0,
        flags=flags,
        attributes=attributes,
        is_of_unix=made_by >> 8 in _UNIX_SYSTEMS,
        unicode_name=_unicode_name(name, flags, extra),
    )
    return replace(entry, data_offset=_check_local(descriptor, entry)), following


def _check_encoding(name: bytes, flags: int, method: int) -> None:
    if flags & ~_KNOWN_FLAGS:
        refuse(f"entry {shown(name)}: encrypted or of an unknown kind")
    if method not in {STORED, DEFLATED}:
        refuse(f"entry {shown(name)}: compression method {method}; only deflate is accepted")


def _unicode_name(name: bytes, flags: int, extra: dict[int, bytes]) -> bytes | None:
    """The second name of an entry whose first one is in a code page; there is none otherwise."""
    field = extra.get(_EXTRA_UNICODE_PATH)
    if field is None or field[_UNICODE_PATH_HEADER.size :] == name:
        return None
    if len(field) > _UNICODE_PATH_HEADER.size and not flags & _UTF8 and not _is_utf8(name):
        version, crc = _UNICODE_PATH_HEADER.unpack_from(field)
        second = field[_UNICODE_PATH_HEADER.size :]
        if version == 1 and crc == zlib.crc32(name) and _is_utf8(second):
            return second
    refuse(f"entry {shown(name)}: it has a second, different name")


def _is_utf8(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


def _extra_fields(name: bytes, extra: bytes) -> dict[int, bytes]:
    fields: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        at += 4
        if at + length > len(extra) or (kind in _EXTRAS_READ and kind in fields):
            refuse(f"entry {shown(name)}: broken extra fields")
        fields[kind] = extra[at : at + length]
        at += length
    if any(extra[at:]):  # some writers pad with zeros
        refuse(f"entry {shown(name)}: broken extra fields")
    return fields


def _sizes(
    name: bytes, extra: dict[int, bytes], size: int, compressed: int, offset: int
) -> tuple[int, int, int]:
    """Return size, compressed size and offset, read from the zip64 field where it is used."""
    stated = (size, compressed, offset)
    zip64 = extra.get(_EXTRA_ZIP64)
    missing = stated.count(_IN_32_BITS)
    if zip64 is None or not missing:
        if missing or (zip64 and not struct.pack("<3QL", *stated, 0).startswith(zip64)):
            refuse(f"entry {shown(name)}: its zip64 field contradicts its sizes")
        return stated
    if len(zip64) != 8 * missing:
        refuse(f"entry {shown(name)}: its zip64 field contradicts its sizes")
    wide = iter(struct.unpack(f"<{missing}Q", zip64))
    size, compressed, offset = (next(wide) if value == _IN_32_BITS else value for value in stated)
    return size, compressed, offset


def _check_local(descriptor: int, entry: ZipEntry) -> int:
    """Compare an entry's local header with the directory: a program may believe either.

    Returns:
        Where the entry's data begin.
    """
    offset = entry.header_offset
    length = _LOCAL.size + len(entry.name)
    header = os.pread(descriptor, length, offset) if offset < _OFFSET_LIMIT else b""
    if len(header) < length or not header.startswith(_LOCAL_SIGNATURE):
        refuse(f"entry {shown(entry.name)}: its header is not where it should be")
    fields = _LOCAL.unpack_from(header)
    _, _needed, flags, method, _time, _date, crc, compressed, size, name_bytes, extra_bytes = fields
    if name_bytes != len(entry.name) or header[_LOCAL.size :] != entry.name:
        refuse(f"entry {shown(entry.name)}: another name in its header")
    # Names are read as UTF-8 whatever the flag says, and some writers set it once only.
    if (flags ^ entry.flags) & ~_UTF8 or method != entry.method:
        refuse(f"entry {shown(entry.name)}: its header contradicts the directory")
    extra = _extra_fields(entry.name, os.pread(descriptor, extra_bytes, offset + length))
    if _unicode_name(entry.name, flags, extra) not in (None, entry.unicode_name):
        refuse(f"entry {shown(entry.name)}: it has a second, different name")
    data_offset = offset + length + int(extra_bytes)
    stated = (crc, compressed, size)
    true = (entry.crc, entry.compressed_bytes, entry.size_bytes)
    if flags & _DESCRIPTOR:  # written in one pass: what was not known yet follows the data
        agree = all(value in {known, *_UNKNOWN} for value, known in zip(stated, true, strict=True))
    elif _IN_32_BITS in {compressed, size}:
        size, compressed, _ = _sizes(entry.name, extra, size, compressed, 0)
        agree = (crc, compressed, size) == true
    else:
        agree = stated == true
    if not agree:
        refuse(f"entry {shown(entry.name)}: its header contradicts the directory")
    return data_offset


# --- the layout --------------------------------------------------------------------------------


def _check_layout(descriptor: int, entries: list[ZipEntry], directory_offset: int) -> None:
    """Check that headers and data follow each other without overlap and without gap."""
    ordered = sorted(entries, key=lambda entry: entry.header_offset)
    if (ordered[0].header_offset if ordered else directory_offset) != 0:
        refuse("it does not begin with its first entry")
    ends = [entry.header_offset for entry in ordered[1:]] + [directory_offset]
    for entry, end in zip(ordered, ends, strict=bool(ordered)):
        gap_bytes = end - entry.data_offset - entry.compressed_bytes
        if gap_bytes < 0:
            refuse(f"entry {shown(entry.name)}: it overlaps what follows it")
        if gap_bytes > 0 and not _is_descriptor(descriptor, entry, gap_bytes):
            refuse(f"entry {shown(entry.name)}: {gap_bytes} bytes after it belong to nothing")


def _is_descriptor(descriptor: int, entry: ZipEntry, length: int) -> bool:
    """Whether the bytes after an entry's data are its sizes again, in one of four forms."""
    if not entry.flags & _DESCRIPTOR or length > _LONGEST_DESCRIPTOR_BYTES:
        return False
    found = os.pread(descriptor, length, entry.data_offset + entry.compressed_bytes)
    numbers = (entry.crc, entry.compressed_bytes, entry.size_bytes)
    forms = [struct.pack("<L2Q", *numbers)]
    if max(numbers) <= _IN_32_BITS:
        forms.append(struct.pack("<3L", *numbers))
    return found in {*forms, *(_DESCRIPTOR_SIGNATURE + form for form in forms)}
