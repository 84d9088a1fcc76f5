"""What is found in run directories after deaths, restarts and edits; spawned and forked."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from scrapy_do.errors import LaunchFailed
from scrapy_do.launchers.containment import sweep
from scrapy_do.launchers.endings import DAMAGED, GONE, HOLDER_DIED, RESTARTED
from scrapy_do.launchers.interface import Adopted, Alive, Ended, KnownRun, NeverStarted
from scrapy_do.protocol import run_record
from scrapy_do.protocol.facts import Process
from scrapy_do.protocol.run_record import ExitRecord, StartRecord
from scrapy_do.protocol.wire import CrawlSpec, encode
from tests.launchers.harness import RealHarness, on_reactor

pytestmark = pytest.mark.live


async def settle(real: RealHarness, spec: CrawlSpec) -> Adopted:
    """Return what a new launcher finds in one run directory."""
    await real.launcher.stop(leave_crawls=True)
    real.renew()
    (found,) = await real.launcher.start([KnownRun.of(spec)], real.take)
    return found


@on_reactor
async def test_a_killed_crawl_says_so(real: RealHarness) -> None:
    """A crawl that somebody kills has its signal recorded, with what it had counted."""
    crawl = await real.launch("sleeper")
    await real.heard(crawl)
    os.kill(real.started(crawl).crawl.pid, signal.SIGKILL)
    ending = await crawl.ended

    assert (ending.signal, ending.opened) == (9, True)
    assert ending.progress.log_lines > 0


@on_reactor
async def test_a_killed_holder_takes_the_crawl_along(real: RealHarness) -> None:
    """When the holder is killed the crawl and its runaways die too, and the end is lost."""
    spec = real.spec("parent", arguments={"end": "never"})
    crawl = await real.launcher.launch(spec)
    await real.heard(crawl)
    os.kill(real.started(crawl).holder.pid, signal.SIGKILL)
    ending = await crawl.ended

    assert (ending.lost, ending.opened) == (HOLDER_DIED, True)
    assert sweep(spec.order.mark) == 0


@on_reactor
async def test_an_end_in_between_is_found(real: RealHarness) -> None:
    """A crawl that ends while no daemon runs is found with its true end."""
    spec = real.spec("sleeper")
    crawl = await real.launcher.launch(spec)
    await real.heard(crawl)
    started = real.started(crawl)
    await real.launcher.stop(leave_crawls=True)
    os.kill(started.crawl.pid, signal.SIGTERM)
    await real.until(lambda: not run_record.is_alive(started.holder))
    real.renew()
    (found,) = await real.launcher.start([KnownRun.of(spec)], real.take)

    assert isinstance(found, Ended)
    assert (found.ending.status, found.ending.close_reason) == (0, "shutdown")


@on_reactor
async def test_a_crawl_is_asked_once(real: RealHarness) -> None:
    """A crawl that an earlier daemon asked to stop is not asked again: it would cut it short."""
    spec = real.spec("stubborn")
    crawl = await real.launcher.launch(spec)
    await real.heard(crawl)
    crawl.ask_to_stop()
    found = await settle(real, spec)
    assert isinstance(found, Alive)
    asked = (spec.placement.run_dir / run_record.STOPPING).stat().st_mtime_ns
    found.crawl.ask_to_stop()

    assert (spec.placement.run_dir / run_record.STOPPING).stat().st_mtime_ns == asked
    found.crawl.kill()
    await found.crawl.ended


@on_reactor
async def test_a_fence_keeps_a_late_holder_out(real: RealHarness) -> None:
    """Once a start is fenced, a launch of it starts nothing."""
    spec = real.spec("noop")
    assert await settle(real, spec) == NeverStarted(run_dir=spec.placement.run_dir)
    with pytest.raises(LaunchFailed, match="this attempt was started before"):
        await real.launcher.launch(spec)

    assert not spec.placement.err.exists()


@on_reactor
async def test_a_decided_start_without_a_process_is_fenced(real: RealHarness) -> None:
    """A lock whose owner is dead and no record of a start: the spider never ran."""
    spec = real.spec("noop")
    (spec.placement.run_dir / run_record.ORDER).write_bytes(encode(spec))
    lock = run_record.take_lock(spec.placement.run_dir)
    assert lock is not None
    os.close(lock)

    assert await settle(real, spec) == NeverStarted(run_dir=spec.placement.run_dir)


@pytest.fixture
def stranger() -> Iterator[Process]:
    """A process that is none of ours."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        identity = run_record.identity_of(process.pid)
        assert identity is not None
        yield identity
        assert process.poll() is None, "the stranger was hurt"
        process.kill()


def write_dead_run(spec: CrawlSpec, crawl: Process) -> None:
    """Make the directory of a run whose holder is dead and whose crawl was this process."""
    lock = run_record.take_lock(spec.placement.run_dir)
    assert lock is not None
    os.close(lock)
    holder = replace(crawl, start_ticks=crawl.start_ticks + 1)
    started = StartRecord(crawl=crawl, holder=holder, time_ms=1)
    (spec.placement.run_dir / run_record.ORDER).write_bytes(encode(spec))
    (spec.placement.run_dir / run_record.STARTED).write_bytes(started.encode())


@on_reactor
async def test_a_recycled_pid_is_never_signalled(real: RealHarness, stranger: Process) -> None:
    """A process that has the pid of a dead crawl, but not its start time, is left alone."""
    spec = real.spec("noop")
    write_dead_run(spec, replace(stranger, start_ticks=stranger.start_ticks - 1))
    found = await settle(real, spec)

    assert isinstance(found, Ended)
    assert (found.ending.lost, found.ending.opened) == (HOLDER_DIED, False)


@on_reactor
async def test_another_boot_loses_the_crawl(real: RealHarness, stranger: Process) -> None:
    """A run of an earlier boot is lost; its pid and start time are now a stranger's."""
    spec = real.spec("noop")
    write_dead_run(spec, replace(stranger, boot_id="00000000-0000-0000-0000-000000000000"))
    found = await settle(real, spec)

    assert isinstance(found, Ended)
    assert (found.ending.lost, found.ending.opened) == (RESTARTED, True)


@pytest.mark.parametrize("name", [run_record.STARTED, run_record.EXIT])
@on_reactor
async def test_damaged_records_lose_the_crawl(
    real: RealHarness, stranger: Process, name: str
) -> None:
    """Records that cannot be read give an end with that reason, not an error."""
    spec = real.spec("noop")
    write_dead_run(spec, replace(stranger, start_ticks=stranger.start_ticks - 1))
    (spec.placement.run_dir / name).write_bytes(b'{"status": 0}')
    found = await settle(real, spec)

    assert isinstance(found, Ended)
    assert str(found.ending.damaged).startswith(f"{DAMAGED}: ")


@on_reactor
async def test_a_silent_owner_is_waited_for(real: RealHarness) -> None:
    """While a live process holds the lock without a record, the answer waits for the record."""
    spec = real.spec("noop")
    (spec.placement.run_dir / run_record.ORDER).write_bytes(encode(spec))
    lock = run_record.take_lock(spec.placement.run_dir)
    assert lock is not None
    real.runtime.reactor.callLater(0.1, os.close, lock)

    assert await settle(real, spec) == NeverStarted(run_dir=spec.placement.run_dir)


@on_reactor
async def test_an_exit_record_is_the_truth(real: RealHarness, stranger: Process) -> None:
    """An exit record outweighs everything else, also the lack of a result."""
    spec = real.spec("noop")
    write_dead_run(spec, replace(stranger, start_ticks=stranger.start_ticks - 1))
    record = ExitRecord(
        status=None, signal=11, time_ms=1_000, user_s=0.5, system_s=0.25, max_rss_bytes=1
    )
    run_record.write(spec.placement.run_dir, run_record.EXIT, record.encode(), synced=True)
    found = await settle(real, spec)

    assert isinstance(found, Ended)
    assert (found.ending.signal, found.ending.opened) == (11, False)
    assert found.ending.ended_at.timestamp() == 1.0


GOOD_EXIT = ExitRecord(
    status=0, signal=None, time_ms=1_000, user_s=0.5, system_s=0.25, max_rss_bytes=1
)


def forge_exit(spec: CrawlSpec) -> None:
    """Say that the crawl has ended well, as somebody who does not know the secret."""
    forged = replace(GOOD_EXIT, secret=run_record.new_secret())
    run_record.write(spec.placement.run_dir, run_record.EXIT, forged.encode(), synced=False)


def forge_start(spec: CrawlSpec, process: Process) -> None:
    """Say that the crawl and its holder are this process."""
    forged = StartRecord(crawl=process, holder=process, time_ms=1)
    run_record.write(spec.placement.run_dir, run_record.STARTED, forged.encode(), synced=False)


@on_reactor
async def test_a_forged_exit_ends_nothing(real: RealHarness) -> None:
    """While the holder lives, an exit record means nothing; at the true end it is replaced."""
    spec = real.spec("sleeper")
    crawl = await real.launcher.launch(spec)
    await real.heard(crawl)
    forge_exit(spec)
    found = await settle(real, spec)

    assert isinstance(found, Alive)
    found.crawl.kill()
    assert (await found.crawl.ended).signal == 9


@on_reactor
async def test_a_forged_exit_does_not_outlive_the_holder(real: RealHarness) -> None:
    """Without its holder a crawl is over, and an exit that the holder did not write is damage."""
    spec = real.spec("sleeper")
    crawl = await real.launcher.launch(spec)
    await real.heard(crawl)
    forge_exit(spec)
    holder = real.started(crawl).holder
    os.kill(holder.pid, signal.SIGKILL)
    ending = await crawl.ended

    assert ending.damaged == f"{DAMAGED}: exit was not written by the holder"
    assert crawl.process is not None
    assert not run_record.is_alive(crawl.process)


@pytest.mark.parametrize("is_known", [True, False])
@on_reactor
async def test_a_forged_start_signals_nobody(
    real: RealHarness, stranger: Process, *, is_known: bool
) -> None:
    """A start that names a stranger is not believed; who has the mark of the run is ended."""
    spec = real.spec("sleeper")
    crawl = await real.launcher.launch(spec)
    await real.heard(crawl)
    process = crawl.process
    assert process is not None
    forge_start(spec, stranger)
    await real.launcher.stop(leave_crawls=True)
    real.renew()
    run = replace(KnownRun.of(spec), process=process if is_known else None)
    (found,) = await real.launcher.start([run], real.take)

    assert isinstance(found, Ended)
    assert str(found.ending.damaged).startswith(f"{DAMAGED}: started names")
    assert not run_record.is_alive(process)


@on_reactor
async def test_a_forged_start_does_not_reach_who_was_there(
    real: RealHarness, stranger: Process
) -> None:
    """The daemon that launched a crawl knows its process from the holder, not from a file."""
    spec = real.spec("sleeper")
    crawl = await real.launcher.launch(spec)
    await real.heard(crawl)
    forge_start(spec, stranger)
    crawl.kill()

    assert (await crawl.ended).signal == 9


@pytest.mark.parametrize("is_alive", [True, False])
@on_reactor
async def test_records_that_are_gone(real: RealHarness, *, is_alive: bool) -> None:
    """A crawl that had begun and has no records any more is lost, and ended if it lives."""
    spec = real.spec("sleeper")
    crawl = await real.launcher.launch(spec)
    await real.heard(crawl)
    process = crawl.process
    assert process is not None
    if not is_alive:
        crawl.kill()
        await crawl.ended
    await real.launcher.stop(leave_crawls=True)
    shutil.rmtree(spec.placement.run_dir)
    real.renew()
    run = replace(KnownRun.of(spec), process=process)
    (found,) = await real.launcher.start([run], real.take)

    assert isinstance(found, Ended)
    assert (found.ending.lost, found.ending.opened) == (GONE, True)
    assert not run_record.is_alive(process)


@on_reactor
async def test_records_that_go_while_it_runs(real: RealHarness) -> None:
    """Who was there goes on with a crawl whose records are gone; then it is lost, not repeated."""
    spec = real.spec("sleeper")
    crawl = await real.launcher.launch(spec)
    await real.heard(crawl)
    shutil.rmtree(spec.placement.run_dir)
    shutil.rmtree(spec.placement.result.parent)
    crawl.ask_to_stop()
    ending = await crawl.ended

    assert (ending.lost, ending.opened) == (GONE, True)


@on_reactor
async def test_a_run_that_nobody_began(real: RealHarness) -> None:
    """Without records, without a process and without a known start, there was none."""
    spec = real.spec("noop")
    shutil.rmtree(spec.placement.run_dir)
    shutil.rmtree(spec.placement.result.parent)

    assert await settle(real, spec) == NeverStarted(run_dir=spec.placement.run_dir)
