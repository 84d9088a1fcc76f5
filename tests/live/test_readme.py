"""The README's blocks are run, one by one, in one shell, against the demo that it names."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from scrapy_do.demo.run import PROJECT_DIR

README = Path(__file__).parent.parent.parent / "README.md"
DOCUMENTED_URL = "http://localhost:7654"
READY = "Ctrl-C ends the demo."
SEPARATOR = "\036"
LIMIT_S = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A command as one types it, and what it prints."""

    command: str
    output: tuple[str, ...]


def _steps() -> Iterator[Step]:
    """Yield the commands of all console blocks."""
    for block in re.findall(r"```console\n(.*?)```", README.read_text(), re.DOTALL):
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *rest = step.splitlines()
            while rest and rest[0].startswith("> "):
                command += f"\n{rest.pop(0).removeprefix('> ')}"
            yield Step(command=command, output=tuple(rest))


def _matches(expected: tuple[str, ...], printed: str) -> bool:
    """Whether a command printed what is documented; `...` stands for anything."""
    pattern = "\n".join(expected) + "\n" if expected else ""
    words = ".*".join(re.escape(part) for part in pattern.split("..."))
    return re.fullmatch(words, printed, re.DOTALL) is not None


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
    for tool in ("curl", "jq"):
        assert shutil.which(tool), f"{tool} is needed to run the README's commands: install it"
    steps = list(_steps())
    assert len(steps) > 10
    script = "set -o pipefail; trap 'echo exit status $?' ERR\n" + "".join(
        f"{step.command.replace(DOCUMENTED_URL, url)}\nprintf '{SEPARATOR}'\n" for step in steps
    )
    environ = {**os.environ, "SCRAPY_DO_URL": url, "HOME": str(project.parent)}
    environ["PATH"] = f"{Path(sys.executable).parent}:{environ['PATH']}"
    ended = subprocess.run(
        ["bash", "-c", script],
        cwd=project,
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    )
    *printed, rest = ended.stdout.split(SEPARATOR)
    assert rest == ""
    assert [
        (step, text)
        for step, text in zip(steps, printed, strict=True)
        if not _matches(step.output, text)
    ] == []
