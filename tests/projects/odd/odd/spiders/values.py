"""Spiders whose values are not what one expects."""

import dataclasses
import datetime
import decimal
import ipaddress
import pathlib
import uuid

import scrapy
from scrapy.exceptions import CloseSpider


class Textless:
    def __str__(self):
        raise RuntimeError("no text")


REASONS = {
    "exception": ValueError("x"),
    "half": "half \udc80 a pair\0",
    "textless": Textless(),
    "long": "x" * 5000,
}


class Closing(scrapy.Spider):
    """Closes with a reason of any kind, after an item."""

    name = "closing"

    async def start(self):
        yield {"a": 1}
        yield scrapy.Request("data:text/plain,x")

    def parse(self, response):
        raise CloseSpider(REASONS[self.reason])


class Statistical(scrapy.Spider):
    """Has statistics of any kind, and logs what no UTF-8 has."""

    name = "statistical"

    async def start(self):
        loop = {}
        loop["self"] = loop
        for name, value in {
            "loop": loop,
            b"bytes": b"\xff",
            "half\udc80": "half \udc80",
            ("a", 1): Textless(),
            "huge": 10**5000,
            "nan": [float("nan")],
            "names": {1: {("b",): decimal.Decimal("1.5")}},
            Textless(): 1,
        }.items():
            self.crawler.stats.set_value(name, value)
        self.logger.error("half \udc80")
        self.logger.error(Textless())
        self.logger.error("%s", Textless())
        try:
            raise ValueError("half \udc80")
        except ValueError:
            self.logger.exception("failed")
        yield scrapy.Request("data:text/plain,x", meta={"download_latency": "slow"})

    def parse(self, response):
        yield {"a": 1}


class Loaded(scrapy.Spider):
    """Has more statistics than anybody reads."""

    name = "loaded"

    async def start(self):
        self.crawler.stats.set_value("load", "x" * (6 << 20))
        yield {"a": 1}


class Product(scrapy.Item):
    name = scrapy.Field()
    price = scrapy.Field(serializer=lambda value: f"{value} EUR")
    parts = scrapy.Field()


@dataclasses.dataclass
class Part:
    id: uuid.UUID = uuid.UUID(int=7)
    seen: datetime.date = datetime.date(2026, 11, 28)


class Shop(scrapy.Spider):
    """Yields items of many kinds; the feed beside tells what they are."""

    name = "shop"
    custom_settings = {"FEEDS": {"feed.jsonl": {"format": "jsonlines"}}}

    async def start(self):
        yield Product(name="chair", price=decimal.Decimal("9.50"), parts=[Part(id=1)])
        yield Part(id=2)
        yield {"when": datetime.datetime(2026, 11, 28, 12), "set": {1}, "names": {1: (2, None)}}
        yield {"_type": "mine"}


class Readable(scrapy.Spider):
    """Yields what a feed refuses: values with a text of their own, and some without."""

    name = "readable"

    async def start(self):
        yield {
            "id": uuid.UUID(int=7),
            "path": pathlib.PurePosixPath("/a/b"),
            "address": ipaddress.ip_address("::1"),
            "text": "ž".encode(),
            "nan": float("nan"),
            uuid.UUID(int=8): Part(),
        }
        yield {"name": "stool", "price": object()}
        yield Product(name="table", price=Textless())
        loop = {"name": "loop"}
        loop["parts"] = loop
        yield loop


class Lost(scrapy.Spider):
    """Yields three items into the pipelines of its settings, of which one is to be kept."""

    name = "lost"

    async def start(self):
        yield {"number": 1}
        yield {"number": 2, "keep": True}
        yield {"number": 3}
