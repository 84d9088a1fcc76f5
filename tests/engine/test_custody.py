"""How the database is looked after while the daemon runs."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from twisted.internet.task import Clock

from scrapy_do.engine.custody import FIRST_LOOK_S, MARK_S, Custody
from scrapy_do.store.copies import daily_copies
from scrapy_do.store.store import Store
from scrapy_do.system.service import Farewell
from tests.fakes import still_runtime
from tests.faults.owned import Opened, pair_at
from tests.http_client import completed

START = datetime(2026, 11, 1, tzinfo=UTC)


def _custody(store: Store, clock: Clock) -> Custody:
    custody = Custody(
        store=store,
        runtime=still_runtime(clock, lambda: START + timedelta(seconds=clock.seconds())),
    )
    completed(custody.start())
    return custody


def _generation(data: Path) -> int:
    mark = pair_at(data).directory.mark()
    assert mark is not None
    return mark.generation


def _pass(clock: Clock, hours: int) -> None:
    for _ in range(hours):
        clock.advance(MARK_S)


def test_a_copy_a_day(tmp_path: Path) -> None:
    """A copy is made soon after the start and then each day; the newest three are kept."""
    clock = Clock()
    with Opened(tmp_path) as store:
        _custody(store, clock)
        before = daily_copies(tmp_path / "scrapy-do.db")
        clock.advance(FIRST_LOOK_S)
        found = [[path.name for path in daily_copies(tmp_path / "scrapy-do.db")]]
        for _ in range(4):
            _pass(clock, 24)
            found.append([path.name for path in daily_copies(tmp_path / "scrapy-do.db")])
        assert store.broken is None

    assert before == []
    assert [len(names) for names in found] == [1, 2, 3, 3, 3]
    assert found[0] == ["scrapy-do.db.copy-20261101T000100Z"]
    assert found[-1][0] > found[0][0]


def test_a_restart_makes_no_copy(tmp_path: Path) -> None:
    """A daemon that finds a copy of today makes the next one a day after that."""
    clock = Clock()
    for _ in range(2):
        with Opened(tmp_path) as store:
            custody = _custody(store, clock)
            _pass(clock, 5)
            completed(custody.stop(Farewell(leave_crawls=True)))
            _pass(clock, 48)
        assert len(daily_copies(tmp_path / "scrapy-do.db")) <= 2
        assert store.broken is None
    with Opened(tmp_path) as store:
        _custody(store, clock)
        clock.advance(FIRST_LOOK_S)
        copies = daily_copies(tmp_path / "scrapy-do.db")
        _pass(clock, 3)
        assert daily_copies(tmp_path / "scrapy-do.db") == copies


def test_marks(tmp_path: Path) -> None:
    """A copy that others make of the database is behind it an hour later at most."""
    clock = Clock()
    with Opened(tmp_path) as store:
        _custody(store, clock)
        clock.advance(FIRST_LOOK_S)
        before = _generation(tmp_path)
        clock.advance(MARK_S)
        assert _generation(tmp_path) == before + 1


def test_what_was_not_checked_is_copied_at_once(tmp_path: Path) -> None:
    """After a start that could not check all of the database a copy is, although one is young."""
    clock = Clock()
    with Opened(tmp_path) as store:
        _custody(store, clock)
        clock.advance(FIRST_LOOK_S)
        store.is_checked = False
        clock.advance(1)
        _custody(store, clock)
        clock.advance(0)
        assert len(daily_copies(tmp_path / "scrapy-do.db")) == 2
        assert store.is_checked


def test_damage_ends_the_use(tmp_path: Path) -> None:
    """A copy that turns out to be damaged is not kept, and the database is used no more."""
    clock = Clock()
    with Opened(tmp_path) as store:
        _custody(store, clock)
        clock.advance(FIRST_LOOK_S)
        completed(store.mark())
        path = tmp_path / "scrapy-do.db"
        content = path.read_bytes()
        with path.open("r+b") as file:
            file.seek(len(content) // 2)
            file.write(bytes(len(content) // 2))
        _pass(clock, 25)
        assert store.broken is not None
        assert "is damaged" in store.broken
        assert "copies that are kept: scrapy-do.db.copy-20261101T000100Z" in store.broken
        assert len(daily_copies(path)) == 1


def test_a_full_disk_is_no_end(tmp_path: Path) -> None:
    """A copy that cannot be made is made later; the database goes on."""
    clock = Clock()
    blocked = tmp_path / ".scrapy-do.db.unfinished"
    with Opened(tmp_path) as store:
        blocked.mkdir()
        _custody(store, clock)
        clock.advance(FIRST_LOOK_S)
        assert store.broken is None
        blocked.rmdir()
        _pass(clock, 1)
        assert len(daily_copies(tmp_path / "scrapy-do.db")) == 1
