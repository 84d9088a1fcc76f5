"""The kinds of scheduling specification, as values, and how they are written and said.

`str(value)` is the normal form: the text that is stored, and parses to the same value.
What the kinds mean, as instants, is in `core/when.py`.
"""

from dataclasses import dataclass
from datetime import datetime, time
from enum import StrEnum
from zoneinfo import ZoneInfo

from cronsim.explain import explain as explain_cron

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
"""The names of the weekdays, at the index that `date.weekday` gives them."""


class Unit(StrEnum):
    """A unit of time, by its plural."""

    SECONDS = "seconds"
    MINUTES = "minutes"
    HOURS = "hours"
    DAYS = "days"
    WEEKS = "weeks"

    @property
    def singular(self) -> str:
        """The name of one of them."""
        return self.value[:-1]

    @property
    def length_s(self) -> int:
        """Its length in seconds, without regard to clock changes."""
        return UNIT_LENGTHS_S[self]


UNIT_LENGTHS_S = {
    Unit.SECONDS: 1,
    Unit.MINUTES: 60,
    Unit.HOURS: 3600,
    Unit.DAYS: 86_400,
    Unit.WEEKS: 7 * 86_400,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Elapsed:
    """Every `every` seconds, minutes or hours of elapsed time."""

    every: int
    unit: Unit

    def __str__(self) -> str:
        return _every(self.every, self.unit)

    def sentence(self, zone: ZoneInfo) -> str:  # noqa: ARG002 - elapsed time knows no zone
        """Return what people read."""
        return str(self).capitalize()


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomGap:
    """A gap drawn evenly from `fewest` to `most` units, counted from the instant before.

    Without `at` whole seconds are drawn, and clock changes do not touch the gap. With
    `at`, which only days have, whole days are drawn and the local time is always `at`.
    """

    fewest: int
    most: int
    unit: Unit
    at: time | None = None

    def __str__(self) -> str:
        return f"every {self.fewest} to {self.most} {self.unit}{_at(self.at)}"

    def sentence(self, zone: ZoneInfo) -> str:
        """Return what people read."""
        place = "" if self.at is None else f", {zone.key}"
        return f"{str(self).capitalize()}, drawn at random{place}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """Every `every` days or weeks, or on a weekday (0 is Monday, `every` is 1, unit weeks).

    The local time is `at`, or that of the acceptance. With `every` 1 today counts if the
    time is still ahead, otherwise the first instant is that many dates later.
    """

    every: int
    unit: Unit
    weekday: int | None = None
    at: time | None = None

    def __str__(self) -> str:
        if self.weekday is not None:
            return f"every {WEEKDAYS[self.weekday]}{_at(self.at)}"
        return f"{_every(self.every, self.unit)}{_at(self.at)}"

    def sentence(self, zone: ZoneInfo) -> str:
        """Return what people read."""
        day = _every(self.every, self.unit).capitalize()
        if self.weekday is not None:
            day = f"Every {WEEKDAYS[self.weekday].capitalize()}"
        return f"{day}{_at(self.at) or ' at the time of day of its acceptance'}, {zone.key}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Whenever the local clock shows this minute (hours) and second (hours, minutes).

    With `every` above 1 every so-many-th time, counted from the hour or minute of the
    acceptance. `minute` is 0 with unit minutes.
    """

    every: int
    unit: Unit
    minute: int = 0
    second: int = 0

    def __str__(self) -> str:
        strike = f":{self.minute:02}"
        if self.unit is Unit.MINUTES:
            strike = f":{self.second:02}"
        elif self.second:
            strike = f"{self.minute:02}:{self.second:02}"
        return f"{_every(self.every, self.unit)} at {strike}"

    def sentence(self, zone: ZoneInfo) -> str:
        """Return what people read; it says 'minute' and 'second', which the text does not."""
        shown = [f"minute {self.minute}"] if self.unit is Unit.HOURS else []
        if self.second or not shown:
            shown.append(f"second {self.second}")
        every = _every(self.every, self.unit).capitalize()
        return f"{every} at {' and '.join(shown)}, {zone.key}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cron:
    """A cron expression of five fields, or six with seconds first, in capitals."""

    expression: str

    def __str__(self) -> str:
        return f"cron {self.expression}"

    def sentence(self, zone: ZoneInfo) -> str:
        """Return what people read, by cronsim."""
        return f"{explain_cron(self.expression)}, {zone.key}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Once:
    """One local date and time (naive)."""

    local: datetime

    def __str__(self) -> str:
        return f"at {self.local.date()}{_at(self.local.time()).removeprefix(' at')}"

    def sentence(self, zone: ZoneInfo) -> str:
        """Return what people read."""
        weekday = WEEKDAYS[self.local.weekday()].capitalize()
        return f"Once, on {weekday} {self.local.date()}{_at(self.local.time())}, {zone.key}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """At once: it makes a job and no schedule."""

    def __str__(self) -> str:
        return "now"

    def sentence(self, zone: ZoneInfo) -> str:  # noqa: ARG002 - now is now everywhere
        """Return what people read."""
        return "Now"


When = Elapsed | RandomGap | Calendar | Clock | Cron | Once


def _every(every: int, unit: Unit) -> str:
    return f"every {unit.singular}" if every == 1 else f"every {every} {unit}"


def _at(at: time | None) -> str:
    return "" if at is None else f" at {at.isoformat('seconds' if at.second else 'minutes')}"
