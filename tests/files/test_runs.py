"""The run directories: one per attempt, never the same twice."""

import stat
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest

from scrapy_do.files.runs import RunStore
from scrapy_do.files.trash import Trash
from tests.files.zips import names

JOB = UUID("0b6f5d5c-6a3e-4a7c-9d51-3f8c1f0e2a11")
OTHER = UUID("a1b2c3d4-0000-4000-8000-000000000001")


def test_create(tmp_path: Path) -> None:
    """An attempt has a directory for its records and one for its crawl, empty and private."""
    run = RunStore(tmp_path).create(JOB, 2)

    assert (JOB, 2) == (run.job_id, run.attempt)
    assert [f"{JOB}.2"] * 2 == [run.path.name, run.crawl.name]
    assert run.path.parent != run.crawl.parent
    for path in (run.path, run.crawl):
        assert names(path) == []
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_temporary_files_have_a_short_name(tmp_path: Path) -> None:
    """The socket of a browser in /var/lib/scrapy-do has an address; the name goes with the run."""
    store = RunStore(tmp_path / "runs")
    trash = Trash(tmp_path / "trash", age=timedelta(days=1), now=lambda: datetime.now(UTC))
    socket = "org.chromium.Chromium.XXXXXX/SingletonSocket"
    for end in (store.discard, partial(store.quarantine, trash=trash)):
        run = store.create(JOB, 999)
        (run.crawl / "tmp").mkdir()
        room = 107 - len("/var/lib/scrapy-do")

        assert run.tmp.resolve() == run.crawl / "tmp"
        assert len(f"/{(run.tmp / socket).relative_to(tmp_path)}") <= room
        end(run)
        assert names(run.tmp.parent) == []


def test_run(tmp_path: Path) -> None:
    """The directories of an attempt can be named without listing."""
    store = RunStore(tmp_path)

    assert store.create(JOB, 3) == store.run(JOB, 3)


def test_create_twice(tmp_path: Path) -> None:
    """A directory is used for one attempt only."""
    store = RunStore(tmp_path)
    store.create(JOB, 1)

    with pytest.raises(FileExistsError):
        store.create(JOB, 1)


def test_list(tmp_path: Path) -> None:
    """Whatever has the name of an attempt is listed, also by another instance; nothing else."""
    store = RunStore(tmp_path)
    runs = [store.create(JOB, 0), store.create(JOB, 10), store.create(OTHER, 1)]
    half, file, link = (store.run(JOB, attempt) for attempt in (5, 7, 8))
    half.crawl.mkdir()
    file.path.write_bytes(b"a file")
    link.path.symlink_to(tmp_path)
    active = file.path.parent
    for foreign in ("x", f"{JOB}", f"{JOB}.", f"{JOB}.01", f"{JOB}.-1", f"{JOB}.1.2", f".{JOB}.1"):
        (active / foreign).mkdir()
    (active / f"{str(JOB).upper()}.1").mkdir()

    assert {*runs, half, file, link} == {*RunStore(tmp_path).list()}


def test_strangers(tmp_path: Path) -> None:
    """What has no name of a run is put into the trash; runs stay."""
    store = RunStore(tmp_path / "runs")
    trash = Trash(tmp_path / "trash", age=timedelta(days=1), now=lambda: datetime.now(UTC))
    run = store.create(JOB, 1)
    run.path.with_name("stranger").mkdir()
    run.crawl.with_name(f"{JOB}.1.old").touch()

    store.set_strangers_aside(trash)

    assert [names(run.path.parent), names(run.crawl.parent)] == [[run.path.name]] * 2
    assert len(list((tmp_path / "trash").glob("*-stranger-*"))) == 2


def test_discard(tmp_path: Path) -> None:
    """A discarded run disappears with all it held, and a second time is harmless."""
    store = RunStore(tmp_path)
    run = store.create(JOB, 1)
    (run.crawl / "work/deep").mkdir(parents=True)
    (run.crawl / "work/link").symlink_to("/")
    (run.path / "exit").write_bytes(b"{}")

    store.discard(run)
    store.discard(run)
    listed = store.list()
    store.empty_trash()

    assert listed == ()
    assert names(tmp_path / "trash") == []
    assert run == store.create(JOB, 1)


def test_quarantine(tmp_path: Path) -> None:
    """The records of a run are kept in the trash, whatever they are; a second time is harmless."""
    store = RunStore(tmp_path / "runs")
    trash = Trash(tmp_path / "trash", age=timedelta(days=1), now=lambda: datetime.now(UTC))
    records, file = store.create(JOB, 1), store.create(JOB, 2)
    (records.path / "exit").mkdir()
    (records.crawl / "kept").touch()
    file.path.rmdir()
    file.path.write_bytes(b"not a directory")

    for run in (records, file, records):
        store.quarantine(run, trash)

    assert store.list() == ()
    kept = sorted((tmp_path / "trash").glob("*-run-*"))
    assert [f"run-{JOB}.1", f"run-{JOB}.2"] == [path.name.partition("-")[2] for path in kept]
    assert names(kept[0]) == ["exit"]


def test_roots_that_were_taken_away(tmp_path: Path) -> None:
    """A crawl may close or remove the directories above its own; the store makes them usable."""
    store = RunStore(tmp_path)
    run = store.create(JOB, 1)
    (tmp_path / "trash").rmdir()
    for closed in (run.path.parent, run.crawl.parent):
        closed.chmod(0)

    store.discard(run)
    again = store.create(JOB, 1)

    assert run == again
    assert stat.S_IMODE(run.path.parent.stat().st_mode) == 0o700


def test_empty_trash(tmp_path: Path) -> None:
    """What was renamed away before a crash is deleted; what is active stays."""
    store = RunStore(tmp_path)
    run = store.create(JOB, 1)
    (tmp_path / "trash/abc/work").mkdir(parents=True)

    store.empty_trash()

    assert names(tmp_path / "trash") == []
    assert (run,) == store.list()


def test_stop(tmp_path: Path) -> None:
    """After a stop nothing more is removed: the next daemon goes on with it."""
    store = RunStore(tmp_path)
    (tmp_path / "trash/abc/work").mkdir(parents=True)

    store.stop()
    store.empty_trash()

    assert names(tmp_path / "trash") == ["abc"]
