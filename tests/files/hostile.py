"""Archives that must be refused, in families; each with the rule that refuses it."""

import random
import stat
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.files.zips import (
    CONFIG,
    DESCRIPTOR_FLAG,
    STORED,
    UNKNOWN_SIZES,
    UTF8_FLAG,
    Entry,
    archive,
    central_header,
    config_entry,
    deflated,
    descriptor,
    end64,
    end_record,
    local_header,
    text,
)

MIB = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Hostile:
    """An archive, made when it is needed, and words of the message that refuses it."""

    family: str
    label: str
    make: Callable[[], bytes]
    reason: str


def _with(*entries: Entry) -> Callable[[], bytes]:
    return lambda: archive([config_entry(), *entries])


def _named(family: str, reason: str, *names: str | bytes) -> Iterator[Hostile]:
    for name in names:
        yield Hostile(family=family, label=repr(name), make=_with(text(name)), reason=reason)


def _cases(family: str, reason: str, cases: dict[str, Callable[[], bytes]]) -> Iterator[Hostile]:
    for label, make in cases.items():
        yield Hostile(family=family, label=label, make=make, reason=reason)


# --- T1: names ---------------------------------------------------------------------------------


def names() -> Iterator[Hostile]:
    yield from _named(
        "parent part",
        'a part of its name is "." or ".."',
        "..",
        "../",
        "../evil",
        "../../../../evil",
        "shop/../evil",
        "shop/../../evil",
        "shop/..",
        "shop/../",
        "a/b/c/../../../../evil",
        "../shop/settings.py",
        "../" * 15 + "etc",
        "shop/.././evil",
    )
    yield from _named(
        "absolute",
        "absolute or has an empty part",
        "/evil",
        "//evil",
        "/etc/passwd",
        "/",
        "//",
        "/../evil",
        "///",
        "/shop/settings.py",
    )
    yield from _named(
        "empty or dot part",
        " part",
        "",
        "shop/.",
        ".",
        "./.",
        "./../evil",
        "shop//../../evil",
        ".//./..",
        ".\\..\\evil",
    )
    yield from _named(
        "other systems",
        'a part of its name is "." or ".."',
        "..\\evil",
        "shop\\..\\..\\evil",
        "shop/..\\../evil",
    )
    yield from _named(
        "other systems",
        "its name is absolute",
        "\\evil",
        "\\\\server\\share\\evil",
        "\\",
        "\\\\?\\evil",
    )
    yield from _named(
        "other systems",
        "a colon in its name",
        "C:evil",
        "C:\\evil",
        "C:/evil",
        "c:",
        "shop/file.py:stream",
        "file:///etc/passwd",
    )
    yield from _named(
        "control characters",
        "a control character",
        "shop\0.py",
        "\0",
        "shop/a\nb",
        "shop/a\rb",
        "shop/\x1b[2J",
        "shop/\x7f",
        "a\tb",
        "shop/\x85x",
        "shop/\u2028x",
        "shop/\u2029x",
        "evil\0/../../x",
        "\x01",
    )
    yield from _named(
        "too long or deep",
        "its name is longer than 200 bytes",
        "a" * 201,
        "é" * 101,
        "shop/" + "b" * 300,
        "a" * 65535,
        "a/" * 101,
    )
    yield from _named(
        "too long or deep",
        "more than 16 levels deep",
        "a/" * 16 + "b",
        "a/" * 17,
        "a/" * 99 + "b",
    )
    yield from _named(
        "not UTF-8",
        "its name is not UTF-8",
        b"\xff",
        b"shop/caf\xe9.py",
        b"\xc0\xae\xc0\xae/evil",
        b"\xed\xa0\x80",
        b"shop/\xf5\x80\x80\x80",
        b"\xe2\x82",
    )


# --- T2: kinds ---------------------------------------------------------------------------------


def kinds() -> Iterator[Hostile]:
    yield from links()
    for kind in (
        stat.S_IFCHR,
        stat.S_IFBLK,
        stat.S_IFIFO,
        stat.S_IFSOCK,
        0o130000,
        0o160000,
        0o170000,
    ):
        entry = Entry(name=b"shop/device", mode=kind | 0o666)
        reason = "neither a regular file nor a directory"
        yield Hostile(family="device", label=oct(kind), make=_with(entry), reason=reason)
    for mode in (0o104755, 0o102755, 0o106755, 0o107777, 0o4755, 0o2755):
        entry = Entry(name=b"shop/tool", mode=mode)
        reason = "it would run as another user"
        yield Hostile(family="set-id", label=oct(mode), make=_with(entry), reason=reason)
    yield from _cases(
        "contradicting kinds",
        "director",
        {
            "directory mode, file name": _with(Entry(name=b"shop", mode=0o040755)),
            "directory attribute, file name": _with(Entry(name=b"shop", attributes=0x10)),
            "directory with content": _with(Entry(name=b"shop/", content=b"x", mode=0o040755)),
            "nameless system, content": _with(Entry(name=b"shop/", content=b"x", attributes=0)),
        },
    )
    yield from _cases(
        "contradicting kinds",
        "a file with a final slash",
        {"file mode, directory name": _with(Entry(name=b"shop/", mode=0o100644))},
    )


def links() -> Iterator[Hostile]:
    yield from _cases(
        "link",
        "No project found",
        {
            "project file to elsewhere": lambda: archive([_link("scrapy.cfg", "/etc/passwd")]),
            "project file to itself": lambda: archive([_link("scrapy.cfg", "scrapy.cfg")]),
        },
    )
    big = Entry(name=b"big", content=random.Random(1).randbytes(3 * MIB), method=STORED)
    yield from _cases(
        "link",
        "with what its links point at",
        {"a tree of doublings": _with(*_doublings(14))},
    )
    yield from _cases(
        "link",
        "bytes when unpacked",
        {"many copies": _with(big, *(_link(f"copy{i}", "big") for i in range(70)))},
    )
    yield from _cases(
        "link",
        "is a file as well",
        {
            "a file below a link": _with(_link("out", "/etc"), text("out/passwd")),
            "a file below a link inside": _with(text("in/a"), _link("out", "in"), text("out/b")),
        },
    )
    yield from _cases(
        "link",
        "Not a valid zip archive",
        {
            "twice": _with(_link("a", "scrapy.cfg"), _link("a", "/etc")),
            "as a directory": _with(_link("a/", "/etc")),
            "a long target": _with(_link("a", "b" * 5000)),
            "a path that grows": _with(text(f"{'a' * 100}/x"), _link("b" * 199, "a" * 100)),
        },
    )


def _link(name: str, target: str) -> Entry:
    content = target.encode()
    return Entry(name=name.encode(), content=content, method=STORED, mode=stat.S_IFLNK | 0o777)


def _doublings(levels: int) -> Iterator[Entry]:
    """Directories that each hold the next one twice."""
    for level in range(levels):
        yield _link(f"d{level}/a", f"../d{level + 1}")
        yield _link(f"d{level}/b", f"../d{level + 1}")
        yield text(f"d{level}/file")
    yield text(f"d{levels}/file")


# --- T3: bombs and lies ------------------------------------------------------------------------


def bombs() -> Iterator[Hostile]:
    zeros = bytes(4 * MIB)
    yield from _cases(
        "flat bomb",
        "more than 100 times its size",
        {
            "one file": _with(text("zeros", zeros)),
            "many files": _with(*(text(f"zeros{i}", bytes(MIB)) for i in range(8))),
            "just above": _with(text("zeros", bytes(MIB + 1))),
            "declared only": _with(
                Entry(
                    name=b"zeros",
                    data=b"x",
                    central={"size": 40 * MIB},
                    local={"size": 40 * MIB},
                )
            ),
        },
    )
    yield from _cases(
        "too big",
        "are allowed",
        {
            "one entry": _with(_claims(b"big", 50 * MIB + 1)),
            "four gigabytes": _with(_claims(b"big", 0xFFFFFFFE)),
            "in all": _with(*(_claims(b"big%d" % i, 41 * MIB, 41 * MIB // 50) for i in range(5))),
            "zip64": _with(_claims64(b"big", 1 << 40)),
            "zip64, 16 exabytes": _with(_claims64(b"big", (1 << 64) - 1)),
            "zip64, in one pass": _with(_streams64(b"big", 1 << 40)),
        },
    )
    yield from _cases(
        "too many entries",
        "entries, at most 5000 are allowed",
        {
            "just above": lambda: archive([text(f"f{i}") for i in range(5001)]),
            "65,534": lambda: _many(65_534),
            "claimed": lambda: archive([config_entry()], end={"here": 60_000, "entries": 60_000}),
            "a million": lambda: _many(1_000_000),
            "claimed by zip64": lambda: archive(
                [config_entry()],
                zip64={"here": 1 << 40, "entries": 1 << 40},
                end={"here": 0xFFFF, "entries": 0xFFFF},
            ),
        },
    )
    yield Hostile(
        family="too many entries",
        label="a million, says ten",
        make=lambda: _many(1_000_000, claimed=10),
        reason="its directory has",
    )
    yield Hostile(
        family="too many entries",
        label="two, says one",
        make=lambda: archive([config_entry(), text("a")], end={"here": 1, "entries": 1}),
        reason="more entries than the end record says",
    )
    yield Hostile(
        family="too many entries",
        label="directories without entries",
        make=lambda: archive(
            [text("/".join(f"{i}{level}" for level in "abcd") + "/f") for i in range(1300)]
        ),
        reason="more than 5000 directories",
    )


def _claims(name: bytes, size: int, compressed: int = 1) -> Entry:
    sizes = {"size": size}
    return Entry(name=name, data=bytes(compressed), central=sizes, local=sizes)


def _claims64(name: bytes, size: int) -> Entry:
    extra = struct.pack("<2H2Q", 1, 16, size, 1)
    wide = {"size": 0xFFFFFFFF, "compressed": 0xFFFFFFFF, "extra": extra}
    return Entry(name=name, data=b"x", central=wide, local=wide)


def _streams64(name: bytes, size: int) -> Entry:
    wide = {"size": 0xFFFFFFFF, "extra": struct.pack("<2HQ", 1, 8, size)}
    return Entry(
        name=name,
        data=b"x",
        flags=UTF8_FLAG | DESCRIPTOR_FLAG,
        central=wide,
        local=UNKNOWN_SIZES,
        after=struct.pack("<L2Q", 0, 1, size),
    )


def _many(entries: int, claimed: int | None = None) -> bytes:
    """A directory of very many entries, all for the same header."""
    values = config_entry().fields() | {"offset": 0}
    header = local_header(values) + deflated(CONFIG)
    directory = central_header(values, 0) * entries
    count = entries if claimed is None else claimed
    size = len(directory)
    if count <= 0xFFFF:
        return header + directory + end_record(count, size, len(header))
    wide = end64(count, size, len(header), len(header) + size)
    return header + directory + wide + end_record(0xFFFF, size, len(header))


def overlaps() -> Iterator[Hostile]:
    three = {"compressed": 3}
    yield from _cases(
        "overlap",
        "overlaps what follows",
        {
            "same data twice": lambda: _shared([0, 0]),
            "10 GB in 56 kB": lambda: _quoted(4_900, 2 * MIB),
            "a hundred times": lambda: _shared([0] * 100),
            "one byte": lambda: archive(
                [Entry(name=b"a", data=b"xy", central=three, local=three), text("b")]
            ),
        },
    )


def _shared(offsets: list[int]) -> bytes:
    """Entries of different names that all point at headers of one place."""
    content = b"x" * 100
    entry = Entry(name=b"same", content=content)
    header = local_header(entry.fields()) + entry.stored()
    directory = b"".join(
        central_header(entry.fields() | {"offset": offset}, 0) for offset in offsets
    )
    return header + directory + end_record(len(offsets), len(directory), len(header))


def _quoted(entries: int, size: int) -> bytes:
    """Each entry's data begin with the following headers, quoted, and share the final kernel."""
    kernel = deflated(bytes(size))
    headers = []
    for i in range(entries):
        values = Entry(name=b"%05d" % i).fields() | {"size": size, "compressed": len(kernel)}
        headers.append(values)
    body = b""
    places = []
    for values in headers:
        places.append(len(body))
        body += local_header(values)
    directory = b"".join(
        central_header(values | {"offset": place, "compressed": len(body) - place}, 0)
        for values, place in zip(headers, places, strict=True)
    )
    body = b"".join(
        local_header(values | {"compressed": len(body) - place})
        for values, place in zip(headers, places, strict=True)
    )
    whole = body + kernel
    return whole + directory + end_record(entries, len(directory), len(whole))


def end_records() -> Iterator[Hostile]:
    plain = archive([config_entry()])
    empty_end = end_record(0, 0, 0)
    yield from _cases(
        "end record",
        "more than one end record",
        {
            "hidden in the comment": lambda: archive([config_entry()], end={"comment": empty_end}),
            "signature in the comment": lambda: archive(
                [config_entry()], end={"comment": b"see PK\x05\x06 there"}
            ),
            "two that fit": lambda: (
                plain[:-22] + end_record(1, 60, 0, {"comment_bytes": 22}) + end_record(1, 60, 0)
            ),
        },
    )
    yield from _cases(
        "end record",
        "no end record",
        {
            "empty file": lambda: b"",
            "one byte": lambda: b"P",
            "text": lambda: b"this is no zip archive\n" * 100,
            "cut": lambda: plain[:-1],
            "cut in half": lambda: plain[: len(plain) // 2],
            "garbage behind": lambda: plain + b"x",
            "zeros behind": lambda: plain + bytes(100),
            "comment too short": lambda: archive([config_entry()], end={"comment_bytes": 5}),
            "tar": lambda: b"scrapy.cfg".ljust(257, b"\0") + b"ustar".ljust(255, b"\0"),
            "gzip": lambda: zlib.compress(plain, wbits=31),
            "far behind": lambda: plain + bytes(70_000),
        },
    )
    yield from _cases(
        "several disks",
        "split over several files",
        {
            "disk": lambda: archive([config_entry()], end={"disk": 1}),
            "first disk": lambda: archive([config_entry()], end={"first_disk": 1}),
            "fewer here": lambda: archive([config_entry()], end={"here": 0}),
            "entry elsewhere": lambda: archive(
                [config_entry(), Entry(name=b"a", central={"disk": 1})]
            ),
        },
    )
    yield from _cases(
        "misplaced directory",
        "its directory",
        {
            "two archives in a row": lambda: plain + plain,
            "gap": lambda: archive([config_entry()], before_end=b"gap"),
            "too small": lambda: archive([config_entry()], end={"size": 10}),
            "too big": lambda: archive([config_entry()], end={"size": 0xFFFFFFF0}),
            "offset beyond": lambda: archive([config_entry()], end={"offset": 0xFFFFFFF0}),
            "more than there is": lambda: archive([config_entry()], end={"here": 2, "entries": 2}),
            "an archive behind a script": lambda: b"#!/bin/sh\n" + plain,
        },
    )


def zip64() -> Iterator[Hostile]:
    one = [config_entry()]
    yield from _cases(
        "zip64",
        "zip64",
        {
            "other entries": lambda: archive(one, zip64={"here": 2, "entries": 2}),
            "other size": lambda: archive(one, zip64={"size": 1}),
            "other offset": lambda: archive(one, zip64={"offset": 1}),
            "misplaced": lambda: archive(one, zip64={"at": 0}),
            "beyond the file": lambda: archive(one, zip64={"at": (1 << 64) - 1}),
            "broken record": lambda: archive(one, zip64={"record_bytes": 1000}),
            "missing, entries": lambda: archive(one, end={"here": 0xFFFF, "entries": 0xFFFF}),
            "missing, offset": lambda: archive(one, end={"offset": 0xFFFFFFFF}),
            "missing, size": lambda: archive(one, end={"size": 0xFFFFFFFF}),
            "entry without field": _with(Entry(name=b"a", central={"size": 0xFFFFFFFF})),
            "entry, short field": _with(
                Entry(
                    name=b"a",
                    central={"size": 0xFFFFFFFF, "extra": struct.pack("<2HL", 1, 4, 0)},
                )
            ),
            "entry, other values": _with(
                Entry(name=b"a", content=b"abc", extra=struct.pack("<2H2Q", 1, 16, 1 << 33, 1))
            ),
        },
    )
    yield from _cases(
        "zip64",
        "split over several files",
        {
            "several disks": lambda: archive(one, zip64={"disks": 2}),
            "locator on a disk": lambda: archive(one, zip64={"locator_disk": 1}),
            "record on a disk": lambda: archive(one, zip64={"disk": 1}),
            "fewer here": lambda: archive(one, zip64={"here": 0}),
        },
    )
    yield from _cases(
        "zip64",
        "its header is not where it should be",
        {
            "entry far away": _with(
                Entry(
                    name=b"a",
                    central={
                        "offset": 0xFFFFFFFF,
                        "extra": struct.pack("<2HQ", 1, 8, (1 << 64) - 1),
                    },
                )
            )
        },
    )


def contradictions() -> Iterator[Hostile]:
    yield from _cases(
        "two headers",
        "another name in its header",
        {
            "other name": _with(Entry(name=b"good.py", local={"name": b"evil.py"})),
            "shorter name": _with(Entry(name=b"good.py", local={"name": b"good"})),
            "parent in the local one": _with(Entry(name=b"aa/evil", local={"name": b"../evil"})),
        },
    )
    yield from _cases(
        "two headers",
        "its header contradicts the directory",
        {
            "method": _with(Entry(name=b"a", content=b"x", local={"method": STORED})),
            "checksum": _with(Entry(name=b"a", content=b"x", local={"crc": 1})),
            "size": _with(Entry(name=b"a", content=b"x", local={"size": 1 << 20})),
            "compressed": _with(Entry(name=b"a", content=b"x", local={"compressed": 1})),
            "descriptor flag": _with(Entry(name=b"a", local={"flags": DESCRIPTOR_FLAG})),
            "encrypted in one": _with(Entry(name=b"a", local={"flags": UTF8_FLAG | 1})),
        },
    )
    yield from _cases(
        "two headers",
        "its header is not where it should be",
        {
            "nowhere": _with(Entry(name=b"a", central={"offset": 5})),
            "beyond the end": _with(Entry(name=b"a", central={"offset": 0x7FFFFFFF})),
        },
    )
    yield Hostile(
        family="two headers",
        label="a second name in the extra fields",
        make=_with(Entry(name=b"a", extra=struct.pack("<2HBL", 0x7075, 11, 1, 0) + b"../b.x")),
        reason="a second, different name",
    )
    name, other = b"caf\x82.txt", _second_name(b"caf\x82.txt", "tea.txt")
    yield from _cases(
        "two headers",
        "a second, different name",
        {
            "a second name in the local header only": _with(
                Entry(name=b"a", local={"extra": _second_name(b"a", "b")})
            ),
            "another second name in the local header": _with(
                Entry(
                    name=name,
                    flags=0,
                    extra=_second_name(name, "caf\u00e9.txt"),
                    local={"extra": other},
                )
            ),
            "a second name of a code page in the local header only": _with(
                Entry(name=name, flags=0, local={"extra": other})
            ),
        },
    )
    yield from _cases(
        "two headers",
        "broken extra fields",
        {
            "too long": _with(Entry(name=b"a", extra=struct.pack("<2H", 0x5455, 100))),
            "rubbish at the end": _with(Entry(name=b"a", extra=b"\x01\x02\x03")),
            "twice zip64": _with(Entry(name=b"a", extra=struct.pack("<2H", 1, 0) * 2)),
        },
    )


def _second_name(first: bytes, second: str) -> bytes:
    """The extra field that gives an entry another name."""
    field = struct.pack("<BL", 1, zlib.crc32(first)) + second.encode()
    return struct.pack("<2H", 0x7075, len(field)) + field


def encodings() -> Iterator[Hostile]:
    for method in (1, 6, 9, 12, 14, 93, 95, 99):
        entry = Entry(name=b"a", method=method, content=b"x")
        reason = f"compression method {method}"
        yield Hostile(family="encoding", label=f"{method}", make=_with(entry), reason=reason)
    for flags in (0x0001, 0x0041, 0x2000, 0x0020, 0x8000):
        entry = Entry(name=b"a", flags=flags, content=b"x")
        reason = "encrypted or of an unknown kind"
        yield Hostile(family="encoding", label=hex(flags), make=_with(entry), reason=reason)
    two_sizes = {"size": 5}
    yield Hostile(
        family="encoding",
        label="stored with two sizes",
        make=_with(
            Entry(name=b"a", method=STORED, content=b"x", central=two_sizes, local=two_sizes)
        ),
        reason="stored, but with two different sizes",
    )


def gaps() -> Iterator[Hostile]:
    flags = UTF8_FLAG | DESCRIPTOR_FLAG
    streamed = {"name": b"a", "content": b"abc", "flags": flags, "local": UNKNOWN_SIZES}
    yield from _cases(
        "gap",
        "after it belong to nothing",
        {
            "between entries": _with(Entry(name=b"a", after=b"hidden"), text("b")),
            "an entry nobody lists": _with(
                Entry(name=b"a", after=local_header(text("b").fields())), text("c")
            ),
            "before the directory": _with(Entry(name=b"a", after=bytes(1000))),
            "descriptor without flag": _with(Entry(name=b"a", after=descriptor(b""))),
            "wrong descriptor": _with(Entry(after=descriptor(b"other"), **streamed)),  # type: ignore[arg-type] # the fields' types are mixed
            "long descriptor": _with(Entry(after=descriptor(b"abc") + bytes(9), **streamed)),  # type: ignore[arg-type] # the same
        },
    )
    yield from _cases(
        "gap",
        "does not begin with its first entry",
        {
            "something in front": lambda: archive([config_entry()], prefix=b"#!/bin/sh\n"),
            "an image in front": lambda: archive([config_entry()], prefix=b"GIF89a" + bytes(100)),
            "no entry, something in front": lambda: archive([], prefix=b"x"),
        },
    )


def lies() -> Iterator[Hostile]:
    """What can be seen only while the data come out of the archive."""
    megabyte = bytes(MIB)
    small = {"size": 10}
    yield from _cases(
        "lying data",
        "more data than its",
        {
            "a megabyte in ten bytes": _with(
                Entry(name=b"a", content=megabyte, central=small, local=small)
            ),
            "one byte more": _with(Entry(name=b"a", content=b"x" * 11, central=small, local=small)),
            "nothing announced": _with(
                Entry(name=b"a", content=b"x", central={"size": 0}, local={"size": 0})
            ),
        },
    )
    large = {"size": 1000}
    yield from _cases(
        "lying data",
        "of its 1000 bytes",
        {"less than announced": _with(Entry(name=b"a", content=b"x", central=large, local=large))},
    )
    yield from _cases(
        "lying data",
        "wrong checksum",
        {
            "deflated": _with(Entry(name=b"a", content=b"x", central={"crc": 1}, local={"crc": 1})),
            "stored": _with(
                Entry(name=b"a", content=b"x", method=STORED, central={"crc": 1}, local={"crc": 1})
            ),
        },
    )
    yield from _cases(
        "lying data",
        "broken deflate data",
        {
            "rubbish": _with(Entry(name=b"a", content=b"xyz", data=b"\xff\xff\xff\xff")),
            "text": _with(Entry(name=b"a", content=b"xyz", data=b"not deflated at all")),
        },
    )
    yield from _cases(
        "lying data",
        "its deflate data end in the wrong place",
        {
            "cut": _with(Entry(name=b"a", content=b"x" * 500, data=deflated(b"x" * 500)[:-1])),
            "rubbish behind": _with(Entry(name=b"a", content=b"x", data=deflated(b"x") + b"more")),
            "nothing": _with(Entry(name=b"a", content=b"", data=b"")),
        },
    )


# --- T4: clashes -------------------------------------------------------------------------------


def clashes() -> Iterator[Hostile]:
    twice = {
        "file": ("shop/a.py", "shop/a.py"),
        "directory": ("shop/", "shop/"),
        "project file": ("x", "scrapy.cfg"),
        "file, then directory": ("shop", "shop/"),
        "directory, then file": ("shop/", "shop"),
        "far apart": ("a.py", "b.py", "c.py", "a.py"),
    }
    for label, paths in twice.items():
        make = _with(*(_any(path) for path in paths))
        yield Hostile(family="duplicate", label=label, make=make, reason="it is there twice")
    folded = {
        "case": ("shop/A.py", "shop/a.py"),
        "case of a directory": ("Shop/a.py", "shop/b.py"),
        "case of explicit directories": ("Shop/", "shop/"),
        "project file": ("Scrapy.cfg",),
        "sharp s": ("stra\u00dfe", "strasse"),
        "composed": ("caf\u00e9", "cafe\u0301"),
        "composed directory": ("caf\u00e9/a", "cafe\u0301/b"),
        "both": ("CAF\u00c9", "cafe\u0301"),
        "kelvin": ("\u212a", "k"),
        "ligature": ("\ufb01", "fi"),
        "dotted": ("\u0130", "i\u0307"),
        "final sigma": ("\u03c3", "\u03c2"),
    }
    for label, paths in folded.items():
        make = _with(*(_any(path) for path in paths))
        reason = "on some disks the same as"
        yield Hostile(family="same on some disks", label=label, make=make, reason=reason)
    both = {
        "file, then below it": ("shop", "shop/a.py"),
        "below it, then file": ("shop/a.py", "shop"),
        "all three": ("shop/a.py", "shop", "shop/"),
        "deep": ("a/b/c/d", "a/b/c/d/e/f"),
        "project file": ("scrapy.cfg/a",),
    }
    for label, paths in both.items():
        make = _with(*(_any(path) for path in paths))
        yield Hostile(family="file and directory", label=label, make=make, reason="file")


def _any(path: str) -> Entry:
    mode = 0o040755 if path.endswith("/") else 0o100644
    return Entry(name=path.encode(), mode=mode)


# --- T5: the project's own files ---------------------------------------------------------------


def projects() -> Iterator[Hostile]:
    def config(content: bytes) -> Callable[[], bytes]:
        return lambda: archive([config_entry(content)])

    def deploy(line: str) -> Callable[[], bytes]:
        return config(f"[settings]\ndefault = a.b\n[deploy]\n{line}\n".encode())

    def settings(value: str) -> Callable[[], bytes]:
        return config(f"[settings]\ndefault = {value}\n[deploy]\nproject = a\n".encode())

    bad_names = (
        "../../evil",
        "/etc/passwd",
        "..",
        ".hidden",
        "-rf",
        "_private",
        "a b",
        "a/b",
        "a\\b",
        "a" * 101,
        "%(here)s",
        "${HOME}",
        "$(reboot)",
        "a;b",
        "caf\u00e9",
        "a\u202eb",
        "<script>",
        "'",
        "a\0b",
        "a\x1b[2J",
        "a\n  b",
        "--pidfile=x",
    )
    for name in bad_names:
        make = deploy(f"project = {name}")
        yield Hostile(family="project name", label=repr(name), make=make, reason="is not a name")
    yield from _cases(
        "project file",
        "Can't extract project name from the config file",
        {
            "binary": config(bytes(range(256))),
            "UTF-16": config("[deploy]\nproject = a\n".encode("utf-16")),
            "Latin-1": config(b"[deploy]\nproject = caf\xe9\n"),
            "no header": config(b"project = a\n"),
            "twice": config(CONFIG + CONFIG),
            "option twice": deploy("project = a\nproject = b"),
            "zeros": config(bytes(1000)),
            "words": config(b"hello\n" * 100),
            "open bracket": config(b"[deploy\nproject = a\n"),
        },
    )
    for value in ("", "a-b.settings", "../x", "a..b", ".a", "a b", "os;x", "a" * 201, "a/b", "%s"):
        yield Hostile(
            family="project file",
            label=f"settings {value!r}",
            make=settings(value),
            reason="No project found in the archive: ",
        )
    yield from _cases(
        "project file",
        "more than 65536 bytes",
        {
            "too long": config(CONFIG + b"#" * 65536),
            "much too long": config(CONFIG + b"# comment\n" * 100_000),
        },
    )
    nothing = "No project found in the archive: no scrapy.cfg at the top or one directory down"
    yield from _cases(
        "no project",
        nothing,
        {
            "empty archive": lambda: archive([]),
            "other files": lambda: archive([text("shop/settings.py")]),
            "too deep": lambda: archive([text("a/b/scrapy.cfg", CONFIG)]),
            "a directory of that name": lambda: archive(
                [Entry(name=b"scrapy.cfg/", mode=0o040755)]
            ),
            "other case": lambda: archive([text("Scrapy.cfg", CONFIG)]),
        },
    )
    yield from _cases(
        "no project",
        "No project found in the archive: ",
        {
            "two": lambda: archive([text("a/scrapy.cfg", CONFIG), text("b/scrapy.cfg", CONFIG)]),
            "egg without entry points": lambda: archive([text("EGG-INFO/PKG-INFO")]),
            "egg without settings": lambda: archive(
                [text("EGG-INFO/entry_points.txt", b"[console_scripts]\na = b:c\n")]
            ),
            "egg with bad settings": lambda: archive(
                [text("EGG-INFO/entry_points.txt", b"[scrapy]\nsettings = ../x\n")]
            ),
        },
    )


def hostile_archives() -> tuple[Hostile, ...]:
    """All of them."""
    families = (
        names,
        kinds,
        bombs,
        overlaps,
        end_records,
        zip64,
        contradictions,
        encodings,
        gaps,
        lies,
        clashes,
        projects,
    )
    return tuple(hostile for family in families for hostile in family())
