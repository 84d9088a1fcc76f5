"""Spiders that behave."""

import json
import os
import sys
import time

import scrapy


class Noop(scrapy.Spider):
    """Ends at once."""

    name = "noop"

    async def start(self):
        return
        yield


class Pages(scrapy.Spider):
    """Three pages without a network, one of them found by another, and an item from each."""

    name = "pages"

    async def start(self):
        yield scrapy.Request("data:text/plain,one", self.parse_first)
        yield scrapy.Request("data:text/plain,two")

    def parse_first(self, response):
        yield {"text": response.text, "number": float("nan")}
        yield scrapy.Request("data:text/plain,three")

    def parse(self, response):
        self.logger.error("an error line of %s", response.text)
        yield {"text": response.text}


class Maker:
    """A downloader middleware that answers for some pages itself."""

    def process_request(self, request, spider=None):
        if request.url.endswith("/made"):
            return scrapy.http.TextResponse(request.url, body=b"made")


class Wandering(scrapy.Spider):
    """Pages of `site`: one behind a redirect, one at the second try, one made here; the first again, cached."""

    name = "wandering"
    custom_settings = {
        "DOWNLOADER_MIDDLEWARES": {Maker: 50},
        "HTTPCACHE_ENABLED": True,
        "HTTPCACHE_DIR": os.path.join(os.environ.get("TMPDIR", "/tmp"), "http-cache"),
        "HTTPCACHE_IGNORE_HTTP_CODES": [503],
        "RETRY_PRIORITY_ADJUST": 0,
    }

    async def start(self):
        for path in ("redirect", "stumble", "made"):
            yield scrapy.Request(f"{self.site}/{path}")

    def parse(self, response):
        yield {"url": response.url}
        if response.url.endswith("/page") and "cached" not in response.flags:
            yield scrapy.Request(f"{self.site}/redirect", dont_filter=True)


class Mirror(scrapy.Spider):
    """Says what its process is like."""

    name = "mirror"

    async def start(self):
        yield scrapy.Request("data:text/plain,x")

    def parse(self, response):
        names = vars(self)
        yield {
            "arguments": {key: value for key, value in names.items() if key not in {"crawler", "settings"}},
            "environment": dict(os.environ),
            "directory": os.getcwd(),
            "descriptors": {
                name: os.readlink(f"/proc/self/fd/{name}")
                for name in os.listdir("/proc/self/fd")
                if os.path.islink(f"/proc/self/fd/{name}")
            },
            "argv": open("/proc/self/cmdline", "rb").read().decode(),
            "stdin": sys.stdin.read(),
            "session": os.getsid(0) == os.getpid(),
            "zone": -time.timezone,
            "depth": self.settings["DEPTH_LIMIT"],
        }
        print("to stdout", json.dumps("ü"))
        print("to stderr", file=sys.stderr)
