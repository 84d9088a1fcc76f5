"""Books with prices: a redirect, pages that lead on, a dead link, a page that fails once."""

from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import Any
from uuid import uuid4

import scrapy
from scrapy.http import Response

from quotesbot.site import address


class BooksSpider(scrapy.Spider):
    """Reads every book of the shop."""

    name = "books"

    def __init__(self, site: str | None = None, **kwargs: str) -> None:
        super().__init__(**kwargs)
        self.site = address(site)
        self.visitor = uuid4().hex

    async def start(self) -> AsyncIterator[scrapy.Request]:
        """Begin at the shop's door, which leads to the first shelf."""
        yield scrapy.Request(f"{self.site}/books/", callback=self.parse_shelf)

    def parse_shelf(self, response: Response) -> Iterator[Any]:
        """Follow the books of a page, then the next page."""
        for path in response.css("article.book a::attr(href)").getall():
            yield response.follow(f"{path}?visitor={self.visitor}", callback=self.parse_book)
        for link in response.css("li.next a"):
            yield response.follow(link, callback=self.parse_shelf)

    def parse_book(self, response: Response) -> Iterator[Any]:
        """Yield one book."""
        yield {
            "title": response.css("h1::text").get(),
            "price": float(Decimal(response.css("p.price::text").re_first(r"[\d.]+"))),
            "stock": int(response.css("p.stock::text").re_first(r"\d+")),
        }
