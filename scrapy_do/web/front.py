"""The front of the daemon: a site for each of its listening sockets."""

import socket
from collections.abc import Callable, Sequence
from typing import Any

from scrapy_do.config import WebConfig
from scrapy_do.system.runtime import Runtime
from scrapy_do.system.service import Farewell
from scrapy_do.web.connection import ConnectionLimits
from scrapy_do.web.site import Site

EMPTIED_S = 2.0
"""How long connections may go on with what they do once everything else has stopped."""


def limits_of_connections(web: WebConfig) -> ConnectionLimits:
    """What the configuration says of connections."""
    return ConnectionLimits(
        connections=web.connections,
        connections_per_address=web.connections_per_address,
        stall_s=web.reader_timeout_s,
    )


class Front:
    """Holds the connections: the service that is stopped last, as others finish answers.

    `make_site` makes the site of a socket, `wrap` what connections to it are made by (TLS or
    the site itself). `hurry` is called when half the time for the last answers is over.
    """

    name = "connections"
    problem = None

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        *,
        make_site: Callable[[socket.socket], Site],
        wrap: Callable[[Site], Any],
        hurry: Callable[[], None],
        runtime: Runtime,
    ) -> None:
        self._sockets = sockets
        self._make_site = make_site
        self._wrap = wrap
        self._hurry = hurry
        self._reactor = runtime.reactor
        self._sites: list[Site] = []
        self._ports: list[Any] = []

    async def start(self) -> None:
        """Hold nothing yet: the `Entrance` is opened when everything else works."""

    def listen(self) -> None:
        """Accept connections."""
        for listening in self._sockets:
            site = self._make_site(listening)
            listening.setblocking(False)
            # Twisted works on a copy of the descriptor; ours stays open to be handed on.
            port = self._reactor.adoptStreamPort(
                listening.fileno(), listening.family, self._wrap(site)
            )
            self._ports.append(port)
            self._sites.append(site)

    def drain(self, *, hand_over: bool) -> None:
        """Begin no request any more; connections that come now are told so, or left waiting."""
        for port in self._ports if hand_over else ():
            port.stopReading()
        for site in self._sites:
            site.drain()

    def limit(self, limits: ConnectionLimits) -> None:
        """Keep to other limits from now on."""
        for site in self._sites:
            site.limits = limits

    async def stop(self, farewell: Farewell) -> None:
        """Let the last answers go out, for a bounded time, then cut the connections."""
        for port in () if farewell.hand_over else self._ports:
            await port.stopListening()
        # A push of which the project hangs must be answered before its connection is cut.
        self._reactor.callLater(EMPTIED_S / 2, self._hurry)
        for site in self._sites:
            abort = self._reactor.callLater(EMPTIED_S, site.abort)
            await site.emptied()
            if abort.active():
                abort.cancel()


class Entrance:
    """Lets requests in once everything works, and refuses them before anything stops.

    `refuse` has what comes in on a connection that is open be refused, too.
    """

    name = "web"
    problem = None

    def __init__(self, front: Front, *, refuse: Callable[[], None]) -> None:
        self._front = front
        self._refuse = refuse

    async def start(self) -> None:
        """Listen."""
        self._front.listen()

    async def stop(self, farewell: Farewell) -> None:
        """Take no new requests."""
        self._refuse()
        self._front.drain(hand_over=farewell.hand_over)
