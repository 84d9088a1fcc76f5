"""Who may come in, by what was read last: users, tokens, API keys, sessions, the certificate."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from scrapy_do.config import WebConfig
from scrapy_do.core.accounts import Accounts
from scrapy_do.core.principal import Principal
from scrapy_do.system.runtime import Runtime
from scrapy_do.web.auth import Access, FurtherTokens, RenewedAccess
from scrapy_do.web.digest import Digests
from scrapy_do.web.sessions import Sessions
from scrapy_do.web.site import Site
from scrapy_do.web.users import access_of, read_api_keys

if TYPE_CHECKING:
    from scrapy_do.web.tls import RenewedContext


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSource:
    """Where users and tokens are: `read` gets them, `noted` is another value when they changed.

    `noted` is asked at each request: it must be cheap.
    """

    read: Callable[[], Awaitable[Accounts]]
    noted: Callable[[], object]


class Keyring:
    """What a site asks about who comes in; `renew` reads it again while the site runs.

    `cloud_access` also knows the API keys, which are good in one dialect only. `accounts` are
    those that `source` has now.

    Raises:
        ConfigError: something cannot be read, or nobody could ever get in.
    """

    def __init__(
        self, web: WebConfig, accounts: Accounts, source: AccountSource, *, runtime: Runtime
    ) -> None:
        self.scheme = "https" if web.https else "http"
        self._web = web
        self._source = source
        self._runtime = runtime
        self._seconds = runtime.reactor.seconds
        self._noted = source.noted()
        self._digests: Digests | None = None
        self._proofs: dict[str, datetime | None] = {}
        self.access = RenewedAccess(self._take(web, accounts))
        self.sessions = Sessions(self.access, seconds=self._seconds, is_good=self.is_good)
        self._api_keys = dict(read_api_keys(web.api_keys))
        self.cloud_access = FurtherTokens(self._api_keys, self.access)
        self._tls = _tls_of(web)

    def digests(self) -> Digests | None:
        """What checks digest logins; None where they are off."""
        return self._digests

    def wrap(self, site: Site) -> Any:  # noqa: ANN401 - a factory of Twisted
        """Return what makes the connections of a site: over TLS, where it is on."""
        return site if self._tls is None else self._tls.before(site)

    def is_good(self, principal: Principal) -> bool:
        """Whether what somebody has proved is good still: unchanged, not revoked, not expired."""
        if not principal.proof:
            return True
        if principal.proof not in self._proofs:
            return False
        expires = self._proofs[principal.proof]
        return expires is None or self._runtime.now() < expires

    async def refresh(self) -> None:
        """Take over what has become of users and tokens. Cheap, where nothing has.

        Raises:
            StoreUnavailable: they cannot be read, so nobody is let in.
        """
        if not self._web.auth:
            return
        noted = self._source.noted()
        if noted != self._noted:
            accounts = await self._source.read()
            self.access.current = self._take(self._web, accounts, may_be_empty=True)
            self._noted = noted

    async def renew(self, web: WebConfig) -> None:
        """Take over what the files say now: all of it, or nothing. Browsers log in again.

        Raises:
            ConfigError: something cannot be used; all stays as it was.
            StoreUnavailable: users and tokens cannot be read.
        """
        noted, accounts = self._source.noted(), await self._source.read()
        api_keys = read_api_keys(web.api_keys)
        if self._tls is not None:
            self._tls.renew()
        self.access.current = self._take(web, accounts)
        self._web, self._noted = web, noted
        self.sessions.end_all()
        self._api_keys.clear()
        self._api_keys.update(api_keys)

    def _take(self, web: WebConfig, accounts: Accounts, *, may_be_empty: bool = False) -> Access:
        digests = None
        if web.auth and web.auth_digest:
            digests = Digests(accounts.users, seconds=self._seconds)
        access = access_of(
            web,
            accounts,
            in_thread=self._runtime.in_thread,
            digests=digests,
            is_good=self.is_good,
            may_be_empty=may_be_empty,
        )
        self._digests = digests
        self._proofs = {
            **{user.principal.proof: None for user in accounts.users},
            **{token.principal.proof: token.expires_at for token in accounts.tokens},
        }
        return access


def _tls_of(web: WebConfig) -> "RenewedContext | None":
    """What puts TLS before a site, where it is configured."""
    if not web.https:
        return None
    from scrapy_do.web.tls import RenewedContext  # noqa: PLC0415 - large, seldom needed

    return RenewedContext(web)
