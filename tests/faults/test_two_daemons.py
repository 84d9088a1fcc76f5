"""Two daemons in each combination of data directory and database: one owner, nothing harmed."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scrapy_do.engine.custody import PROOF_S
from scrapy_do.errors import (
    ConfigError,
    DatabaseInUse,
    DataDirectoryInUse,
    StoreUnavailable,
    WrongDatabase,
)
from tests.faults.owned import Opened, add, files_of, use
from tests.faults.postgresql import end_sessions, new_database, server
from tests.http_client import completed
from tests.live.running import Running, until

pytestmark = [pytest.mark.live, pytest.mark.faults]


@pytest.fixture(scope="module")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with server(tmp_path_factory.mktemp("server")) as url:
        yield url


@pytest.fixture
def database(postgresql: str) -> str:
    return new_database(postgresql)


def _refused(error: type[Exception], data: Path, database: str | None = None) -> str:
    with pytest.raises(error) as refused, Opened(data, database=database):
        pass
    return str(refused.value)


# --- SQLite ------------------------------------------------------------------------------------


def test_one_directory(tmp_path: Path) -> None:
    """A second daemon on the same directory is refused, whatever database it names."""
    data = use(tmp_path / "data")
    with Opened(data):
        before = files_of(data)
        for database in (None, f"sqlite:///{tmp_path / 'other.db'}"):
            said = _refused(DataDirectoryInUse, data, database)
            assert f"{data} belongs to another daemon" in said
            assert str(os.getpid()) in said
        assert files_of(data) == before
    assert not (tmp_path / "other.db").exists()


@pytest.mark.parametrize("is_default", [True, False])
def test_one_file_of_two_directories(tmp_path: Path, *, is_default: bool) -> None:
    """A second daemon on the same file is refused, and told whose it is."""
    first = tmp_path / "first"
    path = first / "scrapy-do.db" if is_default else tmp_path / "shared.db"
    with Opened(first, database=None if is_default else f"sqlite:///{path}") as store:
        said = _refused(DatabaseInUse, tmp_path / "second", f"sqlite:///{path}")
        add(store, first)
    assert f"the database {path} belongs to another daemon" in said
    assert str(first) in said
    again = _refused(WrongDatabase, tmp_path / "second", f"sqlite:///{path}")
    assert "belongs to another data directory" in again


def test_two_pairs(tmp_path: Path) -> None:
    """Daemons that share nothing do not mind each other."""
    with Opened(tmp_path / "first") as first, Opened(tmp_path / "second") as second:
        add(first, tmp_path / "first")
        assert completed(second.projects.all()) == []


# --- PostgreSQL --------------------------------------------------------------------------------


def test_one_postgresql_database(tmp_path: Path, database: str) -> None:
    """The second is refused, with host and directory of the owner; so is it after its end."""
    with Opened(tmp_path / "first", database=database) as store:
        add(store, tmp_path / "first")
        running = _refused(DatabaseInUse, tmp_path / "second", database)
        assert completed(store.projects.all())[0].name == "quotesbot"
    ended = _refused(WrongDatabase, tmp_path / "second", database)
    with pytest.raises(ConfigError, match=r"\[scrapy-do\] database: is not empty"):
        Opened(tmp_path / "second", database=database, is_new=True).__enter__()
    with Opened(tmp_path / "first", database=database) as store:
        assert completed(store.projects.all())[0].name == "quotesbot"

    assert f"process {os.getpid()} on {os.uname().nodename}" in running
    assert f"with the data directory {tmp_path / 'first'}" in running
    assert "belongs to another data directory" in ended


def test_a_database_of_postgresql_that_is_empty(tmp_path: Path, database: str) -> None:
    """A directory that has had a database begins with an empty one only when told to."""
    data = use(tmp_path / "data")
    assert "is empty, but the data directory is in use" in _refused(WrongDatabase, data, database)
    with Opened(data, database=database, is_new=True) as store:
        assert completed(store.projects.all()) == []
    with Opened(data, database=database):
        pass
    assert "belongs to another data directory" in _refused(WrongDatabase, data)


def test_a_lost_session(tmp_path: Path, database: str) -> None:
    """An owner whose session is lost takes the lock anew, if nobody else has taken it."""
    with Opened(tmp_path / "first", database=database) as store:
        end_sessions(database)
        store.prove_ownership()
        add(store, tmp_path / "first")
        assert store.broken is None
        _refused(DatabaseInUse, tmp_path / "second", database)


def test_a_database_that_was_taken_over(tmp_path: Path, database: str) -> None:
    """Once another daemon has it, the former owner writes nothing, and knows why."""
    first, second = tmp_path / "first", tmp_path / "second"
    with Opened(first, database=database) as store:
        archive = add(store, first)
        end_sessions(database)
        # The same pair, copied to another place: the only other that would be accepted.
        second.mkdir()
        (second / "identity").write_bytes((first / "identity").read_bytes())
        (second / "archives" / "packed").mkdir(parents=True)
        (second / "archives" / "packed" / f"{archive.digest}.zip").touch()
        with Opened(second, database=database) as other:
            with pytest.raises(StoreUnavailable, match="was taken over by") as refused:
                add(store, first, "late")
            store.prove_ownership()
            assert store.broken is not None
            names = [project.name for project in completed(other.projects.all())]
    assert f"with the data directory {second}" in str(refused.value)
    assert names == ["quotesbot"]


def test_daemons_on_one_postgresql_database(tmp_path: Path, database: str) -> None:
    """The second daemon is refused and the first one's crawl goes on; taken over, it ends."""
    options = {"SCRAPY_DO_SCRAPY_DO_DATABASE": database}
    first = Running(tmp_path, options=options)
    first.start()
    try:
        first.push("good", tmp_path)
        crawl = first.run("sleeper")
        first.until_status(crawl, "RUNNING")
        words = [sys.executable, "-m", "scrapy_do", "serve", "--listen", "127.0.0.1:0"]
        refused = subprocess.run(
            [*words, "--data-dir", str(tmp_path / "second")],
            env=os.environ | options,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        end_sessions(database)
        until(lambda: _relocked(first, tmp_path / "third", database), "a new lock", 6 * PROOF_S)
        status = first.job(crawl)["status"]
        first.ask("/cancel-job.json", id=crawl)
    finally:
        first.stop()

    assert refused.returncode == 1
    assert "error: the database belongs to another daemon that is running" in refused.stderr
    assert f"with the data directory {first.data}" in refused.stderr
    assert status == "RUNNING"


def _relocked(first: Running, data: Path, database: str) -> bool:
    """Whether the daemon holds the lock, as another one sees it."""
    assert first.is_running
    try:
        _refused(DatabaseInUse, data, database)
    except WrongDatabase:
        return False
    return True
