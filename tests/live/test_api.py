"""Every documented call with real curl and jq, on real crawls of a local site."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from scrapy_do.demo.run import PROJECT_DIR
from scrapy_do.demo.site import DemoSite
from tests.live.running import Running, pack, running

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with DemoSite() as site:
        yield site.url


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path) as daemon:
        yield daemon


def shell(daemon: Running, root: Path, script: str) -> str:
    """Run documented lines as they are, but for the address."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script.replace("http://localhost:7654", daemon.url)],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_documented_lines(daemon: Running, tmp_path: Path, site: str) -> None:
    """The documentation's own curl and jq lines work unchanged, in their order."""
    pack(PROJECT_DIR, tmp_path).rename(tmp_path / "quotesbot.zip")

    printed = shell(
        daemon,
        tmp_path,
        f"""
        curl -s "http://localhost:7654/status.json" | jq -r .status
        curl -s http://localhost:7654/push-project.json \
           -F archive=@quotesbot.zip | jq -rc '.name, .spiders'
        curl -s http://localhost:7654/list-projects.json | jq -rc .projects
        curl -s "http://localhost:7654/list-spiders.json?project=quotesbot" | jq -rc .project
        ORDER=$(curl -s http://localhost:7654/schedule-job.json \
           -F project=quotesbot \
           -F spider=toscrape-css \
           -F "when=every 10 minutes" | jq -r .identifier)
        curl -s "http://localhost:7654/list-jobs.json?status=ACTIVE" | jq -rc '.jobs[].schedule'
        curl -s "http://localhost:7654/list-jobs.json?id=$ORDER" | jq -rc '.jobs[].status'
        curl -s http://localhost:7654/cancel-job.json -F id=$ORDER | jq -rc .
        ID=$(curl -s http://localhost:7654/schedule-job.json -F project=quotesbot \
           -F spider=toscrape-css -F when=now -F arg=site={site} | jq -r .identifier)
        until curl -s "http://localhost:7654/list-jobs.json?id=$ID" | grep -q SUCCESSFUL
        do sleep 0.1; done
        curl -s http://localhost:7654/get-log/data/$ID.err | grep -o "Spider closed (finished)"
        curl -s http://localhost:7654/get-log/data/$ID.out | wc -c
        curl -s "http://localhost:7654/list-jobs.json?id=$ID" | jq -rc '.jobs[] | .status, .items'
        curl -s http://localhost:7654/get-items/data/$ID.jsonl | jq -r .author | sort -u | head -2
        curl -s http://localhost:7654/remove-project.json -F name=quotesbot | jq -rc .
        """,
    )

    assert printed.splitlines() == [
        "ok",
        "quotesbot",
        '["books","endless","flaky","toscrape-css"]',
        '["quotesbot"]',
        "quotesbot",
        "every 10 minutes",
        "SCHEDULED",
        '{"status":"ok"}',
        "Spider closed (finished)",
        "0",
        "SUCCESSFUL",
        "100",
        "the bee",
        "the fox",
        '{"status":"ok"}',
    ]


def test_arguments_arrive(daemon: Running, tmp_path: Path) -> None:
    """Arguments and payload reach the spider exactly as they were sent."""
    daemon.push("good", tmp_path)
    odd = 'ü "quoted" $(echo) -o=x\\n'

    job = daemon.run("mirror", arg=[f"odd={odd}", "empty="], payload='{"a": [1, "ß"]}')
    daemon.finished(job)

    (item,) = [line for line in daemon.curl(f"/get-items/data/{job}.jsonl").splitlines() if line]
    printed = subprocess.run(
        ["jq", "-r", ".arguments | .odd, .empty, .payload"],
        input=item,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert printed.splitlines() == [odd, "", '{"a": [1, "ß"]}']


def test_stats_and_health(daemon: Running, tmp_path: Path) -> None:
    """A finished job shows Scrapy's statistics; health says all is well."""
    daemon.push("good", tmp_path)

    job = daemon.finished(daemon.run("noop"))

    assert job["status"] == "SUCCESSFUL"
    assert job["stats"]["finish_reason"] == "finished"
    assert daemon.ask("/healthz") == {"status": "ok"}
    assert daemon.ask("/status.json")["jobs-successful"] == 1


def test_a_log_is_followed(daemon: Running, tmp_path: Path) -> None:
    """The log of a running job ends with the job, and not before."""
    daemon.push("good", tmp_path)
    job = daemon.run("sleeper")
    daemon.until_status(job, "RUNNING")
    with subprocess.Popen(
        ["curl", "-sN", f"{daemon.url}/get-log/data/{job}.err"], stdout=subprocess.PIPE, text=True
    ) as follower:
        output = follower.stdout
        assert output is not None
        before = list(iter_until("Spider opened", output))
        daemon.ask("/cancel-job.json", id=job)
        rest = output.read()

    assert "Spider opened" in before[-1], before
    assert "Spider closed (shutdown)" in rest
    assert follower.returncode == 0
    assert daemon.job(job)["status"] == "CANCELED"


def iter_until(words: str, lines: IO[str]) -> Iterator[str]:
    """Give the lines up to the one with the words, or all."""
    for line in lines:
        yield line
        if words in line:
            return


def test_parts_of_a_log(daemon: Running, tmp_path: Path) -> None:
    """Range requests and HEAD work on the log of a finished job."""
    daemon.push("good", tmp_path)
    job = daemon.run("noop")
    daemon.finished(job)
    whole = daemon.curl(f"/get-log/data/{job}.err")

    assert whole[-20:] == daemon.curl(f"/get-log/data/{job}.err", "-r", "-20")
    assert whole[:10] == daemon.curl(f"/get-log/data/{job}.err", "-r", "0-9")
    head = daemon.curl(f"/get-log/data/{job}.err", "-I").lower()
    assert f"content-length: {len(whole.encode())}" in head
