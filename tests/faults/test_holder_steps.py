"""A holder that is killed at one of its system calls, whichever: the records tell the truth."""

import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_twisted
from twisted.internet.threads import deferToThread

from scrapy_do.launchers.containment import sweep
from scrapy_do.launchers.endings import HOLDER_DIED
from scrapy_do.launchers.interface import Adopted, Alive, Ended, KnownRun, NeverStarted
from scrapy_do.protocol import run_record
from scrapy_do.protocol.wire import CrawlSpec, StartMethod, encode
from tests.faults.conftest import SWEEP
from tests.faults.history import read_marks
from tests.launchers.harness import RealHarness, begun, on_reactor

pytestmark = pytest.mark.faults

CALLS = {
    "link": 2,
    "rename": 4,
    "fsync": 8,
    "flock": 2,
    "unlink": 3,
    "pipe2": 2,
    "clone,clone3,fork,vfork": 2,
    "prctl": 4,
    "setsid": 2,
    "waitid": 2,
    "wait4": 3,
    "kill": 3,
    "write": 10,
}
"""The calls of a holder, and up to which of each it is killed; beyond, it comes to its end."""

SAMPLE = (("link", 1), ("rename", 1), ("rename", 2), ("fsync", 3), ("pipe2", 1), ("waitid", 1))
ALL = tuple((call, number) for call, last in CALLS.items() for number in range(1, last + 1))


def _can_trace() -> bool:
    if shutil.which("strace") is None:
        return False
    words = ["strace", "-o", os.devnull, "true"]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


if not _can_trace():
    pytest.skip("strace is not here, or may not trace", allow_module_level=True)


@pytest_twisted.async_yield_fixture  # type: ignore[untyped-decorator]  # the plugin has no types
async def real(tmp_path: Path) -> AsyncIterator[RealHarness]:
    async with begun(StartMethod.SPAWN, tmp_path) as harness:
        yield harness


def _hold(spec: CrawlSpec, call: str, number: int) -> bool:
    """Run a holder that is killed when it makes a call; return whether it was."""
    run_record.write(spec.placement.run_dir, run_record.ORDER, encode(spec), synced=False)
    inject = f"inject={call}:signal=SIGKILL:when={number}"
    with (spec.placement.run_dir / run_record.ORDER).open("rb") as order:
        done = subprocess.run(
            [
                *("strace", "-o", os.devnull, "-e", f"trace={call}", "-e", inject),
                *(sys.executable, "-I", "-X", "utf8", "-m", "scrapy_do.crawl.holder"),
            ],
            stdin=order,
            capture_output=True,
            check=False,
            timeout=60,
        )
    return done.returncode != 0


@pytest.mark.parametrize(("call", "number"), ALL if SWEEP else SAMPLE)
@on_reactor
async def test_killed_at_a_call(real: RealHarness, call: str, number: int) -> None:
    """NeverStarted means that the spider never ran, an exit is the true one, all else is lost."""
    marks = real.directory / "marks"
    spec = real.spec("marker", project="marking", arguments={"file": str(marks)})
    killed = await deferToThread(_hold, spec, call, number)
    await real.launcher.stop(leave_crawls=True)
    real.renew()
    (found,) = await real.launcher.start([KnownRun.of(spec)], real.take)
    left = sweep(spec.order.mark)
    words = [mark.word for mark in read_marks(marks)]

    assert left == 0
    assert _is_true(found, words), (found, words)
    assert killed or isinstance(found, Ended)


def _is_true(found: Adopted, words: list[str]) -> bool:
    """Whether what is found agrees with what the spider did."""
    match found:
        case NeverStarted():
            return words == []
        case Alive():
            return False  # the holder is dead
        case Ended(ending=ending) if ending.lost is not None:
            return ending.lost == HOLDER_DIED and (ending.opened or words == [])
        case Ended(ending=ending):
            return (ending.status, words) == (0, ["start", "end", "closed:finished"])
