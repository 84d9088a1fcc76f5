"""What a project's configuration makes of its crawls, and what becomes of those that fail."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from scrapy_do.protocol import run_record
from tests.live.running import PROJECTS, Running, pack, processes_of, running, until

pytestmark = pytest.mark.live

MIB = 1024 * 1024

Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return a function that runs a daemon with a configuration and projects of these names."""
    with ExitStack() as stack:

        def start(configuration: str, *projects: str, **options: str) -> Running:
            path = tmp_path / "scrapy-do.conf"
            path.write_text(f"[scrapy-do]\njob-slots = 8\n{configuration}")
            life: AbstractContextManager[Running] = running(
                tmp_path, words=["--config", str(path)], options=options
            )
            daemon = stack.enter_context(life)
            for name in projects or ("good",):
                push_as(daemon, name, tmp_path)
            return daemon

        yield start


def push_as(daemon: Running, name: str, root: Path) -> None:
    """Push the project `good` under another name."""
    copy = root / name
    shutil.copytree(PROJECTS / "good", copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "scrapy.cfg").write_text(
        f"[settings]\ndefault = good.settings\n[deploy]\nproject = {name}\n"
    )
    answer = daemon.ask("/push-project.json", archive=f"@{pack(copy, root)}")
    assert answer["status"] == "ok", answer


def data_of(daemon: Running, project: str = "good") -> Path:
    return daemon.data / "spider-data" / "projects" / project


def item_of(daemon: Running, job: str) -> dict[str, Any]:
    """Return the one item of a job, when it has ended."""
    assert daemon.finished(job)["status"] == "SUCCESSFUL"
    item: dict[str, Any] = daemon.ask(f"/get-items/data/{job}.jsonl")
    return item


# --- how they start ----------------------------------------------------------------------------


def modules_of(job: str) -> set[str]:
    """Return what the interpreters of a job's processes were started with."""
    lines = [Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0") for pid in processes_of(job)]
    return {line[-2].decode() for line in lines}


def test_the_launcher_of_a_project(start: Start) -> None:
    """One project is forked and the other has a new interpreter, at the same time."""
    daemon = start("[project:apart]\nlauncher = spawn\n", "good", "apart")
    jobs = {name: daemon.run("sleeper", project=name) for name in ("good", "apart")}
    # A job is RUNNING from its claim on: its process comes a moment later.
    modules = {
        name: until(lambda job=job: modules_of(job), f"a process of {name}")  # type: ignore[misc]  # bound now
        for name, job in jobs.items()
    }

    assert modules == {
        "good": {"scrapy_do.crawl.warm_parent"},
        "apart": {"scrapy_do.crawl.holder"},
    }
    for job in jobs.values():
        daemon.ask("/cancel-job.json", id=job)


@pytest.mark.parametrize("launcher", ["fork", "spawn"])
def test_the_environment(start: Start, launcher: str) -> None:
    """A crawl sees what is built for it and what was granted, nothing else of the daemon's."""
    daemon = start(
        f"[crawls]\nlauncher = {launcher}\nenvironment = PASSED SET=one BOTH=general\n"
        '[project:good]\nenvironment = BOTH=own OWN="two words"\n',
        PASSED="on",
        NOT_PASSED="a secret",
        PATH=os.environ["PATH"],
        LANG="C.UTF-8",
        LC_ALL="C.UTF-8",
        TZ="Asia/Kolkata",
    )
    job = daemon.run("mirror")

    run = daemon.data / "runs" / "crawls" / f"{job}.1"
    assert item_of(daemon, job)["environment"] == {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "TZ": "Asia/Kolkata",
        "HOME": str(run / "home"),
        "TMPDIR": str(run.parents[1] / "tmp" / f"{job[:8]}.1"),
        "SCRAPY_JOB": daemon.job(job)["key"],
        "SCRAPY_DO_JOB": job,
        "SCRAPY_PROJECT": "good",
        "SCRAPY_SPIDER": "mirror",
        "SCRAPY_SETTINGS_MODULE": "good.settings",
        "SPIDER_DATA_DIR": str(data_of(daemon)),
        "SCRAPY_DO_RUN": f"{job}.1",
        "PASSED": "on",
        "SET": "one",
        "BOTH": "own",
        "OWN": "two words",
    }
    assert data_of(daemon).stat().st_mode & 0o777 == 0o700


# --- how they are started again ----------------------------------------------------------------


def test_a_failed_crawl_is_retried(start: Start) -> None:
    """A crawl that fails runs again after its delay, with its log continued."""
    daemon = start("")
    job = daemon.run("stumbling", retries="1", retry_delay="1.5")
    waiting = until(lambda: waits(daemon, job), "waiting for the next attempt")
    done = daemon.finished(job)

    assert (waiting["attempt"], done["attempt"], done["status"]) == (1, 2, "SUCCESSFUL")
    failed_at = datetime.fromisoformat(waiting["timestamp"])
    delay = datetime.fromisoformat(done["started"]) - failed_at.astimezone()
    assert timedelta(seconds=0.5) <= delay <= timedelta(seconds=6)  # shown in whole seconds
    log = daemon.curl(f"/get-log/data/{job}.err")
    assert log.count("Spider opened") == 2


def waits(daemon: Running, job: str) -> dict[str, Any] | None:
    """Return the job if it waits for another attempt."""
    found = daemon.job(job)
    return found if (found["status"], found["attempt"]) == ("PENDING", 1) else None


def test_a_failed_crawl_is_final_without_retries(start: Start) -> None:
    """Without retries the first failure is the end."""
    daemon = start("")
    done = daemon.finished(daemon.run("stumbling"))

    assert (done["attempt"], done["status"], done["outcome-reason"]) == (
        1,
        "FAILED",
        "exit status 3",
    )


def test_a_schedule_retries_too(start: Start) -> None:
    """The jobs of a schedule are retried as the schedule says."""
    daemon = start("")
    schedule = daemon.run("stumbling", when="every second", retries="1", retry_delay="0.1")

    def retried() -> dict[str, Any] | None:
        jobs = daemon.ask("/list-jobs.json?status=COMPLETED")["jobs"]
        return next((job for job in jobs if job["attempt"] == 2), None)

    job = until(retried, "a retry")
    daemon.ask("/cancel-job.json", id=schedule)
    assert (job["status"], job["schedule-id"]) == ("SUCCESSFUL", schedule)


@pytest.mark.parametrize("launcher", ["fork", "spawn"])
def test_a_crawl_lost_before_it_began_starts_again(start: Start, launcher: str) -> None:
    """A crawl whose processes die before its spider is open has crawled nothing: it runs again."""
    daemon = start(f"[crawls]\nlauncher = {launcher}\n")
    job = daemon.run("hesitant")
    written = data_of(daemon) / "crawl.pid"
    crawl = int(until(lambda: written.read_text() if written.exists() else None, "the crawl"))
    holder = run_record.StartRecord.decode(
        (daemon.data / "runs" / "active" / f"{job}.1" / run_record.STARTED).read_bytes()
    ).holder
    os.kill(holder.pid, signal.SIGKILL)
    done = daemon.finished(job)

    assert (done["status"], done["attempt"]) == ("SUCCESSFUL", 1)
    assert crawl not in processes_of(job)


# --- how they are ended ------------------------------------------------------------------------

LIMITS = """
[project:late]
job-timeout = 2s
[project:idle]
stall-timeout = 2s
[project:fat]
memory-limit = 100MiB
[project:greedy]
memory-limit = 150MiB
"""


def test_limits_of_projects(start: Start) -> None:
    """Each crawl that goes over a limit of its project ends with that reason; others go on."""
    daemon = start(LIMITS, "good", "late", "idle", "fat", "greedy")
    neighbour = daemon.run("sleeper")
    spiders = {"late": "sleeper", "idle": "sleeper", "fat": "swelling", "greedy": "greedy"}
    jobs = {name: daemon.run(spider, project=name) for name, spider in spiders.items()}
    ended = {name: daemon.finished(job) for name, job in jobs.items()}

    assert {name: (job["status"], job["outcome-reason"]) for name, job in ended.items()} == {
        "late": ("FAILED", "job_timeout"),
        "idle": ("FAILED", "stall_timeout"),
        "fat": ("FAILED", "memory_limit"),
        "greedy": ("FAILED", "memory_limit"),
    }
    assert [pid for job in jobs.values() for pid in processes_of(job)] == []
    # Asked politely, a crawl closes its spider; one that runs away is not asked for long.
    assert "Spider closed" in daemon.curl(f"/get-log/data/{jobs['fat']}.err")
    assert daemon.job(neighbour)["status"] == "RUNNING"
    assert len(processes_of(neighbour)) == 2
    daemon.ask("/cancel-job.json", id=neighbour)


def test_a_limit_of_a_job_wins(start: Start) -> None:
    """What a job says of itself replaces what its project says."""
    daemon = start("[project:good]\njob-timeout = 1h\n")

    assert daemon.finished(daemon.run("sleeper", timeout="1"))["outcome-reason"] == "job_timeout"


# --- what they write ---------------------------------------------------------------------------


def test_a_log_that_is_too_long(start: Start) -> None:
    """The log ends with a line that says so; the job goes on and shows how much is missing."""
    daemon = start("[crawls]\nlog-size = 1MiB\n")
    job = daemon.run("chatty", arg="lines=20000")
    daemon.finished(job)
    shown = daemon.job(job)
    log = daemon.curl(f"/get-log/data/{job}.err")

    assert (shown["status"], shown["items"]) == ("SUCCESSFUL", 1)
    assert log.splitlines()[-1] == "... the log is cut here at 1 MiB ..."
    assert len(log) < MIB + 100
    assert shown["log-lines"] > 20000
    assert shown["stats"]["scrapy_do/dropped/err_bytes"] > MIB
    assert shown["stats"]["item_scraped_count"] == 1
