"""Scrapy's stats as JSON."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from scrapy_do.crawl.stats import Tally, plain_stats
from scrapy_do.protocol.facts import Progress


def test_stats_become_json() -> None:
    """Times become whole ms, durations seconds, numbers that are not finite None."""
    stats = {
        "count": 3,
        "share": 0.5,
        "text": "ž",
        "flag": True,
        "none": None,
        "start": datetime(2026, 1, 1, 0, 0, 0, 123_456, tzinfo=UTC),
        "naive": datetime(2026, 1, 1),  # noqa: DTZ001 - what old versions of Scrapy record
        "took": timedelta(seconds=1.5),
        "nan": float("nan"),
        "list": [1, {"a": None}],
        "bad list": [float("inf")],
        "odd": Decimal("1.50"),
        ("a", 1): 1,
    }

    assert plain_stats(stats) == {
        "count": 3,
        "share": 0.5,
        "text": "ž",
        "flag": True,
        "none": None,
        "start": 1767225600123.0,
        "naive": 1767225600000.0,
        "took": 1.5,
        "nan": None,
        "list": [1, {"a": None}],
        "bad list": [None],
        "odd": "1.50",
        "('a', 1)": 1,
    }


def test_a_tally_gives_counts() -> None:
    """The counts are those of the moment."""
    tally = Tally(items=1)
    tally.errors += 2

    assert tally.progress({"a": 1}) == Progress(items=1, errors=2, stats={"a": 1})
