"""Names, fields, statistics, files and lines that nobody expects."""

import logging
from pathlib import Path

import scrapy
from scrapy.exceptions import CloseSpider

from hostile.spiders.markup import MARKUP

TURNED = "\u202eturned\u2028<b>&amp\u200b"


class Strange(scrapy.Spider):
    name = f"../s t%2e/{TURNED}"

    async def start(self):
        odd = logging.getLogger(MARKUP)
        odd.warning("x" * 20_000)
        odd.error("one\r\ntwo\x00\x08three \x1b[31;1;999999m%s\x1b]0;title\x07", MARKUP)
        odd.critical("%s", "\n".join(f"<b>{line}" for line in range(200)))
        for name in (MARKUP, "__proto__", "downloader/response_status_count/<b>", "x" * 3000):
            self.crawler.stats.set_value(name, MARKUP)
        Path(MARKUP.replace("/", "|")).write_text(MARKUP)
        Path("a b%2e?#.html").write_text(MARKUP)
        yield {
            MARKUP: MARKUP,
            "": "",
            " ": None,
            "__proto__": {"constructor": [MARKUP] * 3},
            "toString": 2**200,
            TURNED: TURNED,
            "x" * 250: "x" * 10_000,
            "=cmd": "=1+1",
        }
        yield {f"field {number}": number for number in range(300)}
        yield scrapy.Request("data:text/plain,x")

    def parse(self, response):
        raise CloseSpider(MARKUP)
