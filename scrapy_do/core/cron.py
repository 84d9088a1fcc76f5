"""Cron expressions in a zone: cronsim reads them, this keeps them right over clock changes.

The rules are Debian cron's, as in cronsim: with a fixed minute and hour a time in a gap
runs right after it, in an overlap once; wildcards, and expressions with seconds, run
whenever the local clock shows a matching time.

Note [Why cronsim runs on a naive clock]
    Given a zone, cronsim 2.8 loops for ever where a change is not a whole hour on the hour:
    `51 */3 * * *` in Pacific/Chatham on an autumn day. On a clock without zone it always
    goes forward, so it is asked about stretches of one offset, and about nothing else.
"""

from bisect import bisect_left
from calendar import monthrange
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import product, takewhile
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from scrapy_do.core.series import (
    DAY,
    SECOND,
    from_epoch_s,
    offset_s,
    resolve,
    steady_until,
    to_epoch_s,
)

DAY_S = 86_400
WEEK_S = 7 * DAY_S
"""How far apart a local clock is looked at: no zone changes and changes back within it."""

FIELDS_WITH_SECONDS = 6
MINUTE = timedelta(minutes=1)
NAIVE_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - what a local clock shows


def _days_by_length() -> Mapping[int, tuple[date, ...]]:
    """Return the days of months that begin on every weekday, by the length of these months.

    They stand for all days of months of that length: on nothing else depends what matches.
    """
    months = {}
    for year, month in product(range(2000, 2028), range(1, 13)):
        weekday, length = monthrange(year, month)
        months[length, weekday] = date(year, month, 1)
    return {
        length: tuple(
            months[length, weekday] + n * DAY for weekday, n in product(range(7), range(length))
        )
        for length in (28, 29, 30, 31)
    }


_DAYS = _days_by_length()
_LENGTHS = {month: {monthrange(year, month)[1] for year in (2000, 2001)} for month in range(1, 13)}


def fault_of(expression: str) -> str | None:
    """Return what is wrong with a cron expression, None for a right one.

    One that matches no day is wrong too: cronsim itself would look through 50 years.
    """
    try:
        fields = CronSim(expression, NAIVE_EPOCH)
    except CronSimError as fault:
        return str(fault)
    lengths = set().union(*(_LENGTHS[month] for month in fields.months))
    matches = any(fields.match_day(day) for length in lengths for day in _DAYS[length])
    return None if matches else "it never matches"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Day:
    """The part from `start` to `stop` of one local day that began at `midnight` (epoch seconds).

    `plain` says that no clock change is near, so that the day has every local time once.
    """

    day: date
    midnight: int
    start: int
    stop: int
    plain: bool


class Crontab:
    """One cron expression in one zone. Lists of instants are in UTC, oldest first."""

    def __init__(self, expression: str, zone: ZoneInfo) -> None:
        self._expression = expression
        self._zone = zone
        self._fields = CronSim(expression, NAIVE_EPOCH)
        self._hours = sorted(self._fields.hours)
        self._minutes = sorted(self._fields.minutes)
        self._seconds = sorted(self._fields.seconds)
        words = expression.split()
        with_seconds = len(words) == FIELDS_WITH_SECONDS
        self._fixed = not with_seconds and "*" not in (words[0][0], words[1][0])
        # The same expression at second 0 only: for counting, days are walked by minutes.
        self._every_minute = " ".join(("0", *words[1:])) if with_seconds else expression

    def walk(self, after: datetime) -> Iterator[datetime]:
        """Yield the instants strictly after `after`, in strictly increasing order."""
        return self._walk(self._expression, after)

    def count(self, after: datetime, until: datetime) -> int:
        """Return the number of instants in (after, until]: a step a day, not one an instant."""
        return sum(map(self._count, self._days(after, until)))

    def newest(self, after: datetime, until: datetime, most: int) -> tuple[datetime, ...]:
        """Return the newest instants in (after, until], at most `most`."""
        start, wanted = until, most
        for day in reversed(self._days(after, until)):
            start = from_epoch_s(self._newest_start(day, wanted) - 1)
            wanted -= self._count(day)
            if wanted <= 0:
                break
        found = takewhile(lambda planned: planned <= until, self.walk(start))
        return tuple(deque(found, maxlen=most))

    def _walk(self, expression: str, after: datetime) -> Iterator[datetime]:
        return self._walk_fixed(after) if self._fixed else self._walk_shown(expression, after)

    def _walk_fixed(self, after: datetime) -> Iterator[datetime]:
        """Yield one instant for each local time; times in a gap fall together right after it."""
        last = after
        # In the second run through a repeated hour the naive clock is behind, and finds times
        # that have passed: only what is later than the last instant is one more.
        for local in CronSim(self._expression, after.astimezone(self._zone).replace(tzinfo=None)):
            planned = self._first_real(local)
            if planned > last:
                yield planned
                last = planned

    def _first_real(self, local: datetime) -> datetime:
        while True:
            instant = resolve(local.date(), local.time(), self._zone)
            if instant.astimezone(self._zone).replace(tzinfo=None) == local:
                return instant
            local += MINUTE

    def _walk_shown(self, expression: str, after: datetime) -> Iterator[datetime]:
        """Yield every instant at which the local clock shows a matching time."""
        end = to_epoch_s(after) + 1
        while True:
            begin, offset = end, offset_s(self._zone, end)
            local = NAIVE_EPOCH + (begin + offset) * SECOND
            for shown in CronSim(expression, local - SECOND):
                second = (shown - NAIVE_EPOCH) // SECOND - offset
                while second >= end and offset_s(self._zone, end) == offset:
                    end = steady_until(self._zone, end, end + WEEK_S, DAY_S)
                if second >= end:
                    break
                yield from_epoch_s(second)
            else:
                return  # it never matches again

    def _days(self, after: datetime, until: datetime) -> list[_Day]:
        """Return the local days, whole or in part, of the seconds in (after, until]."""
        low, high = to_epoch_s(after) + 1, to_epoch_s(until) + 1
        day = from_epoch_s(low).astimezone(self._zone).date()
        before, start, stop = (self._midnight(day + n * DAY) for n in (-1, 0, 1))
        days = []
        while start < high:
            later = self._midnight(day + 2 * DAY)
            days.append(
                _Day(
                    day=day,
                    midnight=start,
                    start=max(start, low),
                    stop=min(stop, high),
                    plain=later - before == 3 * DAY_S,
                )
            )
            day, before, start, stop = day + DAY, start, stop, later
        return days

    def _midnight(self, day: date) -> int:
        return to_epoch_s(resolve(day, time(), self._zone))

    def _count(self, day: _Day) -> int:
        return self._count_from(day, day.start)

    def _count_from(self, day: _Day, start: int) -> int:
        """Return the number of instants of the day from `start` on."""
        if not day.plain:
            return self._walked(start, day.stop)
        if day.day.month not in self._fields.months or not self._fields.match_day(day.day):
            return 0
        return self._times_before(day.stop - day.midnight) - self._times_before(
            start - day.midnight
        )

    def _times_before(self, second_of_day: int) -> int:
        """Return how many matching times of day lie before this one."""
        hour, rest = divmod(second_of_day, 3600)
        minute, second = divmod(rest, 60)
        times = bisect_left(self._hours, hour) * len(self._minutes) * len(self._seconds)
        if hour in self._fields.hours:
            times += bisect_left(self._minutes, minute) * len(self._seconds)
            if minute in self._fields.minutes:
                times += bisect_left(self._seconds, second)
        return times

    def _walked(self, start: int, stop: int) -> int:
        """Return the number of instants from `start` up to, not including, `stop`."""
        walk = self._walk(self._every_minute, from_epoch_s(start) - timedelta(seconds=61))
        return sum(
            bisect_left(self._seconds, stop - minute) - bisect_left(self._seconds, start - minute)
            for minute in takewhile(lambda minute: minute < stop, map(to_epoch_s, walk))
        )

    def _newest_start(self, day: _Day, wanted: int) -> int:
        """Return the latest second of the day from which it has `wanted` instants, if it has."""
        return max(
            day.start,
            day.start
            - 1
            + bisect_left(
                range(day.start, day.stop),
                True,
                key=lambda start: self._count_from(day, start) < wanted,
            ),
        )
