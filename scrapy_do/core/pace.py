"""A crawl over time: its counts and its memory in steps of equal length, few enough to draw.

And beside it the runs before: between which values most of them were at the same age.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MOST_STEPS = 120
MOST_RUNS = 20
FEWEST_RUNS = 3
"""Of how many former runs the band is made, and how many must have had an age."""

LOW, HIGH = 0.1, 0.9
_STEPS_S = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Counts of records, each of `step_s` seconds, from `start_ms` on."""

    start_ms: int
    step_s: int
    counts: Sequence[int]

    def per_minute(self) -> list[float]:
        """The counts as so many a minute."""
        return [round(count * 60 / self.step_s, 2) for count in self.counts]


def step_for(span_s: float) -> int:
    """The length of a step, in seconds, so that a span has few enough of them."""
    return next((step for step in _STEPS_S if span_s <= step * MOST_STEPS), _STEPS_S[-1])


def pace_of(commits: Iterable[tuple[int, int]], *, start_ms: int, end_ms: int, step_s: int) -> Pace:
    """Add up (time in ms, records) pairs; what lies outside is left out."""
    steps = max(1, min(10 * MOST_STEPS, -((start_ms - end_ms) // (step_s * 1000))))
    counts = [0] * steps
    for time_ms, records in commits:
        place = (time_ms - start_ms) // (step_s * 1000)
        if 0 <= place < steps:
            counts[place] += records
    return Pace(start_ms=start_ms, step_s=step_s, counts=counts)


def levels_of(
    samples: Iterable[tuple[int, int]], *, start_ms: int, end_ms: int, step_s: int
) -> list[int | None]:
    """The last value of (time in ms, value) samples in each step; None before the first.

    A step without a sample has the value of the one before it, also behind the last.
    """
    steps = max(1, min(10 * MOST_STEPS, -((start_ms - end_ms) // (step_s * 1000))))
    levels: list[int | None] = [None] * steps
    for time_ms, value in samples:
        place = (time_ms - start_ms) // (step_s * 1000)
        if 0 <= place < steps:
            levels[place] = value
    for place in range(1, steps):
        if levels[place] is None:
            levels[place] = levels[place - 1]
    return levels


Line = Sequence[float | None]


def band_of(runs: Sequence[Line], steps: int) -> tuple[list[float | None], list[float | None]]:
    """Between which values four fifths of some runs were in each step: the lower and the upper.

    None where too few of them went on for so long.
    """
    low: list[float | None] = []
    high: list[float | None] = []
    for step in range(steps):
        values = sorted(
            value for run in runs if step < len(run) and (value := run[step]) is not None
        )
        enough = len(values) >= FEWEST_RUNS
        low.append(_at(values, LOW) if enough else None)
        high.append(_at(values, HIGH) if enough else None)
    return low, high


def _at(values: Sequence[float], share: float) -> float:
    """The value below which a share of ordered values lies, between two of them if need be."""
    place = share * (len(values) - 1)
    before = int(place)
    behind = min(before + 1, len(values) - 1)
    return round(values[before] + (values[behind] - values[before]) * (place - before), 2)
