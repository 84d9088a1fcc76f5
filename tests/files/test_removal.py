"""Removal of trees of every shape, with everything outside left as it is."""

import os
import resource
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from scrapy_do.files.removal import remove
from tests.files.zips import names

DEEP = 1500
NOBODY = 65534

MEMORY = Path("/dev/shm")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """An empty directory."""
    if not os.access(MEMORY, os.W_OK):
        yield tmp_path
        return
    with TemporaryDirectory(dir=MEMORY) as directory:
        yield Path(directory)


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs the rights of root")


@contextmanager
def inside(directory: Path) -> Iterator[None]:
    """Work in a directory."""
    before = Path.cwd()
    os.chdir(directory)
    try:
        yield
    finally:
        os.chdir(before)


def deep(tree: Path) -> None:
    tree.mkdir()
    with inside(tree):
        for _ in range(DEEP):
            Path("d").mkdir()
            Path("file").touch()
            os.chdir("d")


def wide(tree: Path) -> None:
    for number in range(300):
        (tree / str(number) / "below").mkdir(parents=True)
        (tree / str(number) / "file").touch()


def odd(tree: Path) -> None:
    tree.mkdir()
    os.mkfifo(tree / "pipe")
    (tree / "nowhere").symlink_to("nothing")
    (tree / "loop").symlink_to("loop")
    (tree / "up").symlink_to("..")
    (tree / os.fsdecode(b"\xff\xfe")).mkdir()
    (tree / ("x" * 255)).mkdir()
    (tree / "x\ny").touch()


def closed(tree: Path) -> None:
    """Make directories that nobody may read, enter or change."""
    for number, mode in enumerate((0o000, 0o100, 0o300, 0o500, 0o400)):
        below = tree / str(number) / "a" / "b"
        below.mkdir(parents=True)
        (below / "file").touch()
        for directory in (below, below.parent, below.parent.parent):
            directory.chmod(mode)
    tree.chmod(0)


SHAPES = [deep, wide, odd, closed]


@pytest.mark.parametrize("make", SHAPES)
def test_a_tree_goes(place: Path, make: Callable[[Path], None]) -> None:
    """Trees of every depth, width and kind go, with few descriptors and no recursion."""
    tree = place / "tree"
    make(tree)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = sys.getrecursionlimit()
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(names(Path("/proc/self/fd"))) + 10, hard))
    sys.setrecursionlimit(150)
    try:
        gone = remove(tree)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        sys.setrecursionlimit(limit)

    assert gone
    assert names(place) == []


REMOVE_AS_NOBODY = """
import os, sys
from pathlib import Path
from tempfile import TemporaryDirectory
from scrapy_do.files.removal import remove
from tests.files.test_removal import SHAPES
os.chdir(sys.argv[1])
os.setgid(65534), os.setuid(65534)
for make in SHAPES:
    tree = Path(make.__name__)
    make(tree)
    assert remove(tree), make
assert not list(Path().iterdir())
"""


@as_root
def test_a_tree_goes_for_a_plain_user(place: Path) -> None:
    """The same without the rights of root, which see no modes."""
    place.chmod(0o711)
    own = place / "own"
    own.mkdir()
    os.chown(own, NOBODY, NOBODY)
    done = subprocess.run(
        [sys.executable, "-c", REMOVE_AS_NOBODY, str(own)],
        # Nobody may not write down what of our code was run.
        env={name: text for name, text in os.environ.items() if not name.startswith("COVERAGE")},
        check=False,
        capture_output=True,
        text=True,
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_links_are_not_followed(place: Path) -> None:
    """What links lead to stays as it is, its mode too."""
    outside = place / "outside"
    outside.mkdir(mode=0o500)
    tree = place / "tree"
    (tree / "below").mkdir(parents=True)
    (tree / "below" / "link").symlink_to(outside)
    (tree / "link").symlink_to(outside)
    alone = place / "alone"
    alone.symlink_to(outside)

    assert remove(tree)
    assert remove(alone)
    assert names(place) == ["outside"]
    assert stat.S_IMODE(outside.stat().st_mode) == 0o500


@as_root
def test_what_is_mounted_stays(place: Path) -> None:
    """A mounted directory is not emptied; all around it goes."""
    outside = place / "outside"
    outside.mkdir()
    (outside / "file").touch()
    tree = place / "tree"
    mounted = tree / "below" / "mounted"
    mounted.mkdir(parents=True)
    (tree / "file").touch()
    mount = ["mount", "--bind", str(outside), str(mounted)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        gone = remove(tree)
        left = sorted(str(path.relative_to(tree)) for path in tree.rglob("*"))
    finally:
        mounted = next(path for path in tree.rglob("*") if path.name == "mounted")
        subprocess.run(["umount", str(mounted)], check=True)

    assert not gone
    assert [path.rsplit("/")[-1] for path in left][-2:] == ["mounted", "file"]
    assert names(outside) == ["file"]
    assert remove(tree)


def test_nothing(place: Path) -> None:
    """What is not there is gone."""
    assert remove(place / "nothing")
    assert remove(place / "no" / "where")


def test_stopped(place: Path) -> None:
    """A removal that is told to stop leaves the rest, which the next one removes."""
    tree = place / "tree"
    wide(tree)
    calls = iter([False] * 100 + [True])

    assert not remove(tree, lambda: next(calls))
    assert 0 < len(names(tree)) < 300
    assert remove(tree)
