"""The command: its group, its exit codes, the spellings of older versions."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from scrapy_do import __version__
from scrapy_do.client.errors import Exit, UserError
from scrapy_do.client.main import group, main

SLOW = {"scrapy", "twisted", "rich", "http.client", "sqlalchemy", "ssl"}


def _run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Return the exit code, standard output and standard error of a command."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """`--version` prints name and version."""
    assert _run(capsys, "--version") == (0, f"scrapy-do {__version__}\n", "")


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["serve", "--help"], ["demo", "-h"]])
def test_help(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    """Every command explains itself."""
    code, out, err = _run(capsys, *words)
    assert (code, err) == (0, "")
    assert out.startswith("Usage: scrapy-do")


def test_an_unknown_command_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt command is named on standard error, with the likely one."""
    code, out, err = _run(capsys, "demoo")
    assert (code, out) == (Exit.USAGE, "")
    assert "did you mean demo?" in err


def test_a_group_needs_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    """A group alone says in a line what may follow."""
    code, out, err = _run(capsys, "db")
    assert (code, out) == (Exit.USAGE, "")
    assert err == (
        "error: scrapy-do db needs a command behind it\n"
        "  known: backup, check, clean, import-0.5, restore, upgrade\n"
        "  try:   scrapy-do db --help\n"
    )


def test_a_wrong_configuration_is_one_sentence(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The daemon does not start, and the error says where the fault is."""
    path = tmp_path / "scrapy-do.conf"
    path.write_text("[web]\nhttps = maybe\n")
    expected = "error: [web] https: 'maybe' must be on or off\n  try:   scrapy-do serve --help\n"
    assert _run(capsys, "serve", "--config", str(path)) == (Exit.FAILED, "", expected)


def test_options_of_serve_go_before_the_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """`--listen` replaces the file's interfaces, and may be repeated."""
    path = tmp_path / "scrapy-do.conf"
    path.write_text("[web]\ninterfaces = 0.0.0.0:80\n")
    words = ["serve", "-c", str(path), "--listen", "127.0.0.1:0", "--listen", "nowhere"]
    code, _, err = _run(capsys, *words)
    assert code == Exit.FAILED
    assert "[web] interfaces: '127.0.0.1:0, nowhere' must be addresses" in err


@pytest.mark.parametrize(
    ("words", "same_as"),
    [
        (["-n", "scrapy-do", "--config", "FILE"], "serve --config FILE"),
        (["scrapy-do", "-c", "FILE"], "serve -c FILE"),
        (["--nodaemon", "scrapy-do", "--config=FILE"], "serve --config=FILE"),
        (
            ["--pidfile", "PID", "-n", "scrapy-do", "--config", "FILE"],
            "serve --config FILE (without --pidfile PID)",
        ),
    ],
)
def test_old_spellings_are_routed_to_serve(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    words: list[str],
    same_as: str,
) -> None:
    """The words of version 0.5 mean `serve`, and one line says so."""
    path = str(tmp_path / "missing.conf")
    code, out, err = _run(capsys, *(word.replace("FILE", path) for word in words))
    first, error, hint = err.splitlines()
    assert (code, out, hint) == (Exit.FAILED, "", "  try:   scrapy-do serve --help")
    assert first == f"same as: scrapy-do {same_as.replace('FILE', path)}"
    assert error == f"error: [scrapy-do] --config: {path}: No such file or directory"


def test_ctrl_c_ends_with_130(capsys: pytest.CaptureFixture[str]) -> None:
    """An interrupted command says so by its exit code."""

    @group.command("wait-for-ever")
    def _wait() -> None:
        raise KeyboardInterrupt

    try:
        assert _run(capsys, "wait-for-ever")[0] == Exit.INTERRUPTED
    finally:
        group.commands.pop("wait-for-ever")


def test_an_error_ends_with_a_command_to_try() -> None:
    """A user's error has a message, a hint and an exit code, on standard error only."""

    @click.command()
    def failing() -> None:
        raise UserError("no such job", try_="scrapy-do serve", code=Exit.NOT_FOUND)

    result = CliRunner().invoke(failing)
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr == "error: no such job\n  try:   scrapy-do serve\n"


@pytest.mark.live
@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_imports_nothing_slow(option: str) -> None:
    """Help and version answer at once, because they load little."""
    code = (
        "import sys\nfrom scrapy_do.client.main import main\n"
        f"try: main([{option!r}])\nexcept SystemExit: pass\n"
        f"print(sorted({SLOW!r} & set(sys.modules)), file=sys.stderr)"
    )
    words = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{code}"]
    ended = subprocess.run(words, capture_output=True, text=True, check=True)
    assert ended.stderr.splitlines()[-1] == "[]"


def test_a_pipe_that_nobody_reads() -> None:
    """Whose reader has gone (`| true`) is no failure, with or without words on standard error."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as pipe:
        ended = subprocess.run(
            [sys.executable, "-m", "scrapy_do", "config", "show"],
            stdout=pipe,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert (ended.returncode, ended.stderr) == (0, b"")
