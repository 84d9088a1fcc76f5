"""Completion in three shells: of commands, of options, and of what the daemon knows."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scrapy_do.client.main import main
from tests.live.running import running

pytestmark = pytest.mark.live

SHELLS = ("bash", "zsh", "fish")


def _completed(shell: str, line: str, home: Path, **more: str) -> str:
    """What the command says to a shell that asks for the words after a line."""
    words = line.split(" ")
    number = {"bash": len(words) - 1, "zsh": len(words) - 1, "fish": 0}[shell]
    comp_words = line if shell != "fish" else " ".join(words[:-1])
    comp_cword = str(number) if shell != "fish" else words[-1]
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "COMP_WORDS": comp_words,
        "COMP_CWORD": comp_cword,
        "_SCRAPY_DO_COMPLETE": f"{shell}_complete",
        **more,
    }
    code = "import sys; sys.argv[0] = 'scrapy-do'; from scrapy_do.client.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("shell", SHELLS)
def test_commands_and_options(shell: str, tmp_path: Path) -> None:
    """The beginning of a command or an option is completed."""
    assert "spiders" in _completed(shell, "scrapy-do sp", tmp_path)
    assert "preview" in _completed(shell, "scrapy-do schedule pre", tmp_path)
    assert "--follow" in _completed(shell, "scrapy-do run --fo", tmp_path)
    assert "--json" in _completed(shell, "scrapy-do jobs --js", tmp_path)


def test_names_of_the_daemon(tmp_path: Path) -> None:
    """Spiders, projects, jobs and profiles are completed, from memory when asked again."""
    with running(tmp_path) as daemon:
        daemon.push("good", tmp_path)
        job = daemon.run("noop")
        at = {"SCRAPY_DO_URL": daemon.url}
        assert "wandering" in _completed("bash", "scrapy-do run wan", tmp_path, **at)
        assert "good" in _completed("fish", "scrapy-do rm ", tmp_path, **at)
        assert job[:8] in _completed("zsh", f"scrapy-do logs {job[:3]}", tmp_path, **at)
        found = _completed("bash", "scrapy-do run --project good sleep", tmp_path, **at)
        assert "sleeper" in found
    assert "wandering" in _completed("bash", "scrapy-do run wan", tmp_path, **at)
    profiles = tmp_path / ".config" / "scrapy-do" / "profiles.ini"
    profiles.parent.mkdir(parents=True)
    profiles.write_text("[profile:somewhere]\nurl = http://localhost:1\n")
    assert "somewhere" in _completed("bash", "scrapy-do profile use some", tmp_path, **at)


@pytest.mark.parametrize("shell", SHELLS)
def test_only_plain_names(shell: str, tmp_path: Path) -> None:
    """A name that a shell or a terminal would read as something else is not put on the line."""
    profiles = tmp_path / ".config" / "scrapy-do" / "profiles.ini"
    profiles.parent.mkdir(parents=True)
    names = ("shöp_2.a", "shop $(x)", "shop;x", "shop\033[2J", "shop`x`", "--shop")
    profiles.write_text("".join(f"[profile:{name}]\nurl = http://a:1\n" for name in names))
    found = _completed(shell, "scrapy-do profile use ", tmp_path)
    assert "shöp_2.a" in found
    assert "shop" not in found


def test_nobody_waits_for_a_silent_daemon(tmp_path: Path) -> None:
    """Without an answer in time, or with a wrong configuration, there is nothing to complete."""
    begun_s = time.monotonic()
    found = _completed("bash", "scrapy-do run x", tmp_path, SCRAPY_DO_URL="http://127.0.0.1:1")
    assert found.strip() == ""
    assert time.monotonic() - begun_s < 20
    assert _completed("bash", "scrapy-do run x", tmp_path, SCRAPY_DO_URL="nonsense").strip() == ""


@pytest.mark.parametrize("shell", SHELLS)
def test_scripts(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The script of each shell asks the command; where the shell is installed it is read by it."""
    with pytest.raises(SystemExit) as ended:
        main(["completion", shell])
    assert ended.value.code in {0, None}
    script = capsys.readouterr().out
    assert f"_SCRAPY_DO_COMPLETE={shell}_complete" in script
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script, text=True, check=True)
