"""A spider of a project that does without Twisted's reactor."""

import asyncio
import sys

import scrapy


class Loop(scrapy.Spider):
    name = "loop"

    async def start(self):
        await asyncio.sleep(0)
        yield {
            "reactor": "twisted.internet.reactor" in sys.modules,
            "loop": type(asyncio.get_running_loop()).__name__,
        }
