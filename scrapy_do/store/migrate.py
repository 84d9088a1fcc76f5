"""Bring a database to the schema of this program: copy first, upgrade, verify.

Alembic is imported only when there is something to upgrade: it costs memory for the
whole life of the daemon.
"""

import sqlite3
from pathlib import Path

from sqlalchemy import Connection, insert, inspect, select, table
from sqlalchemy import column as sql_column

from scrapy_do.errors import NewerSchema, StoreUnavailable
from scrapy_do.store import tables
from scrapy_do.store.database import Database

REVISIONS = ("0001",)
"""Every schema so far, oldest first; the last is that of `tables`."""

COPIES_KEPT = 3

_VERSION = table("alembic_version", sql_column("version_num"))


def migrate(database: Database) -> None:
    """Make or upgrade the tables.

    Raises:
        NewerSchema: a newer version of this program wrote the database.
        StoreUnavailable: it is not a database of this program, or is damaged.
    """
    found = database.transact_now(_make_if_empty)
    if found == REVISIONS[-1]:
        return
    if found is not None and found not in REVISIONS:
        raise NewerSchema(
            f"the database has schema {found}, written by a newer version of this program; "
            f"this one knows schemas up to {REVISIONS[-1]}"
        )
    if database.path is not None:
        _copy(database.path, found or "empty")
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


def _copy(path: Path, revision: str) -> None:
    """Keep a copy beside the database, and remove all but the newest few."""
    # Revisions and times only grow, so that names sort by age.
    number = 1 + max((int(copy.suffixes[-1][1:]) for copy in _copies(path)), default=0)
    target = path.with_name(f"{path.name}.{revision}.{number:06}")
    unfinished = path.with_name(f"{path.name}.unfinished")
    with sqlite3.connect(path) as source, sqlite3.connect(unfinished) as copy:
        source.backup(copy)
    source.close()
    copy.close()
    unfinished.replace(target)
    for old in _copies(path)[:-COPIES_KEPT]:
        old.unlink()


def _copies(path: Path) -> list[Path]:
    """The copies of a database, oldest first."""
    return sorted(
        (copy for copy in path.parent.glob(f"{path.name}.*.[0-9]*")),
        key=lambda copy: copy.suffixes[-1],
    )


def _upgrade(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415 - see the module's docstring
    from alembic.config import Config  # noqa: PLC0415 - the same

    config = Config()
    config.set_main_option("script_location", "scrapy_do:store/migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, REVISIONS[-1])
    missing = set(tables.metadata.tables) - set(inspect(connection).get_table_names())
    if missing:
        raise StoreUnavailable(f"the upgrade made no table {', '.join(sorted(missing))}")
