"""Where the files of projects are, and where those that crawls leave go."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live.running import Running, running, until

pytestmark = pytest.mark.live

OWN = {".scrapy", "data", "list.txt", "rooted", "scrapy.cfg", "shared.txt"}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    root = tmp_path_factory.mktemp("daemon")
    with running(root) as daemon:
        daemon.push("rooted", root)
        yield daemon


def run(daemon: Running, spider: str, **form: Any) -> tuple[str, dict[str, Any]]:
    """Run a spider to its end; return the job's id and the job."""
    job = daemon.run(spider, project="rooted", **form)
    return job, daemon.finished(job)


def item_of(daemon: Running, job: str) -> dict[str, Any]:
    (line,) = daemon.curl(f"/get-items/data/{job}.jsonl").splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


def files_of(daemon: Running, job: str) -> dict[str, str]:
    """Return the addresses of a job's files by their paths."""
    answer = daemon.ask(f"/job-files.json?id={job}")
    return {file["path"]: f"/{file['url']}" for file in answer["files"]}


@pytest.mark.parametrize("launcher", ["fork", "spawn"])
def test_a_crawl_finds_its_project(tmp_path: Path, launcher: str) -> None:
    """Relative paths and `__file__` lead to the project's files, at push and in each crawl."""
    with running(tmp_path, options={"SCRAPY_DO_CRAWLS_LAUNCHER": launcher}) as daemon:
        daemon.push("rooted", tmp_path)
        for _ in range(2):
            job, ended = run(daemon, "reading")
            item = item_of(daemon, job)
            assert ended["status"] == "SUCCESSFUL"
            assert (item["words"], item["settings"]) == (["one", "two"], ["one", "two"])
            assert (item["shared"], item["here"], item["compiled"]) == ("unchanged\n", True, True)
            assert set(item["seen"]) == OWN
            assert files_of(daemon, job) == {}


@pytest.mark.parametrize(
    ("end", "status"),
    [("finish", "SUCCESSFUL"), ("fail", "FAILED"), ("kill", "FAILED"), ("wait", "CANCELED")],
)
def test_what_a_run_leaves(daemon: Running, end: str, status: str) -> None:
    """However a run ends, its files are kept, and no other run sees what it has done."""
    state = daemon.data / "spider-data/projects/rooted/.scrapy/state"
    state.unlink(missing_ok=True)
    job = daemon.run("writing", project="rooted", arg=f"end={end}")
    if end == "wait":
        until(state.exists, "the crawl's files")
        daemon.until_status(job, "RUNNING")
        daemon.ask("/cancel-job.json", id=job)
        daemon.ask("/cancel-job.json", id=job)
    assert daemon.finished(job)["status"] == status

    files = files_of(daemon, job)
    written = {"data/large.txt", "seen.db", "shared.txt", "shots/page <1>.html"}
    assert files.keys() - {"out/items.json"} == written
    if end == "finish":
        assert json.loads(daemon.curl(files["out/items.json"])) == [{"text": "x"}]
    assert daemon.curl(files["shared.txt"]) == "unchanged\nchanged\n"
    head = daemon.curl(files["shots/page <1>.html"], "--head")
    assert "Content-Disposition: attachment" in head
    assert "X-Content-Type-Options: nosniff" in head
    reading, _ = run(daemon, "reading")
    item = item_of(daemon, reading)
    assert item["shared"] == "unchanged\n"
    assert set(item["seen"]) == OWN


def test_what_scrapy_keeps(daemon: Running) -> None:
    """The HTTP cache and its like are shared by the crawls of a project, and are no job's files."""
    run(daemon, "writing")
    job, _ = run(daemon, "writing")
    data = daemon.data / "spider-data/projects/rooted/.scrapy"

    assert (data / "state").read_text() == "kept"
    assert list((data / "httpcache").iterdir())
    assert not [path for path in files_of(daemon, job) if path.startswith(".scrapy")]


def test_a_killed_daemon(tmp_path: Path) -> None:
    """A run that ends while no daemon is there keeps its files, and the next runs are clean."""
    with running(tmp_path) as daemon:
        daemon.push("rooted", tmp_path)
        job = daemon.run("writing", project="rooted", arg="end=wait")
        run_dir = daemon.data / "runs" / "active" / f"{job}.1"
        until((daemon.data / "spider-data/projects/rooted/.scrapy/state").exists, "its files")
        daemon.until_status(job, "RUNNING")
        daemon.kill()
        crawl = json.loads((run_dir / "started").read_bytes())["crawl"]["pid"]
        os.kill(crawl, signal.SIGKILL)
        until((run_dir / "exit").exists, "the record of its end")
        daemon.start()
        assert daemon.finished(job)["status"] == "FAILED"

        assert "seen.db" in files_of(daemon, job)
        reading, _ = run(daemon, "reading")
        assert item_of(daemon, reading)["shared"] == "unchanged\n"
        left = [path.name for path in daemon.data.glob("trees/*/*/spare/*.manifest")]
        assert len(left) <= 2


def test_an_interrupted_job_resumes(tmp_path: Path) -> None:
    """A job that a stop of the daemon interrupts goes on from its relative JOBDIR."""
    with running(tmp_path) as daemon:
        daemon.push("rooted", tmp_path)
        job = daemon.run("resuming", project="rooted", arg="pause=0.5")
        items = f"/get-items/data/{job}.jsonl?follow=0"
        until(lambda: len(daemon.curl(items).splitlines()) >= 2, "two items")
        daemon.stop()
        state = daemon.data / "spider-data/projects/rooted/crawls/resuming"
        assert (state / "spider.state").is_file()
        daemon.start()
        assert daemon.finished(job)["status"] == "SUCCESSFUL"

        pages = [
            json.loads(line)["page"]
            for query in ("?attempt=1", "")
            for line in daemon.curl(f"/get-items/data/{job}.jsonl{query}").splitlines()
        ]
        assert sorted(pages) == [str(number) for number in range(10)]
        assert files_of(daemon, job) == {}
