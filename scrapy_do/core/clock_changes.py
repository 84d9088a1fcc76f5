"""What changes of the clock do to a schedule: which local time moves, which comes twice.

Only kinds that name a time of day are touched: `Calendar`, `Once`, and cron with a fixed minute
and hour. Others count elapsed time, or follow whatever the clock shows.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from itertools import islice, product
from zoneinfo import ZoneInfo

from scrapy_do.core.kinds import Calendar, Cron, Once, When
from scrapy_do.core.series import from_epoch_s, offset_s, steady_until, to_epoch_s
from scrapy_do.core.when import instants_between

AHEAD = timedelta(days=365)
_MOST = 20
_WEEK_S = 7 * 86_400
_NEVER_EQUAL = 10 * 86_400
"""A modulus larger than any offset, so that offsets are compared as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockChange:
    """A planned instant (in the zone) that a change of the clock touches.

    `instead_of` is the time of day that is skipped that day; None where the time of the instant
    comes twice, and the schedule runs once, the first time.
    """

    at: datetime
    instead_of: time | None


def clock_changes(when: When, *, zone: ZoneInfo, anchor: datetime) -> tuple[ClockChange, ...]:
    """The instants of the year after the anchor that a change of the clock touches."""
    if not isinstance(when, Calendar | Once | Cron):
        return ()
    if isinstance(when, Cron) and _times(when) is None:
        return ()
    last = anchor + AHEAD
    found = (
        change
        for at, gap in _changes(zone, anchor, last)
        for change in _touched(when, zone, anchor, at, gap)
    )
    return tuple(islice(found, _MOST))


def _changes(
    zone: ZoneInfo, first: datetime, last: datetime
) -> Iterator[tuple[datetime, timedelta]]:
    """When the clock is set, and by how much it goes forward."""
    begin, stop = to_epoch_s(first), to_epoch_s(last)
    while begin < stop:
        at = steady_until(zone, begin, begin + _WEEK_S, _NEVER_EQUAL)
        gap_s = offset_s(zone, at) - offset_s(zone, begin)
        if gap_s and at < stop:
            yield from_epoch_s(at), timedelta(seconds=gap_s)
        begin = at


def _touched(
    when: Calendar | Once | Cron, zone: ZoneInfo, anchor: datetime, at: datetime, gap: timedelta
) -> Iterator[ClockChange]:
    first, last = (at, at + gap) if gap > timedelta(0) else (at + gap, at)
    second = timedelta(seconds=1)
    instants = instants_between(
        when,
        zone=zone,
        anchor=anchor,
        first_exclusive=first - second,
        last_inclusive=last - second,
    )
    for instant in islice(instants, _MOST):
        local = instant.astimezone(zone)
        if gap < timedelta(0):
            yield ClockChange(at=local, instead_of=None)
            continue
        meant = _meant(when, local, (at - second).astimezone(zone).time(), gap)
        if meant is not None:
            yield ClockChange(at=local, instead_of=meant)


def _meant(
    when: Calendar | Once | Cron, local: datetime, before: time, gap: timedelta
) -> time | None:
    """The skipped time of day that ran at `local`; None when it runs then every day."""
    naive = local.replace(tzinfo=None)
    if isinstance(when, Cron):
        times = _times(when) or ()
        if naive.time() in times:
            return None
        skipped = [one for one in times if before < one < _after(before, gap)]
        return skipped[0] if skipped else None
    if isinstance(when, Once):
        return None if when.local == naive else when.local.time()
    if when.at == naive.time():
        return None
    return when.at or (naive - gap).time()


def _after(before: time, gap: timedelta) -> time:
    """The first time of day that is there again behind a gap."""
    day = datetime(2000, 1, 1)  # noqa: DTZ001 - only a time of day is counted on
    later = datetime.combine(day, before) + timedelta(seconds=1) + gap
    return later.time() if later.date() == day.date() else time.max


def _times(when: Cron) -> tuple[time, ...] | None:
    """The times of day of an expression that names minutes and hours; None for wildcards."""
    words = when.expression.split()
    if len(words) != 5 or "*" in (words[0][0], words[1][0]):  # noqa: PLR2004 - without seconds
        return None
    minutes, hours = (_numbers(word) for word in words[:2])
    return tuple(time(hour, minute) for hour, minute in product(hours, minutes))


def _numbers(field: str) -> tuple[int, ...]:
    """The numbers that a field of minutes or hours names, in order."""
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        low, _, high = span.partition("-")
        stop = int(high or (59 if step else low))
        found.update(range(int(low), stop + 1, int(step or 1)))
    return tuple(sorted(found))
