"""Soak: short jobs at a steady rate for hours; does the daemon grow?

    python -m bench.soak                  # two hours at 5 jobs/s
    python -m bench.soak --duration 15m   # a look

The daemon begins with many ended jobs, as after some weeks, so that what it keeps in memory of
its database is full early. Every job must end well, and the slope of the daemon's memory over
the last hour (or the last half, where that is shorter) must be at most 1 MB/h. The memory is
what the daemon alone holds (USS); the slope is the line of least squares through all samples.
"""

import argparse
import re
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.asking import percentile
from bench.processes import adopt_orphans
from bench.systems import ScrapyDo

RATE = 5.0
ENDED_BEFORE = 20_000
SLOTS = 8
LARGEST_SLOPE_MB_H = 1.0
_SAMPLE_S = 5.0
_HOUR_S = 3600.0
_UNITS = {"s": 1, "m": 60, "h": 3600}
_DRAIN_S = 120.0


def main() -> None:
    options = _options()
    adopt_orphans()
    with TemporaryDirectory() as directory:
        system = ScrapyDo([])
        root = Path(directory) / "soak"
        try:
            system.start(root, slots=SLOTS)
            system.push()
            system.stop()
            system.fill(ENDED_BEFORE)
            system.start(root, slots=SLOTS)
            text, slope_mb_h = _soak(system, options.duration, options.rate)
        finally:
            system.stop()
    print(text)
    if slope_mb_h > LARGEST_SLOPE_MB_H:
        sys.exit(f"the memory grows by {slope_mb_h:.1f} MB/h")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--duration", type=_seconds, default=2 * _HOUR_S, help="such as 15m or 2h")
    parser.add_argument("--rate", type=float, default=RATE, help="jobs a second")
    return parser.parse_args()


def _seconds(text: str) -> float:
    match = re.fullmatch(r"([0-9.]+)([smh])", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration such as 15m or 2h")
    return float(match[1]) * _UNITS[match[2]]


def _soak(system: ScrapyDo, duration_s: float, rate: float) -> tuple[str, float]:
    samples: list[tuple[float, float]] = []
    answers_ms: list[float] = []
    before = _successful(system)
    begun = time.monotonic()
    jobs = 0
    while (passed_s := time.monotonic() - begun) < duration_s:
        if passed_s >= len(samples) * _SAMPLE_S:
            samples.append((passed_s, _uss_mb(system.pid)))
        asked = time.monotonic()
        system.run("noop", {})
        answers_ms.append((time.monotonic() - asked) * 1000)
        jobs += 1
        time.sleep(max(0.0, begun + jobs / rate - time.monotonic()))
    while (ended := _successful(system) - before) < jobs:
        if time.monotonic() > begun + duration_s + _DRAIN_S:
            raise RuntimeError(f"of {jobs} jobs {ended} ended well")
        time.sleep(1)
    last_s = min(_HOUR_S, duration_s / 2)
    last = [sample for sample in samples if sample[0] >= duration_s - last_s]
    slope_mb_h = _slope(last) * _HOUR_S
    text = (
        f"{jobs:,} jobs in {duration_s / 60:.0f} minutes ({jobs / duration_s:.1f}/s), all of them "
        f"successful; order answered in {percentile(answers_ms, 0.5):.1f} ms, p99 "
        f"{percentile(answers_ms, 0.99):.1f} ms. Memory of the daemon (USS): "
        f"{samples[0][1]:.1f} MB at the beginning, {_median(samples, len(samples) // 2):.1f} in "
        f"the middle, {_median(samples, len(samples) - 1):.1f} at the end; slope of the last "
        f"{last_s / 60:.0f} minutes {slope_mb_h:+.2f} MB/h."
    )
    return text, slope_mb_h


def _successful(system: ScrapyDo) -> int:
    return int(system.client.get("/status.json")["jobs-successful"])


def _median(samples: Sequence[tuple[float, float]], number: int) -> float:
    around = samples[max(0, number - 10) : number + 1]
    return statistics.median(megabytes for _, megabytes in around)


def _slope(samples: Sequence[tuple[float, float]]) -> float:
    """The growth a second, by least squares."""
    return statistics.linear_regression(*zip(*samples, strict=True)).slope


def _uss_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    private = (line.split() for line in lines if line.startswith("Private_"))
    return sum(int(words[1]) for words in private) / 1024


if __name__ == "__main__":
    main()
