"""Who is known: the token of the configuration, users and tokens of the store, API keys of a file.

Source of the form of the file of users: Scrapy Do 0.5, `auth-db`: one `name:password` on each line.
"""

import hmac
import secrets
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from twisted.internet.defer import DeferredSemaphore

from scrapy_do.config import WebConfig
from scrapy_do.core.accounts import Accounts, User
from scrapy_do.core.principal import Principal, Role
from scrapy_do.core.project import number_of
from scrapy_do.errors import ConfigError, Unavailable
from scrapy_do.system.passwords import is_password, nobodys_hash, token_digest
from scrapy_do.system.runtime import InThread
from scrapy_do.web.auth import Access, OpenAccess, TokenAccess
from scrapy_do.web.digest import Digests

TOKEN_OWNER = Principal(name="token", role=Role.ADMIN)
OTHERS_MAY = 0o077
ALL, ADMINISTRATOR = "all", "administrator"

HASHED_AT_ONCE = 2
MOST_WAITING = 64
"""How many passwords are tried at once, and how many wait: each takes 19 MiB and 30 ms."""


def access_of(
    web: WebConfig,
    accounts: Accounts,
    *,
    in_thread: InThread,
    digests: Digests | None = None,
    is_good: Callable[[Principal], bool] = lambda _: True,
    may_be_empty: bool = False,
) -> Access:
    """Decide who gets in; `digests` checks digest logins, where they are on.

    `is_good` says whether what somebody has proved is good still. With `may_be_empty` there may
    be nobody to let in.

    Raises:
        ConfigError: authentication is on and nobody could ever get in.
    """
    if not web.auth:
        return OpenAccess()
    tokens = {token.digest: token.principal for token in accounts.tokens}
    if web.token is not None:
        tokens[token_digest(web.token)] = TOKEN_OWNER
    if not (tokens or accounts.users or may_be_empty):
        raise ConfigError(
            "web",
            "auth",
            "is on, and nobody could come in: there is neither a token nor a user. Make one with "
            "`scrapy-do user add NAME` or `scrapy-do token create --role admin`, or give a token "
            "in SCRAPY_DO_WEB_TOKEN",
        )
    return TokenAccess(
        tokens,
        verify=Passwords(accounts.users, in_thread=in_thread) if accounts.users else None,
        verify_digest=None if digests is None else digests.authenticate,
        is_good=is_good,
    )


def read_users(path: Path) -> Mapping[str, str]:
    """Read the users of Scrapy Do 0.5; blank lines and lines that begin with # are left out.

    Raises:
        ConfigError: the file cannot be read, others may read it, or a line is no user.
    """
    users = {}
    for number, line in _secret_lines("auth-db", path):
        name, separator, password = line.partition(":")
        if not separator or not name or not password:
            raise ConfigError("web", "auth-db", f"line {number} of {path} is not name:password")
        users[name] = password
    return users


def read_api_keys(path: Path) -> Mapping[str, Principal]:
    """Read whom API keys of Scrapy Cloud clients belong to, by the digest of the key.

    A line is a name, a key, and what the key sees: `all` projects, if nothing else stands
    there, or the numbers of some; who has `administrator` opens all projects and is a member
    of none. No file, no keys.

    Raises:
        ConfigError: the file cannot be read, others may read it, or a line is no key.
    """
    keys: dict[str, Principal] = {}
    for number, line in _secret_lines("api-keys", path) if path.exists() else ():
        name, key, seen, *rest = [*line.split(), "", ""]
        if not key or any(rest[:-2]) or token_digest(key) in keys:
            raise ConfigError(
                "web", "api-keys", f"line {number} of {path} is not NAME KEY, or NAME KEY PROJECTS"
            )
        keys[token_digest(key)] = _key_owner(name, seen or ALL, f"line {number} of {path}")
    return keys


def _key_owner(name: str, seen: str, place: str) -> Principal:
    if seen == ALL:
        return Principal(name=name, role=Role.ADMIN)
    if seen == ADMINISTRATOR:
        return Principal(name=name, role=Role.ADMIN, projects=frozenset())
    numbers = [number_of(text) for text in seen.split(",")]
    known = frozenset(number for number in numbers if number is not None)
    if len(known) < len(numbers):
        raise ConfigError(
            "web",
            "api-keys",
            f"{place}: {seen[:60]!r} must be {ALL}, {ADMINISTRATOR}, or the numbers of projects "
            "such as 1,2",
        )
    return Principal(name=name, role=Role.PUSH, projects=known)


def _secret_lines(option: str, path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a file of secrets with their numbers, blanks and comments left out."""
    try:
        text = path.read_text(encoding="utf-8")
        mode = path.stat().st_mode
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("web", option, f"{path} cannot be read: {error}") from error
    if mode & OTHERS_MAY:
        raise ConfigError(
            "web", option, f"{path} holds secrets and others may read it; run chmod 600 on it"
        )
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.startswith("#"):
            yield number, line.strip()


class Passwords:
    """Tries passwords, off the reactor's thread and a few at once.

    A password that was right is remembered, one for each user, by a digest with a key that only
    this object has: a client that sends it with each request pays for the slow hash once. An
    unknown user costs what a known one does. Whoever changes users makes a new one of these.
    """

    def __init__(self, users: Iterable[User], *, in_thread: InThread) -> None:
        self._users = {user.name: user for user in users}
        self._in_thread = in_thread
        self._key = secrets.token_bytes(32)
        self._right: dict[str, bytes] = {}
        self._turns = DeferredSemaphore(HASHED_AT_ONCE)
        self._nobody = ""

    async def __call__(self, user: str, password: str) -> Principal | None:
        """The user, if the password is right.

        Raises:
            Unavailable: too many wait for theirs to be tried.
        """
        known = self._users.get(user)
        mark = self._mark(user, password)
        if known is not None and hmac.compare_digest(self._right.get(user, b""), mark):
            return known.principal
        if len(self._turns.waiting) >= MOST_WAITING:
            raise Unavailable("Too many passwords are being tried; try again in a moment")
        if known is None and "/" in user:  # a job's, which this is no place for
            return None
        stored = None if known is None else known.password_hash
        turn: Any = self._turns.run(self._in_turn, stored, password)
        if not await turn or known is None:
            return None
        self._right[user] = mark
        return known.principal

    def _in_turn(self, stored: str | None, password: str) -> Awaitable[bool]:
        def is_right() -> bool:
            self._nobody = self._nobody or nobodys_hash()
            return is_password(stored or self._nobody, password)

        return self._in_thread(is_right)

    def _mark(self, user: str, password: str) -> bytes:
        text = f"{len(user)} {user}{password}".encode("utf-8", "surrogateescape")
        return hmac.new(self._key, text, sha256).digest()
