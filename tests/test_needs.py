"""What is not Python is installed by root; everybody else is told of it before anything runs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.live

TOP = Path(__file__).parent.parent


def _program(directory: Path, name: str, text: str) -> None:
    path = directory / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def _needs(
    directory: Path, *names: str, user: int, python: str = sys.executable, **environ: str
) -> "subprocess.CompletedProcess[str]":
    """Run the script where nothing is installed but what the directory holds."""
    _program(directory, "id", f"echo {user}")
    return subprocess.run(
        ["/bin/sh", str(TOP / "tools" / "needs.sh"), *names],
        env={"PATH": str(directory), "PYTHON": python, **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def test_nothing_is_missing(tmp_path: Path) -> None:
    """Where all is there nothing is said or done."""
    _program(tmp_path, "jq", "")
    ended = _needs(tmp_path, "venv", "jq", user=1000)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_others_are_told(tmp_path: Path) -> None:
    """Who may not install anything hears in one line what is missing, and how to get it."""
    ended = _needs(tmp_path, "venv", "curl", "jq", user=1000, python="/bin/false")
    expected = (
        "missing: python3-venv curl jq; on Debian and Ubuntu: "
        "sudo apt-get install python3-venv curl jq\n"
    )
    assert (ended.returncode, ended.stderr) == (1, expected)
    assert _needs(tmp_path, "curl", user=0).returncode == 1  # no package manager that we know


@pytest.mark.parametrize("given", ["", "teletype"])
def test_root_installs(tmp_path: Path, given: str) -> None:
    """Root has the package manager install it, without questions unless they are wanted."""
    _program(tmp_path, "apt-get", 'echo "$DEBIAN_FRONTEND $*"')
    environ = {"DEBIAN_FRONTEND": given} if given else {}
    ended = _needs(tmp_path, "curl", "strace", user=0, **environ)
    assert ended.returncode == 0
    frontend = given or "noninteractive"
    assert ended.stdout.splitlines()[-1] == f"{frontend} install -y -qq curl strace"


def test_the_first_line_of_make_test_says_what_is_missing(tmp_path: Path) -> None:
    """`make test` looks before it does anything else, and changes nothing."""
    _program(tmp_path, "id", "echo 1000")
    for name in ("sh", "make"):
        (tmp_path / name).symlink_to(_found(name))
    ended = subprocess.run(
        ["make", "test", "ARGS=", f"PYTHON={sys.executable}", f"VENV={tmp_path}/venv"],
        cwd=TOP,
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode != 0
    assert ended.stderr.startswith("missing: curl jq strace chromium; on Debian")
    assert ended.stdout == ""
    assert not (tmp_path / "venv").exists()


def _found(name: str) -> Path:
    places = (Path(place) / name for place in os.environ["PATH"].split(":"))
    return next(place for place in places if place.exists())


def test_ci_is_two_commands() -> None:
    """What the gate runs is what the README tells people to run."""
    lines = (TOP / ".ci" / "run").read_text().splitlines()
    assert [line for line in lines if line.startswith("make")] == [
        "make test",
        "make demo ARGS=--once",
    ]
