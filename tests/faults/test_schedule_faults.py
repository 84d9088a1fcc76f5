"""A daemon that is killed around planned instants loses none, and fires none twice."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from scrapy_do.core.filter import JobFilter
from scrapy_do.core.job import JobRequest
from scrapy_do.core.schedule import Counts, Schedule, ScheduleEvent, ScheduleEventKind
from scrapy_do.store.store import Store, open_store
from tests.faults.conftest import Lives
from tests.faults.killing import SCHEDULES, SECOND, give_orders
from tests.faults.life import PROJECT, Life
from tests.http_client import completed
from tests.live.running import until

SAMPLE = (200,)
SWEEP = (500, 500, 500, 500)
"""Points of each data directory: of one schedule only the newest events are kept."""

SEED = 20260603
OPTIONS = {
    "scrapy_do_job_slots": 1,
    "retention_finished_age": 0,
    "retention_finished_per_spider": 0,
}
DRIVER = [sys.executable, "-m", "tests.faults.killing"]
ROOT = Path(__file__).parent.parent.parent

pytestmark = pytest.mark.faults


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("part", "points"), list(enumerate(SWEEP if os.environ.get("FAULTS") == "sweep" else SAMPLE))
)
def test_killed_around_planned_instants(lives: Lives, part: int, points: int) -> None:
    """Killed within 20 ms of planned instants, each is one job or one recorded miss or skip."""
    seed = int(os.environ.get("FAULTS_SEED", SEED)) + part
    life = lives(**OPTIONS)
    # It has the only slot to the end, so that the others wait: no crawl is started at each life.
    running = life.accepted(seconds=86_400)
    life.started(running)
    life.kill()
    database = life.data / "scrapy-do.db"
    give_orders(database, JobRequest(project=PROJECT, spider="marker"))

    environment = {
        # To measure the coverage of a process that is killed would only make it slow.
        **{name: text for name, text in os.environ.items() if "COVERAGE" not in name},
        **{f"SCRAPY_DO_{name.upper()}": str(value) for name, value in OPTIONS.items()},
        "SCRAPY_DO_SCRAPY_DO_PROJECT_STORE": str(life.data),
        "SCRAPY_DO_WEB_INTERFACES": "127.0.0.1:0",
    }
    with life.log.open("a") as log:
        words = [*DRIVER, str(points), str(seed)]
        subprocess.run(words, cwd=ROOT, env=environment, stderr=log, check=True)
    words_of_running = life.words_of(running)
    life.start()
    # On a busy machine each life may have been too short for all schedules to be looked at.
    until(lambda: all(map(_has_fired_or_not, _listed(life))) or None, "a look at each")
    life.stop()

    store = open_store(database)
    schedules = completed(store.schedules.find(JobFilter(limit=None)))
    found = [fault for schedule in schedules for fault in faults(store, schedule)]
    store.close()
    assert SCHEDULES == len(schedules)
    assert not found, f"FAULTS_SEED={seed - part}, part {part}:\n" + "\n".join(found)
    assert ["start"] == words_of_running


def _listed(life: Life) -> list[dict[str, Any]]:
    schedules: list[dict[str, Any]] = life.call("/list-schedules.json")[1]["schedules"]
    return schedules


def _has_fired_or_not(schedule: dict[str, Any]) -> bool:
    return any(schedule[count] for count in ("fired", "missed", "skipped"))


def faults(store: Store, schedule: Schedule) -> Iterator[str]:
    """Compare the instants up to the last planned one with what became of them."""
    assert schedule.last_planned is not None
    seconds = (schedule.last_planned - schedule.anchor) // SECOND
    assert seconds > 10
    instants = Counter(schedule.anchor + (n + 1) * SECOND for n in range(seconds))
    found, counts = outcomes(store, schedule)
    name = f"schedule {schedule.id.int}"
    yield from (f"{name}: {instant} is lost" for instant in sorted(instants - found))
    yield from (f"{name}: {instant} is there again" for instant in sorted(found - instants))
    if counts != schedule.counts:
        yield f"{name}: {schedule.counts}, but {counts} are found"


def outcomes(store: Store, schedule: Schedule) -> tuple[Counter[datetime], Counts]:
    """Return what is recorded of a schedule's instants: its jobs, misses and skips."""
    jobs = completed(store.jobs.find(JobFilter(schedule_id=schedule.id, limit=None)))
    events = completed(store.schedules.events(schedule.id))
    found = Counter(job.planned_at for job in jobs if job.planned_at is not None)
    for event in events:
        found.update(event.first + n * SECOND for n in range(event.count))
        assert event.last == event.first + (event.count - 1) * SECOND
    counts = Counts(
        fired=len(jobs),
        missed=counted(events, ScheduleEventKind.MISSED),
        skipped=counted(events, ScheduleEventKind.SKIPPED),
    )
    return found, counts


def counted(events: list[ScheduleEvent], kind: ScheduleEventKind) -> int:
    return sum(event.count for event in events if event.kind is kind)
