"""Does a run look unlike the runs before it? A hint in numbers; it never fails a job.

The rule: at least 5 runs before. `m` is their median, `s` 1.4826 times the median of the
distances from it, and at least 5 % of `m`. Warned of are
items below m - 3 s and below 0.8 m, or none where there were some;
a duration above m + 3 s and above 1.5 m, by two seconds or more: less is the machine's doing;
errors above the most so far and above 3;
a field that fewer items have, by 20 points or more;
a share of 4xx and 5xx answers that has doubled and is 5 % or more.
A run that goes on is compared with what the others would have had at its age, once it has
taken a quarter of their median duration.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

FEWEST_RUNS = 5
_TO_SIGMA = 1.4826
_FLOOR = 0.05
_SIGMAS = 3
_LOW, _LONG = 0.8, 1.5
_SHORT_S = 2.0
_FEW_ERRORS = 3
_POINTS = 0.20
_SHARE = 0.05
_YOUNG = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """A run in numbers. `coverage` is the share of items that have a field, by its name.

    `bad_share` is that of 4xx and 5xx among the answers; None where it is not known.
    """

    items: int
    duration_s: float
    errors: int
    bad_share: float | None = None
    coverage: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Anomaly:
    """One thing that is unlike before: what, its number, the range before, of how many runs."""

    what: str
    value: float
    low: float
    high: float
    usual: float
    runs: int


def anomalies(
    run: Measures, before: Sequence[Measures], *, is_running: bool = False
) -> list[Anomaly]:
    """Say what is unlike the runs before."""
    if len(before) < FEWEST_RUNS:
        return []
    usual_s = median(one.duration_s for one in before)
    if is_running and run.duration_s < _YOUNG * usual_s:
        return []
    share = min(1.0, run.duration_s / usual_s) if is_running and usual_s > 0 else 1.0
    found = []
    items = [one.items * share for one in before]
    middle, spread = _usual(items)
    too_few = run.items < middle - _SIGMAS * spread and run.items < _LOW * middle
    if too_few or (run.items == 0 and middle > 0):
        found.append(_anomaly("items", run.items, items))
    durations = [one.duration_s for one in before]
    middle, spread = _usual(durations)
    longest_s = max(middle + _SIGMAS * spread, _LONG * middle)
    if run.duration_s > longest_s and run.duration_s >= middle + _SHORT_S:
        found.append(_anomaly("duration", run.duration_s, durations))
    errors = [one.errors for one in before]
    if run.errors > max(errors) and run.errors > _FEW_ERRORS:
        found.append(_anomaly("errors", run.errors, errors))
    return [*found, *_fields(run, before), *_answers(run, before)]


def _fields(run: Measures, before: Sequence[Measures]) -> list[Anomaly]:
    """Fields that fewer items have than before."""
    if not run.items:
        return []
    found = []
    for name in sorted({name for one in before for name in one.coverage}):
        shares = [one.coverage.get(name, 0.0) for one in before if one.items]
        if len(shares) >= FEWEST_RUNS:
            now = run.coverage.get(name, 0.0)
            if round(median(shares) - now, 6) >= _POINTS:
                found.append(_anomaly(f"field {name}", now, shares))
    return found


def _answers(run: Measures, before: Sequence[Measures]) -> list[Anomaly]:
    shares = [one.bad_share for one in before if one.bad_share is not None]
    now = run.bad_share
    if now is None or len(shares) < FEWEST_RUNS:
        return []
    is_more = now >= _SHARE and now >= 2 * median(shares)
    return [_anomaly("4xx and 5xx answers", now, shares)] if is_more else []


def _usual(values: Sequence[float]) -> tuple[float, float]:
    """The median, and how far values lie from it."""
    middle = median(values)
    distance = median(abs(value - middle) for value in values)
    return middle, max(_TO_SIGMA * distance, _FLOOR * middle)


def _anomaly(what: str, value: float, before: Sequence[float]) -> Anomaly:
    return Anomaly(
        what=what,
        value=value,
        low=min(before),
        high=max(before),
        usual=median(before),
        runs=len(before),
    )
