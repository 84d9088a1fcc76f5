"""The demo: everything at work on a machine without a network."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

DEMO = [sys.executable, "-m", "scrapy_do", "demo", "--once"]


@pytest.mark.live
def test_the_demo_runs_every_spider(tmp_path: Path) -> None:
    """One command starts, pushes, crawls, shows what came of it, and ends with 0."""
    keep = tmp_path / "kept"
    words = [*DEMO, "--keep", str(keep)]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=100, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    for spider, items in (("toscrape-css", 100), ("toscrape-xpath", 100), ("books", 40)):
        assert re.search(rf"^  {spider} +SUCCESSFUL +{items} items$", ended.stdout, re.MULTILINE)
    for words_in_order in (
        "Pushed quotesbot with the spiders books, toscrape-css, toscrape-xpath",
        "The first items of books:\n  {",
        "Spider closed (finished)",
        'Scheduled toscrape-css "every 2 minutes"; its next times:\n  2',
        "All jobs ended as they should.",
    ):
        assert words_in_order in ended.stdout
    assert {path.name for path in keep.iterdir()} == {"data", "daemon.log", "quotesbot.zip"}


@pytest.mark.live
def test_a_daemon_that_does_not_start_ends_the_demo(tmp_path: Path) -> None:
    """When the daemon refuses, the demo says why in one sentence and ends with 1."""
    (tmp_path / "data").write_text("not a directory")
    words = [*DEMO, "--keep", str(tmp_path)]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=100, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: the daemon did not start: ")
    assert "Traceback" not in ended.stderr
