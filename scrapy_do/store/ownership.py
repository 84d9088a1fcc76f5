"""Who owns a PostgreSQL database: one daemon, whatever its data directory and machine.

Note [A lock and a fence]
    The owner holds an advisory lock of its session for life. A lost session loses it
    without a word, so each write transaction also looks whether the owner that stands in
    the database is still the one that writes: whoever took the lock has written itself
    there, and from then on the former owner writes nothing any more.

SQLite needs none of this: see `files/owner_lock.py`.
"""

from dataclasses import asdict, dataclass
from uuid import uuid4

from sqlalchemy import URL, Connection, create_engine, inspect, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from scrapy_do.core.pairing import Contents
from scrapy_do.errors import DatabaseInUse, WrongDatabase
from scrapy_do.store import tables
from scrapy_do.store.database import Database
from scrapy_do.store.inspection import SCOPE, contents_of
from scrapy_do.store.upsert import replacing

OWNER_LOCK = 0x5C8A9D1
"""The number of the lock."""

PATIENCE_S = 3.0
"""How long a start waits for the session of a daemon that was just killed."""

_OWNER = "owner"
_LOCKED_OUT = "55P03"
_meta = tables.meta


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Who owns a database, in words for others."""

    host: str
    directory: str
    pid: int


class Ownership:
    """The ownership of one database, from `take` to `close`. Blocking."""

    def __init__(self, url: URL, owner: Owner) -> None:
        self._engine = create_engine(
            url,
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            connect_args={"connect_timeout": int(PATIENCE_S)},
        )
        self._owner = owner
        self._token = uuid4().hex
        self._session: Connection | None = None

    def take(self) -> Contents:
        """Take the lock, and look what the database says of itself.

        Raises:
            DatabaseInUse: another daemon has it; the message says who.
            WrongDatabase: another program made the database.
            DBAPIError: the server does not answer.
        """
        session = self._engine.connect()
        try:
            for setting in (
                f"lock_timeout = {int(PATIENCE_S * 1000)}",
                # The server notices within half a minute that a machine is gone.
                *("tcp_keepalives_idle = 10", "tcp_keepalives_interval = 5"),
                "tcp_keepalives_count = 3",
            ):
                session.exec_driver_sql(f"SET {setting}")
            session.exec_driver_sql(f"SELECT pg_advisory_lock({OWNER_LOCK})")
            contents = contents_of(session)
        except DBAPIError as error:
            locked_out = getattr(error.orig, "sqlstate", None) == _LOCKED_OUT
            owner = self._others(session) if locked_out else ""
            session.close()
            if locked_out:
                raise DatabaseInUse(f"the database belongs to {owner}") from error
            raise
        self._session = session
        if contents is None:
            raise WrongDatabase("the database belongs to another program")
        return contents

    def announce(self, database: Database) -> None:
        """Write down who the owner is; from now on a former one writes nothing any more."""
        row = {
            "scope": SCOPE,
            "key": _OWNER,
            "value": {**asdict(self._owner), "token": self._token},
        }
        database.transact_now(
            lambda connection: (
                connection.execute(replacing("postgresql", _meta, "value"), row) and None
            )
        )
        database.fence(self._taken_by)

    def prove(self) -> str | None:
        """Look whether the lock is held still, take it anew if not; return who has it instead.

        As long as the server does not answer nobody can know, and nobody can write.
        """
        try:
            if self._session is not None:
                self._session.exec_driver_sql("SELECT 1")
                return None
        except DBAPIError:
            self._release()
        try:
            self.take()
            assert self._session is not None  # it was taken
            return self._taken_by(self._session)
        except DatabaseInUse as error:
            return str(error)
        except DBAPIError:
            return None

    def close(self) -> None:
        """Give the database up."""
        self._release()
        self._engine.dispose()

    def _release(self) -> None:
        if self._session is not None:
            self._session.invalidate()
            self._session.close()
            self._session = None

    def _taken_by(self, connection: Connection) -> str | None:
        """Who has taken the database over; None while it is ours."""
        owner = _read_owner(connection)
        if owner is not None and owner.get("token") == self._token:
            return None
        return f"the database was taken over by {_words(owner)}"

    def _others(self, connection: Connection) -> str:
        if not inspect(connection).has_table(_meta.name):
            return "another daemon that is running"
        return _words(_read_owner(connection))


def _read_owner(connection: Connection) -> dict[str, object] | None:
    query = select(_meta.c.value).where(_meta.c.scope == SCOPE, _meta.c.key == _OWNER)
    found: dict[str, object] | None = connection.execute(query).scalar()
    return found


def _words(owner: dict[str, object] | None) -> str:
    if owner is None:
        return "another daemon that is running"
    return (
        f"another daemon that is running: process {owner.get('pid')} on {owner.get('host')}, "
        f"with the data directory {owner.get('directory')}"
    )
