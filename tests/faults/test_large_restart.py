"""A restart with very many waiting jobs and many running ones."""

import time
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from scrapy_do.core.job import JobRequest, NewJob, Pending
from scrapy_do.store.store import open_store
from tests.faults.conftest import Lives
from tests.faults.life import PROJECT, Life
from tests.http_client import completed
from tests.live.running import until

pytestmark = pytest.mark.faults

WAITING = 100_000
RUNNING = 50
READY_S = 2.0
BATCH = 2_000


def _fill(life: Life) -> None:
    """Record waiting jobs in the database of a daemon that is down."""
    store = open_store(life.data / "scrapy-do.db")
    request = JobRequest(project=PROJECT, spider="marker")
    now = datetime.now(UTC)
    for _ in range(WAITING // BATCH):
        batch = [
            NewJob(id=uuid4(), request=request, state=Pending(since=now), created_at=now)
            for _ in range(BATCH)
        ]
        completed(store.jobs.add_all(batch))
    store.close()


def _started_s(life: Life) -> float:
    """Start a daemon; return how long it took until it was ready."""
    begun_s = time.monotonic()
    life.start()
    return time.monotonic() - begun_s


@pytest.mark.timeout(300)
def test_a_large_restart(lives: Lives) -> None:
    """The daemon is ready within 2 s, has adopted every crawl, and answers at once."""
    life = lives(scrapy_do_job_slots=RUNNING)
    jobs = [life.accepted(seconds=600) for _ in range(RUNNING)]
    life.started(*jobs)
    life.kill()
    empty_s = _started_s(life)
    life.kill()
    _fill(life)

    ready_s = _started_s(life)
    asked_s = time.monotonic()
    _, status = life.call("/status.json")
    _, listed = life.call("/list-jobs.json?status=PENDING&limit=100")
    answered_s = time.monotonic() - asked_s
    adopted = [life.job(job)["status"] for job in jobs]

    assert (status["jobs-pending"], status["jobs-running"]) == (WAITING, RUNNING)
    assert len(listed["jobs"]) == 100
    assert adopted == ["RUNNING"] * RUNNING
    assert {len(life.words_of(job)) for job in jobs} == {1}
    # On a machine that does other things too, a start of nothing is the measure.
    assert ready_s < max(READY_S, 4 * empty_s), (ready_s, empty_s)
    assert answered_s < 1
    life.call("/cancel-job.json", id=jobs[0])
    until(lambda: life.call("/status.json")[1]["jobs-pending"] < WAITING, "a start of the next")
