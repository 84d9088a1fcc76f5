"""The files that runs leave: names that are only text, files that are only numbers."""

import contextlib
import os
from pathlib import Path

import pytest

from scrapy_do.errors import LogNotFound
from scrapy_do.files.job_files import JobFiles, KeptLimits, LeftOut
from scrapy_do.files.trees import Manifest, look_through

MANY = KeptLimits(files=1000, size_bytes=1 << 20)


class Run:
    """A run that leaves files, and the job that keeps them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.tree = root / "tree"
        self.tree.mkdir()
        (root / "job").mkdir()
        (root / "trash").mkdir()
        self.kept = JobFiles(root / "job/files", root / "trash")

    def leave(self, name: str | bytes, content: bytes = b"x") -> None:
        path = self.tree / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def keep(self, limits: KeptLimits = MANY, attempt: int = 1) -> None:
        nothing = Manifest(digest="0" * 64, root="", directories={"": (0, 0, 0)})
        left = look_through(self.tree, nothing)
        self.kept.keep(left, attempt, limits, self.root / "draft")

    def names(self) -> list[str]:
        return [file.path for file in self.kept.page(after=0, limit=1000)[0]]

    def read(self, path: str) -> bytes:
        return self.kept.find(path)[0].read_bytes()


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def test_kept(run: Run) -> None:
    """Files are kept with their path, size and time, and moved, not copied."""
    run.leave("items.json", b"[1]")
    run.leave("images/full/a.jpg", b"jpg")
    os.utime(run.tree / "items.json", (1_700_000_000, 1_700_000_000.5))
    number = (run.tree / "items.json").stat().st_ino
    run.keep()

    files, left_out = run.kept.page(after=0, limit=10)
    assert [(one.number, one.path, one.size_bytes) for one in files] == [
        (1, "images/full/a.jpg", 3),
        (2, "items.json", 3),
    ]
    assert files[1].modified_ms == 1_700_000_000_500
    assert left_out == LeftOut()
    assert run.read("images/full/a.jpg") == b"jpg"
    place, _ = run.kept.find("items.json")
    assert (place.stat().st_ino, place.stat().st_mode & 0o777) == (number, 0o600)


def test_nothing_left(run: Run) -> None:
    """A run that leaves nothing costs no directory."""
    run.keep()
    assert run.names() == []
    assert list((run.root / "job").iterdir()) == []


HOSTILE = [
    b"..\xff",
    b"a\nb",
    b"\r\nSet-Cookie: x",
    b'"quoted"',
    b"%2e%2e%2fetc",
    b"a\\..\\b",
    b"<script>alert(1)</script>.html",
    b" ",
    b"-rf",
    b"index",
    b"1",
    "\u202egpj.exe".encode(),
    b"x" * 255,
    b"\\xff",
    b"\xff",
    b"a/b/c/d",
]


def test_names_are_text(run: Run) -> None:
    """Whatever a name holds, its file is found by the text that is listed, and by no other."""
    for number, name in enumerate(HOSTILE):
        run.leave(name, b"%d" % number)
    run.keep()

    names = run.names()
    assert len(set(names)) == len(HOSTILE)
    assert sorted(int(run.read(name)) for name in names) == list(range(len(HOSTILE)))
    stored = {path.name for path in (run.root / "job/files").iterdir()}
    assert stored == {"index", *(str(number + 1) for number in range(len(HOSTILE)))}


@pytest.mark.parametrize("path", ["", ".", "..", "../job/files/index", "index", "1", "/etc/passwd"])
def test_other_names_are_no_files(run: Run, path: str) -> None:
    """A path is looked up, never opened."""
    run.leave("items.json")
    run.keep()
    with pytest.raises(LogNotFound):
        run.kept.find(path)


def test_limits(run: Run) -> None:
    """What is too much is left out, in the order of the paths, and counted."""
    for name, size in (("a", 10), ("b", 100), ("c", 10), ("d", 10)):
        run.leave(name, b"x" * size)
    run.keep(KeptLimits(files=2, size_bytes=50))

    assert run.names() == ["a", "c"]
    assert run.kept.page(after=0, limit=1)[1] == LeftOut(files=2, size_bytes=110)


def test_none_are_kept(run: Run) -> None:
    """With a limit of none, nothing is kept, and the list says how much there was."""
    run.leave("a", b"xx")
    run.keep(KeptLimits(files=0, size_bytes=0))
    assert run.names() == []
    assert run.kept.page(after=0, limit=1)[1] == LeftOut(files=1, size_bytes=2)


def test_pages(run: Run) -> None:
    """Files are listed in pages, by number."""
    for number in range(5):
        run.leave(f"f{number}")
    run.keep()
    files, _ = run.kept.page(after=3, limit=10)
    assert [(file.number, file.path) for file in files] == [(4, "f3"), (5, "f4")]


def test_a_file_with_two_names_is_copied(run: Run, tmp_path: Path) -> None:
    """What can still be written to by another name is not what is kept."""
    run.leave("a", b"then")
    os.link(run.tree / "a", tmp_path / "elsewhere")
    run.keep()
    (tmp_path / "elsewhere").write_bytes(b"later")
    assert run.read("a") == b"then"


def test_twice(run: Run) -> None:
    """What is kept stays when it is looked for again, and another attempt takes its place."""
    run.leave("a")
    run.keep(KeptLimits(files=1, size_bytes=1))
    run.leave("b")
    run.keep()
    assert run.names() == ["a"]
    run.keep(attempt=2)
    assert run.names() == ["b"]


def test_killed_in_between(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is killed while files are moved loses none of them, wherever that was."""
    for number in range(4):
        run.leave(f"f{number}", b"%d" % number)
    rename = Path.rename
    left = 0

    def killed(path: Path, target: Path) -> Path:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", killed)
    for steps in (0, 1, 1, 0, 1, 2, 9):
        left = steps
        with contextlib.suppress(KeyboardInterrupt):
            run.keep()

    assert [run.read(name) for name in run.names()] == [b"0", b"1", b"2", b"3"]


def test_forgotten(run: Run) -> None:
    """Forgetting removes all of them; doing it twice is harmless."""
    run.leave("a")
    run.keep()
    run.kept.forget()
    run.kept.forget()
    assert run.names() == []
