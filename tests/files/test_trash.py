"""What was removed for good reason is kept for a while."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from scrapy_do.files.trash import Trash
from tests.factories import START, at


def trash_at(root: Path, now: Callable[[], datetime] = lambda: START) -> Trash:
    return Trash(root, age=timedelta(days=7), now=now)


def names(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir())


def test_put(tmp_path: Path) -> None:
    """What is put leaves its place and has the time and its name in the trash."""
    trash, tree = trash_at(tmp_path / "trash"), tmp_path / "tree"
    tree.mkdir()
    (tree / "file").write_bytes(b"x")

    assert trash.put(tree, "tree")
    assert not trash.put(tree, "tree")
    assert names(tmp_path) == ["trash"]
    assert names(tmp_path / "trash") == [f"{START:%Y%m%dT%H%M%S.%fZ}-tree", "expired"]


def test_emptied_by_age(tmp_path: Path) -> None:
    """What has lain there long enough is deleted; the younger, and what others put there, stay."""
    time = [START]
    trash = trash_at(tmp_path / "trash", lambda: time[0])
    (tmp_path / "trash" / "of-somebody").mkdir()
    for seconds, name in ((0, "old"), (1, "young")):
        time[0] = at(seconds)
        (tmp_path / name).mkdir(mode=0o500)
        trash.put(tmp_path / name, name)

    time[0] = START + timedelta(days=7)
    trash.empty()

    assert names(tmp_path / "trash") == [
        f"{at(1):%Y%m%dT%H%M%S.%fZ}-young",
        "expired",
        "of-somebody",
    ]
    assert names(tmp_path / "trash" / "expired") == []


def test_a_killed_deletion_goes_on(tmp_path: Path) -> None:
    """What was being deleted when the process was killed goes with the next emptying."""
    trash = trash_at(tmp_path / "trash")
    (tmp_path / "trash" / "expired" / "half").mkdir()

    trash.empty()

    assert names(tmp_path / "trash" / "expired") == []


def test_take_back(tmp_path: Path) -> None:
    """The newest entry of a name comes back to where it is wanted."""
    time = [START]
    trash = trash_at(tmp_path / "trash", lambda: time[0])
    for seconds in (1, 0):
        time[0] = at(seconds)
        (tmp_path / "file").write_text(str(seconds))
        trash.put(tmp_path / "file", "file")

    assert trash.take_back("file", tmp_path / "back")
    assert not trash.take_back("fil", tmp_path / "nothing")
    assert (tmp_path / "back").read_text() == "1"
