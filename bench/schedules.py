"""Measures schedules: how exact they fire, what many cost, how texts are read.

`python -m bench.schedules [--quick] [--firings N] [--only NAMES]` prints a table. The first
rows are of the daemon's store, scheduler and alarm alone, the later ones of a whole daemon.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from bench.asking import percentile
from bench.packing import PROJECT
from bench.processes import until
from bench.standing import Run, add, fill, now, schedule
from bench.systems import ScrapyDo
from scrapy_do.core.grammar import parse_when
from scrapy_do.core.schedule import CatchUp, Overlap, Policies
from scrapy_do.errors import BadWhen
from tests.core.fuzzing import random_text

SECOND = timedelta(seconds=1)
YEAR = timedelta(days=365)
MANY = 10_000
TOGETHER = 1_000
CRAWLS = 20
CAUGHT_UP = 100
PATIENCE_S = 120.0
SEED = 20260603
KINDS = (
    "every 10 minutes",
    "every 2 to 3 hours",
    "every day at 02:30",
    "every hour at :30",
    "cron 0 5 * * 1-5",
    "every 3 weeks",
)
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "UTC")

Row = tuple[str, str, str]


def accuracy(root: Path, firings: int) -> Iterator[Row]:
    """Fire one after the other, a twentieth of a second apart."""
    start = now().replace(microsecond=0) + 2 * SECOND
    fill(root / "accuracy", [schedule("every second", start + n * SECOND / 20) for n in range(20)])
    found = Run(root / "accuracy", lambda seen: len(seen.late_s) >= firings).measure()
    yield f"{firings:,} firings: early", str(sum(late < 0 for late in found.late_s)), "0"
    yield "planned to committed, p50", _ms(percentile(found.late_s, 0.5)), ""
    yield "planned to committed, p99", _ms(percentile(found.late_s, 0.99)), "50 ms"
    yield "planned to committed, max", _ms(max(found.late_s)), "250 ms"


def many(root: Path) -> Iterator[Row]:
    """Load and plan schedules of all kinds."""
    made = now().replace(microsecond=0) - SECOND
    fill(
        root / "many",
        [schedule(KINDS[n % len(KINDS)], made, zone=ZONES[n % len(ZONES)]) for n in range(MANY)],
    )
    found = Run(root / "many", lambda seen: seen.armed_after_s > 0).measure()
    yield f"{MANY:,} schedules loaded and planned", _ms(found.armed_after_s), "2000 ms"
    yield "longest turn of the reactor meanwhile", _ms(found.longest_turn_s), "50 ms"


def together(root: Path) -> Iterator[Row]:
    """Fire a thousand that are due in one second."""
    start = now().replace(microsecond=0) + 10 * SECOND
    fill(
        root / "together",
        [schedule("every hour", start - timedelta(hours=1)) for _ in range(TOGETHER)],
    )
    found = Run(root / "together", lambda seen: len(seen.late_s) >= TOGETHER).measure()
    yield f"{TOGETHER:,} due at once, all committed after", _ms(max(found.late_s)), "1000 ms"
    yield "longest turn of the reactor meanwhile", _ms(found.longest_turn_s), "50 ms"


def texts(number: int) -> Iterator[Row]:
    """Read texts that are almost specifications; the time is the processor's."""
    rng, zone, at = random.Random(SEED), ZoneInfo("UTC"), now()
    slowest_s, longest, others = 0.0, 0, 0
    for _ in range(number):
        text = random_text(rng)
        begun_s = time.thread_time()
        try:
            parse_when(text, now=at, zone=zone)
        except BadWhen as refused:
            longest = max(longest, len(str(refused)))
        except Exception:  # noqa: BLE001 - they are counted
            others += 1
        slowest_s = max(slowest_s, time.thread_time() - begun_s)
    yield f"{number:,} random texts read: errors that are no refusals", str(others), "0"
    yield "slowest of them", _ms(slowest_s), "1 ms"
    yield "longest refusal", f"{longest} characters", "300 characters"


def year_off(root: Path) -> Iterator[Row]:
    """Start a daemon that was off for a year, with an order for every second of it."""
    system = ScrapyDo(others=())
    system.start(root / "year", slots=2)
    try:
        system.push()
        system.stop()
        order = schedule(
            "every second",
            now().replace(microsecond=0) - YEAR,
            policies=Policies(overlap=Overlap.ALLOW, catchup=CatchUp.ALL, max_runs=CAUGHT_UP),
        )
        add(root / "year" / "data" / "scrapy-do.db", [order])
        begun_s = time.monotonic()
        system.start(root / "year", slots=2)
        listening_s = time.monotonic() - begun_s
        path = f"/list-schedules.json?id={order.id}"

        def look() -> dict[str, Any] | None:
            (shown,) = system.client.get(path)["schedules"]
            return shown if shown["state"] == "finished" else None

        shown = until(look, "the firing", patience_s=PATIENCE_S, pause_s=0.01)
        fired_s = time.monotonic() - begun_s
    finally:
        system.stop()
    yield (
        "a year off with 'every second' under all: start to listening",
        _ms(listening_s),
        "2000 ms",
    )
    yield "start to the newest instants fired", _ms(fired_s), ""
    yield "jobs made of them", f"{shown['fired']}", f"{CAUGHT_UP}"
    yield "instants counted as missed", f"{shown['missed']:,}", ""


def crawls(root: Path) -> Iterator[Row]:
    """Let a daemon fire real crawls, three seconds apart."""
    system = ScrapyDo(others=())
    system.start(root / "daemon", slots=2)
    try:
        system.push()
        form = {
            "project": PROJECT,
            "spider": "noop",
            "when": "every 3 seconds",
            "overlap": "allow",
            "max-runs": str(CRAWLS),
        }
        order = system.client.post("/schedule-job.json", form)["identifier"]
        jobs = until(
            lambda: _finished(system, order), "all crawls", patience_s=PATIENCE_S, pause_s=1.0
        )
    finally:
        system.stop()
    late_s = [
        (datetime.fromisoformat(job["started"]) - datetime.fromisoformat(job["planned"])) / SECOND
        for job in jobs
    ]
    yield f"{CRAWLS} crawls: planned to process, p50", _ms(percentile(late_s, 0.5)), ""
    yield "planned to process, max", _ms(max(late_s)), "250 ms"


def _finished(system: ScrapyDo, order: str) -> list[dict[str, Any]]:
    jobs = system.client.get(f"/list-schedule-history.json?id={order}&limit=1000")["jobs"]
    ended = [job for job in jobs if job["finished"]]
    return ended if len(ended) == CRAWLS else []


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.schedules", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer firings, fewer texts")
    parser.add_argument("--firings", type=int, help="how many firings, 20 a second")
    parser.add_argument("--only", help="some measurements, separated by commas")
    options = parser.parse_args()
    firings = options.firings or (500 if options.quick else 2_000)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        measures: dict[str, Callable[[], Iterator[Row]]] = {
            "accuracy": lambda: accuracy(root, firings),
            "many": lambda: many(root),
            "together": lambda: together(root),
            "texts": lambda: texts(100_000 if options.quick else 1_000_000),
            "year_off": lambda: year_off(root),
            "crawls": lambda: crawls(root),
        }
        for name, measure in measures.items():
            if options.only is None or name in options.only.split(","):
                for row in measure():
                    print(" | ".join(row), file=sys.stderr, flush=True)
                    rows.append(row)
    print("| standing orders | found | bound |\n|---|---|---|")
    for row in rows:
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
