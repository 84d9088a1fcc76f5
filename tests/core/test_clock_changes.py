"""What changes of the clock do to a schedule, said beforehand."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from scrapy_do.core.clock_changes import clock_changes
from scrapy_do.core.grammar import parse_when
from scrapy_do.core.when import Now

START = datetime(2026, 6, 3, 10, 17, 23, tzinfo=UTC)


def told(text: str, zone: str) -> list[str]:
    """Write what is said as `when` or `when<what was meant`."""
    named = ZoneInfo(zone)
    when = parse_when(text, now=START, zone=named)
    assert not isinstance(when, Now)
    return [
        f"{change.at:%m-%d %H:%M}" + (f"<{change.instead_of:%H:%M}" if change.instead_of else "")
        for change in clock_changes(when, zone=named, anchor=START)
    ]


@pytest.mark.parametrize(
    ("text", "zone", "said"),
    [
        ("every day at 02:30", "Europe/Zurich", ["10-25 02:30", "03-28 03:30<02:30"]),
        ("every sunday at 02:30", "Europe/Zurich", ["10-25 02:30", "03-28 03:30<02:30"]),
        ("every monday at 02:30", "Europe/Zurich", []),
        ("every day at 03:30", "Europe/Zurich", []),
        ("every day at 02:00", "Europe/Zurich", ["10-25 02:00", "03-28 03:00<02:00"]),
        ("at 2027-03-28 02:30", "Europe/Zurich", ["03-28 03:30<02:30"]),
        ("cron 30 2 * * *", "Europe/Zurich", ["10-25 02:30", "03-28 03:00<02:30"]),
        ("cron 0,30 2-3 * * *", "Europe/Zurich", ["10-25 02:00", "10-25 02:30"]),
        ("cron */5 2 * * *", "Europe/Zurich", []),
        ("cron 0 30 2 * * *", "Europe/Zurich", []),
        ("every 2 hours", "Europe/Zurich", []),
        ("every hour at :30", "Europe/Zurich", []),
        ("every 2 to 3 hours", "Europe/Zurich", []),
        ("every day at 02:30", "UTC", []),
        ("every day at 02:15", "Australia/Lord_Howe", ["10-04 02:45<02:15"]),
        ("every day at 00:30", "America/Havana", ["11-01 00:30", "03-14 01:30<00:30"]),
        ("cron 15 2 * * *", "Australia/Lord_Howe", ["10-04 02:30<02:15"]),
    ],
)
def test_what_is_said(text: str, zone: str, said: list[str]) -> None:
    """A skipped time of day and what runs instead; a time that comes twice; nothing else."""
    assert told(text, zone) == said
