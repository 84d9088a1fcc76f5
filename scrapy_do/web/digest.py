"""Digest login, as the command-line client of Scrapy Do 0.5 does it.

Source: RFC 7616 with the algorithm MD5 and qop=auth, which that client and all others know.
MD5 is weak, so it is offered only where `[web] auth-digest` is on, and only users of whom what it
needs was stored, while it was on, can be checked so.

Note [Replays]
    A nonce is signed, so nothing has to be remembered of those that nobody used. Of one that
    was used the counts are remembered, each of which is good once. When too many are in use
    the oldest is forgotten, and with it all that are older still are stale, not good again.
"""

import hmac
import re
import secrets
from collections.abc import Callable, Iterable
from hashlib import md5, sha256

from scrapy_do.core.accounts import User
from scrapy_do.core.principal import Principal
from scrapy_do.errors import NotAuthenticated
from scrapy_do.system.passwords import DIGEST_REALM as REALM
from scrapy_do.web.auth import DigestCredentials

LIFETIME_S = 300
MOST_IN_USE = 1000
_WINDOW = 256
"""How far the counts of one nonce may come out of their order."""

_NONCE = re.compile(r"([0-9]{1,12})-([0-9a-f]{16})-([0-9a-f]{32})", re.ASCII)
_COUNT = re.compile(r"[0-9a-fA-F]{8}", re.ASCII)


class StaleNonce(NotAuthenticated):
    """The credentials are right, but their nonce is too old or was used so before."""


class Digests:
    """Makes challenges and checks answers to them. `seconds` is a clock that is never set."""

    def __init__(self, users: Iterable[User], *, seconds: Callable[[], float]) -> None:
        self._users = {user.name: user for user in users if user.digest_ha1 is not None}
        self._seconds = seconds
        self._key = secrets.token_bytes(32)
        self._used: dict[str, _Counts] = {}
        self._oldest_s = 0

    def challenge(self, *, is_stale: bool = False) -> str:
        """The value of a WWW-Authenticate header, with a nonce of its own."""
        made = f"{int(self._seconds())}-{secrets.token_hex(8)}"
        stale = ", stale=true" if is_stale else ""
        return (
            f'Digest realm="{REALM}", nonce="{made}-{self._signed(made)}", qop="auth", '
            f"algorithm=MD5{stale}"
        )

    def authenticate(self, credentials: DigestCredentials) -> Principal:
        """The user, if the answer is right and was not given before.

        Raises:
            NotAuthenticated: it is wrong.
            StaleNonce: it is right, but for a nonce that is good no more.
        """
        fields = credentials.fields
        user, nonce, count = (fields.get(name, "") for name in ("username", "nonce", "nc"))
        # The same work for an unknown user as for a wrong password.
        owner = self._users.get(user)
        known = "0" * 32 if owner is None else str(owner.digest_ha1)
        request = _md5(credentials.method, credentials.target)
        right = _md5(known, nonce, count, fields.get("cnonce", ""), "auth", request)
        given = fields.get("response", "").lower().encode("utf-8", "replace")
        is_right = hmac.compare_digest(right.encode(), given)
        is_for_this = (
            fields.get("realm") == REALM
            and fields.get("uri") == credentials.target
            and fields.get("qop") == "auth"
            and fields.get("algorithm", "MD5").upper() == "MD5"
            and _COUNT.fullmatch(count) is not None
        )
        if not is_right or not is_for_this or owner is None:
            raise NotAuthenticated("The digest credentials are wrong")
        if not self._use(nonce, int(count, 16)):
            raise StaleNonce("The nonce of the digest credentials is good no more")
        return owner.principal

    def _signed(self, made: str) -> str:
        return hmac.new(self._key, made.encode(), sha256).hexdigest()[:32]

    def _use(self, nonce: str, count: int) -> bool:
        """Note that a nonce was used with a count; False where it is good no more."""
        match = _NONCE.fullmatch(nonce)
        if match is None or not hmac.compare_digest(
            self._signed(f"{match[1]}-{match[2]}"), match[3]
        ):
            return False
        issued_s = int(match[1])
        if issued_s < max(self._oldest_s, self._seconds() - LIFETIME_S):
            self._used.pop(nonce, None)
            return False
        if nonce not in self._used and len(self._used) >= MOST_IN_USE:
            forgotten = min(self._used, key=_issued_s)
            del self._used[forgotten]
            self._oldest_s = max(self._oldest_s, _issued_s(forgotten) + 1)
            if issued_s < self._oldest_s:
                return False
        return self._used.setdefault(nonce, _Counts()).take(count)


class _Counts:
    """Which counts of a nonce were used: the highest, and a bit for each just below it."""

    def __init__(self) -> None:
        self._highest = 0
        self._seen = 0

    def take(self, count: int) -> bool:
        """Use a count; False if it was used, or is too far behind."""
        ahead = count - self._highest
        if ahead > 0:
            self._seen = ((self._seen << min(ahead, _WINDOW)) | 1) & ((1 << _WINDOW) - 1)
            self._highest = count
            return True
        if count <= 0 or -ahead >= _WINDOW or self._seen >> -ahead & 1:
            return False
        self._seen |= 1 << -ahead
        return True


def _issued_s(nonce: str) -> int:
    return int(nonce.partition("-")[0])


def _md5(*parts: str) -> str:
    text = ":".join(parts).encode("utf-8", "surrogateescape")
    return md5(text, usedforsecurity=False).hexdigest()
