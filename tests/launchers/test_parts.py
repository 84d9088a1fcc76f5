"""The parts of a launcher that are tested best alone."""

import errno
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast
from uuid import UUID

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.threads import deferToThread
from twisted.logger import capturedLogs
from twisted.python.failure import Failure

from scrapy_do.launchers import containment
from scrapy_do.launchers.adopt import Settler
from scrapy_do.launchers.endings import DAMAGED, lost_exit, read_exit
from scrapy_do.launchers.forkserver import _Pause
from scrapy_do.launchers.held_crawl import HeldCrawl
from scrapy_do.launchers.inbox import Inbox
from scrapy_do.launchers.interface import Adopted, Ended, KnownRun, NeverStarted
from scrapy_do.launchers.local import EndedCrawl
from scrapy_do.launchers.reports import ReportsSocket
from scrapy_do.launchers.watch import Watch
from scrapy_do.protocol import run_record
from scrapy_do.protocol.facts import Ending, Process, Progress
from scrapy_do.protocol.run_record import ExitRecord, StartRecord
from scrapy_do.protocol.wire import MARK, Report, ReportKind, Result, encode
from scrapy_do.system.runtime import Runtime
from tests.fakes import still_runtime
from tests.launchers.harness import make_spec

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LOST = Failure(ConnectionDone())  # type: ignore[no-untyped-call] # the library has no type there
REPORT = Report(
    job_id=UUID(int=1),
    attempt=1,
    kind=ReportKind.CLOSED,
    time_ms=1,
    progress=Progress(items=2),
    close_reason="finished",
)
RESULT = Result(opened=True, close_reason=None, time_ms=1, progress=Progress(items=1))
SOMEBODY = Process(pid=2**22, start_ticks=1, boot_id="none")
STARTED = StartRecord(crawl=SOMEBODY, holder=SOMEBODY, time_ms=1, seal=run_record.seal_of("secret"))
EXIT = ExitRecord(
    secret="secret", status=0, signal=None, time_ms=0, user_s=1.0, system_s=2.0, max_rss_bytes=3
)


class Readers(Clock):
    """A clock that also keeps readers, to be called by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: set[Watch] = set()

    def addReader(self, reader: Watch) -> None:  # noqa: N802 - the reactor's name
        self.readers.add(reader)

    def removeReader(self, reader: Watch) -> None:  # noqa: N802 - the reactor's name
        self.readers.discard(reader)

    def read(self) -> None:
        for reader in tuple(self.readers):
            reader.doRead()


def runtime(reactor: Readers) -> Runtime:
    return replace(still_runtime(reactor, lambda: NOW), in_thread=deferToThread)


# --- what a child says -------------------------------------------------------------------------


def test_an_inbox_reads_until_the_end() -> None:
    """What is said in pieces is returned in one when the other end is closed."""
    reactor = Readers()
    inbox = Inbox(runtime(reactor), 100)
    child = os.dup(inbox.sink)
    reading = Deferred.fromCoroutine(inbox.read(5))
    for piece in (b"one ", b"two"):
        os.write(child, piece)
        reactor.read()
    reactor.read()  # nothing there: no end
    assert not reading.called
    os.close(child)
    reactor.read()

    assert reading.result == b"one two"
    assert (reactor.readers, reactor.getDelayedCalls()) == (set(), [])


@pytest.mark.parametrize("words", [b"", b"x" * 101])
def test_an_inbox_gives_up(words: bytes) -> None:
    """Too late or too much is None, and the other end has nobody to talk to."""
    reactor = Readers()
    inbox = Inbox(runtime(reactor), 100)
    child = os.dup(inbox.sink)
    reading = Deferred.fromCoroutine(inbox.read(5))
    if words:
        os.write(child, words)
        reactor.read()
    reactor.advance(5)

    assert reading.result is None
    with pytest.raises(BrokenPipeError):
        os.write(child, b"more")
    os.close(child)


def test_a_watch_hears_of_a_lost_connection_once() -> None:
    """What the reactor calls a lost connection is ready too, until the watch is closed."""
    heard: list[str] = []
    source, sink = os.pipe()
    watch = Watch(Readers(), source, lambda: heard.append("ready"))
    watch.connectionLost(LOST)
    watch.close()
    watch.close()
    watch.connectionLost(LOST)
    os.close(sink)

    assert (heard, watch.fileno(), watch.logPrefix()) == (["ready"], -1, "Watch")


# --- reports -----------------------------------------------------------------------------------


def send(path: Path, frame: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(frame, str(path))


def test_reports_are_received_and_nonsense_is_not(tmp_path: Path) -> None:
    """Reports arrive in order; what is none is passed over; a stale socket is replaced."""
    path = tmp_path / "reports.sock"
    path.write_text("left behind")
    reactor = Readers()
    reports: list[Report] = []
    receiver = ReportsSocket(reactor, path, reports.append)
    later = replace(REPORT, time_ms=2)
    for frame in (encode(REPORT), b"nonsense", encode(later)):
        send(path, frame)
    reactor.read()
    receiver.close()

    assert reports == [REPORT, later]
    assert (reactor.readers, path.exists()) == (set(), False)


def test_what_is_no_report_is_told_once_in_a_while(tmp_path: Path) -> None:
    """However many datagrams are no reports, the log has one line about them in a minute."""
    path = tmp_path / "reports.sock"
    reactor = Readers()
    receiver = ReportsSocket(reactor, path, lambda _report: None)
    with capturedLogs() as events:
        for second in range(180):
            send(path, b"nonsense")
            reactor.read()
            if second % 2:
                reactor.advance(1)
    receiver.close()

    assert [1, 120] == [event["count"] for event in events]


def test_a_report_that_cannot_be_taken_is_passed_over(tmp_path: Path) -> None:
    """Whatever becomes of one report, those that follow are heard."""
    path = tmp_path / "reports.sock"
    reactor = Readers()
    heard: list[int] = []

    def take(report: Report) -> None:
        heard.append(report.time_ms)
        raise ValueError("year 146140482 is out of range")

    receiver = ReportsSocket(reactor, path, take)
    for _ in range(2):
        send(path, encode(REPORT))
    with capturedLogs() as events:
        reactor.read()
    receiver.close()

    assert (heard, len(events)) == ([REPORT.time_ms] * 2, 1)


def test_the_reports_socket_is_private_and_its_path_long(tmp_path: Path) -> None:
    """Only the owner can send, and the path may be longer than an address."""
    directory = tmp_path / ("long" * 50)
    directory.mkdir()
    path = directory / "reports.sock"
    receiver = ReportsSocket(Readers(), path, lambda _report: None)

    assert path.stat().st_mode & 0o777 == 0o600
    receiver.close()


def test_a_socket_that_cannot_be_bound_is_an_error(tmp_path: Path) -> None:
    """Without its directory the receiver cannot be made, and nothing stays open."""
    with pytest.raises(FileNotFoundError):
        ReportsSocket(Readers(), tmp_path / "absent" / "reports.sock", lambda _report: None)


def run_in(directory: Path) -> KnownRun:
    return KnownRun(
        job_id=UUID(int=1), attempt=1, run_dir=directory, result=directory / "crawl" / "result"
    )


# --- endings -----------------------------------------------------------------------------------


def test_an_ending_joins_exit_and_result(tmp_path: Path) -> None:
    """The exit record says how the process ended, the result what the crawl had done."""
    assert read_exit(run_in(tmp_path), STARTED) is None
    run_record.write(tmp_path, run_record.RESULT, encode(RESULT), synced=False)
    run_record.write(tmp_path, run_record.EXIT, EXIT.encode(), synced=False)

    assert read_exit(run_in(tmp_path), STARTED) == Ending(
        ended_at=datetime(1970, 1, 1, tzinfo=UTC),
        status=0,
        opened=True,
        progress=Progress(items=1),
    )


@pytest.mark.parametrize("result", [None, b"damaged", encode(RESULT)])
def test_the_last_report_makes_up_for_a_result(tmp_path: Path, result: bytes | None) -> None:
    """When a full disk did not take the final result, the last report tells the rest."""
    run_record.write(tmp_path, run_record.EXIT, EXIT.encode(), synced=False)
    if result is not None:
        run_record.write(tmp_path, run_record.RESULT, result, synced=False)
    ending = read_exit(run_in(tmp_path), STARTED, REPORT)

    assert ending is not None
    assert (ending.opened, ending.close_reason, ending.progress.items) == (True, "finished", 2)


@pytest.mark.parametrize(
    ("result", "same_boot", "opened"),
    [(None, True, False), (None, False, True), (RESULT, True, True), (RESULT, False, True)],
)
def test_a_lost_crawl_may_have_been_opened(
    tmp_path: Path, result: Result | None, *, same_boot: bool, opened: bool
) -> None:
    """Only in the same boot does a missing result prove that the spider was never open."""
    if result is not None:
        run_record.write(tmp_path, run_record.RESULT, encode(result), synced=False)
    ending = lost_exit(run_in(tmp_path), "gone", found_at=NOW, same_boot=same_boot)

    assert (ending.lost, ending.opened) == ("gone", opened)


def test_an_exit_has_one_cause() -> None:
    """An exit with no cause, or with two, cannot be made."""
    with pytest.raises(ValueError, match="exactly one"):
        Ending(ended_at=NOW)
    with pytest.raises(ValueError, match="exactly one"):
        Ending(ended_at=NOW, status=0, lost="both")


# --- processes ---------------------------------------------------------------------------------


@pytest.fixture
def process() -> Iterator[Process]:
    """A process with a mark, leader of its own group."""
    with subprocess.Popen(
        [sys.executable, "-S", "-c", "import sys; print(1, flush=True); sys.stdin.read()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={MARK: "here.1"},
        start_new_session=True,
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()  # it has its environment now
        identity = run_record.identity_of(child.pid)
        assert identity is not None
        yield identity
        child.kill()


@pytest.mark.live
def test_only_the_right_process_is_signalled(process: Process) -> None:
    """A process whose start time or boot is another is not found and not signalled."""
    for stranger in (
        replace(process, start_ticks=process.start_ticks + 1),
        replace(process, boot_id="another"),
    ):
        assert containment.open_process(stranger) is None
        assert containment.send(stranger, signal.SIGKILL) is False
        containment.kill_with_group(stranger)
    assert run_record.is_alive(process)

    containment.kill_with_group(process)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not run_record.is_alive(process)
    assert containment.send(process, signal.SIGKILL) is False


@pytest.mark.live
def test_a_sweep_finds_the_mark(process: Process) -> None:
    """Processes with exactly this mark are killed; others are not."""
    assert containment.sweep("here.11") == 0
    assert containment.sweep("here.1") == 1
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not run_record.is_alive(process)


@pytest.mark.live
def test_an_ended_child_is_reaped_by_its_identity(process: Process) -> None:
    """A child that ended is reaped if it is the one that was meant, and only then."""
    os.kill(process.pid, signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    containment.reap_ended(replace(process, start_ticks=1))
    assert run_record.identity_of(process.pid, ended_too=True) == process
    containment.reap_ended(process)
    assert run_record.identity_of(process.pid, ended_too=True) is None
    containment.reap_ended(process)


def test_pauses_between_warm_parents_grow() -> None:
    """The first early death costs nothing, the next ones 1, 2, 4 ... 30 s; a long life forgives."""
    clock = Readers()
    pause = _Pause(runtime(clock))
    waits = []
    for _ in range(8):
        pause.died(1.0)
        waits.append(max(0.0, pause.left_s()))
    pause.died(3600.0)

    assert waits == [0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert pause.left_s() <= 0


# --- contradictions ----------------------------------------------------------------------------


def settle(clock: Readers, run: KnownRun) -> Adopted:
    """Settle a run directory with time passing as fast as it is asked for."""
    settler = Settler(still_runtime(clock, lambda: NOW), lambda _crawl: None)
    settling = Deferred.fromCoroutine(settler.settle(run))
    while not settling.called:
        clock.advance(0.02)  # as often as it looks: what it kills needs a moment to be gone
    return cast("Adopted", settling.result)


def test_what_nobody_has_thought_of_is_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of ours about the records of one run settles that run, and keeps no daemon down."""

    def fail(_run_dir: Path) -> bool:
        raise RecursionError("too deep")

    monkeypatch.setattr(run_record, "is_locked", fail)
    found = settle(Readers(), KnownRun.of(make_spec(tmp_path, "noop")))

    assert isinstance(found, Ended)
    assert found.ending.damaged == f"{DAMAGED}: too deep"


def test_an_end_that_nobody_has_thought_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crawl has ended when its holder is gone, whatever is wrong with what it has left."""
    clock = Readers()
    crawl = HeldCrawl(
        KnownRun.of(make_spec(tmp_path, "noop")),
        STARTED,
        os.pidfd_open(os.getpid()),
        runtime=still_runtime(clock, lambda: NOW),
        on_end=lambda _crawl: None,
    )
    failures: list[Exception] = [OSError(errno.EMFILE, "too many"), RecursionError("too deep")]

    def fail(_run_dir: Path) -> bool:
        raise failures.pop(0)

    endings: list[Ending] = []
    crawl.ended.addCallback(endings.append)
    monkeypatch.setattr(run_record, "is_there", fail)
    clock.read()
    before = len(endings)
    clock.advance(1)

    assert (before, [ending.damaged for ending in endings]) == (0, [f"{DAMAGED}: too deep"])
    assert (clock.readers, clock.getDelayedCalls()) == (set(), [])


HOLD_THE_LOCK = """
import pathlib, sys
from scrapy_do.protocol import run_record
run_record.take_lock(pathlib.Path(sys.argv[1]))
print(flush=True)
sys.stdin.read()
"""


@pytest.mark.live
def test_an_owner_that_never_goes_on_is_killed(tmp_path: Path) -> None:
    """Who took the lock and writes no record is killed in the end; then the start is fenced."""
    spec = make_spec(tmp_path, "noop")
    (spec.placement.run_dir / run_record.ORDER).write_bytes(encode(spec))
    with subprocess.Popen(
        [sys.executable, "-c", HOLD_THE_LOCK, str(spec.placement.run_dir)],
        env={**os.environ, MARK: spec.order.mark},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as owner:
        assert owner.stdout is not None
        owner.stdout.readline()
        found = settle(Readers(), KnownRun.of(spec))

        assert found == NeverStarted(run_dir=spec.placement.run_dir)
        assert owner.wait() == -signal.SIGKILL


@pytest.mark.parametrize("names", [set(), {run_record.STARTED}])
def test_a_lock_of_nobody_is_given_up(tmp_path: Path, names: set[str]) -> None:
    """A held lock whose owner is not on record is no reason to wait for ever."""
    spec = make_spec(tmp_path, "noop")
    dead = Process(pid=2**22, start_ticks=1, boot_id=run_record.boot_id())
    for name in names:
        record = StartRecord(crawl=dead, holder=dead, time_ms=1).encode()
        (spec.placement.run_dir / name).write_bytes(record)
    lock = run_record.take_lock(spec.placement.run_dir)
    assert lock is not None
    (spec.placement.run_dir / run_record.LOCK).write_bytes(b"nobody")
    found = settle(Readers(), KnownRun.of(spec))
    os.close(lock)

    assert isinstance(found, Ended)
    assert str(found.ending.damaged).startswith(f"{DAMAGED}: lock is held")


def test_a_crawl_may_be_over_at_once(tmp_path: Path) -> None:
    """A crawl that ended before its launch did is a crawl like any other."""
    ending = Ending(ended_at=NOW, status=0)
    crawl = EndedCrawl(make_spec(tmp_path, "noop", attempt=2), ending)
    crawl.ask_to_stop()
    crawl.kill()

    assert (crawl.attempt, crawl.process, crawl.ended.result) == (2, None, ending)
