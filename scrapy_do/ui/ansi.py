"""Colours of terminals as classes; what else a terminal understands is left out."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_ESCAPE = re.compile(
    r"\x1b\[([0-9;]{0,40})m"  # colours
    r"|\x1b\][^\x07\x1b]{0,500}(?:\x07|\x1b\\)"  # titles, links
    r"|\x1b\[[0-?]{0,40}[ -/]{0,8}[@-~]"  # moves, erasures
    r"|\x1b[@-Z\\-_]?"
    r"|[\x00-\x08\x0b-\x1f\x7f]"
)
_COLOURS = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
_RESET, _BOLD, _NOT_BOLD, _NO_COLOUR = 0, 1, 22, 39
_FIRST, _BRIGHT = 30, 90


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part of a text with the classes of its looks, "" for none."""

    text: str
    classes: str


def pieces(text: str) -> Sequence[Piece]:
    """Cut a text where its looks change."""
    if not _ESCAPE.search(text):
        return (Piece(text=text, classes=""),)
    return tuple(_cut(text))


def _cut(text: str) -> Iterator[Piece]:
    colour, is_bold, begin = "", False, 0
    held = ""
    for found in _ESCAPE.finditer(text):
        held += text[begin : found.start()]
        begin = found.end()
        if found[1] is None:
            continue
        if held:
            yield Piece(text=held, classes=_classes(colour, is_bold=is_bold))
            held = ""
        for code in found[1].split(";"):
            colour, is_bold = _after(int(code or 0), colour, is_bold=is_bold)
    held += text[begin:]
    if held:
        yield Piece(text=held, classes=_classes(colour, is_bold=is_bold))


def _after(code: int, colour: str, *, is_bold: bool) -> tuple[str, bool]:
    if code == _RESET:
        return "", False
    if code in (_BOLD, _NOT_BOLD):
        return colour, code == _BOLD
    if code == _NO_COLOUR:
        return "", is_bold
    for first in (_FIRST, _BRIGHT):
        if first <= code < first + len(_COLOURS):
            return _COLOURS[code - first], is_bold
    return colour, is_bold


def _classes(colour: str, *, is_bold: bool) -> str:
    words = [f"ansi-{colour}"] if colour else []
    return " ".join([*words, "ansi-bold"] if is_bold else words)
