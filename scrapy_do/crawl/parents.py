"""Remembers which response a request came from, as the number of its request record."""

from collections.abc import AsyncIterator, Iterable
from typing import Any

from scrapy import Request
from scrapy.http import Response

NUMBER = "_scrapy_do_request"
"""Key in a request's meta: the number of its own record."""

PARENT = "_scrapy_do_parent"
"""Key in a request's meta: the number of the record of the request it was found by."""


class RequestParents:
    """Spider middleware that writes the parent into each request a callback yields."""

    def process_spider_output(self, response: Response, result: Iterable[Any]) -> Iterable[Any]:
        """Pass everything on, requests with their parent."""
        parent = _number(response)
        for one in result:
            yield _child(one, parent)

    async def process_spider_output_async(
        self, response: Response, result: AsyncIterator[Any]
    ) -> AsyncIterator[Any]:
        """Pass everything on, requests with their parent."""
        parent = _number(response)
        async for one in result:
            yield _child(one, parent)


def _number(response: Response) -> int | None:
    request = response.request
    return None if request is None else request.meta.get(NUMBER)


def _child(one: Any, parent: int | None) -> Any:  # noqa: ANN401 - items are anything
    if parent is not None and isinstance(one, Request):
        # A spider that copies meta from its response copies our numbers too: replace both.
        one.meta.pop(NUMBER, None)
        one.meta[PARENT] = parent
    return one
