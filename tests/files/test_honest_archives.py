"""Archives of honest projects are accepted, read right and unpacked whole."""

from pathlib import Path

import pytest

from scrapy_do.files.archives import ArchiveStore
from scrapy_do.files.inspect import ArchiveKind, ArchiveLimits, inspect_archive
from tests.files.honest import PROJECT, Honest, honest_archives, packed
from tests.files.peoples import peoples_archives

ARCHIVES = (*honest_archives(), *peoples_archives())


@pytest.mark.parametrize("honest", ARCHIVES, ids=[honest.label for honest in ARCHIVES])
def test_accepted(honest: Honest, tmp_path: Path) -> None:
    """An honest archive tells its project and unpacks to exactly its files."""
    store = ArchiveStore(tmp_path)
    upload = store.incoming / "upload"
    upload.write_bytes(honest.content)
    ref = store.measure(upload)
    store.put(upload, ref)

    listing = store.listing(ref)
    tree = tmp_path / "tree"
    store.unpack(ref, tree)

    assert (honest.kind, honest.project, honest.root, honest.settings_module) == (
        listing.kind,
        listing.project,
        listing.root,
        listing.settings_module,
    )
    assert honest.warnings == listing.warnings
    assert sum(map(len, honest.files.values())) == listing.expanded_bytes
    assert honest.files == {
        str(path.relative_to(tree)): path.read_bytes() for path in tree.rglob("*") if path.is_file()
    }


def test_enough_of_them() -> None:
    """There are at least 50 honest shapes, none of them twice."""
    assert len({honest.label for honest in ARCHIVES}) == len(ARCHIVES) >= 50


def test_limits_are_the_callers(tmp_path: Path) -> None:
    """An archive is accepted exactly up to the limits that are given."""
    path = tmp_path / "archive"
    path.write_bytes(packed(PROJECT))
    expanded = sum(map(len, PROJECT.values()))
    longest = max(map(len, PROJECT.values()))
    limits = ArchiveLimits(entries=5, expanded_bytes=expanded, entry_bytes=longest, levels=3)

    listing = inspect_archive(path, limits)

    assert (ArchiveKind.ZIP, expanded, 5) == (
        listing.kind,
        listing.expanded_bytes,
        len(listing.entries),
    )
