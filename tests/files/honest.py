"""Archives of honest projects, in the shapes that people and tools make them."""

import io
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.files.zips import (
    CONFIG,
    DESCRIPTOR_FLAG,
    STORED,
    UNKNOWN_SIZES,
    UTF8_FLAG,
    Entry,
    archive,
    descriptor,
    text,
)

Files = Mapping[str, bytes]

PROJECT: Files = {
    "scrapy.cfg": CONFIG,
    "shop/__init__.py": b"",
    "shop/settings.py": b"BOT_NAME = 'shop'\n",
    "shop/spiders/__init__.py": b"",
    "shop/spiders/quotes.py": b"import scrapy\n" * 50,
}
ENTRY_POINTS = b"[scrapy]\nsettings = shop.settings\n"
EGG: Files = {
    "EGG-INFO/PKG-INFO": b"Metadata-Version: 2.1\nName: project\nVersion: 1.0\n",
    "EGG-INFO/entry_points.txt": ENTRY_POINTS,
    "EGG-INFO/not-zip-safe": b"\n",
    "shop/__init__.py": b"",
    "shop/settings.py": b"BOT_NAME = 'shop'\n",
}


@dataclass(frozen=True, kw_only=True)
class Honest:
    """An archive, what its tree must hold, what must be read from it, and what is warned of."""

    label: str
    content: bytes
    files: Files
    warnings: tuple[str, ...] = ()
    project: str | None = "shop"
    root: str = ""
    settings_module: str = "shop.settings"
    kind: str = "zip"


class OneWay(io.RawIOBase):
    """A stream that cannot seek, like a pipe."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, content: object, /) -> int:
        assert isinstance(content, bytes | bytearray | memoryview)
        self.written += content
        return len(content)


def packed(files: Files, compression: int = zipfile.ZIP_DEFLATED, level: int = 6) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression, compresslevel=level) as file:
        for name, content in files.items():
            file.writestr(name, content)
    return stream.getvalue()


def below(root: str, files: Files) -> dict[str, bytes]:
    return {f"{root}/{name}": content for name, content in files.items()}


def with_config(content: bytes) -> dict[str, bytes]:
    return {**PROJECT, "scrapy.cfg": content}


def _plain(
    label: str,
    files: Files,
    *,
    project: str | None = "shop",
    root: str = "",
    settings_module: str = "shop.settings",
    kind: str = "zip",
) -> Honest:
    return Honest(
        label=label,
        content=packed(files),
        files={name: content for name, content in files.items() if not name.endswith("/")},
        project=project,
        root=root,
        settings_module=settings_module,
        kind=kind,
    )


def layouts() -> Iterator[Honest]:
    yield _plain("at the top", PROJECT)
    yield _plain("one directory down", below("shop", PROJECT), root="shop")
    yield _plain("any directory name", below("quotesbot-master", PROJECT), root="quotesbot-master")
    yield _plain("a directory with blanks", below("my project", PROJECT), root="my project")
    yield _plain("a directory in Greek", below("έργο", PROJECT), root="έργο")
    yield _plain("beside a read-me", {"README.md": b"# shop\n", **below("a", PROJECT)}, root="a")
    yield _plain("an example inside", {**PROJECT, "example/scrapy.cfg": b"[deploy]\n"})
    yield _plain("deep example", {**below("a", PROJECT), "a/b/c/scrapy.cfg": b"x"}, root="a")
    junk = {"__MACOSX/._scrapy.cfg": b"\0\5\x16\7", ".DS_Store": b"\0\0\0\1Bud1"}
    yield _plain("from a Mac", {**below("shop", PROJECT), **junk}, root="shop")
    yield _plain("with directories", {"shop/": b"", "shop/spiders/": b"", **PROJECT})
    yield _plain("directories last", {**PROJECT, "shop/spiders/": b"", "shop/": b""})
    yield _plain("empty directories", {**PROJECT, "data/": b"", "data/in/": b""})
    yield _plain("hidden files", {**PROJECT, ".gitignore": b"*.pyc\n", ".github/ci.yml": b"a: 1"})
    yield _plain("byte code", {**PROJECT, "shop/__pycache__/a.cpython-311.pyc": bytes(range(256))})
    yield _plain("only the project file", {"scrapy.cfg": CONFIG})
    yield _plain("sixteen levels", {**PROJECT, "/".join("abcdefghijklmnop"): b"x"})
    yield _plain("200 bytes of name", {**PROJECT, "a" * 200: b"x"})
    yield _plain("names in Japanese", {**PROJECT, "shop/日本語/データ.json": b"{}"})
    yield _plain("decomposed names", {**PROJECT, "shop/cafe\u0301.txt": b"x"})
    yield _plain("odd but legal names", {**PROJECT, "shop/a b'\"$;&|<>*?%~#.txt": b"x"})
    yield _plain("dots", {**PROJECT, "shop/...": b"x", "shop/..a": b"x", "shop/a..": b"x"})
    yield _plain("many files", {**PROJECT, **{f"data/{i}.json": b"{}" for i in range(300)}})
    yield _plain("a program", {**PROJECT, "bin/tool": b"\x7fELF" + bytes(range(256)) * 40})
    yield _plain("an archive inside", {**PROJECT, "tests/page.zip": packed(PROJECT)})
    yield _plain("half a megabyte of zeros", {**PROJECT, "data/zeros": bytes(500_000)})
    yield _plain("one byte above a piece", {**PROJECT, "data/zeros": bytes(65_537)})
    yield _plain("a compressible fixture", {**PROJECT, "page.html": b"<td></td>" * 100_000})


def project_files() -> Iterator[Honest]:
    def config(
        label: str,
        content: bytes,
        *,
        project: str | None = "shop",
        settings_module: str = "shop.settings",
    ) -> Honest:
        files = with_config(content)
        return _plain(label, files, project=project, settings_module=settings_module)

    yield config("CRLF", CONFIG.replace(b"\n", b"\r\n"))
    yield config("byte order mark", b"\xef\xbb\xbf" + CONFIG)
    yield config("comments", b"# made by hand\n; twice\n" + CONFIG)
    yield config("other sections", CONFIG + b"[other]\nkey = %(value)s\n")
    yield config("target", CONFIG.replace(b"[deploy]", b"[deploy:production]"))
    targets = b"[deploy:a]\nurl = x\n[deploy:b]\nproject = other\n"
    yield config("default target first", targets + CONFIG)
    settings = b"[settings]\ndefault = shop.settings\n"
    yield config("named targets", targets + settings, project="other")
    yield config("a number", CONFIG.replace(b"= shop\n", b"= 12345\n"), project="12345")
    yield config("signs", CONFIG.replace(b"= shop\n", b"= My_shop-2.0\n"), project="My_shop-2.0")
    long = "a" * 100
    yield config("long", CONFIG.replace(b"= shop\n", b"= %s\n" % long.encode()), project=long)
    one = CONFIG.replace(b"shop.settings", b"settings")
    yield config("settings of one part", one, settings_module="settings")
    yield config("colons", b"[settings]\ndefault: shop.settings\n[deploy]\nproject: shop\n")
    yield config("a percent sign in the address", CONFIG + b"url = http://h/%%20%s\n")
    yield config("Unicode comment", "# γειά\n".encode() + CONFIG)
    only_settings = b"[settings]\ndefault = shop.settings\n"
    yield config("no section for the name", only_settings, project=None)
    yield config("no name", only_settings + b"[deploy]\nurl = http://h/\n", project=None)
    yield config("empty name", only_settings + b"[deploy]\nproject =\n", project=None)
    yield config("64 KiB", CONFIG + b"#" * (65_536 - len(CONFIG)))


def eggs() -> Iterator[Honest]:
    points = b"[console_scripts]\nshop = shop.main:run [extra]\n\n[scrapy]\nsettings=other.conf\n"
    others = {**EGG, "EGG-INFO/entry_points.txt": points}
    extras = b"[scrapy]\nsettings = shop.settings [a]\n"
    yield _plain("egg", EGG, kind="egg")
    yield _plain("egg with byte code", {**EGG, "shop/settings.pyc": bytes(16)}, kind="egg")
    yield _plain(
        "egg with other entry points",
        others,
        kind="egg",
        project="other",
        settings_module="other.conf",
    )
    yield _plain("egg with extras", {**EGG, "EGG-INFO/entry_points.txt": extras}, kind="egg")
    yield _plain("project file and egg", {**EGG, "scrapy.cfg": CONFIG})


def writers() -> Iterator[Honest]:
    def made(label: str, content: bytes) -> Honest:
        return Honest(label=label, content=content, files=PROJECT)

    entries = [text(name, content) for name, content in PROJECT.items()]
    sentinels = {"here": 0xFFFF, "entries": 0xFFFF, "size": 0xFFFFFFFF, "offset": 0xFFFFFFFF}
    group = Entry(name=b"shop/", mode=0o042775)
    yield made("stored", packed(PROJECT, zipfile.ZIP_STORED))
    yield made("fast", packed(PROJECT, level=1))
    yield made("best", packed(PROJECT, level=9))
    yield made("in one pass", _streamed())
    yield made("wide headers", _wide())
    yield made("with a comment", archive(entries, end={"comment": b"0123456789abcdef" * 3}))
    yield made("longest comment", archive(entries, end={"comment": b"." * 65_535}))
    yield made("added to later", _appended())
    yield made("zip64 end record", archive(entries, zip64={}))
    yield made("zip64 end record only", archive(entries, zip64={}, end=sentinels))
    yield made("a group's directory", archive([group, *entries]))
    yield made("stored by hand", archive(_entries(method=STORED)))
    yield made("no system", archive(_entries(attributes=0)))
    yield made("old system", archive(_entries(attributes=0x20)))
    yield made("all permissions", archive(_entries(mode=0o100777)))
    yield made("no permissions", archive(_entries(mode=0o100000)))
    yield made("names without flag", archive(_entries(flags=0)))
    yield made("flag in one header", archive(_entries(local={"flags": 0})))
    yield made("padded extra fields", archive(_entries(extra=bytes(3))))
    yield made("times", archive(_entries(extra=b"UT\5\0\3abcd")))
    for signature, wide in ((True, False), (False, False), (True, True), (False, True)):
        content = archive(_described(signature=signature, wide=wide))
        yield made(f"descriptor, signature {signature}, wide {wide}", content)


def _entries(**fields: object) -> list[Entry]:
    return [
        Entry(name=name.encode(), content=content, **fields)  # type: ignore[arg-type] # of several types
        for name, content in PROJECT.items()
    ]


def _described(*, signature: bool, wide: bool) -> list[Entry]:
    return [
        Entry(
            name=name.encode(),
            content=content,
            flags=UTF8_FLAG | DESCRIPTOR_FLAG,
            local=UNKNOWN_SIZES,
            after=descriptor(content, signature=signature, wide=wide),
        )
        for name, content in PROJECT.items()
    ]


def _streamed() -> bytes:
    stream = OneWay()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in PROJECT.items():
            file.writestr(name, content)
    return bytes(stream.written)


def _wide() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in PROJECT.items():
            with file.open(name, "w", force_zip64=True) as entry:
                entry.write(content)
    return stream.getvalue()


def _appended() -> bytes:
    first, *rest = PROJECT.items()
    stream = io.BytesIO(packed(dict([first])))
    with zipfile.ZipFile(stream, "a") as file:
        file.comment = b"two goes"
        for name, content in rest:
            file.writestr(name, content)
    return stream.getvalue()


def honest_archives() -> tuple[Honest, ...]:
    """All of them."""
    return tuple(honest for shape in (layouts, project_files, eggs, writers) for honest in shape())
