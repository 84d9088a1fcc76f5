"""What the machine says of processes."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scrapy_do.system.host import Host

HOLDER = """
import subprocess, sys
crawl = subprocess.Popen([sys.executable, "-c", sys.argv[1]])
print(crawl.pid, flush=True)
crawl.wait()
"""
CRAWL = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; big = b'x' * (64 << 20); time.sleep(60)"])
time.sleep(60)
"""
MEGABYTE = 1 << 20


@pytest.fixture
def crawl_pid() -> Iterator[int]:
    """Run a process with a large child, below a parent of its own."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, CRAWL],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as holder:
        assert holder.stdout is not None
        yield int(holder.stdout.readline())
        os.killpg(holder.pid, 9)


@pytest.mark.live
def test_memory_of_a_crawl(crawl_pid: int) -> None:
    """A crawl is measured with what it started."""
    deadline_s = time.monotonic() + 30
    while time.monotonic() < deadline_s:
        size = Host(Path()).crawl_memory_bytes([crawl_pid])[crawl_pid]
        if size > 64 * MEGABYTE:
            break

    assert 64 * MEGABYTE < size < 200 * MEGABYTE


def test_memory_of_nobody() -> None:
    """A process that is gone is left out."""
    assert Host(Path()).crawl_memory_bytes([2**22 + 1]) == {}


def test_own_load() -> None:
    """The daemon sees its own memory."""
    assert Host(Path()).load().memory_bytes > MEGABYTE
