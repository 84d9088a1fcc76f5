"""Days without an end, on a server that takes a second for each."""

from collections.abc import AsyncIterator, Iterator
from typing import Any, ClassVar

import scrapy
from scrapy.http import Response

from quotesbot.site import address


class EndlessSpider(scrapy.Spider):
    """Reads day after day, until it is stopped or five minutes are over."""

    name = "endless"
    custom_settings: ClassVar[dict[str, Any]] = {"CLOSESPIDER_TIMEOUT": 300}

    def __init__(self, site: str | None = None, **kwargs: str) -> None:
        super().__init__(**kwargs)
        self.site = address(site)

    async def start(self) -> AsyncIterator[scrapy.Request]:
        """Begin at the first day."""
        yield scrapy.Request(f"{self.site}/days/1/")

    def parse(self, response: Response) -> Iterator[Any]:
        """Yield a day, then the next one."""
        yield {
            "day": int(response.css("h1::text").get()),
            "moon": response.css("p::text").get(),
        }
        for link in response.css("li.next a"):
            yield response.follow(link)
