"""A database that is not the one of its data directory: refused, and nothing is touched."""

import json
import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from scrapy_do.engine.pairing import Pair
from scrapy_do.engine.restoring import restore
from scrapy_do.errors import DatabaseInUse, NewerSchema, WrongDatabase
from scrapy_do.files.data_directory import DataDirectory
from tests.faults.owned import Opened, add, copy_of, files_of, killed, pair_at, use
from tests.http_client import completed

pytestmark = pytest.mark.faults

VARIANTS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A data directory to be spoilt, its database, and room for other things."""

    data: Path
    database: Path
    room: Path


def _missing(place: Place) -> None:
    place.database.unlink()


def _empty(place: Place) -> None:
    place.database.write_bytes(b"")


def _without_tables(place: Place) -> None:
    place.database.unlink()
    with closing(sqlite3.connect(place.database)) as database:
        database.execute("PRAGMA user_version = 1")
        database.commit()


def _foreign(place: Place) -> None:
    place.database.unlink()
    with closing(sqlite3.connect(place.database)) as database:
        database.execute("CREATE TABLE jobs (id)")


def _text(place: Place) -> None:
    place.database.write_bytes(b"this is no database\n" * 500)


def _truncated(place: Place) -> None:
    content = place.database.read_bytes()
    place.database.write_bytes(content[: len(content) // 2])


def _header(place: Place) -> None:
    place.database.write_bytes(b"X" * 100 + place.database.read_bytes()[100:])


def _flipped(place: Place) -> None:
    """One bit within a text, which no check of SQLite sees."""
    content = bytearray(place.database.read_bytes())
    content[content.rindex(b"quotesbot.settings")] ^= 1
    place.database.write_bytes(content)


def _older(place: Place) -> None:
    """As it was at the stop before the last."""
    shutil.copy(place.database, place.room / "older")
    with Opened(place.data) as store:
        completed(store.meta.put("scope", {"key": 1}))
    shutil.copy(place.room / "older", place.database)


def _older_with_its_sum(place: Place) -> None:
    shutil.copy(f"{place.database}.sum", place.room / "sum")
    _older(place)
    shutil.copy(place.room / "sum", f"{place.database}.sum")


def _of_the_day(place: Place) -> None:
    """A copy that was made while the last daemon ran, and marked the database afterwards."""
    with Opened(place.data) as store:
        copy_of(place.database, place.room / "copy")
        completed(store.mark())
    shutil.copy(place.room / "copy", place.database)


def _of_another(place: Place) -> None:
    other = use(place.room / "other") / "scrapy-do.db"
    shutil.copy(other, place.database)
    shutil.copy(f"{other}.sum", f"{place.database}.sum")


def _of_an_earlier_version(place: Place) -> None:
    place.database.unlink()
    script = Path(__file__).parent.parent / "store" / "schema-0001.sql"
    with closing(sqlite3.connect(place.database)) as database:
        database.executescript(script.read_text())


def _kill(place: Place) -> None:
    left = killed(place.data, place.room / "killed")
    shutil.rmtree(place.data)
    left.rename(place.data)


def _log_missing(place: Place) -> None:
    _kill(place)
    Path(f"{place.database}-wal").unlink()


def _log_empty(place: Place) -> None:
    _kill(place)
    Path(f"{place.database}-wal").write_bytes(b"")


def _log_of_another(place: Place) -> None:
    _kill(place)
    other = killed(use(place.room / "other"), place.room / "other killed")
    shutil.copy(other / "scrapy-do.db-wal", f"{place.database}-wal")


def _log_cut(place: Place) -> None:
    """All of the log that it was opened with is there, and not what was acknowledged last."""
    _kill(place)
    os.truncate(f"{place.database}-wal", Path(f"{place.database}-wal").stat().st_size - 1)


def _log_flipped(place: Place) -> None:
    """One bit in the last page of the log, at which SQLite takes it to end."""
    _kill(place)
    log = Path(f"{place.database}-wal")
    content = bytearray(log.read_bytes())
    content[-1] ^= 1
    log.write_bytes(content)


def _index_of_no_file(place: Place) -> None:
    Path(f"{place.database}-shm").mkdir()


def _missing_beside_its_log(place: Place) -> None:
    _kill(place)
    place.database.unlink()


def _index_after_a_kill(place: Place) -> None:
    """An index that says something else than its table: quick checks do not look."""
    with closing(sqlite3.connect(place.database)) as database:
        query = "SELECT rootpage FROM sqlite_schema WHERE name = 'versions_digest'"
        (page,) = database.execute(query).fetchone()
        (digest,) = database.execute("SELECT digest FROM versions").fetchone()
    content = bytearray(place.database.read_bytes())
    content[content.index(digest.encode(), (page - 1) * 4096)] ^= 1
    place.database.write_bytes(content)
    with closing(sqlite3.connect(place.database)) as database:
        assert database.execute("PRAGMA quick_check").fetchone() == ("ok",)
    Path(f"{place.database}.sum").unlink()


def _a_directory(place: Place) -> None:
    place.database.unlink()
    place.database.mkdir()


def _leads_nowhere(place: Place) -> None:
    place.database.unlink()
    place.database.symlink_to(place.room / "nowhere")


def _with_a_journal(place: Place) -> None:
    Path(f"{place.database}-journal").write_bytes(b"x" * 600)


def _without_identity(place: Place) -> None:
    (place.data / "identity").unlink()


def _damaged_identity(place: Place) -> None:
    (place.data / "identity").write_text("{")


def _endless_identity(place: Place) -> None:
    (place.data / "identity").write_text("[" * 4000)


def _older_directory(place: Place) -> None:
    directory = DataDirectory(place.data)
    mark = directory.mark()
    assert mark is not None
    text = {"identity": mark.identity, "generation": mark.generation - 2}
    (place.data / "identity").write_text(json.dumps(text))


def _without_archives(place: Place) -> None:
    shutil.rmtree(place.data / "archives")


WRONG: dict[Callable[[Place], None], str] = {
    _missing: "is missing, but the data directory is in use",
    _empty: "is empty, but the data directory is in use",
    _without_tables: "is empty, but the data directory is in use",
    _foreign: "belongs to another program",
    _text: "is damaged (file is not a database)",
    _truncated: "is damaged",
    _header: "is damaged (file is not a database)",
    _flipped: "was changed since the last stop",
    _older: "is older than its data directory by",
    _older_with_its_sum: "is older than its data directory by",
    _of_the_day: "is older than its data directory by",
    _of_another: "belongs to another data directory",
    _of_an_earlier_version: "an earlier version of this program wrote it",
    _log_missing: "is older than its data directory by 1",
    _log_empty: "is older than its data directory by 1",
    _log_of_another: "belongs to another data directory",
    _log_cut: "is damaged (of the ",
    _log_flipped: "is damaged (of the ",
    _index_of_no_file: "has something beside it that is no file: scrapy-do.db-shm",
    _missing_beside_its_log: "is missing, but the data directory is in use",
    _index_after_a_kill: "is damaged",
    _a_directory: "is no file",
    _leads_nowhere: "is missing, but the data directory is in use",
    _with_a_journal: "has a journal beside it",
    _without_identity: "belongs to another data directory",
    _damaged_identity: "identity is damaged",
    _endless_identity: "identity is damaged",
    _older_directory: "is newer than the data directory by 2",
    _without_archives: "needs one archive, none of which is in the data directory",
}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    data = use(tmp_path / "data")
    (tmp_path / "room").mkdir()
    shutil.copy(data / "scrapy-do.db", tmp_path / "good")
    return Place(data=data, database=data / "scrapy-do.db", room=tmp_path / "room")


def _refusal(data: Path) -> str:
    with pytest.raises(WrongDatabase) as refused, Opened(data):
        pass
    return str(refused.value)


@pytest.mark.parametrize("spoil", WRONG, ids=lambda spoil: spoil.__name__.strip("_"))
def test_refused(place: Place, tmp_path: Path, spoil: Callable[[Place], None]) -> None:
    """What was found is said, with the commands; no file is changed; both commands work."""
    spoil(place)
    before = files_of(place.data)
    beginning = f"the database {place.database.resolve()} "

    said = [_refusal(place.data) for _ in range(2)]

    assert said[0].startswith(beginning)
    assert WRONG[spoil] in said[0]
    assert "`scrapy-do db restore` (kept: none)" in said[0]
    assert "`scrapy-do serve --new`" in said[0]
    assert said[0] == said[1]
    assert files_of(place.data) == before

    anew = shutil.copytree(place.data, tmp_path / "anew", symlinks=True)
    with Opened(anew, is_new=True) as store:
        assert completed(store.projects.all()) == []
    with Opened(anew) as store:
        assert completed(store.projects.all()) == []
    _same_but_databases(before, anew)

    shutil.copytree(tmp_path / "data", tmp_path / "restored", symlinks=True)
    with_archive = spoil is not _without_archives
    pair = pair_at(tmp_path / "restored")
    pair.lock()
    done = restore(pair, tmp_path / "good", in_place=False)
    pair.close()
    assert done.versions_gone == [] if with_archive else ["quotesbot 1"]
    with Opened(tmp_path / "restored") as store:
        assert [project.name for project in completed(store.projects.all())] == ["quotesbot"]
    _same_but_databases(before, tmp_path / "restored")


def _same_but_databases(before: dict[str, bytes], data: Path) -> None:
    """Compare the files of a directory, and look for those of the database that was there."""
    after = files_of(data)
    ours = ("scrapy-do.db", "identity", "owner.lock")
    assert {name: text for name, text in before.items() if not name.startswith(ours)} == {
        name: text for name, text in after.items() if not name.startswith(ours)
    }
    database = before.get("scrapy-do.db")
    assert database is None or database in after.values()


def test_a_newer_schema_is_refused(place: Place) -> None:
    """The database of a newer version is not touched either, whatever is asked for."""
    with closing(sqlite3.connect(place.database)) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
        database.commit()
    before = files_of(place.data)
    for is_new in (False, True):
        with (
            pytest.raises(NewerSchema, match="schema 9999, written by a newer version"),
            Opened(place.data, is_new=is_new),
        ):
            pass
    assert files_of(place.data) == before


def test_what_a_kill_leaves_is_accepted(place: Place) -> None:
    """With its log the database is the one of its directory, also after others read it."""
    _kill(place)
    copied = shutil.copytree(place.data, place.room / "copied")
    with closing(sqlite3.connect(copied / "scrapy-do.db")) as database:
        # Takes the log over, and removes it.
        assert database.execute("SELECT count(*) FROM meta").fetchone() != (0,)
    assert not (copied / "scrapy-do.db-wal").exists()
    for data in (place.data, copied):
        with Opened(data) as store:
            assert len(completed(store.meta.all("scope"))) == 50


@pytest.mark.parametrize("text", ["[", "{}", "[1]", "[" * 4000, '{"size": {}, "crc32": 1}', None])
def test_a_checksum_that_is_none(place: Place, text: str | None) -> None:
    """Whatever stands where the checksum should, the database is checked as after a kill."""
    checksum = Path(f"{place.database}.sum")
    checksum.unlink()
    if text is None:
        os.mkfifo(checksum)
    else:
        checksum.write_text(text)
    for _ in range(2):
        with Opened(place.data) as store:
            assert [project.name for project in completed(store.projects.all())] == ["quotesbot"]
    assert checksum.is_file()


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("scrapy-do.db", "is no file"),
        ("scrapy-do.db-wal", "has something beside it that is no file: scrapy-do.db-wal"),
        ("identity", "identity is damaged"),
    ],
)
def test_a_pipe_is_not_waited_for(place: Place, name: str, problem: str) -> None:
    """A pipe in the place of a file is refused at once, and stays."""
    (place.data / name).unlink(missing_ok=True)
    os.mkfifo(place.data / name)
    before = files_of(place.data)
    assert problem in _refusal(place.data)
    assert files_of(place.data) == before
    assert (place.data / name).is_fifo()


def test_what_stands_in_the_place_of_a_directory(place: Place) -> None:
    """It is named, and the database is closed: its threads would keep the process alive."""
    shutil.rmtree(place.data / "runs")
    (place.data / "runs").write_text("no directory")
    with pytest.raises(NotADirectoryError, match="runs"), Opened(place.data):
        pass
    assert Path(f"{place.database}.sum").exists()


def test_a_huge_identity_is_not_read(place: Place) -> None:
    """An identity that is too large to be one is damaged."""
    os.truncate(place.data / "identity", 2**40)
    assert "identity is damaged" in _refusal(place.data)


def test_a_link_to_the_database(place: Place) -> None:
    """Where the database is behind a link, its log and its owner are there, too."""
    real = place.room / "real.db"
    for end in ("", ".sum"):
        Path(f"{place.database}{end}").rename(f"{real}{end}")
    place.database.symlink_to(real)
    with Opened(place.data) as store:
        completed(store.meta.put("scope", {"key": 1}))
        files = [*(Path(f"{real}{end}") for end in ("", "-wal")), place.data / "identity"]
        left = {path: path.read_bytes() for path in files}
    for path, content in left.items():
        path.write_bytes(content)
    Path(f"{real}.sum").unlink()
    with Opened(place.data) as store:
        assert completed(store.meta.get("scope", "key")) == 1
        other = Pair(DataDirectory(place.room / "data"), f"sqlite:///{real}")
        with pytest.raises(DatabaseInUse):
            other.lock()
        other.close()


def test_other_files_beside_the_database(place: Place) -> None:
    """What has nearly the name of a copy is none, and nobody is harmed by it."""
    for name in ("copy-20261129T001704Z.gz", "schema-0001.gz", "schema-0001.1.old", "copy-1Z"):
        Path(f"{place.database}.{name}").write_text("packed")
    Path(f"{place.database}.copy-20261129T001704Z").mkdir()
    Path(f"{place.database}.copy-20261129T001705Z").symlink_to("nowhere")
    place.database.write_bytes(b"")
    assert "(kept: none)" in _refusal(place.data)


def test_a_log_that_was_taken_over_is_missed(place: Place) -> None:
    """A lost log is noticed however often SQLite has emptied it before."""
    with Opened(place.data) as store:
        for number in range(700):
            completed(store.meta.put("scope", {"key": number}))
        shutil.copytree(place.data, place.room / "killed")
    with Opened(place.room / "killed") as store:
        assert completed(store.meta.get("scope", "key")) == 699
        shutil.copytree(place.room / "killed", place.room / "again")
    Path(place.room / "again" / "scrapy-do.db-wal").unlink()
    assert "is older than its data directory by 1" in _refusal(place.room / "again")


def test_no_damage_starts_silently(place: Place) -> None:
    """Of 200 databases with flipped bits, lost or foreign parts none is started with."""
    rng = random.Random(14)
    with Opened(place.data) as store:
        for number in range(5):
            add(store, place.data, content=b"%d" % number)
        completed(store.meta.put("scope", {f"key {n}": "x" * 300 for n in range(300)}))
    content = place.database.read_bytes()
    silent = []
    for variant in range(VARIANTS):
        damaged = _damaged(content, variant, rng)
        place.database.write_bytes(damaged)
        try:
            with Opened(place.data):
                silent.append(variant)
                break
        except WrongDatabase:
            assert place.database.read_bytes() == damaged
    place.database.write_bytes(content)
    with Opened(place.data) as store:
        assert len(completed(store.meta.all("scope"))) == 300
    assert silent == []


def _damaged(content: bytes, variant: int, rng: random.Random) -> bytes:
    """A database that differs from another in one of several ways."""
    place = rng.randrange(len(content))
    match variant % 4:
        case 0:
            return (
                content[:place]
                + bytes([content[place] ^ 1 << rng.randrange(8)])
                + content[place + 1 :]
            )
        case 1:
            return content[:place]
        case 2:
            page = place // 4096 * 4096
            return content[:page] + rng.randbytes(4096) + content[page + 4096 :]
        case _:
            page, other = (rng.randrange(len(content) // 4096) * 4096 for _ in range(2))
            if content[page : page + 4096] == content[other : other + 4096]:
                return content + bytes(4096)
            return content[:page] + content[other : other + 4096] + content[page + 4096 :]
