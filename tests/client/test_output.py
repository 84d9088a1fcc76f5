"""How commands speak: tables, pipes, JSON, colours, and nothing that steers a terminal."""

import io
import json
import os
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


def test_json_on_a_terminal(shown: Callable[..., str]) -> None:
    """JSON spells out all that steers a terminal, and means the same."""
    document = {"a": "\x9b2J\u202egpj\x7f", "\udc80": "grün\u2028"}
    text = shown(lambda out: out.document(document), terminal=True, as_json=True)
    assert json.loads(text) == document
    assert printable(text) == text
    assert "grün" in text


def test_a_table_on_a_terminal(shown: Callable[..., str]) -> None:
    """A table has its names, long cells are folded, never cut, and states have a colour."""
    rows = [["f" * 200, "SUCCESSFUL"], ["\033[2J", "FAILED"]]
    table = shown(lambda out: out.rows(["id", "status"], rows), terminal=True)
    assert "\N{HORIZONTAL ELLIPSIS}" not in table
    assert table.count("f") == 200
    assert "\033[32mSUCCESSFUL" in table
    assert "\\x1b[2J" in table
    assert "\033[2J" not in table


JOB = ["3ef1c9a0", "quotesbot/toscrape-css/120", "SUCCESSFUL", "2026-11-29 04:48:42+01:00"]
JOB_COLUMNS = ["id", "job", "status", "started"]


@pytest.mark.parametrize("columns", [50, 80])
def test_a_table_breaks_no_short_word(
    shown: Callable[..., str], monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    """Where room is dear the widest columns give way: identifiers and states stay in a line."""
    monkeypatch.setenv("COLUMNS", str(columns))
    table = shown(lambda out: out.rows(JOB_COLUMNS, [JOB]), terminal=True, color=False)
    assert "3ef1c9a0" in table
    assert "SUCCESSFUL" in table
    assert max(map(len, table.splitlines())) <= columns


def test_a_table_without_room(shown: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    """On a narrow terminal each row is told by its facts, a line each."""
    monkeypatch.setenv("COLUMNS", "40")
    told = shown(lambda out: out.rows(JOB_COLUMNS, [JOB, [*JOB[:3], None]]), terminal=True)
    first, second = told.split("\n\n")
    assert first.splitlines() == [
        "id       3ef1c9a0",
        "job      quotesbot/toscrape-css/120",
        "status   \033[32mSUCCESSFUL\033[0m",
        "started  2026-11-29 04:48:42+01:00",
    ]
    assert "started" not in second


def test_a_long_list_goes_by_pages(
    shown: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pager is told to show colours as colours; a list that changes is not for a pager."""
    paged: list[str | None] = []
    monkeypatch.setattr("click.echo_via_pager", lambda *_, **__: paged.append(os.environ["LESS"]))
    monkeypatch.setenv("LINES", "10")
    monkeypatch.delenv("LESS", raising=False)
    rows = [[str(number)] for number in range(20)]
    assert shown(lambda out: out.rows(["id"], rows), terminal=True) == ""
    monkeypatch.setenv("LESS", "-S")
    shown(lambda out: out.rows(["id"], rows), terminal=True)
    assert paged == ["-FRX", "-S"]
    assert "19" in shown(lambda out: out.rows(["id"], rows, is_paged=False), terminal=True)
    assert len(paged) == 2


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
