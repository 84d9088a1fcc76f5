"""The demo: everything at work on a machine without a network."""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.live.running import running

DEMO = [sys.executable, "-m", "scrapy_do", "demo", "--once"]


@pytest.mark.live
def test_the_demo_runs_every_spider(tmp_path: Path) -> None:
    """One command starts, pushes, crawls, shows what came of it, and ends with 0."""
    keep = tmp_path / "kept"
    words = [*DEMO, "--keep", str(keep)]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=100, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    for spider, items in (("toscrape-css", 100), ("flaky", 8), ("books", 40)):
        assert re.search(rf"^  {spider} +SUCCESSFUL +{items} items$", ended.stdout, re.MULTILINE)
    first, *_ = ended.stdout.splitlines()
    assert re.fullmatch(r"Scrapy Do \S+: see http://127\.0\.0\.1:\d+/ui/", first)
    for words_in_order in (
        "Pushed quotesbot with the spiders books, endless, flaky, toscrape-css",
        "The first items of books:\n  {",
        "Spider closed (finished)",
        'Scheduled toscrape-css "every 2 minutes"; its next times:\n  2',
        "All jobs ended as they should.",
    ):
        assert words_in_order in ended.stdout
    assert {path.name for path in keep.iterdir()} == {"data", "daemon.log", "quotesbot.zip"}
    _compare_with_history(keep)


def _compare_with_history(keep: Path) -> None:
    """What was run is unlike the days before, of which every run says that it was made up."""
    with running(keep) as daemon:
        seeded = daemon.ask("/list-jobs.json?status=COMPLETED&tag=seeded")["jobs"]
        assert Counter(job["spider"] for job in seeded) == {
            "books": 5,
            "endless": 5,
            "flaky": 5,
            "toscrape-css": 6,
        }
        assert all("Made up" in job["description"] for job in seeded)
        assert "8 items; the 5 runs before had 12 to 12" in daemon.curl("/ui/")
        (flaky,) = daemon.ask("/list-jobs.json?status=COMPLETED&spider=flaky&limit=1")["jobs"]
        page = daemon.curl(f"/ui/jobs/{flaky['identifier']}")
        assert "Unusually low: items 8; the last 5 good runs had 12 to 12" in page
        assert "Unusually high: errors 4" in page


@pytest.mark.live
def test_a_daemon_that_does_not_start_ends_the_demo(tmp_path: Path) -> None:
    """When the daemon refuses, the demo says why in one sentence and ends with 1."""
    (tmp_path / "data").write_text("not a directory")
    words = [*DEMO, "--keep", str(tmp_path)]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=100, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: the daemon did not start: ")
    assert "Traceback" not in ended.stderr
