"""Spans and moments as people type them: `2h`, `90m`, `2026-11-24`, `yesterday`."""

import re
from datetime import UTC, datetime, timedelta

import click

_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|[smhdw])")
_UNITS_S = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_LONGEST_S = 10 * 366 * 86_400


def parse_span(text: str) -> float:
    """Read a span in seconds: a number, or numbers with units such as 1h30m.

    Raises:
        ValueError: it is none, or longer than ten years.
    """
    parts = _PART.findall(text)
    if "".join(f"{number}{unit}" for number, unit in parts) == text and parts:
        seconds = sum(float(number) * _UNITS_S[unit] for number, unit in parts)
    else:
        seconds = float(text) if text.isascii() and text.replace(".", "", 1).isdigit() else -1.0
    if not 0 <= seconds <= _LONGEST_S:
        raise ValueError(text)
    return seconds


def parse_moment(text: str, now: datetime) -> datetime:
    """Read an age (2d), a day, `today`, `yesterday` or a time; without a zone it is local.

    `now` is local, with its zone.

    Raises:
        ValueError: it is none of these.
    """
    days = {"today": 0, "yesterday": 1}
    if text in days:
        day = (now - timedelta(days=days[text])).date()
        return datetime(day.year, day.month, day.day).astimezone()
    if _PART.match(text):
        return now - timedelta(seconds=parse_span(text))
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.astimezone()


class Span(click.ParamType[float]):
    """A span, in seconds."""

    name = "span"

    def convert(
        self, value: str | float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read it."""
        try:
            return value if isinstance(value, float) else parse_span(str(value))
        except ValueError:
            self.fail(f"{value!r} is no span such as 90s, 15m or 2h", param, ctx)


class Moment(click.ParamType[datetime]):
    """A moment, with its offset."""

    name = "moment"

    def convert(
        self, value: str | float, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Read it."""
        try:
            return parse_moment(str(value), datetime.now().astimezone())
        except (ValueError, OverflowError):
            wanted = "2d, yesterday, 2026-11-24 or 2026-11-24T10:00"
            self.fail(f"{value!r} is no moment such as {wanted}", param, ctx)


SPAN = Span()
MOMENT = Moment()


def local_text(instant: str | None, *, utc: bool = False) -> str:
    """An instant of the API as people read it: local with its offset, or in UTC."""
    if not instant:
        return ""
    moment = datetime.fromisoformat(instant)
    return moment_text(moment.astimezone(UTC) if utc else moment.astimezone())


def moment_text(moment: datetime) -> str:
    """A moment to the second, with its offset, `Z` for UTC."""
    return moment.isoformat(" ", "seconds").replace("+00:00", "Z")


def span_text(seconds: float | None) -> str:
    """A span in its two largest units, such as 1m12s; nothing where there is none."""
    if seconds is None:
        return ""
    whole = int(seconds)
    for unit, size, below, small in (
        ("d", 86_400, 3600, "h"),
        ("h", 3600, 60, "m"),
        ("m", 60, 1, "s"),
    ):
        if whole >= size:
            rest = whole % size // below
            return f"{whole // size}{unit}{rest}{small}" if rest else f"{whole // size}{unit}"
    return f"{whole}s"


def ago(instant: str, now: datetime) -> str:
    """How long ago an instant of the API was."""
    return f"{span_text(max(0.0, (now - datetime.fromisoformat(instant)).total_seconds()))} ago"
