"""The directory that an operator names."""

import stat
from pathlib import Path

import pytest

from scrapy_do.files.data_directory import DataDirectory


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_stranger_keeps_its_mode(tmp_path: Path) -> None:
    """A directory that was named by mistake, such as /proc, is not shut to the others."""
    named = tmp_path / "named"
    named.mkdir()
    (named / "theirs").touch()
    named.chmod(0o555)
    directory = DataDirectory(named)
    try:
        directory.open()
    except OSError:
        pass  # where modes count: nobody writes there
    finally:
        directory.close()

    assert _mode(named) == 0o555


@pytest.mark.parametrize("is_ours", [True, False])
def test_one_of_ours_is_usable_again(tmp_path: Path, *, is_ours: bool) -> None:
    """One that is empty, or that a crawl has closed, is made one that its owner can use."""
    named = tmp_path / "data"
    named.mkdir()
    if is_ours:
        (named / "identity").write_text("{}")
    named.chmod(0)
    directory = DataDirectory(named)
    directory.open()
    directory.close()

    assert _mode(named) == 0o700
