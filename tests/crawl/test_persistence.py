"""Directories of a crawl that outlive it."""

from pathlib import Path

import pytest

from scrapy_do.crawl.persistence import DATA, keep


def test_below_another_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked for below a directory that is kept already is kept there, each time."""
    data, work = tmp_path / "data", tmp_path / "work"
    data.mkdir()
    work.mkdir()
    monkeypatch.chdir(work)
    name = f"{DATA}/jobs/one"

    assert keep(DATA, data) == data / DATA
    found = [keep(name, data), keep(name, data)]

    assert found == [data / name] * 2
    assert (data / name).is_dir()
    assert not (data / name).is_symlink()


def test_no_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path that leads elsewhere, to a file or to itself is left as it is."""
    data, work = tmp_path / "data", tmp_path / "work"
    data.mkdir()
    work.mkdir()
    monkeypatch.chdir(work)
    keep(DATA, data)
    Path("file").touch()
    Path(DATA, "file").touch()
    Path(DATA, "loop").symlink_to("loop")

    names = ("../out", "/absolute", ".", "file", f"{DATA}/file", f"{DATA}/loop")
    assert [keep(name, data) for name in names] == [None] * len(names)
