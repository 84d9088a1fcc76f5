"""Running the command in this process, and trying what its errors say to try."""

import contextlib
import io
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

import click
import pytest

from scrapy_do.client.main import group, main


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What a command has said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def hint(self) -> str:
        """The command that it says to try."""
        hints = [line for line in self.err.splitlines() if line.startswith("  try:   ")]
        assert len(hints) == 1, self.err
        return hints[0].removeprefix("  try:   ")

    @property
    def error(self) -> str:
        """What is wrong, in one line."""
        errors = [line for line in self.err.splitlines() if line.startswith("error: ")]
        assert len(errors) == 1, self.err
        return errors[0].removeprefix("error: ")


def run(capsys: pytest.CaptureFixture[str], *words: str) -> Ended:
    """Run a command whose output is piped."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(words)
    out, err = capsys.readouterr()
    return Ended(code=int(ended.value.code or 0), out=out, err=err)


def check_hint(hint: str) -> None:
    """Have the command's own parser read a hint; nothing is run."""
    program, *words = shlex.split(hint)
    assert program == "scrapy-do", hint
    command: click.Command = group
    context = None
    name = program
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(click.exceptions.Exit):
        while True:
            context = command.make_context(name, words, parent=context)
            if not isinstance(command, click.Group):
                return
            rest = [*context._protected_args, *context.args]
            name, found, words = command.resolve_command(context, rest)  # type: ignore[assignment]
            assert found is not None, hint
            command = found


def check_error(ended: Ended, code: int) -> None:
    """An error: nothing on standard output, one message, one command to try that parses."""
    assert (ended.code, ended.out) == (code, ""), ended
    assert ended.error
    assert "Traceback" not in ended.err
    check_hint(ended.hint)


@contextlib.contextmanager
def home(monkeypatch: pytest.MonkeyPatch, directory: str, url: str = "") -> Iterator[None]:
    """Be a user whose only configuration is a daemon's address."""
    for name in ("URL", "TOKEN", "USERNAME", "PASSWORD", "PROFILE", "PROJECT", "TIMEOUT"):
        monkeypatch.delenv(f"SCRAPY_DO_{name}", raising=False)
    monkeypatch.setenv("HOME", directory)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    if url:
        monkeypatch.setenv("SCRAPY_DO_URL", url)
    yield
