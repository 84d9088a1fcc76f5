"""Libraries that somebody has made older are noticed before anything starts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scrapy_do.client.versions import OLDEST, too_old


def _said(words: list[str], path: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "scrapy_do", *words],
        env={**os.environ, "PYTHONPATH": str(path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.live
@pytest.mark.parametrize(
    ("name", "found", "oldest"), [("scrapy", "2.14.1", "2.14.2"), ("twisted", "23.10.0", "24.7")]
)
def test_an_old_library_is_refused_in_a_sentence(
    tmp_path: Path, name: str, found: str, oldest: str
) -> None:
    """It names what was found, what is needed and the command; doctor says the same."""
    about = tmp_path / "site" / f"{name}-{found}.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {found}\n")
    data = tmp_path / "data"

    started = _said(["serve", "--data-dir", str(data), "--listen", "127.0.0.1:0"], about.parent)
    looked = _said(["doctor", "--data-dir", str(data)], about.parent)

    assert started.returncode != 0
    assert f"{name} {found} is older than {oldest}" in started.stderr
    assert f"-m pip install --upgrade {name}" in started.stderr
    assert not data.exists()
    assert f"{found} is older than {oldest}" in looked.stdout + looked.stderr


def test_what_is_installed_here_is_new_enough() -> None:
    """The bounds are those that are declared."""
    assert list(too_old()) == []
    declared = (Path(__file__).parents[2] / "setup.cfg").read_text()
    for name, oldest in OLDEST.items():
        assert f"{name} >= {'.'.join(map(str, oldest))}\n" in declared
