"""A spider of a project that asks for the process of old, with Deferreds."""

import gc

import scrapy
from scrapy.crawler import CrawlerRunnerBase
from twisted.internet.threads import deferToThread
from twisted.internet.utils import getProcessOutput


class Deferreds(scrapy.Spider):
    name = "deferreds"
    start_urls = ["data:text/plain,x"]

    async def parse(self, response):
        from twisted.internet import reactor

        processes = [one for one in gc.get_objects() if isinstance(one, CrawlerRunnerBase)]
        yield {
            "process": [type(one).__name__ for one in processes],
            "reactor": type(reactor).__name__,
            "thread": await self.waited(deferToThread(lambda: "in a thread")),
            "child": (await self.waited(getProcessOutput("/bin/echo", ["a child"]))).decode(),
        }

    def waited(self, deferred):
        from scrapy.utils.defer import maybe_deferred_to_future

        return maybe_deferred_to_future(deferred)
