"""Spiders that leave a note, a line with event, time and pid, when they open and close.

All they are told comes in one argument, `payload`, a JSON object, because that is what
every way of running a crawl can hand on:

    notes      the directory of the notes, and
    name       the name of this crawl's file in there
    site       the base URL of the local site
    seconds    how long a crawl goes on
    megabytes  how much it logs
"""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from scrapy import Request, Spider, signals
from scrapy.crawler import Crawler
from scrapy.http import TextResponse

PAGES = 10
_NONE: tuple[Request, ...] = ()


class TimedSpider(Spider):
    """Notes when it opens and closes."""

    def __init__(self, payload: str = "{}", **more: str) -> None:
        super().__init__(**more)
        self.told: dict[str, Any] = json.loads(payload)

    def _set_crawler(self, crawler: Crawler) -> None:
        super()._set_crawler(crawler)
        crawler.signals.connect(self.note_opened, signals.spider_opened)
        crawler.signals.connect(self.note_closed, signals.spider_closed)

    def note_opened(self) -> None:
        self._note("opened")

    def note_closed(self) -> None:
        self._note("closed")

    def _note(self, event: str) -> None:
        now = time.time()
        if "notes" in self.told:
            with (Path(self.told["notes"]) / self.told["name"]).open("a") as file:
                file.write(f"{event} {now} {os.getpid()}\n")

    def request(self, page: int) -> Request:
        return Request(f"{self.told['site']}/{page}", dont_filter=True)


class Noop(TimedSpider):
    """Does nothing: all its time is what a crawl costs at least."""

    name = "noop"

    async def start(self) -> AsyncIterator[Request]:
        for request in _NONE:
            yield request


class Local10(TimedSpider):
    """Fetches the ten pages of the local site, ten items on each."""

    name = "local10"

    async def start(self) -> AsyncIterator[Request]:
        for page in range(PAGES):
            yield self.request(page)

    def parse(self, response: TextResponse) -> Iterator[dict[str, object]]:  # type: ignore[override] # the site serves texts only
        for product in response.css("li.product"):
            yield {
                "title": product.css("h3::text").get(),
                "price": float(product.css("b::text").get("0")),
                "words": product.xpath("p/text()").get(),
            }


class Sleeper(TimedSpider):
    """Fetches a page, if it has a site, and then stays open."""

    name = "sleeper"

    async def start(self) -> AsyncIterator[Request]:
        if "site" in self.told:
            yield self.request(0)
        await asyncio.sleep(self.told["seconds"])

    def parse(self, response: TextResponse) -> dict[str, object]:  # type: ignore[override] # the same
        return {"titles": response.css("h3::text").getall()}


class Busy(Local10):
    """Fetches and parses pages, as fast as it can, for some seconds."""

    name = "busy"

    async def start(self) -> AsyncIterator[Request]:
        until = time.monotonic() + self.told["seconds"]
        while time.monotonic() < until:
            for page in range(PAGES):
                yield self.request(page)
            await asyncio.sleep(0)


class Talkative(TimedSpider):
    """Logs a lot."""

    name = "talkative"

    async def start(self) -> AsyncIterator[Request]:
        line = "x" * 100_000
        for _ in range(10 * self.told["megabytes"]):
            self.logger.info(line)
        for request in _NONE:
            yield request


class Pages(Local10):
    """Fetches so many pages of the site, ten items on each; told by plain arguments."""

    name = "pages"

    def __init__(self, site: str, pages: str) -> None:
        super().__init__()
        self.told = {"site": site, "pages": int(pages)}

    async def start(self) -> AsyncIterator[Request]:
        for number in range(self.told["pages"]):
            yield Request(f"{self.told['site']}/{number % PAGES}?{number}")
