"""The measurements. Each measures one system once and returns its figures by their keys."""

import statistics
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from bench.asking import percentile, probing
from bench.processes import (
    forget_peak,
    growth_bytes,
    memory_of,
    threads_of,
    until,
    wake_ups_of,
)
from bench.systems import Daemon, System
from bench.traffic import traffic

Figures = Mapping[str, float | None]
_Any = TypeVar("_Any", bound=System)

MB = 1e6
_PATIENCE_S = 600.0
_JOB_PATIENCE_S = 60.0
_SETTLE_S = 3.0
_SLOTS = 2
_NOTE_PAUSE_S = 0.001
_POLL_PAUSE_S = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured: the whole, or a quick look."""

    rounds: int
    latency_jobs: int
    batch_jobs: int
    crawls: int
    idle_s: float
    load_s: float
    stores: Sequence[int]
    log_mb: int
    transfers: int


WHOLE = Size(
    rounds=3, latency_jobs=20, batch_jobs=60, crawls=20, idle_s=30.0, load_s=3.0,
    stores=(0, 10_000, 100_000), log_mb=200, transfers=5,
)  # fmt: skip
QUICK = Size(
    rounds=1, latency_jobs=8, batch_jobs=30, crawls=20, idle_s=5.0, load_s=1.0,
    stores=(0, 100_000), log_mb=100, transfers=2,
)  # fmt: skip


class Notes:
    """What the spiders write down when they open and close."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir()

    def told(self, name: str, **more: float | str) -> Mapping[str, float | str]:
        """The payload of a crawl whose notes are called so."""
        return {"notes": str(self._directory), "name": name, **more}

    def of(self, name: str) -> list[tuple[str, float]]:
        """The events of a crawl with their times."""
        try:
            lines = (self._directory / name).read_text().splitlines()
        except FileNotFoundError:
            return []
        return [(event, float(at)) for event, at, _pid in map(str.split, lines)]

    def crawls(self) -> int:
        """How many crawls have noted anything."""
        return len(list(self._directory.iterdir()))

    def count(self, event: str) -> int:
        """How often an event was noted by all crawls."""
        files = self._directory.iterdir()
        return sum(one == event for path in files for one, _ in self.of(path.name))

    def wait_open(self, name: str) -> float:
        """Wait until a crawl has opened; return when it did."""
        found = until(
            lambda: self.of(name),
            f"{name}'s opening",
            patience_s=_JOB_PATIENCE_S,
            pause_s=_NOTE_PAUSE_S,
        )
        return found[0][1]


@contextmanager
def _running(system: _Any, slots: int) -> Iterator[tuple[_Any, Notes]]:
    """Start a system on an empty directory with the project pushed; stop it at the end."""
    with TemporaryDirectory(prefix="bench-") as directory:
        try:
            system.start(Path(directory) / "system", slots=slots)
            system.push()
            yield system, Notes(Path(directory) / "notes")
        finally:
            system.stop()


# --- the daemon itself -------------------------------------------------------------------------


def idle(system: Daemon, size: Size, site: str) -> Figures:
    """A daemon that has nothing to do: before its first job, and after it."""
    with TemporaryDirectory(prefix="bench-") as directory:
        try:
            system.start(Path(directory) / "system", slots=_SLOTS)
            time.sleep(_SETTLE_S)
            pids = system.group.pids()
            before, begun = wake_ups_of(pids), time.perf_counter()
            time.sleep(size.idle_s)
            minutes = (time.perf_counter() - begun) / 60
            woken = wake_ups_of(pids) - before
            fresh, threads = memory_of(pids), threads_of(pids)
            system.push()
            _one_job(system, Notes(Path(directory) / "notes"), site)
            time.sleep(_SETTLE_S)
            used = memory_of([system.pid])
            others = memory_of(set(system.group.pids()) - {system.pid})
        finally:
            system.stop()
    return {
        "idle.pss": fresh.pss / MB,
        "idle.uss": fresh.uss / MB,
        "idle.threads": threads,
        "idle.wake_ups": woken / minutes,
        "idle.used_pss": used.pss / MB,
        "idle.helpers_pss": others.pss / MB,
    }


def _one_job(system: System, notes: Notes, site: str) -> None:
    job = system.run("local10", notes.told("first", site=site))
    _wait_finished(system, job)


def _wait_finished(system: System, job: str) -> None:
    until(
        lambda: system.has_finished(job), f"the end of job {job}", patience_s=_PATIENCE_S,
        pause_s=_POLL_PAUSE_S,
    )  # fmt: skip


# --- jobs --------------------------------------------------------------------------------------


def latency(system: System, size: Size, site: str) -> Figures:
    """One job after another: how long until each step."""
    answered, opened, finished = [], [], []
    with _running(system, _SLOTS) as (_, notes):
        _one_job(system, notes, site)
        for number in range(size.latency_jobs):
            begun = time.time()
            job = system.run("noop", notes.told(f"job{number}"))
            answered.append(time.time() - begun)
            opened.append(notes.wait_open(f"job{number}") - begun)
            _wait_finished(system, job)
            finished.append(time.time() - begun)
    is_daemon = hasattr(system, "url")
    return {
        "latency.answered": 1000 * statistics.median(answered) if is_daemon else None,
        "latency.opened": 1000 * statistics.median(opened),
        "latency.finished": 1000 * statistics.median(finished),
    }


def noop_batch(system: System, size: Size, site: str) -> Figures:
    """Many jobs at once that do nothing."""
    return _batch(system, size, site, "noop")


def local10_batch(system: System, size: Size, site: str) -> Figures:
    """Many jobs at once that fetch ten pages each."""
    return _batch(system, size, site, "local10")


def _batch(system: System, size: Size, site: str, spider: str) -> Figures:
    jobs = size.batch_jobs
    with _running(system, _SLOTS) as (_, notes):
        _one_job(system, notes, site)
        finished, cpu_s, begun = system.finished(), system.group.cpu_s(), time.perf_counter()
        for number in range(jobs):
            system.run(spider, notes.told(f"job{number}", site=site))
        # Asking costs the daemon something too: not before there is something to hear.
        until(lambda: notes.crawls() > jobs, "all crawls", patience_s=_PATIENCE_S, pause_s=0.02)
        until(
            lambda: system.finished() >= finished + jobs, "the end of all jobs",
            patience_s=_PATIENCE_S, pause_s=0.02,
        )  # fmt: skip
        took_s = time.perf_counter() - begun
        used_s = _difference(system.group.cpu_s(), cpu_s)
        if notes.count("opened") != jobs + 1:
            raise RuntimeError(f"{system.name}: {notes.count('opened')} of {jobs + 1} opened")
    return {
        f"{spider}.per_minute": 60 * jobs / took_s,
        f"{spider}.cpu": None if used_s is None else 1000 * used_s / jobs,
    }


def _difference(now: float | None, before: float | None) -> float | None:
    return None if now is None or before is None else now - before


def concurrent(system: System, size: Size, site: str) -> Figures:
    """Many crawls that stay open."""
    with _running(system, size.crawls) as (_, notes):
        _one_job(system, notes, site)
        time.sleep(1.0)
        before = memory_of(system.group.pids())
        begun = time.perf_counter()
        for number in range(size.crawls):
            system.run("sleeper", notes.told(f"job{number}", site=site, seconds=3600))
        until(
            lambda: notes.count("opened") > size.crawls, "all crawls open",
            patience_s=_PATIENCE_S, pause_s=0.01,
        )  # fmt: skip
        took_s = time.perf_counter() - begun
        time.sleep(_SETTLE_S)
        after = memory_of(system.group.pids())
    return {
        "concurrent.open": took_s,
        "concurrent.pss": (after.pss - before.pss) / size.crawls / MB,
    }


# --- answers -----------------------------------------------------------------------------------


def answers(system: Daemon, size: Size, site: str) -> Figures:
    """How fast the daemon answers with few and with many ended jobs in its store."""
    found: dict[str, float | None] = {}
    for stored in size.stores:
        with _filled(system, stored) as (job, notes):
            for what, path in system.paths(job).items():
                said = traffic("load", system.url + path, size.load_s, 2)
                found[f"answers.{what}.{stored}.per_s"] = said["per_s"]
                found[f"answers.{what}.{stored}.p99"] = 1000 * said["p99_s"]
            if stored == max(size.stores):
                assert job is not None
                found |= _answers_while_busy(system, size, site, notes, job)
    return found


def _answers_while_busy(
    system: Daemon, size: Size, site: str, notes: Notes, job: str
) -> Mapping[str, float]:
    """How fast the daemon answers while four crawls use all processors there are."""
    crawls, seconds = 4, 4 * size.load_s
    for number in range(crawls):
        system.run("busy", notes.told(f"busy{number}", site=site, seconds=2 * seconds + 10))
    for number in range(crawls):
        notes.wait_open(f"busy{number}")
    found = {}
    for what in ("status", "id"):
        with probing(system.url, system.paths(job)[what]) as latencies_s:
            time.sleep(seconds)
        found[f"answers.{what}.busy.p99"] = 1000 * percentile(latencies_s, 0.99)
    return found


@contextmanager
def _filled(system: Daemon, stored: int) -> Iterator[tuple[str | None, Notes]]:
    """Run a daemon that has many ended jobs; give one of them."""
    with TemporaryDirectory(prefix="bench-") as directory:
        root = Path(directory) / "system"
        try:
            system.start(root, slots=4)
            system.push()
            system.stop()
            job = system.fill(stored)
            system.start(root, slots=4)
            yield job, Notes(Path(directory) / "notes")
        finally:
            system.stop()


# --- large transfers ---------------------------------------------------------------------------


def push(system: Daemon, size: Size, site: str) -> Figures:
    """A large project is pushed while others ask for the status."""
    del site
    latencies_s: list[float] = []
    took_s, growths = [], []
    with _running(system, _SLOTS), TemporaryDirectory(prefix="bench-") as directory:
        for _ in range(size.transfers):
            archive = system.pack(Path(directory), 50_000_000)
            before = _ready(system)
            with probing(system.url, system.paths(None)["status"]) as some_s:
                took_s.append(system.upload(archive))
            latencies_s += some_s
            growths.append(growth_bytes(system.pid, before) / MB)
    return {
        "push.seconds": statistics.median(took_s),
        "push.growth": max(growths),
        "push.p99": 1000 * percentile(latencies_s, 0.99),
    }


def log(system: Daemon, size: Size, site: str) -> Figures:
    """A large log is read, fast and slowly, while others ask for the status."""
    del site
    found: dict[str, float | None] = {}
    with _running(system, _SLOTS) as (_, notes):
        job = system.run("talkative", notes.told("job", megabytes=size.log_mb))
        _wait_finished(system, job)
        url = system.url + system.log_path("talkative", job)
        for reader, bytes_per_s in (("fast", 0.0), ("slow", 40 * MB)):
            said, latencies_s = [], []
            before = _ready(system)
            for _ in range(1 if bytes_per_s else size.transfers):
                with probing(system.url, system.paths(None)["status"]) as some_s:
                    said.append(traffic("download", url, bytes_per_s))
                latencies_s += some_s
            if min(one["bytes"] for one in said) < size.log_mb * MB:
                raise RuntimeError(f"{system.name}: a log is not whole: {said}")
            found[f"log.{reader}.rate"] = max(one["bytes"] / one["seconds"] / MB for one in said)
            found[f"log.{reader}.growth"] = growth_bytes(system.pid, before) / MB
            found[f"log.{reader}.p99"] = 1000 * percentile(latencies_s, 0.99)
    return found


def _ready(system: Daemon) -> int:
    """Begin to watch the daemon's memory; return what it has now."""
    time.sleep(0.5)
    forget_peak(system.pid)
    return memory_of([system.pid]).rss


# --- sudden death ------------------------------------------------------------------------------


def crash(system: Daemon) -> Counter[str]:
    """Kill the daemon amid five running and five pending jobs, start it again, and wait.

    Returns how many of the jobs went which way, in words.
    """
    running, seconds = 5, 8.0
    names = [f"job{number}" for number in range(2 * running)]
    with _running(system, running) as (_, notes):
        jobs = {name: system.run("sleeper", notes.told(name, seconds=seconds)) for name in names}
        until(lambda: notes.count("opened") >= running, "crawls open", patience_s=60, pause_s=0.02)
        was = {name: "running" if notes.of(name) else "pending" for name in names}
        system.kill()
        time.sleep(1.0)
        system.start(system.root, slots=running)
        deadline = time.monotonic() + 3 * seconds + 15
        while notes.count("closed") < len(names) and time.monotonic() < deadline:
            time.sleep(0.2)
        time.sleep(2.0)
        return Counter(
            f"was {was[name]}: opened {_times(notes, name, 'opened')}, "
            f"ended well {_times(notes, name, 'closed')}, listed as {system.state(job).lower()}"
            for name, job in jobs.items()
        )


def _times(notes: Notes, name: str, event: str) -> str:
    count = sum(one == event for one, _ in notes.of(name))
    return {0: "never", 1: "once", 2: "twice"}.get(count, f"{count} times")
