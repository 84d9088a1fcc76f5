"""What the database of Scrapy Do 0.5 says, `schedule.db`: its standing orders and its jobs.

Source: scrapy-do 0.5.0, `schedule.py`. Only a copy of the file is opened, so that nothing is
changed beside it, and what a killed daemon has left undone is undone in the copy. Blocking.
"""

import shutil
import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

NAME = "schedule.db"

_STANDING, _UNFINISHED = 1, {2: "PENDING", 3: "RUNNING"}
_BESIDE = ("", "-journal", "-wal")
_ADDED_BY_2 = ("description", "payload")


@dataclass(frozen=True, slots=True, kw_only=True)
class OldJob:
    """A standing order, or a job of one run. `payload` is JSON text, `when` what was ordered."""

    identifier: str
    status: str
    project: str
    spider: str
    when: str
    description: str
    payload: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OldJobs:
    """The standing orders, the jobs that had not ended, and how many had. Oldest first."""

    orders: Sequence[OldJob]
    unfinished: Sequence[OldJob]
    ended: int


def read_jobs(directory: Path) -> OldJobs:
    """Read what was ordered from a daemon whose data directory this is.

    Raises:
        ValueError: it is none of 0.5, or its database is damaged; the message says how.
        OSError: it cannot be read.
    """
    database = directory / NAME
    if not directory.is_dir():
        raise ValueError("there is no such directory")
    if not database.is_file():
        raise ValueError(f"it has no {NAME}")
    with tempfile.TemporaryDirectory(prefix="scrapy-do-") as scratch:
        for ending in _BESIDE:
            part = database.with_name(NAME + ending)
            if part.is_file():
                shutil.copyfile(part, Path(scratch, part.name))
        try:
            with closing(sqlite3.connect(Path(scratch, NAME))) as connection:
                connection.text_factory = lambda text: text.decode("utf-8", "replace")
                return _read(connection)
        except sqlite3.Error as error:
            raise ValueError(f"its {NAME} cannot be read: {error}") from error


def _read(connection: sqlite3.Connection) -> OldJobs:
    (health,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if health != "ok":
        raise ValueError(f"its {NAME} is damaged, or being written: {health}")
    found = connection.execute("SELECT value FROM schedule_metadata WHERE key = 'version'")
    version = (found.fetchone() or ["none"])[0]
    if str(version) not in {"1", "2"}:
        raise ValueError(f"its {NAME} has the schema {version}; 1 and 2 are known")
    added = ", ".join(_ADDED_BY_2 if str(version) == "2" else ("''", "'{}'"))
    (ended,) = connection.execute("SELECT count(*) FROM schedule WHERE status > 3").fetchone()
    rows = connection.execute(
        "SELECT identifier, status, project, spider, schedule, "  # noqa: S608 - names of ours
        f"{added} FROM schedule WHERE status <= 3 ORDER BY timestamp, rowid"
    ).fetchall()
    jobs = [
        OldJob(
            identifier=_text(identifier),
            status="SCHEDULED" if status == _STANDING else _UNFINISHED.get(status, str(status)),
            project=_text(project),
            spider=_text(spider),
            when=_text(when),
            description=_text(description),
            payload=_text(payload) or "{}",
        )
        for identifier, status, project, spider, when, description, payload in rows
    ]
    return OldJobs(
        orders=[job for job in jobs if job.status == "SCHEDULED"],
        unfinished=[job for job in jobs if job.status != "SCHEDULED"],
        ended=ended,
    )


def _text(value: object) -> str:
    """A value as text: SQLite keeps in a column what was put there, of any type."""
    return "" if value is None else str(value)
