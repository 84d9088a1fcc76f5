"""Removal in two steps, also of what resists, and full disks."""

import errno
import os
import stat
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from scrapy_do.errors import NoSpace, Unavailable
from scrapy_do.files.data_directory import DataDirectory
from scrapy_do.files.disk import discard, empty, make_private, space_needed
from tests.fakes import still_runtime
from tests.files.zips import names
from tests.http_client import completed


def test_make_private(tmp_path: Path) -> None:
    """A private directory is its owner's only, and making it twice is harmless."""
    path = tmp_path / "a/b"

    assert path == make_private(path) == make_private(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o700


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_full(number: int) -> None:
    """A full disk and a used up quota are the same trouble."""
    with pytest.raises(NoSpace, match="There is no space left to store the log"):  # noqa: SIM117 - the inner one is tested
        with space_needed("the log"):
            raise OSError(number, "full")


def test_other_errors() -> None:
    """Other errors of the disk pass unchanged."""
    with pytest.raises(OSError, match="broken"), space_needed("the log"):
        raise OSError(errno.EIO, "broken")


def test_make_private_again(tmp_path: Path) -> None:
    """A directory that its owner cannot use any more is made usable."""
    path = make_private(tmp_path / "a")
    path.chmod(0o050)

    assert stat.S_IMODE(make_private(path).stat().st_mode) == 0o700


def test_discard_what_cannot_be_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read-only directory, which keeps its entry for its parent, is moved all the same."""
    tree = make_private(tmp_path / "tree")
    tree.chmod(0o500)
    modes = []

    def rename(source: Path, target: Path) -> None:
        modes.append(stat.S_IMODE(source.stat().st_mode))
        if len(modes) == 1:
            raise PermissionError(errno.EACCES, "Permission denied")
        moved(source, target)

    moved = os.rename
    monkeypatch.setattr(os, "rename", rename)

    assert discard(tree, make_private(tmp_path / "trash"))
    assert modes == [0o500, 0o700]
    assert names(tmp_path) == ["trash"]


def test_discard_nothing(tmp_path: Path) -> None:
    """There may be nothing to remove."""
    assert not discard(tmp_path / "nothing", make_private(tmp_path / "trash"))


def test_empty(tmp_path: Path) -> None:
    """Emptying keeps the directory and what links lead to."""
    outside = make_private(tmp_path / "outside")
    (outside / "file").write_bytes(b"x")
    trash = make_private(tmp_path / "trash")
    (trash / "link").symlink_to(outside)
    (trash / "file").write_bytes(b"x")
    make_private(trash / "folder/deep")

    empty(trash)

    assert (names(trash), names(outside)) == ([], ["file"])


def test_what_was_closed_is_opened_again(tmp_path: Path) -> None:
    """The directories that all runs share are made usable, wherever they lie; nothing else is."""
    directory = DataDirectory(tmp_path)
    closed = ("runs/active", "trees/era/digest/spare", "spider-data/projects/books", "trash")
    for name in closed:
        make_private(tmp_path / name)
    file = tmp_path / "trash" / "kept"
    file.touch(mode=0o400)
    for name in closed:
        (tmp_path / name).chmod(0)
        (tmp_path / name).parent.chmod(0o500)
    tmp_path.chmod(0)

    assert [directory.open_again(), directory.open_again()] == [True, False]
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in closed} == {0o700}
    assert stat.S_IMODE(file.stat().st_mode) == 0o400


def test_a_call_that_modes_forbid_leads_to_a_repair() -> None:
    """Who was refused is told that repeating helps, where there was something to repair."""
    repairs = [True, False]
    runtime = still_runtime(Clock()).repairing(lambda: repairs.pop(0))

    def refused() -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "trees")

    with pytest.raises(Unavailable, match="trees was closed; it is open again"):
        completed(runtime.in_thread(refused))
    with pytest.raises(PermissionError):
        completed(runtime.in_thread(refused))
