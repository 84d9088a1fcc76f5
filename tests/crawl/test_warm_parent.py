"""What the warm parent imports."""

import subprocess
import sys

import pytest


@pytest.mark.live
def test_nothing_is_imported_that_a_fork_cannot_share() -> None:
    """After warming up there is no reactor, no thread, no event loop, but Scrapy's engine."""
    code = """
import asyncio, os, sys, threading
from scrapy_do.crawl.warm_up import warm_up
warm_up()
print("twisted.internet.reactor" in sys.modules, "scrapy.core.engine" in sys.modules)
print(threading.active_count(), asyncio._get_running_loop(), len(os.listdir("/proc/self/fd")))
"""
    said = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    ).stdout.splitlines()

    assert said == ["False True", "1 None 4"]
