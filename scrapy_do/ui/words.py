"""How values are said to people: states, times, sizes, numbers."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from scrapy_do.core.job import Finished, Job, Outcome, Pending, Running, Starting, Stopping
from scrapy_do.operations.operations import Strain

_SHOWN_SHARE = 0.01
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MS = 250_000_000_000_000  # before the year 9999 ends


@dataclass(frozen=True, slots=True, kw_only=True)
class StateWord:
    """A state as people see it: never by its colour alone.

    `kind` chooses the colour: waiting, running, good, bad, ended.
    """

    glyph: str
    word: str
    kind: str


_OUTCOMES = {
    Outcome.SUCCESSFUL: StateWord(glyph="✓", word="successful", kind="good"),
    Outcome.FAILED: StateWord(glyph="✗", word="failed", kind="bad"),
    Outcome.CANCELED: StateWord(glyph="⊘", word="cancelled", kind="ended"),
    Outcome.LOST: StateWord(glyph="?", word="lost", kind="bad"),
}


def outcome(ended: Outcome) -> StateWord:
    """How a job ended."""
    return _OUTCOMES[ended]


def state(job: Job) -> StateWord:
    """The state of a job."""
    match job.state:
        case Pending():
            return StateWord(glyph="◦", word="queued", kind="waiting")
        case Starting():
            return StateWord(glyph="▹", word="starting", kind="running")
        case Running():
            return StateWord(glyph="▶", word="running", kind="running")
        case Stopping():
            return StateWord(glyph="◼", word="stopping", kind="running")
        case Finished(outcome=outcome):
            return _OUTCOMES[outcome]
        case _:
            return StateWord(glyph="\N{EN DASH}", word="deleted", kind="ended")


def duration(length: timedelta | float | None) -> str:
    """A length of time in its two largest units: `4 min 12 s`, `3 d 2 h`, `0.4 s`."""
    if length is None:
        return "\N{EN DASH}"
    seconds = length.total_seconds() if isinstance(length, timedelta) else float(length)
    if seconds < 1:
        return f"{max(seconds, 0):.1f} s"
    whole = round(seconds)
    parts = [
        (whole // 86400, "d"),
        (whole // 3600 % 24, "h"),
        (whole // 60 % 60, "min"),
        (whole % 60, "s"),
    ]
    first = next(index for index, (count, _) in enumerate(parts) if count)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count)


def number(value: float | None) -> str:
    """A number with thin spaces between thousands; what is not known is a dash."""
    if value is None:
        return "\N{EN DASH}"
    return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def rounded(value: float) -> str:
    """A number with three decimals at most, and with none where it is whole."""
    shown = round(value, 3)
    return number(int(shown) if shown == shown // 1 else shown)


_MOMENTS = ("start_time", "finish_time")
"""Statistics of Scrapy that are instants, kept in ms since 1970."""


def is_counted(name: str, value: object) -> bool:
    """Whether a statistic is a number that one may compare: no instant, and no truth."""
    return isinstance(value, int | float) and not isinstance(value, bool) and name not in _MOMENTS


def moment(name: str, value: object) -> str:
    """The instant that a statistic stands for, "" for what is none."""
    if name not in _MOMENTS or not isinstance(value, int | float) or not abs(value) <= _LAST_MS:
        return ""
    return (_EPOCH + timedelta(milliseconds=value)).strftime("%Y-%m-%d %H:%M:%S UTC")


def change(value: float, old: float, say: Callable[[float], str] = rounded) -> str:
    """How a number has changed, with the share where it is one percent or more: `+50 (+25%)`.

    It is "" where nothing has changed, and for numbers that are too large for a difference.
    """
    try:
        by = abs(value - old)
        share = by / abs(old) if old else 0.0
    except OverflowError:  # whole numbers have no end, the others have
        return ""
    if say(by) == say(0) or math.inf in (by, share):
        return ""
    sign = "+" if value > old else "\N{MINUS SIGN}"
    return f"{sign}{say(by)}" + (f" ({sign}{share:.0%})" if share >= _SHOWN_SHARE else "")


def size(count: int | None) -> str:
    """A number of bytes in the largest unit that leaves a whole part: `1.4 MB`."""
    if count is None:
        return "\N{EN DASH}"
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:  # noqa: PLR2004 - the step between two units
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def strained(strain: Strain) -> list[str]:
    """What is said on every page while it holds."""
    said = []
    if strain.late_s is not None:
        said.append(f"Schedules start {duration(strain.late_s)} late.")
    if strain.disk_free_bytes is not None:
        said.append(f"Only {size(strain.disk_free_bytes)} are left on the disk of the server.")
    return said


def iso(instant: datetime) -> str:
    """An instant for the `datetime` of a `<time>`: ISO 8601 with its offset, whole seconds."""
    return instant.isoformat(timespec="seconds")


def named(name: str) -> str:
    """A name that somebody else chose, also where nothing of it can be seen."""
    return (
        name
        if any(character.isprintable() and character != " " for character in name)
        else ("(blank)")
    )


def exact(instant: datetime, times: str, zone: str) -> str:
    """An instant to the second, in the server's zone where that is how times are shown."""
    if times != "server":
        return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return instant.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S %Z")


def in_zone(instant: datetime, zone: str) -> str:
    """An instant as clocks in a zone show it, to the second."""
    return instant.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S")
