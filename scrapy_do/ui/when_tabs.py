"""The tabs of the schedule form: each is a way to write the one text that counts.

Nothing is understood here: what a tab writes is read by the grammar, like what people type.
"""

from collections.abc import Mapping, Sequence

from scrapy_do.core.kinds import (
    WEEKDAYS,
    Calendar,
    Cron,
    Elapsed,
    Now,
    Once,
    RandomGap,
    When,
)

TABS = {"every": "Every", "at": "At", "once": "Once", "cron": "Cron", "text": "Text"}
CRON_FIELDS = {
    "minute": "Minute",
    "hour": "Hour",
    "month-day": "Day",
    "month": "Month",
    "week-day": "Weekday",
}
FIELDS = ("count", "most", "unit", "clock", "date", "date-clock", *CRON_FIELDS)
"""The inputs of the tabs, beside the weekdays."""

USUAL: Mapping[str, str] = {
    "count": "1",
    "unit": "days",
    "clock": "03:30",
    "date-clock": "12:00",
    "minute": "0",
    "hour": "5",
    "month-day": "*",
    "month": "*",
    "week-day": "1-5",
}
_FIELDS_OF_CRON = 5


def written(tab: str, values: Mapping[str, str], days: Sequence[str]) -> str:
    """The text that a tab writes."""
    match tab:
        case "every":
            return _every(values)
        case "at":
            return _at(values.get("clock", ""), [day for day in WEEKDAYS if day in days])
        case "once":
            return f"at {values.get('date', '')} {values.get('date-clock', '')}"
        case _:
            return "cron " + " ".join(values.get(name, "") or "*" for name in CRON_FIELDS)


def _every(values: Mapping[str, str]) -> str:
    count, most, unit = (values.get(name, "").strip() for name in ("count", "most", "unit"))
    if most:
        return f"every {count} to {most} {unit}"
    return f"every {unit.removesuffix('s')}" if count == "1" else f"every {count} {unit}"


def _at(clock: str, days: Sequence[str]) -> str:
    if len(days) in (0, len(WEEKDAYS)):
        return f"every day at {clock}"
    if len(days) == 1:
        return f"every {days[0]} at {clock}"
    hour, _, rest = clock.partition(":")
    numbers = ",".join(str((WEEKDAYS.index(day) + 1) % 7) for day in days)
    return f"cron {_plain(rest[:2])} {_plain(hour)} * * {numbers}"


def _plain(digits: str) -> str:
    return digits.removeprefix("0") or digits


def read_back(when: When | Now) -> tuple[str, Mapping[str, str], Sequence[str]]:
    """The tab that would write this, its inputs and weekdays; the tab `text` for what none does."""
    match when:
        case (
            Elapsed(every=every, unit=unit)
            | Calendar(every=every, unit=unit, weekday=None, at=None)
        ):
            return "every", {"count": str(every), "unit": unit.value}, ()
        case RandomGap(at=None):
            return "every", _random(when), ()
        case Calendar(every=1, weekday=weekday, at=at) if at is not None:
            clock = at.isoformat("seconds" if at.second else "minutes")
            return "at", {"clock": clock}, () if weekday is None else (WEEKDAYS[weekday],)
        case Once(local=local):
            clock = local.time().isoformat("seconds" if local.second else "minutes")
            return "once", {"date": local.date().isoformat(), "date-clock": clock}, ()
        case Cron(expression=expression) if len(expression.split()) == _FIELDS_OF_CRON:
            return "cron", dict(zip(CRON_FIELDS, expression.split(), strict=True)), ()
        case _:
            return "text", {}, ()


def _random(when: RandomGap) -> Mapping[str, str]:
    return {"count": str(when.fewest), "most": str(when.most), "unit": when.unit.value}
