"""kill -9 of the fork server, of a crawl, of its holder, of all of them; another boot."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from scrapy_do.protocol import run_record
from scrapy_do.protocol.facts import Process
from tests.faults.conftest import Lives
from tests.faults.history import HOLDER_DIED, KILLED
from tests.faults.life import Life, gone, kill
from tests.live.running import processes_of, until

pytestmark = pytest.mark.faults

OTHER_BOOT = "00000000-0000-0000-0000-000000000000"
REBOOTED = "the machine was restarted"


def test_the_fork_server_is_replaced(lives: Lives) -> None:
    """When the warm parent is killed its crawls go on, and the next one comes from a new one."""
    life = lives()
    running = life.accepted(seconds=1)
    life.started(running)
    (old,) = life.warm_parents()
    kill(old)
    following = life.accepted()

    assert life.finished(following)["status"] == "SUCCESSFUL"
    assert life.finished(running)["status"] == "SUCCESSFUL"
    (new,) = life.warm_parents()
    assert new != old
    assert life.faults() == []


def test_a_killed_crawl_frees_its_slot(lives: Lives) -> None:
    """A killed crawl fails with the signal in its reason, and the next job starts within 1 s."""
    life = lives(scrapy_do_job_slots=1)
    job = life.accepted("family")
    life.started(job)
    following = life.accepted()
    killed_s = time.monotonic()
    kill(life.pid_of("crawl", job))
    life.started(following)
    freed_s = time.monotonic() - killed_s

    assert life.finished(job)["outcome-reason"] == KILLED
    assert processes_of(job) == []
    assert freed_s < 2
    assert life.finished(following)["status"] == "SUCCESSFUL"


def test_a_killed_holder_takes_everybody_along(lives: Lives) -> None:
    """With the holder go the crawl and its children's children; the job is lost, and says so."""
    life = lives()
    job, neighbour = life.accepted("family"), life.accepted(seconds=2)
    life.started(job, neighbour)
    kill(life.pid_of("holder", job))

    found = life.finished(job)

    assert (found["status"], found["outcome-reason"]) == ("FAILED", HOLDER_DIED)
    until(lambda: not processes_of(job), "the end of its processes", 5)
    assert life.finished(neighbour)["status"] == "SUCCESSFUL"


def _fled(job: str) -> list[int]:
    """Return the processes that have a run in their command line, whatever their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if f"{job}.1".encode() in path.read_bytes():
                found.append(int(path.parent.name))
    return found


@pytest.mark.parametrize("launcher", ["fork", "spawn"])
@pytest.mark.parametrize("is_adopted", [False, True])
def test_who_fled_from_a_killed_holder(lives: Lives, launcher: str, *, is_adopted: bool) -> None:
    """A grandchild in a session of its own, without an environment, goes with the holder.

    Also when the daemon that started the crawl is gone.
    """
    life = lives(crawls_launcher=launcher)
    job = life.accepted("vandal", how="fugitive", stay=1)
    until(lambda: "done" in life.words_of(job), "the flight")
    fugitives = until(lambda: _fled(job), "its command line")
    if is_adopted:
        life.kill()
        life.start()
        assert life.job(job)["status"] == "RUNNING"
    kill(life.pid_of("holder", job))

    assert life.finished(job)["outcome-reason"] == HOLDER_DIED
    assert len(fugitives) == 1
    until(lambda: all(map(gone, fugitives)), "the end of who fled", 5)


def _kill_everybody(life: Life, *jobs: str) -> None:
    """Kill the daemon and every process of some jobs, as a power cut does."""
    holders = [life.pid_of("holder", job) for job in jobs]
    life.kill()
    for holder in holders:
        kill(holder)
    for job in jobs:
        for pid in processes_of(job):
            kill(pid)
    assert until(lambda: all(pid is None or gone(pid) for pid in holders), "their end")


def test_everybody_killed(lives: Lives) -> None:
    """Daemon, fork server, holder killed: the next start ends what is left of the crawl."""
    life = lives()
    job = life.accepted("family", retries=0)
    life.started(job)
    (warm,) = life.warm_parents()
    holder = life.pid_of("holder", job)
    life.kill()
    kill(warm)
    kill(holder)
    left = processes_of(job)
    life.start()

    assert life.finished(job)["outcome-reason"] == HOLDER_DIED
    assert len(left) >= 2
    until(lambda: not processes_of(job), "the end of its processes", 5)


def test_retries(lives: Lives) -> None:
    """A job that allows another attempt gets it after its holder was killed."""
    life = lives()
    job = life.accepted(seconds=1, retries=1)
    life.started(job)
    kill(life.pid_of("holder", job))

    found = life.finished(job)

    assert (found["status"], found["attempt"]) == ("SUCCESSFUL", 2)
    assert life.words_of(job).count("start") == 2


@pytest.fixture
def stranger() -> Iterator[Process]:
    """A process that is none of ours, leader of a group, as the one before it may have been."""
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True
    ) as process:
        identity = run_record.identity_of(process.pid)
        assert identity is not None
        yield identity
        assert process.poll() is None, "the stranger was hurt"
        process.kill()


def _rewrite(life: Life, job: str, *, identity: Process) -> None:
    """Make a start that of another process, in its record and in the database.

    The same pid, or an earlier boot: what was written then is true, and means another now.
    """
    path = life.run_dir(job) / "started"
    record = json.loads(path.read_bytes())
    for role in ("crawl", "holder"):
        record[role] = {
            "pid": identity.pid,
            "start_ticks": identity.start_ticks,
            "boot_id": identity.boot_id,
        }
    path.write_text(json.dumps(record))
    with closing(sqlite3.connect(life.data / "scrapy-do.db")) as database, database:
        changed = database.execute(
            "UPDATE jobs SET pid = ?, start_ticks = ?, boot_id = ? WHERE replace(id, '-', '') = ?",
            (identity.pid, identity.start_ticks, identity.boot_id, job.replace("-", "")),
        )
        assert changed.rowcount == 1


def test_a_reboot(lives: Lives, stranger: Process) -> None:
    """After a restart of the machine what ran is lost, or runs again if it may; none is stuck."""
    life = lives()
    lost, again = life.accepted(seconds=30), life.accepted(seconds=2, retries=1)
    life.started(lost, again)
    life.running(lost, again)
    _kill_everybody(life, lost, again)
    for job in (lost, again):
        _rewrite(
            life,
            job,
            identity=Process(
                pid=stranger.pid, start_ticks=stranger.start_ticks, boot_id=OTHER_BOOT
            ),
        )
    life.start()

    found = life.finished(lost)

    assert (found["status"], found["outcome-reason"]) == ("FAILED", REBOOTED)
    assert (life.finished(again)["status"], life.job(again)["attempt"]) == ("SUCCESSFUL", 2)


def test_a_recycled_pid(lives: Lives, stranger: Process) -> None:
    """Processes that now have the pids of a dead crawl and its holder are left alone."""
    life = lives()
    job = life.accepted(seconds=30)
    life.started(job)
    life.running(job)
    _kill_everybody(life, job)
    earlier = Process(
        pid=stranger.pid, start_ticks=stranger.start_ticks - 1, boot_id=stranger.boot_id
    )
    _rewrite(life, job, identity=earlier)
    life.start()

    assert life.finished(job)["outcome-reason"] == HOLDER_DIED


def test_a_stopped_crawl_ends(lives: Lives) -> None:
    """A crawl that stands still and cannot hear anything is killed after the grace."""
    life = lives(crawls_stop_grace="1s")
    job = life.accepted("family")
    life.started(job)
    crawl = life.pid_of("crawl", job)
    assert crawl is not None
    os.kill(crawl, signal.SIGSTOP)

    life.call("/cancel-job.json", id=job)

    assert life.finished(job)["outcome-reason"] == "cancelled"
    assert processes_of(job) == []
