"""Says which item pipeline has lost an item by returning something else, mostly nothing.

Scrapy hands whatever a pipeline returns to the next one and at last to everybody who listens
to scraped items. A pipeline without `return item` is the commonest mistake there, and nothing
tells of it.
"""

import logging
from collections.abc import Callable
from typing import Any

from scrapy.crawler import Crawler
from scrapy.utils.python import global_object_name

from scrapy_do.crawl.encoding import is_item

logger = logging.getLogger(__name__)


class PipelineWatch:
    """Looks at what item pipelines return: between two of them, and what comes out at last."""

    def __init__(self) -> None:
        self._last = "An item pipeline"
        self._told = 0

    def follow(self, crawler: Crawler) -> None:
        """Begin; the pipelines have been made."""
        engine = getattr(crawler, "engine", None)
        processor = getattr(getattr(engine, "scraper", None), "itemproc", None)
        # A class of the project's own may do without, then nobody can be named.
        methods = getattr(processor, "methods", {}).get("process_item")
        if not methods:
            return
        *others, last = methods
        self._last = global_object_name(last)
        methods.clear()
        for method in others:
            methods.extend((method, self._look(global_object_name(method))))
        methods.append(last)

    def lost(self, result: object) -> None:
        """Hear what came out instead of an item."""
        if self._told:
            self._told -= 1
        else:
            _tell(self._last, result)

    def _look(self, name: str) -> Callable[[Any], Any]:
        """Return what stands behind a pipeline as if it were the next one."""

        def look(item: Any) -> Any:  # noqa: ANN401 - what a pipeline returns
            if not is_item(item) and not self._told:
                self._told += 1
                _tell(name, item)
            return item

        return look


def _tell(name: str, result: object) -> None:
    what = "None" if result is None else f"an object of type {type(result).__name__}"
    logger.error("%s returned %s, not the item: the item is lost", name, what)
