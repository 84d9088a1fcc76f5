"""The README's blocks are run, one by one, in one shell, against the demo that it names."""

import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from scrapy_do.demo.run import PROJECT_DIR
from tests.live.documents import wrong

READY = "Ctrl-C ends the demo."
LIMIT_S = 100


@pytest.fixture(name="url")
def _url() -> Iterator[str]:
    """Run the demo; give the address of its daemon."""
    words = [sys.executable, "-m", "scrapy_do", "demo"]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        too_late = threading.Timer(LIMIT_S, process.kill)
        too_late.start()
        try:
            said = _until_ready(process)
            found = re.search(r"daemon +(\S+) +\(data in (\S+)\)", said)
            assert found is not None, said
            assert READY in said, said
            yield found[1]
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate()
            too_late.cancel()
    assert process.returncode == 128 + signal.SIGTERM
    assert not Path(found[2]).exists()


def _until_ready(process: "subprocess.Popen[str]") -> str:
    """Return what the demo says until it waits, or ends."""
    assert process.stdout is not None
    heard = []
    for line in process.stdout:
        heard.append(line)
        if READY in line:
            break
    return "".join(heard)


@pytest.fixture(name="project")
def _project(tmp_path: Path) -> Path:
    """A copy of the project's directory, to pack and push from."""
    directory = tmp_path / "project"
    shutil.copytree(PROJECT_DIR, directory, ignore=shutil.ignore_patterns("__pycache__"))
    return directory


@pytest.mark.live
@pytest.mark.timeout(200)
def test_every_block_of_the_readme_works(url: str, project: Path) -> None:
    """Each command of the README prints what stands below it."""
    assert wrong("README.md", url, project, {}) == []
