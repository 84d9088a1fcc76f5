"""Bring a database to the schema of this program: look, copy, upgrade, verify.

Alembic is imported only when there is something to upgrade: it costs memory for the
whole life of the daemon.
"""

import sqlite3

from sqlalchemy import Connection, column, insert, inspect, select, table

from scrapy_do.errors import NewerSchema, StoreUnavailable
from scrapy_do.store import tables
from scrapy_do.store.copies import copy_before_upgrade
from scrapy_do.store.database import Database

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006")
"""Every schema so far, oldest first; the last is that of `tables`."""

_VERSION = table("alembic_version", column("version_num"))


def migrate(database: Database) -> None:
    """Make the tables, or upgrade them after a copy was made.

    Raises:
        NewerSchema: a newer version of this program wrote the database.
        StoreUnavailable: it is damaged, or not a database of this program.
    """
    found = database.transact_now(_make_if_empty)
    check_revision(found)
    if found == REVISIONS[-1]:
        return
    if database.path is not None:
        try:
            copy_before_upgrade(database.path, found or "0000")
        except sqlite3.Error as error:
            raise database.meaning(error) from error
    database.transact_now(_upgrade)


def check_revision(found: str | None) -> None:
    """Refuse a schema that this program does not know.

    Raises:
        NewerSchema: a newer version of this program wrote the database.
    """
    if found is not None and found not in REVISIONS:
        raise NewerSchema(
            f"the database has schema {found}, written by a newer version of this program; "
            f"this one knows schemas up to {REVISIONS[-1]}"
        )


def read_revision(connection: Connection) -> str | None:
    """The schema's revision; None before the first step."""
    return connection.execute(select(_VERSION.c.version_num)).scalar()


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
    return read_revision(connection)


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
