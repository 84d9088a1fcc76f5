"""The figures: what each is called, what it should be, what it was, as a table."""

import statistics
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

OURS, SCRAPYD, BARE = "Scrapy Do", "scrapyd", "scrapy crawl"
SYSTEMS = (OURS, SCRAPYD, BARE)

Medians = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Goal:
    """What our figure should be, in words and as a question about the medians by system."""

    text: str
    is_met: Callable[[Medians], bool]


def at_most(limit: float) -> Goal:
    """Our own figure has an upper limit."""
    return Goal(f"≤ {limit:g}", lambda medians: medians[OURS] <= limit)


def at_most_more(extra: float, other: str) -> Goal:
    """Our figure may exceed another system's by so much."""
    return Goal(f"≤ {other} + {extra:g}", lambda medians: medians[OURS] <= medians[other] + extra)


def at_most_part(divisor: float, other: str) -> Goal:
    """Our figure is another system's divided by so much, or less."""
    return Goal(
        f"≤ {other} / {divisor:g}", lambda medians: medians[OURS] * divisor <= medians[other]
    )


def at_least_times(factor: float, other: str) -> Goal:
    """Our figure is another system's times so much, or more."""
    return Goal(f"≥ {factor:g} x {other}", lambda medians: medians[OURS] >= factor * medians[other])


@dataclass(frozen=True, slots=True)
class Figure:
    """One row: its title, with the unit, and what it should be."""

    title: str
    goals: Sequence[Goal] = ()
    digits: int = 1


@dataclass(slots=True)
class Sheet:
    """All values that were measured, by figure and system."""

    values: dict[str, dict[str, list[float]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )

    def add(self, system: str, figures: Mapping[str, float | None]) -> None:
        """Take the values of one repetition; None is one that could not be measured."""
        for key, value in figures.items():
            if value is not None:
                self.values[key][system].append(value)

    def medians(self, key: str) -> Medians:
        """The median of a figure for each system that has it."""
        return {system: statistics.median(all_) for system, all_ in self.values[key].items()}


def table(sheet: Sheet, figures: Mapping[str, Figure]) -> str:
    """The figures that were measured, in Markdown: medians, and their range over repetitions."""
    lines = [
        f"| | {' | '.join(SYSTEMS)} | {' | '.join(f'of {one}' for one in SYSTEMS[1:])} | goal |",
        "|---|" + "---:|" * (2 * len(SYSTEMS) - 1) + "---|",
    ]
    for key, figure in figures.items():
        medians = sheet.medians(key)
        if OURS in medians:
            cells = [
                _spread(sheet.values[key].get(system, ()), figure.digits) for system in SYSTEMS
            ]
            ratios = [_ratio(medians, other) for other in SYSTEMS[1:]]
            lines.append(
                f"| {' | '.join([figure.title, *cells, *ratios, _verdict(figure, medians)])} |"
            )
    return "\n".join(lines)


def _spread(values: Sequence[float], digits: int) -> str:
    if not values:
        return ""
    middle, low, high = (
        f"{value:,.{digits}f}" for value in (statistics.median(values), min(values), max(values))
    )
    return middle if low == high else f"{middle} ({low} to {high})"


def _ratio(medians: Medians, other: str) -> str:
    if not medians.get(other):
        return ""
    ratio = medians[OURS] / medians[other]
    return f"{ratio:.3g}x"


def _verdict(figure: Figure, medians: Medians) -> str:
    """Each goal, and whether it is met, where what it compares with was measured."""
    said = []
    for goal in figure.goals:
        try:
            met = "met" if goal.is_met(medians) else "**missed**"
        except KeyError:
            met = "not compared"
        said.append(f"{goal.text}: {met}")
    return "; ".join(said)


def missed(sheet: Sheet, figures: Mapping[str, Figure]) -> list[str]:
    """The titles of the figures that miss a goal."""
    return [
        figure.title
        for key, figure in figures.items()
        if "**missed**" in _verdict(figure, sheet.medians(key))
    ]
