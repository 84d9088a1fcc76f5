"""Users and tokens, each change of them with its line of the audit in one transaction."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from scrapy_do.core.accounts import Accounts, AuditLine, Token, User
from scrapy_do.core.instants import instant_of, ms_of
from scrapy_do.core.principal import Role
from scrapy_do.errors import AccountNotFound, NameTaken
from scrapy_do.store import tables
from scrapy_do.store.audit import note_deed
from scrapy_do.store.database import Database
from scrapy_do.store.rows import AnyRow, Values, maybe_instant, maybe_ms

_users, _tokens, _meta = tables.users, tables.tokens, tables.meta
_SCOPE, _TAKEN_OVER = "accounts", "auth-db"
_GOOD = _tokens.c.revoked_ms.is_(None)


class AccountStore:
    """Who may come in."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> Accounts:
        """All users, and the tokens that were not revoked, by name."""
        return await self._database.read(_read)

    def all_now(self) -> Accounts:
        """The same. Blocking: for a program that starts."""
        return self._database.read_now(_read)

    async def add_users(self, users: tuple[User, ...], line: AuditLine) -> None:
        """Add users, all or none.

        Raises:
            NameTaken: one of the names is somebody's.
        """

        def work(connection: Connection) -> None:
            for user in users:
                taken = select(_users.c.id).where(_users.c.name == user.name)
                if connection.execute(taken).first():
                    raise NameTaken("user", user.name)
                connection.execute(insert(_users).values(**_user_values(user)))
            note_deed(connection, line)

        await self._database.transact(work)

    def taken_over_now(self) -> str | None:
        """The digest of the file whose users were taken over; None: none was. Blocking."""
        query = select(_meta.c.value).where(_meta.c.scope == _SCOPE, _meta.c.key == _TAKEN_OVER)
        found = self._database.read_now(lambda connection: connection.execute(query).scalar())
        return None if found is None else str(found)

    def take_over_now(self, users: tuple[User, ...], digest: str, line: AuditLine) -> None:
        """Add the users of a file, and note that this was done. Blocking."""

        def work(connection: Connection) -> None:
            for user in users:
                connection.execute(insert(_users).values(**_user_values(user)))
            note = insert(_meta).values(scope=_SCOPE, key=_TAKEN_OVER, value=digest)
            connection.execute(note)
            note_deed(connection, line)

        self._database.transact_now(work)

    async def set_password(
        self, name: str, password_hash: str, ha1: str | None, *, now: datetime, line: AuditLine
    ) -> None:
        """Change the password of a user, and what digest logins need of it.

        Raises:
            AccountNotFound: there is no such user.
        """
        values = {"password_hash": password_hash, "digest_ha1": ha1, "changed_ms": ms_of(now)}

        def work(connection: Connection) -> None:
            found = connection.execute(update(_users).where(_users.c.name == name).values(**values))
            if not found.rowcount:
                raise AccountNotFound("user", name)
            note_deed(connection, line)

        await self._database.transact(work)

    async def remove_user(self, name: str, line: AuditLine) -> None:
        """Remove a user.

        Raises:
            AccountNotFound: there is none of this name.
        """

        def work(connection: Connection) -> None:
            if not connection.execute(delete(_users).where(_users.c.name == name)).rowcount:
                raise AccountNotFound("user", name)
            note_deed(connection, line)

        await self._database.transact(work)

    async def add_token(self, token: Token, line: AuditLine) -> None:
        """Add a token.

        Raises:
            NameTaken: one that is not revoked has this name.
        """

        def work(connection: Connection) -> None:
            taken = select(_tokens.c.id).where(_tokens.c.name == token.name, _GOOD)
            if connection.execute(taken).first():
                raise NameTaken("token", token.name)
            values = {
                **_account_values(token),
                "digest": token.digest,
                "expires_ms": maybe_ms(token.expires_at),
            }
            connection.execute(insert(_tokens).values(**values))
            note_deed(connection, line)

        await self._database.transact(work)

    async def revoke_token(self, name: str, *, now: datetime, line: AuditLine) -> None:
        """Let a token open nothing any more.

        Raises:
            AccountNotFound: there is none of this name that was not revoked.
        """
        revoke = update(_tokens).where(_tokens.c.name == name, _GOOD).values(revoked_ms=ms_of(now))

        def work(connection: Connection) -> None:
            if not connection.execute(revoke).rowcount:
                raise AccountNotFound("token", name)
            note_deed(connection, line)

        await self._database.transact(work)


def _read(connection: Connection) -> Accounts:
    users = connection.execute(select(_users).order_by(_users.c.name))
    tokens = connection.execute(select(_tokens).where(_GOOD).order_by(_tokens.c.name))
    return Accounts(
        users=tuple(
            User(
                **_account_of(row),
                password_hash=row.password_hash,
                digest_ha1=row.digest_ha1,
                changed_at=instant_of(row.changed_ms),
            )
            for row in users
        ),
        tokens=tuple(
            Token(
                **_account_of(row),
                digest=row.digest,
                expires_at=maybe_instant(row.expires_ms),
                revoked_at=maybe_instant(row.revoked_ms),
            )
            for row in tokens
        ),
    )


def _user_values(user: User) -> Values:
    return {
        **_account_values(user),
        "password_hash": user.password_hash,
        "digest_ha1": user.digest_ha1,
        "changed_ms": ms_of(user.changed_at),
    }


def _account_values(account: User | Token) -> Values:
    return {
        "name": account.name,
        "role": account.role.name.lower(),
        "projects": None if account.projects is None else sorted(account.projects),
        "created_ms": ms_of(account.created_at),
        "created_by": account.created_by,
    }


def _account_of(row: AnyRow) -> Mapping[str, Any]:
    return {
        "name": row.name,
        "role": Role[row.role.upper()],
        "projects": None if row.projects is None else frozenset(row.projects),
        "created_at": instant_of(row.created_ms),
        "created_by": row.created_by,
    }
