"""The warm parent: what depends on it, and what does not."""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
import pytest_twisted

from scrapy_do.errors import LaunchFailed
from scrapy_do.launchers import local
from scrapy_do.launchers.containment import sweep
from scrapy_do.launchers.endings import HOLDER_DIED
from scrapy_do.protocol import run_record
from scrapy_do.protocol.wire import StartMethod
from tests.launchers.harness import RealHarness, begun, on_reactor

pytestmark = pytest.mark.live


@pytest_twisted.async_yield_fixture  # type: ignore[untyped-decorator] # the plugin has no types
async def fork(tmp_path: Path) -> AsyncIterator[RealHarness]:
    """A fork server of its own for each test."""
    async with begun(StartMethod.FORK, tmp_path) as harness:
        yield harness


def warm_parents() -> list[int]:
    """Return the pids of our warm parents that live."""
    return [
        pid
        for pid in children(os.getpid())
        if run_record.identity_of(pid)
        and b"scrapy_do.crawl.warm_parent" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]


def children(pid: int) -> list[int]:
    return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def _name_of(pid: int) -> str:
    """What a process is called, "" when it is gone."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text()
    return ""


async def in_reserve(fork: RealHarness) -> tuple[int, int, int]:
    """Return the warm parent, the process that waits for the next order, and its crawl's."""
    (parent,) = warm_parents()

    def waiting() -> list[int]:
        return [pid for pid in children(parent) if _name_of(pid) not in {"", "scrapy-do-hold\n"}]

    await fork.until(lambda: any(map(children, waiting())))
    (holder,) = waiting()
    (crawl,) = children(holder)
    return parent, holder, crawl


async def kill_warm_parent(fork: RealHarness) -> int:
    """Kill the warm parent and wait until it is reaped; return its pid."""
    (parent,) = warm_parents()
    os.kill(parent, signal.SIGKILL)
    await fork.until(lambda: not Path(f"/proc/{parent}").exists())
    return parent


@on_reactor
async def test_crawls_do_not_need_the_warm_parent(fork: RealHarness) -> None:
    """Killing the warm parent hurts no running crawl, and the next launch makes a new one."""
    running = await fork.launch("sleeper")
    await fork.heard(running)
    parent = await kill_warm_parent(fork)
    ending = await fork.run(fork.spec("noop"))
    running.ask_to_stop()

    assert ending.close_reason == "finished"
    assert (await running.ended).close_reason == "shutdown"
    assert warm_parents() != [parent]


@on_reactor
async def test_one_that_stands_still_is_replaced(
    fork: RealHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A warm parent that does not answer is killed, so that the launch after it goes well."""
    running = await fork.launch("sleeper")
    await fork.heard(running)
    parent, waiting, _crawl = await in_reserve(fork)
    for pid in (parent, waiting):
        os.kill(pid, signal.SIGSTOP)
    with monkeypatch.context() as impatient:
        impatient.setattr(local, "_START_PATIENCE_S", 0.5)
        with pytest.raises(LaunchFailed, match="did not answer"):
            await fork.launch("noop")
    await fork.until(lambda: parent not in warm_parents())
    ending = await fork.run(fork.spec("noop", attempt=2))
    running.ask_to_stop()

    assert ending.close_reason == "finished"
    assert (await running.ended).close_reason == "shutdown"


@on_reactor
async def test_one_that_keeps_dying_is_not_started_at_once(fork: RealHarness) -> None:
    """After the second early death a launch is refused for a moment, with the reason."""
    for _ in range(2):
        await fork.run(fork.spec("noop"))
        await kill_warm_parent(fork)
    with pytest.raises(LaunchFailed, match="keeps dying"):
        await fork.launch("noop")


@on_reactor
async def test_one_that_dies_with_an_order_in_hand(fork: RealHarness) -> None:
    """An order that its warm parent took to the grave is refused, and fenced for good."""
    await fork.run(fork.spec("noop"))
    doomed = (await in_reserve(fork))[:2]
    for pid in doomed:
        os.kill(pid, signal.SIGSTOP)
    spec = fork.spec("noop")
    for pid in doomed:
        fork.runtime.reactor.callLater(0.1, os.kill, pid, signal.SIGKILL)
    with pytest.raises(LaunchFailed, match="ended before the crawl started"):
        await fork.launcher.launch(spec)

    assert run_record.is_locked(spec.placement.run_dir) is False
    assert not spec.placement.err.exists()


@pytest.mark.parametrize("who", ["the process that waits", "its crawl"])
@on_reactor
async def test_what_waits_may_die(fork: RealHarness, who: str) -> None:
    """Whatever is killed while it waits for an order, no order is lost to that."""
    await fork.run(fork.spec("noop"))
    parent, waiting, crawl = await in_reserve(fork)
    doomed = waiting if who == "the process that waits" else crawl
    os.kill(doomed, signal.SIGKILL)
    await fork.until(lambda: run_record.identity_of(doomed) is None)
    for _ in range(2):
        assert (await fork.run(fork.spec("noop"))).close_reason == "finished"

    assert warm_parents() == [parent]
    assert waiting not in children(parent)


@on_reactor
async def test_what_waits_leaves_with_the_warm_parent(fork: RealHarness) -> None:
    """When the warm parent is killed, nothing that it had forked in reserve stays."""
    await fork.run(fork.spec("noop"))
    _, *reserve = await in_reserve(fork)
    await kill_warm_parent(fork)

    await fork.until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in reserve))


@on_reactor
async def test_the_warm_parent_leaves_with_its_daemon(fork: RealHarness) -> None:
    """Stopping the launcher ends the warm parent, as soon as none of its crawls is left."""
    crawl = await fork.launch("sleeper")
    assert crawl.process is not None
    await fork.launcher.stop(leave_crawls=True)
    during = warm_parents()
    os.kill(crawl.process.pid, signal.SIGKILL)
    await fork.until(lambda: warm_parents() == [])

    assert len(during) == 1


@on_reactor
async def test_a_stuck_holder_is_killed(fork: RealHarness) -> None:
    """A holder that does not end a killed crawl is killed itself after some seconds."""
    spec = fork.spec("sleeper")
    crawl = await fork.launcher.launch(spec)
    os.kill(fork.started(crawl).holder.pid, signal.SIGSTOP)
    crawl.kill()
    ending = await crawl.ended

    assert ending.lost == HOLDER_DIED
    assert sweep(spec.order.mark) == 0


@on_reactor
async def test_a_forked_crawl_carries_its_mark(fork: RealHarness) -> None:
    """Each process of a forked crawl shows its run to others, though none was executed anew."""
    spec = fork.spec("sleeper")
    crawl = await fork.launcher.launch(spec)
    await fork.heard(crawl)
    started = fork.started(crawl)

    mark = f"SCRAPY_DO_RUN={spec.order.mark}".encode()
    assert mark in environment_of(started.crawl.pid)
    assert mark in environment_of(started.holder.pid)


def environment_of(pid: int) -> list[bytes]:
    """Return the environment of a process as others see it."""
    return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
