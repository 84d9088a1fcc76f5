"""Builds zip archives byte by byte, so that every field of theirs can lie."""

import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

STORED = 0
DEFLATED = 8
DESCRIPTOR_FLAG = 0x0008
UTF8_FLAG = 0x0800
UNIX = 0x31E
WINDOWS = 0x14

CONFIG = b"[settings]\ndefault = shop.settings\n\n[deploy]\nproject = shop\n"


def deflated(content: bytes, level: int = 9) -> bytes:
    encoder = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    return encoder.compress(content) + encoder.flush()


@dataclass(kw_only=True)
class Entry:
    """One entry. `central` and `local` override fields of one header only.

    The fields: flags, method, crc, compressed, size, name, extra, and in the central
    header comment, disk, offset, made_by.
    """

    name: bytes
    content: bytes = b""
    method: int = DEFLATED
    mode: int = 0o100644
    attributes: int | None = None
    flags: int = UTF8_FLAG
    extra: bytes = b""
    after: bytes = b""
    data: bytes | None = None
    central: Mapping[str, object] = field(default_factory=dict)
    local: Mapping[str, object] = field(default_factory=dict)

    def fields(self) -> dict[str, object]:
        return {
            "flags": self.flags,
            "method": self.method,
            "crc": zlib.crc32(self.content),
            "compressed": len(self.stored()),
            "size": len(self.content),
            "name": self.name,
            "extra": self.extra,
            "comment": b"",
            "disk": 0,
        }

    def stored(self) -> bytes:
        if self.data is not None:
            return self.data
        return deflated(self.content) if self.method == DEFLATED else self.content


def config_entry(content: bytes = CONFIG) -> Entry:
    return Entry(name=b"scrapy.cfg", content=content)


def text(name: str | bytes, content: bytes = b"x = 1\n") -> Entry:
    return Entry(name=name if isinstance(name, bytes) else name.encode(), content=content)


def local_header(values: Mapping[str, object]) -> bytes:
    name, extra = values["name"], values["extra"]
    assert isinstance(name, bytes)
    assert isinstance(extra, bytes)
    numbers = [values[key] for key in ("flags", "method")]
    sizes = [values[key] for key in ("crc", "compressed", "size")]
    fixed = (b"PK\x03\x04", 20, *numbers, 0, 33, *sizes, len(name), len(extra))
    return struct.pack("<4s5H3L2H", *fixed) + name + extra


def central_header(values: Mapping[str, object], attributes: int) -> bytes:
    name, extra, comment = values["name"], values["extra"], values["comment"]
    assert isinstance(name, bytes)
    assert isinstance(extra, bytes)
    assert isinstance(comment, bytes)
    numbers = [values[key] for key in ("flags", "method")]
    sizes = [values[key] for key in ("crc", "compressed", "size")]
    lengths = (len(name), len(extra), len(comment))
    last = (values["disk"], 0, attributes, values["offset"])
    fixed = (
        b"PK\x01\x02",
        values.get("made_by", UNIX),
        20,
        *numbers,
        0,
        33,
        *sizes,
        *lengths,
        *last,
    )
    return struct.pack("<4s6H3L5H2L", *fixed) + name + extra + comment


def end_record(
    entries: int, size: int, offset: int, override: Mapping[str, object] | None = None
) -> bytes:
    fields = dict(override or {})
    comment = fields.pop("comment", b"")
    assert isinstance(comment, bytes)
    values: dict[str, object] = {
        "disk": 0,
        "first_disk": 0,
        "here": entries,
        "entries": entries,
        "size": size,
        "offset": offset,
        "comment_bytes": len(comment),
    } | fields
    return struct.pack("<4s4H2LH", b"PK\x05\x06", *values.values()) + comment


def end64(
    entries: int, size: int, offset: int, at: int, override: Mapping[str, object] | None = None
) -> bytes:
    """A zip64 end record that lies at an offset, and its locator."""
    values: dict[str, object] = {
        "record_bytes": 44,
        "disk": 0,
        "first_disk": 0,
        "here": entries,
        "entries": entries,
        "size": size,
        "offset": offset,
        "at": at,
        "disks": 1,
        "locator_disk": 0,
    } | dict(override or {})
    keys = ("disk", "first_disk", "here", "entries", "size", "offset")
    record = struct.pack(
        "<4sQ2H2L4Q",
        b"PK\x06\x06",
        values["record_bytes"],
        45,
        45,
        *(values[key] for key in keys),
    )
    locator = struct.pack(
        "<4sLQL", b"PK\x06\x07", values["locator_disk"], values["at"], values["disks"]
    )
    return record + locator


def archive(
    entries: Sequence[Entry],
    *,
    prefix: bytes = b"",
    before_end: bytes = b"",
    end: Mapping[str, object] | None = None,
    zip64: Mapping[str, object] | None = None,
) -> bytes:
    """An archive of the entries; `end` and `zip64` override fields of the end records."""
    body = bytearray(prefix)
    directory = bytearray()
    for entry in entries:
        offset = len(body)
        body += local_header(entry.fields() | dict(entry.local)) + entry.stored() + entry.after
        attributes = entry.mode << 16 if entry.attributes is None else entry.attributes
        values = entry.fields() | {"offset": offset} | dict(entry.central)
        directory += central_header(values, attributes)
    place = (len(entries), len(directory), len(body))
    body += directory
    if zip64 is not None:
        body += end64(*place, len(body), zip64)
    return bytes(body + before_end + end_record(*place, end))


def descriptor(content: bytes, *, signature: bool = True, wide: bool = False) -> bytes:
    form = "<L2Q" if wide else "<3L"
    numbers = struct.pack(form, zlib.crc32(content), len(deflated(content)), len(content))
    return (b"PK\x07\x08" if signature else b"") + numbers


UNKNOWN_SIZES = {"crc": 0, "compressed": 0, "size": 0}


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())
