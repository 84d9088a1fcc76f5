"""Runs one spider as ordered: the project's settings, ours above them, Scrapy's own process.

What Scrapy does by itself is left to it: the reactor and event loop that the project
asks for, logging to stderr, closing the spider on the first SIGTERM.
"""

import asyncio
import logging
import os
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

from scrapy.crawler import AsyncCrawlerProcess, Crawler, CrawlerProcess
from scrapy.settings import Settings
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from scrapy_do.crawl import processes
from scrapy_do.crawl.extension import Recorder
from scrapy_do.crawl.persistence import data_directory, keep, take
from scrapy_do.crawl.project import load_settings
from scrapy_do.crawl.streams import Streams
from scrapy_do.crawl.unwritten import Unwritten
from scrapy_do.protocol.wire import CrawlSpec

_ASYNCIO_REACTOR = "twisted.internet.asyncioreactor.AsyncioSelectorReactor"
_DONE, _FAILED = 0, 1

logger = logging.getLogger(__name__)


def run(spec: CrawlSpec, streams: Streams, unwritten: Unwritten) -> int:
    """Run the spider to its end; return the exit status of the process.

    It is 1 when the project cannot be imported, the spider is unknown, or the crawl never
    opened the spider or broke down; the traceback is then on stderr.
    """
    sys.argv = ["scrapy"]
    recorder = Recorder(spec, streams, unwritten)
    try:
        recorder.listen()
        return _run(spec, recorder)
    except BaseException:  # noqa: BLE001 - a project may raise anything, SystemExit too
        traceback.print_exc()
        return _FAILED
    finally:
        try:
            processes.await_threads()  # they may have something to say
        finally:
            recorder.finish()


def _run(spec: CrawlSpec, recorder: Recorder) -> int:
    data = os.environ.get("SPIDER_DATA_DIR")
    if data is not None:
        keep(data_directory(), Path(data))
    settings = load_settings(spec.placement.project_dir, spec.order.settings_module)
    _apply(spec, settings)
    recorder.prepare(settings)
    process = _process(settings)
    try:
        crawler = process.create_crawler(spec.order.spider)
    except KeyError:
        sys.stderr.write(f"Spider not found: {spec.order.spider}\n")
        return _FAILED
    if data is not None:
        _keep_job_directory(crawler.settings, Path(data))
    recorder.attach(crawler)
    error = _crawl(process, crawler, dict(spec.order.arguments))
    if error is not None:
        traceback.print_exception(error)
        return _FAILED
    return _DONE if recorder.opened and not process.bootstrap_failed else _FAILED


def _apply(spec: CrawlSpec, settings: Settings) -> None:
    """Set what was ordered, above everything the project says."""
    # Each opens a port for whoever is on this machine. Below the project: one that asks
    # for them still gets them.
    for name in ("TELNETCONSOLE_ENABLED", "REMOTE_CONTROL_ENABLED"):
        settings.set(name, False, priority="command")
    settings.setdict(dict(spec.order.settings), priority="cmdline")
    limit_mb = spec.order.limits.memusage_limit_mb
    if limit_mb is not None:
        own_mb = settings.getint("MEMUSAGE_LIMIT_MB")
        settings.set("MEMUSAGE_ENABLED", True, priority="cmdline")
        settings.set(
            "MEMUSAGE_LIMIT_MB", min(own_mb, limit_mb) if own_mb else limit_mb, priority="cmdline"
        )


def _keep_job_directory(settings: Settings, data: Path) -> None:
    """Let a relative JOBDIR outlive this crawl: the next one that has it goes on from there.

    It is made for one crawl at a time. While another one has it, this one gets an empty one.
    """
    name = settings.get("JOBDIR")
    place = keep(str(name), data) if name else None
    if place is None or take(place):
        return
    logger.warning("JOBDIR %s is used by another crawl now: this one gets an empty one", name)
    settings.set("JOBDIR", tempfile.mkdtemp(prefix="jobdir-"), priority="cmdline")


def _process(settings: Settings) -> AsyncCrawlerProcess | CrawlerProcess:
    """Return the kind of process that the `scrapy` command would choose."""
    asyncio_reactor = settings["TWISTED_REACTOR"] == _ASYNCIO_REACTOR
    without_reactor = not settings.getbool("TWISTED_REACTOR_ENABLED", True)
    if without_reactor or (asyncio_reactor and not settings.getbool("FORCE_CRAWLER_PROCESS")):
        return AsyncCrawlerProcess(settings)
    return CrawlerProcess(settings)


def _crawl(
    process: AsyncCrawlerProcess | CrawlerProcess, crawler: Crawler, arguments: dict[str, Any]
) -> BaseException | None:
    """Crawl to the end; return the error that broke the crawl, if one did."""
    crawl = process.crawl(crawler, **arguments)
    failures: list[Failure] = []
    if isinstance(crawl, Deferred):
        crawl.addErrback(failures.append)
    process.start()
    if failures:
        return failures[0].value
    if isinstance(crawl, asyncio.Task) and crawl.done() and not crawl.cancelled():
        return crawl.exception()
    return None
