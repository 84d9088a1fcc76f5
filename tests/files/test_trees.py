"""The trees of runs: each a copy of its own, used again only as it was."""

import json
import os
import shutil
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from scrapy_do.errors import BadArchive
from scrapy_do.files import trees as trees_module
from scrapy_do.files.archives import ArchiveStore
from scrapy_do.files.trees import Left, Manifest, Place, Source, TreeStore, look_through
from scrapy_do.launchers.compiling import compile_sources
from tests.files.honest import below, packed

FILES = {
    "scrapy.cfg": b"[settings]\ndefault = shop.settings\n[deploy]\nproject = shop\n",
    "list.txt": b"one\ntwo\n",
    "shop/__init__.py": b"",
    "shop/settings.py": b"BOT_NAME = 'shop'\n",
    "shop/spiders/__init__.py": b"",
    "data/large.bin": b"x" * 100_000,
}


class Trees:
    """A store of trees with one archive, and runs that take and give back."""

    def __init__(self, root: Path, files: dict[str, bytes] | None = None, top: str = "") -> None:
        self.root = root
        self.archives = ArchiveStore(root / "archives")
        upload = self.archives.incoming / "upload"
        upload.write_bytes(packed(below(top, files or FILES) if top else files or FILES))
        archive = self.archives.measure(upload)
        self.archives.put(upload, archive)
        self.source = Source(archive=archive, root=top, settings_module="shop.settings")
        self.compiled: list[Path] = []
        self.store = self.again()
        self._runs = 0

    def again(self) -> TreeStore:
        """The store of the next daemon."""
        store = TreeStore(self.root / "trees", self.archives, self._compile)
        store.sweep()
        return store

    def _compile(self, source: Path, target: Path) -> None:
        self.compiled.append(source)
        (target / "shop" / "__pycache__").mkdir(parents=True)
        (target / "shop" / "__pycache__" / "settings.cpython-0.pyc").write_bytes(b"compiled")

    def take(self) -> Place:
        self._runs += 1
        run = self.root / f"run{self._runs}"
        run.mkdir()
        place = Place(tree=run / "project", manifest=run / "manifest", rest=run / "rest")
        self.store.take(self.source, place)
        return place

    def end(self, place: Place) -> Left:
        """Look through what a run has left, and give it back where that may be."""
        noted = Manifest.read(place.manifest)
        left = look_through(place.tree, noted)
        if left.is_pristine:
            self.store.give_back(place, noted, left)
        return left

    def spare(self) -> int:
        return len(list(self.root.glob("trees/1.*/*/spare/*.manifest")))


def contents(tree: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(tree)): path.read_bytes()
        for path in sorted(tree.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture
def trees(tmp_path: Path) -> Trees:
    return Trees(tmp_path)


def paths(left: Left) -> list[str]:
    return [file.path for file in left.files]


def test_a_tree_holds_the_project(trees: Trees) -> None:
    """A run finds the files of the archive, writable, and the sources compiled once for all."""
    first, second = trees.take(), trees.take()

    assert contents(first.tree) == contents(second.tree) == FILES
    assert (first.tree / "shop/__pycache__/settings.cpython-0.pyc").read_bytes() == b"compiled"
    assert os.access(first.tree / "list.txt", os.W_OK)
    assert len(trees.compiled) == 1


def test_what_all_trees_share_is_made_anew(trees: Trees) -> None:
    """A crawl that damages what the trees of its version are made of keeps nobody from running."""
    trees.take()
    (added,) = trees.root.glob("trees/1.*/*/added")
    os.mkfifo(added / "in the way")

    assert contents(trees.take().tree) == FILES
    assert not list(trees.root.glob("trees/1.*/*/added/in the way"))


def test_no_two_names_of_a_file(trees: Trees) -> None:
    """No file of a tree has another name elsewhere, by which somebody else could write to it."""
    place = trees.take()
    assert {path.stat().st_nlink for path in place.tree.rglob("*") if path.is_file()} == {1}


def test_a_compiled_file_stays_valid(trees: Trees) -> None:
    """Files have the same modification time in all trees, to which compiled files are bound."""
    packed_ns = trees.archives.path(trees.source.archive).stat().st_mtime_ns
    for place in (trees.take(), trees.take()):
        assert {(place.tree / name).stat().st_mtime_ns for name in FILES} == {packed_ns}


def test_an_untouched_tree_is_taken_again(trees: Trees) -> None:
    """What a run has read, and what it has made beside it, costs the next run no copy."""
    place = trees.take()
    before = place.tree.stat().st_ino
    (place.tree / "list.txt").read_bytes()
    (place.tree / "shop/new").mkdir()
    (place.tree / "shop/new/x").write_bytes(b"x")
    (place.tree / "out.csv").write_bytes(b"x")
    left = trees.end(place)
    again = trees.take()

    assert paths(left) == ["out.csv", "shop/new/x"]
    assert again.tree.stat().st_ino == before
    assert contents(again.tree) == FILES


def _write(tree: Path) -> None:
    (tree / "list.txt").write_bytes(b"three")


def _same_size_and_time(tree: Path) -> None:
    path = tree / "list.txt"
    status = path.stat()
    path.write_bytes(b"ONE\nTWO\n")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _replace(tree: Path) -> None:
    (tree / "copy").write_bytes(FILES["list.txt"])
    (tree / "copy").replace(tree / "list.txt")


def _in_place(tree: Path) -> None:
    descriptor = os.open(tree / "data/large.bin", os.O_WRONLY)
    os.pwrite(descriptor, b"y", 50_000)
    os.close(descriptor)


def _other_name(tree: Path) -> None:
    os.link(tree / "list.txt", tree.parent / "kept-elsewhere")


def _rename(tree: Path) -> None:
    (tree / "shop").rename(tree / "store")
    (tree / "store").rename(tree / "shop")
    (tree / "list.txt").rename(tree / "list2.txt")


def _attribute(tree: Path) -> None:
    os.setxattr(tree / "shop", "user.note", b"x")


def _other_kind(tree: Path) -> None:
    shutil.rmtree(tree / "data")
    (tree / "data").write_bytes(b"x")


CHANGES: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "written": (_write, ["list.txt"]),
    "written, its size and time kept": (_same_size_and_time, []),
    "replaced": (_replace, ["list.txt"]),
    "written within": (_in_place, ["data/large.bin"]),
    "given another name": (_other_name, []),
    "renamed": (_rename, ["list2.txt"]),
    "removed": (lambda tree: (tree / "list.txt").unlink(), []),
    "made executable": (lambda tree: (tree / "list.txt").chmod(0o755), []),
    "a directory removed": (lambda tree: shutil.rmtree(tree / "data"), []),
    "a directory opened": (lambda tree: (tree / "shop").chmod(0o777), []),
    "a directory closed": (lambda tree: (tree / "shop").chmod(0o500), []),
    "a directory marked": (_attribute, []),
    "a directory replaced": (_other_kind, ["data"]),
    "a compiled file replaced": (
        lambda tree: (tree / "shop/__pycache__/settings.cpython-0.pyc").write_bytes(b"other"),
        [],
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_tree_is_not_taken_again(trees: Trees, change: str) -> None:
    """What a run does to the project's own files is seen by no other run."""
    place = trees.take()
    act, kept = CHANGES[change]
    act(place.tree)
    left = trees.end(place)

    assert not left.is_pristine
    assert paths(left) == kept
    again = trees.take()
    assert contents(again.tree) == FILES
    assert (again.tree / "shop/__pycache__/settings.cpython-0.pyc").read_bytes() == b"compiled"


def test_times_of_directories_are_as_before(trees: Trees) -> None:
    """A tree that is taken again does not show that somebody has written there."""
    place = trees.take()
    before = {path: (place.tree / path).stat().st_mtime_ns for path in ("", "shop", "data")}
    (place.tree / "shop/x").write_bytes(b"x")
    (place.tree / "x").write_bytes(b"x")
    trees.end(place)
    again = trees.take()

    assert before == {path: (again.tree / path).stat().st_mtime_ns for path in before}


def test_nothing_is_followed_out_of_a_tree(trees: Trees, tmp_path: Path) -> None:
    """Links, pipes and devices are no files of the run; what a link points at stays."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"x")
    place = trees.take()
    (place.tree / "link").symlink_to(outside)
    (place.tree / "file-link").symlink_to(outside / "secret")
    os.mkfifo(place.tree / "pipe")
    (place.tree / "made").mkdir()
    (place.tree / "made/up").symlink_to("..")
    left = trees.end(place)

    assert left.is_pristine
    assert left.files == []
    assert contents(trees.take().tree) == FILES
    assert (outside / "secret").read_bytes() == b"x"


def test_depth_and_number_are_bounded(trees: Trees, monkeypatch: pytest.MonkeyPatch) -> None:
    """However deep and however many: looking ends, and says that there was more."""
    deep, many = trees.take(), trees.take()
    (deep.tree / "/".join(["d"] * 100)).mkdir(parents=True)
    for number in range(50):
        (many.tree / f"f{number}").write_bytes(b"")
    monkeypatch.setattr(trees_module, "MOST_SEEN", 30)
    left = [trees.end(place) for place in (deep, many)]

    assert [one.unseen for one in left] == [True, True]
    assert not any(one.is_pristine for one in left)


def test_the_current_directory_may_be_below(tmp_path: Path) -> None:
    """Of a project in a folder of its archive, the folder is the directory of its runs."""
    trees = Trees(tmp_path, top="shop-main")
    place = trees.take()
    (place.tree / "shop-main/out.csv").write_bytes(b"x")
    (place.tree / "beside.csv").write_bytes(b"x")
    left = trees.end(place)

    assert left.directory == place.tree / "shop-main"
    assert paths(left) == ["out.csv"]
    assert contents(trees.take().tree) == below("shop-main", FILES)


def test_compiled_files_are_not_kept(trees: Trees) -> None:
    """What Python compiles during a run is no file of the run."""
    place = trees.take()
    (place.tree / "__pycache__").mkdir()
    (place.tree / "__pycache__/m.cpython-311.pyc").write_bytes(b"x")

    assert trees.end(place).files == []


def test_made_ahead(trees: Trees) -> None:
    """A tree is ready for the next run, one and no more."""
    trees.store.make_ahead(trees.source)
    trees.store.make_ahead(trees.source)
    assert trees.spare() == 1
    assert contents(trees.take().tree) == FILES
    assert trees.spare() == 0


def test_no_more_wait_than_may(trees: Trees, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of waiting trees is bounded, and so is the room they take."""
    monkeypatch.setattr(trees_module, "MOST_SPARE", 2)
    for place in [trees.take() for _ in range(4)]:
        trees.end(place)
    assert trees.spare() == 2
    monkeypatch.setattr(trees_module, "SPARE_BYTES", 1000)
    trees.end(trees.take())
    assert trees.spare() == 0


def test_trees_go_with_their_archive(trees: Trees) -> None:
    """Once the archive is gone, so are the trees that wait and what they are made of."""
    trees.end(trees.take())
    running = trees.take()
    trees.end(trees.take())
    trees.archives.remove(trees.source.archive.digest, None)
    trees.store.tidy()

    assert list(trees.root.glob("trees/1.*/*")) == []
    assert contents(running.tree) == FILES
    with pytest.raises(FileNotFoundError):
        trees.take()


def test_the_next_daemon(trees: Trees) -> None:
    """After a restart nothing is compiled again, and what runs can be given back."""
    running = trees.take()
    trees.end(trees.take())
    (trees.root / "trees/1.another-boot").mkdir()
    (era,) = trees.root.glob("trees/1.*-*/*")
    for leftover in ("spare/half-made", "compiling-half"):
        (era / leftover).mkdir()
    trees.store = trees.again()
    left = trees.end(running)

    assert left.is_pristine
    assert trees.spare() == 1
    assert contents(trees.take().tree) == FILES
    assert len(trees.compiled) == 1
    assert not (trees.root / "trees/1.another-boot").exists()
    assert sorted(path.name for path in era.iterdir()) == ["added", "spare"]


def test_an_egg_gets_a_project_file(tmp_path: Path) -> None:
    """A project without scrapy.cfg has one in its directory, as Scrapy looks for it there."""
    egg = {name: content for name, content in FILES.items() if name != "scrapy.cfg"}
    egg["EGG-INFO/entry_points.txt"] = b"[scrapy]\nsettings = shop.settings\n"
    trees = Trees(tmp_path, egg)
    place = trees.take()

    assert b"default = shop.settings" in (place.tree / "scrapy.cfg").read_bytes()
    assert trees.end(place).files == []


def test_compiled_files_of_the_archive_make_room(tmp_path: Path) -> None:
    """An archive may bring compiled files along; ours take their places."""
    name = "shop/__pycache__/settings.cpython-0.pyc"
    trees = Trees(tmp_path, {**FILES, name: b"of another machine"})
    assert (trees.take().tree / name).read_bytes() == b"compiled"


def test_many_threads(trees: Trees) -> None:
    """Threads that take at once all get a tree of their own, compiled once."""
    taken: list[Place] = []
    start = threading.Barrier(6)

    def take(number: int) -> None:
        run = trees.root / f"thread{number}"
        run.mkdir()
        place = Place(tree=run / "project", manifest=run / "manifest", rest=run / "rest")
        start.wait()
        trees.store.take(trees.source, place)
        taken.append(place)

    threads = [threading.Thread(target=take, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [contents(place.tree) for place in taken] == [FILES] * 6
    assert len(trees.compiled) == 1


def test_a_refused_archive_leaves_nothing(tmp_path: Path) -> None:
    """What cannot be unpacked makes no tree."""
    trees = Trees(tmp_path, {"readme": b"no project"})
    with pytest.raises(BadArchive):
        trees.store.make_ahead(trees.source)
    assert list(trees.root.glob("trees/1.*/*/spare/*")) == []


def test_a_manifest_that_is_none(trees: Trees) -> None:
    """A manifest that somebody has damaged is told, not believed."""
    place = trees.take()
    for damage in ("", "[]", "{}", json.dumps({"digest": 1, "files": 3})):
        place.manifest.write_text(damage)
        with pytest.raises(ValueError, match=r"."):
            Manifest.read(place.manifest)


@pytest.mark.live
def test_sources_are_compiled_once(tmp_path: Path) -> None:
    """Whatever can be compiled is, and Python takes it as valid; nothing of it is run."""
    files = {
        **FILES,
        "shop/pipelines.py": b"open('ran', 'w').close()\n",
        "shop/broken.py": b"def (:\n",
        "shop/deep.py": b"x = " + b"(" * 100_000,
        "shop/old.py": b"print 'x'\n",
    }
    trees = Trees(tmp_path, files)
    trees.store = TreeStore(
        tmp_path / "real", trees.archives, partial(compile_sources, sys.executable)
    )
    tree = trees.take().tree
    tag = sys.implementation.cache_tag

    compiled = {path.name for path in (tree / "shop/__pycache__").iterdir()}
    assert compiled == {f"{name}.{tag}.pyc" for name in ("__init__", "pipelines", "settings")}
    assert contents(tree) == files
