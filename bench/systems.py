"""What is measured: Scrapy Do, scrapyd, and `scrapy crawl` without any daemon.

Each is driven the same way: started on an empty directory, given the project, asked to
run spiders, and ended with everything it has started.
"""

import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol
from uuid import uuid4

from bench import packing
from bench.asking import Client
from bench.processes import Group, until
from bench.traffic import traffic

_READY = "listening on "
_START_PATIENCE_S = 60.0
_OK = "ok"


class System(Protocol):
    """One way to run spiders."""

    name: str
    root: Path
    group: Group

    def start(self, root: Path, *, slots: int) -> None:
        """Start on a directory, empty or left by an earlier start."""
        ...

    def push(self) -> None:
        """Hand over the project."""
        ...

    def run(self, spider: str, told: Mapping[str, Any]) -> str:
        """Have a spider run as soon as there is a slot; return the name of the job."""
        ...

    def has_finished(self, job: str) -> bool:
        """Whether the system itself says that the job is over."""
        ...

    def finished(self) -> int:
        """How many jobs the system says are over."""
        ...

    def stop(self) -> None:
        """End everything."""
        ...


class Daemon(System, Protocol):
    """A system with a daemon that is asked over HTTP."""

    url: str

    @property
    def pid(self) -> int:
        """The daemon's own process."""
        ...

    def kill(self) -> None:
        """Kill the daemon itself, and nothing else, without any warning."""
        ...

    def pack(self, directory: Path, ballast_bytes: int) -> Path:
        """Pack the project, with so much data in it, the way that the system wants it."""
        ...

    def upload(self, archive: Path) -> float:
        """Push a packed project; return the seconds it took."""
        ...

    def fill(self, finished: int) -> str | None:
        """Record finished jobs while the daemon is down; return one of them, if there are any."""
        ...

    def state(self, job: str) -> str:
        """What the system says about a job, in its own words."""
        ...

    def paths(self, job: str | None) -> Mapping[str, str]:
        """What is asked for: the daemon's status, one job, the list of ended jobs."""
        ...

    def log_path(self, spider: str, job: str) -> str:
        """Where a job's log is."""
        ...


class _Process:
    """A daemon in a group of its own."""

    def __init__(self, others: Iterable[int]) -> None:
        self.group = Group(others)
        self.root = Path()
        self.url = ""
        self.client = Client("")
        self._process: subprocess.Popen[str] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def launch(self, root: Path, words: list[str | Path], environment: Mapping[str, str]) -> None:
        """Start, what it says and its log in files beside the directory."""
        self.root = root
        root.mkdir(exist_ok=True)
        with self._said.open("w") as said, root.with_suffix(".log").open("a") as log:
            self._process = self.group.spawn(
                words, cwd=root, env={**_environment(), **environment}, stdout=said, stderr=log
            )

    def first_line(self) -> str:
        """What the daemon says first.

        Raises:
            RuntimeError: it ended before it said anything.
        """

        def look() -> str:
            assert self._process is not None
            if self._process.poll() is not None:
                raise RuntimeError(self.root.with_suffix(".log").read_text())
            return self._said.read_text()

        return until(look, "the start", patience_s=_START_PATIENCE_S, pause_s=0.02)

    @property
    def _said(self) -> Path:
        return self.root.with_suffix(".out")

    def connect(self, url: str) -> None:
        self.url = url
        self.client = Client(url)

    def kill(self) -> None:
        """Kill the daemon itself, and nothing else, without any warning."""
        assert self._process is not None
        self._process.kill()
        self._reap()

    def stop(self) -> None:
        """End everything."""
        self.group.close()
        if self._process is not None:
            self._reap()

    def _reap(self) -> None:
        assert self._process is not None
        self._process.wait()
        self.client.close()


class ScrapyDo(_Process):
    """Ours, from this checkout."""

    name = "Scrapy Do"

    def start(self, root: Path, *, slots: int) -> None:
        options = {
            "SCRAPY_DO_JOB_SLOTS": str(slots),
            "SCRAPY_DO_MAX_ARCHIVE_SIZE": "100MB",
            "CRAWLS_LOG_SIZE": "1GiB",
            # Where the spiders note down what they did when, as those of the others do.
            "CRAWLS_WRITABLE": str(root.with_name("notes")),
            "RETENTION_FINISHED_PER_SPIDER": "0",
        }
        words = [sys.executable, "-m", "scrapy_do", "serve"]
        self.launch(
            root,
            [*words, "--data-dir", root / "data", "--listen", "127.0.0.1:0"],
            {f"SCRAPY_DO_{name}": value for name, value in options.items()},
        )
        self.connect(self.first_line().rsplit(_READY, 1)[1].strip())

    def pack(self, directory: Path, ballast_bytes: int) -> Path:
        return packing.pack_zip(directory / f"{packing.PROJECT}.zip", ballast_bytes=ballast_bytes)

    def upload(self, archive: Path) -> float:
        url = f"{self.url}/push-project.json"
        return float(traffic("upload", url, "archive", archive)["seconds"])

    def push(self) -> None:
        self.upload(self.pack(self.root, 0))

    def run(self, spider: str, told: Mapping[str, Any], **more: str) -> str:
        form = {"project": packing.PROJECT, "spider": spider, "when": "now", **more}
        answer = self.client.post("/schedule-job.json", form | {"payload": json.dumps(told)})
        return str(answer["identifier"])

    def state(self, job: str) -> str:
        (found,) = self.client.get(f"/list-jobs.json?id={job}")["jobs"]
        return str(found["status"])

    def has_finished(self, job: str) -> bool:
        state = self.state(job)
        if state in {"FAILED", "CANCELED"}:
            log = self.client.fetch("GET", self.log_path("", job)).decode()
            raise RuntimeError(f"job {job} is {state}:\n{log[-2000:]}")
        return state == "SUCCESSFUL"

    def finished(self) -> int:
        status = self.client.get("/status.json")
        return int(status["jobs-successful"]) + int(status["jobs-failed"])

    def fill(self, finished: int) -> str | None:
        words = [sys.executable, "-m", "bench.filling", str(self.root / "data"), str(finished)]
        done = subprocess.run(words, check=True, capture_output=True, text=True)
        return done.stdout.strip() or None

    def paths(self, job: str | None) -> Mapping[str, str]:
        found = {
            "status": "/status.json",
            "list": "/list-jobs.json?status=COMPLETED&limit=100",
        }
        return found if job is None else {**found, "id": f"/list-jobs.json?id={job}"}

    def log_path(self, spider: str, job: str) -> str:  # noqa: ARG002 - others need the spider
        return f"/get-log/data/{job}.err"


class Scrapyd(_Process):
    """scrapyd, looking for pending jobs ten times a second instead of every five seconds."""

    name = "scrapyd"

    def __init__(self, python: Path, others: Iterable[int]) -> None:
        super().__init__(others)
        self._python = python

    def start(self, root: Path, *, slots: int) -> None:
        root.mkdir(exist_ok=True)
        port = _free_port()
        (root / "scrapyd.conf").write_text(
            f"[scrapyd]\nbind_address = 127.0.0.1\nhttp_port = {port}\nmax_proc = {slots}\n"
            "poll_interval = 0.1\nfinished_to_keep = 1000000\n"
            "jobstorage = scrapyd.jobstorage.SqliteJobStorage\n"
        )
        self.launch(root, [self._python, "-m", "scrapyd", "--pidfile="], {})
        self.connect(f"http://127.0.0.1:{port}")
        until(self._answers, "scrapyd's start", patience_s=_START_PATIENCE_S, pause_s=0.05)

    def _answers(self) -> bool:
        try:
            return bool(self.client.get("/daemonstatus.json"))
        except OSError:
            return False

    def pack(self, directory: Path, ballast_bytes: int) -> Path:
        return packing.pack_egg(directory / f"{packing.PROJECT}.egg", ballast_bytes=ballast_bytes)

    def upload(self, archive: Path) -> float:
        pairs = [f"project={packing.PROJECT}", f"version={time.time_ns()}"]
        return float(
            traffic("upload", f"{self.url}/addversion.json", "egg", archive, *pairs)["seconds"]
        )

    def push(self) -> None:
        self.upload(self.pack(self.root, 0))

    def run(self, spider: str, told: Mapping[str, Any]) -> str:
        form = {"project": packing.PROJECT, "spider": spider, "payload": json.dumps(told)}
        return str(self.client.post("/schedule.json", form)["jobid"])

    def state(self, job: str) -> str:
        answer = self.client.get(f"/status.json?job={job}")
        return str(answer["currstate"]) if answer["status"] == _OK else "not known"

    def has_finished(self, job: str) -> bool:
        return self.state(job) == "finished"

    def finished(self) -> int:
        return int(self.client.get("/daemonstatus.json")["finished"])

    def fill(self, finished: int) -> str | None:
        (self.root / "dbs").mkdir(exist_ok=True)
        now = str(datetime.now())  # noqa: DTZ005 - scrapyd keeps local times
        jobs = [uuid4().hex for _ in range(finished)]
        with sqlite3.connect(self.root / "dbs" / "jobs.db") as database:
            database.executemany(
                "INSERT INTO finished_jobs (project, spider, job, start_time, end_time) "
                "VALUES (?, 'noop', ?, ?, ?)",
                [(packing.PROJECT, job, now, now) for job in jobs],
            )
        database.close()
        return jobs[len(jobs) // 2] if jobs else None

    def paths(self, job: str | None) -> Mapping[str, str]:
        found = {
            "status": "/daemonstatus.json",
            "list": f"/listjobs.json?project={packing.PROJECT}",
        }
        return found if job is None else {**found, "id": f"/status.json?job={job}"}

    def log_path(self, spider: str, job: str) -> str:
        return f"/logs/{packing.PROJECT}/{spider}/{job}.log"


class ScrapyCrawl:
    """A new `scrapy crawl` for each job; a thread for each slot is all there is of a daemon."""

    name = "scrapy crawl"

    def __init__(self, python: Path, others: Iterable[int]) -> None:
        self._python = python
        self.group = Group(others)
        self.root = Path()
        self._orders: SimpleQueue[tuple[str, str, Mapping[str, Any]] | None] = SimpleQueue()
        self._finished: dict[str, int] = {}
        self._threads: list[threading.Thread] = []

    def start(self, root: Path, *, slots: int) -> None:
        self.root = root
        root.mkdir()
        self._finished = {}
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(slots)]
        for thread in self._threads:
            thread.start()

    def push(self) -> None:
        shutil.copytree(packing.SOURCE, self.root / "project")

    def run(self, spider: str, told: Mapping[str, Any]) -> str:
        job = uuid4().hex
        self._orders.put((job, spider, told))
        return job

    def has_finished(self, job: str) -> bool:
        status = self._finished.get(job)
        if status:
            raise RuntimeError((self.root / job).read_text())
        return status == 0

    def finished(self) -> int:
        return len(self._finished)

    def stop(self) -> None:
        for _ in self._threads:
            self._orders.put(None)
        while any(thread.is_alive() for thread in self._threads):
            self.group.close()
            self._threads[0].join(0.1)
            self._threads = [thread for thread in self._threads if thread.is_alive()]
        self.group.close()

    def _work(self) -> None:
        while order := self._orders.get():
            job, spider, told = order
            words = [str(self._python), "-m", "scrapy", "crawl", spider, "-a"]
            with (self.root / job).open("w") as log:
                process = self.group.spawn(
                    [*words, f"payload={json.dumps(told)}"], cwd=self.root / "project",
                    env=_environment(),
                    stdout=subprocess.DEVNULL, stderr=log,
                )  # fmt: skip
                self._finished[job] = process.wait()


def _environment() -> dict[str, str]:
    """Our environment, without what would make interpreters behave unusually."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
