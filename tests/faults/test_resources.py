"""No process, no space, no descriptor, no database: the daemon waits, answers, and recovers."""

import os
import resource
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.faults.conftest import SWEEP, Lives
from tests.faults.life import Life
from tests.live.running import until

pytestmark = pytest.mark.faults

RECOVERY_S = 10.0
"""Within which everything works again once the cause is gone."""

OTHER_USER = "61234"
CAPABILITIES = "-all,+dac_override,+fowner"
_UNPRIVILEGED = (
    *("setpriv", "--reuid", OTHER_USER, "--regid", OTHER_USER, "--clear-groups"),
    *(f"--inh-caps={CAPABILITIES}", f"--ambient-caps={CAPABILITIES}"),
    f"--bounding-set={CAPABILITIES}",
)
"""Limits of processes do not hold for root, and hold for all processes of a user together."""


def _descriptors(life: Life) -> int:
    return len(list(Path(f"/proc/{life.pid}/fd").iterdir()))


def _ask(life: Life, **form: Any) -> tuple[int, str | None, float]:
    """Ask for a job; return the status, the Retry-After of the answer, and the seconds it took."""
    _, order = life._order("marker", form)
    connection = HTTPConnection(urlsplit(life.url).netloc, timeout=30)
    begun_s = time.monotonic()
    life._send(connection, "/schedule-job.json", order)
    response: HTTPResponse = connection.getresponse()
    response.read()
    connection.close()
    return response.status, response.headers["Retry-After"], time.monotonic() - begun_s


# --- processes ---------------------------------------------------------------------------------


def _as_its_user() -> tuple[str, ...]:
    return _UNPRIVILEGED if os.geteuid() == 0 else ()


@contextmanager
def _no_forks(pid: int) -> Iterator[None]:
    """Refuse new processes to one that exists, with EAGAIN."""

    def limit(number: str) -> None:
        words = ["prlimit", f"--pid={pid}", f"--nproc={number}:"]
        subprocess.run([*_as_its_user(), *words], check=True)

    ours, _ = resource.getrlimit(resource.RLIMIT_NPROC)  # and so it was that process's
    limit("1")
    try:
        yield
    finally:
        limit("unlimited" if ours == resource.RLIM_INFINITY else str(ours))


@pytest.mark.parametrize("launcher", ["fork", "spawn"])
def test_no_process_can_be_made(lives: Lives, launcher: str) -> None:
    """While forks fail with EAGAIN jobs wait, nothing leaks; then they start, each once."""
    life = lives(*_as_its_user(), crawls_launcher=launcher)
    life.finished(life.accepted())
    maker = life.warm_parents()[0] if launcher == "fork" else life.pid
    if launcher == "fork":
        until(lambda: len(life.fork_server()) == 3, "what is forked in reserve")
    before = _descriptors(life)
    with _no_forks(maker):
        if launcher == "fork":
            life.finished(life.accepted())  # by what was forked before
        jobs = [life.accepted() for _ in range(3)]
        until(lambda: life.log.read_text().count("failed: ") >= 6, "six failures")
        during = {life.job(job)["status"] for job in jobs}
        leaked = _descriptors(life) - before
    relieved_s = time.monotonic()
    ended = {life.finished(job)["status"] for job in jobs}

    assert "Resource temporarily unavailable" in life.log.read_text()
    assert during <= {"PENDING", "RUNNING"}
    assert leaked <= 4  # those of a launch that is just being refused
    assert ended == {"SUCCESSFUL"}
    assert time.monotonic() - relieved_s < RECOVERY_S
    assert life.faults() == []


# --- space -------------------------------------------------------------------------------------


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 12 MB at the place of a data directory."""
    place = tmp_path / "life-0" / "data"
    place.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m", "small", str(place)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def _fill(place: Path) -> Path:
    """Fill a file system to the last byte; return the file that does it."""
    filler = place / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 65536)
    with filler.open("ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x")
    return filler


def test_a_full_disk(lives: Lives, small: Path) -> None:
    """What was acknowledged is kept, what cannot be kept is refused with 507, crawls go on."""
    life = lives(scrapy_do_job_slots=1)
    running, waiting = life.accepted(seconds=1.5), life.accepted(end="exit")
    life.started(running)
    filler = _fill(small)
    answers = [_ask(life) for _ in range(8)]
    with (small.parent / "archive").open("wb") as file:
        file.write(os.urandom(1_000_000))
    push = life.curl("/push-project.json", "-F", f"archive=@{file.name}", "-w", "\n%{http_code}")
    until(lambda: "closed:finished" in life.words_of(running), "the end of the crawl")
    alive = life.is_running
    filler.unlink()
    relieved_s = time.monotonic()

    assert alive
    assert {status for status, _, _ in answers} <= {200, 507}
    assert 507 in {status for status, _, _ in answers}
    assert max(seconds for _, _, seconds in answers) < 5
    assert push.splitlines()[-1] == "507"
    assert life.finished(running)["status"] == "SUCCESSFUL"
    assert life.finished(waiting)["outcome-reason"] == "exit status 3"
    assert time.monotonic() - relieved_s < RECOVERY_S
    assert life.call("/healthz")[0] == 200
    assert life.faults() == []


def test_a_start_on_a_full_disk(lives: Lives, small: Path) -> None:
    """It is refused in one sentence, doctor says why, and with space all is there again."""
    life = lives()
    job = life.accepted()
    life.finished(job)
    life.stop()
    filler = _fill(small)
    life.begin()
    status = life.wait()
    words = [sys.executable, "-m", "scrapy_do", "doctor", "--data-dir", str(small)]
    doctor = subprocess.run(words, capture_output=True, text=True, check=False)
    filler.unlink()
    life.start()

    assert status == 1
    assert "error: the d" in life.log.read_text()
    assert f"try:   scrapy-do doctor --data-dir {small}" in life.log.read_text()
    assert "disk\tproblem" in doctor.stdout
    assert "mistake" not in doctor.stderr
    assert life.job(job)["status"] == "SUCCESSFUL"


def test_a_read_only_disk(lives: Lives, small: Path) -> None:
    """A start on a read-only disk is refused in one sentence; later it finds all that was."""
    life = lives()
    job = life.accepted()
    life.finished(job)
    life.stop()
    _remount(small, "ro")
    life.begin()
    said, status = life.line(), life.wait()
    _remount(small, "rw")
    life.start()

    assert (said, status) == ("", 1)
    assert "Read-only file system" in life.log.read_text()
    assert life.job(job)["status"] == "SUCCESSFUL"


def _remount(place: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(place)], check=True)


# --- descriptors -------------------------------------------------------------------------------


def test_no_descriptors(lives: Lives) -> None:
    """With a limit of 64 and 300 clients nothing is lost; when they go, all works again."""
    life = lives("prlimit", "--nofile=64:64", scrapy_do_job_slots=1)
    jobs = [life.accepted(seconds=0.5, end=end) for end in ("finish", "exit", "crash", "finish")]
    life.started(jobs[0])
    address = urlsplit(life.url)
    crowd = []
    for _ in range(300):
        connection = HTTPConnection(address.netloc, timeout=5)
        with suppress(OSError):
            connection.connect()
        crowd.append(connection)
    until(lambda: "closed:finished" in life.words_of(jobs[0]), "the end of the first")
    time.sleep(2)  # for so long there is nothing left
    alive = life.is_running
    for connection in crowd:
        connection.close()
    relieved_s = time.monotonic()

    assert alive
    assert "Too many open files" in life.log.read_text()
    until(lambda: life.call("/healthz")[0] == 200, "an answer")
    assert [life.finished(job)["status"] for job in jobs] == [
        *("SUCCESSFUL", "FAILED", "FAILED", "SUCCESSFUL")
    ]
    assert time.monotonic() - relieved_s < RECOVERY_S
    assert life.faults() == []


# --- the database ------------------------------------------------------------------------------


def test_a_locked_database(lives: Lives) -> None:
    """While another program holds the database, who asks is told to come again; nothing is lost."""
    life = lives(scrapy_do_job_slots=1)
    running, waiting = life.accepted(seconds=1, end="exit"), life.accepted()
    life.started(running)
    held_s = 10.0 if SWEEP else 4.0
    other = sqlite3.connect(life.data / "scrapy-do.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    until_s = time.monotonic() + held_s
    answers, reads = [], []
    while time.monotonic() < until_s:
        answers.append(_ask(life))
        reads.append(life.call("/status.json")[0])
    other.execute("ROLLBACK")
    other.close()
    relieved_s = time.monotonic()

    refused = [answer for answer in answers if answer[0] != 200]
    assert refused
    assert {(status, retry is not None) for status, retry, _ in refused} == {(503, True)}
    assert max(seconds for _, _, seconds in answers) < 5
    assert set(reads) == {200}
    assert life.finished(running)["outcome-reason"] == "exit status 3"
    assert life.finished(waiting)["status"] == "SUCCESSFUL"
    assert time.monotonic() - relieved_s < RECOVERY_S
    assert life.faults() == []
