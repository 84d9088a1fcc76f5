"""Cancel and limits end whole families, each with its reason, and no neighbour."""

import pytest

from tests.faults.conftest import Lives
from tests.live.running import processes_of, until

pytestmark = pytest.mark.faults


def test_a_cancel_ends_the_family(lives: Lives) -> None:
    """A cancelled crawl that is deaf to SIGTERM is killed with its browser and its children."""
    life = lives(crawls_stop_grace="1s")
    job, neighbour = life.accepted("family", deaf=1), life.accepted("family")
    life.started(job, neighbour)
    before = len(processes_of(job))

    life.call("/cancel-job.json", id=job)

    found = life.finished(job)
    assert before >= 5
    assert (found["status"], found["outcome-reason"]) == ("CANCELED", "cancelled")
    assert processes_of(job) == []
    assert len(processes_of(neighbour)) == before


def test_each_limit_has_its_reason(lives: Lives) -> None:
    """Time-out, stall and memory end their own crawls, with children, and leave others alone."""
    life = lives(scrapy_do_job_slots=4, crawls_stop_grace="1s", crawls_report_interval="1s")
    jobs = {
        life.accepted("family", deaf=1, timeout=2): "job_timeout",
        life.accepted("family", stall_timeout=2): "stall_timeout",
        life.accepted("hoarder", memory_limit=120_000_000): "memory_limit",
    }
    neighbour = life.accepted("ticker", lines=200, items=0)
    life.started(*jobs, neighbour)

    found = {job: life.finished(job) for job in jobs}

    assert {job: one["outcome-reason"] for job, one in found.items()} == jobs
    assert {one["status"] for one in found.values()} == {"FAILED"}
    until(lambda: not any(processes_of(job) for job in jobs), "the end of their processes", 5)
    assert life.finished(neighbour)["status"] == "SUCCESSFUL"
    assert life.words_of(neighbour) == ["start", "end", "closed:finished"]
