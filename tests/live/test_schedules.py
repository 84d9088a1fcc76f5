"""Schedules of a real daemon: real crawls, real kills, a grid that stays."""

import signal
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from scrapy_do.core.job import JobRequest
from scrapy_do.core.schedule import Schedule
from scrapy_do.store.store import open_store
from tests.factories import timing
from tests.http_client import completed
from tests.live.running import Running, processes_of, running, until

pytestmark = pytest.mark.live

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
KILLS = 3
MANY = 1_000
IDLE_S = 20.0
SETTLED_S = 1.0
LATER = "2100-01-01T00:00:00Z"


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path) as daemon:
        daemon.push("good", tmp_path)
        yield daemon


def order(daemon: Running, when: str, **form: Any) -> dict[str, Any]:
    request = {"project": "good", "spider": "noop", "when": when, **form}
    answer = daemon.ask("/schedule-job.json", **request)
    assert answer["status"] == "ok", answer
    return answer


def shown(daemon: Running, identifier: str) -> dict[str, Any]:
    (schedule,) = daemon.ask(f"/list-schedules.json?id={identifier}")["schedules"]
    found: dict[str, Any] = schedule
    return found


def until_fired(daemon: Running, identifier: str, fired: int) -> dict[str, Any]:
    """Wait until so many jobs were made; return the schedule."""

    def look() -> dict[str, Any] | None:
        schedule = shown(daemon, identifier)
        return schedule if schedule["fired"] >= fired else None

    return until(look, f"firing {fired} of {identifier}")


def instants(daemon: Running, identifier: str) -> Counter[datetime]:
    """Return every instant that became a job, a miss or a skip."""
    history = daemon.ask(f"/list-schedule-history.json?id={identifier}&limit=1000")
    found = Counter(datetime.fromisoformat(job["planned"]) for job in history["jobs"])
    for event in history["events"]:
        first = datetime.fromisoformat(event["first"])
        found.update(first + n * SECOND for n in range(event["count"]))
    return found


def test_planned_crawl(daemon: Running) -> None:
    """A planned job is a crawl like any other, started at once when it is due."""
    given = order(daemon, "every 2 seconds", max_runs="1")
    assert ("every 2 seconds", 1) == (given["schedule"], len(given["next-runs"]))
    schedule = until_fired(daemon, given["identifier"], 1)
    assert ("finished", []) == (schedule["state"], schedule["next-runs"])
    job = daemon.finished(schedule["last-job"])
    assert ("SUCCESSFUL", "SCHEDULER", given["identifier"]) == (
        job["status"],
        job["actor"],
        job["schedule-id"],
    )
    assert given["next-runs"] == [
        datetime.fromisoformat(job["planned"])
        .astimezone(datetime.fromisoformat(given["next-runs"][0]).tzinfo)
        .isoformat()
    ]
    late = datetime.fromisoformat(job["created"]) - datetime.fromisoformat(job["planned"])
    assert timedelta(0) <= late < 5 * SECOND


def test_killed_and_started_again(daemon: Running) -> None:
    """A daemon that is killed again and again keeps the grid and deals with each instant once."""
    given = order(daemon, "every second", catchup="all", overlap="allow", priority="0")
    identifier = given["identifier"]
    for kill in range(KILLS):
        until_fired(daemon, identifier, kill + 1)
        daemon.kill()
        daemon.start()
    daemon.ask("/pause-schedule.json", id=identifier)
    found = instants(daemon, identifier)
    assert {1} == set(found.values())
    assert {SECOND} == {later - earlier for earlier, later in pairwise(sorted(found))}
    assert datetime.fromisoformat(given["next-runs"][0]) == min(found)


def test_what_ended_meanwhile_overlaps_with_nothing(daemon: Running) -> None:
    """A crawl that was left running and ended before the next instant does not take its place."""
    asked = {"spider": "sleeper", "setting": "CLOSESPIDER_TIMEOUT=1", "until": LATER}
    ids = {
        overlap: order(daemon, "every 4 seconds", overlap=overlap, **asked)["identifier"]
        for overlap in ("skip", "queue-one", "replace")
    }
    first = {}
    for overlap, identifier in ids.items():
        first[overlap] = until_fired(daemon, identifier, 1)["last-job"]
        daemon.until_status(first[overlap], "RUNNING")
    due = max(datetime.fromisoformat(shown(daemon, one)["next-run"]) for one in ids.values())
    daemon.kill()
    until(lambda: datetime.now(UTC) > due, "the next instant")
    assert [] == [pid for job in first.values() for pid in processes_of(job)]
    daemon.start()
    for overlap, identifier in ids.items():
        after = until_fired(daemon, identifier, 2)
        assert (overlap, 0, "SUCCESSFUL") == (
            overlap,
            after["skipped"],
            daemon.job(first[overlap])["status"],
        )


def test_restarted_in_place(daemon: Running) -> None:
    """An orderly restart redraws nothing and moves nothing."""
    drawn = order(daemon, "every 2 to 3 hours")["identifier"]
    grid = order(daemon, "every 2 days at 12:30", timezone="Europe/Berlin")["identifier"]
    before = [shown(daemon, one) for one in (drawn, grid)]
    daemon.signal(signal.SIGTERM)
    assert 0 == daemon.wait()
    daemon.start()
    assert before == [shown(daemon, one) for one in (drawn, grid)]


def test_canceled_for_good(daemon: Running) -> None:
    """A canceled schedule is listed as such, also after a restart, and fires no more."""
    identifier = order(daemon, "every hour")["identifier"]
    assert "SCHEDULED" == daemon.job(identifier)["status"]
    daemon.ask("/cancel-job.json", id=identifier)
    daemon.kill()
    daemon.start()
    assert "CANCELED" == daemon.job(identifier)["status"]


def test_the_zone_of_the_machine(tmp_path: Path) -> None:
    """An order keeps the zone that the machine had when it was given."""
    with running(tmp_path, options={"TZ": "Asia/Kolkata"}) as daemon:
        daemon.push("good", tmp_path)
        old = order(daemon, "every day at 09:30")
    with running(tmp_path, options={"TZ": "America/New_York"}) as daemon:
        new = order(daemon, "every day at 09:30")
        assert old["next-runs"] == shown(daemon, old["identifier"])["next-runs"]
    assert ("Asia/Kolkata", "America/New_York") == (old["timezone"], new["timezone"])
    assert ("T09:30:00+05:30", "T09:30:00-0") == (
        old["next-runs"][0][10:],
        new["next-runs"][0][10:21],
    )


def order_many(database: Path) -> None:
    """Add orders to a database that no daemon uses now; each is due in an hour."""
    store = open_store(database)
    now = datetime.now(UTC).replace(microsecond=0)
    for _ in range(MANY):
        schedule = Schedule(
            id=uuid4(),
            request=JobRequest(project="good", spider="noop"),
            timing=timing("every hour"),
            anchor=now,
            created_at=now,
            changed_at=now,
            created_by="ann",
            next_due=now + HOUR,
        )
        completed(store.schedules.add(schedule))
    store.close()


def wake_ups(pid: int) -> int:
    """Return how often the threads of a process have gone to sleep, and were woken, so far."""
    lines = [
        line
        for status in Path(f"/proc/{pid}/task").glob("*/status")
        for line in status.read_text().splitlines()
        if line.startswith("voluntary_ctxt_switches")
    ]
    return sum(int(line.split()[1]) for line in lines)


def test_idle(daemon: Running) -> None:
    """With 1,000 orders that are not due the whole daemon sleeps, and nothing wakes it."""
    daemon.stop()
    order_many(daemon.data / "scrapy-do.db")
    daemon.start()
    assert MANY == len(daemon.ask(f"/list-schedules.json?limit={MANY}")["schedules"])

    def settled() -> bool:
        before = wake_ups(daemon.pid)
        time.sleep(SETTLED_S)
        return wake_ups(daemon.pid) == before

    until(settled, "the end of the start")
    before = wake_ups(daemon.pid)
    time.sleep(IDLE_S)  # this is what is measured
    assert wake_ups(daemon.pid) - before <= 1
