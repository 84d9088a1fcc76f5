"""Archives as programs of other systems write them, and as repositories are packed."""

import stat
import struct
import zlib
from collections.abc import Iterator

from tests.files.honest import PROJECT, Files, Honest, below
from tests.files.zips import STORED, WINDOWS, Entry, archive, text

_JUNK = {"__MACOSX/shop/._settings.py": b"\0\5\x16\7", "shop/.DS_Store": b"\0\0\0\1Bud1"}


def peoples_archives() -> list[Honest]:
    return [*_names(), *_code_pages(), *_links()]


def _made(
    label: str, entries: list[Entry], *warnings: str, root: str = "", more: Files | None = None
) -> Honest:
    project = below(root, PROJECT) if root else PROJECT
    return Honest(
        label=label,
        content=archive(entries),
        files={**project, **(more or {})},
        warnings=warnings,
        root=root,
    )


def _project(
    spell: tuple[str, str] = ("/", "/"), before: str = "", made_by: int = 0
) -> list[Entry]:
    """The project's entries, slashes and the beginning of names spelled differently."""
    return [
        Entry(
            name=(before + name.replace(*spell)).encode(),
            content=content,
            attributes=0 if made_by else None,
            central={"made_by": made_by} if made_by else {},
        )
        for name, content in PROJECT.items()
    ]


def _names() -> Iterator[Honest]:
    windows = ("/", "\\")
    empty = Entry(name=b"shop\\empty\\", attributes=0, central={"made_by": WINDOWS})
    yield _made("PowerShell 5.1", [*_project(windows, made_by=WINDOWS), empty])
    yield _made("PowerShell 5.1, wrapped", _project(windows, "a\\", WINDOWS), root="a")
    yield _made("PowerShell 5.1, a path in front", _project(windows, ".\\", WINDOWS))
    yield _made("./ in front", [Entry(name=b"./", mode=0o040755), *_project(before="./")])
    yield _made("./ in front, wrapped", _project(before="./a/"), root="a")
    yield _made("./ in between", _project(("/", "/./")))
    yield _made("slashes twice", _project(("/", "//")))
    yield _made("a directory and a dot", [*_project(), Entry(name=b"shop/./", mode=0o040755)])
    yield _made(
        "a backslash of Unix",
        [*_project(), text("data/a\\b", b"x")],
        "Backslashes in names were read as slashes: 'data/a/b'",
        more={"data/a/b": b"x"},
    )
    yield _made(
        "from a Mac, with its own files",
        [*_project(), *(text(name, content) for name, content in _JUNK.items())],
        more=_JUNK,
    )


def _code_pages() -> Iterator[Honest]:
    warning = "Names that are not UTF-8 were read in code page 437: "
    plain = _project()
    yield _made(
        "a name in code page 437",
        [*plain, Entry(name=b"caf\x82.txt", content=b"x", flags=0)],
        f"{warning}{'café.txt'!a}",
        more={"café.txt": b"x"},
    )
    wrapped = "爬虫".encode("gbk") + b"/"
    root = wrapped[:-1].decode("cp437")
    entries = [
        Entry(name=wrapped + name.encode(), content=content, flags=0)
        for name, content in PROJECT.items()
    ]
    three = ", ".join(ascii(f"{root}/{name}") for name in list(PROJECT)[:3])
    yield _made("wrapped, in GBK", entries, f"{warning}{three} and 2 more", root=root)
    name = b"caf\x82.txt"
    second = struct.pack("<BL", 1, zlib.crc32(name)) + "café.txt".encode()
    extra = struct.pack("<2H", 0x7075, len(second)) + second
    yield _made(
        "a second name in UTF-8",
        [*plain, Entry(name=name, content=b"x", flags=0, extra=extra)],
        more={"café.txt": b"x"},
    )


def _link(path: str, target: str) -> Entry:
    content = target.encode()
    return Entry(name=path.encode(), content=content, method=STORED, mode=stat.S_IFLNK | 0o777)


def _left_out(path: str, target: str) -> str:
    return (
        f"Left out: '{path}', a symbolic link to '{target}', which leads out of "
        "the archive, to nothing or to itself"
    )


def _links() -> Iterator[Honest]:
    quotes = PROJECT["shop/spiders/quotes.py"]
    inside: dict[str, tuple[str, str, Files]] = {
        "at a file beside it": ("shop/spiders/b.py", "quotes.py", {"shop/spiders/b.py": quotes}),
        "at a file above it": (
            "shop/spiders/cfg",
            "../../scrapy.cfg",
            {"shop/spiders/cfg": PROJECT["scrapy.cfg"]},
        ),
        "at a directory": (
            "more",
            "shop/spiders",
            {"more/__init__.py": b"", "more/quotes.py": quotes},
        ),
        "at a directory, with a slash": (
            "shop/more",
            "./spiders/",
            {"shop/more/__init__.py": b"", "shop/more/quotes.py": quotes},
        ),
    }
    for label, (path, target, more) in inside.items():
        yield _made(f"a link {label}", [*_project(), _link(path, target)], more=more)
    yield _made(
        "a link over a link",
        [*_project(), _link("a", "b/quotes.py"), _link("b", "shop/spiders")],
        more={"a": quotes, "b/__init__.py": b"", "b/quotes.py": quotes},
    )
    yield _made(
        "directories that link at each other",
        [*_project(), text("a/x"), text("b/y"), _link("a/b", "../b"), _link("b/a", "../a")],
        more={
            **dict.fromkeys(("a/x", "b/y", "a/b/y", "a/b/a/x", "b/a/x", "b/a/b/y"), b"x = 1\n"),
        },
    )
    outside = {
        "absolute": ("latest", "/var/data/latest"),
        "above the archive": ("latest", "../other/latest"),
        "at nothing": ("latest", "gone"),
        "at itself": ("latest", "latest"),
        "at its own directory": ("shop/here", "."),
        "in and out": ("latest", "shop/../../x"),
        "out by a link": ("latest", "shop/../latest"),
        "at a home": ("latest", "~/x"),
        "below a file": ("latest", "scrapy.cfg/x"),
    }
    for label, (path, target) in outside.items():
        entries = [*_project(), _link(path, target)]
        yield _made(f"a link {label}", entries, _left_out(path, target))
    yield _made(
        "an empty link",
        [*_project(), _link("latest", "")],
        _left_out("latest", "/"),
    )
    many = [_left_out(f"l{i:02}", "/x") for i in range(20)]
    yield _made(
        "many links",
        [*_project(), *(_link(f"l{i:02}", "/x") for i in range(25))],
        *many,
        "Left out: 5 more symbolic links",
    )
    first, *rest = PROJECT
    moved = {first: PROJECT[first]}
    yield _made(
        "a project file that is a link",
        [
            text("deploy/scrapy.cfg", moved[first]),
            _link(first, "deploy/scrapy.cfg"),
            *(text(name, PROJECT[name]) for name in rest),
        ],
        more={"deploy/scrapy.cfg": moved[first]},
    )
