"""Archives that want out of their directory, want all the memory, or are two archives in one."""

import random
from pathlib import Path

import pytest

from scrapy_do.core.project import ArchiveRef
from scrapy_do.errors import BadArchive
from scrapy_do.files.archives import ArchiveStore
from scrapy_do.files.inspect import inspect_archive
from tests.files.hostile import Hostile, hostile_archives
from tests.files.zips import (
    DESCRIPTOR_FLAG,
    UNKNOWN_SIZES,
    UTF8_FLAG,
    Entry,
    archive,
    config_entry,
    text,
)
from tests.files.zips import descriptor as size_descriptor

ARCHIVES = hostile_archives()


def snapshot(root: Path) -> dict[str, bytes | None]:
    """Every file with its content, every directory, below a root."""
    return {
        str(path.relative_to(root)): path.read_bytes() if path.is_file() else None
        for path in root.rglob("*")
        if "/packed/" not in str(path)
    }


def _take(store: ArchiveStore, ref: ArchiveRef, target: Path) -> None:
    """Take an archive that nobody has named: look at it, then unpack it."""
    store.listing(ref)
    store.unpack(ref, target)


@pytest.mark.parametrize(
    "hostile", ARCHIVES, ids=[f"{hostile.family}-{hostile.label}" for hostile in ARCHIVES]
)
def test_refused(hostile: Hostile, tmp_path: Path) -> None:
    """A hostile archive is refused by its rule, and not one byte is written."""
    root = tmp_path / "a/b/c/d"
    store = ArchiveStore(root)
    upload = store.incoming / "upload"
    upload.write_bytes(hostile.make())
    ref = store.measure(upload)
    store.put(upload, ref)
    before = snapshot(tmp_path)

    with pytest.raises(BadArchive) as refusal:
        _take(store, ref, root / "tree")

    assert hostile.reason in str(refusal.value)
    assert str(refusal.value).isprintable()
    assert before == snapshot(tmp_path)


def test_enough_of_them() -> None:
    """There are at least 200 hostile archives in at least 24 families, none of them twice."""
    assert len(ARCHIVES) >= 200
    assert len({hostile.family for hostile in ARCHIVES}) >= 24
    assert len({(hostile.family, hostile.label) for hostile in ARCHIVES}) == len(ARCHIVES)


def honest_bytes() -> bytes:
    streamed = Entry(
        name=b"shop/streamed.py",
        content=b"a = 1\n" * 20,
        flags=UTF8_FLAG | DESCRIPTOR_FLAG,
        local=UNKNOWN_SIZES,
        after=size_descriptor(b"a = 1\n" * 20),
    )
    files = [
        config_entry(),
        Entry(name=b"shop/", mode=0o040755),
        text("shop/settings.py"),
        streamed,
    ]
    return archive(files, zip64={}, end={"comment": b"made by hand"})


@pytest.mark.parametrize("seed", range(8))
def test_damaged_anywhere(seed: int, tmp_path: Path) -> None:
    """An archive with changed, removed or doubled bytes is refused or judged, nothing else."""
    rng = random.Random(seed)
    honest = honest_bytes()
    path = tmp_path / "archive"
    refused = 0
    for _ in range(100):
        damaged = bytearray(honest)
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(damaged))
            match rng.randrange(3):
                case 0:
                    damaged[at] = rng.choice([0, 0xFF, rng.randrange(256)])
                case 1:
                    del damaged[at : at + rng.randrange(1, 30)]
                case _:
                    damaged[at:at] = damaged[at : at + rng.randrange(1, 30)]
        path.write_bytes(damaged)
        try:
            inspect_archive(path)
        except BadArchive:
            refused += 1
    assert refused > 50


def test_cut_anywhere(tmp_path: Path) -> None:
    """An archive that was cut at any byte is refused."""
    honest = honest_bytes()
    path = tmp_path / "archive"
    for length in range(len(honest)):
        path.write_bytes(honest[:length])
        with pytest.raises(BadArchive):
            inspect_archive(path)
