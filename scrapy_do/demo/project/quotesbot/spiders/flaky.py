"""Offers of a shop in trouble: pages that fail once or always, and one without a price."""

from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import scrapy
from scrapy.http import Response

from quotesbot.site import address


class FlakySpider(scrapy.Spider):
    """Reads the offers that can be read; what cannot is in the log, and in the statistics."""

    name = "flaky"

    def __init__(self, site: str | None = None, **kwargs: str) -> None:
        super().__init__(**kwargs)
        self.site = address(site)
        self.visitor = uuid4().hex

    async def start(self) -> AsyncIterator[scrapy.Request]:
        """Begin at the list."""
        yield scrapy.Request(f"{self.site}/offers/")

    def parse(self, response: Response) -> Iterator[Any]:
        """Follow every offer."""
        for path in response.css("a.offer::attr(href)").getall():
            yield response.follow(f"{path}?visitor={self.visitor}", callback=self.parse_offer)

    def parse_offer(self, response: Response) -> Iterator[Any]:
        """Yield one offer."""
        yield {
            "what": response.css("h1::text").get(),
            "price": float(response.css("p.price::text").re(r"[\d.]+")[0]),
        }
