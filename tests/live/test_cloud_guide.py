"""The page for those who come from Scrapy Cloud: its blocks are run, its tables compared."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scrapy_do.demo.run import PROJECT_DIR
from tests.live.running import Running, pack, running

PAGE = (Path(__file__).parent.parent.parent / "docs" / "scrapy-cloud.md").read_text()
DOCUMENTED_URL = "http://localhost:7654"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    root = tmp_path_factory.mktemp("daemon")
    with running(root) as daemon:
        daemon.ask("/push-project.json", archive=f"@{pack(PROJECT_DIR, root)}")
        yield daemon


def steps() -> Iterator[tuple[str, str]]:
    """Yield the commands of all console blocks, and what stands below each."""
    for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL):
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = step.partition("\n")
            yield command, output.rstrip("\n")


@pytest.mark.live
def test_every_example_prints_what_is_written(daemon: Running) -> None:
    """The commands, in their order, and then the Python program."""
    for command, output in steps():
        done = subprocess.run(
            ["bash", "-c", command.replace(DOCUMENTED_URL, daemon.url)],
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
        assert done.stdout.rstrip("\n") == output, command
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
