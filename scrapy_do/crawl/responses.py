"""Tells of every response that comes to a crawl, also of those that no signal of Scrapy tells of.

A cached response that is redirected or tried again is neither downloaded nor received.
"""

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.http import Response

response_came = object()
"""Signal, with `response` and `request`: sent before other middlewares touch the response."""

ORDER = 1000
"""Next to the downloader. Source: Scrapy Cloud, which keeps the records of requests there."""


class Responses:
    """Downloader middleware that sends `response_came`."""

    def __init__(self, crawler: Crawler) -> None:
        self._signals = crawler.signals

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> "Responses":
        """Made by Scrapy."""
        return cls(crawler)

    def process_response(self, request: Request, response: Response) -> Response:
        """Tell of a response, and pass it on."""
        self._signals.send_catch_log(response_came, response=response, request=request)
        return response
