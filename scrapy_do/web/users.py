"""Who is known: the token of the configuration, the users and the API keys of its files.

Source of the file's form: Scrapy Do 0.5, `auth-db`: one `name:password` on each line.
"""

import hmac
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path

from scrapy_do.config import WebConfig
from scrapy_do.core.principal import Principal, Role
from scrapy_do.core.project import number_of
from scrapy_do.errors import ConfigError
from scrapy_do.web.auth import Access, OpenAccess, TokenAccess, token_digest
from scrapy_do.web.digest import Digests

TOKEN_OWNER = Principal(name="token", role=Role.ADMIN)
OTHERS_MAY = 0o077
ALL, ADMINISTRATOR = "all", "administrator"


def access_of(web: WebConfig, digests: Digests | None = None) -> Access:
    """Decide who gets in; `digests` checks digest logins, where they are on.

    Raises:
        ConfigError: authentication is on and nobody could ever get in, or the file of the
            users cannot be read.
    """
    if not web.auth:
        return OpenAccess()
    tokens = {} if web.token is None else {token_digest(web.token): TOKEN_OWNER}
    users = read_users(web.auth_db) if web.auth_db.exists() else {}
    if not tokens and not users:
        raise ConfigError(
            "web",
            "auth",
            f"is on, but there is neither a token nor a user in {web.auth_db}; give a token in "
            "SCRAPY_DO_WEB_TOKEN, or write a line name:password into that file",
        )
    return TokenAccess(
        tokens,
        verify=Passwords(users) if users else None,
        verify_digest=None if digests is None else digests.authenticate,
    )


def digests_of(web: WebConfig, seconds: Callable[[], float]) -> Digests | None:
    """What checks digest logins; None where they are off.

    Raises:
        ConfigError: the file of the users cannot be read.
    """
    if not web.auth or not web.auth_digest or not web.auth_db.exists():
        return None
    return Digests(read_users(web.auth_db), seconds=seconds)


def read_users(path: Path) -> Mapping[str, str]:
    """Read the users and their passwords; blank lines and lines that begin with # are left out.

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
    """Compares passwords; the same work for an unknown user as for a wrong password."""

    def __init__(self, users: Mapping[str, str]) -> None:
        self._digests = {name: _digest(password) for name, password in users.items()}

    async def __call__(self, user: str, password: str) -> Principal | None:
        """The user, if the password is right."""
        known = self._digests.get(user, b"\0" * sha256().digest_size)
        if not hmac.compare_digest(known, _digest(password)):
            return None
        return Principal(name=user, role=Role.ADMIN)


def _digest(password: str) -> bytes:
    return sha256(password.encode("utf-8", "surrogateescape")).digest()
