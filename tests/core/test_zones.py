"""Every zone and every clock change of five years, against independent authorities."""

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from cronsim import CronSim
from dateutil.tz import resolve_imaginary

from scrapy_do.core.when import Calendar, Clock, Unit, instants_between, next_after

FULL = int(os.environ.get("SCRAPY_DO_TEST_SCALE", "1")) > 1
"""Whether links, zones whose clocks are those of another zone, are checked as well."""

DAY = timedelta(days=1)
QUARTERS = [time(hour, minute) for hour in range(24) for minute in (0, 15, 30, 45)]
FIRST, LAST = datetime(2026, 1, 1, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)


def changes(zone: ZoneInfo) -> Iterator[datetime]:
    """Yield the first seconds of every new offset from 2026 to 2030."""
    before = FIRST
    while before < LAST:
        after = before + 3 * DAY
        if before.astimezone(zone).utcoffset() != after.astimezone(zone).utcoffset():
            low, high = before, after
            while high - low > timedelta(seconds=1):
                middle = low + (high - low) // 2
                same = middle.astimezone(zone).utcoffset() == low.astimezone(zone).utcoffset()
                low, high = (middle, high) if same else (low, middle)
            yield high.replace(microsecond=0)
        before = after


def clocks() -> dict[str, list[datetime]]:
    """Return the named zones whose clocks change, one for each way to change, or all."""
    names = sorted(
        name for name in available_timezones() if "/" in name and not name.startswith("Etc/")
    )
    assert len(names) >= 500
    found = {name: list(changes(ZoneInfo(name))) for name in names}
    ways: dict[tuple[tuple[datetime, timedelta | None], ...], str] = {}
    for name, instants in found.items():
        zone = ZoneInfo(name)
        offsets = [at.astimezone(zone).utcoffset() for at in (FIRST, *instants)]
        ways.setdefault(tuple(zip((FIRST, *instants), offsets, strict=True)), name)
    return {
        name: instants
        for name, instants in found.items()
        if instants and (FULL or name in ways.values())
    }


CLOCKS = clocks()


def expected_instant(day: date, at: time, zone: ZoneInfo) -> datetime:
    """Return dateutil's answer: imaginary times move forward, of ambiguous ones the first."""
    return resolve_imaginary(datetime.combine(day, at, tzinfo=zone)).astimezone(UTC)


@pytest.mark.parametrize("name", CLOCKS)
def test_days_around_every_change(name: str) -> None:
    """At 96 times of day each local date around a change has one firing, in order."""
    zone = ZoneInfo(name)
    for change in CLOCKS[name]:
        middle = change.astimezone(zone).date()
        days = [middle - DAY, middle, middle + DAY]
        for at in QUARTERS:
            expected = [expected_instant(day, at, zone) for day in days]
            found = list(
                instants_between(
                    Calendar(every=1, unit=Unit.DAYS, at=at),
                    zone=zone,
                    anchor=expected[0] - timedelta(hours=12),
                    first_exclusive=expected[0] - timedelta(seconds=1),
                    last_inclusive=expected[-1],
                )
            )
            assert expected == found, (name, at, days)
            assert expected == sorted(set(expected))


@pytest.mark.parametrize("name", CLOCKS)
def test_hours_against_cronsim(name: str) -> None:
    """Each quarter of the hour over the changes of 2026 is cronsim's, but in Lord Howe."""
    zone = ZoneInfo(name)
    for change in CLOCKS[name]:
        if change.year > FIRST.year:
            continue
        start = change - timedelta(hours=6, seconds=1)
        for minute in (0, 15, 30, 45):
            found = list(
                instants_between(
                    Clock(every=1, unit=Unit.HOURS, minute=minute),
                    zone=zone,
                    anchor=start,
                    first_exclusive=start,
                    last_inclusive=change + timedelta(hours=6),
                )
            )
            local = CronSim(f"{minute} * * * *", start.astimezone(zone))
            theirs = [next(local).astimezone(UTC) for _ in found]
            # cronsim rounds to the full hour when the clock changes by half of one
            assert name in {"Australia/Lord_Howe", "Australia/LHI"} or theirs == found
            shown = {planned.astimezone(zone).minute for planned in found}
            assert {minute} == shown


@pytest.mark.live
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_days_against_systemd() -> None:
    """On 200 random dates without a clock change systemd plans the same instants."""
    seed = 20260603
    rng = random.Random(seed)
    zones = ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "UTC"]
    checked = 0
    while checked < 200:
        zone = ZoneInfo(rng.choice(zones))
        base = FIRST + timedelta(seconds=rng.randrange(5 * 365 * 86_400))
        at = time(rng.randrange(24), rng.randrange(60), rng.randrange(60))
        if base.astimezone(zone).utcoffset() != (base + 3 * DAY).astimezone(zone).utcoffset():
            continue
        checked += 1
        answer = subprocess.run(
            [
                *("systemd-analyze", "calendar"),
                f"--base-time={base:%Y-%m-%d %H:%M:%S} UTC",
                f"*-*-* {at} {zone.key}",
            ],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "TZ": "UTC", "LC_ALL": "C"},
        ).stdout
        (line,) = [text for text in answer.splitlines() if "Next elapse:" in text]
        day, shown, _utc = line.split()[-3:]
        theirs = datetime.fromisoformat(f"{day}T{shown}+00:00")
        ours = next_after(
            Calendar(every=1, unit=Unit.DAYS, at=at), zone=zone, anchor=base, after=base
        )
        assert theirs == ours, (seed, zone.key, base, at)
