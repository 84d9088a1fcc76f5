"""Users and tokens, changed on the daemon's machine, whether a daemon runs or not.

Note [A change beside a running daemon]
    A command writes to the database itself and then touches a file of the data directory. The
    daemon looks at that file before it believes any credentials, so what was revoked opens
    nothing from the next request on. No way leads from the network to users and tokens.
"""

import asyncio
import os
import pwd
import re
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from scrapy_do.core.accounts import Account, AuditLine, Token, User
from scrapy_do.core.principal import Role
from scrapy_do.core.project import number_of
from scrapy_do.engine.pairing import Pair
from scrapy_do.errors import BadArgument, DataDirectoryInUse
from scrapy_do.store.store import Store
from scrapy_do.system.passwords import digest_secret, new_token, password_hash, token_digest

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,99}", re.ASCII)
_Result = TypeVar("_Result")

ROLES = tuple(role.name.lower() for role in Role)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """An account as it is listed, with the names of the projects that it opens; None: all."""

    account: Account
    projects: tuple[str, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountDesk:
    """Changes accounts; `keeps_digest` is whether digest logins are to work."""

    pair: Pair
    keeps_digest: bool

    def add_user(self, name: str, password: str, *, role: str, projects: Collection[str]) -> None:
        """Add somebody with a password.

        Raises:
            BadArgument: the name cannot be one, there is no password, or an admin is to open
                some projects only.
            NameTaken: it is somebody's.
            ProjectNotFound: one of the projects is not there.
        """
        _check_name("user", name)
        _check_projects(role, projects)
        hashed, ha1 = self._secrets(name, password)

        async def add(store: Store) -> None:
            now = _now()
            user = User(
                name=name,
                password_hash=hashed,
                digest_ha1=ha1,
                role=Role[role.upper()],
                projects=await _numbers(store, projects),
                created_at=now,
                created_by=_whoever(),
                changed_at=now,
            )
            await store.accounts.add_users((user,), _line("user add", name, role=role))

        self._change(add)

    def set_password(self, name: str, password: str) -> None:
        """Give a user another password; their sessions end.

        Raises:
            BadArgument: there is no password.
            AccountNotFound: there is no such user.
        """
        hashed, ha1 = self._secrets(name, password)
        self._change(
            lambda store: store.accounts.set_password(
                name, hashed, ha1, now=_now(), line=_line("user passwd", name)
            )
        )

    def remove_user(self, name: str) -> None:
        """Remove a user; their sessions end.

        Raises:
            AccountNotFound: there is no such user.
        """
        self._change(lambda store: store.accounts.remove_user(name, _line("user rm", name)))

    def add_token(
        self,
        name: str | None,
        *,
        role: str,
        projects: Collection[str],
        expires_s: float | None,
    ) -> tuple[Token, str]:
        """Make a token; without a name it gets one. It is known only to who called this.

        Raises:
            BadArgument: the name cannot be one, or an admin is to open some projects only.
            NameTaken: another one has it.
            ProjectNotFound: one of the projects is not there.
        """
        if name is not None:
            _check_name("token", name)
        _check_projects(role, projects)
        secret = new_token()
        digest = token_digest(secret)

        async def add(store: Store) -> Token:
            now = _now()
            expires = None if expires_s is None else now + timedelta(seconds=expires_s)
            token = Token(
                name=name or f"{role}-{digest[:8]}",
                digest=digest,
                role=Role[role.upper()],
                projects=await _numbers(store, projects),
                created_at=now,
                created_by=_whoever(),
                expires_at=expires,
            )
            await store.accounts.add_token(token, _line("token create", token.name, role=role))
            return token

        return self._change(add), secret

    def revoke_token(self, name: str) -> None:
        """Let a token open nothing any more.

        Raises:
            AccountNotFound: there is none of this name.
        """
        self._change(
            lambda store: store.accounts.revoke_token(
                name, now=_now(), line=_line("token revoke", name)
            )
        )

    def users(self) -> list[Listed]:
        """All users, by name."""
        return self._within(lambda store: _listed(store, "users"))

    def tokens(self) -> list[Listed]:
        """The tokens that were not revoked, by name."""
        return self._within(lambda store: _listed(store, "tokens"))

    def _secrets(self, name: str, password: str) -> tuple[str, str | None]:
        if not password:
            raise BadArgument("password", "must not be empty")
        ha1 = digest_secret(name, password) if self.keeps_digest else None
        return password_hash(password), ha1

    def _change(self, work: Callable[[Store], Awaitable[_Result]]) -> _Result:
        result = self._within(work)
        self.pair.directory.note_accounts()
        return result

    def _within(self, work: Callable[[Store], Awaitable[_Result]]) -> _Result:
        """Open the store, as its owner or beside the daemon that is: see the Note above."""

        async def done() -> _Result:
            return await work(store)

        try:
            self.pair.lock()
        except DataDirectoryInUse:
            store = self.pair.open_beside()
        else:
            store = self.pair.open()
        try:
            return asyncio.run(done())
        finally:
            store.close()


async def _numbers(store: Store, projects: Iterable[str]) -> frozenset[int] | None:
    """The numbers of projects that are named, or numbered; None where none is."""
    numbers = set()
    for text in projects:
        number = number_of(text)
        found = store.projects.get(text) if number is None else store.projects.get_by_id(number)
        numbers.add((await found).id)
    return frozenset(numbers) or None


async def _listed(store: Store, kind: str) -> list[Listed]:
    names = {project.id: project.name for project in await store.projects.all()}
    accounts: tuple[Account, ...] = getattr(await store.accounts.all(), kind)
    return [
        Listed(
            account=one,
            projects=None
            if one.projects is None
            else tuple(names.get(number, str(number)) for number in sorted(one.projects)),
        )
        for one in accounts
    ]


def _check_name(kind: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise BadArgument(
            f"name of the {kind}",
            f"{name[:60]!r} must begin with a letter or digit, and hold only those and . _ @ -",
        )


def _check_projects(role: str, projects: Collection[str]) -> None:
    if role == "admin" and projects:
        raise BadArgument("project", "an admin opens all projects; take the role push, run or read")


def _line(action: str, subject: str, **detail: str) -> AuditLine:
    return AuditLine(
        at=_now(), principal=_whoever(), address="", action=action, subject=subject, detail=detail
    )


def _whoever() -> str:
    """Who runs the command, to the system."""
    try:
        return f"{pwd.getpwuid(os.getuid()).pw_name} (command)"
    except KeyError:
        return "command"


def _now() -> datetime:
    return datetime.now(UTC)
