"""Data directories as Scrapy Do 0.5 leaves them, made without it."""

import pickle
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from zipfile import ZipFile

SCHEDULED, PENDING, RUNNING, CANCELED, SUCCESSFUL, FAILED = range(1, 7)
_USER = 2
_COLUMNS = (
    "identifier VARCHAR(36) PRIMARY KEY, status INTEGER NOT NULL, actor INTEGER NOT NULL, "
    "schedule VARCHAR(255), project VARCHAR(255) NOT NULL, spider VARCHAR(255) NOT NULL, "
    "timestamp DATETIME NOT NULL, duration INTEGER"
)
_OF_2 = ", description VARCHAR(512) NOT NULL, payload VARCHAR(4096) NOT NULL"


class Bomb:
    """What a pickle may hold: whoever opens it makes a file."""

    def __init__(self, made: Path) -> None:
        self._made = made

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (str(self._made), "w"))


def row(number: int, status: int, when: str, **more: str) -> dict[str, Any]:
    """A row of its table; `number` is its identifier and its place in time."""
    return {
        "identifier": f"{number:08x}-0000-4000-8000-000000000000",
        "status": status,
        "actor": _USER,
        "schedule": when,
        "project": "good",
        "spider": "noop",
        "timestamp": f"2026-11-01 00:00:{number:02}.000001",
        "duration": None,
        "description": "",
        "payload": "{}",
    } | more


def old_directory(
    root: Path,
    rows: Sequence[Mapping[str, Any]] = (),
    projects: Mapping[str, Path] | None = None,
    *,
    version: str = "2",
) -> Path:
    """Make one, of some projects by their sources. Its pickle bites whoever opens it."""
    directory = root / "projects"
    (directory / "log-dir").mkdir(parents=True)
    for name, sources in (projects or {}).items():
        with ZipFile(directory / f"{name}.zip", "w") as archive:
            for path in sorted(sources.rglob("*")):
                if path.suffix in {".py", ".cfg"}:
                    archive.write(path, path.relative_to(sources))
    (directory / "metadata.pkl").write_bytes(pickle.dumps(Bomb(root / "pickle-was-opened")))
    with closing(sqlite3.connect(directory / "schedule.db")) as connection, connection:
        connection.execute("CREATE TABLE schedule_metadata (key VARCHAR(255), value VARCHAR(255))")
        connection.execute("INSERT INTO schedule_metadata VALUES ('version', ?)", [version])
        is_first = version == "1"
        connection.execute(f"CREATE TABLE schedule ({_COLUMNS}{'' if is_first else _OF_2})")
        names = [*row(0, 0, "")][: 8 if is_first else 10]
        for one in rows:
            connection.execute(
                f"INSERT INTO schedule VALUES ({', '.join('?' * len(names))})",
                [one[name] for name in names],
            )
    return directory
