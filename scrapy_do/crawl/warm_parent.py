"""An interpreter that has imported Scrapy once and forks crawls on order.

It has no state. Orders come by the Unix socket that is its standard input, each with two
descriptors, until the socket closes. A process that waits for the next order is
always forked already, with the process of a crawl below it: it takes the order from the
same socket, says so, and the next one is forked. What is forked does not depend on the
warm parent, but has a keeper in it: when the socket has closed it stays, silently, until the
last process that it has forked is gone.

Note [What must not be imported before a fork]

- `twisted.internet.reactor`, and anything that imports it: the reactor is a choice of
  the project, made once per process, and an epoll descriptor is shared after a fork.
- Nothing that starts a thread: only the forking thread exists in the child, and a lock
  that another one held stays locked for ever.
- No asyncio event loop: same reason as the reactor. Its modules are harmless.
- No module of a project: the next crawl may be of another one, or of another version.
- Nothing that reads the environment at import for good: the child's is another.

Random numbers: `random` seeds itself anew in a forked child, OpenSSL and `os.urandom`
need no care; str hashes have the same seed in all crawls of one warm parent.
"""

import contextlib
import gc
import os
import socket
from typing import NoReturn

from scrapy_do.crawl import processes
from scrapy_do.crawl.holder import WaitingCrawl, announce_failure, hold, refuse
from scrapy_do.crawl.keeper import Keeper
from scrapy_do.crawl.list_spiders import answer_request
from scrapy_do.crawl.streams import STDIN
from scrapy_do.crawl.warm_up import warm_up
from scrapy_do.protocol.wire import LISTING_ORDER

_MAX_ORDER_BYTES = 16
_TAKEN = b"t"


def main() -> None:
    """Have orders carried out until the socket closes."""
    marker = processes.Marker()
    orders = socket.socket(fileno=os.dup(STDIN))
    # Whatever is forked must not keep the socket open without knowing it.
    processes.point(STDIN, os.devnull, os.O_RDONLY)
    warm_up()
    gc.collect()
    # Nothing that exists now is ever collected: a collector would touch, and thereby copy,
    # every page that the children share.
    gc.freeze()
    processes.gather_memory()
    keeper = Keeper()
    while _has_one_served(orders, marker, keeper) or _serve_one(orders, marker, keeper):
        pass
    orders.close()
    keeper.outlast()


def _has_one_served(orders: socket.socket, marker: processes.Marker, keeper: Keeper) -> bool:
    """Fork a process that waits for an order; return whether it took one."""
    try:
        hears, tells = processes.pipe()
    except OSError:
        return False
    parent = os.getpid()
    try:
        child = keeper.fork()
    except OSError:
        child = -1
    if child == 0:
        os.close(hears)
        processes.never_return(lambda: _wait_and_serve(orders, tells, marker, parent))
    os.close(tells)
    took_one = bool(os.read(hears, 1))
    os.close(hears)
    return took_one


def _serve_one(orders: socket.socket, marker: processes.Marker, keeper: Keeper) -> bool:
    """Wait for an order ourselves, then fork; return whether one came.

    It is called when nobody could be forked, or whoever was has died, and when the socket
    has closed.
    """
    order, received = _receive(orders)
    if not order:
        return False
    try:
        child = keeper.fork()
    except OSError as error:
        announce_failure(received[1], error)
        child = -1
    if child == 0:
        orders.close()
        processes.never_return(lambda: _serve(order, received, marker, None))
    for descriptor in received:
        os.close(descriptor)
    return True


def _wait_and_serve(
    orders: socket.socket, tells: int, marker: processes.Marker, parent: int
) -> NoReturn:
    processes.die_with_parent(parent)
    crawl = None
    with contextlib.suppress(OSError):  # tried again when there is an order
        crawl = WaitingCrawl(marker)
    order, received = _receive(orders)
    orders.close()
    if not order:
        os._exit(0)
    processes.outlive_parent()
    with contextlib.suppress(BrokenPipeError):  # it was killed just now; the order is ours
        os.write(tells, _TAKEN)
    os.close(tells)
    _serve(order, received, marker, crawl)


def _serve(
    order: bytes, received: list[int], marker: processes.Marker, crawl: WaitingCrawl | None
) -> NoReturn:
    """Do what is ordered, in a process forked for that."""
    source, sink = received
    if order == LISTING_ORDER:
        if crawl is not None:
            os.close(crawl.tells)
        answer_request(source, sink, marker)
    try:
        if crawl is None or not crawl.is_alive():
            crawl = WaitingCrawl(marker)
    except OSError as error:
        refuse(sink, error)
    hold(source, sink, marker, crawl)


def _receive(orders: socket.socket) -> tuple[bytes, list[int]]:
    order, received, _flags, _address = socket.recv_fds(orders, _MAX_ORDER_BYTES, 2)
    return order, received


if __name__ == "__main__":
    main()
