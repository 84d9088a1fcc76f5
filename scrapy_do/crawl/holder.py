"""The process that holds a crawl: proves the start, waits, records the end.

It outlives the daemon and the warm parent; what it knows is in the run directory. The
order of its steps is the protocol:

1. fork the process of the crawl, which says that it is set up, then waits on a pipe and
   knows nothing yet;
2. take the start-once lock, or go away; also when the order was withdrawn;
3. tell the order; the crawl prepares itself, touching nothing of the project;
4. write `started`, synced: whoever comes later knows whom to look for;
5. announce it with what was written, then let the crawl go;
6. wait for its end, kill whatever it left behind, complete its log, write `exit`, synced.

Run by `python -m scrapy_do.crawl.holder` or forked by the warm parent; either way the
order comes as JSON from one descriptor and the announcement leaves by another. Only the
standard library is imported before the crawl's own process exists.
"""

import contextlib
import gc
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from scrapy_do.crawl import processes
from scrapy_do.crawl.keeper import Keeper
from scrapy_do.crawl.streams import STDERR, STDIN, STDOUT, Streams, set_streams
from scrapy_do.crawl.unwritten import Unwritten
from scrapy_do.protocol import landlock, run_record
from scrapy_do.protocol.run_record import ExitRecord, StartRecord
from scrapy_do.protocol.wire import (
    FAILED_ANNOUNCEMENT,
    MARK,
    MAX_SPEC_BYTES,
    STARTED_ANNOUNCEMENT,
    TAKEN_ANNOUNCEMENT,
    CrawlSpec,
    Placement,
    decode_spec,
)

_MAX_REASON_BYTES = 4000
_END_OF_ORDER = b"\n"
_GO = b"g"
_READY = b"r"


class WaitingCrawl:
    """The process of a crawl, forked from this one, that waits for its order and for the word.

    It ends by itself when this process does, or when it hears nothing more.

    Raises:
        OSError: the system refuses a process, or one that can be set up.
    """

    def __init__(self, marker: processes.Marker) -> None:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        holder = os.getpid()
        self.unwritten = Unwritten()
        hears, self.tells = processes.pipe()
        ready, waits = processes.pipe()
        try:
            self.pid = os.fork()
        except OSError:
            for end in (hears, self.tells, ready, waits):
                os.close(end)
            raise
        if self.pid == 0:
            os.close(self.tells)
            processes.never_return(lambda: _crawl(hears, waits, holder, marker, self.unwritten))
        os.close(hears)
        os.close(waits)
        # Whoever is told an order must be able to hear it, or a job that never ran would fail.
        is_set_up = os.read(ready, 1) == _READY
        os.close(ready)
        if not is_set_up:
            os.close(self.tells)
            os.waitpid(self.pid, 0)
            raise OSError("the process of the crawl cannot be set up")

    def is_alive(self) -> bool:
        """Whether it still waits."""
        return run_record.identity_of(self.pid) is not None

    def tell(self, words: bytes) -> None:
        """Say something to it; it may be dead already, which shows soon enough."""
        with contextlib.suppress(BrokenPipeError):
            while words:
                words = words[os.write(self.tells, words) :]


def hold(order: int, announce: int, marker: processes.Marker, crawl: WaitingCrawl) -> NoReturn:
    """Hold one crawl to its end, in a process of its own, which ends here."""
    gc.disable()
    _detach()
    announce = processes.above_streams(announce)
    try:
        text = _read_all(order)
        spec = decode_spec(text)
        marker.write(spec.order.mark)
        kills_before = processes.memory_kills()
        held = _start(spec, crawl, order, text, announce)
    except (OSError, ValueError) as error:
        refuse(announce, error)
    if held is not None:
        os.close(announce)
        _record_end(spec, crawl, kills_before, held)
    os._exit(0)


def refuse(announce: int, error: Exception) -> NoReturn:
    """Announce that there will be no crawl, and why; end this process."""
    announce_failure(announce, error)
    os._exit(1)


def announce_failure(announce: int, error: Exception) -> None:
    """Announce that what was ordered will not be done, and why."""
    reason = f"{type(error).__name__}: {error}".encode()[:_MAX_REASON_BYTES]
    with contextlib.suppress(OSError):  # nobody listens any more
        os.write(announce, FAILED_ANNOUNCEMENT + reason)


def _detach() -> None:
    """Leave the session of whoever started us."""
    with contextlib.suppress(PermissionError):  # leader of a session of its own already
        os.setsid()
    processes.set_name("scrapy-do-hold")
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """What a holder needs for the record of the end: the reserved file and its secret."""

    exit: int
    secret: str


def _start(
    spec: CrawlSpec, crawl: WaitingCrawl, order: int, text: bytes, announce: int
) -> _Held | None:
    """Start the crawl; return None when this start was decided before."""
    lock = run_record.take_lock(spec.placement.run_dir)
    if lock is None:
        os.write(announce, TAKEN_ANNOUNCEMENT)
        return None
    if not run_record.holds_order(spec.placement.run_dir, order):
        raise OSError("the order was withdrawn")
    crawl.unwritten.begin(spec)
    crawl.tell(text + _END_OF_ORDER)
    processes.point(STDIN, os.devnull, os.O_RDONLY)
    processes.point(STDOUT, os.devnull, os.O_WRONLY)
    processes.point(STDERR, spec.placement.err, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    processes.close_all_but({STDIN, STDOUT, STDERR, announce, lock, crawl.tells})
    processes.become_subreaper()
    # Whatever is done to the directories above it, its own is where it is.
    os.chdir(spec.placement.run_dir)
    held = _Held(
        exit=run_record.reserve(spec.placement.run_dir, run_record.EXIT),
        secret=run_record.new_secret(),
    )
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    try:
        started = _record_start(spec, crawl.pid, held)
    except OSError:
        os.kill(crawl.pid, signal.SIGKILL)
        raise
    # If nobody listens any more, the next daemon will find the records.
    with contextlib.suppress(BrokenPipeError):
        os.write(announce, STARTED_ANNOUNCEMENT + started)
    crawl.tell(_GO)
    os.close(crawl.tells)
    return held


def _record_start(spec: CrawlSpec, pid: int, held: _Held) -> bytes:
    holder = run_record.own_identity()
    crawl = run_record.identity_of(pid)
    if crawl is None:
        raise OSError(f"process {pid} ended before it started")
    seal = run_record.seal_of(held.secret)
    record = StartRecord(crawl=crawl, holder=holder, time_ms=_now_ms(), seal=seal).encode()
    run_record.write(spec.placement.run_dir, run_record.STARTED, record, synced=True)
    return record


def _crawl(
    hears: int, waits: int, holder: int, marker: processes.Marker, unwritten: Unwritten
) -> NoReturn:
    """Wait for an order, put on what it says, wait for the word to go, run the spider."""
    os.setsid()
    processes.die_with_parent(holder)
    processes.point(STDIN, os.devnull, os.O_RDONLY)
    processes.point(STDOUT, os.devnull, os.O_WRONLY)
    processes.close_all_but({STDIN, STDOUT, STDERR, hears, waits})
    os.write(waits, _READY)
    os.close(waits)
    words = os.fdopen(hears, "rb")
    text = words.readline(MAX_SPEC_BYTES + len(_END_OF_ORDER))
    if not text.endswith(_END_OF_ORDER):
        os._exit(processes.NEVER_RAN)
    spec = decode_spec(text)
    processes.point(STDERR, spec.placement.err, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    status, problem = 1, None
    try:
        streams = _prepare(spec, marker)
        walls = _walls(spec.placement)
    except OSError as error:
        problem = error
    # Before the word nothing is written and nothing of the project is touched.
    if words.read(1) != _GO:
        os._exit(processes.NEVER_RAN)
    words.close()
    try:
        if problem is not None:
            raise problem
        processes.point(STDOUT, spec.placement.out, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        landlock.enter(walls)
        # Scrapy must not be in the memory of a holder that was started by itself.
        from scrapy_do.crawl.runner import run  # noqa: PLC0415

        status = run(spec, streams, unwritten)
    except OSError as error:
        sys.stderr.write(f"The crawl cannot be prepared: {error}\n")
    finally:
        processes.leave(status)


def _walls(placement: Placement) -> int | None:
    """Prepare what keeps the crawl in, if anything is to."""
    kept = placement.confinement
    if not kept.is_on:
        return None
    return landlock.prepared(own=placement.own, shared=kept.writable, hidden=kept.hidden)


def _prepare(spec: CrawlSpec, marker: processes.Marker) -> Streams:
    marker.write(spec.order.mark)
    processes.set_name(f"crawl {spec.order.spider}")
    processes.be_the_first_to_go()
    streams = set_streams(spec.order.limits.log_bytes)
    processes.set_environment(
        {
            "SCRAPY_DO_JOB": str(spec.order.job_id),
            **spec.environment,
            "SCRAPY_SETTINGS_MODULE": spec.order.settings_module,
            MARK: spec.order.mark,
        }
    )
    os.chdir(spec.placement.project_dir)
    processes.set_limits(spec.order.limits)
    return streams


def _record_end(spec: CrawlSpec, waited: WaitingCrawl, kills_before: int, held: _Held) -> None:
    """Wait for the crawl, then end what it left behind; its own end is what is recorded."""
    crawl = waited.pid
    while True:
        ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        assert ended is not None, "waited without WNOHANG"
        if ended.si_pid == crawl:
            break
        os.waitpid(ended.si_pid, 0)  # an orphan of the crawl that we inherited
    now_ms = _now_ms()
    # The crawl is not reaped yet, so nobody else can have its group's number.
    processes.kill_group(crawl)
    _, wait_status, usage = os.wait4(crawl, 0)
    processes.end_descendants()
    with contextlib.suppress(Exception):  # whatever it finds, the end is what counts
        waited.unwritten.write_down(spec, now_ms)
    code = os.waitstatus_to_exitcode(wait_status)
    record = ExitRecord(
        status=code if code >= 0 else None,
        signal=-code if code < 0 else None,
        time_ms=now_ms,
        user_s=usage.ru_utime,
        system_s=usage.ru_stime,
        max_rss_bytes=usage.ru_maxrss * 1024,
        memory_kills=processes.memory_kills() - kills_before,
        secret=held.secret,
    )
    # Without its directory there is nobody to be told.
    with contextlib.suppress(OSError):
        run_record.write_reserved(Path(), run_record.EXIT, record.encode(), held.exit)


def _read_all(descriptor: int) -> bytes:
    with os.fdopen(os.dup(descriptor), "rb") as file:
        return file.read(MAX_SPEC_BYTES)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def main() -> None:
    """Hold the crawl whose order is the standard input; announce on the standard output.

    In a process below this one, which is the keeper of it: see `crawl/keeper.py`.
    """
    marker = processes.Marker()
    keeper = Keeper()
    try:
        child = keeper.fork()
    except OSError as error:
        refuse(STDOUT, error)
    if child == 0:
        processes.never_return(lambda: _hold_alone(marker))
    processes.set_name("scrapy-do-keep")
    processes.unmark()
    for descriptor in (STDIN, STDOUT):
        processes.point(descriptor, os.devnull, os.O_RDWR)
    keeper.outlast()


def _hold_alone(marker: processes.Marker) -> NoReturn:
    try:
        crawl = WaitingCrawl(marker)
    except OSError as error:
        refuse(STDOUT, error)
    hold(STDIN, STDOUT, marker, crawl)


if __name__ == "__main__":
    main()
