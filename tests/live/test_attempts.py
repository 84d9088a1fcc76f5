"""A job that is run again has the records of its last run, and counts that are theirs."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scrapy_do.protocol import run_record
from tests.live.running import Running, running, until

pytestmark = pytest.mark.live

ITEMS, RESPONSES, ERRORS = 4, 1, 1


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path) as daemon:
        daemon.push("good", tmp_path)
        yield daemon


def lines(daemon: Running, path: str) -> list[Any]:
    return [json.loads(line) for line in daemon.curl(path, "-u", "KEY:").splitlines()]


def counted(daemon: Running, identifier: str) -> dict[str, set[int]]:
    """Return what is said of a job, wherever it is said: each figure should be one."""
    job = daemon.job(identifier)
    key, project = job["key"], job["key"].split("/")[0]
    [row] = json.loads(
        daemon.curl(f"/api/jobs/list.json?project={project}&job={key}", "-u", "KEY:")
    )["jobs"]
    [queued] = lines(
        daemon,
        f"/jobq/{project}/jobsummary?key={key}"
        "&jobmeta=items&jobmeta=pages&jobmeta=logs&jobmeta=errors&jobmeta=scrapystats",
    )
    stats = {
        kind: lines(daemon, f"/{kind}/{key}/stats")[0] for kind in ("items", "requests", "logs")
    }
    totals = {kind: one["totals"]["input_values"] for kind, one in stats.items()}
    items = daemon.curl(f"/get-items/data/{identifier}.jsonl").splitlines()
    logs = lines(daemon, f"/logs/{key}")
    return {
        "items": {
            job["items"],
            row["items_scraped"],
            queued["items"],
            queued["scrapystats"].get("item_scraped_count", 0),
            totals["items"],
            len(items),
            len(lines(daemon, f"/items/{key}")),
        },
        "responses": {
            job["responses"],
            row["responses_received"],
            queued["pages"],
            totals["requests"],
            len(lines(daemon, f"/requests/{key}")),
        },
        "logs": {job["log-lines"], row["logs"], queued["logs"], totals["logs"], len(logs)},
        "errors": {
            job["errors"],
            row["errors_count"],
            queued["errors"],
            sum(line["level"] >= 40 for line in logs),
        },
    }


def check(daemon: Running, identifier: str) -> None:
    figures = counted(daemon, identifier)
    assert [ITEMS] == sorted(figures["items"])
    assert [RESPONSES] == sorted(figures["responses"])
    assert [ERRORS] == sorted(figures["errors"])
    assert len(figures["logs"]) == 1, figures


def earlier_items(daemon: Running, identifier: str, attempt: int) -> int:
    """Return how many items an earlier attempt has left, if both dialects agree."""
    key = daemon.job(identifier)["key"]
    found = daemon.curl(f"/get-items/data/{identifier}.jsonl?attempt={attempt}").splitlines()
    assert [json.loads(line) for line in found] == lines(daemon, f"/items/{key}?attempt={attempt}")
    stats = lines(daemon, f"/items/{key}/stats?attempt={attempt}")[0]
    assert stats["totals"]["input_values"] == len(found)
    assert lines(daemon, f"/logs/{key}?attempt={attempt}")
    return len(found)


def waiting(daemon: Running, project: str = "good") -> bool:
    return (daemon.data / "spider-data" / "projects" / project / "waiting").exists()


@pytest.mark.parametrize("how", ["kill", "exit"])
def test_a_retry_begins_with_no_records(daemon: Running, how: str) -> None:
    """Count, lines and stats are of the attempt that counts; those before are kept apart."""
    job = daemon.run("falling", retries="2", arg=[f"how={how}", "times=2"])
    done = daemon.finished(job)

    assert (done["status"], done["attempt"]) == ("SUCCESSFUL", 3)
    check(daemon, job)
    assert len(lines(daemon, f"/samples/{done['key']}")) == 1
    assert daemon.job(job)["earlier-attempts"] == 2
    assert [earlier_items(daemon, job, attempt) for attempt in (1, 2)] == [ITEMS] * 2
    unknown = daemon.curl(f"/get-items/data/{job}.jsonl?attempt=3", "-o/dev/null", "-w%{http_code}")
    assert unknown == "404"
    assert daemon.curl(f"/get-log/data/{job}.err").count("Spider opened") == 3


def test_a_killed_crawl_has_what_it_has_written(daemon: Running) -> None:
    """The last attempt, too, may be killed between two reports."""
    job = daemon.run("falling")

    assert daemon.finished(job)["status"] == "FAILED"
    check(daemon, job)
    assert daemon.job(job)["earlier-attempts"] == 0


def test_a_stop_and_a_start(daemon: Running) -> None:
    """What a plain stop has interrupted is run again, and begins with no records."""
    job = daemon.run("falling", arg="how=wait")
    until(lambda: waiting(daemon), "the first run waits")

    daemon.stop()
    daemon.start()

    assert daemon.finished(job)["status"] == "SUCCESSFUL"
    check(daemon, job)
    assert daemon.job(job)["earlier-attempts"] == 1
    assert earlier_items(daemon, job, 1) == ITEMS


def test_a_start_in_place(daemon: Running) -> None:
    """A crawl that goes on through a restart of the daemon keeps its records and counts."""
    job = daemon.run("falling", arg="how=wait", retries="1")
    until(lambda: waiting(daemon), "it waits")
    daemon.signal(signal.SIGUSR2)
    daemon.url = daemon.line().rsplit(" ", 1)[1].strip()

    daemon.ask("/cancel-job.json", id=job)

    assert daemon.finished(job)["status"] == "CANCELED"
    check(daemon, job)
    assert daemon.job(job)["earlier-attempts"] == 0


@pytest.mark.parametrize("retries", [0, 1])
def test_a_lost_crawl(daemon: Running, retries: int) -> None:
    """It has the counts of what it has written; when it is run again, those of the new run."""
    job = daemon.run("falling", arg="how=wait", retries=str(retries))
    until(lambda: waiting(daemon), "it waits")
    record = (daemon.data / "runs" / "active" / f"{job}.1" / "started").read_bytes()
    started = run_record.StartRecord.decode(record)
    daemon.kill()
    for process in (started.holder, started.crawl):
        os.kill(process.pid, signal.SIGKILL)
    daemon.start()

    assert daemon.finished(job)["status"] == ("SUCCESSFUL" if retries else "FAILED")
    check(daemon, job)
    assert daemon.job(job)["earlier-attempts"] == retries
