"""HTTPS: a site behind TLS, its certificate read anew when the files change.

Imported only where HTTPS is on: the libraries are large.
"""

from pathlib import Path
from typing import Any

from OpenSSL import SSL, crypto
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.internet.ssl import AcceptableCiphers, CertificateOptions, TLSVersion
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOFactory
from zope.interface import implementer

from scrapy_do.config import WebConfig
from scrapy_do.errors import ConfigError
from scrapy_do.web.site import Site

_END = "-----END CERTIFICATE-----"
_CIPHERS = AcceptableCiphers.fromOpenSSLCipherString(  # type: ignore[no-untyped-call]
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)
"""For TLS 1.2, beside those of 1.3. Source: Mozilla's server side TLS, "intermediate", but for the
suites of DHE, which want parameters of their own and of which no client is in need."""
_OTHERS_MAY = 0o027
"""A group may read a key, nobody else, and nobody but its owner change it."""


@implementer(IOpenSSLServerConnectionCreator)
class RenewedContext:
    """Makes the TLS side of each connection, with the certificate as it is then.

    Files that have changed and cannot be used are logged, and the ones before stay in use.

    Raises:
        ConfigError: key or certificate cannot be used at the start.
    """

    def __init__(self, web: WebConfig) -> None:
        self._log = Logger()
        self._web = web
        self._files = [web.cert, web.key, *([] if web.chain is None else [web.chain])]
        self._seen = self._stamps()
        self._context = _context(web)

    def serverConnectionForTLS(self, protocol: object) -> SSL.Connection:  # noqa: N802 - Twisted's name
        """Make it."""
        connection = SSL.Connection(self._renewed(), None)
        connection.set_app_data(protocol)  # where Twisted's callbacks look for it
        return connection

    def before(self, site: Site) -> Any:  # noqa: ANN401 - a factory of Twisted
        """Return the factory of a site's connections over TLS."""
        creator: Any = self  # interfaces of zope are no types
        factory: Any = site
        return TLSMemoryBIOFactory(creator, False, factory)

    def renew(self) -> None:
        """Read the files now.

        Raises:
            ConfigError: they cannot be used; the ones before stay in use.
        """
        self._seen = self._stamps()
        self._context = _context(self._web)

    def _renewed(self) -> SSL.Context:
        if self._stamps() != self._seen:
            try:
                self.renew()
            except ConfigError as error:
                self._log.error("the new certificate is not used: {error}", error=error)
        return self._context

    def _stamps(self) -> list[int]:
        return [path.stat().st_mtime_ns if path.exists() else 0 for path in self._files]


def _context(web: WebConfig) -> SSL.Context:
    try:
        if web.key.stat().st_mode & _OTHERS_MAY:
            problem = f"{web.key} can be read or changed by others; run chmod 600 on it"
            raise ConfigError("web", "key", problem)
        options = CertificateOptions(
            raiseMinimumTo=TLSVersion.TLSv1_2,
            acceptableCiphers=_CIPHERS,
            privateKey=crypto.load_privatekey(crypto.FILETYPE_PEM, web.key.read_bytes()),
            certificate=_certificates(web.cert)[0],
            extraCertChain=[*_certificates(web.cert)[1:], *_chain(web.chain)],
            acceptableProtocols=[b"http/1.1"],
        )
        return options.getContext()
    except (OSError, crypto.Error, SSL.Error, IndexError) as error:
        raise ConfigError("web", "https", f"key or certificate cannot be used: {error}") from error


def _chain(path: Path | None) -> list[crypto.X509]:
    return [] if path is None else _certificates(path)


def _certificates(path: Path) -> list[crypto.X509]:
    """Read all certificates of a PEM file, in their order."""
    blocks = path.read_text(encoding="ascii").split(_END)[:-1]
    return [
        crypto.load_certificate(crypto.FILETYPE_PEM, f"{block}{_END}\n".encode())
        for block in blocks
    ]
