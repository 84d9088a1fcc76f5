"""Measures what the number of a project's files adds to the start of its crawls.

`python -m bench.trees [--quick]` runs jobs of two versions of one project in turn, one job after
another: as it is, and with a hundred modules more, which no spider imports.
"""

import argparse
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path

from bench.measures import Notes
from bench.packing import pack_zip
from bench.processes import adopt_orphans, until
from bench.systems import ScrapyDo

MODULES = 100
_FIRST = 3
_PATIENCE_S = 60.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.trees", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer jobs")
    jobs = 15 if parser.parse_args().quick else 60
    adopt_orphans()
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        root, system = Path(directory), ScrapyDo([])
        try:
            system.start(root / "system", slots=2)
            pushed_ms = {modules: _push(system, root, modules) for modules in (0, MODULES)}
            opened_ms = _opened(system, Notes(root / "notes"), jobs)
        finally:
            system.stop()
    print("| modules beside those in use | push, ms | order to spider_opened, ms |")
    print("|---|---:|---:|")
    for modules, found in opened_ms.items():
        middle, least = statistics.median(found), min(found)
        print(f"| {modules} | {pushed_ms[modules]:.0f} | {middle:.1f} (at best {least:.1f}) |")


def _push(system: ScrapyDo, root: Path, modules: int) -> float:
    return 1000 * system.upload(pack_zip(root / "archive.zip", modules=modules))


def _opened(system: ScrapyDo, notes: Notes, jobs: int) -> dict[int, list[float]]:
    versions = {0: "1", MODULES: "2"}
    found: dict[int, list[float]] = {modules: [] for modules in versions}
    for number in range(_FIRST + jobs):
        for modules, version in versions.items():
            name = f"job{number}.{modules}"
            begun = time.time()
            job = system.run("noop", notes.told(name), version=version)
            took_ms = 1000 * (notes.wait_open(name) - begun)
            until(partial(system.has_finished, job), name, patience_s=_PATIENCE_S, pause_s=0.01)
            if number >= _FIRST:
                found[modules].append(took_ms)
    return found


if __name__ == "__main__":
    main()
