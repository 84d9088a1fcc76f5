"""Who asks: the credentials of a request, and who they belong to.

Secrets are looked up by their digest, so neither the time nor the answer tells how near a guess
was.
"""

import base64
import binascii
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from scrapy_do.core.principal import Principal, Role
from scrapy_do.errors import NotAuthenticated
from scrapy_do.system.passwords import token_digest
from scrapy_do.web.status import Malformed


@dataclass(frozen=True, slots=True, kw_only=True)
class NoCredentials:
    """The request says nothing about who asks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCredentials:
    """One secret: a bearer token, an API key in the query, or a Basic user alone."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordCredentials:
    """A user and a password, from Basic."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestCredentials:
    """An answer to a digest challenge, and what it was given for. See `digest.py`."""

    fields: Mapping[str, str] = field(repr=False)
    method: str
    target: str


Credentials = NoCredentials | TokenCredentials | PasswordCredentials | DigestCredentials


class TokenExpired(NotAuthenticated):
    """The token is one of ours, and was good once: no guess."""

    def __init__(self, name: str) -> None:
        super().__init__(f"The token {name} has expired: make another by scrapy-do token create")


class Access(Protocol):
    """Decides who credentials belong to."""

    async def authenticate(self, credentials: Credentials) -> Principal:
        """Who asks.

        Raises:
            NotAuthenticated: nobody, or not this way.
        """
        ...


Verifier = Callable[[str, str], Awaitable[Principal | None]]


_FIELD = re.compile(r'\s*([A-Za-z]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))\s*(?:,|$)', re.ASCII)


def credentials_of(
    authorization: Sequence[str], api_keys: Sequence[str], *, method: str = "", target: str = ""
) -> Credentials:
    """The credentials in a request; the header wins over the query.

    `authorization` are the values of that header, `api_keys` those of the query argument
    `apikey`; `method` and `target` are those of the request line. Source: Scrapy Cloud, whose
    API key is a Basic user with an empty password.

    Raises:
        Malformed: two Authorization headers, or a Basic one that cannot be decoded.
    """
    if len(authorization) > 1:
        raise Malformed("More than one Authorization header")
    if not authorization:
        return TokenCredentials(token=api_keys[0]) if api_keys else NoCredentials()
    scheme, _, value = authorization[0].strip().partition(" ")
    if scheme.lower() == "bearer":
        return TokenCredentials(token=value.strip())
    if scheme.lower() == "basic":
        return _basic(value.strip())
    if scheme.lower() == "digest":
        return DigestCredentials(fields=_digest_fields(value), method=method, target=target)
    return NoCredentials()


def _digest_fields(text: str) -> Mapping[str, str]:
    """The fields of a digest answer, by names in lower case; nothing behind what is no field."""
    fields: dict[str, str] = {}
    place = 0
    while match := _FIELD.match(text, place):
        name, quoted, bare = match.groups()
        value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else bare
        # What a client sends is bytes, read as latin-1; names of users are UTF-8.
        fields[name.lower()] = value.encode("latin-1").decode("utf-8", "surrogateescape")
        place = match.end()
    return fields


def _basic(value: str) -> Credentials:
    try:
        text = base64.b64decode(value, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        raise Malformed("The Basic credentials cannot be decoded") from None
    user, _, password = text.partition(":")
    if password:
        return PasswordCredentials(user=user, password=password)
    return TokenCredentials(token=user) if user else NoCredentials()


LOCAL = Principal(name="local", role=Role.ADMIN)


class OpenAccess:
    """No authentication: everybody who reaches us is the local administrator.

    For loopback listeners and Unix sockets only; the daemon refuses to start others so.
    """

    async def authenticate(self, credentials: Credentials) -> Principal:  # noqa: ARG002  everybody
        """The local administrator, whatever was sent."""
        return LOCAL


class TokenAccess:
    """Tokens from a table of digests, and passwords by a verifier.

    `tokens` maps the hexadecimal SHA-256 of a token to its owner; it is read at each
    request, so that its owner may change it. `is_good` says of the owner of a token whether it
    has not expired. `verify` gets user and password and takes
    the same time for an unknown user as for a wrong password; None refuses all passwords.
    `verify_digest` gets the answer to a digest challenge and raises NotAuthenticated; None
    refuses all of them.
    """

    def __init__(
        self,
        tokens: Mapping[str, Principal],
        *,
        verify: Verifier | None = None,
        verify_digest: Callable[[DigestCredentials], Principal] | None = None,
        is_good: Callable[[Principal], bool] = lambda _: True,
    ) -> None:
        self._tokens = tokens
        self._is_good = is_good
        self._verify = verify
        self._verify_digest = verify_digest

    async def authenticate(self, credentials: Credentials) -> Principal:
        """The owner of the token or the user.

        Raises:
            NotAuthenticated: there is none.
        """
        principal = None
        match credentials:
            case TokenCredentials(token=token):
                principal = _owner_of(self._tokens, token)
                if principal is not None and not self._is_good(principal):
                    raise TokenExpired(principal.name)
            case PasswordCredentials(user=user, password=password) if self._verify is not None:
                principal = await self._verify(user, password)
            case DigestCredentials() if self._verify_digest is not None:
                principal = self._verify_digest(credentials)
            case NoCredentials() | PasswordCredentials() | DigestCredentials():
                pass
        if principal is None:
            raise NotAuthenticated("Credentials are needed, and none that are known were sent")
        return principal


class RenewedAccess:
    """What `current` says, which may be replaced while the site runs."""

    def __init__(self, current: Access) -> None:
        self.current = current

    async def authenticate(self, credentials: Credentials) -> Principal:
        """Who asks, as of now.

        Raises:
            NotAuthenticated: nobody, or not this way.
        """
        return await self.current.authenticate(credentials)


class FurtherTokens:
    """Tokens that are good in one dialect, before what the site's access says.

    `tokens` maps as that of `TokenAccess`.
    """

    def __init__(self, tokens: Mapping[str, Principal], site: Access) -> None:
        self._tokens = tokens
        self._site = site

    async def authenticate(self, credentials: Credentials) -> Principal:
        """The owner of the token, else whom the site knows.

        Raises:
            NotAuthenticated: neither does.
        """
        if isinstance(credentials, TokenCredentials):
            owner = _owner_of(self._tokens, credentials.token)
            if owner is not None:
                return owner
        return await self._site.authenticate(credentials)


def _owner_of(tokens: Mapping[str, Principal], token: str) -> Principal | None:
    return tokens.get(token_digest(token))
