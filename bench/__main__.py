"""`make bench`: Scrapy Do beside scrapyd and `scrapy crawl`, all in the same run.

Figures of one run can be compared with each other, not with those of another machine or
another hour: that is why the others are measured again each time.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench import environments, measures
from bench.figures import FIGURES
from bench.measures import QUICK, WHOLE, Size
from bench.processes import adopt_orphans, spin_ms
from bench.sheet import Sheet, missed, table
from bench.systems import Daemon, ScrapyCrawl, Scrapyd, ScrapyDo, System

REPORT = Path(__file__).parent.parent / "docs" / "benchmarks.md"
_BEGIN, _END = "<!-- the last result -->", "<!-- the end of the last result -->"

Measure = Callable[[Any, Size, str], Mapping[str, float | None]]

OF_DAEMONS: Sequence[Measure] = (measures.idle, measures.answers, measures.push, measures.log)
OF_ALL: Sequence[Measure] = (
    measures.latency,
    measures.noop_batch,
    measures.local10_batch,
    measures.concurrent,
)
OFTEN: Sequence[Measure] = (measures.latency, measures.noop_batch, measures.local10_batch)
"""Those that are short and that others disturb most: repeated in each round."""

MORE = ("command_line", "schedules", "cloud_data", "cloud_jobs", "capture", "trees")
"""Modules that measure Scrapy Do alone and print what they found as Markdown."""


def main() -> None:
    options = _options()
    adopt_orphans()
    size = QUICK if options.quick else WHOLE
    begun = time.monotonic()
    sheet, spins = Sheet(), []
    with _site() as (site, pid):
        daemons: list[Daemon] = [ScrapyDo([pid]), Scrapyd(environments.python_of_scrapyd(), [pid])]
        systems: list[System] = [*daemons, ScrapyCrawl(environments.python_of_scrapy(), [pid])]
        for measure, round_number in _plan(options.only, size):
            for system in daemons if measure in OF_DAEMONS else systems:
                spins.append(spin_ms())
                print(f"{measure.__name__} {round_number + 1}: {system.name}", file=sys.stderr)
                sheet.add(system.name, measure(system, size, site))
        crashes = (
            {one.name: measures.crash(one) for one in daemons}
            if _wanted("crash", options.only)
            else {}
        )
    parts = [
        _circumstances(size, spins, time.monotonic() - begun),
        table(sheet, FIGURES),
        *([_crash_table(crashes)] if crashes else []),
        *(_more(name) for name in MORE if _wanted(name, options.only) and not options.quick),
    ]
    text = "\n\n".join(part for part in parts if part)
    print(text)
    for title in missed(sheet, FIGURES):
        print(f"missed: {title}", file=sys.stderr)
    if options.record:
        _record(text)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a look of two or three minutes")
    parser.add_argument("--only", help="some measurements, separated by commas")
    parser.add_argument("--record", action="store_true", help=f"keep the result in {REPORT.name}")
    return parser.parse_args()


def _wanted(name: str, only: str | None) -> bool:
    return only is None or name in only.split(",")


def _plan(only: str | None, size: Size) -> Iterator[tuple[Measure, int]]:
    """Which measurement comes when: what is repeated, so that the rounds lie apart."""
    chosen = [one for one in (*OF_DAEMONS, *OF_ALL) if _wanted(one.__name__, only)]
    for round_number in range(size.rounds):
        for measure in chosen:
            if measure in OFTEN or round_number == 0:
                yield measure, round_number


@contextmanager
def _site() -> Iterator[tuple[str, int]]:
    """The local site's URL and process."""
    words = [sys.executable, "-m", "bench.site"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip(), process.pid
        finally:
            process.kill()


def _circumstances(size: Size, spins: Sequence[float], took_s: float) -> str:
    return (
        f"{os.cpu_count()} cores, Linux {platform.release()}, Python "
        f"{platform.python_version()}, Scrapy {version('scrapy')}, Twisted "
        f"{version('twisted')}, scrapyd {environments.SCRAPYD}; {size.rounds} rounds, "
        f"{took_s / 60:.0f} minutes. Noise: a fixed piece of work took "
        f"{statistics.median(spins):.1f} ms, {min(spins):.1f} at best, {max(spins):.1f} at worst."
    )


def _crash_table(crashes: Mapping[str, Counter[str]]) -> str:
    """What became of the jobs when the daemon was killed."""
    lines = ["| kill -9 amid 5 running and 5 pending jobs | jobs | what became of them |"]
    lines += ["|---|---:|---|"]
    lines += [
        f"| {name} | {count} | {fate} |"
        for name, fates in crashes.items()
        for fate, count in sorted(fates.items(), reverse=True)
    ]
    return "\n".join(lines)


def _more(name: str) -> str:
    """What another module of the bench prints after its quick look."""
    print(name, file=sys.stderr)
    words = [sys.executable, "-m", f"bench.{name}", "--quick"]
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def _record(text: str) -> None:
    """Put the result in the place of the one before it."""
    before, _, rest = REPORT.read_text().partition(_BEGIN)
    _, _, after = rest.partition(_END)
    REPORT.write_text(f"{before}{_BEGIN}\n\n{text}\n\n{_END}{after}")


if __name__ == "__main__":
    main()
