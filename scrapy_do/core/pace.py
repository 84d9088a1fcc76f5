"""How many records a crawl made when: counts in steps of equal length, few enough to draw."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MOST_STEPS = 120
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
