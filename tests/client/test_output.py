"""How commands speak: tables, pipes, JSON, colours, and nothing that steers a terminal."""

import io
import json
import sys
from collections.abc import Callable

import pytest

from scrapy_do.client.output import Output, printable, wants_color

ROWS = [["a\tb", 1, None, ["x", "y"]], ["\033[31mred", 22, True, {"k": 1}]]
COLUMNS = ["name", "n", "flag", "list"]


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(name="shown")
def _shown(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Give what an output writes, on a terminal or into a pipe."""
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")

    def show(speak: Callable[[Output], None], *, terminal: bool = False, **options: bool) -> str:
        target = _Terminal() if terminal else io.StringIO()
        monkeypatch.setattr(sys, "stdout", target)
        speak(Output(**options))
        return target.getvalue()

    return show


def test_a_piped_list(shown: Callable[..., str]) -> None:
    """A list is tab-separated, its values in one line each, without a header unless asked for."""
    piped = shown(lambda out: out.rows(COLUMNS, ROWS))
    assert piped == 'a\\tb\t1\t\tx, y\n\\x1b[31mred\t22\tyes\t{"k": 1}\n'
    headed = shown(lambda out: out.rows(COLUMNS, ROWS), header=True)
    assert headed == "name\tn\tflag\tlist\n" + piped


def test_a_json_list(shown: Callable[..., str]) -> None:
    """With JSON the document is all there is, whatever is in it."""
    document = [{"name": "\033[31m", "half": "\udc80"}]
    text = shown(lambda out: out.rows(COLUMNS, ROWS, document), as_json=True)
    assert json.loads(text)[0]["name"] == "\033[31m"
    assert len(text.splitlines()) == 1
    assert shown(lambda out: out.rows(COLUMNS, [], []), as_json=True) == "[]\n"


def test_a_table_on_a_terminal(shown: Callable[..., str]) -> None:
    """A table has its names, long cells are folded, never cut, and states have a colour."""
    rows = [["f" * 200, "SUCCESSFUL"], ["\033[2J", "FAILED"]]
    table = shown(lambda out: out.rows(["id", "status"], rows), terminal=True)
    assert "\N{HORIZONTAL ELLIPSIS}" not in table
    assert table.count("f") == 200
    assert "\033[32mSUCCESSFUL" in table
    assert "\\x1b[2J" in table
    assert "\033[2J" not in table


@pytest.mark.parametrize(
    ("flag", "environ", "on_terminal", "expected"),
    [
        (None, {}, True, True),
        (None, {}, False, False),
        (None, {"TERM": "dumb"}, True, False),
        (None, {"NO_COLOR": "1"}, True, False),
        (None, {"NO_COLOR": ""}, True, True),
        (None, {"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
        (None, {"FORCE_COLOR": "1", "TERM": "dumb"}, False, True),
        (None, {"CLICOLOR_FORCE": "1"}, False, True),
        (None, {"CLICOLOR_FORCE": "0"}, False, False),
        (True, {"NO_COLOR": "1"}, False, True),
        (False, {"FORCE_COLOR": "1"}, True, False),
    ],
)
def test_colours(
    flag: bool | None,  # noqa: FBT001 - a case
    environ: dict[str, str],
    *,
    on_terminal: bool,
    expected: bool,
) -> None:
    """The flags go first, then the conventions, then whether it is a terminal."""
    assert wants_color(flag, environ, is_terminal=on_terminal) is expected


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_a_terminal_without_colours(
    shown: Callable[..., str], monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """Where colours are not wanted a table has no escape at all."""
    monkeypatch.setenv(name, value)
    table = shown(lambda out: out.rows(["id", "status"], [["1", "FAILED"]]), terminal=True)
    assert "\033" not in table
    facts = shown(lambda out: out.facts([("status", "FAILED")], {}), terminal=True)
    assert facts == "status  FAILED\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain\ttext\n", "plain\ttext\n"),
        ("\033]0;title\007", "\\x1b]0;title\\x07"),
        ("a\rb\bc\x7f", "a\\rb\\x08c\\x7f"),
        ("\x9b2J", "\\x9b2J"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("\udcff", "\\udcff"),
        ("grün 日本 🎉", "grün 日本 🎉"),
    ],
)
def test_nothing_steers_the_terminal(text: str, expected: str) -> None:
    """Control characters, also of 8 bits and of writing direction, are spelled out."""
    assert printable(text) == expected
