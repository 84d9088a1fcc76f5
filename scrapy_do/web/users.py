"""Who is known: the token of the configuration, and the users of its file.

Source of the file's form: Scrapy Do 0.5, `auth-db`: one `name:password` on each line.
"""

import hmac
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from scrapy_do.config import WebConfig
from scrapy_do.core.principal import Principal, Role
from scrapy_do.errors import ConfigError
from scrapy_do.web.auth import Access, OpenAccess, TokenAccess, token_digest

TOKEN_OWNER = Principal(name="token", role=Role.ADMIN)
OTHERS_MAY = 0o077


def access_of(web: WebConfig) -> Access:
    """Decide who gets in.

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
    return TokenAccess(tokens, verify=Passwords(users) if users else None)


def read_users(path: Path) -> Mapping[str, str]:
    """Read the users and their passwords; blank lines and lines that begin with # are left out.

    Raises:
        ConfigError: the file cannot be read, others may read it, or a line is no user.
    """
    try:
        text = path.read_text(encoding="utf-8")
        mode = path.stat().st_mode
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("web", "auth-db", f"{path} cannot be read: {error}") from error
    if mode & OTHERS_MAY:
        raise ConfigError(
            "web", "auth-db", f"{path} holds passwords and others may read it; run chmod 600 on it"
        )
    users = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, separator, password = line.strip().partition(":")
        if not separator or not name or not password:
            raise ConfigError("web", "auth-db", f"line {number} of {path} is not name:password")
        users[name] = password
    return users


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
