"""What a scheduling specification means: the planned instants of each kind of `When`.

Pure: the clock, the zone and the random generator come in as arguments. Instants are
aware UTC datetimes, in and out; zones matter only for the kinds that read a local clock.

Every kind but `RandomGap` is a row of instants fixed by (when, zone, anchor), the anchor
being the moment of acceptance: all of them lie after the anchor, in strictly increasing
order. `RandomGap` has one planned instant at a time: the one before plus a drawn gap.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice, takewhile
from random import Random
from typing import assert_never
from zoneinfo import ZoneInfo

from scrapy_do.core.cron import Crontab
from scrapy_do.core.kinds import (
    Calendar,
    Clock,
    Cron,
    Elapsed,
    Now,
    Once,
    RandomGap,
    Unit,
    When,
)
from scrapy_do.core.series import (
    DAY,
    CalendarSeries,
    ClockSeries,
    ElapsedSeries,
    Series,
    SingleSeries,
    resolve,
    to_epoch_s,
)

__all__ = [
    "Calendar",
    "Clock",
    "Cron",
    "Elapsed",
    "Instants",
    "Now",
    "Once",
    "RandomGap",
    "Unit",
    "When",
    "draw",
    "explain",
    "first_range",
    "instants_between",
    "missed",
    "next_after",
    "normal",
    "shortest_gap",
    "upcoming",
]

FixedWhen = Elapsed | Calendar | Clock | Cron | Once
"""The kinds whose instants are fixed by (when, zone, anchor): all but `RandomGap`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instants:
    """The planned instants of a stretch of time: their number, the first, the newest ones.

    `newest` is oldest first and holds all of them if they are few.
    """

    count: int = 0
    first: datetime | None = None
    newest: tuple[datetime, ...] = ()


def normal(when: When | Now) -> str:
    """Return the normal form: the text that is stored, and parses to the same value."""
    return str(when)


def explain(when: When | Now, zone: ZoneInfo) -> str:
    """Return a plain English sentence for people, without a full stop."""
    return when.sentence(zone)


def draw(when: When, rng: Random) -> timedelta | None:
    """Return a gap drawn for the next instant of a `RandomGap`; None for every other kind."""
    if not isinstance(when, RandomGap):
        return None
    if when.at is not None:
        return rng.randint(when.fewest, when.most) * DAY
    length_s = when.unit.length_s
    return timedelta(seconds=rng.randint(when.fewest * length_s, when.most * length_s))


def shortest_gap(when: RandomGap) -> timedelta:
    """Return the shortest gap that `draw` may give."""
    return timedelta(seconds=when.fewest * when.unit.length_s)


def first_range(
    when: When, *, zone: ZoneInfo, anchor: datetime
) -> tuple[datetime, datetime] | None:
    """Return the earliest and the latest that the first instant of a `RandomGap` can be.

    None for every other kind, whose instants are known, and where there is no such instant.
    """
    if not isinstance(when, RandomGap):
        return None
    gaps = [timedelta(seconds=number * when.unit.length_s) for number in (when.fewest, when.most)]
    ends = [next_after(when, zone=zone, anchor=anchor, after=anchor, drawn=gap) for gap in gaps]
    earliest, latest = ends
    return None if earliest is None or latest is None else (earliest, latest)


def next_after(
    when: When,
    *,
    zone: ZoneInfo,
    anchor: datetime,
    after: datetime,
    drawn: timedelta | None = None,
) -> datetime | None:
    """Return the first planned instant strictly after `after`; None if there is none.

    For `RandomGap` `after` must be the planned instant before, or the anchor, and `drawn`
    what `draw` gave. For the other kinds `after` is any instant; one before the anchor
    counts as the anchor.

    Raises:
        ValueError: a `RandomGap` without a drawn gap, or with one that leads nowhere.
    """
    if isinstance(when, RandomGap):
        return _next_random(when, zone=zone, after=after, drawn=drawn)
    walk = _walk(when, zone=zone, anchor=anchor, after=max(after, anchor))
    return next(walk, None)


def instants_between(
    when: When,
    *,
    zone: ZoneInfo,
    anchor: datetime,
    first_exclusive: datetime,
    last_inclusive: datetime,
) -> Iterator[datetime]:
    """Yield the planned instants of (first, last], oldest first, as they are asked for.

    Raises:
        TypeError: a `RandomGap`, whose instants are known one at a time.
    """
    since = max(first_exclusive, anchor)
    return takewhile(
        lambda planned: planned <= last_inclusive,
        _walk(_fixed(when), zone=zone, anchor=anchor, after=since),
    )


def upcoming(
    when: When,
    *,
    zone: ZoneInfo,
    anchor: datetime,
    after: datetime,
    most: int,
    drawn: timedelta | None = None,
) -> tuple[datetime, ...]:
    """Return the next planned instants strictly after `after`, at most `most`.

    Of a `RandomGap` the next one at most is known: the one that `drawn` leads to.
    """
    if isinstance(when, RandomGap):
        if drawn is None:
            return ()
        return (_next_random(when, zone=zone, after=after, drawn=drawn),)[:most]
    walk = _walk(when, zone=zone, anchor=anchor, after=max(after, anchor))
    return tuple(islice(walk, most))


def missed(
    when: When,
    *,
    zone: ZoneInfo,
    anchor: datetime,
    first_exclusive: datetime,
    last_inclusive: datetime,
    most: int,
) -> Instants:
    """Count the planned instants of (first, last] and find the first and the `most` newest.

    Takes no longer for more instants: a year of 'every second' is as quick as a day. Cron
    expressions take a step for each day (about 5 ms for a year); the count is exact.

    Raises:
        TypeError: a `RandomGap`, whose instants are known one at a time.
    """
    fixed = _fixed(when)
    since = max(first_exclusive, anchor)
    if last_inclusive <= since:
        return Instants()
    newest: tuple[datetime, ...]
    if isinstance(fixed, Cron):
        crontab = Crontab(fixed.expression, zone)
        count = crontab.count(since, last_inclusive)
        newest = crontab.newest(since, last_inclusive, most)
    else:
        series = _series(fixed, zone=zone, anchor=anchor, since=since)
        passed, last = series.index(since), series.index(last_inclusive)
        count = last - passed
        numbers = range(max(passed, last - most) + 1, last + 1)
        newest = tuple(planned for n in numbers if (planned := series.instant(n)) is not None)
    first = next(_walk(fixed, zone=zone, anchor=anchor, after=since)) if count else None
    return Instants(count=count, first=first, newest=newest)


def _fixed(when: When) -> FixedWhen:
    if isinstance(when, RandomGap):
        raise TypeError("the instants of a random interval are known one at a time")
    return when


def _next_random(
    when: RandomGap, *, zone: ZoneInfo, after: datetime, drawn: timedelta | None
) -> datetime:
    if drawn is None:
        raise ValueError("a random interval needs its drawn gap")
    if when.at is None:
        planned = after + drawn
    else:
        planned = resolve(after.astimezone(zone).date() + drawn, when.at, zone)
    if planned <= after:
        raise ValueError(f"a gap of {drawn} does not lead beyond {after}")
    return planned


def _walk(
    when: FixedWhen, *, zone: ZoneInfo, anchor: datetime, after: datetime
) -> Iterator[datetime]:
    """Return the instants strictly after `after`, which is not before the anchor."""
    if isinstance(when, Cron):
        return Crontab(when.expression, zone).walk(after)
    return _walk_series(_series(when, zone=zone, anchor=anchor, since=after), after)


def _walk_series(series: Series, after: datetime) -> Iterator[datetime]:
    number = series.index(after) + 1
    while (planned := series.instant(number)) is not None:
        yield planned
        number += 1


def _series(
    when: Elapsed | Calendar | Clock | Once, *, zone: ZoneInfo, anchor: datetime, since: datetime
) -> Series:
    """Return the row of a kind, numbered so that it can be asked about `since` and later."""
    match when:
        case Elapsed():
            return ElapsedSeries(
                anchor=anchor, gap=timedelta(seconds=when.every * when.unit.length_s)
            )
        case Calendar():
            return _calendar_series(when, zone=zone, anchor=anchor)
        case Clock():
            return _clock_series(when, zone=zone, anchor=anchor, since=since)
        case Once():
            local = when.local
            return SingleSeries(only=resolve(local.date(), local.time(), zone))
        case _:
            assert_never(when)


def _calendar_series(when: Calendar, *, zone: ZoneInfo, anchor: datetime) -> CalendarSeries:
    accepted = anchor.astimezone(zone)
    step_days = when.every * when.unit.length_s // Unit.DAYS.length_s
    first = accepted.date()
    if when.weekday is not None:
        first += (when.weekday - first.weekday()) % 7 * DAY
    elif when.every > 1:
        first += step_days * DAY
    return CalendarSeries(
        zone=zone, first=first, step_days=step_days, at=when.at or accepted.time()
    )


def _clock_series(when: Clock, *, zone: ZoneInfo, anchor: datetime, since: datetime) -> ClockSeries:
    period_s = when.unit.length_s
    strike_s = (when.minute * 60 + when.second) % period_s
    if when.every == 1:
        zero_s = to_epoch_s(since)
    else:
        # Where the hour or minute of acceptance strikes, had it been one without a clock
        # change; the count starts there.
        accepted = anchor.astimezone(zone)
        shown_s = (accepted.minute * 60 + accepted.second) % period_s
        zero_s = to_epoch_s(anchor) - shown_s + strike_s
    return ClockSeries(
        zone=zone, period_s=period_s, strike_s=strike_s, every=when.every, zero_s=zero_s
    )
