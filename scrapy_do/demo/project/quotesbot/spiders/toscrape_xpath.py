"""Quotes, read by XPath."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import scrapy
from scrapy.http import Response

from quotesbot.site import address


class ToScrapeXPathSpider(scrapy.Spider):
    """Reads all pages of quotes."""

    name = "toscrape-xpath"

    def __init__(self, site: str | None = None, **kwargs: str) -> None:
        super().__init__(**kwargs)
        self.site = address(site)

    async def start(self) -> AsyncIterator[scrapy.Request]:
        """Begin at the first page."""
        yield scrapy.Request(f"{self.site}/quotes/page/1/", callback=self.parse_quotes)

    def parse_quotes(self, response: Response) -> Iterator[Any]:
        """Yield the quotes of a page, then the next page."""
        for quote in response.xpath('//div[@class="quote"]'):
            yield {
                "text": quote.xpath('./span[@class="text"]/text()').get(),
                "author": quote.xpath('.//small[@class="author"]/text()').get(),
                "tags": quote.xpath('.//a[@class="tag"]/text()').getall(),
            }
        for link in response.xpath('//li[@class="next"]/a'):
            yield response.follow(link, callback=self.parse_quotes)
