"""The last line of a terminal: it makes room, and a spinner turns only for those who see it."""

import io
import sys
import threading
from collections.abc import Callable

import pytest

from scrapy_do.client import bottom_line
from scrapy_do.client.bottom_line import BottomLine
from scrapy_do.client.output import Output

CLEAR = "\r\033[2K"
PATIENCE_S = 10.0


class _Terminal(io.StringIO):
    """A terminal that tells when something has been written on it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = threading.Event()
        self.wanted = ""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        count = super().write(text)
        if self.wanted and self.wanted in self.getvalue():
            self.written.set()
        return count


@pytest.fixture(name="seen")
def _seen(monkeypatch: pytest.MonkeyPatch) -> Callable[[], _Terminal]:
    """Give a function that has errors written on a terminal from then on."""

    def begin() -> _Terminal:
        terminal = _Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        return terminal

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(bottom_line, "PATIENCE_S", 0.0)
    monkeypatch.setattr(bottom_line, "_FRAME_S", 0.001)
    return begin


def test_a_spinner_turns_beside_what_is_said(seen: Callable[[], _Terminal]) -> None:
    """It turns while one waits, also within another wait, and leaves what was said."""
    terminal = seen()
    line = BottomLine(is_shown=True)
    line.say("x is pushed")
    terminal.wanted = f"{CLEAR}/ x is pushed"
    with line.waiting(), line.waiting():
        assert terminal.written.wait(PATIENCE_S)
    assert terminal.getvalue().endswith(f"{CLEAR}x is pushed")
    line.say("")
    assert terminal.getvalue().endswith(CLEAR)


def test_a_spinner_alone_says_what_it_waits_for(seen: Callable[[], _Terminal]) -> None:
    """Where nothing was said it says so itself, and goes without a trace, also by an error."""
    terminal = seen()
    line = BottomLine(is_shown=True)
    terminal.wanted = f"{CLEAR}| waiting for the daemon ..."

    def fail() -> None:
        with line.waiting():
            assert terminal.written.wait(PATIENCE_S)
            line.say("half done")
            raise KeyError

    before = threading.active_count()
    with pytest.raises(KeyError):
        fail()
    assert terminal.getvalue().endswith(CLEAR)
    assert threading.active_count() == before


def test_short_waits_are_silent(
    seen: Callable[[], _Terminal], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is over at once shows nothing at all."""
    terminal = seen()
    monkeypatch.setattr(bottom_line, "PATIENCE_S", PATIENCE_S)
    with BottomLine(is_shown=True).waiting():
        pass
    assert terminal.getvalue() == ""


def test_ctrl_c_in_the_middle_of_a_line(seen: Callable[[], _Terminal]) -> None:
    """A line that was begun and never ended stops nobody from leaving."""
    seen()
    line = BottomLine(is_shown=True)
    begun = line.aside()

    def interrupted() -> None:
        with line.waiting():
            begun.__enter__()
            threading.Event().wait(0.2)  # the spinner wants to turn meanwhile
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    line.say("")


def test_lines_come_above_it(
    seen: Callable[[], _Terminal], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is told takes the line away first, and has it below afterwards; it is never wider."""
    terminal = seen()
    monkeypatch.setattr(sys, "stdout", terminal)
    out = Output()
    out.passing("items 3 " + "." * 100)
    out.line("data")
    out.talk("talk")
    shown = CLEAR + ("items 3 " + "." * 100)[:39]
    assert terminal.getvalue() == f"{shown}{CLEAR}data\n{shown}{CLEAR}talk\n{shown}"


@pytest.mark.parametrize("how", ["pipe", "quiet", "dumb"])
def test_where_nobody_looks_nothing_turns(
    seen: Callable[[], _Terminal], monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """In a pipe, when told to be quiet, and on a terminal that cannot, it is never there."""
    terminal = seen()
    target = io.StringIO() if how == "pipe" else terminal
    monkeypatch.setattr(sys, "stderr", target)
    monkeypatch.setenv("TERM", "dumb" if how == "dumb" else "xterm")
    out = Output(quiet=how == "quiet")
    before = threading.active_count()
    with out.waiting():
        out.passing("x")
        assert threading.active_count() == before
    assert target.getvalue() == ""
