"""A project without asyncio."""

import scrapy


class Classic(scrapy.Spider):
    name = "classic"
    start_urls = ["data:text/plain,x"]

    def parse(self, response):
        from twisted.internet import reactor

        yield {"reactor": type(reactor).__name__, "loop": "asyncio" in type(reactor).__module__}


class Old(scrapy.Spider):
    """Only what Scrapy does not call any more."""

    name = "old"

    def start_requests(self):
        yield scrapy.Request("data:text/plain,x")


class Reactorless(Classic):
    name = "failing"

    def __init__(self, *args, **kwargs):
        raise ValueError("no spider for you")
