"""What the warm parent imports, and what it says when it cannot fork."""

import errno
import os
import subprocess
import sys

import pytest

from scrapy_do.crawl import warm_parent
from scrapy_do.crawl.processes import Marker
from scrapy_do.wire import CRAWL_ORDER


@pytest.mark.live
def test_nothing_is_imported_that_a_fork_cannot_share() -> None:
    """After warming up there is no reactor, no thread, no event loop, but Scrapy's engine."""
    code = """
import asyncio, os, sys, threading
from scrapy_do.crawl.warm_parent import warm_up
warm_up()
print("twisted.internet.reactor" in sys.modules, "scrapy.core.engine" in sys.modules)
print(threading.active_count(), asyncio._get_running_loop(), len(os.listdir("/proc/self/fd")))
"""
    said = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    ).stdout.splitlines()

    assert said == ["False True", "1 None 4"]


def test_a_refused_fork_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the system refuses a process, the order is answered with the reason."""

    def refuse() -> int:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refuse)
    source, sink = os.pipe()
    warm_parent._fork(CRAWL_ORDER, [source, sink], Marker())
    said = os.read(source, 1000)
    os.close(source)
    warm_parent._fork(CRAWL_ORDER, [0, sink], Marker())  # nobody listens: no error
    os.close(sink)

    assert said == b"failed [Errno 11] Resource temporarily unavailable"
