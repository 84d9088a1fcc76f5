"""Faults of the system itself, injected where it is called."""

import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import pytest_twisted

from scrapy_do.errors import LaunchFailed
from scrapy_do.protocol.run_record import identity_of, is_locked
from scrapy_do.protocol.wire import StartMethod
from tests.launchers.harness import RealHarness, begun, on_reactor
from tests.launchers.test_forkserver import in_reserve, warm_parents

pytestmark = [
    pytest.mark.live,
    pytest.mark.faults,
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed"),
]


@pytest_twisted.async_yield_fixture  # type: ignore[untyped-decorator] # the plugin has no types
async def fork(tmp_path: Path) -> AsyncIterator[RealHarness]:
    """A fork server with its warm parent up."""
    async with begun(StartMethod.FORK, tmp_path) as harness:
        await harness.run(harness.spec("noop"))
        yield harness


@contextmanager
def injected(pids: Collection[int], calls: str, fault: str) -> Iterator[None]:
    """Make system calls of processes, and of what they fork, fail."""
    command = ["strace", "-f", "-qq", "-o/dev/null", f"-etrace={calls}"]
    command += [f"-einject={calls}:{fault}", *(f"-p{pid}" for pid in pids)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as tracer:
        while any("TracerPid:\t0" in Path(f"/proc/{pid}/status").read_text() for pid in pids):
            assert tracer.poll() is None, "this process may not be traced here"
        try:
            yield
        finally:
            tracer.send_signal(signal.SIGINT)


FORKS = "clone,clone3,fork,vfork"


@on_reactor
async def test_no_process_can_be_made(fork: RealHarness) -> None:
    """While the system refuses processes, launches are refused with the reason; nothing leaks.

    The one that was forked in reserve still takes an order.
    """
    parent, *_ = await in_reserve(fork)
    before = descriptors(parent), descriptors(os.getpid())
    with injected([parent], FORKS, "error=EAGAIN"):
        assert (await fork.run(fork.spec("noop"))).close_reason == "finished"
        for _ in range(5):
            with pytest.raises(LaunchFailed, match="temporarily unavailable"):
                await fork.launch("noop")
    assert (await fork.run(fork.spec("noop"))).close_reason == "finished"
    await in_reserve(fork)

    assert (descriptors(parent), descriptors(os.getpid())) == before


@on_reactor
async def test_no_crawl_can_be_made(fork: RealHarness) -> None:
    """When what waits for an order has lost its crawl and gets no other, the order is refused."""
    _, waiting, crawl = await in_reserve(fork)
    with injected([waiting], FORKS, "error=EAGAIN"):
        os.kill(crawl, signal.SIGKILL)
        await fork.until(lambda: identity_of(crawl) is None)
        with pytest.raises(LaunchFailed, match="temporarily unavailable"):
            await fork.launch("noop")

    assert (await fork.run(fork.spec("noop"))).close_reason == "finished"


@pytest.mark.parametrize(("calls", "error"), [("setsid", "EPERM"), ("pipe,pipe2", "ENFILE")])
@on_reactor
async def test_what_waits_cannot_be_made(fork: RealHarness, calls: str, error: str) -> None:
    """What fails while a pair is made refuses orders, and none of them is said to have run."""
    parent, waiting, _ = await in_reserve(fork)
    with injected([parent], calls, f"error={error}"):
        os.kill(waiting, signal.SIGKILL)
        for _ in range(3):
            with pytest.raises(LaunchFailed):
                await fork.launch("noop")
    for _ in range(3):
        assert (await fork.run(fork.spec("noop"))).close_reason == "finished"

    assert [parent] == warm_parents()


@pytest.mark.parametrize(
    ("calls", "error"),
    [("link,linkat", "ENOSPC"), ("fsync", "EIO"), ("rename,renameat,renameat2", "ENOSPC")],
)
@on_reactor
async def test_the_disk_refuses_the_start(fork: RealHarness, calls: str, error: str) -> None:
    """When the lock or the record of a start cannot be written, there is no crawl."""
    processes = await in_reserve(fork)
    spec = fork.spec("noop")
    with injected(processes, calls, f"error={error}"), pytest.raises(LaunchFailed):
        await fork.launcher.launch(spec)

    assert is_locked(spec.placement.run_dir) is False
    assert not spec.placement.out.exists()
    assert (await fork.run(fork.spec("noop"))).close_reason == "finished"


@pytest.fixture
def little_memory() -> Iterator[Path]:
    """A control group whose processes may have 256 MB together."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    for _, place, kind, options, *_ in mounts:
        root = Path(place)
        if kind == "cgroup" and "memory" in options.split(","):
            limit = "memory.limit_in_bytes"
        elif kind == "cgroup2" and "memory" in (root / "cgroup.controllers").read_text().split():
            limit = "memory.max"
        else:
            continue
        group = root / f"scrapy-do-test-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        (group / limit).write_text(str(256 * 1024 * 1024))
        yield group
        for pid in (group / "cgroup.procs").read_text().split():
            (root / "cgroup.procs").write_text(pid)
        group.rmdir()
        return
    pytest.skip("no control group can be made here that limits memory")


@on_reactor
async def test_the_kernel_runs_out_of_memory(fork: RealHarness, little_memory: Path) -> None:
    """A crawl that the kernel ends for lack of memory says so; another one is not touched."""
    neighbour = await fork.launch("sleeper")
    for pid in await in_reserve(fork):
        (little_memory / "cgroup.procs").write_text(str(pid))
    ending = await fork.run(fork.spec("greedy"))

    assert (ending.signal, ending.out_of_memory) == (9, True)
    assert not neighbour.ended.called
    neighbour.ask_to_stop()
    assert (await neighbour.ended).close_reason == "shutdown"


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))
