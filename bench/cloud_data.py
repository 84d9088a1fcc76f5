"""Measures records over the Scrapy Cloud API: how fast they come and go, and what that costs.

`python -m bench.cloud_data [--quick]` prints a table: a daemon of its own, one client on
loopback, and crawls that yield items at a fixed pace.
"""

import argparse
import base64
import gzip
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

PIECE_BYTES = 256 * 1024
TOGETHER = 1000
"""How many items are sent at once, as the official client does."""

CRAWLS = 4
RATE = 500
"""Items per second of each crawl."""

_READY = "listening on "
_SPIDER = """
import asyncio, time
import scrapy

class Paced(scrapy.Spider):
    name = "paced"
    custom_settings = {"LOG_LEVEL": "INFO", "TELNETCONSOLE_ENABLED": False}

    async def start(self):
        begun = time.monotonic()
        for number in range(int(self.items)):
            late_s = begun + number / float(self.rate) - time.monotonic()
            if late_s > 0.005:
                await asyncio.sleep(late_s)
            yield {"number": number, "name": "an item of the bench", "tags": ["a", "b"]}
"""

Row = tuple[str, str, str]


class Daemon:
    """A daemon in a process of its own, and requests to it on one connection."""

    def __init__(self, root: Path) -> None:
        words = [sys.executable, "-m", "scrapy_do", "serve", "--data-dir", str(root / "data")]
        self._log = (root / "daemon.log").open("w")
        self.process = subprocess.Popen(
            [*words, "--listen", "127.0.0.1:0"],
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={**os.environ, "SCRAPY_DO_SCRAPY_DO_JOB_SLOTS": str(CRAWLS)},
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if _READY not in line:
            raise RuntimeError((root / "daemon.log").read_text())
        self._address = urlsplit(line.rsplit(_READY, 1)[1].strip()).netloc
        self._connection = self.connect()

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self._address, timeout=120)

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
        return ask(self._connection, method, path, body, **headers)

    def memory_mib(self, name: str) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith(name))
        return int(line.split()[1]) / 1024

    def forget_peak(self) -> None:
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        self._connection.close()
        self.process.terminate()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._log.close()


def ask(
    connection: http.client.HTTPConnection, method: str, path: str, body: bytes, **headers: str
) -> bytes:
    """Send a request and read its answer whole."""
    sent = {**authorization(), **{name.replace("_", "-"): text for name, text in headers.items()}}
    connection.request(method, path, body=body, headers=sent)
    answer = connection.getresponse()
    content = answer.read()
    if answer.status >= 300:
        raise RuntimeError(f"{method} {path}: {answer.status} {content[:200]!r}")
    return content


def authorization() -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(b"key:").decode()}


@contextmanager
def daemon(root: Path) -> Iterator[Daemon]:
    """Run a daemon that has the project of the paced spider."""
    running = Daemon(root)
    try:
        push(running, root)
        yield running
    finally:
        running.stop()


def push(running: Daemon, root: Path) -> None:
    archive = root / "paced.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr(
            "scrapy.cfg", "[settings]\ndefault = paced.settings\n[deploy]\nproject = paced\n"
        )
        packed.writestr("paced/__init__.py", "")
        packed.writestr("paced/settings.py", "SPIDER_MODULES = ['paced.spiders']\n")
        packed.writestr("paced/spiders.py", _SPIDER)
    path = "/push-project.json"
    running.ask("POST", path, archive.read_bytes(), Content_Type="application/zip")


def new_job(running: Daemon) -> str:
    """Push a job that nobody runs, and return its key."""
    line = running.ask("POST", "/jobq/1/push", b'{"spider":"paced","state":"running"}')
    return str(json.loads(line)["key"])


# --- what is measured --------------------------------------------------------------------------


def item(number: int) -> bytes:
    return (
        b'{"number":%d,"name":"an item of the bench","url":"https://example.com/page/%d",'
        b'"price":9.99,"tags":["a","b"]}\n' % (number, number)
    )


def write(running: Daemon, key: str, items: int) -> Row:
    """Send items as the official client does: a thousand at a time, gzip."""
    bodies = [
        gzip.compress(b"".join(map(item, range(first, first + TOGETHER))), 1)
        for first in range(0, items, TOGETHER)
    ]
    begun_s = time.monotonic()
    for number, body in enumerate(bodies):
        path = f"/items/{key}?start={number * TOGETHER}"
        running.ask("POST", path, body, Content_Encoding="gzip")
    passed_s = time.monotonic() - begun_s
    return f"written, durably, in batches of {TOGETHER}", f"{items / passed_s:,.0f} items/s", ""


def stream(running: Daemon, what: str, path: str, accept: str, bound: str) -> Iterator[Row]:
    """Read an answer to its end, and see what it costs the daemon."""
    running.forget_peak()
    before_mib, before_s = running.memory_mib("VmRSS"), running.cpu_s()
    connection = running.connect()
    begun_s = time.monotonic()
    connection.request("GET", path, headers={**authorization(), "Accept": accept})
    answer = connection.getresponse()
    size_bytes = 0
    while piece := answer.read(PIECE_BYTES):
        size_bytes += len(piece)
    passed_s = time.monotonic() - begun_s
    connection.close()
    grown_mib = running.memory_mib("VmHWM") - before_mib
    cpu_s = running.cpu_s() - before_s
    speed = f"{size_bytes / passed_s / 1e6:,.0f} MB/s"
    yield f"{what}: {size_bytes / 1e6:,.0f} MB", speed, bound
    yield f"{what}: growth of the daemon", f"{grown_mib:.1f} MiB", "20 MiB"
    yield f"{what}: processor time", f"{cpu_s:.2f} s", ""


def reads(running: Daemon, key: str, items: int) -> Iterator[Row]:
    """Read the same items in the ways that clients do."""
    lines = "application/x-jsonlines"
    yield from stream(running, "JSON lines", f"/items/{key}", lines, "50 MB/s")
    yield from stream(running, "JSON lines with keys", f"/items/{key}?meta=_key", lines, "")
    packed = "application/x-msgpack"
    yield from stream(running, "msgpack with keys", f"/items/{key}?meta=_key", packed, "")
    begun_s = time.monotonic()
    running.ask("GET", f"/items/{key}?filter=%5B%22number%22%2C%22%3D%22%2C%5B7%5D%5D")
    yield "looked through by a filter", f"{items / (time.monotonic() - begun_s):,.0f} items/s", ""


def crawls(running: Daemon, seconds: int) -> Iterator[Row]:
    """Let crawls scrape at a fixed pace, ask the daemon meanwhile, and count what is there."""
    wanted = RATE * seconds
    latencies_s: list[float] = []
    is_over = threading.Event()
    asking = threading.Thread(target=_ask_often, args=(running.connect(), latencies_s, is_over))
    before_s = running.cpu_s()
    begun_s = time.monotonic()
    for _ in range(CRAWLS):
        form = {
            "project": "paced",
            "spider": "paced",
            "when": "now",
            "arg": [f"items={wanted}", f"rate={RATE}"],
        }
        content = {"Content_Type": "application/json"}
        running.ask("POST", "/schedule-job.json", json.dumps(form).encode(), **content)
    asking.start()
    keys = _finished(running, seconds + 60)
    passed_s = time.monotonic() - begun_s
    is_over.set()
    asking.join()
    found = [_numbers(running, key) for key in keys]
    lost = CRAWLS * wanted - sum(len(set(numbers)) for numbers in found)
    doubled = sum(len(numbers) - len(set(numbers)) for numbers in found)
    latencies_s.sort()
    yield f"{CRAWLS} crawls of {RATE} items/s for {seconds} s: lost", f"{lost}", "0"
    yield "twice", f"{doubled}", "0"
    yield "from the first start to the last end", f"{passed_s:.1f} s", f"{seconds + 10} s"
    yield "processor time of the daemon", f"{running.cpu_s() - before_s:.2f} s", ""
    yield "counts of a job meanwhile, p50", f"{_at(latencies_s, 0.5) * 1000:.1f} ms", ""
    yield "counts of a job meanwhile, p99", f"{_at(latencies_s, 0.99) * 1000:.1f} ms", ""


def _ask_often(
    connection: http.client.HTTPConnection, latencies_s: list[float], is_over: threading.Event
) -> None:
    while not is_over.wait(0.1):
        begun_s = time.monotonic()
        ask(connection, "GET", "/items/1/1/2/stats", b"")
        latencies_s.append(time.monotonic() - begun_s)
    connection.close()


def _finished(running: Daemon, patience_s: float) -> list[str]:
    """Wait until all crawls are over; their keys."""
    deadline_s = time.monotonic() + patience_s
    while time.monotonic() < deadline_s:
        rows = running.ask("GET", "/jobq/1/list?state=finished").splitlines()
        if len(rows) == CRAWLS:
            return [json.loads(row)["key"] for row in rows]
        time.sleep(0.5)
    raise TimeoutError("the crawls did not end")


def _numbers(running: Daemon, key: str) -> list[int]:
    return [json.loads(line)["number"] for line in running.ask("GET", f"/items/{key}").splitlines()]


def _at(values: list[float], part: float) -> float:
    return values[min(len(values) - 1, int(len(values) * part))] if values else 0.0


def collections(running: Daemon, values: int) -> Iterator[Row]:
    """Write and scan a collection."""
    path = f"/collections/1/s/bench_{uuid4().hex[:8]}"
    begun_s = time.monotonic()
    for first in range(0, values, TOGETHER):
        lines = (
            b'{"_key":"%07d",' % number + item(number)[1:]
            for number in range(first, first + TOGETHER)
        )
        running.ask("POST", path, b"".join(lines))
    written_s = time.monotonic() - begun_s
    yield f"{values:,} values of a collection written", f"{values / written_s:,.0f} values/s", ""
    lines_type = "application/x-jsonlines"
    yield from stream(running, "collection scanned", f"{path}?meta=_key", lines_type, "")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.cloud_data", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer items, a shorter crawl")
    parser.add_argument("--items", type=int, help="how many items are streamed")
    parser.add_argument("--seconds", type=int, help="how long the crawls go on")
    options = parser.parse_args()
    items = options.items or (100_000 if options.quick else 1_000_000)
    seconds = options.seconds or (10 if options.quick else 60)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as directory, daemon(Path(directory)) as running:
        key = new_job(running)
        measures: list[Callable[[], Any]] = [
            lambda: [write(running, key, items)],
            lambda: reads(running, key, items),
            lambda: collections(running, items // 10),
            lambda: crawls(running, seconds),
        ]
        for measure in measures:
            for row in measure():
                print(" | ".join(row), file=sys.stderr, flush=True)
                rows.append(row)
    print(f"{items:,} items of {len(item(items))} bytes\n")
    print("| records over the Scrapy Cloud API | found | bound |\n|---|---|---|")
    for row in rows:
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
