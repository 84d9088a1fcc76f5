"""The library `schedule` is the reference of the language: on plain days we mean the same."""

import datetime as dt
import os
import random
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
import schedule

from scrapy_do.core.grammar import parse_when
from scrapy_do.core.kinds import WEEKDAYS
from scrapy_do.core.when import Now, RandomGap, Unit, When, next_after, shortest_gap

SPECS = 2000 * int(os.environ.get("SCRAPY_DO_TEST_SCALE", "1"))
ZONE = ZoneInfo("UTC")
SEED = 20260603


class StoppedClock:
    """The clock of the library: it shows what it was set to."""

    def __init__(self) -> None:
        self.shown = datetime(2026, 6, 3, tzinfo=UTC)

    def now(self, zone: dt.tzinfo | None = None) -> datetime:
        """Return the naive time that was set."""
        assert zone is None
        return self.shown.replace(tzinfo=None)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> StoppedClock:
    """Give the library a clock that stands still."""
    stopped = StoppedClock()
    monkeypatch.setattr(schedule, "datetime", SimpleNamespace(**{**vars(dt), "datetime": stopped}))
    return stopped


def random_spec(rng: random.Random) -> str:
    """Return one of the documented forms."""
    unit = rng.choice(["second", "minute", "hour", "day", "week", "monday"])
    if unit == "monday":
        at = f" at {random_time(rng, 'day')}" if rng.random() < 0.7 else ""
        return f"every {rng.choice(WEEKDAYS)}{at}"
    number = rng.choice([1, rng.randint(2, 60)])
    spec = f"every {unit}" if number == 1 else f"every {number} {unit}s"
    form = rng.random()
    if form < 0.25:
        spec = f"every {number} to {number + rng.randint(1, 10)} {unit}s"
        # with a time and 1 the library may draw today: there we differ on purpose
        return f"{spec} at {random_time(rng, unit)}" if unit == "day" and number > 1 else spec
    if form < 0.65 and unit in {"minute", "hour", "day"}:
        return f"{spec} at {random_time(rng, unit)}"
    return spec


def random_time(rng: random.Random, unit: str) -> str:
    hour, minute, second = rng.randint(0, 23), rng.randint(0, 59), rng.randint(0, 59)
    if unit == "minute":
        return f":{second:02}"
    if unit == "hour":
        return rng.choice([f":{minute:02}", f"{minute:02}:{second:02}"])
    return rng.choice([f"{hour:02}:{minute:02}", f"{hour:02}:{minute:02}:{second:02}"])


def library_job(spec: str) -> schedule.Job:
    """Say the same words to the library, one by one."""
    words = spec.split()[1:]
    number = int(words.pop(0)) if words[0].isdigit() else 1
    job: schedule.Job = schedule.Scheduler().every(number)
    if words[0] == "to":
        job.to(int(words[1]))
        words = words[2:]
    job = getattr(job, words[0])
    if words[1:]:
        job.at(words[2])
    job.do(lambda: None)
    return job


def next_run(job: schedule.Job) -> datetime:
    assert job.next_run is not None
    return job.next_run.replace(tzinfo=UTC)


def gap_between(when: When, after: datetime, theirs: datetime) -> timedelta | None:
    """Return the gap that the library drew, after making sure that we may draw it."""
    if not isinstance(when, RandomGap):
        return None
    gap = theirs - after
    if when.at is not None:
        gap = theirs.date() - after.date()
    assert shortest_gap(when) <= gap <= timedelta(seconds=when.most * when.unit.length_s)
    return gap


def test_same_instants(clock: StoppedClock) -> None:
    """Random specifications fire at the library's instants, and its draws are ones of ours."""
    rng = random.Random(SEED)
    random.seed(SEED)  # the library draws from the module
    for _ in range(SPECS):
        spec = random_spec(rng)
        anchor = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=rng.randrange(10**8))
        clock.shown = anchor
        when = parse_when(spec, now=anchor, zone=ZONE)
        assert not isinstance(when, Now)
        job = library_job(spec)
        after = anchor
        for _ in range(3):
            theirs = next_run(job)
            gap = gap_between(when, after, theirs)
            ours = next_after(when, zone=ZONE, anchor=anchor, after=after, drawn=gap)
            assert theirs == ours, (SEED, spec, anchor)
            after = clock.shown = theirs
            job.run()  # type: ignore[no-untyped-call]  # the library's own


@pytest.mark.parametrize("unit", Unit)
def test_singular_and_plural(unit: Unit) -> None:
    """The library and the language take singular and plural of every unit alike."""
    for word in (unit.value, unit.singular):
        job = getattr(schedule.Scheduler().every(), word).do(lambda: None)
        assert (1, unit.value) == (job.interval, job.unit)
        when = parse_when(f"every {word}", now=StoppedClock().shown, zone=ZONE)
        assert f"every {unit.singular}" == str(when)
