"""The process that holds a crawl: proves the start, waits, records the end.

It outlives the daemon and the warm parent; what it knows is in the run directory. The
order of its steps is the protocol:

1. take the start-once lock, or go away; also when the order was withdrawn;
2. fork the crawl, which waits on a pipe;
3. write `started`, synced: whoever comes later knows whom to look for;
4. announce, then let the crawl go;
5. wait for its end, kill whatever it left behind, write `exit`, synced.

Run by `python -m scrapy_do.crawl.holder` or forked by the warm parent; either way the
order comes as JSON from one descriptor and the announcement leaves by another. Only the
standard library is imported before the crawl's own process exists.
"""

import contextlib
import fcntl
import gc
import os
import signal
import sys
import time
from typing import NoReturn

from scrapy_do import run_record
from scrapy_do.crawl import processes
from scrapy_do.crawl.streams import STDERR, STDIN, STDOUT, Streams, set_streams
from scrapy_do.run_record import ExitRecord, ProcessIdentity, Started
from scrapy_do.wire import (
    FAILED_ANNOUNCEMENT,
    MARK,
    MAX_SPEC_BYTES,
    STARTED_ANNOUNCEMENT,
    TAKEN_ANNOUNCEMENT,
    CrawlSpec,
    decode_spec,
)

_MAX_REASON_BYTES = 4000
_GO = b"g"
_NEVER_RAN = 70


def hold(order: int, announce: int, marker: processes.Marker) -> NoReturn:
    """Hold one crawl to its end, in a process of its own, which ends here."""
    gc.disable()
    _detach()
    announce = fcntl.fcntl(announce, fcntl.F_DUPFD_CLOEXEC, STDERR + 1)
    try:
        spec = decode_spec(_read_all(order))
        marker.write(spec.mark)
        crawl = _start(spec, order, announce)
    except (OSError, ValueError) as error:
        reason = f"{type(error).__name__}: {error}".encode()[:_MAX_REASON_BYTES]
        with contextlib.suppress(OSError):
            os.write(announce, FAILED_ANNOUNCEMENT + reason)
        os._exit(1)
    if crawl is not None:
        os.close(announce)
        _record_end(spec, crawl)
    os._exit(0)


def _detach() -> None:
    """Leave the session of whoever started us."""
    with contextlib.suppress(PermissionError):  # leader of a session of its own already
        os.setsid()
    processes.set_name("scrapy-do-hold")
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _start(spec: CrawlSpec, order: int, announce: int) -> int | None:
    """Start the crawl and return its pid, or None when this start was decided before."""
    lock = run_record.take_lock(spec.run_dir)
    if lock is None:
        os.write(announce, TAKEN_ANNOUNCEMENT)
        return None
    if not run_record.holds_order(spec.run_dir, order):
        raise OSError("the order was withdrawn")
    processes.point(STDIN, os.devnull, os.O_RDONLY)
    processes.point(STDOUT, os.devnull, os.O_WRONLY)
    processes.point(STDERR, spec.err, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    processes.close_all_but({STDIN, STDOUT, STDERR, announce, lock})
    processes.become_subreaper()
    run_record.reserve(spec.run_dir, run_record.EXIT)
    holder = run_record.own_identity()
    wait_end, go_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(go_end)
        _crawl(spec, holder.pid, wait_end)
    # Only now, or the crawl would inherit it and miss a polite stop.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    os.close(wait_end)
    try:
        _record_start(spec, holder, pid)
    except OSError:
        os.kill(pid, signal.SIGKILL)
        raise
    # If nobody listens any more, the next daemon will find the records.
    with contextlib.suppress(BrokenPipeError):
        os.write(announce, STARTED_ANNOUNCEMENT)
    with contextlib.suppress(BrokenPipeError):  # the crawl was killed while it waited
        os.write(go_end, _GO)
    os.close(go_end)
    return pid


def _record_start(spec: CrawlSpec, holder: ProcessIdentity, pid: int) -> None:
    crawl = run_record.identity_of(pid)
    if crawl is None:
        raise OSError(f"process {pid} ended before it started")
    started = Started(crawl=crawl, holder=holder, time_ms=_now_ms())
    run_record.write(spec.run_dir, run_record.STARTED, started.encode(), synced=True)


def _crawl(spec: CrawlSpec, holder: int, wait_end: int) -> NoReturn:
    """Become the crawl: put on what was ordered, wait for the word to go, run the spider."""
    os.setsid()
    processes.die_with_parent(holder)
    processes.close_all_but({STDIN, STDOUT, STDERR, wait_end})
    status, problem = 1, None
    try:
        streams = _prepare(spec)
    except OSError as error:
        problem = error
    # Before the word nothing is written and nothing of the project is touched.
    if os.read(wait_end, 1) != _GO:
        os._exit(_NEVER_RAN)
    os.close(wait_end)
    gc.enable()
    try:
        if problem is not None:
            raise problem
        processes.point(STDOUT, spec.out, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        # Scrapy must not be in the memory of a holder that was started by itself.
        from scrapy_do.crawl.runner import run  # noqa: PLC0415

        status = run(spec, streams)
    except OSError as error:
        sys.stderr.write(f"The crawl cannot be prepared: {error}\n")
    finally:
        processes.leave(status)


def _prepare(spec: CrawlSpec) -> Streams:
    processes.set_name(f"crawl {spec.spider}")
    processes.be_the_first_to_go()
    streams = set_streams(spec.limits.log_bytes)
    processes.set_environment(
        {
            "SCRAPY_JOB": str(spec.job_id),
            **spec.environment,
            "SCRAPY_SETTINGS_MODULE": spec.settings_module,
            MARK: spec.mark,
        }
    )
    os.chdir(spec.work_dir)
    processes.set_limits(spec.limits)
    return streams


def _record_end(spec: CrawlSpec, crawl: int) -> None:
    """Wait for the crawl, then end what it left behind; its own end is what is recorded."""
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
    code = os.waitstatus_to_exitcode(wait_status)
    record = ExitRecord(
        status=code if code >= 0 else None,
        signal=-code if code < 0 else None,
        time_ms=now_ms,
        user_s=usage.ru_utime,
        system_s=usage.ru_stime,
        max_rss_bytes=usage.ru_maxrss * 1024,
    )
    run_record.write_reserved(spec.run_dir, run_record.EXIT, record.encode())


def _read_all(descriptor: int) -> bytes:
    with os.fdopen(os.dup(descriptor), "rb") as file:
        return file.read(MAX_SPEC_BYTES)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


if __name__ == "__main__":
    hold(STDIN, STDOUT, processes.Marker())
