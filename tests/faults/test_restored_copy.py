"""An older copy takes the place of the database: what it says agrees with the disk again."""

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from scrapy_do.core.job import Finished, Job, Outcome, Pending, Running, Starting, is_active
from scrapy_do.core.transitions import Claimed, Started, advance
from scrapy_do.engine.restoring import RAN_SINCE, Restored, restore
from scrapy_do.errors import ScrapyDoError, StoreUnavailable, WrongDatabase
from scrapy_do.files.archives import ArchiveStore
from scrapy_do.files.artifacts import ArtifactStore
from scrapy_do.files.runs import RunStore
from scrapy_do.files.trash import Trash
from scrapy_do.store.copies import copy_of_the_day, copy_to
from scrapy_do.store.removals import Removable
from scrapy_do.store.store import Store
from tests.factories import request
from tests.faults.owned import Opened, add, files_of, pair_at, use
from tests.http_client import completed
from tests.store.values import new

pytestmark = pytest.mark.faults

NOW = datetime.now(UTC)


def _restore(data: Path, copy: Path | None, *, in_place: bool = False) -> Restored:
    pair = pair_at(data)
    pair.lock()
    try:
        return restore(pair, copy, in_place=in_place)
    finally:
        pair.close()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return use(tmp_path / "data")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return tmp_path / "copy"


def _job(store: Store, number: int) -> Job:
    found: Job = completed(store.jobs.get(UUID(int=number)))
    return found


def _pending(store: Store, number: int, **fields: object) -> Job:
    waiting = new(number, Pending(since=NOW - timedelta(hours=1)), request=request(**fields))
    added: Job = completed(store.jobs.add(waiting))
    return added


def _move(store: Store, job: Job, *events: Claimed | Started) -> Job:
    for event in events:
        moved = advance(job, event, now=NOW)
        job = completed(store.jobs.save(moved, expected=job))
    return job


def test_what_came_later_stays(data: Path, copy: Path) -> None:
    """Archives and files of jobs that the copy does not know are never touched, nor pruned."""
    copy_to(data / "scrapy-do.db", copy)
    with Opened(data) as store:
        later = add(store, data, "later")
        (ArtifactStore(data).prepare(UUID(int=77)) / "out").write_text("later")
    before = files_of(data)

    done = _restore(data, copy)

    assert (done.versions_gone, done.archives_back, done.jobs_lost) == ([], 0, 0)
    with Opened(data) as store:
        assert [project.name for project in completed(store.projects.all())] == ["quotesbot"]
    kept = files_of(data)
    changed = {name for name in before if before[name] != kept.get(name)}
    assert all(name.startswith(("scrapy-do.db", "identity", "owner.lock")) for name in changed)
    assert f"archives/packed/{later.digest}.zip" in kept


def test_what_was_removable_is_needed_again(data: Path, copy: Path) -> None:
    """What could go when the copy was made does not, as it may belong to what came after."""
    with Opened(data) as store:
        archive = add(store, data)
        completed(store.projects.remove("quotesbot"))
    copy_to(data / "scrapy-do.db", copy)
    with Opened(data) as store:
        add(store, data)

    _restore(data, copy)

    with Opened(data) as store:
        for kind in (Removable.ARCHIVE, Removable.SPIDER_DATA):
            assert completed(store.removals.all(kind)) == []
    assert archive.digest in ArchiveStore(data / "archives").digests()


def test_archives_come_back_from_the_trash(data: Path, copy: Path) -> None:
    """An archive that was removed since the copy is taken out of the trash again."""
    copy_to(data / "scrapy-do.db", copy)
    archives = ArchiveStore(data / "archives")
    (digest,) = archives.digests()
    trash = Trash(data / "trash", age=timedelta(days=7), now=lambda: NOW)
    archives.remove(digest, trash)

    done = _restore(data, copy)

    assert (done.archives_back, done.versions_gone) == (1, [])
    assert archives.digests() == {digest}
    with Opened(data) as store:
        assert completed(store.projects.version("quotesbot", "1")).archive.digest == digest


def test_versions_without_archives_go(data: Path, copy: Path) -> None:
    """A version whose archive is gone for good goes; the newest of the others becomes current."""
    with Opened(data) as store:
        lost = add(store, data, content=b"lost")
    copy_to(data / "scrapy-do.db", copy)
    ArchiveStore(data / "archives").remove(lost.digest, None)

    done = _restore(data, copy)

    assert done.versions_gone == ["quotesbot 2"]
    with Opened(data) as store:
        current = completed(store.projects.get("quotesbot")).current
        assert current is not None
        assert current.label == "1"


def test_jobs_that_ran_since_are_lost(data: Path, copy: Path) -> None:
    """A job that waits in the copy and has printed since ends as lost; one that has not, waits."""
    artifacts = ArtifactStore(data)
    with Opened(data) as store:
        for number in (2, 3, 4, 5):
            _pending(store, number, retries=int(number == 5))
    copy_to(data / "scrapy-do.db", copy)
    for number, age in ((2, timedelta(0)), (3, timedelta(hours=2)), (5, timedelta(0))):
        out = artifacts.prepare(UUID(int=number)) / "out"
        out.write_text("x")
        os.utime(out, ((NOW - age).timestamp(),) * 2)

    done = _restore(data, copy)

    assert done.jobs_lost == 2
    with Opened(data) as store:
        state = _job(store, 2).state
        assert isinstance(state, Finished)
        assert (state.outcome, state.reason) == (Outcome.LOST, RAN_SINCE)
        waiting = [_job(store, number).state for number in (3, 4, 5)]
    assert [type(state) for state in waiting] == [Pending] * 3
    assert [state.attempt for state in waiting if isinstance(state, Pending)] == [0, 0, 1]


def test_runs_are_taken_up(data: Path, copy: Path) -> None:
    """A job that has a run directory since is left to the next daemon, at its own attempt."""
    runs = RunStore(data / "runs")
    with Opened(data) as store:
        _pending(store, 2)
        _move(store, _pending(store, 3), Claimed(), Started(process=None))
        _move(store, _pending(store, 4), Claimed(), Started(process=None))
        _move(store, _pending(store, 5), Claimed(), Started(process=None))
    copy_to(data / "scrapy-do.db", copy)
    for number, attempt in ((2, 1), (3, 1), (4, 2), (9, 1)):
        runs.create(UUID(int=number), attempt)

    done = _restore(data, copy)

    assert done.jobs_taken_up == 2
    with Opened(data) as store:
        states = [_job(store, number).state for number in (2, 3, 4, 5)]
        assert all(map(is_active, states))
    assert [(type(state), getattr(state, "attempt", None)) for state in states] == [
        (Starting, 1),
        (Running, 1),
        (Running, 2),
        (Running, 1),
    ]
    assert len(runs.list()) == 4


def test_the_newest_that_is_whole(data: Path) -> None:
    """Without a name the newest copy is taken; a damaged one is left out and named."""
    database = data / "scrapy-do.db"
    copies = [copy_of_the_day(database, NOW - timedelta(days=days)) for days in (3, 2, 1, 0)]
    assert not copies[0].exists()  # type: ignore[union-attr]  # none was given up
    for copy, age in zip(copies[1:], (3, 2, 1), strict=True):
        assert copy is not None
        os.utime(copy, (NOW.timestamp() - age,) * 2)
    newest = copies[3]
    assert newest is not None
    newest.write_bytes(newest.read_bytes()[:8192])
    database.unlink()

    done = _restore(data, None)

    assert (done.copy, done.damaged, done.aside) == (copies[2], [newest.name], None)
    with Opened(data):
        pass


def test_nothing_to_restore(data: Path, tmp_path: Path) -> None:
    """Without a whole copy nothing is done, whatever is named."""
    (tmp_path / "text").write_text("no database" * 1000)
    (tmp_path / "empty").touch()
    shutil.copy(data / "scrapy-do.db", tmp_path / "half")
    os.truncate(tmp_path / "half", 8192)
    before = files_of(data)
    with pytest.raises(ScrapyDoError, match=r"no copy of .* is kept that is whole"):
        _restore(data, None)
    for name, error, problem in (
        ("text", WrongDatabase, "is damaged"),
        ("half", StoreUnavailable, "is damaged"),
        ("empty", ScrapyDoError, "no database is there"),
        ("nothing", ScrapyDoError, "no database is there"),
    ):
        with pytest.raises(error, match=problem):
            _restore(data, tmp_path / name)
    after = files_of(data)
    assert {name: after[name] for name in before} == before
    with Opened(data):
        pass


def test_in_place(data: Path, tmp_path: Path) -> None:
    """A database that somebody has put there becomes the one of the directory."""
    other = use(tmp_path / "other", project="another")
    shutil.copy(other / "scrapy-do.db", data / "scrapy-do.db")
    foreign = (data / "scrapy-do.db").read_bytes()

    done = _restore(data, None, in_place=True)

    assert done.versions_gone == ["another 1"]
    assert done.aside is not None
    assert done.aside.read_bytes() == foreign
    with Opened(data) as store:
        assert [project.name for project in completed(store.projects.all())] == ["another"]


def test_a_copy_stays_older(data: Path, copy: Path) -> None:
    """What was copied before a restore is not taken for the restored database afterwards."""
    copy_to(data / "scrapy-do.db", copy)
    _restore(data, copy)
    shutil.copy(copy, data / "scrapy-do.db")
    with pytest.raises(WrongDatabase, match="is older than its data directory"), Opened(data):
        pass


def test_copies_of_running_databases(data: Path, copy: Path) -> None:
    """A copy holds what was committed; of a damaged database none is kept in place of others."""
    database = data / "scrapy-do.db"
    first = copy_of_the_day(database, NOW - timedelta(days=1))
    with Opened(data) as store:
        completed(store.meta.put("scope", {"key": 1}))
        copy_to(database, copy)
        assert copy_of_the_day(database, NOW, lambda: True) is None
    content = bytearray(database.read_bytes())
    content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
    database.write_bytes(content)
    with pytest.raises(StoreUnavailable, match="is damaged"):
        copy_of_the_day(database, NOW)

    assert [path.name for path in data.glob("*.copy-*")] == [first.name if first else ""]
    assert not list(data.glob("*.unfinished*"))
    _restore(data, copy)
    with Opened(data) as store:
        assert completed(store.meta.get("scope", "key")) == 1


def test_nothing_is_made_beside_a_copy(data: Path, tmp_path: Path) -> None:
    """A copy may lie where nobody can write, and by whatever program it was made."""
    place = tmp_path / "backups"
    place.mkdir()
    shutil.copy(data / "scrapy-do.db", place / "copy")  # with the mode that makes files beside it
    before = files_of(place)

    _restore(data, place / "copy")

    assert files_of(place) == before
    with Opened(data):
        pass
