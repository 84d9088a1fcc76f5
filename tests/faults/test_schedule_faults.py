"""A scheduler that is killed around planned instants loses none, and fires none twice."""

import os
import subprocess
import sys
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest

from scrapy_do.core.filter import JobFilter
from scrapy_do.core.schedule import Counts, Schedule, ScheduleEvent, ScheduleEventKind
from scrapy_do.store.store import Store, open_store
from tests.faults.killing import SCHEDULES, SECOND
from tests.http_client import completed

SAMPLE = 80
SWEEP = 2000
SEED = 20260603

pytestmark = pytest.mark.faults


def points(config: pytest.Config) -> int:
    scaled = int(os.environ.get("SCRAPY_DO_TEST_SCALE", "1")) > 1
    return SWEEP if scaled or config.getoption("--faults-sweep", default=False) else SAMPLE


@pytest.mark.timeout(1800)
def test_killed_around_planned_instants(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """Killed within 20 ms of planned instants, each is one job or one recorded miss or skip."""
    database = tmp_path / "scrapy-do.sqlite"
    number = points(pytestconfig)
    subprocess.run(
        [sys.executable, "-m", "tests.faults.killing", str(database), str(number), str(SEED)],
        cwd=Path(__file__).parent.parent.parent,
        check=True,
    )
    store = open_store(database)
    schedules = completed(store.schedules.all())
    found = {schedule.id: outcomes(store, schedule) for schedule in schedules}
    store.close()
    assert SCHEDULES == len(schedules)
    assert {schedule.id: dealt_with_once(schedule) for schedule in schedules} == found


def dealt_with_once(schedule: Schedule) -> tuple[Counter[datetime], Counts]:
    """Return every instant up to the last planned one, each once, and the stored counts."""
    assert schedule.last_planned is not None
    seconds = (schedule.last_planned - schedule.anchor) // SECOND
    assert seconds > 10
    instants = Counter(schedule.anchor + (n + 1) * SECOND for n in range(seconds))
    return instants, schedule.counts


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
