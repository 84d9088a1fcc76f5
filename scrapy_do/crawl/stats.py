"""Scrapy's stats as JSON, and what a crawl counts itself."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from scrapy_do.protocol.wire import Counts


@dataclass(slots=True, kw_only=True)
class Tally:
    """The counts of a crawl while they grow."""

    items: int = 0
    requests: int = 0
    responses: int = 0
    log_lines: int = 0
    errors: int = 0

    def counts(self) -> Counts:
        """Return the counts as they are now."""
        return Counts(
            items=self.items,
            requests=self.requests,
            responses=self.responses,
            log_lines=self.log_lines,
            errors=self.errors,
        )


def plain_stats(stats: Mapping[Any, Any]) -> dict[str, Any]:
    """Return stats as JSON values: times in ms since the epoch, durations in seconds.

    What JSON does not know becomes its text; numbers that are not finite become None.
    """
    return {str(name): _plain(value) for name, value in list(stats.items())}


def _plain(value: object) -> Any:  # noqa: ANN401 - decoded JSON is any value
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case datetime():
            aware = value if value.tzinfo else value.replace(tzinfo=UTC)
            return float(int(aware.timestamp() * 1000))  # whole, yet a float, as in Scrapy Cloud
        case timedelta():
            return value.total_seconds()
        case _:
            try:
                return json.loads(json.dumps(value, allow_nan=False))
            except (TypeError, ValueError, RecursionError):
                return str(value)
