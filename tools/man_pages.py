"""Writes the man pages in docs/man from the pages of the same subjects.

Run it after a change of these: `python -m tools.man_pages`. The wheel installs them, by setup.cfg.
Only what those pages use of Markdown is understood: headings, paragraphs, lists, tables.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from scrapy_do import __version__
from tools import command_docs, config_docs, reference_docs

MAN = Path(__file__).parent.parent / "docs" / "man"


@dataclass(frozen=True, slots=True, kw_only=True)
class ManPage:
    """One man page: what its NAME and SYNOPSIS say, and the page that is the rest."""

    what: str
    synopsis: str
    source: Callable[[], str]
    others: Sequence[str]

    def text(self, name: str) -> str:
        """The whole of it."""
        title, section = name.rsplit(".", 1)
        see = ", ".join(_reference(other) for other in self.others)
        lines = [
            '.\\" Made by tools/man_pages.py.',
            f'.TH {_quoted(title)} {section} "" "Scrapy Do {__version__}"',
            f".SH NAME\n{_escaped(title)} \\- {_escaped(self.what)}",
            f".SH SYNOPSIS\n.B {_escaped(self.synopsis)}",
            ".SH DESCRIPTION",
            *_roff(self.source()),
            f".SH SEE ALSO\n{see}",
        ]
        return "\n".join(lines) + "\n"


PAGES = {
    "scrapy-do.1": ManPage(
        what="run and schedule Scrapy spiders",
        synopsis="scrapy-do [OPTIONS] COMMAND [ARGUMENTS]...",
        source=command_docs.docs_text,
        others=("scrapy-do-cl.1", "scrapy-do.conf.5"),
    ),
    "scrapy-do-cl.1": ManPage(
        what="the client of Scrapy Do 0.5",
        synopsis="scrapy-do-cl [OPTIONS] COMMAND [OPTIONS]",
        source=reference_docs.old_client_text,
        others=("scrapy-do.1",),
    ),
    "scrapy-do.conf.5": ManPage(
        what="configuration of the daemon of Scrapy Do",
        synopsis="scrapy-do serve --config FILE",
        source=config_docs.docs_text,
        others=("scrapy-do.1",),
    ),
}


def _roff(markdown: str) -> Iterator[str]:
    """Yield the lines of a page without its title, in the man macros."""
    body = markdown.split("\n", 1)[1].strip()
    is_deep = "\n# " in body  # parts, each with sections
    is_first = True  # below a heading, where no mark of a paragraph belongs
    for block in re.split(r"\n{2,}", body):
        if block.startswith("#"):
            hashes, _, title = block.partition(" ")
            is_part = len(hashes) == 1 or not is_deep
            yield f"{'.SH' if is_part else '.SS'} {_quoted(title)}"
        elif block.startswith("|"):
            yield from _table(block.splitlines())
        elif re.match(r"(-|\d+\.) ", block):
            for item in re.split(r"\n(?=(?:-|\d+\.) )", block):
                mark, _, text = item.partition(" ")
                yield f".IP {_quoted(mark if mark != '-' else '-')} 4\n{_inline(text)}"
        else:
            yield _inline(block) if is_first else f".PP\n{_inline(block)}"
        is_first = block.startswith("#")


def _table(lines: Sequence[str]) -> Iterator[str]:
    """A row becomes a tagged paragraph: its first cell, and the others with their titles."""
    titles, rows = _cells(lines[0])[1:], [_cells(line) for line in lines[2:]]
    for first, *others in rows:
        tag, _, variable = first.partition("<br>")
        said = [
            other if title == titles[-1] else f"{title}: {other}."
            for title, other in zip(titles, others, strict=True)
        ]
        meaning = said.pop()
        said.insert(0, meaning if meaning.endswith(".") or not said else f"{meaning}.")
        yield f".TP\n{_inline(tag)}"
        yield _inline(" ".join([*said, *([f"Variable: {variable}."] if variable else [])]))


def _cells(line: str) -> list[str]:
    quoted = re.sub(r"`[^`]*`", lambda found: found[0].replace("|", "&#124;"), line)
    cells = quoted.strip("|").split("|")
    return [cell.strip().replace("&#124;", "|") for cell in cells]


def _inline(text: str) -> str:
    """Text in which code, options and what is strong are bold, and links are their words."""
    words = re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", " ".join(text.split()))
    parts = re.split(r"`([^`]+)`|\*\*([^*]+)\*\*", words)
    made = "".join(
        _escaped(part) if place % 3 == 0 else f"\\fB{_escaped(part)}\\fR"
        for place, part in enumerate(parts)
        if part
    )
    return f"\\&{made}" if made.startswith((".", "'")) else made


def _escaped(text: str) -> str:
    return text.replace("\\", "\\e").replace("-", "\\-").replace("`", "\\(ga").replace("~", "\\(ti")


def _quoted(text: str) -> str:
    return '"' + _escaped(text.replace("`", "")).replace('"', "\\(dq") + '"'


def _reference(name: str) -> str:
    title, section = name.rsplit(".", 1)
    return f"\\fB{_escaped(title)}\\fR({section})"


if __name__ == "__main__":
    MAN.mkdir(exist_ok=True)
    for name, page in PAGES.items():
        (MAN / name).write_text(page.text(name), encoding="utf-8")
