"""Who may come in, by what was read last: users, tokens, API keys, sessions, the certificate."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from scrapy_do.config import WebConfig
from scrapy_do.web.auth import FurtherTokens, RenewedAccess
from scrapy_do.web.digest import Digests
from scrapy_do.web.sessions import Sessions
from scrapy_do.web.site import Site
from scrapy_do.web.users import access_of, digests_of, read_api_keys

if TYPE_CHECKING:
    from scrapy_do.web.tls import RenewedContext


class Keyring:
    """What a site asks about who comes in; `renew` reads it again while the site runs.

    `cloud_access` also knows the API keys, which are good in one dialect only.

    Raises:
        ConfigError: something cannot be read, or nobody could ever get in.
    """

    def __init__(self, web: WebConfig, *, seconds: Callable[[], float]) -> None:
        self.scheme = "https" if web.https else "http"
        self._seconds = seconds
        self._digests = digests_of(web, seconds)
        self.access = RenewedAccess(access_of(web, self._digests))
        self.sessions = Sessions(self.access, seconds=seconds)
        self._api_keys = dict(read_api_keys(web.api_keys))
        self.cloud_access = FurtherTokens(self._api_keys, self.access)
        self._tls = _tls_of(web)

    def digests(self) -> Digests | None:
        """What checks digest logins; None where they are off."""
        return self._digests

    def wrap(self, site: Site) -> Any:  # noqa: ANN401 - a factory of Twisted
        """Return what makes the connections of a site: over TLS, where it is on."""
        return site if self._tls is None else self._tls.before(site)

    def renew(self, web: WebConfig) -> None:
        """Take over what the files say now: all of it, or nothing. Browsers log in again.

        Raises:
            ConfigError: something cannot be used; all stays as it was.
        """
        digests = digests_of(web, self._seconds)
        access, api_keys = access_of(web, digests), read_api_keys(web.api_keys)
        if self._tls is not None:
            self._tls.renew()
        self._digests, self.access.current = digests, access
        self.sessions.end_all()
        self._api_keys.clear()
        self._api_keys.update(api_keys)


def _tls_of(web: WebConfig) -> "RenewedContext | None":
    """What puts TLS before a site, where it is configured."""
    if not web.https:
        return None
    from scrapy_do.web.tls import RenewedContext  # noqa: PLC0415 - large, seldom needed

    return RenewedContext(web)
