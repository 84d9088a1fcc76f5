"""A site on real sockets, for the live tests: prints its port, then serves."""

import resource
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from twisted.internet import reactor as global_reactor
from twisted.internet.threads import deferToThread

from scrapy_do.web.auth import OpenAccess
from scrapy_do.web.connection import ConnectionLimits
from scrapy_do.web.origin import own_hosts
from scrapy_do.web.router import Call, Router
from scrapy_do.web.site import make_site
from scrapy_do.web.status import ErrorStyle
from scrapy_do.web.tail import Tail
from scrapy_do.web.upload import BodyRules
from tests.http_client import healthy

reactor: Any = global_reactor
Result = TypeVar("Result")


def in_thread(function: Callable[[], Result]) -> Awaitable[Result]:
    return deferToThread(function)


class Files:
    """Takes uploads and shows a file."""

    prefix = ""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._tail = Tail(reactor=reactor)
        self.router = Router(style=ErrorStyle())
        rules = BodyRules(limit_bytes=100_000_000, upload="archive")
        self.router.add("POST", "/upload", self.upload, body=rules)
        self.router.add("GET", "/log", self.log)

    async def upload(self, call: Call) -> Any:
        peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return {"size": call.params.file("archive").size_bytes, "peak_kib": peak_kib}

    async def log(self, call: Call) -> Any:
        return await self._tail.serve(
            call, self._log, is_live=lambda: False, on_end=lambda _: lambda: None
        )


def main() -> None:
    directory, log = Path(sys.argv[1]), Path(sys.argv[2])
    listening = socket.create_server(("127.0.0.1", 0), backlog=512)
    number = listening.getsockname()[1]
    listening.setblocking(False)
    site = make_site(
        dialects=[Files(log)],
        access=OpenAccess(),
        hosts=own_hosts(scheme="http", port=number),
        health=healthy,
        spool_dir=directory,
        in_thread=in_thread,
        reactor=reactor,
        limits=ConnectionLimits(headers_s=2, idle_s=0.2),
    )
    reactor.adoptStreamPort(listening.fileno(), socket.AF_INET, site)
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()
    reactor.run()


if __name__ == "__main__":
    main()
