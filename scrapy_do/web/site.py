# ruff: noqa: N802, N815  some names are those of twisted.web
"""The site: connections, health, and the way out. `verdict.py` says who gets in."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.web import http

from scrapy_do.web.answer import Answer, json_response
from scrapy_do.web.auth import Access
from scrapy_do.web.connection import Channel, Limits
from scrapy_do.web.origin import OwnHosts
from scrapy_do.web.request import Head, Request
from scrapy_do.web.router import Call, Dialect, Router
from scrapy_do.web.spool import InThread
from scrapy_do.web.status import ErrorStyle
from scrapy_do.web.verdict import ANONYMOUS, HEALTH_PATH, SiteParts, Verdict

Health = Callable[[], Awaitable[Sequence[str]]]


class Site(http.HTTPFactory):
    """Makes connections, and keeps their number within limits."""

    protocol = Channel  # type: ignore[assignment]  # Twisted names its own proxy class here
    requestFactory = Request
    timeOut = None  # `Channel` keeps better time

    def __init__(self, parts: SiteParts, *, reactor: IReactorTime, limits: Limits) -> None:
        super().__init__(reactor=reactor)
        self.timeOut = None
        self.limits = limits
        self.is_draining = False
        self._parts = parts
        self._channels: dict[Channel, str] = {}
        self._emptied: list[Deferred[None]] = []

    # --- what Twisted calls

    def startFactory(self) -> None:
        """Write no access log: changes are logged where they are made."""

    def stopFactory(self) -> None:
        """There is nothing to close."""

    def log(self, request: http.Request) -> None:
        """Write no access log."""

    def buildProtocol(self, addr: IAddress | None) -> Any:  # noqa: ANN401  Twisted's proxy class
        """Accept a connection; None, which closes it, when there are too many."""
        address = str(getattr(addr, "host", ""))
        if not self._make_room(address):
            return None
        channel: Any = super().buildProtocol(addr)
        channel.site = self
        channel.requestFactory = self.requestFactory
        self._channels[channel] = address
        return channel

    # --- what connections and requests call

    def visit(self, head: Head) -> Verdict:
        """Begin a request."""
        return Verdict(self._parts, head, is_draining=self.is_draining)

    def disconnected(self, channel: Channel) -> None:
        """Forget a connection."""
        self._channels.pop(channel, None)
        if not self._channels:
            waiting, self._emptied = self._emptied, []
            for one in waiting:
                one.callback(None)

    # --- what the daemon calls

    @property
    def connections(self) -> int:
        """How many there are."""
        return len(self._channels)

    def drain(self) -> None:
        """Answer new requests with 503 from now on; finish those that are under way."""
        self.is_draining = True
        for channel in list(self._channels):
            channel.depart()

    async def emptied(self) -> None:
        """Wait until the last connection is gone."""
        if self._channels:
            waiting: Deferred[None] = Deferred()
            self._emptied.append(waiting)
            await waiting

    def abort(self) -> None:
        """Close every connection at once."""
        for channel in list(self._channels):
            channel.abort()

    def _make_room(self, address: str) -> bool:
        """Let a connection in, if need be in place of the oldest that asks for nothing.

        So clients that only sit there, or send their headers byte by byte, cannot keep
        others out.
        """
        same = [one for one, known in self._channels.items() if address and known == address]
        if len(same) >= self.limits.connections_per_address:
            crowd = same
        elif len(self._channels) >= self.limits.connections:
            crowd = list(self._channels)
        else:
            return True
        idle = next((one for one in crowd if one.is_waiting), None)
        if idle is None:
            return False
        del self._channels[idle]
        idle.abort()
        return True


class HealthPage:
    """Says whether the daemon works: GET /healthz, without credentials.

    200, or 503 with the names of what does not work. Somebody unknown is told no names
    where authentication is on.
    """

    prefix = HEALTH_PATH

    def __init__(self, health: Health) -> None:
        self._health = health
        self.router = Router(style=ErrorStyle())
        self.router.add("GET", HEALTH_PATH, self.show)

    async def show(self, call: Call) -> Answer:
        """Ask, and say it."""
        failing = list(await self._health())
        if not failing:
            return json_response({"status": "ok"})
        names = {} if call.principal is ANONYMOUS else {"failing": failing}
        return json_response({"status": "error", **names}, status=503)


def make_site(
    *,
    dialects: Sequence[Dialect],
    access: Access,
    hosts: OwnHosts,
    health: Health,
    spool_dir: Path,
    in_thread: InThread,
    reactor: IReactorTime,
    public: Iterable[str] = (),
    limits: Limits | None = None,
) -> Site:
    """A site with the dialects mounted by prefix, the longest first, and /healthz.

    `public` are the paths that need no credentials besides /healthz; one with a slash at
    its end stands for all below it. `health` names what does not work. `spool_dir` is a
    directory of the data directory for bodies, on the file system of what is made of them.

    Raises:
        ValueError: two dialects have one prefix, or a prefix ends with a slash.
    """
    mounted: tuple[Dialect, ...] = (*dialects, HealthPage(health))
    prefixes = [dialect.prefix for dialect in mounted]
    if len(set(prefixes)) < len(prefixes) or any(prefix.endswith("/") for prefix in prefixes):
        raise ValueError(f"prefixes must be different and end without a slash: {prefixes}")
    parts = SiteParts(
        dialects=mounted,
        access=access,
        hosts=hosts,
        public=frozenset({HEALTH_PATH, *public}),
        spool_dir=spool_dir,
        in_thread=in_thread,
    )
    return Site(parts, reactor=reactor, limits=Limits() if limits is None else limits)
