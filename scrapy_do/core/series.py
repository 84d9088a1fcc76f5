"""Rows of planned instants that are counted and looked up without walking over them.

A row numbers its instants from 1 in strictly increasing order. `index(at)` is the number
of instants at or before `at`, `instant(number)` the instant of that number, so the next
one after `t` is `instant(index(t) + 1)` and the count of `(a, b]` is `index(b) - index(a)`,
whether the row is a minute or ten years long.
"""

from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from scrapy_do.core.instants import EPOCH

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
SEASON_S = 56 * 86_400
"""How far apart a local clock is looked at for a change that is not a whole hour or minute.

Of today's zones only Lord Howe has such changes, half a year apart.
"""


def to_epoch_s(at: datetime) -> int:
    """Return the whole seconds since 1970 in UTC, rounded down."""
    return (at - EPOCH) // SECOND


def from_epoch_s(second: int) -> datetime:
    """Return the UTC instant that lies so many seconds after the start of 1970."""
    return EPOCH + timedelta(seconds=second)


def resolve(day: date, at: time, zone: ZoneInfo) -> datetime:
    """Return the UTC instant of a local date and time.

    A local time that does not exist moves forward by the gap; of one that occurs twice
    the first is meant. Source: RFC 5545, section 3.3.5, and PEP 495 with `fold=0`.
    """
    return datetime.combine(day, at.replace(fold=0), tzinfo=zone).astimezone(UTC)


def offset_s(zone: ZoneInfo, second: int) -> int:
    """Return by how many seconds the local clock is ahead of UTC, at that second since 1970."""
    offset = from_epoch_s(second).astimezone(zone).utcoffset()
    assert offset is not None  # a ZoneInfo always has one
    return offset // SECOND


def steady_until(zone: ZoneInfo, begin: int, stop: int, period_s: int) -> int:
    """Return where the offset of the zone, modulo `period_s`, is first another than at `begin`.

    It is `stop` if it is the same there: `stop` must be so near that no zone changes and
    changes back in between.
    """

    def phase(second: int) -> int:
        return offset_s(zone, second) % period_s

    first = phase(begin)
    if phase(stop) == first:
        return stop
    return begin + bisect_left(range(begin, stop), True, key=lambda second: phase(second) != first)


class Series(Protocol):
    """A strictly increasing row of instants, numbered from 1."""

    def index(self, at: datetime) -> int:
        """Return how many instants lie at or before `at`."""
        ...

    def instant(self, number: int) -> datetime | None:
        """Return the instant of this number, from 1; None when the row ends before it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ElapsedSeries:
    """`anchor + number * gap`, in UTC: clock changes do not touch it."""

    anchor: datetime
    gap: timedelta

    def index(self, at: datetime) -> int:
        """Return how many instants lie at or before `at`."""
        return max(0, (at - self.anchor) // self.gap)

    def instant(self, number: int) -> datetime:
        """Return the instant of this number, from 1."""
        return self.anchor + number * self.gap


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleSeries:
    """One instant."""

    only: datetime

    def index(self, at: datetime) -> int:
        """Return how many instants lie at or before `at`."""
        return int(self.only <= at)

    def instant(self, number: int) -> datetime | None:
        """Return the only instant for number 1, else None."""
        return self.only if number == 1 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarSeries:
    """One instant on `first` and on every `step_days`-th local date after it, at `at`."""

    zone: ZoneInfo
    first: date
    step_days: int
    at: time

    def index(self, at: datetime) -> int:
        """Return how many instants lie at or before `at`."""
        days = (at.astimezone(self.zone).date() - self.first).days
        # One step too far, then back: a clock that goes back over midnight shows the same
        # date twice, so that the date alone does not tell which instants have passed.
        number = days // self.step_days + 2
        while self.instant(number) > at:
            number -= 1
        return max(0, number)

    def instant(self, number: int) -> datetime:
        """Return the instant of this number, from 1."""
        return resolve(self.first + (number - 1) * self.step_days * DAY, self.at, self.zone)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockSeries:
    """Every `every`-th instant after `zero_s` at which the local clock strikes.

    It strikes when the local time modulo `period_s` is `strike_s`: minute and second of
    the hour (period 3,600 s), or the second of the minute (period 60 s). `zero_s` is in
    seconds since 1970. An hour that is shown twice strikes twice.
    """

    zone: ZoneInfo
    period_s: int
    strike_s: int
    every: int
    zero_s: int

    def index(self, at: datetime) -> int:
        """Return how many instants lie at or before `at`."""
        begin, stop = self.zero_s + 1, to_epoch_s(at) + 1
        strikes = 0
        while begin < stop:
            end = self._steady_until(begin, min(begin + SEASON_S, stop))
            strikes += self._strikes(begin, end)
            begin = end
        return strikes // self.every

    def instant(self, number: int) -> datetime:
        """Return the instant of this number, from 1."""
        begin, wanted = self.zero_s + 1, number * self.every
        while True:
            end = self._steady_until(begin, begin + SEASON_S)
            strikes = self._strikes(begin, end)
            if strikes >= wanted:
                first_s = self._first_strike(begin)
                return from_epoch_s(first_s + (wanted - 1) * self.period_s)
            wanted -= strikes
            begin = end

    def _steady_until(self, begin: int, stop: int) -> int:
        return steady_until(self.zone, begin, stop, self.period_s)

    def _first_strike(self, begin: int) -> int:
        return begin + (self.strike_s - begin - offset_s(self.zone, begin)) % self.period_s

    def _strikes(self, begin: int, end: int) -> int:
        """Return the number of strikes from `begin` up to, not including, `end`."""
        return max(0, -((self._first_strike(begin) - end) // self.period_s))
