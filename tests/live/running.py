"""A daemon as users run it: its own process, its port, curl and jq against it."""

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

PROJECTS = Path(__file__).parent.parent / "projects"
PATIENCE_S = 30.0
_READY = "listening on "
_SHOWN = 3000

Found = TypeVar("Found")


def until(look: Callable[[], Found | None], what: str, patience_s: float = PATIENCE_S) -> Found:
    """Look again and again until there is something, at most for the patience given."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.02)  # the other side is a process of its own: there is nothing to wait on
    raise AssertionError(f"{what} did not happen within {patience_s} s")


class Running:
    """A daemon process and its data directory; may be killed and started again."""

    def __init__(
        self,
        root: Path,
        *,
        options: Mapping[str, str] | None = None,
        words: Sequence[str] = (),
        wrapper: Sequence[str] = (),
        listen: str = "127.0.0.1:0",
    ) -> None:
        self.data = root / "data"
        self.log = root / "daemon.log"
        self.url = ""
        self._listen = listen
        self._words = words
        self._wrapper = wrapper
        self._options = dict(options or {})
        self._process: subprocess.Popen[str] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Start, and wait until it listens."""
        self.begin()
        line = self.line()
        assert _READY in line, self.log.read_text()[-_SHOWN:]
        self.url = line.rsplit(_READY, 1)[1].strip()
        return self

    def begin(self) -> None:
        """Start, and do not wait."""
        self._close_output()
        words = [sys.executable, "-m", "scrapy_do", "serve", "--data-dir", str(self.data)]
        clean = {name: text for name, text in os.environ.items() if "SCRAPY_DO" not in name}
        with self.log.open("a") as log:
            self._process = subprocess.Popen(
                [*self._wrapper, *words, "--listen", self._listen, *self._words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=clean | self._options,
            )

    def line(self) -> str:
        """Wait for the next line that it prints; return it."""
        assert self._process is not None
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self, patience_s: float = PATIENCE_S) -> int:
        """Wait for the end; return the exit status."""
        assert self._process is not None
        status = self._process.wait(patience_s)
        self._close_output()
        return status

    def _close_output(self) -> None:
        if self._process is not None and self._process.stdout is not None:
            self._process.stdout.close()

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.wait()

    def stop(self) -> None:
        """End it politely, if it still runs."""
        if self.is_running:
            self.signal(signal.SIGTERM)
            assert self.wait() == 0, self.log.read_text()

    # --- what users do

    def curl(self, path: str, *words: str) -> str:
        """Run curl on a path; return what it printed."""
        done = subprocess.run(
            ["curl", "-sS", *words, f"{self.url}{path}"],
            capture_output=True,
            check=True,
            timeout=PATIENCE_S,
        )
        return done.stdout.decode()

    def ask(self, path: str, **form: Any) -> dict[str, Any]:
        """GET a path, or POST a form to it; return the JSON."""
        words: list[str] = []
        for name, value in form.items():
            for one in value if isinstance(value, list) else [value]:
                words += ["-F", f"{name.replace('_', '-')}={one}"]
        found: dict[str, Any] = json.loads(self.curl(path, *words))
        return found

    def push(self, project: str, root: Path) -> dict[str, Any]:
        """Pack a project of the tests and push it."""
        answer = self.ask("/push-project.json", archive=f"@{pack(PROJECTS / project, root)}")
        assert answer["status"] == "ok", answer
        return answer

    def run(self, spider: str, *, project: str = "good", **form: Any) -> str:
        answer = self.ask(
            "/schedule-job.json", **{"project": project, "spider": spider, "when": "now", **form}
        )
        assert answer["status"] == "ok", answer
        identifier: str = answer["identifier"]
        return identifier

    def job(self, identifier: str) -> dict[str, Any]:
        (job,) = self.ask(f"/list-jobs.json?id={identifier}")["jobs"]
        found: dict[str, Any] = job
        return found

    def until_status(self, identifier: str, *statuses: str) -> dict[str, Any]:
        """Wait until a job has one of the statuses; return it."""

        def look() -> dict[str, Any] | None:
            job = self.job(identifier)
            return job if job["status"] in statuses else None

        return until(look, f"status {statuses} of {identifier}")

    def finished(self, identifier: str) -> dict[str, Any]:
        return self.until_status(identifier, "SUCCESSFUL", "FAILED", "CANCELED")


@contextmanager
def running(root: Path, **options: Any) -> Iterator[Running]:
    """Run a daemon, and stop it on the way out."""
    daemon = Running(root, **options)
    try:
        yield daemon.start()
    finally:
        daemon.stop()


def pack(project: Path, root: Path) -> Path:
    """Return a project as a zip."""
    target = root / f"{project.name}.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(project.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                archive.write(path, path.relative_to(project))
    return target


def processes_of(identifier: str) -> list[int]:
    """Return the processes that carry the mark of a job's runs."""
    mark = f"SCRAPY_DO_RUN={identifier}.".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found
