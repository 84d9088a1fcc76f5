"""A daemon that lives, is killed and lives again on one data directory, and its history."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

from tests.faults.history import Asked, History, read_marks
from tests.live.running import PROJECTS, Running, pack, processes_of, until

PROJECT = "marking"
PATIENCE_S = 60.0
_LOOK_S = 0.0002
_UNANSWERED = (OSError, http.client.HTTPException, ValueError)


class Life(Running):
    """A daemon with the spiders of `tests/projects/marking`, which write down what they do."""

    def __init__(self, root: Path, options: Mapping[str, str] | None = None, **more: Any) -> None:
        quick = {
            "SCRAPY_DO_CRAWLS_STOP_GRACE": "3s",
            "SCRAPY_DO_SCRAPY_DO_JOB_SLOTS": "3",
            "SCRAPY_DO_RETENTION_VERSIONS_PER_PROJECT": "1000",
            # They may do everything that they could do where no kernel keeps them from it.
            "SCRAPY_DO_CRAWLS_ISOLATION": "off",
        }
        root.mkdir(exist_ok=True)
        super().__init__(root, options=quick | dict(options or {}), **more)
        self.root = root
        self.marks = root / "marks"
        self.history = History()

    # --- calls

    def call(self, path: str, **form: Any) -> tuple[int, dict[str, Any]]:
        """GET a path, or POST a form to it; return status and JSON.

        Raises:
            OSError, HTTPException, ValueError: no answer came, or half of one.
        """
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=PATIENCE_S)
        try:
            self._send(connection, path, form)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def _send(self, connection: http.client.HTTPConnection, path: str, form: Any) -> None:
        if not form:
            connection.request("GET", path)
            return
        names = {name.replace("_", "-"): value for name, value in form.items()}
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", path, urlencode(names, doseq=True), headers)

    def prepare(self) -> Self:
        """Start for the first time and push the project."""
        self.start()
        self.push(PROJECT, self.root)
        return self

    def inherit(self, data: Path) -> Self:
        """Start on a copy of a data directory."""
        shutil.copytree(data, self.data, dirs_exist_ok=True)
        return self.start()

    def schedule(self, spider: str = "marker", **what: Any) -> Asked:
        """Ask for a job and wait for the answer, which may not come."""
        asked, form = self._order(spider, what)
        with suppress(*_UNANSWERED):
            status, answer = self.call("/schedule-job.json", **form)
            if status == http.HTTPStatus.OK:
                asked.id = answer["identifier"]
            else:
                asked.refused = status, answer["msg"]
        return asked

    def accepted(self, spider: str = "marker", **what: Any) -> str:
        """Ask for a job that must be accepted; return its id."""
        asked = self.schedule(spider, **what)
        assert asked.id is not None, asked
        return asked.id

    def send_schedule(self, **what: Any) -> tuple[Asked, http.client.HTTPConnection]:
        """Ask for a job and do not wait; whoever reads the connection gets the answer."""
        asked, form = self._order("marker", what)
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=PATIENCE_S)
        self._send(connection, "/schedule-job.json", form)
        return asked, connection

    def answer(self, connection: http.client.HTTPConnection) -> str | None:
        """Read the answer to a call that was sent: the job, or None for a refusal.

        Raises:
            OSError, HTTPException, ValueError: no answer came, or half of one.
        """
        response = connection.getresponse()
        answer = json.loads(response.read())
        return str(answer["identifier"]) if response.status == http.HTTPStatus.OK else None

    def _order(self, spider: str, what: dict[str, Any]) -> tuple[Asked, dict[str, Any]]:
        known = {name: what[name] for name in ("end", "items") if name in what}
        asked = self.history.ask(**known)
        words = ("seconds", "end", "items", "lines", "deaf", "size", "how", "stay")
        arguments = [f"file={self.marks}"]
        arguments += [f"{name}={what.pop(name)}" for name in words if name in what]
        form = {"project": PROJECT, "spider": spider, "when": "now", "arg": arguments, **what}
        return asked, {**form, "description": asked.token}

    def send_push(self) -> "subprocess.Popen[str]":
        """Push a version that is unlike all before it, and do not wait."""
        label = f"v{len(self.history.pushed)}"
        self.history.pushed[label] = False
        archive = pack(PROJECTS / PROJECT, self.root).rename(self.root / f"{label}.zip")
        with zipfile.ZipFile(archive, "a") as file:
            file.writestr(f"marking/{label}.py", f"VERSION = {label!r}\n")
        words = ["curl", "-s", "-F", f"version={label}", "-F", f"archive=@{archive}"]
        url = f"{self.url}/push-project.json"
        return subprocess.Popen([*words, url], stdout=subprocess.PIPE, text=True)

    def finish_push(self, push: "subprocess.Popen[str]") -> None:
        """Wait for the answer to the last push, which may not come."""
        said, _ = push.communicate(timeout=PATIENCE_S)
        label = list(self.history.pushed)[-1]
        self.history.pushed[label] = said.startswith('{"status": "ok"')

    def send_cancel(self, asked: Asked) -> http.client.HTTPConnection:
        """Cancel a job and do not wait for its end."""
        asked.cancel = "unanswered"
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=PATIENCE_S)
        self._send(connection, "/cancel-job.json", {"id": asked.id})
        return connection

    def cancel(self, asked: Asked) -> None:
        """Cancel a job; a refusal means that it had ended."""
        before, asked.cancel = asked.cancel, asked.cancel or "unanswered"
        with suppress(*_UNANSWERED):
            status, _ = self.call("/cancel-job.json", id=asked.id)
            asked.cancel = "acknowledged" if status == http.HTTPStatus.OK else before

    # --- what is on the disk and in the process table

    def run_dir(self, job: str, attempt: int = 1) -> Path:
        return self.data / "runs" / "active" / f"{job}.{attempt}"

    def pid_of(self, role: str, job: str) -> int | None:
        """Return the pid of the `crawl` or the `holder` of a job's first run, if it is known."""
        started = _record(self.run_dir(job) / "started")
        if started is not None:
            return int(started[role]["pid"])
        lock = _record(self.run_dir(job) / "lock") if role == "holder" else None
        return None if lock is None else int(lock["pid"])

    def file_of(self, job: str, stream: str = "out") -> Path:
        return self.data / "jobs" / job[:2] / job / stream

    def words_of(self, job: str) -> list[str]:
        """Return the words of a job's marks, in their order."""
        return [mark.word for mark in read_marks(self.marks) if mark.job == job]

    def started(self, *jobs: str) -> None:
        """Wait until jobs have written their first mark."""
        until(lambda: all("start" in self.words_of(job) for job in jobs), f"the start of {jobs}")

    def running(self, *jobs: str) -> None:
        """Wait until the daemon has recorded that jobs run."""
        until(lambda: all(self.job(job)["started"] for job in jobs), f"the record of {jobs}")

    def begun(self, job: str) -> None:
        """Wait closely until a job has a run directory, or had one: a short crawl is over soon."""
        run_dir, deadline = self.run_dir(job), time.monotonic() + PATIENCE_S
        while not run_dir.exists() and not self.words_of(job):
            assert time.monotonic() < deadline, f"{job} was not begun"
            time.sleep(_LOOK_S)

    def warm_parents(self) -> list[int]:
        """Return the pids of this daemon's warm parents."""
        return [
            pid
            for pid in _children(self.pid)
            if b"scrapy_do.crawl.warm_parent" in _command_line(pid)
        ]

    def fork_server(self) -> list[int]:
        """Return the pid of the warm parent, of what waits for an order, of its crawl's process."""
        (warm,) = self.warm_parents()
        waiting = _children(warm)
        return [warm, *waiting, *(pid for one in waiting for pid in _children(one))]

    # --- the end

    def end(self) -> None:
        """Kill the daemon and whatever its crawls have left."""
        if self.is_running:
            self.kill()
        ids = {asked.id for asked in self.history.asked.values() if asked.id is not None}
        for job in ids:
            kill(self.pid_of("holder", job))
            for pid in processes_of(job):
                kill(pid)

    def drain(self) -> None:
        """Wait until no job is unfinished."""
        until(lambda: not self.unfinished(), "the end of all jobs", PATIENCE_S)

    def unfinished(self) -> list[dict[str, Any]]:
        _, answer = self.call("/list-jobs.json?status=ACTIVE")
        found: list[dict[str, Any]] = answer["jobs"]
        return found

    def faults(self) -> list[str]:
        """Let everything end, then say what cannot be, and what was left behind."""
        self.drain()
        jobs = [job for status in ("COMPLETED", "ACTIVE") for job in self._listed(status)]
        outputs = {job["identifier"]: self.output(job["identifier"]) for job in jobs}
        return [
            *self.history.faults(jobs, read_marks(self.marks), outputs),
            *self._push_faults(),
            *(f"{job['identifier']} left processes" for job in jobs if self._left(job)),
            *(f"{path} was left behind" for path in self._leftovers()),
        ]

    def _push_faults(self) -> list[str]:
        """Compare the versions with the pushes, and with the archives that lie there."""
        _, answer = self.call(f"/list-versions.json?project={PROJECT}")
        versions = answer["versions"]
        stored = {path.stem for path in (self.data / "archives" / "packed").iterdir()}
        needed = {version["digest"] for version in versions}
        uploads = list((self.data / "archives" / "incoming").iterdir())
        return [
            *self.history.push_faults([version["version"] for version in versions]),
            *(f"the archive of version {digest} is lost" for digest in needed - stored),
            *(f"{path} was left behind" for path in uploads),
        ]

    def _listed(self, status: str) -> list[dict[str, Any]]:
        _, answer = self.call(f"/list-jobs.json?status={status}")
        assert "truncated" not in answer
        found: list[dict[str, Any]] = answer["jobs"]
        return found

    def output(self, job: str, stream: str = "out") -> str:
        """Return what a job has printed; nothing for one that never ran."""
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=PATIENCE_S)
        try:
            connection.request("GET", f"/get-log/data/{job}.{stream}")
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        return text if response.status == http.HTTPStatus.OK else ""

    def _left(self, job: Mapping[str, Any]) -> bool:
        return bool(processes_of(job["identifier"]))

    def _leftovers(self) -> list[Path]:
        """Return the run directories that are not gone a second after the last end."""
        active = self.data / "runs" / "active"
        with suppress(AssertionError):
            until(lambda: not list(active.iterdir()), "empty run directories", 1.0)
        return list(active.iterdir())


def _record(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


def _children(pid: int) -> list[int]:
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += [int(child) for child in path.read_bytes().split()]
    return found


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def kill(pid: int | None) -> None:
    """Kill a process, if it is there."""
    if pid is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def gone(pid: int) -> bool:
    """Whether a process has ended, reaped or not."""
    try:
        return b") Z " in Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return True


def connects(url: str) -> None:
    """Connect and disconnect; raise OSError when that is refused."""
    parts = urlsplit(url)
    socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout=5).close()
