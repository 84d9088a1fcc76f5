"""How many records came when, in steps few enough to draw."""

import pytest

from scrapy_do.core.pace import MOST_STEPS, band_of, levels_of, pace_of, step_for


@pytest.mark.parametrize(
    ("span_s", "step_s"), [(0, 1), (120, 1), (121, 2), (3600, 30), (86400, 1800), (10**9, 86400)]
)
def test_steps_are_round_and_few(span_s: float, step_s: int) -> None:
    """A step is a round length of time, as short as the number of steps allows."""
    assert step_for(span_s) == step_s
    assert span_s / step_s <= MOST_STEPS or step_s == 86400


def test_records_are_added_up_by_step() -> None:
    """Each batch counts in the step of its time; what lies outside is left out."""
    pace = pace_of(
        [(999, 1), (1000, 2), (2999, 3), (3000, 4), (9000, 5)],
        start_ms=1000,
        end_ms=5500,
        step_s=2,
    )
    assert pace.counts == [5, 4, 0]
    assert pace.per_minute() == [150, 120, 0]


def test_a_clock_that_went_back_is_one_step() -> None:
    """An end before the start is no reason to fail."""
    assert pace_of([], start_ms=5000, end_ms=1000, step_s=1).counts == [0]


def test_a_level_lasts_until_the_next_sample() -> None:
    """A step has the last value told in it, else that of the step before; None before the first."""
    levels = levels_of(
        [(900, 1), (3100, 30), (3900, 35), (7000, 70), (99_000, 9)],
        start_ms=1000,
        end_ms=8500,
        step_s=1,
    )
    assert levels == [None, None, 35, 35, 35, 35, 70, 70]


@pytest.mark.parametrize(
    ("runs", "low", "high"),
    [
        ([[10], [20], [30]], [12.0], [28.0]),
        ([[10]] * 20, [10.0], [10.0]),
        ([[n] for n in range(11)], [1.0], [9.0]),
        ([[10], [20]], [None], [None]),
        ([[10, 1], [20, 1], [30, None]], [12.0, None], [28.0, None]),
        ([[10, 1], [20, 1], [30]], [12.0, None], [28.0, None]),
        ([], [None], [None]),
    ],
)
def test_a_band_holds_four_of_five_runs(
    runs: list[list[float | None]], low: list[float | None], high: list[float | None]
) -> None:
    """From a tenth to nine tenths of the runs that were that old; of fewer than 3 there is none."""
    assert band_of(runs, len(low)) == (low, high)
