"""Bring a database to the schema of this program: look, copy, upgrade, verify.

Alembic is imported only when there is something to upgrade: it costs memory for the
whole life of the daemon.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection, column, insert, inspect, select, table

from scrapy_do.errors import NewerSchema, StoreUnavailable
from scrapy_do.store import tables
from scrapy_do.store.database import Database

REVISIONS = ("0001", "0002", "0003", "0004")
"""Every schema so far, oldest first; the last is that of `tables`."""

COPIES_KEPT = 3

WHOLE_CHECK_BYTES = 32 * 2**20
"""A larger file is not read as a whole at the start: that would take seconds."""

_SMALL = ("alembic_version", "counters", "meta", "projects", "schedules", "spiders", "versions")
_VERSION = table("alembic_version", column("version_num"))


def migrate(database: Database) -> None:
    """Make the tables, or upgrade them after a copy was made.

    Raises:
        NewerSchema: a newer version of this program wrote the database.
        StoreUnavailable: it is damaged, or not a database of this program.
    """
    found = database.transact_now(_make_if_empty)
    if found is not None and found not in REVISIONS:
        raise NewerSchema(
            f"the database has schema {found}, written by a newer version of this program; "
            f"this one knows schemas up to {REVISIONS[-1]}"
        )
    if database.path is not None:
        _check(database, database.path)
    if found == REVISIONS[-1]:
        return
    if database.path is not None:
        _copy(database, database.path, found or "0000")
    database.transact_now(_upgrade)


def _make_if_empty(connection: Connection) -> str | None:
    """The schema's revision, after making the tables in an empty database."""
    names = set(inspect(connection).get_table_names())
    if not names:
        tables.metadata.create_all(connection, checkfirst=False)
        connection.exec_driver_sql(
            "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
            "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
        )
        connection.execute(insert(_VERSION).values(version_num=REVISIONS[-1]))
        return REVISIONS[-1]
    if _VERSION.name not in names:
        raise StoreUnavailable("the database belongs to another program")
    return connection.execute(select(_VERSION.c.version_num)).scalar()


def _check(database: Database, path: Path) -> None:
    """Refuse a damaged file before anything is done with it."""
    whole = path.stat().st_size <= WHOLE_CHECK_BYTES
    pragmas = ["quick_check(1)"] if whole else [f"quick_check('{name}')" for name in _SMALL]

    def work(connection: Connection) -> str:
        results = (connection.exec_driver_sql(f"PRAGMA {pragma}").scalar() for pragma in pragmas)
        return next((str(result) for result in results if result != "ok"), "")

    damage = database.read_now(work)
    if damage:
        kept = ", ".join(copy.name for copy in _copies(path)) or "none"
        raise StoreUnavailable(
            f"the database {path} is damaged ({damage}); copies kept beside it: {kept}"
        )


def _copy(database: Database, path: Path, revision: str) -> None:
    """Keep a copy beside the database, and only the newest few of them."""
    number = 1 + max((int(copy.suffix[1:]) for copy in _copies(path)), default=0)
    unfinished = path.with_name(f"{path.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    try:
        with (
            closing(sqlite3.connect(path)) as source,
            closing(sqlite3.connect(unfinished)) as target,
        ):
            source.backup(target)
    except sqlite3.Error as error:
        raise database.meaning(error) from error
    unfinished.replace(path.with_name(f"{path.name}.schema-{revision}.{number:06}"))
    for old in _copies(path)[:-COPIES_KEPT]:
        old.unlink()


def _copies(path: Path) -> list[Path]:
    """The copies of a database, oldest first."""
    return sorted(path.parent.glob(f"{path.name}.schema-*.*"), key=lambda copy: copy.suffix)


def _upgrade(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415 - see the module's docstring
    from alembic.config import Config  # noqa: PLC0415 - the same

    config = Config()
    config.set_main_option("script_location", "scrapy_do.store:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, REVISIONS[-1])
    missing = set(tables.metadata.tables) - set(inspect(connection).get_table_names())
    if missing:
        raise StoreUnavailable(f"the upgrade made no table {', '.join(sorted(missing))}")
