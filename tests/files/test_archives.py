"""The archive store: one copy per content, one tree per archive, nothing half done."""

import errno
import hashlib
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from scrapy_do.core.project import ArchiveRef
from scrapy_do.errors import BadArchive, NoSpace
from scrapy_do.files.archives import ArchiveStore
from scrapy_do.files.inspect import inspect_archive
from scrapy_do.files.zip_directory import inflate
from tests.files.honest import PROJECT, packed
from tests.files.test_trash import trash_at
from tests.files.zips import Entry, archive, config_entry, names, text

CONTENT = packed(PROJECT)
REF = ArchiveRef(digest=hashlib.sha256(CONTENT).hexdigest(), size_bytes=len(CONTENT))


def put(store: ArchiveStore, content: bytes = CONTENT) -> ArchiveRef:
    upload = store.incoming / "upload"
    upload.write_bytes(content)
    ref = store.measure(upload)
    store.put(upload, ref)
    return ref


def below_root(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_put(tmp_path: Path) -> None:
    """A stored upload is moved, named by its digest, and can be read again."""
    store = ArchiveStore(tmp_path)

    ref = put(store)

    assert ref == REF
    assert [f"packed/{REF.digest}.zip"] == below_root(tmp_path)
    with store.open(ref) as file:
        assert file.read() == CONTENT
    assert store.path(ref).read_bytes() == CONTENT
    assert frozenset({REF.digest}) == store.digests()


def test_put_twice(tmp_path: Path) -> None:
    """The same content is stored once."""
    store = ArchiveStore(tmp_path)

    assert put(store) == put(store)
    assert [f"packed/{REF.digest}.zip"] == below_root(tmp_path)


def test_put_from_elsewhere_is_a_bug(tmp_path: Path) -> None:
    """A missing upload is no archive."""
    store = ArchiveStore(tmp_path)

    with pytest.raises(FileNotFoundError):
        store.put(store.incoming / "nothing", REF)


def unpacked(store: ArchiveStore, ref: ArchiveRef, root: Path) -> Path:
    """Unpack into a new directory and return it."""
    target = root / f"tree{len(list(root.iterdir()))}"
    store.unpack(ref, target)
    return target


def test_unpack_modes(tmp_path: Path) -> None:
    """The tree is its owner's; of the modes in the archive only the right to execute counts."""
    store = ArchiveStore(tmp_path)
    entries = [
        config_entry(),
        Entry(name=b"bin/", mode=0o040700),
        Entry(name=b"bin/x", mode=0o100777),
        Entry(name=b"bin/y", mode=0o100400),
    ]
    tree = unpacked(store, put(store, archive(entries)), tmp_path)

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tree.rglob("*")}
    assert {"scrapy.cfg": 0o644, "bin": 0o755, "x": 0o755, "y": 0o644} == modes


def test_unpack_again(tmp_path: Path) -> None:
    """Each tree is a whole one of its own, with the same times."""
    store = ArchiveStore(tmp_path)
    ref = put(store)
    trees = [unpacked(store, ref, tmp_path) for _ in range(2)]

    first, second = ({path: (tree / path).stat() for path in PROJECT} for tree in trees)
    assert {path: one.st_mtime_ns for path, one in first.items()} == {
        path: one.st_mtime_ns for path, one in second.items()
    }
    assert not {one.st_ino for one in first.values()} & {one.st_ino for one in second.values()}


def test_unpack_different_archives_from_many_threads(tmp_path: Path) -> None:
    """Threads that put and unpack different archives do not disturb each other."""
    store = ArchiveStore(tmp_path)
    contents = [packed({**PROJECT, "number": b"%d" % number}) for number in range(20)]
    found: dict[int, bytes] = {}

    def store_one(number: int) -> None:
        upload = store.incoming / f"upload{number}"
        upload.write_bytes(contents[number])
        ref = store.measure(upload)
        store.put(upload, ref)
        target = tmp_path / f"tree{number}"
        store.unpack(ref, target)
        found[number] = (target / "number").read_bytes()

    threads = [threading.Thread(target=store_one, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {number: b"%d" % number for number in range(20)} == found


def test_refused_archive_leaves_nothing(tmp_path: Path) -> None:
    """An archive whose data turn out to be broken leaves no tree, and stays refused."""
    broken = Entry(name=b"z", content=b"x", central={"crc": 1}, local={"crc": 1})
    store = ArchiveStore(tmp_path)
    ref = put(store, archive([config_entry(), text("a"), broken]))

    for _ in range(2):
        with pytest.raises(BadArchive, match="wrong checksum"):
            store.unpack(ref, tmp_path / "tree")
    assert [f"packed/{ref.digest}.zip"] == below_root(tmp_path)
    assert not (tmp_path / "tree").exists()


def test_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fills up while unpacking is said as such, and the half tree is gone."""
    store = ArchiveStore(tmp_path)
    ref = put(store)

    def full(_descriptor: int, **_times: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        patched.setattr(os, "utime", full)
        with pytest.raises(NoSpace, match="no space left to store the unpacked archive"):
            store.unpack(ref, tmp_path / "tree")
        with pytest.raises(NoSpace, match="no space left to store the archive"):
            put(store)

    assert not (tmp_path / "tree").exists()
    assert unpacked(store, ref, tmp_path).is_dir()


def test_delete(tmp_path: Path) -> None:
    """Deleting removes an archive; doing it again is harmless."""
    store = ArchiveStore(tmp_path)
    ref = put(store)

    store.remove(ref.digest, None)
    store.remove(ref.digest, None)

    assert below_root(tmp_path) == []
    assert frozenset() == store.digests()
    with pytest.raises(FileNotFoundError):
        store.open(ref)
    with pytest.raises(FileNotFoundError):
        store.unpack(ref, tmp_path / "tree")


def test_remove_and_take_back(tmp_path: Path) -> None:
    """A removed archive lies in the trash, and what is taken back is as it was; twice is once."""
    store, trash = ArchiveStore(tmp_path / "archives"), trash_at(tmp_path / "trash")
    ref = put(store)

    store.remove(ref.digest, trash)
    store.remove(ref.digest, trash)
    removed = store.digests()
    (kept,) = below_root(tmp_path)

    assert removed == frozenset()
    assert kept.endswith(f"-archive-{ref.digest}")
    assert store.take_back(ref.digest, trash)
    assert not store.take_back(ref.digest, trash)
    assert sorted(PROJECT) == below_root(unpacked(store, ref, tmp_path))


def test_sweep(tmp_path: Path) -> None:
    """At start the leftovers of a killed process are removed, and nothing else."""
    store = ArchiveStore(tmp_path)
    ref = put(store)
    for leftover in ("trash/abc/shop", "incoming"):
        (tmp_path / leftover).mkdir(parents=True, exist_ok=True)
        (tmp_path / leftover / "file").write_bytes(b"half")
    (tmp_path / "trash/one.zip").write_bytes(b"x")
    (tmp_path / "trash/link").symlink_to(store.path(ref))

    ArchiveStore(tmp_path).sweep()

    assert [f"packed/{ref.digest}.zip"] == below_root(tmp_path)
    assert names(tmp_path / "trash") == []


@pytest.mark.parametrize(
    "digest", ["", "..", "../" * 10, "a" * 63, "A" * 64, "a" * 64 + "\n", "a" * 65]
)
def test_other_digests(digest: str, tmp_path: Path) -> None:
    """Nothing but a digest ever reaches a path."""
    store = ArchiveStore(tmp_path)

    with pytest.raises(ValueError, match="is not a SHA-256 digest"):
        store.path(ArchiveRef(digest=digest, size_bytes=0))
    with pytest.raises(ValueError, match="is not a SHA-256 digest"):
        store.remove(digest, None)


def test_foreign_files_are_no_digests(tmp_path: Path) -> None:
    """Files that somebody else put beside the archives are not listed."""
    store = ArchiveStore(tmp_path)
    (tmp_path / "packed/README.zip").write_bytes(b"")
    (tmp_path / "packed" / ("a" * 64)).write_bytes(b"")

    assert frozenset() == store.digests()


def test_cut_after_the_check(tmp_path: Path) -> None:
    """An archive that loses bytes between check and unpacking is refused then."""
    path = tmp_path / "archive"
    path.write_bytes(CONTENT)
    entry = inspect_archive(path).entries[0].zipped
    os.truncate(path, entry.data_offset + 1)

    with path.open("rb") as file, pytest.raises(BadArchive, match="the file ends inside its data"):
        list(inflate(file.fileno(), entry))


UNPRIVILEGED = """
import os, sys
from pathlib import Path
from scrapy_do.files.archives import ArchiveStore
"".encode("utf-8-sig")  # loaded now: the other user may not read the interpreter's files
os.setgid(65534); os.setuid(65534)
store = ArchiveStore(Path(sys.argv[1]))
upload = store.incoming / "upload"
upload.write_bytes(sys.stdin.buffer.read())
ref = store.measure(upload)
store.put(upload, ref)
tree = Path(sys.argv[1], "tree")
store.unpack(ref, tree)
(tree / "scrapy.cfg").write_bytes(b"changed")
store.remove(ref.digest, None)
print(sorted(os.listdir(sys.argv[1])), os.listdir(Path(sys.argv[1], "trash")))
"""


@pytest.mark.live
@pytest.mark.skipif(os.getuid() != 0, reason="needs another user")
def test_without_privileges(tmp_path: Path) -> None:
    """Who is not root stores, unpacks and deletes in the same way."""
    root = tmp_path / "store"
    root.mkdir()
    os.chown(root, 65534, 65534)
    for parent in [tmp_path, *tmp_path.parents][:4]:
        parent.chmod(parent.stat().st_mode | 0o011)
    arguments = [sys.executable, "-c", UNPRIVILEGED, str(root)]
    done = subprocess.run(arguments, input=CONTENT, capture_output=True, check=False)

    expected = (0, b"['incoming', 'packed', 'trash', 'tree'] []\n")
    assert expected == (done.returncode, done.stdout), done.stderr
