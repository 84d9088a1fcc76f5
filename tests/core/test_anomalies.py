"""What of a run is unlike the runs before it."""

from dataclasses import replace
from random import Random
from typing import Any

import pytest

from scrapy_do.core.anomalies import Measures, anomalies

USUAL = Measures(
    items=342, duration_s=100, errors=1, bad_share=0.02, coverage={"price": 1.0, "note": 0.5}
)
BEFORE = [
    replace(USUAL, items=USUAL.items + n, duration_s=100 + n / 2, errors=n % 3)
    for n in range(-10, 10)
]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({}, []),
        ({"items": 300}, []),
        ({"items": 120}, ["items"]),
        ({"items": 0, "coverage": {}}, ["items"]),
        ({"duration_s": 140}, []),
        ({"duration_s": 160}, ["duration"]),
        ({"errors": 3}, []),
        ({"errors": 4}, ["errors"]),
        ({"coverage": {"price": 0.85, "note": 0.5}}, []),
        ({"coverage": {"price": 0.8, "note": 0.2}}, ["field note", "field price"]),
        ({"bad_share": 0.04}, []),
        ({"bad_share": 0.05}, ["4xx and 5xx answers"]),
        ({"bad_share": None}, []),
    ],
)
def test_what_is_unlike(change: dict[str, Any], what: list[str]) -> None:
    """Each rule warns of its own, and only beyond its bounds."""
    assert [one.what for one in anomalies(replace(USUAL, **change), BEFORE)] == what


def test_a_hint_names_the_range() -> None:
    """The number, the range before, the median and how many runs it is of."""
    (hint,) = anomalies(replace(USUAL, items=120), BEFORE)
    assert (hint.value, hint.low, hint.high, hint.usual, hint.runs) == (120, 332, 351, 341.5, 20)


def test_a_few_runs_tell_nothing() -> None:
    """Before the fifth run nothing is usual."""
    assert anomalies(replace(USUAL, items=0), BEFORE[:4]) == []
    assert anomalies(replace(USUAL, items=0), BEFORE[:5]) != []


def test_what_runs_is_compared_at_its_age() -> None:
    """A young crawl is left alone; later it must have found its share."""
    half = replace(USUAL, items=170, duration_s=50)
    assert anomalies(half, BEFORE, is_running=True) == []
    assert anomalies(replace(half, items=20, duration_s=20), BEFORE, is_running=True) == []
    assert [one.what for one in anomalies(replace(half, items=40), BEFORE, is_running=True)] == [
        "items"
    ]


def test_a_spider_that_never_finds_items_is_fine() -> None:
    """Nothing is low where nothing was there."""
    nothing = [Measures(items=0, duration_s=10, errors=0)] * 6
    assert anomalies(nothing[0], nothing) == []


def test_false_alarms_are_rare() -> None:
    """Of runs that differ only by chance fewer than one in fifty is warned of."""
    rng = Random(7)

    def run() -> Measures:
        return Measures(
            items=round(rng.gauss(1000, 60)),
            duration_s=rng.gauss(300, 25),
            errors=rng.choice((0, 0, 0, 1, 2)),
            bad_share=rng.uniform(0.0, 0.03),
            coverage={"price": rng.uniform(0.95, 1.0)},
        )

    warned = sum(bool(anomalies(run(), [run() for _ in range(20)])) for _ in range(200))
    assert warned < 4


def test_short_runs_are_not_told_apart() -> None:
    """A tenth of a second more or less is the machine's doing, two seconds are the spider's."""
    quick = [Measures(items=10, duration_s=0.05, errors=0)] * 5

    assert anomalies(replace(quick[0], duration_s=1.5), quick) == []
    assert [one.what for one in anomalies(replace(quick[0], duration_s=2.5), quick)] == ["duration"]
