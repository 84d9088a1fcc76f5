"""Quotes, read by CSS selectors."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import scrapy
from scrapy.http import Response

from quotesbot.site import address


class ToScrapeCSSSpider(scrapy.Spider):
    """Reads all pages of quotes. The argument `tag` leaves out quotes without that tag."""

    name = "toscrape-css"

    def __init__(self, site: str | None = None, tag: str | None = None, **kwargs: str) -> None:
        super().__init__(**kwargs)
        self.site = address(site)
        self.tag = tag

    async def start(self) -> AsyncIterator[scrapy.Request]:
        """Begin at the first page."""
        yield scrapy.Request(f"{self.site}/quotes/page/1/", callback=self.parse_quotes)

    def parse_quotes(self, response: Response) -> Iterator[Any]:
        """Yield the quotes of a page, then the next page."""
        for quote in response.css("div.quote"):
            tags = quote.css("a.tag::text").getall()
            if self.tag is None or self.tag in tags:
                yield {
                    "text": quote.css("span.text::text").get(),
                    "author": quote.css("small.author::text").get(),
                    "tags": tags,
                }
        for link in response.css("li.next a"):
            yield response.follow(link, callback=self.parse_quotes)
