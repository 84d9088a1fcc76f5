"""Stopping and starting again in place: what crawls, clients and the exit status see of it."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Self

import pytest

from scrapy_do.protocol.run_record import identity_of
from tests.faults.conftest import SWEEP, Lives
from tests.faults.life import Life, connects
from tests.live.running import processes_of, until

pytestmark = pytest.mark.faults


def _stopped(life: Life, *numbers: signal.Signals) -> tuple[int, float]:
    """Send signals, the later ones a moment after the first; return exit status and seconds."""
    begun_s = time.monotonic()
    for place, number in enumerate(numbers):
        if place:
            time.sleep(0.5)
        life.signal(number)
    return life.wait(), time.monotonic() - begun_s


def test_a_plain_stop(lives: Lives) -> None:
    """Crawls close politely or are killed with their children, and run again after the start."""
    life = lives(crawls_stop_grace="1s")
    polite, deaf = life.accepted(seconds=2), life.accepted("family", deaf=1)
    life.started(polite, deaf)
    for asked in life.history.asked.values():
        asked.stops += 1

    status, seconds = _stopped(life, signal.SIGTERM)
    after_stop = life.words_of(polite)
    left = [*processes_of(polite), *processes_of(deaf)]
    life.start()

    assert (status, left) == (0, [])
    assert seconds < 5
    assert after_stop == ["start", "closed:shutdown"]
    assert (life.finished(polite)["status"], life.job(polite)["attempt"]) == ("SUCCESSFUL", 1)
    until(lambda: life.words_of(deaf).count("start") == 2, "the second run")


def test_a_second_signal_hurries(lives: Lives) -> None:
    """Asked to stop again, the daemon gives its crawls no more grace."""
    life = lives(crawls_stop_grace="60s")
    job = life.accepted("family", deaf=1)
    life.started(job)

    status, seconds = _stopped(life, signal.SIGTERM, signal.SIGTERM)

    assert status == 0
    assert seconds < 5
    assert processes_of(job) == []


def test_a_restart_does_not_hurry(lives: Lives) -> None:
    """A wish to start again that comes while the daemon stops changes nothing."""
    life = lives(crawls_stop_grace="2s")
    job = life.accepted("family", deaf=1)
    life.started(job)

    status, seconds = _stopped(life, signal.SIGTERM, signal.SIGUSR2)

    assert status == 0
    assert 2 <= seconds < 8


def test_crawls_may_be_left(lives: Lives) -> None:
    """With on-stop = leave a plain stop leaves crawls running, and the next daemon adopts them."""
    life = lives(crawls_on_stop="leave")
    job = life.accepted(seconds=2)
    life.started(job)

    status, _ = _stopped(life, signal.SIGTERM)
    life.start()

    assert status == 0
    assert life.finished(job)["status"] == "SUCCESSFUL"
    assert life.faults() == []


def test_a_stop_during_a_push(lives: Lives) -> None:
    """A push that is under way is answered, or nothing is left of it; the stop does not wait."""
    life = lives()
    packed = life.data / "archives" / "packed"
    before = len(list(packed.iterdir()))
    push = life.send_push()
    until(lambda: len(list(packed.iterdir())) > before, "the archive, whose spiders come next")

    status, seconds = _stopped(life, signal.SIGTERM)
    life.finish_push(push)
    life.start()

    assert status == 0
    assert seconds < 8
    assert life.faults() == []


@pytest.mark.skipif(not SWEEP, reason="waits for 15 s; runs with make faults")
def test_a_stop_while_the_database_is_locked(lives: Lives) -> None:
    """What cannot be recorded is not done: the crawls are left to the next daemon, in time."""
    life = lives(crawls_stop_grace="0s")
    job = life.accepted(seconds=25)
    life.started(job)
    with sqlite3.connect(life.data / "scrapy-do.db") as other:
        other.execute("BEGIN IMMEDIATE")
        status, seconds = _stopped(life, signal.SIGTERM)
        other.rollback()
    other.close()
    life.start()

    assert status == 0
    assert seconds < 22
    assert life.words_of(job) == ["start"]
    assert life.job(job)["status"] == "RUNNING"


def _stand_still(life: Life) -> list[int]:
    """Stop the fork server and what it has forked in reserve; return who that was."""
    until(lambda: len(life.fork_server()) == 3, "what is forked in reserve")
    processes = life.fork_server()
    for pid in processes:
        os.kill(pid, signal.SIGSTOP)
    return processes


def test_a_stop_with_a_stuck_fork_server(lives: Lives) -> None:
    """A fork server that stands still, an order in its queue, does not keep the daemon."""
    life = lives(crawls_stop_grace="0s")
    life.finished(life.accepted())
    _stand_still(life)
    job = life.accepted()
    until((life.run_dir(job) / "order").exists, "the order")
    life.signal(signal.SIGUSR2)
    assert "listening on" in life.line()
    restarted = life.finished(job)["status"]
    stuck = _stand_still(life)

    status, seconds = _stopped(life, signal.SIGTERM)

    until(lambda: not any(map(identity_of, stuck)), "the end of the stuck fork server")
    assert restarted == "SUCCESSFUL"
    assert status == 0
    assert seconds < 8
    assert life.start().faults() == []


def test_a_stop_during_the_start(lives: Lives) -> None:
    """A daemon that is told to stop while it starts does both, in this order."""
    life = lives()
    job = life.accepted(seconds=1)
    life.started(job)
    life.kill()
    for asked in life.history.asked.values():
        asked.stops += 1
    life.begin()
    until(lambda: _catches(life.pid, signal.SIGTERM), "a handler of SIGTERM")

    status, _ = _stopped(life, signal.SIGTERM)
    life.start()

    assert status == 0
    assert life.finished(job)["status"] == "SUCCESSFUL"
    assert life.faults() == []


def _catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal, as the kernel says."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("SigCgt:"):
            return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    return False


# --- in place ----------------------------------------------------------------------------------


class Knocking:
    """Connects to a daemon again and again, and counts the refusals."""

    def __init__(self, url: str) -> None:
        self.refused: list[OSError] = []
        self.connected = 0
        self._url = url
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._knock)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _knock(self) -> None:
        while not self._over.wait(0.005):
            try:
                connects(self._url)
                self.connected += 1
            except OSError as error:
                self.refused.append(error)


def _restart(life: Life) -> None:
    """Have the daemon start again in place, and wait until it has."""
    life.signal(signal.SIGUSR2)
    assert "listening on" in life.line()


def _zombies(pid: int) -> list[str]:
    """Return what is left of the ended children of a process."""
    stats = [path.read_text() for path in Path("/proc").glob("[0-9]*/stat") if path.exists()]
    fields = [stat.rpartition(") ")[2].split() for stat in stats]
    return [stat for stat, field in zip(stats, fields, strict=True) if field[:2] == ["Z", str(pid)]]


@pytest.mark.parametrize("launcher", ["fork", "spawn"])
def test_a_start_in_place(lives: Lives, launcher: str) -> None:
    """The same process goes on with the new program: crawls adopted, no connection refused."""
    life = lives(crawls_launcher=launcher)
    running, long = life.accepted(seconds=1), life.accepted(seconds=4)
    life.started(running, long)
    pid, url = life.pid, life.url
    with Knocking(url) as knocking:
        _restart(life)
        following = life.accepted()
        ended = [life.finished(job)["status"] for job in (running, long, following)]

    assert ended == ["SUCCESSFUL"] * 3
    assert (life.pid, life.url) == (pid, url)
    assert (knocking.refused, knocking.connected > 50) == ([], True)
    assert life.faults() == []
    until(lambda: not _zombies(pid), "the burial of all children", 5)


def test_a_call_waits_for_the_next_program(lives: Lives) -> None:
    """Calls made during a start in place are answered by the next program, none with an error."""
    life = lives()
    statuses = []
    life.signal(signal.SIGUSR2)
    for _ in range(20):
        status, _answer = life.call("/status.json")
        statuses.append(status)
    assert "listening on" in life.line()

    assert statuses.count(200) >= 19  # one that had connected before may be told to come again


def test_a_stop_during_a_start_in_place(lives: Lives) -> None:
    """A wish to stop is not lost between two programs, whenever it comes."""
    life = lives()
    for delay_s in (0.0, 0.05, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0) if SWEEP else (0.0, 0.3, 0.6):
        if not life.is_running:
            life.start()
        life.signal(signal.SIGUSR2)
        time.sleep(delay_s)
        life.signal(signal.SIGTERM)

        assert life.wait() == 0


def test_restarts_in_a_row(lives: Lives) -> None:
    """Wishes to start again that come close together leave one daemon that works."""
    life = lives()
    job = life.accepted(seconds=4)
    life.started(job)
    for _ in range(8):
        life.signal(signal.SIGUSR2)
        time.sleep(0.15)

    until(lambda: life.call("/healthz")[0] == 200, "an answer")
    assert life.finished(job)["status"] == "SUCCESSFUL"
    assert life.faults() == []


# --- who may start -----------------------------------------------------------------------------


def _begun(data: Path, listen: str) -> "subprocess.Popen[str]":
    words = [sys.executable, "-m", "scrapy_do", "serve", "--data-dir", str(data)]
    return subprocess.Popen(
        [*words, "--listen", listen],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _first_to_end(processes: "list[subprocess.Popen[str]]") -> "subprocess.Popen[str]":
    def look() -> "subprocess.Popen[str] | None":
        return next((one for one in processes if one.poll() is not None), None)

    return until(look, "an end")


def test_one_of_two_daemons_wins(pushed: Path) -> None:
    """Two daemons that start at once on one directory: one runs, the other says a sentence."""
    races = 10 if SWEEP else 2
    for _ in range(races):
        both = [_begun(pushed, "127.0.0.1:0") for _ in range(2)]
        loser = _first_to_end(both)
        (winner,) = [one for one in both if one is not loser]
        assert winner.stdout is not None
        assert "listening on" in winner.stdout.readline()
        winner.send_signal(signal.SIGTERM)
        _, complaint = loser.communicate()
        winner.communicate()
        said, hint = complaint.splitlines()

        assert (winner.returncode, loser.returncode) == (0, 1)
        assert said.startswith(f"error: {pushed} belongs to another daemon that is running")
        assert hint.startswith("  try:")


def test_a_used_port_is_one_sentence(lives: Lives, tmp_path: Path) -> None:
    """A daemon whose port is taken says so in one sentence and a hint, and makes nothing."""
    life = lives()
    address = life.url.removeprefix("http://")
    other = _begun(tmp_path / "other", address)
    _, complaint = other.communicate()
    said, hint = complaint.splitlines()

    assert other.returncode == 1
    assert said.startswith(f"error: [web] interfaces: cannot listen on {address}: Address already")
    assert hint.startswith("  try:")
    assert not (tmp_path / "other").exists()


def test_a_broken_directory_is_one_sentence(tmp_path: Path) -> None:
    """A data directory that cannot be used ends the start, with the path in the sentence."""
    (tmp_path / "archives").mkdir()
    (tmp_path / "archives" / "incoming").touch()
    broken = _begun(tmp_path, "127.0.0.1:0")
    _, complaint = broken.communicate(timeout=30)

    assert broken.returncode == 1
    assert complaint.splitlines()[0] == f"error: {tmp_path}/archives/incoming: Not a directory"
