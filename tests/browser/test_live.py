"""What happens is on the page soon, and a killed daemon costs no line and doubles none."""

import os
import re
import signal
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext

from tests.browser.browsing import Visit
from tests.live.running import Running, running

TICK = re.compile(r"^tick ([0-9]+) at ([0-9]+)$")
IS_ALONE = os.environ.get("BARS") == "alone"
MOST_DELAY_MS = 1500 if IS_ALONE else 5000
LONGEST_TASK_MS = 300 if IS_ALONE else 2000
"""The bars are 1 s and 200 ms, half as much again allowed, where nothing else runs (`BARS=alone`).

The gate runs three kinds of tests side by side: there only a stall is found.
"""

_WATCH_LINES = """
window.delays = [];
window.longest = 0;
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) window.longest = Math.max(window.longest, one.duration);
}).observe({ entryTypes: ["longtask"] });
addEventListener("DOMContentLoaded", () => {
  const log = document.getElementById("log");
  if (!log) return;
  new MutationObserver((changes) => {
    for (const change of changes) for (const node of change.addedNodes) {
      const found = / at ([0-9]+)$/.exec(node.querySelector?.(".ms")?.textContent ?? "");
      if (found) window.delays.push(Date.now() - Number(found[1]));
    }
  }).observe(log, { childList: true });
});
"""


def _ticks(visit: Visit) -> list[int]:
    """The numbers of the ticks on the page, in their order."""
    texts = visit.page.locator("#log .ms").all_text_contents()
    return [int(found[1]) for text in texts if (found := TICK.match(text))]


def _begin(daemon: Running, root: Path, *, rate: int, seconds: int) -> str:
    daemon.push("ticking", root)
    job = daemon.run("clock", project="ticking", arg=[f"rate={rate}", f"seconds={seconds}"])
    daemon.until_status(job, "RUNNING")
    return job


@pytest.mark.live
def test_a_killed_daemon_costs_no_line(tmp_path: Path, context: BrowserContext) -> None:
    """Lines come live, also those that were written while the daemon was gone: each once."""
    visit = Visit(context)
    visit.page.add_init_script(_WATCH_LINES)
    with running(tmp_path) as daemon:
        job = _begin(daemon, tmp_path, rate=20, seconds=15)
        visit.open(f"{daemon.url}/ui/jobs/{job}")
        visit.page.wait_for_selector("[data-live=live]")
        visit.page.wait_for_selector("#L60", state="attached")

        delays = sorted(visit.page.evaluate("window.delays"))
        assert delays[len(delays) * 95 // 100] <= MOST_DELAY_MS
        port = daemon.url.rsplit(":", 1)[1]
        daemon.signal(signal.SIGKILL)
        daemon.wait()
        visit.page.wait_for_selector("text=Reconnecting in")
        again = Running(tmp_path, listen=f"127.0.0.1:{port}").start()
        try:
            visit.page.wait_for_selector("[data-live=live]", timeout=60_000)
            visit.page.wait_for_selector("text=The job is successful", timeout=60_000)
        finally:
            again.stop()

        assert _ticks(visit) == list(range(1, 301))
        assert visit.forbidden() == []
        assert visit.troubles == []


@pytest.mark.live
def test_a_flood_of_lines_is_counted(tmp_path: Path, context: BrowserContext) -> None:
    """Of 2,000 lines a second the newest are shown, the others counted; the page stays quick."""
    visit = Visit(context)
    visit.page.add_init_script(_WATCH_LINES)
    with running(tmp_path) as daemon:
        job = _begin(daemon, tmp_path, rate=2000, seconds=10)
        visit.open(f"{daemon.url}/ui/jobs/{job}")
        visit.page.wait_for_selector("text=The job is successful", timeout=60_000)

        shown = _ticks(visit)
        gaps = visit.page.locator("#log .gap").all_text_contents()
        longest = visit.page.evaluate("window.longest")
        assert longest <= LONGEST_TASK_MS
        assert shown == sorted(set(shown))
        assert shown[-1] == 20_000
        assert any("lines not shown live" in gap for gap in gaps)
        assert visit.page.locator("#log > *").count() <= 5000
        assert visit.troubles == []
