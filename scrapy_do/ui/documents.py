"""The documentation that comes with the package, as pages: Markdown that becomes HTML.

It lies beside the sources in a clone, and where the package was installed in `share/doc`.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, files
from itertools import count
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from markdown_it.token import Token

DOCS = "/ui/docs"
LICENCE = "licence"
_SHARE = "share/doc/scrapy-do/"
_TOP = Path(__file__).parent.parent.parent
_OURS = re.compile(r"(how-to/)?[\w-]+\.md")
_CONTENTS = re.compile(r"```\{toctree\}\n:caption: (.+)\n(?::.*\n)*\n([^`]+)```")
_TABLE = re.compile("<table>.*?</table>", re.DOTALL)
_FRAMED = '<div class="scroll" tabindex="0" role="region" aria-label="Table {}">{}</div>'
_REMARK = re.compile(r"<!--.*?-->", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """Documents of one kind: the name and the title of each."""

    title: str
    documents: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A document as HTML of our own making, which templates need not escape."""

    title: str
    html: str

    def __html__(self) -> str:
        return self.html


@cache
def _texts() -> Mapping[str, str]:
    """The documents by their names, a few hundred kilobytes; nothing where they are not there."""
    clone = _TOP / "docs"
    is_clone = (_TOP / "setup.cfg").is_file()  # others may install a directory of this name, too
    found = dict(_in(clone) if is_clone else _installed())
    return {name: path.read_text(encoding="utf-8") for name, path in found.items()}


def _in(directory: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(directory.rglob("*.md")):
        name = path.relative_to(directory).as_posix()
        if _OURS.fullmatch(name):
            yield name.removesuffix(".md"), path
    yield LICENCE, directory.parent / "LICENSE"


def _installed() -> Iterator[tuple[str, Path]]:
    try:
        known = files("scrapy-do") or ()
    except PackageNotFoundError:
        return
    for path in known:
        _, is_ours, name = path.as_posix().rpartition(_SHARE)
        if is_ours:
            yield LICENCE if name == "LICENSE" else name.removesuffix(".md"), Path(path.locate())


def chapters() -> Sequence[Chapter]:
    """All documents in the order of their index."""
    texts = _texts()
    return [
        Chapter(
            title=title,
            documents=[(name, _title(texts[name])) for name in names.split() if name in texts],
        )
        for title, names in _CONTENTS.findall(texts.get("index", ""))
    ]


def _title(text: str) -> str:
    return text.lstrip().partition("\n")[0].lstrip("# ")


def document(name: str) -> Rendered | None:
    """A document as HTML, None where there is none of this name."""
    return _rendered(name) if name in _texts() else None


@cache
def _rendered(name: str) -> Rendered:
    """One of the documents; they are few."""
    from markdown_it import MarkdownIt  # noqa: PLC0415 - two megabytes that few daemons need

    text = _texts()[name]
    if name == LICENCE:
        text = f"# Licence\n\n```\n{text}```\n"
    maker = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = maker.parse(_REMARK.sub("", text))
    _have_one_title([token for token in tokens if token.type.startswith("heading_")])
    for token, content in zip(tokens, [*tokens[1:], None], strict=True):
        _improve(token, content, PurePosixPath(name))
    html = maker.renderer.render(tokens, maker.options, {})
    numbers = count(1)
    html = _TABLE.sub(lambda table: _FRAMED.format(next(numbers), table[0]), html)
    return Rendered(title=_title(text), html=html)


def _have_one_title(headings: "Sequence[Token]") -> None:
    """A page has one title: where a document has several, what follows the first is a level lower.

    `headings` are the marks of the beginning and the end of each.
    """
    if [token.tag for token in headings].count("h1") > len(("its beginning", "its end")):
        for token in headings[2:]:
            token.tag = f"h{min(int(token.tag[1:]) + 1, 6)}"


def _improve(token: "Token", content: "Token | None", name: PurePosixPath) -> None:
    """Give headings their anchors, heads of columns their scope, links an address of ours.

    What stands at the right does so by a class: styles of their own are forbidden to pages.
    """
    if token.type == "heading_open" and content is not None:
        token.attrSet("id", _anchor(content.content))
    if token.attrs.pop("style", "") == "text-align:right":
        token.attrSet("class", "n")
    if token.type == "th_open" and content is not None:
        if content.content:
            token.attrSet("scope", "col")
        else:
            token.tag = "td"
    for child in token.children or ():
        if child.type == "link_open":
            child.attrSet("href", _address(str(child.attrGet("href")), name))


def _anchor(heading: str) -> str:
    """The anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _address(target: str, name: PurePosixPath) -> str:
    """Where a link of a document leads: to a page of ours where it means a document."""
    parts = urlsplit(target)
    if parts.scheme or not parts.path:
        return target
    path = posixpath.normpath(posixpath.join(name.parent.as_posix(), parts.path))
    known = path.removesuffix(".md")
    anchor = f"#{parts.fragment}" if parts.fragment else ""
    return f"{DOCS}/{known}{anchor}" if known in _texts() else DOCS
