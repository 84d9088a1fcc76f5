"""Scrapy's stats as JSON, and what a crawl counts itself."""

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from scrapy_do.crawl.encoding import text_of
from scrapy_do.protocol.facts import Progress

_DEPTH = 20
_MOST_BITS = 4096


@dataclass(slots=True, kw_only=True)
class Tally:
    """The counts of a crawl while they grow; `printed_errors` are those that nobody logged."""

    items: int = 0
    requests: int = 0
    responses: int = 0
    log_lines: int = 0
    errors: int = 0
    printed_errors: int = 0

    def progress(self, stats: Mapping[str, Any]) -> Progress:
        """Return the counts as they are now, with Scrapy's stats."""
        return Progress(
            items=self.items,
            requests=self.requests,
            responses=self.responses,
            log_lines=self.log_lines,
            errors=self.errors,
            stats=stats,
        )


def plain_stats(stats: Mapping[Any, Any]) -> dict[str, Any]:
    """Return stats as JSON values: times in ms since the epoch, durations in seconds.

    What JSON does not know becomes its text; numbers that are not finite become None.
    """
    return {text_of(name): _plain(value, _DEPTH) for name, value in list(stats.items())}


def _plain(value: object, depth: int) -> Any:  # noqa: ANN401, PLR0911 - JSON is anything; one return a kind
    match value:
        case None | bool():
            return value
        case int():
            # Python, and many a client, refuses to read a number with more digits.
            return int(value) if value.bit_length() <= _MOST_BITS else hex(value)
        case float():
            return float(value) if math.isfinite(value) else None
        case timedelta():
            return value.total_seconds()
        case dict() if depth:
            return {text_of(one): _plain(member, depth - 1) for one, member in value.items()}
        case list() | tuple() | set() | frozenset() if depth:
            return [_plain(member, depth - 1) for member in value]
        case datetime():
            with suppress(Exception):  # a zone is any object
                aware = value if value.tzinfo else value.replace(tzinfo=UTC)
                # Whole, yet a float, as in Scrapy Cloud.
                return float(int(aware.timestamp() * 1000))
    return text_of(value)
