"""Looking at a SQLite database before anything is done with it: nothing is changed.

Note [How damage is found]
    A database that is closed in order gets a checksum of its file beside it, and loses it
    when it is opened. With it, whatever changed the file meanwhile is noticed, also where
    SQLite's own check sees nothing, as within a text. Without it, after a kill, that check
    reads all there is, but for no longer than `CHECK_S`: what it did not come to is
    checked by the next daily copy, which is then made at once.
"""

import math
import os
import shutil
import sqlite3
import stat
import struct
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from urllib.parse import quote

from sqlalchemy import Connection, create_engine, inspect, select
from sqlalchemy.pool import StaticPool
from twisted.logger import Logger

from scrapy_do.core.pairing import Contents, Mark
from scrapy_do.errors import WrongDatabase
from scrapy_do.protocol.regular_file import open_regular
from scrapy_do.store import tables
from scrapy_do.store.checksum import is_as_it_was_left
from scrapy_do.store.copies import DAMAGE, damage_of, names_of_copies
from scrapy_do.store.migrate import check_revision, read_revision

CHECK_S = 1.0
"""How long a start may take to check a database after a kill."""

_STEPS = 20_000
_INDEX_HEADER_BYTES = 48
_log = Logger()

SCOPE = "store"
"""The scope of what the store keeps in `meta` about itself."""
MARK = "mark"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """What was found.

    `is_checked` says whether all of it is known to be whole, `is_changed` whether somebody
    else changed it after it was closed.
    """

    contents: Contents
    is_checked: bool = True
    is_changed: bool = False


def inspect_file(
    path: Path, *, is_ours: bool, patience_s: float, limit_s: float | None = CHECK_S
) -> Inspected | None:
    """Look at a database; None when there is none.

    `is_ours` says that nobody else can have it open, `limit_s` how long it may take to check
    one that is not known to be whole, None: to its end.

    Raises:
        WrongDatabase: it is damaged, or none of ours.
        sqlite3.Error: it cannot be read now.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    _look_around(path, status.st_mode)
    if not status.st_size and not _beside(path, "wal").exists():
        return Inspected(contents=Contents())
    is_whole = is_as_it_was_left(path)
    with _read_only(path, patience_s, is_ours=is_ours) as raw:
        try:
            is_checked = (is_whole and limit_s is not None) or _check(path, raw, limit_s)
            contents = _contents(raw)
            lost = _lost_from_log(path, raw)
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF in DAMAGE:
                raise _wrong(path, f"is damaged, or none ({error})") from error
            raise
    if contents is None:
        raise _wrong(path, "belongs to another program")
    if lost:
        raise _wrong(path, f"is damaged ({lost})")
    return Inspected(contents=contents, is_checked=is_checked, is_changed=is_whole is False)


def _look_around(path: Path, mode: int) -> None:
    """Refuse what is no file, or lies among what no daemon makes."""
    if not stat.S_ISREG(mode):
        raise _wrong(path, "is no file")
    if _beside(path, "journal").exists():
        raise _wrong(path, "has a journal beside it, which no daemon makes")
    for beside in (_beside(path, "wal"), _beside(path, "shm")):
        if os.path.lexists(beside) and not stat.S_ISREG(beside.lstat().st_mode):
            raise _wrong(path, f"has something beside it that is no file: {beside.name}")


def _wrong(path: Path, problem: str) -> WrongDatabase:
    return WrongDatabase(f"the database {path} {problem}", names_of_copies(path))


def _contents(raw: sqlite3.Connection) -> Contents | None:
    engine = create_engine("sqlite://", creator=lambda: raw, poolclass=StaticPool)
    with engine.connect() as connection:
        return contents_of(connection)


def contents_of(connection: Connection) -> Contents | None:
    """What a database says of itself; None when another program made it.

    Raises:
        NewerSchema: a newer version of this program wrote it.
    """
    names = set(inspect(connection).get_table_names())
    if not names:
        return Contents()
    if "alembic_version" not in names:
        return None
    check_revision(read_revision(connection))
    if not {"meta", "versions", "jobs"} <= names:
        return Contents(has_tables=True)
    versions, jobs = tables.versions, tables.jobs
    busy = select(jobs.c.deploy_id).where(tables.UNFINISHED, jobs.c.deploy_id.is_not(None))
    needed = select(versions.c.digest).where(~versions.c.removed | versions.c.id.in_(busy))
    return Contents(
        has_tables=True,
        mark=read_mark(connection),
        needed=frozenset(connection.execute(needed).scalars()),
        known=frozenset(connection.execute(select(versions.c.digest)).scalars()),
    )


def read_mark(connection: Connection) -> Mark | None:
    """The mark of a database; see Note [Directory and database know each other]."""
    meta = tables.meta
    query = select(meta.c.value).where(meta.c.scope == SCOPE, meta.c.key == MARK)
    value = connection.execute(query).scalar()
    return None if value is None else Mark(**value)


# --- its log ------------------------------------------------------------------------------------


def _lost_from_log(path: Path, connection: sqlite3.Connection) -> str | None:
    """Say what the log of a database has lost that was in it when its last owner was killed.

    A log ends where its checksums do, so that one that was cut or changed looks like a shorter
    one. How long it was stands in the index of it, which survives a kill, though no power loss.
    Source: SQLite, "WAL-mode File Format", 2.1 The WAL-Index Header.
    """
    file = next(row[2] for row in connection.execute("PRAGMA database_list") if row[1] == "main")
    left, found = (_index_of_log(Path(f"{name}-shm")) for name in (path, file))
    if left is None or found is None or left.salt != found.salt or left.frames <= found.frames:
        return None
    return f"of the {left.frames} pages in its log {left.frames - found.frames} are lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class _LogIndex:
    """How many pages a log has, and which log that is."""

    frames: int
    salt: bytes


def _index_of_log(path: Path) -> _LogIndex | None:
    """Read the header of an index; None if there is none that is whole."""
    try:
        with open(open_regular(path), "rb") as file:  # noqa: PTH123 - a descriptor, not a path
            first, second = (file.read(_INDEX_HEADER_BYTES) for _ in range(2))
    except OSError:
        return None
    if first != second or len(second) < _INDEX_HEADER_BYTES or not any(first):
        return None
    (frames,) = struct.unpack_from("=I", first, 16)
    return _LogIndex(frames=frames, salt=first[32:40])


# --- the file ----------------------------------------------------------------------------------


@contextmanager
def _read_only(path: Path, patience_s: float, *, is_ours: bool) -> Iterator[sqlite3.Connection]:
    """Read a database without changing anything in its directory, if it is ours.

    To read what is in the log SQLite writes a file beside the database, so that is read by
    another name, in a directory of its own.
    """
    place = None
    if is_ours and _beside(path, "wal").exists():
        place = _other_name(path)
    if place is not None:
        target = _uri(place / "db", "mode=ro")
    else:
        is_open = _beside(path, "wal").exists()
        target = _uri(path, "mode=ro" if is_open else "immutable=1")
    try:
        with closing(
            sqlite3.connect(
                target,
                uri=True,
                timeout=patience_s,
                isolation_level=None,
                check_same_thread=False,
            )
        ) as connection:
            connection.execute("PRAGMA cell_size_check = ON")
            yield connection
    finally:
        if place is not None:
            shutil.rmtree(place)


def _other_name(path: Path) -> Path | None:
    """A directory in which a database and its log have another name; None if that cannot be."""
    for left in path.parent.glob(f".{path.name}.look-*"):
        shutil.rmtree(left)
    try:
        place = Path(mkdtemp(prefix=f".{path.name}.look-", dir=path.parent))
    except OSError:  # the disk is full
        return None
    try:
        for end in ("", "-wal"):
            (place / f"db{end}").hardlink_to(f"{path}{end}")
    except OSError:  # a file system without links
        shutil.rmtree(place)
        return None
    return place


def _uri(path: Path, how: str) -> str:
    return f"file:{quote(str(path))}?{how}"


def _beside(path: Path, end: str) -> Path:
    return path.with_name(f"{path.name}-{end}")


def _check(path: Path, connection: sqlite3.Connection, limit_s: float | None) -> bool:
    """Check the whole database if that takes no longer than a limit; return whether it did.

    Raises:
        WrongDatabase: it is damaged.
    """
    latest = math.inf if limit_s is None else time.monotonic() + limit_s
    connection.set_progress_handler(lambda: time.monotonic() > latest, _STEPS)
    try:
        damage = damage_of(connection)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        _log.warn(
            "the database {path} was not closed in order: {limit} s were too short to check all "
            "of it; the copy that is made now is checked instead",
            path=str(path),
            limit=limit_s,
        )
        return False
    finally:
        connection.set_progress_handler(None, 0)
    if damage:
        raise _wrong(path, f"is damaged ({damage})")
    _log.info("the database {path} was not closed in order: all of it was checked", path=str(path))
    return True
