"""The run directories: one per attempt, never the same twice."""

import stat
from pathlib import Path
from uuid import UUID

import pytest

from scrapy_do.files.runs import RunPath, RunStore
from tests.files.zips import names

JOB = UUID("0b6f5d5c-6a3e-4a7c-9d51-3f8c1f0e2a11")
OTHER = UUID("a1b2c3d4-0000-4000-8000-000000000001")


def test_create(tmp_path: Path) -> None:
    """An attempt's directory is named by job and attempt, empty, and private."""
    path = RunStore(tmp_path).create(JOB, 2)

    assert f"{JOB}.2" == path.name
    assert names(path) == []
    assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_path(tmp_path: Path) -> None:
    """The directory of an attempt can be named without listing."""
    store = RunStore(tmp_path)

    assert store.create(JOB, 3) == store.path(JOB, 3)


def test_create_twice(tmp_path: Path) -> None:
    """A directory is used for one attempt only."""
    store = RunStore(tmp_path)
    store.create(JOB, 1)

    with pytest.raises(FileExistsError):
        store.create(JOB, 1)


def test_list(tmp_path: Path) -> None:
    """All attempts are listed, also by another instance, and foreign names are not."""
    store = RunStore(tmp_path)
    second, first, other = store.create(JOB, 10), store.create(JOB, 0), store.create(OTHER, 1)
    active = first.parent
    for foreign in ("x", f"{JOB}", f"{JOB}.", f"{JOB}.01", f"{JOB}.-1", f"{JOB}.1.2", f".{JOB}.1"):
        (active / foreign).mkdir()
    (active / f"{str(JOB).upper()}.1").mkdir()
    (active / f"{JOB}.7").write_bytes(b"a file")
    (active / f"{JOB}.8").symlink_to(first)

    assert (
        RunPath(job_id=JOB, attempt=0, path=first),
        RunPath(job_id=JOB, attempt=10, path=second),
        RunPath(job_id=OTHER, attempt=1, path=other),
    ) == RunStore(tmp_path).list()


def test_discard(tmp_path: Path) -> None:
    """A discarded directory is gone with all it held, and a second time is harmless."""
    store = RunStore(tmp_path)
    path = store.create(JOB, 1)
    (path / "work/deep").mkdir(parents=True)
    (path / "work/link").symlink_to("/")
    (path / "exit").write_bytes(b"{}")

    store.discard(path)
    store.discard(path)

    assert store.list() == ()
    assert names(tmp_path / "trash") == []
    assert path == store.create(JOB, 1)


def test_discard_elsewhere(tmp_path: Path) -> None:
    """Nothing outside the store can be discarded."""
    with pytest.raises(ValueError, match="is not a run directory"):
        RunStore(tmp_path / "runs").discard(tmp_path)


def test_sweep(tmp_path: Path) -> None:
    """What was renamed away before a crash is deleted at start; what is active stays."""
    store = RunStore(tmp_path)
    path = store.create(JOB, 1)
    (tmp_path / "trash/abc/work").mkdir(parents=True)

    store.sweep()

    assert names(tmp_path / "trash") == []
    assert (RunPath(job_id=JOB, attempt=1, path=path),) == store.list()
