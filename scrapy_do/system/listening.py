"""Listening sockets: made here, or handed to us by whoever started us.

Source: sd_listen_fds(3). A daemon that starts itself again in place hands its sockets on
in the same way, so that no connection is refused meanwhile.
"""

import os
import socket
from collections.abc import Iterable, MutableMapping, Sequence

from scrapy_do.config import Endpoint
from scrapy_do.errors import ConfigError

FIRST_DESCRIPTOR = 3
BACKLOG = 512

_ALIVE = ((socket.TCP_KEEPIDLE, 300), (socket.TCP_KEEPINTVL, 60), (socket.TCP_KEEPCNT, 5))
"""A peer that is silent for 5 minutes is probed, and given up when it is silent for 5 more."""


def inherited_sockets(environ: MutableMapping[str, str]) -> list[socket.socket]:
    """Take the sockets that were handed to this process; the variables are removed."""
    pid, count = environ.pop("LISTEN_PID", ""), environ.pop("LISTEN_FDS", "")
    environ.pop("LISTEN_FDNAMES", None)
    if pid != str(os.getpid()) or not count.isdigit():
        return []
    found = []
    for descriptor in range(FIRST_DESCRIPTOR, FIRST_DESCRIPTOR + int(count)):
        os.set_inheritable(descriptor, False)
        found.append(socket.socket(fileno=descriptor))
    return found


def open_socket(endpoint: Endpoint) -> socket.socket:
    """Listen on an address.

    Raises:
        ConfigError: it cannot be used; the message says why and what to do.
    """
    host = "127.0.0.1" if endpoint.host == "localhost" else endpoint.host
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, endpoint.port), family=family, backlog=BACKLOG)
    except OSError as error:
        reason = str(error.strerror).partition(" (while attempting")[0]  # the address once more
        raise ConfigError(
            "web",
            "interfaces",
            f"cannot listen on {endpoint}: {reason}; "
            "stop what uses it, or choose another port with --listen ADDR:PORT",
        ) from error


def sockets_for(
    endpoints: Iterable[Endpoint], inherited: Sequence[socket.socket]
) -> list[socket.socket]:
    """The sockets to listen on: those handed to us if there are any, else new ones."""
    opened: list[socket.socket] = list(inherited)
    try:
        for endpoint in () if inherited else endpoints:
            opened.append(open_socket(endpoint))  # noqa: PERF401 - closed below when one fails
    except ConfigError:
        for one in opened:
            one.close()
        raise
    for one in opened:
        _probe_the_silent(one)
    return opened


def _probe_the_silent(listening: socket.socket) -> None:
    """Have the kernel end connections whose other side is gone; they inherit this."""
    if listening.family == socket.AF_UNIX:
        return
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _ALIVE:
        listening.setsockopt(socket.IPPROTO_TCP, option, value)


def address_of(listening: socket.socket) -> tuple[str, int]:
    """The host, in brackets if it needs them, and the port of a listening socket."""
    host, port = listening.getsockname()[:2]
    return (f"[{host}]" if ":" in host else host), port


def hand_on(sockets: Sequence[socket.socket], environ: MutableMapping[str, str]) -> None:
    """Prepare to hand the sockets to the program that this process becomes next.

    They move to the descriptors from 3 on, which nothing else of ours may still need.
    """
    copies = [os.dup(one.fileno()) for one in sockets]
    top = FIRST_DESCRIPTOR + len(copies)
    safe = [_above(top, copy) for copy in copies]
    for position, copy in enumerate(safe):
        os.dup2(copy, FIRST_DESCRIPTOR + position, inheritable=True)
        os.close(copy)
    environ["LISTEN_PID"] = str(os.getpid())
    environ["LISTEN_FDS"] = str(len(sockets))


def _above(top: int, descriptor: int) -> int:
    """A copy of a descriptor that lies above all that will be overwritten."""
    if descriptor >= top:
        return descriptor
    copy = os.dup(descriptor)
    moved = _above(top, copy)
    os.close(descriptor)
    return moved
