"""What commands say: data on standard output, talk on standard error.

Data is a table on a terminal, tab-separated where it is piped, JSON with `--json`. Nothing that
a spider or a site has written can steer a terminal: control characters are shown, not sent.
"""

import json
import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal

import click

from scrapy_do.client.bottom_line import BottomLine

_GAP = 2
_NARROWEST = 10
"""A column of a table is not made narrower: identifiers, states and days stay whole."""

_PAGING = "-FRX"
"""Colours as colours, and no page for what fits on one; as git has it."""

_STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_BREAKS = str.maketrans({"\t": "\\t", "\n": "\\n"})
_STYLES = {
    **dict.fromkeys(("SUCCESSFUL", "active", "ok", "INFO"), "green"),
    **dict.fromkeys(("FAILED", "LOST", "error", "problem", "ERROR", "CRITICAL"), "red"),
    **dict.fromkeys(("CANCELED", "paused", "warning", "WARNING"), "yellow"),
    **dict.fromkeys(("RUNNING", "PENDING", "SCHEDULED"), "cyan"),
    "DEBUG": "bright_black",
}

Cell = Any
"""A value of a table: text, a number, a list of texts, None."""


def printable(text: str) -> str:
    """Text in which whatever would steer a terminal is spelled out; line breaks stay."""
    return _STEERING.sub(lambda found: ascii(found[0])[1:-1], text)


def wants_color(flag: bool | None, environ: Mapping[str, str], *, is_terminal: bool) -> bool:  # noqa: FBT001 - a flag of the user
    """Whether to write in colour: the flags, then the conventions of the environment."""
    if flag is not None:
        return flag
    if environ.get("NO_COLOR"):
        return False
    if any(environ.get(name) not in {None, "", "0"} for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    return is_terminal and environ.get("TERM") != "dumb"


class Output:
    """How one command speaks."""

    def __init__(
        self,
        *,
        as_json: bool = False,
        color: bool | None = None,
        quiet: bool = False,
        header: bool = False,
    ) -> None:
        self.as_json = as_json
        self.is_terminal = sys.stdout.isatty()
        self.talks_to_terminal = sys.stderr.isatty()
        self.color = not as_json and wants_color(color, os.environ, is_terminal=self.is_terminal)
        self._quiet = quiet
        is_shown = self.talks_to_terminal and not quiet and os.environ.get("TERM") != "dumb"
        self._bottom = BottomLine(is_shown=is_shown)
        self._header = header

    # --- data ----------------------------------------------------------------------------------

    def document(self, value: object) -> None:
        """The one document of a command that was asked for JSON."""
        indent = 2 if self.is_terminal else None
        click.echo(_json(value, indent=indent))

    def json_line(self, value: object) -> None:
        """One of many documents; it is sent at once."""
        with self._bottom.aside():
            click.echo(_json(value))

    def line(self, text: str, *, style: str | None = None) -> None:
        """A line of data."""
        shown = printable(text)
        with self._bottom.aside():
            click.echo(click.style(shown, fg=style) if style else shown, color=self.color)

    def rows(
        self,
        columns: Sequence[str],
        rows: Sequence[Sequence[Cell]],
        document: object = None,
        *,
        is_paged: bool = True,
    ) -> None:
        """A list: an array of `document`, or a table; a long one by pages, unless it changes."""
        if self.as_json:
            self.document(list(rows) if document is None else document)
        elif self.is_terminal:
            self._table(columns, rows, is_paged=is_paged)
        else:
            for row in [columns, *rows] if self._header else rows:
                click.echo("\t".join(_cell(cell).translate(_BREAKS) for cell in row))

    def facts(self, facts: Iterable[tuple[str, Cell]], document: object) -> None:
        """One thing: its document, or its facts, a line each."""
        if self.as_json:
            self.document(document)
            return
        told = [(name, _cell(value)) for name, value in facts]
        if not self.is_terminal:
            for name, text in told:
                click.echo(f"{name}\t{text.translate(_BREAKS)}")
            return
        click.echo("".join(self._told(told)), nl=False, color=self.color)

    def _told(self, facts: Sequence[tuple[str, str]]) -> Iterator[str]:
        """Facts as lines for a terminal."""
        width = max((len(name) for name, _ in facts), default=0)
        for name, text in facts:
            shown = click.style(text, fg=_STYLES[text]) if text in _STYLES else text
            yield f"{name:<{width}}  {shown}\n"

    def _table(
        self, columns: Sequence[str], rows: Sequence[Sequence[Cell]], *, is_paged: bool
    ) -> None:
        """A table; where it has no room, the facts of each row below those of the one before."""
        if not rows:
            self.talk("Nothing to show.")
            return
        told = [[_cell(cell) for cell in row] for row in rows]
        numbers = [
            all(isinstance(cell, int | float | None) for cell in cells)
            for cells in zip(*rows, strict=True)
        ]
        widths = _widths([columns, *told], shutil.get_terminal_size().columns)
        if widths is None:
            blocks = ([pair for pair in zip(columns, row, strict=True) if pair[1]] for row in told)
            text = "\n".join("".join(self._told(block)) for block in blocks)
        else:
            text = self._drawn(columns, told, numbers, widths)
        text = text if self.color else click.unstyle(text)
        is_long = text.count("\n") >= shutil.get_terminal_size().lines
        if is_paged and is_long and os.environ.get("TERM") != "dumb":
            os.environ.setdefault("LESS", _PAGING)
            click.echo_via_pager(text, color=self.color)
        else:
            click.echo(text, nl=False, color=self.color)

    def _drawn(
        self,
        columns: Sequence[str],
        rows: Sequence[Sequence[str]],
        numbers: Sequence[bool],
        widths: Sequence[int],
    ) -> str:
        from rich.console import Console  # noqa: PLC0415 - slow, and for a terminal only
        from rich.table import Table  # noqa: PLC0415 - the same
        from rich.text import Text  # noqa: PLC0415 - the same

        table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
        for name, is_number, width in zip(columns, numbers, widths, strict=True):
            side: Literal["left", "right"] = "right" if is_number else "left"
            table.add_column(name, overflow="fold", justify=side, width=width)
        for row in rows:
            table.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in row))
        console = Console(no_color=not self.color, highlight=False)
        with console.capture() as captured:
            console.print(table)
        return captured.get()

    # --- talk ----------------------------------------------------------------------------------

    def talk(self, text: str) -> None:
        """Something for people, where it does not get among the data."""
        if not self._quiet:
            with self._bottom.aside():
                click.echo(printable(text), err=True)

    def passing(self, text: str) -> None:
        """A line that the next one takes the place of; on a terminal only, "" takes it away."""
        self._bottom.say(printable(text))

    def waiting(self) -> AbstractContextManager[None]:
        """Turn a spinner while something is waited for; on a terminal only."""
        return self._bottom.waiting()

    @property
    def level_style(self) -> Mapping[str, str]:
        """The colour of each word for a level or a state."""
        return _STYLES


def _widths(rows: Sequence[Sequence[str]], room: int) -> list[int] | None:
    """How wide the columns of a table are: the widest give way; None where there is no room."""
    from rich.cells import cell_len  # noqa: PLC0415 - slow, and for a terminal only

    widths = [
        min(room, max(cell_len(line) for cell in column for line in cell.split("\n")))
        for column in zip(*rows, strict=True)
    ]
    for _ in range(sum(widths) + _GAP * (len(widths) - 1) - room):
        widest = widths.index(max(widths))
        if widths[widest] <= _NARROWEST:
            return None
        widths[widest] -= 1
    return widths


def _cell(value: Cell) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return printable(", ".join(str(one) for one in value))
    if isinstance(value, dict):
        return printable(json.dumps(value, ensure_ascii=False))
    return printable(str(value))


def _json(value: object, *, indent: int | None = None) -> str:
    """JSON that can be written and steers no terminal, also of half a character."""
    is_utf_8 = (sys.stdout.encoding or "utf-8").lower() in {"utf-8", "utf8"}
    text = json.dumps(value, ensure_ascii=not is_utf_8, indent=indent)
    return _STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
