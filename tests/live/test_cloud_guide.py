"""The page for those who come from Scrapy Cloud: its blocks are run, its tables compared."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scrapy_do.demo.run import PROJECT_DIR
from tests.live.documents import DOCUMENTED_URL, TOP, wrong
from tests.live.running import Running, pack, running

PAGE = (TOP / "docs" / "scrapy-cloud.md").read_text()


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    root = tmp_path_factory.mktemp("daemon")
    with running(root) as daemon:
        daemon.ask("/push-project.json", archive=f"@{pack(PROJECT_DIR, root)}")
        yield daemon


@pytest.mark.live
def test_every_example_prints_what_is_written(daemon: Running, tmp_path: Path) -> None:
    """The commands, in their order, and then the Python program."""
    assert wrong("docs/scrapy-cloud.md", daemon.url, tmp_path, {}) == []
    [program] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", program.replace(DOCUMENTED_URL, daemon.url)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    [printed] = re.findall(r"^prints `(.*?)`", PAGE, re.MULTILINE)
    assert done.stdout.strip() == printed
