"""Copies of a SQLite database, beside it: made whole, checked, and only the newest kept.

Two kinds: one before each upgrade of the schema (`.schema-REVISION.NUMBER`), and one a day
(`.copy-TIME`). Blocking: called off the reactor thread.
"""

import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from scrapy_do.errors import StoreUnavailable
from scrapy_do.store.checksum import sync_parent

KEPT = 3
"""How many of each kind."""

DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}

_PAGES = 4096
_STEPS = 20_000
_TIME = "%Y%m%dT%H%M%SZ"
_DAILY_COPY = re.compile(r"\.copy-\d{8}T\d{6}Z")
_SCHEMA_COPY = re.compile(r"\.schema-\w+\.\d{1,9}")


def schema_copies(path: Path) -> list[Path]:
    """The copies that were made before upgrades, oldest first."""
    return sorted(_beside(path, _SCHEMA_COPY), key=lambda copy: copy.suffix)


def daily_copies(path: Path) -> list[Path]:
    """The copies that were made day by day, oldest first."""
    return sorted(_beside(path, _DAILY_COPY))


def _beside(path: Path, ending: re.Pattern[str]) -> Iterator[Path]:
    """Yield the files beside a database whose names go on like this; there may be others."""
    if not path.parent.is_dir():
        return
    for copy in path.parent.iterdir():
        is_named = copy.name.startswith(path.name) and ending.fullmatch(copy.name, len(path.name))
        if is_named and copy.is_file() and not copy.is_symlink():
            yield copy


def all_copies(path: Path | None) -> list[Path]:
    """Every copy, newest first; there are none of a database that is no file."""
    if path is None:
        return []
    found = [*schema_copies(path), *daily_copies(path)]
    return sorted(found, key=lambda copy: copy.stat().st_mtime, reverse=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptCopy:
    """A copy that lies beside the database."""

    name: str
    size_bytes: int
    made_at: datetime


def kept_copies(path: Path | None) -> list[KeptCopy]:
    """What is known of every copy, newest first."""
    found = []
    for copy in all_copies(path):
        with suppress(FileNotFoundError):  # it made room for a newer one
            seen = copy.stat()
            found.append(
                KeptCopy(
                    name=copy.name,
                    size_bytes=seen.st_size,
                    made_at=datetime.fromtimestamp(seen.st_mtime, UTC),
                )
            )
    return found


def names_of_copies(path: Path | None) -> list[str]:
    """The names of the copies, newest first, for people."""
    return [copy.name for copy in all_copies(path)]


def copy_before_upgrade(path: Path, revision: str) -> None:
    """Keep a copy of a database of an older schema."""
    number = 1 + max((int(copy.suffix[1:]) for copy in schema_copies(path)), default=0)
    copy_to(path, path.with_name(f"{path.name}.schema-{revision}.{number:06}"))
    for old in schema_copies(path)[:-KEPT]:
        old.unlink()


def copy_of_the_day(
    path: Path, now: datetime, is_stopped: Callable[[], bool] = lambda: False
) -> Path | None:
    """Keep a copy of a database in use; a damaged one replaces none of the older.

    Returns:
        The copy, or None when it was given up because `is_stopped` said so.

    Raises:
        StoreUnavailable: the database is damaged; the message says how.
        OSError, sqlite3.Error: it cannot be read or written.
    """
    target = path.with_name(f"{path.name}.copy-{now.astimezone(UTC):{_TIME}}")
    if not copy_to(path, target, is_stopped):
        return None
    for old in daily_copies(path)[:-KEPT]:
        old.unlink()
    return target


def time_of(copy: Path) -> datetime | None:
    """When a daily copy was made, as its name says."""
    try:
        return datetime.strptime(copy.name.rpartition(".copy-")[2], _TIME).replace(tzinfo=UTC)
    except ValueError:
        return None


def copy_to(path: Path, target: Path, is_stopped: Callable[[], bool] = lambda: False) -> bool:
    """Copy a database that others may be using; the target appears whole, checked and synced.

    Returns:
        Whether that was done, and not given up because `is_stopped` said so.

    Raises:
        StoreUnavailable: the database is damaged; the message says how.
        OSError, sqlite3.Error: it cannot be read or written.
    """
    # One name for all: what a kill leaves of one is overwritten by the next.
    unfinished = target.with_name(f".{path.name}.unfinished")
    for left in target.parent.glob(f"{unfinished.name}*"):
        left.unlink()
    unfinished.touch(mode=0o600)
    try:
        with (
            closing(sqlite3.connect(_readable(path), uri=True)) as source,
            closing(sqlite3.connect(unfinished)) as copy,
        ):
            if not _copy(source, copy, is_stopped):
                return False
            copy.set_progress_handler(is_stopped, _STEPS)
            damage = damage_of(copy)
        if damage:
            raise StoreUnavailable(f"the database {path} is damaged ({damage})")
        descriptor = os.open(unfinished, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        unfinished.replace(target)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
            return False
        raise
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in DAMAGE:
            raise StoreUnavailable(f"the database {path} is damaged ({error})") from error
        raise
    finally:
        for left in target.parent.glob(f"{unfinished.name}*"):
            left.unlink()
    sync_parent(target)
    return True


def _readable(path: Path) -> str:
    """The address of a database that is only read: no file is made beside one that is closed."""
    is_open = Path(f"{path}-wal").exists()
    return f"file:{quote(str(path))}?{'mode=ro' if is_open else 'immutable=1'}"


def _copy(
    source: sqlite3.Connection, copy: sqlite3.Connection, is_stopped: Callable[[], bool]
) -> bool:
    """Copy in pieces, all of one moment; return whether that came to its end."""
    source.execute("BEGIN")
    source.execute("SELECT count(*) FROM sqlite_master").fetchone()

    def goes_on(_status: int, _left: int, _pages: int) -> None:
        if is_stopped():
            raise InterruptedError

    try:
        source.backup(copy, pages=_PAGES, progress=goes_on, sleep=0)
    except InterruptedError:
        return False
    copy.execute("PRAGMA journal_mode = DELETE")
    return True


def put_in_place(made: Path, path: Path) -> Path | None:
    """Give a database its place; return the name that the one before has then, if there was any."""
    for copy in schema_copies(made):
        copy.unlink()
    aside = set_aside(path)
    with suppress(FileNotFoundError):
        Path(f"{made}.sum").rename(f"{path}.sum")
    made.rename(path)
    sync_parent(path)
    return aside


def set_aside(path: Path) -> Path | None:
    """Rename a database, with what lies beside it; return its new name, if there was any.

    Also a log without its database goes: it must not come to belong to another.
    """
    number = 1
    while any(path.parent.glob(f"{path.name}.set-aside.{number:06}*")):
        number += 1
    target = path.with_name(f"{path.name}.set-aside.{number:06}")
    found = False
    for end in ("-wal", "-shm", "-journal", ""):
        with suppress(FileNotFoundError):
            Path(f"{path}{end}").rename(f"{target}{end}")
            found = True
    Path(f"{path}.sum").unlink(missing_ok=True)
    sync_parent(path)
    return target if found else None


def damage_of(connection: sqlite3.Connection) -> str | None:
    """The first fault that the full check of a database finds."""
    try:
        (first,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        if first != "ok":
            return str(first)
        broken = connection.execute("PRAGMA foreign_key_check").fetchone()
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF in DAMAGE:
            return str(error)
        raise
    return None if broken is None else f"a row of {broken[0]} refers to nothing"
