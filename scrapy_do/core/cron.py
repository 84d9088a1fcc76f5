"""Cron expressions: cronsim says which instants, this counts them without walking.

The rules are cronsim's, which are Debian cron's: a fixed time in a gap runs right after
it, in an overlap once; wildcards, and expressions with seconds, follow elapsed time.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from scrapy_do.core.series import DAY, from_epoch_s, resolve, to_epoch_s

DAY_S = 86_400
FIELDS_WITH_SECONDS = 6


def fault_of(expression: str, since: datetime) -> str | None:
    """Return what is wrong with a cron expression, None for a right one.

    One that matches nothing in the 50 years after `since` is wrong too.
    """
    try:
        first = next(CronSim(expression, since.astimezone(UTC)), None)
    except CronSimError as fault:
        return str(fault)
    return "it never matches" if first is None else None


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
        self._fields = CronSim(expression, datetime(1970, 1, 1, tzinfo=UTC))
        self._hours = sorted(self._fields.hours)
        self._minutes = sorted(self._fields.minutes)
        self._seconds = sorted(self._fields.seconds)
        words = expression.split()
        # The same expression at second 0 only: a day is walked over minute by minute.
        self._every_minute = (
            " ".join(("0", *words[1:])) if len(words) == FIELDS_WITH_SECONDS else expression
        )

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
        # cronsim counts fixed times on the naive clock: in the second run through a repeated
        # hour it answers with the first one, and times in a gap fall together. Only what is
        # later than the last instant is one more instant.
        last = after
        for local in CronSim(expression, after.astimezone(self._zone)):
            planned = local.astimezone(UTC)
            if planned > last:
                yield planned
                last = planned

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
        total = 0
        for planned in self._walk(self._every_minute, from_epoch_s(start) - timedelta(seconds=61)):
            minute = to_epoch_s(planned)
            if minute >= stop:
                break
            total += bisect_left(self._seconds, stop - minute)
            total -= bisect_left(self._seconds, start - minute)
        return total

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
