"""From where a request may come: the names that are ours, and what browsers say of pages.

A page of any site can make a browser send requests to a loopback address, and a host name
of the attacker can be made to resolve to it. So every request must name a host of ours,
and a browser's request that may change something must come from a page of ours. Programs
that send neither Origin nor Sec-Fetch-Site are not browsers and pass.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from scrapy_do.errors import ForeignOrigin, WrongHost
from scrapy_do.web.status import Malformed

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_PAGES = frozenset({"same-origin", "none"})
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnHosts:
    """The hosts that are ours, each with the origins of its pages.

    A host is the text of a Host header in lower case.
    """

    origins: dict[str, frozenset[str]]

    def __contains__(self, host: object) -> bool:
        return host in self.origins


def own_hosts(*, scheme: str, port: int | None, names: Iterable[str] = ()) -> OwnHosts:
    """The hosts of a listener: the loopback names with its port, and the configured ones.

    `scheme` is "http" or "https"; `port` None is a Unix socket. A configured name is a
    host name (with the port of the listener or none, as behind a proxy), a name with its
    port, or the URL that people type: `https://crawls.example.org`, whose scheme then is
    the one of its pages.

    Raises:
        ValueError: a name is none of these.
    """
    origins: dict[str, set[str]] = {}
    for name in (*LOOPBACK_NAMES, *names):
        own_scheme, host, own_port = _parsed(name, scheme)
        behind_proxy = own_port is None and name not in LOOPBACK_NAMES
        ports = {port if own_port is None else own_port}
        if behind_proxy:
            ports.add(None)
        for one in ports:
            for authority in _spellings(own_scheme, host, one):
                origins.setdefault(authority, set()).update(
                    f"{own_scheme}://{spelling}" for spelling in _spellings(own_scheme, host, one)
                )
    return OwnHosts(origins={host: frozenset(own) for host, own in origins.items()})


def check_host(values: Sequence[str], authority: str | None, own: OwnHosts) -> str:
    """The host that a request is for, in lower case.

    `values` are its Host headers, `authority` the one in an absolute request target.

    Raises:
        Malformed: there is no Host header, or more than one.
        WrongHost: the host, or the one in the target, is not ours.
    """
    if len(values) != 1:
        raise Malformed("A request must have exactly one Host header")
    host = values[0].lower()
    if host not in own or (authority is not None and authority.lower() != host):
        raise WrongHost("This host is not served here")
    return host


def check_origin(
    method: str, *, host: str, origins: Sequence[str], fetch_sites: Sequence[str], own: OwnHosts
) -> None:
    """Let a request through unless a browser sends it for a page that is not ours.

    `origins` and `fetch_sites` are the values of the headers Origin and Sec-Fetch-Site.

    Raises:
        ForeignOrigin: the request may change something and comes from a foreign page.
    """
    if method in SAFE_METHODS:
        return
    foreign = any(site.lower() not in _OWN_PAGES for site in fetch_sites) or any(
        origin.lower() not in own.origins[host] for origin in origins
    )
    if foreign or len(origins) > 1:
        raise ForeignOrigin("Requests from pages of other sites are refused")


def split_target(target: str) -> tuple[str | None, str, str]:
    """The authority (None for the usual form), the raw path and the raw query of a target.

    Raises:
        Malformed: it is neither a path nor an absolute http URL.
    """
    authority = None
    if not target.startswith("/"):
        scheme, separator, rest = target.partition("://")
        if not separator or scheme.lower() not in _DEFAULT_PORTS:
            raise Malformed("The target of a request must be a path")
        cut = min((rest.find(mark) for mark in "/?" if mark in rest), default=len(rest))
        authority, target = rest[:cut], rest[cut:]
        if not target.startswith("/"):
            target = "/" + target
    path, _, query = target.partition("?")
    return authority, path, query


def _parsed(name: str, scheme: str) -> tuple[str, str, int | None]:
    """Scheme, host and port of a configured name."""
    text = name.lower()
    split: SplitResult = urlsplit(text if "://" in text else f"{scheme}://{text}")
    port = split.port  # ValueError: no number, or too large
    host = split.netloc.removesuffix(f":{port}") if port is not None else split.netloc
    if split.scheme not in _DEFAULT_PORTS or not host or "@" in host or split.path.strip("/"):
        raise ValueError(f"{name!r} is no host name, host:port or http URL")
    return split.scheme, host, port


def _spellings(scheme: str, host: str, port: int | None) -> set[str]:
    """How clients write a host: the port may be left out when it is the scheme's own."""
    usual = _DEFAULT_PORTS[scheme]
    if port is None or port == usual:
        return {host, f"{host}:{usual}"}
    return {f"{host}:{port}"}
