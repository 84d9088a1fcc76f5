"""Who has logged in by the page: sessions in memory, each named by a random cookie.

A session ends by logging out, after a while without use, at its greatest age, with the daemon,
when its user or token is changed or removed, and when the configuration is read again. Only
digests of the names are kept. A cookie is sent by pages of ours only (`SameSite=Strict`) and no
script reads it (`HttpOnly`).
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie

from scrapy_do.core.principal import Principal
from scrapy_do.errors import NotAuthenticated
from scrapy_do.system.passwords import token_digest
from scrapy_do.web.answer import Headers
from scrapy_do.web.auth import (
    Access,
    NoCredentials,
    PasswordCredentials,
    TokenCredentials,
)
from scrapy_do.web.guesses import Guesses

MOST_SESSIONS = 1000
IDLE_S = 12 * 3600.0
LIFE_S = 7 * 86400.0


@dataclass(slots=True, kw_only=True)
class _Session:
    principal: Principal
    since_s: float
    used_s: float


class Sessions:
    """The sessions of a daemon, at most `MOST_SESSIONS`: the one unused for longest makes room.

    `guesses` counts wrong passwords. `is_good` says whether what the owner of a session has proved
    is good still.
    """

    def __init__(
        self,
        access: Access,
        *,
        seconds: Callable[[], float],
        is_good: Callable[[Principal], bool] = lambda _: True,
        guesses: Guesses | None = None,
    ) -> None:
        self.guesses = Guesses(seconds=seconds) if guesses is None else guesses
        self._access = access
        self._is_good = is_good
        self._seconds = seconds
        self._sessions: dict[str, _Session] = {}

    async def is_needed(self) -> bool:
        """Whether somebody without credentials is kept out."""
        try:
            await self._access.authenticate(NoCredentials())
        except NotAuthenticated:
            return True
        return False

    async def begin(self, user: str, password: str, *, address: str = "") -> str:
        """Log in, by name and password, or by a token alone; give the new session's cookie.

        Raises:
            NotAuthenticated: these are nobody's.
            TooManyGuesses: too many that were nobody's came from the address.
        """
        token = TokenCredentials(token=password)
        known = PasswordCredentials(user=user, password=password)
        principal = await self.guesses.authenticate(self._access, known if user else token, address)
        while len(self._sessions) >= MOST_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        cookie, now_s = secrets.token_urlsafe(32), self._seconds()
        self._sessions[token_digest(cookie)] = _Session(
            principal=principal, since_s=now_s, used_s=now_s
        )
        return cookie

    def owner(self, cookie: str) -> Principal | None:
        """Who has the session of a cookie; None when there is no such session any more."""
        digest = token_digest(cookie)
        session = self._sessions.pop(digest, None)
        if session is None:
            return None
        now_s = self._seconds()
        if now_s - session.used_s > IDLE_S or now_s - session.since_s > LIFE_S:
            return None
        if not self._is_good(session.principal):
            return None
        session.used_s = now_s
        self._sessions[digest] = session  # as the one used last
        return session.principal

    def is_good(self, principal: Principal, cookie: str) -> bool:
        """Whether somebody is still who they were, and their session, if any, goes on."""
        return self._is_good(principal) and (not cookie or token_digest(cookie) in self._sessions)

    def end(self, cookie: str) -> None:
        """Forget a session."""
        self._sessions.pop(token_digest(cookie), None)

    def end_all(self) -> None:
        """Forget all: who is known has changed."""
        self._sessions.clear()


def cookie_name(host: str) -> str:
    """What the cookie is called: browsers do not tell ports of one host apart, so the name does."""
    port = host.rpartition("]")[2].rpartition(":")[2] if ":" in host.rpartition("]")[2] else ""
    return f"scrapy-do-{port}" if port.isdigit() else "scrapy-do"


def cookie_of(headers: Sequence[str], host: str) -> str:
    """The value of our cookie in the Cookie headers of a request; "" where there is none."""
    for header in headers:
        try:
            cookies = SimpleCookie(header)
        except CookieError:
            continue
        morsel = cookies.get(cookie_name(host))
        if morsel is not None:
            return morsel.value
    return ""


def set_cookie(value: str, host: str, *, is_secure: bool) -> Headers:
    """The header that gives a browser its session; an empty value takes it away."""
    parts = [f"{cookie_name(host)}={value}", "Path=/", "HttpOnly", "SameSite=Strict"]
    parts += [] if value else ["Max-Age=0"]
    parts += ["Secure"] if is_secure else []
    return (("Set-Cookie", "; ".join(parts)),)
