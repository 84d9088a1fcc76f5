"""Small pictures made on the server: the places of their marks, for a template to draw as SVG."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from scrapy_do.core.job import Outcome
from scrapy_do.core.run_history import Run
from scrapy_do.ui.words import number

HEIGHT = 24
_STEP, _WIDTH = 6, 4
KINDS = {
    Outcome.SUCCESSFUL: "good",
    Outcome.FAILED: "bad",
    Outcome.LOST: "bad",
    Outcome.CANCELED: "ended",
}
"""The shape and colour of a run, by its outcome."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """The last runs of a spider as bars, as high as their items; `label` says it in words.

    `paths` are those of all bars of a kind, by the kind: a page has a thousand bars.
    """

    width: int
    height: int
    paths: Mapping[str, str]
    label: str


def bars(runs: Sequence[Run]) -> Bars:
    """Draw runs, the newest last."""
    most = max((run.items for run in runs), default=0)
    paths = _paths(
        (KINDS[run.outcome], place, max(2, round(run.items / most * HEIGHT)) if most else 2)
        for place, run in enumerate(runs)
    )
    return Bars(width=max(1, len(runs)) * _STEP, height=HEIGHT, paths=paths, label=_label(runs))


def measures(
    values: Sequence[float | None], said: Callable[[float], str], *, top: float = 0
) -> Bars:
    """Draw numbers over time, the newest last; what is not known leaves a gap.

    `said` puts a number into words, `top` is what the highest bar stands for, 0 for the most.
    """
    known = [value for value in values if value is not None]
    most = top or max(known, default=0)
    paths = _paths(
        ("run", place, max(1, round(value / most * HEIGHT)) if most else 1)
        for place, value in enumerate(values)
        if value is not None
    )
    words = "nothing is known yet"
    if known:
        words = f"{said(min(known))} to {said(max(known))}, last {said(known[-1])}"
    return Bars(width=max(1, len(values)) * _STEP, height=HEIGHT, paths=paths, label=words)


def _paths(bars: Iterable[tuple[str, int, int]]) -> Mapping[str, str]:
    """Draw bars: their kind, place and height. A bad one is a cross."""
    paths: dict[str, str] = {}
    for kind, place, height in bars:
        x = place * _STEP + 1
        shape = (
            f"M{x} {HEIGHT - _WIDTH}l4 4m0 -4l-4 4"
            if kind == "bad"
            else f"M{x} {HEIGHT - height}h{_WIDTH}v{height}h-{_WIDTH}z"
        )
        paths[kind] = paths.get(kind, "") + shape
    return paths


def _label(runs: Sequence[Run]) -> str:
    if not runs:
        return "no run has ended yet"
    items = [run.items for run in runs]
    bad = sum(run.outcome in (Outcome.FAILED, Outcome.LOST) for run in runs)
    return (
        f"last {len(runs)} runs: {number(min(items))} to {number(max(items))} items, "
        f"last {number(items[-1])}; {bad or 'none'} failed"
    )
