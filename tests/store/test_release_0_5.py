"""The database of Scrapy Do 0.5 is read as it was meant, and never touched."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from scrapy_do.store.release_0_5 import read_jobs
from tests.files.release_0_5 import (
    CANCELED,
    FAILED,
    PENDING,
    RUNNING,
    SCHEDULED,
    SUCCESSFUL,
    old_directory,
    row,
)


def _content(directory: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_orders_and_jobs_are_told_apart(tmp_path: Path) -> None:
    """Standing orders and jobs that had not ended come oldest first; what had ended is counted."""
    rows = [
        row(3, SCHEDULED, "every 2 hours", description="d", payload='{"a": "ż"}'),
        row(1, SCHEDULED, "every day at 02:30", spider="other"),
        row(2, CANCELED, "every hour"),
        row(4, PENDING, "now"),
        row(5, RUNNING, "now", payload="[1]"),
        row(6, SUCCESSFUL, "now"),
        row(7, FAILED, "now"),
    ]
    directory = old_directory(tmp_path, rows)
    before = _content(directory)
    found = read_jobs(directory)
    assert [(one.when, one.spider, one.description, one.payload) for one in found.orders] == [
        ("every day at 02:30", "other", "", "{}"),
        ("every 2 hours", "noop", "d", '{"a": "ż"}'),
    ]
    assert [(one.status, one.payload) for one in found.unfinished] == [
        ("PENDING", "{}"),
        ("RUNNING", "[1]"),
    ]
    assert found.ended == 3
    assert _content(directory) == before
    assert not (tmp_path / "pickle-was-opened").exists()


def test_the_first_schema_has_no_payloads(tmp_path: Path) -> None:
    """What an older database lacks is empty."""
    (order,) = read_jobs(
        old_directory(tmp_path, [row(1, SCHEDULED, "every hour")], version="1")
    ).orders
    assert (order.when, order.description, order.payload) == ("every hour", "", "{}")


def test_what_a_killed_daemon_had_begun_is_undone(tmp_path: Path) -> None:
    """A transaction that was cut off does not count, and its journal stays where it was."""
    directory = old_directory(tmp_path, [row(1, SCHEDULED, "every hour")])
    ready, writes = os.pipe()
    child = os.fork()
    if child == 0:
        connection = sqlite3.connect(directory / "schedule.db", isolation_level=None)
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("BEGIN")
        connection.execute("UPDATE schedule SET schedule = 'every 9 hours'")
        connection.execute("CREATE TABLE filler (text)")
        connection.executemany("INSERT INTO filler VALUES (?)", [("x" * 3000,)] * 500)
        os.write(writes, b"!")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(ready, 1) == b"!"
    os.close(ready)
    os.close(writes)
    before = _content(directory)
    assert str(directory / "schedule.db-journal") in before
    assert [one.when for one in read_jobs(directory).orders] == ["every hour"]
    assert _content(directory) == before


def test_what_is_no_such_directory_is_refused(tmp_path: Path) -> None:
    """Each refusal says in a sentence what is missing or damaged."""
    with pytest.raises(ValueError, match=r"^there is no such directory$"):
        read_jobs(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"^it has no schedule\.db$"):
        read_jobs(tmp_path)
    (tmp_path / "schedule.db").write_text("no database at all")
    with pytest.raises(ValueError, match=r"schedule\.db cannot be read: file is not a database"):
        read_jobs(tmp_path)
    (tmp_path / "schedule.db").write_bytes(b"")
    with pytest.raises(ValueError, match="cannot be read: no such table: schedule_metadata"):
        read_jobs(tmp_path)
    with pytest.raises(ValueError, match=r"^its schedule\.db has the schema 3; 1 and 2 are known$"):
        read_jobs(old_directory(tmp_path / "new", version="3"))
    directory = old_directory(tmp_path / "cut", [row(1, SCHEDULED, "every hour")])
    whole = (directory / "schedule.db").read_bytes()
    (directory / "schedule.db").write_bytes(whole[: len(whole) - 4096])
    with pytest.raises(ValueError, match=r"its schedule\.db (is damaged|cannot be read)"):
        read_jobs(directory)


def test_odd_values_are_texts(tmp_path: Path) -> None:
    """What SQLite lets into a column of texts breaks nothing."""
    directory = old_directory(tmp_path, [row(1, SCHEDULED, "every hour")])
    with closing(sqlite3.connect(directory / "schedule.db")) as connection, connection:
        connection.execute(
            "UPDATE schedule SET schedule = NULL, project = 7, spider = CAST(x'ff41' AS TEXT)"
        )
    (order,) = read_jobs(directory).orders
    assert (order.when, order.project, order.spider) == ("", "7", "\ufffdA")
