"""Runs whose records a crawl has damaged in every way: nobody else notices.

As root, and as one for whom the modes of files count, which a plain user is.
"""

import os
from itertools import product
from pathlib import Path

import pytest

from tests.faults.conftest import SWEEP, Lives
from tests.faults.life import Life
from tests.live.running import processes_of, until

pytestmark = pytest.mark.faults

CAPABILITIES = "-dac_override,-dac_read_search,-fowner"
PLAIN = ("setpriv", f"--bounding-set={CAPABILITIES}") if os.geteuid() == 0 else ()
"""Makes root somebody for whom the modes of files count, as they do for everybody else."""


THINGS = (
    *("directory", "pipe", "link", "loop", "huge", "nonsense", "forged", "unreadable", "missing"),
)
WAYS = (
    *(f"{thing}-{record}" for thing, record in product(THINGS, ("exit", "started", "lock"))),
    *(f"{thing}-result" for thing in ("directory", "pipe", "link", "huge", "nonsense")),
    *("parent_exit", "parent_closed", "deep", "wide", "records_closed"),
    *("records_gone", "records_file", "records_link", "all_gone", "in_the_way", "left_behind"),
)

ROOT = pytest.param((), id="root")
USER = pytest.param(PLAIN, id="plain")


def known(outcome: str) -> bool:
    """Whether an outcome is one of a run that ended, or of one whose records were damaged."""
    ends = (
        "finished",
        "shutdown",
        "cancelled",
        "its records are gone",
        "the spider was not closed",
    )
    return outcome in ends or (
        outcome.startswith(("its records are damaged: ", "killed "))
        or "before the spider opened" in outcome
        or outcome.endswith(" errors and not one response or item")
    )


def left_over(life: Life) -> list[Path]:
    runs = life.data / "runs"
    return [path for root in ("active", "crawls", "trash") for path in (runs / root).iterdir()]


def check(life: Life, jobs: dict[str, str], neighbour: str, *, status: str = "SUCCESSFUL") -> None:
    """Let all end; nothing is left of any, and the daemon takes new work and starts again."""
    ended = {way: life.finished(job)["outcome-reason"] for job, way in jobs.items()}
    assert {way: reason for way, reason in ended.items() if not known(reason)} == {}
    assert life.finished(neighbour)["status"] == status
    until(lambda: not any(map(processes_of, jobs)), "the end of their processes", 10)
    assert life.finished(life.accepted())["status"] == "SUCCESSFUL"
    life.stop()
    life.start()
    assert life.finished(life.accepted())["status"] == "SUCCESSFUL"
    until(lambda: not left_over(life), "the removal of what they left", 60)


@pytest.mark.parametrize("user", [USER, *([ROOT] if SWEEP else [])])
def test_damaged_while_it_is_watched(lives: Lives, user: tuple[str, ...]) -> None:
    """The daemon that launched a crawl learns its true end, or that its records are damaged."""
    life = lives(*user, scrapy_do_job_slots=6, crawls_stop_grace="2s")
    neighbour = life.accepted("ticker", lines=100)
    jobs = {life.accepted("vandal", how=way): way for way in WAYS}

    check(life, jobs, neighbour)


@pytest.mark.parametrize("user", [ROOT, *([USER] if SWEEP else [])])
def test_damaged_and_found(lives: Lives, user: tuple[str, ...]) -> None:
    """The next daemon ends what it cannot believe, goes on with the rest, and starts."""
    life = lives(*user, scrapy_do_job_slots=len(WAYS) + 1, crawls_stop_grace="2s")
    neighbour = life.accepted("ticker", lines=400)
    jobs = {life.accepted("vandal", how=way, stay=1): way for way in WAYS}
    done = [job for job, way in jobs.items() if way != "left_behind"]
    until(lambda: all("done" in life.words_of(job) for job in done), "all damage", 90)
    life.kill()
    life.start()
    for job in jobs:
        life.call("/cancel-job.json", id=job)

    check(life, jobs, neighbour)


@pytest.mark.parametrize(
    ("how", "stay"), [("roots_closed", ""), ("roots_closed", "1"), ("all_closed", "")]
)
def test_closed_to_everybody(lives: Lives, how: str, stay: str) -> None:
    """A crawl that closes the directories of all runs, or of the daemon, harms none of them."""
    life = lives(*PLAIN, crawls_stop_grace="2s")
    neighbour = life.accepted("marker", seconds=3600)
    life.started(neighbour)
    job = life.accepted("vandal", how=how, stay=stay)
    until(lambda: "done" in life.words_of(job), "the damage")
    if stay:
        life.kill()
        life.start()
    for one in (neighbour, job):
        life.call("/cancel-job.json", id=one)

    check(life, {job: how}, neighbour, status="CANCELED")
    assert life.words_of(neighbour) == ["start", "closed:shutdown"]
