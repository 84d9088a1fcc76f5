"""What the kinds of specification mean as instants: the vectors, the counts, the draws."""

import json
import random
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim, CronSimError
from hypothesis import given, settings
from hypothesis import strategies as st

from scrapy_do.core.cron import Crontab, fault_of
from scrapy_do.core.grammar import parse_when
from scrapy_do.core.when import (
    Instants,
    Now,
    RandomGap,
    When,
    draw,
    first_range,
    instants_between,
    missed,
    next_after,
    shortest_gap,
    upcoming,
)

NOW = datetime(2026, 6, 3, 10, 17, 23, tzinfo=UTC)
UTC_ZONE = ZoneInfo("UTC")
BERLIN = ZoneInfo("Europe/Berlin")
VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parent / "scheduling_vectors.json").read_text()
)
SECOND = timedelta(seconds=1)


def parsed(spec: str, zone: ZoneInfo = UTC_ZONE, now: datetime = NOW) -> When:
    when = parse_when(spec, now=now, zone=zone)
    assert not isinstance(when, Now)
    return when


def steps(when: When, zone: ZoneInfo, anchor: datetime, after: datetime) -> Iterator[datetime]:
    """Yield the instants as the daemon finds them: each from the one before."""
    planned = next_after(when, zone=zone, anchor=anchor, after=after)
    while planned is not None:
        yield planned
        planned = next_after(when, zone=zone, anchor=anchor, after=planned)


@pytest.mark.parametrize("entry", VECTORS["vectors"], ids=lambda entry: str(entry["id"]))
def test_vector(entry: dict[str, Any]) -> None:
    """Every vector gives its instants: one after the other, as a list, and counted."""
    zone = ZoneInfo(entry["timezone"])
    accepted = datetime.fromisoformat(entry["accepted_at"]).astimezone(UTC)
    when = parsed(entry["spec"], zone, accepted)
    expected = tuple(datetime.fromisoformat(text) for text in entry["next"])
    assert expected == tuple(islice(steps(when, zone, accepted, accepted), 5))
    assert expected == upcoming(when, zone=zone, anchor=accepted, after=accepted, most=5)
    assert expected == tuple(
        instants_between(
            when,
            zone=zone,
            anchor=accepted,
            first_exclusive=accepted,
            last_inclusive=expected[-1],
        )
    )
    assert Instants(count=len(expected), first=expected[0], newest=expected[-2:]) == missed(
        when,
        zone=zone,
        anchor=accepted,
        first_exclusive=accepted,
        last_inclusive=expected[-1],
        most=2,
    )


def test_instants_are_utc() -> None:
    """Instants come out in UTC, whatever the zone."""
    for spec in ("every hour", "every day", "every hour at :30", "cron 0 5 * * *"):
        planned = next_after(parsed(spec, BERLIN), zone=BERLIN, anchor=NOW, after=NOW)
        assert planned is not None
        assert planned.tzinfo is UTC


def test_nothing_before_the_anchor() -> None:
    """A schedule has no planned instants before its acceptance."""
    for spec in ("every hour", "every day at 09:00", "every hour at :30", "cron 0 5 * * *"):
        when = parsed(spec)
        first = next_after(when, zone=UTC_ZONE, anchor=NOW, after=NOW)
        early = NOW - timedelta(days=30)
        assert first == next_after(when, zone=UTC_ZONE, anchor=NOW, after=early)
        found = missed(
            when, zone=UTC_ZONE, anchor=NOW, first_exclusive=early, last_inclusive=NOW, most=5
        )
        assert Instants() == found


def test_once_ends() -> None:
    """After its only instant a one-off schedule has none."""
    when = parsed("at 2026-12-24 18:00")
    only = datetime(2026, 12, 24, 18, tzinfo=UTC)
    assert (only,) == upcoming(when, zone=UTC_ZONE, anchor=NOW, after=NOW, most=5)
    assert next_after(when, zone=UTC_ZONE, anchor=NOW, after=only) is None


@pytest.mark.parametrize(
    ("spec", "accepted", "expected"),
    [
        # 02:40 is in the half hour that is left of the hour after the gap
        (
            "every 2 hours at :15",
            "2026-10-04T02:40:00+11:00",
            ["2026-10-04T04:15:00+11:00", "2026-10-04T06:15:00+11:00"],
        ),
        # the half hour from 01:30 is shown twice, and each showing counts
        (
            "every 2 hours at :45",
            "2027-04-04T00:50:00+11:00",
            ["2027-04-04T01:45:00+10:30", "2027-04-04T03:45:00+10:30"],
        ),
    ],
)
def test_every_nth_strike_over_half_hours(spec: str, accepted: str, expected: list[str]) -> None:
    """Every N-th showing is counted as shown where the clock changes by half an hour."""
    zone = ZoneInfo("Australia/Lord_Howe")
    anchor = datetime.fromisoformat(accepted).astimezone(UTC)
    when = parsed(spec, zone, anchor)
    assert tuple(map(datetime.fromisoformat, expected)) == upcoming(
        when, zone=zone, anchor=anchor, after=anchor, most=2
    )


def test_every_nth_strike_far_away() -> None:
    """A count of many weeks is still counted from the hour of acceptance."""
    zone = ZoneInfo("Australia/Lord_Howe")
    when = parsed("every 5000 hours at :15", zone)
    hourly = parsed("every hour at :15", zone)
    first = next_after(when, zone=zone, anchor=NOW, after=NOW)
    assert first is not None
    found = missed(hourly, zone=zone, anchor=NOW, first_exclusive=NOW, last_inclusive=first, most=1)
    # 20:47 on Lord Howe: the :15 of that hour has passed, the count starts there
    assert Instants(count=5000, first=found.first, newest=(first,)) == found


# --- counting without walking --------------------------------------------------------------------

SPECS = [
    *("every 7 minutes", "every hour", "every day at 02:30", "every 3 days", "every week"),
    *("every sunday at 01:45", "every monday", "every hour at :45", "every 3 hours at 05:10"),
    *("every minute at :30", "every 7 minutes at :01", "cron 30 2 * * *", "cron */20 1-4 * * *"),
    *("cron 15,45 0-3 * * 0", "cron 0 */3 L,1-7 * *", "cron */15 59,0 2 * * *"),
]
ZONES = ["UTC", "Europe/Berlin", "Australia/Lord_Howe", "Pacific/Chatham", "Africa/Cairo"]
SPANS = st.timedeltas(timedelta(seconds=1), timedelta(days=20))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.sampled_from(SPECS),
    st.sampled_from(ZONES),
    st.datetimes(datetime(2026, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - bounds are naive
    SPANS,
    SPANS,
)
def test_count_is_what_walking_finds(
    spec: str, zone_name: str, anchor: datetime, start: timedelta, span: timedelta
) -> None:
    """Count, first and newest in closed form are those found by walking, in any stretch."""
    zone = ZoneInfo(zone_name)
    when = parsed(spec, zone, anchor)
    first_exclusive, last_inclusive = anchor + start, anchor + start + span / 10
    walked = tuple(
        takewhile(
            lambda planned: planned <= last_inclusive,
            steps(when, zone, anchor, first_exclusive),
        )
    )
    expected = Instants(count=len(walked), first=walked[0] if walked else None, newest=walked[-5:])
    assert expected == missed(
        when,
        zone=zone,
        anchor=anchor,
        first_exclusive=first_exclusive,
        last_inclusive=last_inclusive,
        most=5,
    )
    assert list(walked) == sorted(set(walked))
    assert all(planned > first_exclusive for planned in walked)


@pytest.mark.parametrize(
    ("spec", "count", "last"),
    [
        ("every second", 365 * 86_400, "2027-06-03T10:17:23"),
        ("every minute at :30", 365 * 1440, "2027-06-03T10:16:30"),
        ("cron * * * * * *", 365 * 86_400, "2027-06-03T10:17:23"),
        ("cron */10 * * * *", 365 * 144, "2027-06-03T10:10:00"),
    ],
)
def test_a_year_is_counted_quickly(spec: str, count: int, last: str) -> None:
    """A year of instants, up to 31 million, is counted exactly in a fraction of a second."""
    begin = time.process_time()
    found = missed(
        parsed(spec, BERLIN),
        zone=BERLIN,
        anchor=NOW,
        first_exclusive=NOW,
        last_inclusive=NOW + timedelta(days=365),
        most=100,
    )
    assert time.process_time() - begin < 1.0
    assert (count, 100) == (found.count, len(found.newest))
    assert datetime.fromisoformat(last).replace(tzinfo=UTC) == found.newest[-1]


# --- cron and clock changes ----------------------------------------------------------------------


def test_cron_ends() -> None:
    """An expression that matches nothing for 50 years has no instants; the parser refuses it."""
    for expression in ("0 0 LW * */7", "*/9 0 LW * */7", "0 0 0 LW * */7"):
        assert fault_of(expression) == "it never matches"
        assert next(Crontab(expression, BERLIN).walk(NOW), None) is None


def test_cron_that_never_matches() -> None:
    """What is refused is what cronsim looks for in vain through 50 years, found without looking."""
    rng = random.Random(20260603)
    days = ["*", "*/31", "*/29", "*/22", "29", "30", "31", "L", "LW", "1,31"]
    months = ["*", "2", "2,4", "4,6", "1"]
    weekdays = ["*", "*/7", "*/6", "1", "5#5", "3#1", "5L", "1#2,2#2"]
    found: Counter[bool] = Counter()
    for _ in range(150):
        expression = f"0 0 {rng.choice(days)} {rng.choice(months)} {rng.choice(weekdays)}"
        try:
            matches = next(CronSim(expression, NOW), None) is not None
        except CronSimError:
            continue
        assert matches == (fault_of(expression) is None), expression
        found[matches] += 1
    assert min(found[True], found[False]) >= 5, found


@pytest.mark.parametrize(
    ("expression", "after", "expected"),
    [
        # two times in the gap fall together right after it
        ("10,30 2,3 * * *", "2026-03-29T01:50:00+01:00", "2026-03-29T03:00:00+02:00"),
        ("10,30 2,3 * * *", "2026-03-29T03:00:00+02:00", "2026-03-29T03:10:00+02:00"),
        # asked in the second run through the hour, the first one has passed
        ("30 2 * * *", "2026-10-25T02:10:00+02:00", "2026-10-25T02:30:00+02:00"),
        ("30 2 * * *", "2026-10-25T02:10:00+01:00", "2026-10-26T02:30:00+01:00"),
        ("*/30 2 * * *", "2026-10-25T02:10:00+01:00", "2026-10-25T02:30:00+01:00"),
    ],
)
def test_cron_asked_within_a_change(expression: str, after: str, expected: str) -> None:
    """Asked in the middle of a change, a cron expression still gives what comes next."""
    found = next(Crontab(expression, BERLIN).walk(datetime.fromisoformat(after)))
    assert datetime.fromisoformat(expected) == found


@pytest.mark.parametrize(
    ("until", "expected"),
    [
        (timedelta(), 0),
        (timedelta(hours=2), 0),
        (timedelta(hours=2, minutes=15, seconds=29), 0),
        (timedelta(hours=2, minutes=15, seconds=30), 1),
        (timedelta(hours=2, minutes=20), 2),
        (timedelta(hours=2, minutes=45, seconds=35), 3),
        (timedelta(hours=5), 4),
        (timedelta(days=1), 4),
        (timedelta(days=1, hours=2, minutes=15, seconds=30), 5),
    ],
)
def test_cron_counts_parts_of_days(until: timedelta, expected: int) -> None:
    """A part of a day is counted by its times of day."""
    midnight = datetime(2026, 6, 3, tzinfo=UTC)
    crontab = Crontab("30,40 15,45 2 * * *", UTC_ZONE)
    assert expected == crontab.count(midnight, midnight + until)


def test_cron_rare() -> None:
    """A match that is decades away is found, and right after it the next."""
    crontab = Crontab("0 */12 29 2 */7", BERLIN)
    assert [2032, 2032, 2060] == [planned.year for planned in islice(crontab.walk(NOW), 3)]


def test_cron_in_chatham() -> None:
    """Where the clock goes from 03:45 to 02:45, a time shown twice runs twice and all goes on."""
    zone = ZoneInfo("Pacific/Chatham")
    after = datetime(2030, 4, 7, 1, tzinfo=zone)
    expected = [
        datetime(2030, 4, 7, 3, 30, tzinfo=zone),
        datetime(2030, 4, 7, 3, 30, fold=1, tzinfo=zone),
        datetime(2030, 4, 7, 6, 30, tzinfo=zone),
    ]
    assert [at.astimezone(UTC) for at in expected] == list(
        islice(Crontab("30 */3 * * *", zone).walk(after), 3)
    )


WHOLE_HOUR_ZONES = [
    *("Europe/Berlin", "America/New_York", "America/St_Johns", "Australia/Adelaide"),
    *("Antarctica/Troll", "Africa/Casablanca", "Asia/Jerusalem", "America/Nuuk"),
]


@pytest.mark.parametrize("spec", ["every 2 to 3 hours", "every 1 to 4 days at 02:30"])
def test_first_range(spec: str) -> None:
    """The first instant of a random interval is drawn between two, and may be either."""
    zone, anchor = BERLIN, datetime(2027, 3, 26, 12, tzinfo=UTC)
    when = parsed(spec, zone, anchor)
    found = first_range(when, zone=zone, anchor=anchor)
    assert found is not None
    rng = random.Random(20260603)
    drawn = [
        next_after(when, zone=zone, anchor=anchor, after=anchor, drawn=draw(when, rng))
        for _ in range(200)
    ]
    assert all(one is not None and found[0] <= one <= found[1] for one in drawn)
    assert first_range(parsed("every day"), zone=zone, anchor=anchor) is None


def random_field(rng: random.Random, low: int, high: int) -> str:
    first = rng.randint(low, high)
    last = rng.randint(first, high)
    step = rng.randint(1, high)
    return rng.choice(["*", f"{first}", f"{first}-{last}", f"*/{step}", f"{first}-{last}/{step}"])


def test_cron_agrees_with_cronsim() -> None:
    """Random expressions give cronsim's instants over clock changes of whole hours by day."""
    seed = 20260603
    rng = random.Random(seed)
    for _ in range(300):
        fields = [
            random_field(rng, 0, 59),
            random_field(rng, 0, 23),
            rng.choice(["*", "L", random_field(rng, 1, 28)]),
            rng.choice(["*", "JAN-NOV"]),
            rng.choice(["*", "MON-FRI", "0#1", "6L", random_field(rng, 0, 7)]),
        ]
        expression = " ".join(fields if rng.random() < 0.7 else ["*/20", *fields])
        if fault_of(expression):
            continue
        zone = ZoneInfo(rng.choice(WHOLE_HOUR_ZONES))
        start = NOW + timedelta(hours=rng.randint(0, 5 * 8766))
        expected: list[datetime] = []
        for local in CronSim(expression, start.astimezone(zone)):
            planned = local.astimezone(UTC)
            if planned > (expected[-1] if expected else start):
                expected.append(planned)
            if len(expected) == 20:
                break
        walked = list(islice(Crontab(expression, zone).walk(start), 20))
        assert expected == walked, (seed, expression, zone.key, start)


# --- random gaps ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "entry", [entry for entry in VECTORS["random"] if "draws" in entry], ids=lambda e: e["spec"]
)
def test_random_gap_is_even(entry: dict[str, Any]) -> None:
    """Gaps are drawn evenly over whole seconds, both ends included in the range."""
    rng = random.Random(1)
    when = parsed(entry["spec"])
    drawn = [draw(when, rng) for _ in range(entry["draws"])]
    gaps = [gap / SECOND for gap in drawn if gap is not None]
    low, high = entry["gap_s"]
    assert entry["draws"] == len(gaps)
    assert all(low <= gap <= high and gap == int(gap) for gap in gaps)
    assert abs(statistics.fmean(gaps) - entry["mean_gap_s"]) <= entry["mean_tolerance_s"]
    assert len(set(gaps)) >= entry["distinct_at_least"]


def test_random_gap_counts_from_the_instant_before() -> None:
    """The next instant is the one before, or the anchor, plus what was drawn and stored."""
    when = parsed("every 5 to 10 days", BERLIN)
    autumn = datetime(2026, 10, 24, 10, tzinfo=UTC)
    drawn = timedelta(days=6, seconds=17)
    for _ in range(2):
        assert autumn + drawn == next_after(
            when, zone=BERLIN, anchor=NOW, after=autumn, drawn=drawn
        )
    assert (NOW + drawn,) == upcoming(when, zone=BERLIN, anchor=NOW, after=NOW, most=5, drawn=drawn)
    assert () == upcoming(when, zone=BERLIN, anchor=NOW, after=NOW, most=5)


def test_random_days_keep_their_time() -> None:
    """With a time of day whole days are drawn, and the local time stays over clock changes."""
    (entry,) = [entry for entry in VECTORS["random"] if "gap_days" in entry]
    rng = random.Random(2)
    zone = ZoneInfo(entry["timezone"])
    planned = anchor = datetime.fromisoformat(entry["accepted_at"])
    when = parsed(entry["spec"], zone, anchor)
    gaps = set()
    for _ in range(300):
        later = next_after(when, zone=zone, anchor=anchor, after=planned, drawn=draw(when, rng))
        assert later is not None
        local = later.astimezone(zone)
        assert entry["local_time"] == local.time().isoformat()
        gaps.add((local.date() - planned.astimezone(zone).date()).days)
        planned = later
    assert set(entry["gap_days"]) == gaps


def test_only_random_gaps_draw() -> None:
    """Other kinds draw nothing and leave the generator as it was."""
    rng = random.Random(3)
    before = rng.getstate()
    assert {None} == {draw(parsed(spec), rng) for spec in SPECS}
    assert before == rng.getstate()


def test_random_gap_needs_a_draw() -> None:
    """Without a drawn gap, or with one that does not lead onward, nothing is planned."""
    when = parsed("every 2 to 3 hours")
    for drawn, problem in ((None, "needs its drawn gap"), (timedelta(0), "does not lead beyond")):
        with pytest.raises(ValueError, match=problem):
            next_after(when, zone=UTC_ZONE, anchor=NOW, after=NOW, drawn=drawn)


def test_random_instants_are_not_listed() -> None:
    """The instants of a random interval are known one at a time, so none are listed or counted."""
    when = parsed("every 2 to 3 hours")
    with pytest.raises(TypeError, match="one at a time"):
        instants_between(when, zone=UTC_ZONE, anchor=NOW, first_exclusive=NOW, last_inclusive=NOW)
    with pytest.raises(TypeError, match="one at a time"):
        missed(when, zone=UTC_ZONE, anchor=NOW, first_exclusive=NOW, last_inclusive=NOW, most=1)


def test_shortest_gap() -> None:
    """The shortest gap that may be drawn is the first number, also of whole days."""
    for spec, expected in (
        ("every 2 to 3 hours", timedelta(hours=2)),
        ("every 2 to 3 days at 12:30", timedelta(days=2)),
    ):
        when = parsed(spec)
        assert isinstance(when, RandomGap)
        assert expected == shortest_gap(when)
