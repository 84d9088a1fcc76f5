"""How values are said."""

from datetime import timedelta

import pytest

from scrapy_do.operations.operations import Strain
from scrapy_do.ui import words


@pytest.mark.parametrize(
    ("length", "said"),
    [
        (None, "\N{EN DASH}"),
        (0.04, "0.0 s"),
        (0.4, "0.4 s"),
        (1, "1 s"),
        (59.6, "1 min"),
        (252, "4 min 12 s"),
        (timedelta(hours=2), "2 h"),
        (timedelta(days=3, hours=2, minutes=9), "3 d 2 h"),
    ],
)
def test_durations(length: timedelta | float | None, said: str) -> None:
    """A length of time is said in its two largest units."""
    assert words.duration(length) == said


@pytest.mark.parametrize(
    ("value", "old", "said"),
    [
        (150, 100, "+50 (+50%)"),
        (50, 100, "\N{MINUS SIGN}50 (\N{MINUS SIGN}50%)"),
        (-50, -100, "+50 (+50%)"),
        (1001, 1000, "+1"),
        (1.5, 0, "+1.5"),
        (7, 7.0, ""),
        (65.0, 0.0, "+65"),
        (0.01149, 0.01151, ""),
        (2**4000, 1, ""),
        (2**4000, 0.5, ""),
        (1e308, -1e308, ""),
        (1, 1e-320, ""),
    ],
)
def test_changes(value: float, old: float, said: str) -> None:
    """A change has its sign and its share; what is too large for that is left out."""
    assert words.change(value, old) == said


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("start_time", 1_795_924_587_474, "2026-11-29 03:56:27 UTC"),
        ("finish_time", 0, "1970-01-01 00:00:00 UTC"),
        ("item_count", 1_795_924_587_474, ""),
        ("start_time", "soon", ""),
        ("start_time", 1_795_924_587_474.0, "2026-11-29 03:56:27 UTC"),
        ("start_time", float("nan"), ""),
        ("start_time", float("inf"), ""),
        ("start_time", 10**18, ""),
    ],
)
def test_moments(name: str, value: object, said: str) -> None:
    """The instants of a crawl are dates, whatever else a statistic of that name holds."""
    assert words.moment(name, value) == said


@pytest.mark.parametrize(
    ("late_s", "free", "said"),
    [
        (None, None, []),
        (90.0, None, ["Schedules start 1 min 30 s late."]),
        (None, 10**9, ["Only 1.0 GB are left on the disk of the server."]),
    ],
)
def test_what_strains_a_server(late_s: float | None, free: int | None, said: list[str]) -> None:
    """Each trouble is a sentence of its own."""
    assert words.strained(Strain(late_s=late_s, disk_free_bytes=free)) == said


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (None, "\N{EN DASH}"),
        (999, "999 B"),
        (1400, "1.4 kB"),
        (2_500_000, "2.5 MB"),
        (10**13, "10.0 TB"),
    ],
)
def test_sizes(count: int | None, said: str) -> None:
    """Bytes are said in the largest unit that leaves a whole part."""
    assert words.size(count) == said


def test_numbers() -> None:
    """Thousands are set apart."""
    assert words.number(1234567) == "1\u202f234\u202f567"
    assert words.number(None) == "\N{EN DASH}"


@pytest.mark.parametrize("name", ["", " ", "\u200b", "\n \t", "\u202e", "\u2028"])
def test_a_name_that_nobody_sees_is_said(name: str) -> None:
    """What is blank can be read and clicked all the same; anything else is shown as it is."""
    assert words.named(name) == "(blank)"
    assert words.named(f"a{name}") == f"a{name}"
