"""What is attached to a crawl: counts it, keeps its records, reports it, writes its result.

Attached to the crawler's signals directly, not through the project's `EXTENSIONS`: a
project can neither switch it off nor notice it.
"""

import contextlib
import logging
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol
from weakref import WeakSet

from scrapy import Request, Spider, signals
from scrapy.crawler import Crawler
from scrapy.http import Response
from scrapy.settings import Settings
from scrapy.utils.asyncio import call_later, create_looping_call
from scrapy.utils.defer import deferred_from_coro

from scrapy_do.crawl.capture import Capture
from scrapy_do.crawl.encoding import CannotEncodeError, encode_fields, encode_item, is_item, text_of
from scrapy_do.crawl.logs import LogFiles, LogRecords, LogTap, PrintedText, level_of
from scrapy_do.crawl.parents import NUMBER, PARENT, RequestParents
from scrapy_do.crawl.pipelines import PipelineWatch
from scrapy_do.crawl.reporter import Reporter
from scrapy_do.crawl.responses import ORDER, Responses, response_came
from scrapy_do.crawl.samples import Samples
from scrapy_do.crawl.spiders import ignores_start_requests, start_requests_warning
from scrapy_do.crawl.stats import Tally, plain_stats
from scrapy_do.crawl.streams import Streams
from scrapy_do.crawl.unwritten import Unwritten
from scrapy_do.protocol import run_record
from scrapy_do.protocol.wire import (
    WARNING_STAT,
    CrawlSpec,
    Report,
    ReportKind,
    Result,
    encode_result,
)

_TICK_S = 0.5
_OUT_OF_MEMORY = "memusage_exceeded"
_MAX_REASON_CHARACTERS = 1000

logger = logging.getLogger(__name__)


class _Loop(Protocol):
    def stop(self) -> None: ...


class Recorder:
    """Follows one crawl from before its project is imported to its very end."""

    def __init__(self, spec: CrawlSpec, streams: Streams, unwritten: Unwritten) -> None:
        self._spec = spec
        self._streams = streams
        self._tally = Tally()
        where = spec.placement
        self._items = _capture(where.items)
        self._requests = _capture(where.requests)
        self._log = None if where.log is None else Capture(where.log, unwritten=unwritten)
        # One more wait for the disk is a thirtieth of a small crawl; this is only for curves.
        self._sampled = None if where.samples is None else Capture(where.samples, durable=False)
        self._samples = None if self._sampled is None else Samples(self._sampled)
        self._lines = LogRecords(self._tally, self._log, spec.order.limits.log_bytes)
        self._printed = PrintedText(spec, streams, self._lines, unwritten)
        self._logging = LogTap(self._lines, self._printed, self._out_of_memory)
        self._reporter = None if where.reports_socket is None else _reporter(where.reports_socket)
        self._pipelines = PipelineWatch()
        self._downloaded: WeakSet[Request] = WeakSet()
        self._crawler: Crawler | None = None
        self._loop: _Loop | None = None
        self._reported_s = 0.0
        self._warning: str | None = None
        self.opened = False
        self._close_reason: str | None = None

    @property
    def _captures(self) -> Iterator[Capture]:
        """What is captured; the log is the last, since it tells what became of the others."""
        for capture in (self._items, self._requests, self._sampled, self._log):
            if capture is not None:
                yield capture

    def listen(self) -> None:
        """Begin to hear what is logged."""
        self._logging.install()
        LogFiles().install()
        os.register_at_fork(after_in_child=self._leave_to_parent)

    def _leave_to_parent(self) -> None:
        """Hear nothing in a child: all that it writes is printed, for its parent to tell."""
        self._logging.remove()
        self._streams.out.printed = self._streams.err.printed = None

    def prepare(self, settings: Settings) -> None:
        """Add what must be in the settings before the crawler is made."""
        self._follow(settings)
        # Among Scrapy's own middlewares, so that the project's setting stays its own.
        settings["DOWNLOADER_MIDDLEWARES_BASE"].set(Responses, ORDER, priority="cmdline")
        if self._requests is not None:
            settings["SPIDER_MIDDLEWARES_BASE"].set(RequestParents, 1000, priority="cmdline")

    def attach(self, crawler: Crawler) -> None:
        """Connect to a crawler that was not started yet."""
        self._crawler = crawler
        self._follow(crawler.settings)
        connect = crawler.signals.connect
        connect(self._spider_opened, signals.spider_opened)
        connect(self._spider_closed, signals.spider_closed)
        connect(self._request_sent, signals.request_reached_downloader)
        connect(self._response_came, response_came)
        connect(self._item_scraped, signals.item_scraped)
        connect(self._response_downloaded, signals.response_downloaded)

    def _follow(self, settings: Settings) -> None:
        self._logging.level = level_of(self._spec.order.settings.get("LOG_LEVEL"), settings)

    def finish(self) -> None:
        """Write everything down for good; called last, whatever happened."""
        self._printed.collect(to_end=True)
        for capture in self._captures:
            capture.close()
        with contextlib.suppress(OSError):
            self._write_result(self._stats(), synced=True)
        if self._reporter is not None:
            with contextlib.suppress(OSError):  # the spider may have closed it
                self._reporter.close()

    # --- signals -----------------------------------------------------------------------------

    def _spider_opened(self) -> None:
        assert self._crawler is not None
        self.opened = True
        self._pipelines.follow(self._crawler)
        if self._samples is not None:
            self._samples.begin(time.monotonic())
        loop = create_looping_call(self._tick)
        loop.start(min(_TICK_S, self._spec.order.report_interval_s), now=False)
        self._loop = loop
        self._report(ReportKind.OPENED)

    def _spider_closed(self, spider: Spider, reason: object) -> None:
        self._explain_an_empty_crawl(spider)
        # A project closes with whatever it likes, an exception for instance.
        self._close_reason = text_of(reason)[:_MAX_REASON_CHARACTERS]
        if self._loop is not None:
            self._loop.stop()
            self._loop = None
        self._sample()
        self._report(ReportKind.CLOSED)

    def _request_sent(self) -> None:
        self._tally.requests += 1

    def _response_downloaded(self, response: Response, request: Request) -> None:
        self._downloaded.add(request)
        self._take_response(response, request)

    def _response_came(self, response: Response, request: Request) -> None:
        if request not in self._downloaded:  # from a cache, or made by a middleware
            self._take_response(response, request)

    def _item_scraped(self, item: object) -> None:
        if not is_item(item):
            self._pipelines.lost(item)
            return
        if self._items is not None:
            try:
                line = encode_item(item)
            except CannotEncodeError as error:
                self._items.dropped += 1
                logger.error("An item is not kept: %s", error)  # noqa: TRY400 - it is no bug of ours
                return
            if self._items.append(line) is None:
                return
        self._tally.items += 1

    # --- what they lead to -------------------------------------------------------------------

    def _take_response(self, response: Response, request: Request) -> None:
        """Count a response and keep its request: also one that is redirected or tried again.

        Source: Scrapy Cloud, whose pages are the records of requests.
        """
        self._tally.responses += 1
        if self._requests is None:
            return
        assert self._crawler is not None
        try:
            line = encode_fields(_request_fields(response, request, self._crawler))
        except Exception as error:  # noqa: BLE001 - both are the project's to change, to anything
            self._requests.dropped += 1
            logger.debug("A request is not kept: %s", text_of(error))
            return
        number = self._requests.append(line)
        if number is not None:
            request.meta[NUMBER] = number

    def _tick(self) -> None:
        self._printed.collect(to_end=False)
        now_s = time.monotonic()
        if self._samples is not None and self._samples.is_due(now_s):
            self._sample()
        if now_s - self._reported_s >= self._spec.order.report_interval_s:
            self._report(ReportKind.PROGRESS)
        else:
            self._flush()

    def _flush(self) -> None:
        for capture in self._captures:
            capture.flush()

    def _sample(self) -> None:
        if self._samples is not None:
            self._samples.take(self._stats(), now_s=time.monotonic(), time_ms=_now_ms())

    def _report(self, kind: ReportKind) -> None:
        self._flush()  # what is told is there to be read
        self._reported_s = time.monotonic()
        stats = self._stats()
        if self._reporter is not None:
            self._reporter.send(
                Report(
                    job_id=self._spec.order.job_id,
                    attempt=self._spec.order.attempt,
                    kind=kind,
                    time_ms=_now_ms(),
                    progress=self._tally.progress(stats),
                    close_reason=self._close_reason,
                )
            )
        with contextlib.suppress(OSError):  # what is known is reported again at the end
            self._write_result(stats, synced=False)

    def _write_result(self, stats: Mapping[str, Any], *, synced: bool) -> None:
        result = Result(
            opened=self.opened,
            close_reason=self._close_reason,
            time_ms=_now_ms(),
            progress=self._tally.progress(stats),
            printed_errors=self._tally.printed_errors,
        )
        path = self._spec.placement.result
        run_record.write(path.parent, path.name, encode_result(result), synced=synced)

    def _stats(self) -> Mapping[str, Any]:
        # The collector does not exist before the crawl starts, whatever the version.
        stats = None if self._crawler is None else getattr(self._crawler, "_stats", None)
        if stats is None and self.opened and self._crawler is not None:
            stats = self._crawler.stats
        scrapys = {} if stats is None else plain_stats(stats.get_stats())
        ours = {f"scrapy_do/dropped/{name}": n for name, n in self._dropped()}
        return {**scrapys, **ours, **({WARNING_STAT: self._warning} if self._warning else {})}

    def _dropped(self) -> Iterator[tuple[str, int]]:
        """Yield what could not be kept, and how much of it, if anything."""
        for name, dropped in (
            ("out_bytes", self._streams.out.dropped_bytes),
            ("err_bytes", self._streams.err.dropped_bytes),
            ("log_lines", self._lines.dropped),
            ("items", self._items.dropped if self._items else 0),
            ("requests", self._requests.dropped if self._requests else 0),
        ):
            if dropped:
                yield name, dropped

    def _explain_an_empty_crawl(self, spider: Spider) -> None:
        """Say so when a spider was written for a Scrapy that is too old for it."""
        if not self._tally.requests and ignores_start_requests(type(spider)):
            self._warning = f"The spider {start_requests_warning(type(spider))}"
            logger.warning(self._warning)

    def _out_of_memory(self) -> None:
        """Close the spider: it has met its memory limit, and what it does now is chance."""
        if self.opened and self._close_reason is None:
            call_later(0, self._close, _OUT_OF_MEMORY)

    def _close(self, reason: str) -> None:
        assert self._crawler is not None
        if self._close_reason is None and self._crawler.crawling:
            closing = deferred_from_coro(self._crawler.engine.close_spider_async(reason=reason))
            closing.addErrback(lambda _failure: None)  # it is closing already


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _capture(path: Path | None) -> Capture | None:
    return None if path is None else Capture(path)


def _reporter(path: Path) -> Reporter | None:
    try:
        return Reporter(path)
    except OSError:  # the daemon's directory was moved away: go on alone
        return None


def _request_fields(response: Response, request: Request, crawler: Crawler) -> dict[str, Any]:
    latency_s = request.meta.get("download_latency")
    fingerprint = crawler.request_fingerprinter.fingerprint(request)
    fields: dict[str, Any] = {
        "time": _now_ms(),
        "url": text_of(response.url),
        "status": response.status,
        "method": text_of(request.method),
        "rs": len(response.body),
        "duration": int(latency_s * 1000) if isinstance(latency_s, int | float) else 0,
        "fp": fingerprint.hex() if isinstance(fingerprint, bytes) else text_of(fingerprint),
    }
    parent = request.meta.get(PARENT)
    return fields if parent is None else {**fields, "parent": parent}
