"""The scheduling language: what is accepted, its normal form, and the text of every refusal."""

import json
import os
import random
import re
import string
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scrapy_do.core.grammar import parse_when, parse_zone
from scrapy_do.core.when import (
    Calendar,
    Clock,
    Cron,
    Elapsed,
    Now,
    Once,
    RandomGap,
    Unit,
    When,
    explain,
    normal,
)
from scrapy_do.errors import BadArgument, BadWhen
from tests.core.fuzzing import random_text

SCALE = int(os.environ.get("SCRAPY_DO_TEST_SCALE", "1"))
TEXTS_TRIED = 10_000 * SCALE
SEED = 20260603
NOW = datetime(2026, 6, 3, 10, 17, 23, tzinfo=UTC)
UTC_ZONE = ZoneInfo("UTC")
HERE = Path(__file__).parent
VECTORS: dict[str, Any] = json.loads((HERE / "scheduling_vectors.json").read_text())
BAD: list[dict[str, Any]] = json.loads((HERE / "scheduling_bad.json").read_text())["bad"]
EXAMPLE = re.compile(r"; for example: '(.+)'$")


def parse(text: str, now: datetime = NOW) -> When | Now:
    return parse_when(text, now=now, zone=UTC_ZONE)


def refusal(text: str, now: datetime = NOW) -> str:
    with pytest.raises(BadWhen) as caught:
        parse(text, now)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", Now()),
        ("every second", Elapsed(every=1, unit=Unit.SECONDS)),
        ("every 90 minutes", Elapsed(every=90, unit=Unit.MINUTES)),
        ("every hours", Elapsed(every=1, unit=Unit.HOURS)),
        ("every 007 hours", Elapsed(every=7, unit=Unit.HOURS)),
        ("every 2 to 3 hours", RandomGap(fewest=2, most=3, unit=Unit.HOURS)),
        (
            "every 1 to 3 days at 00:00:01",
            RandomGap(fewest=1, most=3, unit=Unit.DAYS, at=time(0, 0, 1)),
        ),
        ("every 3660 days", Calendar(every=3660, unit=Unit.DAYS)),
        ("every 2 weeks", Calendar(every=2, unit=Unit.WEEKS)),
        (
            "every sunday at 23:59",
            Calendar(every=1, unit=Unit.WEEKS, weekday=6, at=time(23, 59)),
        ),
        ("every monday", Calendar(every=1, unit=Unit.WEEKS, weekday=0)),
        ("every hour at :30", Clock(every=1, unit=Unit.HOURS, minute=30)),
        ("every hour at 30:00", Clock(every=1, unit=Unit.HOURS, minute=30)),
        ("every 2 hours at 00:15", Clock(every=2, unit=Unit.HOURS, second=15)),
        ("every 3 minutes at :05", Clock(every=3, unit=Unit.MINUTES, second=5)),
        ("cron 0 5 * jan-mar mon-fri", Cron(expression="0 5 * JAN-MAR MON-FRI")),
        ("cron 30 0 5 lw * *", Cron(expression="30 0 5 LW * *")),
        ("at 2026-12-24 18:00:30", Once(local=datetime(2026, 12, 24, 18, 0, 30))),  # noqa: DTZ001 - local
    ],
)
def test_value(text: str, expected: When | Now) -> None:
    """Each form of the grammar gives its own value."""
    assert expected == parse(text)


@pytest.mark.parametrize("entry", VECTORS["accepted"], ids=lambda entry: repr(entry["spec"]))
def test_normal_form(entry: dict[str, str]) -> None:
    """The normal form is lower case, single blanks, no number 1, seconds only when not 0."""
    assert entry["normal"] == normal(parse(entry["spec"]))


@pytest.mark.parametrize("entry", VECTORS["vectors"], ids=lambda entry: str(entry["id"]))
def test_vector_kind(entry: dict[str, Any]) -> None:
    """Every vector is accepted as its kind and has its normal form."""
    when = parse_when(
        entry["spec"],
        now=datetime.fromisoformat(entry["accepted_at"]),
        zone=ZoneInfo(entry["timezone"]),
    )
    assert (entry["kind"], entry["normal"]) == (type(when).__name__.lower(), normal(when))


@pytest.mark.parametrize("entry", BAD, ids=lambda entry: str(entry["id"]))
def test_refusal(entry: dict[str, Any]) -> None:
    """Every bad specification is refused with the whole text that names the fault."""
    assert entry["message"] == refusal(entry["spec"])


@pytest.mark.parametrize("entry", BAD, ids=lambda entry: str(entry["id"]))
def test_refusal_example(entry: dict[str, Any]) -> None:
    """The example of every refusal is itself accepted, whenever it is given."""
    for now in (NOW, datetime(2031, 12, 31, 23, 59, tzinfo=UTC)):
        found = EXAMPLE.search(refusal(entry["spec"], now))
        assert found is not None
        assert isinstance(parse(found[1], now), When)


@pytest.mark.parametrize(
    ("text", "fault", "right"),
    [
        ("every 2 to", "the number after 'to' is missing", "every 2 to 3 hours"),
        (
            "every 2 to 0 hours",
            "the number after 'to' must be a whole number from 1, not '0'",
            "every 2 to 3 hours",
        ),
        (
            "every 1 to 2 minute",
            "write 'minutes' after a number other than 1",
            "every 2 minutes",
        ),
        (
            "every 1 monday",
            "a weekday cannot have an interval; use weeks or days for that",
            "every 14 days at 12:30",
        ),
        (
            "every 2 to 3 minutes at :30",
            "'at' cannot follow a random interval of minutes",
            "every 2 to 3 minutes",
        ),
        (
            "every 1 to 523 weeks",
            "the interval is longer than 3660 days",
            "every 365 days at 12:30",
        ),
        (
            "30 4 * * mon",
            "a cron expression needs the word 'cron' before it",
            "cron 30 4 * * MON",
        ),
        (
            "cron 0 0 LW * */7",
            "the cron expression is not valid (it never matches)",
            "cron 0 5 * * 1-5",
        ),
        (
            "every " + "x" * 100,
            (f"unknown unit '{'x' * 80}...' (seconds, minutes, hours, days, weeks or a weekday)"),
            "every monday at 12:30",
        ),
    ],
)
def test_more_refusals(text: str, fault: str, right: str) -> None:
    """Faults beyond the data file are named in the same way."""
    assert f"{fault}; for example: '{right}'" == refusal(text)


@pytest.mark.parametrize(
    ("text", "zone"),
    [("at 9999-12-31 23:59", "America/New_York"), ("at 0001-01-01 00:00", "Asia/Tokyo")],
)
def test_edge_of_time(text: str, zone: str) -> None:
    """A date that UTC cannot hold is refused, not an arithmetic error."""
    with pytest.raises(BadWhen, match="there is no such date or time"):
        parse_when(text, now=NOW, zone=ZoneInfo(zone))


def test_once_is_judged_in_its_zone() -> None:
    """Whether a one-off time has passed depends on the zone it is meant in."""
    text = "at 2026-06-03 11:00"
    assert Once(local=datetime(2026, 6, 3, 11)) == parse(text)  # noqa: DTZ001 - local
    with pytest.raises(BadWhen, match="has passed"):
        parse_when(text, now=NOW, zone=ZoneInfo("Europe/Berlin"))


# --- any text ------------------------------------------------------------------------------------

WORDS = st.sampled_from(
    [
        *("every", "now", "cron", "at", "to", "AT", "Every", "-1", "0", "1", "2", "3", "99999"),
        *("second", "seconds", "minute", "minutes", "hour", "hours", "day", "days", "week"),
        *("weeks", "monday", "SUNDAY", "12:30", ":30", "30:15", "24:00", "12:30:45", "1e3"),
        *("*", "*/5", "1-5", "mon-fri", "L", "5#2", "5L", "LW", "0,30", "2026-12-24", "18:00"),
    ]
)
PHRASES = st.lists(WORDS, max_size=8).map(" ".join)
CRON_CHARACTERS = st.text("0123456789*/-,LW# ", max_size=30)
TEXTS = st.one_of(
    st.text(max_size=250),
    st.text(string.printable, max_size=210),
    PHRASES,
    CRON_CHARACTERS.map("cron {}".format),
    st.lists(WORDS, min_size=1, max_size=3).map(lambda words: "every " + " ".join(words)),
)


@settings(max_examples=500 * SCALE, deadline=None, derandomize=True)
@given(TEXTS)
@example("\ud800")
@example("every day at " + "9" * 180)
@example("cron " + "1," * 97)
def test_any_text(text: str) -> None:
    """Whatever the text, it is accepted or refused in at most 300 characters with an example."""
    try:
        when = parse(text)
    except BadWhen:
        message = refusal(text)
        assert len(message) <= 300
        assert EXAMPLE.search(message)
    else:
        assert when == parse(normal(when))
        assert explain(when, UTC_ZONE)


def test_many_texts() -> None:
    """Nothing but `BadWhen` leaves the parser, its message short, whatever people mistype."""
    rng = random.Random(SEED)
    longest, refusals = "", 0
    for _ in range(TEXTS_TRIED):
        try:
            parse(random_text(rng))
        except BadWhen as refused:
            longest = max(longest, str(refused), key=len)
            refusals += 1
    assert len(longest) <= 300, (SEED, longest)
    assert TEXTS_TRIED // 2 < refusals < TEXTS_TRIED, (SEED, refusals)


TIMES = st.times().map(lambda at: at.replace(microsecond=0))
SMALL = st.integers(1, 500)
REGULAR = st.sampled_from([Unit.SECONDS, Unit.MINUTES, Unit.HOURS])
DAYS_AND_WEEKS = st.sampled_from([Unit.DAYS, Unit.WEEKS])
SIXTY = st.integers(0, 59)
WHENS: st.SearchStrategy[When] = st.one_of(
    st.builds(Elapsed, every=SMALL, unit=REGULAR),
    st.builds(
        lambda fewest, more, unit: RandomGap(fewest=fewest, most=fewest + more, unit=unit),
        SMALL,
        st.integers(1, 20),
        st.sampled_from(Unit),
    ),
    st.builds(
        lambda fewest, more, at: RandomGap(
            fewest=fewest, most=fewest + more, unit=Unit.DAYS, at=at
        ),
        SMALL,
        SMALL,
        TIMES,
    ),
    st.builds(Calendar, every=SMALL, unit=DAYS_AND_WEEKS),
    st.builds(Calendar, every=SMALL, unit=st.just(Unit.DAYS), at=TIMES),
    st.builds(
        Calendar,
        every=st.just(1),
        unit=st.just(Unit.WEEKS),
        weekday=st.integers(0, 6),
        at=st.none() | TIMES,
    ),
    st.builds(Clock, every=SMALL, unit=st.just(Unit.HOURS), minute=SIXTY, second=SIXTY),
    st.builds(Clock, every=SMALL, unit=st.just(Unit.MINUTES), second=SIXTY),
    st.builds(
        lambda day, at: Once(local=datetime.combine(day, at)),
        st.dates(datetime(2026, 6, 4, tzinfo=UTC).date(), datetime(9000, 1, 1, tzinfo=UTC).date()),
        TIMES,
    ),
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(WHENS)
def test_every_value_has_a_text(when: When) -> None:
    """Parsing the normal form gives the value again, whatever the case and blanks."""
    assert when == parse(normal(when))
    assert when == parse(f"\t{normal(when).upper().replace(' ', '  ')} ")


# --- in words ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", "Now"),
        ("every 2 hours", "Every 2 hours"),
        ("every 2 to 3 hours", "Every 2 to 3 hours, drawn at random"),
        (
            "every 2 to 3 days at 12:30",
            "Every 2 to 3 days at 12:30, drawn at random, Europe/Berlin",
        ),
        ("every day at 12:30", "Every day at 12:30, Europe/Berlin"),
        ("every 2 weeks", "Every 2 weeks at the time of day of its acceptance, Europe/Berlin"),
        ("every monday at 12:30:45", "Every Monday at 12:30:45, Europe/Berlin"),
        ("every hour at 00:15", "Every hour at minute 0 and second 15, Europe/Berlin"),
        ("every hour at :30", "Every hour at minute 30, Europe/Berlin"),
        ("every 3 minutes at :00", "Every 3 minutes at second 0, Europe/Berlin"),
        ("cron 0 5 * * 1-5", "At 05:00 on Monday through Friday, Europe/Berlin"),
        ("at 2026-12-24 18:00", "Once, on Thursday 2026-12-24 at 18:00, Europe/Berlin"),
    ],
)
def test_sentence(text: str, expected: str) -> None:
    """People read a sentence that says minute, second and zone, which the text leaves out."""
    assert expected == explain(parse(text), ZoneInfo("Europe/Berlin"))


# --- zones ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["UTC", "GMT", "Europe/Berlin", "Etc/UTC", "America/Port-au-Prince"]
)
def test_zone(name: str) -> None:
    """An IANA name gives its zone."""
    assert name == parse_zone(name).key


@pytest.mark.parametrize(
    "name",
    [
        *("CEST", "CET", "EST", "MST", "+02:00", "UTC+2", "Z", "", " ", "Europe", "Mars/Base"),
        *("../etc/passwd", "/etc/localtime", "Europe/../Europe/Berlin", "europe/berlin\0"),
        *("localtime", "posixrules", "Factory", "right/UTC", "posix/UTC", "zone.tab", "Europe/"),
        *("leapseconds", "a" * 64, "a" * 300, "Europe/Berl\N{LATIN SMALL LETTER DOTLESS I}n"),
    ],
)
def test_no_zone(name: str) -> None:
    """Unknown names, abbreviations, offsets and other files of the database are refused."""
    with pytest.raises(BadArgument, match=r"^timezone: ") as caught:
        parse_zone(name)
    assert len(str(caught.value)) <= 300
