"""Markup wherever text may stand: name, log, items, errors, addresses."""

import scrapy

MARKUP = "<img src=x onerror=\"window.ran=1\"><script>window.ran=1</script>'\"</td></pre>"


class Markup(scrapy.Spider):
    name = f"m{MARKUP}"

    async def start(self):
        self.logger.info("a line %s", MARKUP)
        self.logger.info("\x1b[31mred %s\x1b[0m and \x1b]8;;javascript:alert(1)\x07plain", MARKUP)
        yield {"text": MARKUP, MARKUP: "=1+1", "url": "javascript:window.ran=1", "list": [MARKUP]}
        yield scrapy.Request(f"data:text/plain,{MARKUP}")

    def parse(self, response):
        raise ValueError(f"wrong {MARKUP}")
