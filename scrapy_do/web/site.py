# ruff: noqa: N802, N815  some names are those of twisted.web
"""The site: connections, health, and the way out. `verdict.py` says who gets in."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.logger import Logger
from twisted.web import http

from scrapy_do.core.accounts import AuditLine
from scrapy_do.errors import ShuttingDown, TooManyConnections, Unavailable
from scrapy_do.system.runtime import InThread
from scrapy_do.web.answer import Answer, Response, Stream, json_response
from scrapy_do.web.auth import Access
from scrapy_do.web.connection import Channel, ConnectionLimits, Phase
from scrapy_do.web.digest import Digests
from scrapy_do.web.guesses import Guesses
from scrapy_do.web.origin import OwnHosts
from scrapy_do.web.request import Head, Request
from scrapy_do.web.router import Call, Dialect, Router
from scrapy_do.web.sessions import Sessions
from scrapy_do.web.shelf import shelved
from scrapy_do.web.status import ErrorStyle
from scrapy_do.web.verdict import ANONYMOUS, HEALTH_PATH, SiteParts, Verdict

NOTE_EVERY_S = 60.0
_log = Logger()

Health = Callable[[], Awaitable[Sequence[str]]]


class Site(http.HTTPFactory):
    """Makes connections, and keeps their number within limits."""

    protocol = Channel  # type: ignore[assignment]  # Twisted names its own proxy class here
    requestFactory = Request
    timeOut = None  # `Channel` keeps better time

    def __init__(
        self, parts: SiteParts, *, reactor: IReactorTime, limits: ConnectionLimits
    ) -> None:
        super().__init__(reactor=reactor)
        self.timeOut = None
        self.limits = limits
        self.seconds = parts.seconds
        self.is_draining = False
        self._parts = parts
        self._channels: dict[Channel, str] = {}
        self._emptied: list[Deferred[None]] = []
        self._refused = 0
        self._noted_s = -NOTE_EVERY_S

    # --- what Twisted calls

    def startFactory(self) -> None:
        """Write no access log: changes are logged where they are made."""

    def stopFactory(self) -> None:
        """There is nothing to close."""

    def log(self, request: http.Request) -> None:
        """Write no access log."""

    def buildProtocol(self, addr: IAddress | None) -> Any:  # noqa: ANN401  Twisted's proxy class
        """Accept a connection; None, which closes it, when not even a refusal can be given.

        One too many is let in as surplus: what it asks for decides, see `visit`.
        """
        address = str(getattr(addr, "host", ""))
        limits = self.limits
        is_full = len(self._channels) >= limits.connections + limits.surplus
        if is_full and not self._close_idle(list(self._channels), young_s=0):
            return None
        channel: Any = super().buildProtocol(addr)
        channel.site = self
        channel.requestFactory = self.requestFactory
        channel.is_surplus = self._crowd(address) is not None
        self._channels[channel] = address
        return channel

    # --- what connections and requests call

    def visit(self, head: Head, channel: Channel) -> Verdict:
        """Begin a request; a surplus connection needs the place of one that asks for nothing."""
        closed: Unavailable | None = None
        if self.is_draining:
            closed = ShuttingDown("The server is stopping")
        elif channel.is_surplus and not self._make_room(channel):
            closed = TooManyConnections()
        return Verdict(self._parts, head, closed=closed)

    def check_readers(self, channel: Channel) -> None:
        """Keep a quarter of the connections, of all and of each address, for short answers.

        Raises:
            TooManyConnections: an answer that may take long to be taken has to wait.
        """
        address, limits = self._channels.get(channel, ""), self.limits
        readers = [known for one, known in self._channels.items() if one.is_reading]
        most = limits.connections_per_address if address else 0
        if len(readers) >= _share(limits.connections) or (
            most and readers.count(address) >= _share(most)
        ):
            self._note_refusal(address)
            raise TooManyConnections

    async def shelve(self, answer: Response) -> Response | Stream:
        """Put a large answer into a file without a name."""
        return await shelved(answer, self._parts.spool_dir, self._parts.in_thread)

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

    def _crowd(self, address: str) -> list[Channel] | None:
        """The connections among which one more has no room; None if it has."""
        counted = [(one, known) for one, known in self._channels.items() if not one.is_surplus]
        most = self.limits.connections_per_address
        same = [one for one, known in counted if address and known == address]
        if most and len(same) >= most:
            return same
        return [one for one, _ in counted] if len(counted) >= self.limits.connections else None

    def _make_room(self, channel: Channel) -> bool:
        """Count a surplus connection among the others, if need be in place of one of them.

        So clients that only sit there, or send their headers byte by byte, cannot keep
        others out.
        """
        address = self._channels.get(channel, "")
        crowd = self._crowd(address)
        if crowd is not None and not self._close_idle(crowd, young_s=self.limits.young_s):
            self._note_refusal(address)
            return False
        channel.is_surplus = False
        return True

    def _close_idle(self, crowd: Sequence[Channel], *, young_s: float) -> bool:
        """Close the oldest of some connections that asks for nothing; whether there was one.

        One between requests first; else one that has had its time to say what it wants.
        """
        latest_s = self._parts.seconds() - young_s
        waiting = [one for one in crowd if one.is_waiting]
        waiting.sort(key=lambda one: one.phase is not Phase.IDLE)
        for one in waiting:
            if one.phase is Phase.IDLE or one.since_s <= latest_s:
                del self._channels[one]
                one.abort()
                return True
        return False

    def _note_refusal(self, address: str) -> None:
        """Tell the log, once in a while, whom the limits have kept out."""
        self._refused += 1
        now_s = self._parts.seconds()
        if now_s < self._noted_s + NOTE_EVERY_S:
            return
        _log.warn(
            "{count} requests were answered with 503, the last from {address}: [web] connections "
            "is {connections}, connections-per-address {per_address}",
            count=self._refused,
            address=address or "a socket",
            connections=self.limits.connections,
            per_address=self.limits.connections_per_address,
        )
        self._refused, self._noted_s = 0, now_s


async def _turn(reactor: Any) -> None:  # noqa: ANN401  interfaces of zope are no types
    """Let everything else that is due have its turn."""
    over: Deferred[None] = Deferred()
    reactor.callLater(0, over.callback, None)
    await over


def _share(connections: int) -> int:
    """How many of some connections may take answers of any length."""
    return max(1, connections * 3 // 4)


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
    limits: ConnectionLimits | None = None,
    digests: Callable[[], Digests | None] = lambda: None,
    sessions: Sessions | None = None,
    login: str = "",
    refresh: Callable[[], Awaitable[None]] | None = None,
    audit: Callable[[AuditLine], None] | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Site:
    """A site with the dialects mounted by prefix, the longest first, and /healthz.

    `public` are the paths that need no credentials besides /healthz; one with a slash at
    its end stands for all below it. `health` names what does not work. `spool_dir` is a
    directory of the data directory for bodies, on the file system of what is made of them.
    `refresh` is awaited before credentials are looked at: it brings `access` up to date.
    `audit` is told of what was done, with the time that `now` says.
    `sessions` are those of browsers, `login` the page where they begin: a browser that asks for
    a page of the same dialect without credentials is led there.

    Raises:
        ValueError: two dialects have one prefix, or a prefix ends with a slash.
    """
    mounted: tuple[Dialect, ...] = (*dialects, HealthPage(health))
    prefixes = [dialect.prefix for dialect in mounted]
    if len(set(prefixes)) < len(prefixes) or any(prefix.endswith("/") for prefix in prefixes):
        raise ValueError(f"prefixes must be different and end without a slash: {prefixes}")
    seconds = reactor.seconds  # type: ignore[misc]  # interfaces of zope are no types
    parts = SiteParts(
        dialects=mounted,
        access=access,
        hosts=hosts,
        public=frozenset({HEALTH_PATH, *public}),
        spool_dir=spool_dir,
        in_thread=in_thread,
        digests=digests,
        sessions=sessions,
        login=login,
        refresh=refresh,
        audit=audit,
        now=now,
        guesses=Guesses(seconds=seconds) if sessions is None else sessions.guesses,
        pause=partial(_turn, reactor),
        seconds=seconds,
    )
    return Site(parts, reactor=reactor, limits=ConnectionLimits() if limits is None else limits)
