"""How long the command takes to start, beside the client of Scrapy Do 0.5.0 in the same run.

`python -m bench.command_line`; prints a table in Markdown.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench import environments
from scrapy_do.demo.daemon import daemon

_RUNS, _QUICK_RUNS = 21, 7
_OURS = Path(sys.executable).parent
_GOALS_MS = {"scrapy-do --version": 150, "scrapy-do --help": 150, "scrapy-do status": 250}
_OLD_STATUS = "scrapy-do-cl status"
_GOALS_MS[_OLD_STATUS] = 250


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.command_line", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a look of half a minute")
    runs = _QUICK_RUNS if parser.parse_args().quick else _RUNS
    old = environments.python_of_scrapy_do_05().parent / "scrapy-do-cl"
    with (
        tempfile.TemporaryDirectory() as scratch,
        daemon(Path(scratch) / "data", port=0, options={}) as url,
    ):
        at = ["--url", url]
        calls = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "scrapy-do --version": [str(_OURS / "scrapy-do"), "--version"],
            "scrapy-do --help": [str(_OURS / "scrapy-do"), "--help"],
            "scrapy-do status": [str(_OURS / "scrapy-do"), *at, "status"],
            _OLD_STATUS: [str(_OURS / "scrapy-do-cl"), *at, "status"],
            "scrapy-do-cl status, of 0.5.0": [str(old), *at, "status"],
            "scrapy-do-cl --help, of 0.5.0": [str(old), "--help"],
        }
        took: dict[str, list[float]] = {name: [] for name in calls}
        for _ in range(runs):  # in turns, so that all meet the same disturbances
            for name, words in calls.items():
                took[name].append(_ms(words))
    medians = {name: statistics.median(times) for name, times in took.items()}
    slowest = medians["scrapy-do-cl status, of 0.5.0"]
    print("| start of the command | median, ms | best, ms | of 0.5.0's status | goal, ms |")
    print("|---|---:|---:|---:|---:|")
    for name, median in medians.items():
        share = f"{median / slowest * 100:.0f} %"
        goal = _GOALS_MS.get(name, "")
        print(f"| {name} | {median:.0f} | {min(took[name]):.0f} | {share} | {goal} |")


def _ms(words: Sequence[str]) -> float:
    begun_s = time.perf_counter()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - begun_s) * 1000


if __name__ == "__main__":
    main()
