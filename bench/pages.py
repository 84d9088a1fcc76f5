"""What pages cost, beside those of scrapyd and of scrapydweb, in the same browser.

`python -m bench.pages [--record]`: each page loaded afresh, after eight jobs have ended. Weight is
what comes over the wire; load is the median of five; violations are axe's, in light and at 1280 px;
sideways is how far a page is wider than a telephone of 360 px. Takes about two minutes.
"""

import argparse
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from playwright.sync_api import Browser, sync_playwright

from bench import environments
from bench.measures import Notes
from bench.processes import adopt_orphans, until
from bench.systems import Daemon, Scrapyd, ScrapyDo
from tests.browser.browsing import ARGUMENTS, Visit

REPORT = Path(__file__).parent.parent / "docs" / "benchmarks.md"
BEGIN, END = "<!-- pages -->", "<!-- the end of pages -->"

_LOADS = 5
_JOBS = 8
_LOAD_MS = "performance.getEntriesByType('navigation')[0].loadEventEnd"
_HEAD = "| page | kB | requests | load, ms | axe violations | sideways, px |"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One page in numbers."""

    system: str
    page: str
    size_bytes: int
    requests: int
    load_ms: float
    violations: int
    sideways: int


def main() -> None:
    """Measure, print, and keep the result if asked."""
    parser = argparse.ArgumentParser(prog="python -m bench.pages", description=__doc__)
    parser.add_argument("--record", action="store_true", help=f"keep the result in {REPORT.name}")
    options = parser.parse_args()
    adopt_orphans()
    text = _table(_measured())
    print(text)
    if options.record:
        before, _, rest = REPORT.read_text().partition(BEGIN)
        after = rest.partition(END)[2]
        REPORT.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")


def _measured() -> list[Seen]:
    seen: list[Seen] = []
    with tempfile.TemporaryDirectory() as root, sync_playwright() as playwright:
        chromium = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=chromium, args=[*ARGUMENTS])
        for system, pages in _systems(Path(root)):
            seen.extend(_look(browser, system, name, url) for name, url in pages.items())
        browser.close()
    return seen


def _systems(root: Path) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Each system with its pages, by what they show; it runs while they are looked at."""
    ours = ScrapyDo([])
    job = _filled(ours, root / "ours")
    yield (
        "Scrapy Do",
        {
            "overview": f"{ours.url}/ui/",
            "jobs": f"{ours.url}/ui/jobs",
            "a job and its log": f"{ours.url}/ui/jobs/{job}",
            "run a spider": f"{ours.url}/ui/run?project=measured&spider=noop",
            "push": f"{ours.url}/ui/push",
        },
    )
    ours.stop()
    scrapyd = Scrapyd(environments.python_of_scrapyd(), [])
    job = _filled(scrapyd, root / "scrapyd")
    yield (
        "scrapyd",
        {
            "overview": f"{scrapyd.url}/",
            "jobs": f"{scrapyd.url}/jobs",
            "a log": f"{scrapyd.url}{scrapyd.log_path('noop', job)}",
        },
    )
    with _scrapydweb(root / "web", scrapyd.url) as url:
        yield (
            "scrapydweb",
            {
                "overview": f"{url}/1/servers/",
                "jobs": f"{url}/1/jobs/",
                "a job and its log": f"{url}/1/log/stats/measured/noop/{job}/",
                "run a spider": f"{url}/1/schedule/",
                "push": f"{url}/1/deploy/",
            },
        )
    scrapyd.stop()


def _filled(system: Daemon, root: Path) -> str:
    """Start a system and let some jobs run; return one of them."""
    system.start(root, slots=4)
    system.push()
    notes = Notes(root.with_suffix(".notes"))
    jobs = [system.run("noop", notes.told(f"job{number}")) for number in range(_JOBS)]
    until(lambda: all(map(system.has_finished, jobs)), "the jobs", patience_s=60, pause_s=0.2)
    return jobs[0]


@contextmanager
def _scrapydweb(root: Path, scrapyd: str) -> Iterator[str]:
    """Run scrapydweb on a scrapyd, as its own first start writes it down."""
    root.mkdir()
    command = [environments.python_of_scrapydweb().parent / "scrapydweb"]
    subprocess.run(command, cwd=root, capture_output=True, check=False)  # writes its settings
    (settings,) = root.glob("scrapydweb_settings_v*.py")
    address = scrapyd.partition("//")[2]
    port = 5099
    text = settings.read_text()
    for name, value in (
        ("SCRAPYDWEB_BIND", "'127.0.0.1'"),
        ("SCRAPYDWEB_PORT", port),
        ("ENABLE_LOGPARSER", False),
        ("CHECK_LATEST_VERSION", False),
        ("DATA_PATH", repr(str(root / "data"))),
    ):
        text = re.sub(rf"(?m)^{name} = .*$", f"{name} = {value}", text)
    text = re.sub(r"(?s)SCRAPYD_SERVERS = \[.*?\n\]", f"SCRAPYD_SERVERS = [{address!r}]", text)
    settings.write_text(text)
    with subprocess.Popen(
        command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        lines = process.stdout
        threading.Thread(target=lambda: [None for _ in lines], daemon=True).start()
        try:
            url = f"http://127.0.0.1:{port}"
            until(lambda: _answers(url), "scrapydweb's start", patience_s=60, pause_s=0.3)
            yield url
        finally:
            process.terminate()


def _answers(url: str) -> bool:
    words = ["curl", "-s", "-o", "/dev/null", "-f", f"{url}/1/servers/"]
    return subprocess.run(words, check=False).returncode == 0


def _look(browser: Browser, system: str, page: str, url: str) -> Seen:
    """Load a page afresh, some times."""
    loads = []
    for _ in range(_LOADS):
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        visit = Visit(context)
        answer = visit.open(url)
        if not answer.ok:
            raise RuntimeError(f"{url}: {answer.status}")
        loads.append(float(visit.page.evaluate(_LOAD_MS)))
        visit.page.wait_for_timeout(500)  # what a page fetches by itself
        cost = visit.loaded
        violations = visit.violations()
        visit.show(scheme="light", width=360)
        sideways = visit.sideways()
        context.close()
    return Seen(
        system=system,
        page=page,
        size_bytes=cost.wire_bytes,
        requests=len(cost.requests),
        load_ms=median(loads),
        violations=len(violations),
        sideways=sideways,
    )


def _table(seen: Sequence[Seen]) -> str:
    lines = [_HEAD, "|---|---:|---:|---:|---:|---:|"]
    lines += [
        f"| {one.system}: {one.page} | {one.size_bytes / 1000:.1f} | {one.requests} "
        f"| {one.load_ms:.0f} | {one.violations} | {one.sideways} |"
        for one in seen
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
