"""A spider that talks to a server by its name, and in secret."""

import threading

import scrapy


class Https(scrapy.Spider):
    """Fetches pages; says which threads there are: the names are looked up by one of them."""

    name = "https"

    def __init__(self, url, pages):
        super().__init__()
        self.urls = [f"{url}/{number}" for number in range(int(pages))]

    async def start(self):
        for url in self.urls:
            yield scrapy.Request(url)

    def parse(self, response):
        yield {
            "page": response.text,
            "certificate": type(response.certificate).__name__,
            "address": str(response.ip_address),
            "threads": threading.active_count(),
        }
