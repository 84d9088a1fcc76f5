"""An interpreter that has imported Scrapy once and forks crawls on order.

It has no state: it reads orders from the Unix socket that is its standard input, each
with two descriptors, forks for each, and ends when the socket closes. What it forks
does not depend on it. Children are reaped by the kernel, since SIGCHLD is ignored.

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
import signal
import socket
import sys

from scrapy_do.crawl import processes
from scrapy_do.crawl.holder import hold
from scrapy_do.crawl.list_spiders import answer_request
from scrapy_do.crawl.warm_up import warm_up
from scrapy_do.wire import CRAWL_ORDER, FAILED_ANNOUNCEMENT, LISTING_ORDER

_MAX_ORDER_BYTES = 16


def main() -> None:
    """Fork on order until the socket closes."""
    marker = processes.Marker()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    warm_up()
    gc.collect()
    # Nothing that exists now is ever collected: a collector would touch, and thereby copy,
    # every page that the children share.
    gc.freeze()
    orders = socket.socket(fileno=os.dup(sys.stdin.fileno()))
    while True:
        order, received = _receive(orders)
        if not order:
            return
        _fork(order, received, marker)
        for descriptor in received:
            os.close(descriptor)


def _receive(orders: socket.socket) -> tuple[bytes, list[int]]:
    order, received, _flags, _address = socket.recv_fds(orders, _MAX_ORDER_BYTES, 2)
    return order, received


def _fork(order: bytes, received: list[int], marker: processes.Marker) -> None:
    """Fork a process that does what is ordered; it never comes back."""
    source, sink = received
    try:
        child = os.fork()
    except OSError as error:
        with contextlib.suppress(BrokenPipeError):
            os.write(sink, FAILED_ANNOUNCEMENT + str(error).encode())
        return
    if child != 0:
        return
    if order == CRAWL_ORDER:
        hold(source, sink, marker)
    if order == LISTING_ORDER:
        answer_request(source, sink)
    os._exit(1)


if __name__ == "__main__":
    main()
