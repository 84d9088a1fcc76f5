"""Spiders that do not succeed at once, or that say too much."""

import asyncio
import os
import signal
import subprocess
import time
from pathlib import Path

import scrapy


def first_time(what):
    """Whether no crawl of this project has asked this before."""
    try:
        Path(os.environ["SPIDER_DATA_DIR"], what).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


class Stumbling(scrapy.Spider):
    """Ends its own process the first time, and well the next."""

    name = "stumbling"

    async def start(self):
        if first_time("stumbled"):
            os._exit(3)
        return
        yield


class Falling(scrapy.Spider):
    """Four items, a page and an error line; the first `times` times it then ends badly, or waits."""

    name = "falling"
    how = "kill"
    times = 1
    parsed = False

    async def start(self):
        for number in range(3):
            yield {"number": number}
        yield scrapy.Request("data:text/plain,x")
        while not self.parsed:
            await asyncio.sleep(0.02)
        self.logger.error("waiting")
        await asyncio.sleep(1.3)  # more than between two flushes
        if any(first_time(f"fallen-{number}") for number in range(int(self.times))):
            Path(os.environ["SPIDER_DATA_DIR"], "waiting").touch()
            if self.how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            elif self.how == "exit":
                os._exit(0)
            await asyncio.sleep(3600)

    def parse(self, response):
        yield {"number": 3}
        self.parsed = True


class Hesitant(scrapy.Spider):
    """Never opens the first time; `crawl.pid` in the data of its project is then its pid."""

    name = "hesitant"

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        if first_time("hesitated"):
            Path(os.environ["SPIDER_DATA_DIR"], "crawl.pid").write_text(str(os.getpid()))
            time.sleep(600)

    async def start(self):
        return
        yield


class Chatty(scrapy.Spider):
    """Logs and prints `lines` lines, each with its number, and lets a child print one."""

    name = "chatty"

    async def start(self):
        for number in range(int(self.lines)):
            self.logger.info("line %d %s", number, "x" * 100)
            print("print", number, "y" * 100)
        subprocess.run(["echo", "a child"], check=True)
        yield scrapy.Request("data:text/plain,x")

    def parse(self, response):
        yield {"said": int(self.lines)}


class Swelling(scrapy.Spider):
    """Takes more and more memory, a little at a time, and hears what it is told meanwhile."""

    name = "swelling"

    async def start(self):
        hoard = []
        while True:
            hoard.append(b"x" * 1024 * 1024)
            await asyncio.sleep(0.02)
        yield
