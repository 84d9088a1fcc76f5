"""The directories that the crawls of a project share."""

from pathlib import Path

import pytest

from scrapy_do.errors import BadArgument
from scrapy_do.files.spider_data import SpiderDataStore
from tests.files.test_trash import trash_at


def test_a_directory_per_project(tmp_path: Path) -> None:
    """Each project has one private directory, the same each time, with what was put there."""
    store = SpiderDataStore(tmp_path)
    first = store.prepare("books")
    (first / "seen").write_text("1")

    assert store.prepare("books") == first
    assert (first / "seen").read_text() == "1"
    assert first.stat().st_mode & 0o777 == 0o700
    assert store.prepare("news") != first
    assert store.projects() == {"books", "news"}


def test_what_a_spider_puts_in_its_place(tmp_path: Path) -> None:
    """A spider that leaves something else there does not keep the crawls after it from starting."""
    store = SpiderDataStore(tmp_path)
    place = store.prepare("books")
    place.rmdir()
    place.write_text("no directory")
    assert store.prepare("books").is_dir()
    place.rmdir()
    place.symlink_to("nowhere")
    assert store.prepare("books").is_dir()


def test_remove(tmp_path: Path) -> None:
    """A removed directory is in the trash with all in it; the others stay; twice is harmless."""
    store, trash = SpiderDataStore(tmp_path / "store"), trash_at(tmp_path / "trash")
    (store.prepare("books") / "seen").write_text("1")
    store.prepare("news")
    store.remove("books", trash)
    store.remove("books", trash)

    (kept,) = tmp_path.glob("trash/*-spider-data-books")
    assert (kept / "seen").read_text() == "1"
    assert store.projects() == {"news"}
    assert list(store.prepare("books").iterdir()) == []


def test_what_a_crash_left_is_swept(tmp_path: Path) -> None:
    """A directory that was renamed away before a crash is deleted at the next start."""
    store = SpiderDataStore(tmp_path)
    (tmp_path / "trash" / "grave").mkdir()
    store.sweep()

    assert list((tmp_path / "trash").iterdir()) == []


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "/etc"])
def test_names_do_not_lead_elsewhere(tmp_path: Path, name: str) -> None:
    """What is no name of a project has no directory."""
    store = SpiderDataStore(tmp_path)
    with pytest.raises(BadArgument):
        store.prepare(name)
