"""Asks a project for the names of its spiders, in a throw-away process that cannot escape.

Listing spiders imports the project: it runs code that was just pushed. A guard, which
is a subreaper in a session of its own, forks the process that imports; reads its names
from one pipe and all it prints from another, keeping the end; waits no longer than the
request says, nor than its asker lives; kills everything that was started; answers.

Above the guard there is a keeper, which does nothing but wait for it, end whatever it has
left, and pass its answer on: a project may kill its guard. Who hears nothing at all knows
that the keeper itself was killed, and by whom nobody can say.

Run by `python -m scrapy_do.crawl.list_spiders` or forked by the warm parent; either way
the request comes from one descriptor and the answer leaves by another.
"""

import os
import select
import signal
import sys
import time
import traceback
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from scrapy_do.crawl import processes
from scrapy_do.crawl.streams import STDERR, STDIN, STDOUT, set_streams
from scrapy_do.protocol import landlock
from scrapy_do.protocol.wire import (
    LISTING_OUTPUT,
    MARK,
    MAX_SPEC_BYTES,
    SpidersAnswer,
    SpidersRequest,
    decode_spiders_answer,
    decode_spiders_request,
    encode,
)

MAX_OUTPUT_BYTES = 1024 * 1024
MAX_FOUND_BYTES = 8 * 1024 * 1024
_CHUNK_BYTES = 64 * 1024
_GUARD_GRACE_S = 5.0


def answer_request(request: int, answer: int, marker: processes.Marker) -> NoReturn:
    """Answer one request for spiders, in a process of its own, which ends here."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if os.getsid(0) != os.getpid():
        os.setsid()
    processes.set_name("scrapy-do-keep")
    answer = processes.above_streams(answer)
    with os.fdopen(os.dup(request), "rb") as file:
        order = decode_spiders_request(file.read(MAX_SPEC_BYTES))
    marker.write(order.mark)
    for descriptor in (STDIN, STDOUT):
        processes.point(descriptor, os.devnull, os.O_RDWR)
    processes.close_all_but({STDIN, STDOUT, STDERR, answer})
    processes.become_subreaper()
    told = _kept(order, answer)
    with os.fdopen(answer, "wb") as file:
        file.write(told)
    os._exit(0)


def _kept(order: SpidersRequest, asker: int) -> bytes:
    """Have a guard ask the project; return its answer when all that it started is gone."""
    told_end, told_in = os.pipe()
    keeper = os.getpid()
    guard = os.fork()
    if guard == 0:
        processes.never_return(lambda: _guard(order, asker, told_in, keeper))
    os.close(told_in)
    told = bytearray()
    deadline_s = time.monotonic() + order.timeout_s + _GUARD_GRACE_S
    poll = select.poll()
    poll.register(told_end, select.POLLIN)
    poll.register(asker, 0)  # nothing but its closing
    while (left_s := deadline_s - time.monotonic()) > 0:
        ready = dict(poll.poll(left_s * 1000))
        chunk = os.read(told_end, _CHUNK_BYTES) if told_end in ready else b""
        told += chunk
        if asker in ready or (told_end in ready and not chunk):
            break
    # A guard that has said everything has nothing more to do.
    os.kill(guard, signal.SIGKILL)
    processes.end_descendants()
    try:
        decode_spiders_answer(bytes(told))
    except ValueError:
        problem = "the project ended the process that lists them"
        return encode(SpidersAnswer(names=(), problem=problem, output=""))
    return bytes(told)


def _guard(order: SpidersRequest, asker: int, told: int, keeper: int) -> NoReturn:
    processes.die_with_parent(keeper)
    processes.set_name("scrapy-do-list")
    processes.become_subreaper()
    answer = encode(_Guard(order, asker).ask())
    with os.fdopen(told, "wb") as file:
        file.write(answer)
    os._exit(0)


class Heard:
    """What a project prints, for who watches: up to `MAX_OUTPUT_BYTES`, and what has room."""

    def __init__(self, path: Path) -> None:
        self._left = MAX_OUTPUT_BYTES
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK
            self._file = os.open(path, flags, 0o600)
        except OSError:
            self._left = 0

    def write(self, chunk: bytes) -> None:
        """Note what was printed."""
        try:
            self._left -= os.write(self._file, chunk[: self._left]) if self._left else 0
        except OSError:
            self._left = 0


class _Guard:
    """Runs the project in a child and listens to it."""

    def __init__(self, order: SpidersRequest, asker: int) -> None:
        self._order = order
        self._asker = asker
        self._found = bytearray()
        self._output = bytearray()
        self._timed_out = False
        self._heard = Heard(order.work_dir / LISTING_OUTPUT)

    def ask(self) -> SpidersAnswer:
        """Run the child to its end, or end it; return what is known then."""
        found_end, found_in = os.pipe()
        output_end, output_in = os.pipe()
        guard = os.getpid()
        child = os.fork()
        if child == 0:
            os.setsid()
            processes.die_with_parent(guard)
            os.dup2(output_in, STDOUT)
            os.dup2(output_in, STDERR)
            processes.close_all_but({STDIN, STDOUT, STDERR, found_in})
            _list(self._order, found_in)
        os.close(found_in)
        os.close(output_in)
        self._listen(child, {found_end: self._found, output_end: self._output})
        processes.kill_group(child)
        _, wait_status = os.waitpid(child, 0)
        processes.end_descendants()
        return self._answer(os.waitstatus_to_exitcode(wait_status))

    def _listen(self, child: int, pipes: dict[int, bytearray]) -> None:
        """Collect what the child says until it ends, is late, or nobody asks any more."""
        deadline_s = time.monotonic() + self._order.timeout_s
        ended = os.pidfd_open(child)
        poll = select.poll()
        for descriptor in (*pipes, ended):
            poll.register(descriptor, select.POLLIN)
        poll.register(self._asker, 0)  # nothing but its closing
        while True:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                self._timed_out = True
                return
            ready = dict(poll.poll(left_s * 1000))
            for descriptor in pipes.keys() & ready.keys():
                if not self._take(descriptor, pipes[descriptor]):
                    poll.unregister(descriptor)
            if self._asker in ready:
                return
            # Last, and only when the pipes are empty: what was said before the end counts.
            if ended in ready and not any(events & select.POLLIN for events in _data(ready, pipes)):
                return

    def _take(self, descriptor: int, kept: bytearray) -> bool:
        chunk = os.read(descriptor, _CHUNK_BYTES)
        kept += chunk
        if kept is self._output:
            del kept[:-MAX_OUTPUT_BYTES]
            self._heard.write(chunk)
        else:
            del kept[MAX_FOUND_BYTES:]
        return bool(chunk)

    def _answer(self, code: int) -> SpidersAnswer:
        output = self._output.decode(errors="replace")
        problem = None
        if self._timed_out:
            problem = f"the project did not finish within {self._order.timeout_s:g} s"
        elif code < 0:
            problem = f"the project's process was killed by signal {-code}"
        elif code != 0 or not self._found:
            problem = _last_line(output) or f"the project ended its process with status {code}"
        else:
            try:
                found = decode_spiders_answer(bytes(self._found))
                return replace(found, problem=None, output=output)
            except ValueError:
                problem = "the project disturbed the listing of its spiders"
        return SpidersAnswer(names=(), problem=problem, output=output)


def _data(ready: dict[int, int], pipes: dict[int, bytearray]) -> list[int]:
    return [events for descriptor, events in ready.items() if descriptor in pipes]


def _last_line(text: str) -> str:
    lines = text.rstrip().splitlines()
    return lines[-1].strip() if lines else ""


def _list(order: SpidersRequest, answer: int) -> NoReturn:
    """Import the project and write its spiders' names; ends the process."""
    status = 1
    directory = str(order.work_dir)
    try:
        processes.be_the_first_to_go()
        set_streams(None)
        processes.set_environment(
            {
                "HOME": directory,
                "TMPDIR": directory,
                "SPIDER_DATA_DIR": directory,
                **order.environment,
                "SCRAPY_SETTINGS_MODULE": order.settings_module,
                MARK: order.mark,
            }
        )
        os.chdir(order.project_dir)
        processes.set_limits(order.limits)
        if order.confinement.is_on:
            own, kept = (order.work_dir, order.project_dir), order.confinement
            landlock.confine(own=own, shared=kept.writable, hidden=kept.hidden)
        found = encode(_find(order))
        with os.fdopen(answer, "wb") as file:
            file.write(found)
        status = 0
    except BaseException:  # noqa: BLE001 - a project may raise anything, SystemExit too
        traceback.print_exc()
    finally:
        # Not `leave`: the project's threads and exit functions are none of ours.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _find(order: SpidersRequest) -> SpidersAnswer:
    # Scrapy must not be in the memory of a guard that was started by itself.
    from scrapy.addons import AddonManager  # noqa: PLC0415

    from scrapy_do.crawl.project import load_settings  # noqa: PLC0415
    from scrapy_do.crawl.spiders import find_spiders  # noqa: PLC0415

    settings = load_settings(order.project_dir, order.settings_module)
    AddonManager.load_pre_crawler_settings(settings)
    found = find_spiders(settings)
    return SpidersAnswer(names=found.names, warnings=found.warnings, problem=None, output="")


if __name__ == "__main__":
    answer_request(STDIN, STDOUT, processes.Marker())
