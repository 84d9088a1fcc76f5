"""The scheduling language: text in, a `When` out, or a refusal that says what to write instead.

    spec     = "now" | phrase | cron | once
    phrase   = "every" [N ["to" M]] unit ["at" T]  |  "every" WEEKDAY ["at" T]
    cron     = "cron" FIELDS          five fields; six with seconds first
    once     = "at" YYYY-MM-DD HH:MM[:SS]
    unit     = second(s) minute(s) hour(s) day(s) week(s)

T is `HH:MM[:SS]` with days and weekdays, `:MM` or `MM:SS` with hours, `:SS` with minutes.
Case and the amount of blanks do not matter. Every refusal is a `BadWhen`: the fault, the
offending word, and an example that is right.
"""

import re
from datetime import datetime, time, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from scrapy_do.core.cron import fault_of
from scrapy_do.core.kinds import (
    WEEKDAYS,
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
from scrapy_do.core.series import resolve
from scrapy_do.errors import BadArgument, BadWhen

LONGEST_TEXT = 200
LONGEST_INTERVAL = timedelta(days=3660)
LONGEST_QUOTE = 80
MOST_DIGITS = 9
"""As many digits as the longest interval has in seconds."""

BLANKS = " \t\r\n\v\f"
"""What may stand around a specification; within one the line breaks may not."""

PRINTABLE = re.compile(r"[\t\x20-\x7e]*")
NUMBER_LIKE = re.compile(r"[-+.\d]", re.ASCII)
TIME_OF_DAY = re.compile(r"([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?", re.ASCII)
TIME_OF_HOUR = re.compile(r"([0-5]\d)?:([0-5]\d)", re.ASCII)
TIME_OF_MINUTE = re.compile(r":([0-5]\d)", re.ASCII)
DATE_AND_TIME = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d(?::\d\d)?)", re.ASCII)

UNITS = {name: unit for unit in Unit for name in (unit.value, unit.singular)}
UNIT_WORDS = "seconds, minutes, hours, days, weeks or a weekday"

ZONE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*")
LONGEST_ZONE_NAME = 64
ZONE_ABBREVIATIONS = frozenset({"CET", "EET", "EST", "HST", "MET", "MST", "WET"})
"""Names in the zone database that everybody reads as an abbreviation, in summer wrongly."""

ZONE_DUPLICATES = ("posix/", "right/", "localtime", "posixrules", "Factory")
"""Files beside the zones: copies, some counting leap seconds, and the machine's own zone."""


def parse_when(text: str, *, now: datetime, zone: ZoneInfo) -> When | Now:
    """Read a scheduling specification.

    `now` (aware) and `zone` judge whether a one-off time has passed. A stored text is read
    again with its anchor as `now`, so that it stays right after its time.

    Raises:
        BadWhen: the text means nothing; whatever the text, no other error is raised.
    """
    words = _words(text)
    match words:
        case ["now"]:
            return Now()
        case ["now", *_]:
            raise _refusal("nothing may follow 'now'", "every day at 12:30")
        case ["every", *rest]:
            return _phrase(rest)
        case ["cron", *rest]:
            return _cron(rest)
        case ["at", *rest]:
            return _once(rest, now, zone)
    expression = " ".join(words).upper()
    if fault_of(expression) is None:
        raise _refusal("a cron expression needs the word 'cron' before it", f"cron {expression}")
    raise _refusal(
        f"a schedule is 'now' or starts with 'every', 'cron' or 'at', not with {_quoted(words[0])}",
        "every 2 hours",
    )


def parse_zone(name: str) -> ZoneInfo:
    """Return the zone of an IANA name such as 'Europe/Berlin' or 'UTC'.

    Raises:
        BadArgument: no such zone is known here, or it is an abbreviation or an offset.
    """
    if is_zone_name(name):
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass  # a directory or another file of the zone database is no zone either
    raise BadArgument(
        "timezone",
        f"{_quoted(name)} is not an IANA zone name (abbreviations and offsets are none); "
        "for example: 'Europe/Berlin'",
    )


def is_zone_name(name: str) -> bool:
    """Whether a text has the form of the name of a zone, and is no abbreviation."""
    return (
        len(name) <= LONGEST_ZONE_NAME
        and ZONE_NAME.fullmatch(name) is not None
        and name not in ZONE_ABBREVIATIONS
        and not name.startswith(ZONE_DUPLICATES)
    )


def _refusal(fault: str, example: str) -> BadWhen:
    return BadWhen(f"{fault}; for example: '{example}'")


def _quoted(word: str) -> str:
    """Return the word in quotes, cut where it would make the message too long."""
    return f"'{word}'" if len(word) <= LONGEST_QUOTE else f"'{word[:LONGEST_QUOTE]}...'"


def _words(text: str) -> list[str]:
    if len(text) > LONGEST_TEXT:
        raise _refusal(
            f"the schedule is {len(text)} characters long, the most is {LONGEST_TEXT}",
            "every day at 12:30",
        )
    text = text.strip(BLANKS)
    if not PRINTABLE.fullmatch(text):
        raise _refusal(
            "the schedule has a character other than printable ASCII", "every day at 12:30"
        )
    words = text.lower().split()
    if not words:
        raise _refusal("the schedule is empty", "every day at 12:30")
    return words


# --- every ... -----------------------------------------------------------------------------------


class _Interval(NamedTuple):
    """`N to M`; M is None without 'to', both are None where no number is written."""

    fewest: int | None = None
    most: int | None = None


def _phrase(words: list[str]) -> When:
    """Read what follows 'every'."""
    interval, rest = _interval(words)
    if not rest:
        raise _refusal(f"the unit is missing ({UNIT_WORDS})", "every 2 hours")
    name, tail = rest[0], rest[1:]
    if name == "at":
        raise _refusal("the unit is missing before 'at'", "every day at 12:30")
    if name in WEEKDAYS:
        return _weekday(name, tail, interval)
    if name not in UNITS:
        raise _refusal(f"unknown unit {_quoted(name)} ({UNIT_WORDS})", "every monday at 12:30")
    unit = UNITS[name]
    fewest = 1 if interval.fewest is None else interval.fewest
    longest = fewest if interval.most is None else interval.most
    if name == unit.singular and longest != 1:
        raise _refusal(f"write '{unit}' after a number other than 1", f"every 2 {unit}")
    if longest * unit.length_s > LONGEST_INTERVAL.total_seconds():
        raise _refusal(
            f"the interval is longer than {LONGEST_INTERVAL.days} days", "every 365 days at 12:30"
        )
    after_at = _after_at(name, tail)
    if after_at is None:
        return _without_time(fewest, interval.most, unit)
    return _with_time(fewest, interval.most, unit, after_at)


def _interval(words: list[str]) -> tuple[_Interval, list[str]]:
    """Split the numbers off the front."""
    if words[:1] == ["to"]:
        raise _refusal("'to' needs a number before it", "every 2 to 3 hours")
    if not words or not NUMBER_LIKE.match(words[0]):
        return _Interval(), words
    fewest = _number(words[0])
    if fewest is None:
        raise _refusal(
            f"the interval must be a whole number from 1, not {_quoted(words[0])}",
            "every 2 to 3 hours",
        )
    if fewest == 0:
        raise _refusal("the interval must be at least 1, not 0", "every 2 hours")
    if words[1:2] != ["to"]:
        return _Interval(fewest), words[1:]
    return _Interval(fewest, _upper(fewest, words[2:3])), words[3:]


def _upper(fewest: int, words: list[str]) -> int:
    """Read the number after 'to'."""
    if not words:
        raise _refusal("the number after 'to' is missing", "every 2 to 3 hours")
    most = _number(words[0])
    if not most:
        raise _refusal(
            f"the number after 'to' must be a whole number from 1, not {_quoted(words[0])}",
            "every 2 to 3 hours",
        )
    if most <= fewest:
        raise _refusal(
            f"the number after 'to' ({most}) must be larger than the one before it ({fewest})",
            "every 2 to 3 hours",
        )
    return most


def _number(word: str) -> int | None:
    """Return the whole number that the (ASCII) word is, None for any other word."""
    return int(word) if word.isdigit() and len(word) <= MOST_DIGITS else None


def _after_at(name: str, tail: list[str]) -> list[str] | None:
    """Return the words after 'at', None where nothing follows the unit."""
    if not tail:
        return None
    if tail[0] != "at":
        raise _refusal(
            f"unexpected {_quoted(tail[0])} after '{name}'; only 'at' may follow",
            "every monday at 12:30",
        )
    return tail[1:]


def _weekday(name: str, tail: list[str], interval: _Interval) -> When:
    if interval.fewest is not None:
        raise _refusal(
            "a weekday cannot have an interval; use weeks or days for that",
            "every 14 days at 12:30",
        )
    after_at = _after_at(name, tail)
    at = None if after_at is None else _time_of_day(after_at)
    return Calendar(every=1, unit=Unit.WEEKS, weekday=WEEKDAYS.index(name), at=at)


def _without_time(fewest: int, most: int | None, unit: Unit) -> When:
    if most is not None:
        return RandomGap(fewest=fewest, most=most, unit=unit)
    if unit in (Unit.DAYS, Unit.WEEKS):
        return Calendar(every=fewest, unit=unit)
    return Elapsed(every=fewest, unit=unit)


def _with_time(fewest: int, most: int | None, unit: Unit, words: list[str]) -> When:
    match unit:
        case Unit.SECONDS:
            raise _refusal("'at' cannot follow seconds", "every minute at :30")
        case Unit.WEEKS:
            raise _refusal(
                "'at' cannot follow weeks; name the weekday or count days",
                "every monday at 12:30",
            )
        case Unit.DAYS:
            at = _time_of_day(words)
            if most is None:
                return Calendar(every=fewest, unit=unit, at=at)
            return RandomGap(fewest=fewest, most=most, unit=unit, at=at)
    if most is not None:
        raise _refusal(f"'at' cannot follow a random interval of {unit}", f"every 2 to 3 {unit}")
    if unit is Unit.MINUTES:
        (second,) = _time(
            words, TIME_OF_MINUTE, "with minutes 'at' takes :SS", "every minute at :30"
        )
        return Clock(every=fewest, unit=unit, second=int(second))
    first, last = _time(
        words, TIME_OF_HOUR, "with hours 'at' takes :MM or MM:SS", "every hour at :30"
    )
    if first is None:
        return Clock(every=fewest, unit=unit, minute=int(last))
    return Clock(every=fewest, unit=unit, minute=int(first), second=int(last))


def _time_of_day(words: list[str]) -> time:
    hour, minute, second = _time(
        words,
        TIME_OF_DAY,
        "with days and weekdays 'at' takes HH:MM or HH:MM:SS from 00:00 to 23:59:59",
        "every day at 07:30",
    )
    return time(int(hour), int(minute), int(second or 0))


def _time(words: list[str], form: re.Pattern[str], rule: str, example: str) -> tuple[Any, ...]:
    """Return the groups of the one word after 'at'."""
    if not words:
        raise _refusal("'at' needs a time after it", "every day at 12:30")
    matched = form.fullmatch(words[0])
    if matched is None:
        raise _refusal(f"{rule}, not {_quoted(words[0])}", example)
    if words[1:]:
        raise _refusal(f"unexpected {_quoted(words[1])} after the time", "every monday at 12:30")
    return matched.groups()


# --- cron and at ---------------------------------------------------------------------------------


def _cron(words: list[str]) -> Cron:
    if not words:
        raise _refusal("the cron expression is missing", "cron 0 5 * * 1-5")
    expression = " ".join(words).upper()
    fault = fault_of(expression)
    if fault is not None:
        raise _refusal(f"the cron expression is not valid ({fault})", "cron 0 5 * * 1-5")
    return Cron(expression=expression)


def _once(words: list[str], now: datetime, zone: ZoneInfo) -> Once:
    # An example that has passed would not be right; this one is ahead from any moment.
    example = f"at {now.year + now.month // 12}-12-24 18:00"
    if not words:
        raise _refusal("'at' needs a date and a time after it", example)
    written = " ".join(words)
    if not DATE_AND_TIME.fullmatch(written):
        raise _refusal(
            f"'at' takes YYYY-MM-DD HH:MM or YYYY-MM-DD HH:MM:SS, not {_quoted(written)}", example
        )
    try:
        local = datetime.fromisoformat(written)
        instant = resolve(local.date(), local.time(), zone)
    except (ValueError, OverflowError):
        raise _refusal(f"there is no such date or time as '{written}'", example) from None
    if instant <= now:
        raise _refusal(f"'{written}' has passed", example)
    return Once(local=local)
