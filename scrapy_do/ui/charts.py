"""Small pictures made on the server: the places of their marks, for a template to draw as SVG."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scrapy_do.core.job import Outcome
from scrapy_do.core.run_history import Run
from scrapy_do.ui.words import number

HEIGHT = 24
_STEP, _WIDTH = 6, 4
_KINDS = {
    Outcome.SUCCESSFUL: "good",
    Outcome.FAILED: "bad",
    Outcome.LOST: "bad",
    Outcome.CANCELED: "ended",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One run: where its bar begins and how high it is. `kind` is its shape and colour."""

    kind: str
    x: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """The last runs of a spider as bars, as high as their items; `label` says it in words."""

    width: int
    height: int
    bars: Sequence[Bar]
    label: str


def bars(runs: Sequence[Run]) -> Bars:
    """Draw runs, the newest last."""
    most = max((run.items for run in runs), default=0)
    drawn = [
        Bar(
            kind=_KINDS[run.outcome],
            x=place * _STEP + 1,
            height=max(2, round(run.items / most * HEIGHT)) if most else 2,
        )
        for place, run in enumerate(runs)
    ]
    return Bars(width=max(1, len(runs)) * _STEP, height=HEIGHT, bars=drawn, label=_label(runs))


def measures(
    values: Sequence[float | None], said: Callable[[float], str], *, top: float = 0
) -> Bars:
    """Draw numbers over time, the newest last; what is not known leaves a gap.

    `said` puts a number into words, `top` is what the highest bar stands for, 0 for the most.
    """
    known = [value for value in values if value is not None]
    most = top or max(known, default=0)
    drawn = [
        Bar(
            kind="run",
            x=place * _STEP + 1,
            height=max(1, round(value / most * HEIGHT)) if most else 1,
        )
        for place, value in enumerate(values)
        if value is not None
    ]
    words = "nothing is known yet"
    if known:
        words = f"{said(min(known))} to {said(max(known))}, last {said(known[-1])}"
    return Bars(width=max(1, len(values)) * _STEP, height=HEIGHT, bars=drawn, label=words)


def _label(runs: Sequence[Run]) -> str:
    if not runs:
        return "no run has ended yet"
    items = [run.items for run in runs]
    bad = sum(run.outcome in (Outcome.FAILED, Outcome.LOST) for run in runs)
    return (
        f"last {len(runs)} runs: {number(min(items))} to {number(max(items))} items, "
        f"last {number(items[-1])}; {bad or 'none'} failed"
    )
