"""Measures what it costs a crawl that its items, requests and log are kept.

`python -m bench.capture [--quick]` runs the same crawl in three ways, one after another and
again and again: plain, with a feed of JSON lines as Scrapy itself writes it, and as a crawl of
Scrapy Do, which keeps items, requests and log entries and reports its progress. Each is a
process of its own that writes its log to a file; its processor time is what the system says.

A crawl fetches many pages of the local site and yields ten items of each. Each way is run with
so many pages and with twice as many; what is compared is the difference, so that starting an
interpreter does not count.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from scrapy.crawler import AsyncCrawlerProcess

from bench.packing import PROJECT, SOURCE
from scrapy_do.crawl.project import load_settings
from scrapy_do.crawl.runner import run
from scrapy_do.crawl.streams import set_streams
from scrapy_do.crawl.unwritten import Unwritten
from scrapy_do.protocol.wire import CrawlLimits, CrawlOrder, CrawlSpec, Placement, StartMethod

GOAL_PERCENT = 3.0
_SPIDER = "pages"
_SETTINGS = "measured.settings"
_PRODUCTS = 10
_LOG_BYTES = 1 << 30


def _plain(root: Path, arguments: dict[str, str], feed: Path | None = None) -> None:
    os.chdir(root)
    settings = load_settings(SOURCE, _SETTINGS)
    settings.set("TELNETCONSOLE_ENABLED", False)
    if feed is not None:
        settings.set("FEEDS", {str(feed): {"format": "jsonlines"}})
    process = AsyncCrawlerProcess(settings)
    process.crawl(_SPIDER, **arguments)
    process.start()


def _with_feed(root: Path, arguments: dict[str, str]) -> None:
    _plain(root, arguments, root / "items")


def _kept(root: Path, arguments: dict[str, str]) -> None:
    os.chdir(root)
    order = CrawlOrder(
        job_id=uuid4(),
        attempt=1,
        project=PROJECT,
        version="1",
        settings_module=_SETTINGS,
        spider=_SPIDER,
        arguments=arguments,
        settings={},
        environment={},
        limits=CrawlLimits(log_bytes=_LOG_BYTES),
        report_interval_s=5.0,
    )
    placement = Placement(
        run_dir=root,
        project_dir=SOURCE,
        result=root / "result",
        out=root / "out",
        err=root / "err",
        items=root / "items",
        requests=root / "requests",
        log=root / "log",
        samples=None,
        environment={},
        start_method=StartMethod.SPAWN,
        python=sys.executable,
    )
    spec = CrawlSpec(order=order, placement=placement)
    run(spec, set_streams(_LOG_BYTES), Unwritten())


WAYS: dict[str, Callable[[Path, dict[str, str]], None]] = {
    "plain": _plain,
    "feed": _with_feed,
    "kept": _kept,
}


def _cpu_s(way: str, site: str, pages: int) -> float:
    """Run one crawl in a process of its own; return its processor time."""
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        root = Path(directory)
        words = [sys.executable, "-m", "bench.capture", "--way", way, directory, site, str(pages)]
        with (root / "err").open("wb") as err:
            process = subprocess.Popen(words, stderr=err)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        log = (root / "err").read_text()
        if process.returncode or f"'item_scraped_count': {pages * _PRODUCTS}" not in log:
            raise RuntimeError(f"the crawl failed:\n{log[-2000:]}")
        if way != "plain" and (root / "items").read_bytes().count(b"\n") != pages * _PRODUCTS:
            raise RuntimeError(f"{way}: items are missing")
    return usage.ru_utime + usage.ru_stime


def _of_pages(way: str, site: str, pages: int) -> float:
    """Return the processor time of so many pages, without that of a start, in seconds."""
    return _cpu_s(way, site, 2 * pages) - _cpu_s(way, site, pages)


@contextmanager
def _site() -> Iterator[str]:
    words = [sys.executable, "-m", "bench.site"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as serving:
        assert serving.stdout is not None
        try:
            yield serving.stdout.readline().strip()
        finally:
            serving.kill()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.capture", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="shorter crawls, fewer of them")
    parser.add_argument("--way", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        way, directory, site, pages = options.way
        WAYS[way](Path(directory), {"site": site, "pages": pages})
        return
    pages, rounds = (300, 2) if options.quick else (1500, 5)
    found: dict[str, list[float]] = {way: [] for way in WAYS}
    with _site() as site:
        for number in range(rounds):
            for way in WAYS:
                found[way].append(_of_pages(way, site, pages))
                print(f"round {number + 1}: {way} {found[way][-1]:.2f} s", file=sys.stderr)
    plain, feed, kept = (statistics.median(found[way]) for way in WAYS)
    print(f"{pages} pages, {pages * _PRODUCTS} items; {rounds} rounds, medians\n")
    print("| a crawl's processor time per page | found | bound |\n|---|---|---|")
    for name, value_s in (("plain", plain), ("with a feed of JSON lines", feed), ("kept", kept)):
        print(f"| {name} | {1000 * value_s / pages:.2f} ms | |")
    more = 100 * (kept / feed - 1)
    print(f"| kept, against the feed | {more:+.1f} % | {GOAL_PERCENT:.0f} % |")


if __name__ == "__main__":
    main()
