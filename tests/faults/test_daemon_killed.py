"""kill -9 of the daemon: crawls go on, the next daemon finds everything, nothing runs twice."""

import os
import signal
import time

import pytest

from tests.faults.conftest import Lives
from tests.faults.life import Life, gone, kill
from tests.live.running import until

pytestmark = pytest.mark.faults


def test_crawls_outlive_the_daemon(lives: Lives) -> None:
    """What runs goes on and is adopted, what ended meanwhile has its true end, the rest follows."""
    life = lives(scrapy_do_job_slots=3)
    ticker = life.accepted("ticker", lines=200, items=0)
    good = life.accepted(seconds=1, items=7)
    bad = life.accepted(seconds=1, end="exit")
    life.started(ticker, good, bad)
    waiting = [life.accepted(items=1) for _ in range(3)]
    crawl = life.pid_of("crawl", ticker)

    life.kill()
    size = life.file_of(ticker).stat().st_size
    ended = until(lambda: {"end"} <= {*life.words_of(good)} & {*life.words_of(bad)}, "two ends")
    grown = life.file_of(ticker).stat().st_size
    life.start()

    assert ended
    assert grown > size
    assert life.job(ticker)["status"] == "RUNNING"
    assert life.pid_of("crawl", ticker) == crawl
    assert life.finished(good)["stats"]["item_scraped_count"] == 7
    assert life.finished(bad)["outcome-reason"] == "exit status 3"
    assert {life.finished(job)["status"] for job in waiting} == {"SUCCESSFUL"}
    assert life.finished(ticker)["status"] == "SUCCESSFUL"
    ticks = [line for line in life.output(ticker).splitlines() if line.startswith("tick")]
    assert ticks == [f"tick {number}" for number in range(200)]
    assert life.faults() == []


def test_an_end_in_between_keeps_its_time(lives: Lives) -> None:
    """The end of a crawl is when it ended, not when a daemon found it."""
    life = lives()
    begun_s = time.monotonic()
    job = life.accepted(seconds=0.5)
    life.started(job)
    life.kill()
    until(lambda: "closed:finished" in life.words_of(job), "the end")
    took_s = time.monotonic() - begun_s
    time.sleep(2.2)  # time must pass between the end and the start that finds it
    life.start()

    found = life.finished(job)

    assert (found["status"], found["duration"] <= took_s + 1) == ("SUCCESSFUL", True)


def _ordered(life: Life) -> tuple[str, int]:
    """Return a job whose order lies in the queue of a warm parent that stands still."""
    first = life.accepted()
    life.finished(first)
    (warm,) = life.warm_parents()
    os.kill(warm, signal.SIGSTOP)
    job = life.accepted()
    until((life.run_dir(job) / "order").exists, "the order")
    return job, warm


def test_a_claim_without_a_start_is_made_again(lives: Lives) -> None:
    """A job that was claimed, but never came to life, starts once after the restart."""
    life = lives()
    job, warm = _ordered(life)

    life.kill()
    kill(warm)
    life.start()

    assert life.finished(job)["attempt"] == 1
    assert life.faults() == []


def test_a_late_start_is_no_second_start(lives: Lives) -> None:
    """A warm parent that outlives its daemon and wakes up late starts nothing any more."""
    life = lives()
    job, warm = _ordered(life)

    life.kill()
    life.start()
    os.kill(warm, signal.SIGCONT)

    assert life.finished(job)["status"] == "SUCCESSFUL"
    until(lambda: gone(warm), "the end of the old warm parent")
    assert life.faults() == []


def test_cancelled_and_killed(lives: Lives) -> None:
    """A cancel that was acknowledged is carried out by the next daemon."""
    life = lives(crawls_stop_grace="1s")
    job = life.accepted("family", deaf=1)
    asked = life.history.asked["call-0"]
    life.started(job)
    connection = life.send_cancel(asked)
    until((life.run_dir(job) / "stopping").exists, "the wish")
    asked.cancel = "acknowledged"  # by the mark on the disk, though not by an answer
    life.kill()
    connection.close()
    life.start()

    assert life.finished(job)["outcome-reason"] == "cancelled"
    assert life.faults() == []
