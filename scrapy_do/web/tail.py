"""Files as answers: a range of a finished one, or a growing one until its job ends.

Reading happens in a thread, a piece of at most 64 KiB at a time, and only when the client
has taken the piece before. The descriptor lives as long as the answer: `Stream.release`
closes it, however the answer ends.
"""

import os
import re
import stat
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from scrapy_do.errors import LogNotFound
from scrapy_do.system.runtime import Delays, InThread
from scrapy_do.web.answer import PIECE_BYTES, Stream
from scrapy_do.web.router import Call
from scrapy_do.web.status import NO_MEANS, UnsatisfiableRange

TEXT = "text/plain; charset=utf-8"
_RANGE = re.compile(r"bytes=(?:([0-9]{1,18})-([0-9]{0,18})|-([0-9]{1,18}))", re.ASCII)


OnEnd = Callable[[Callable[[], None]], Callable[[], None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """Makes answers of files. `look_s` is how often a growing file is looked at."""

    reactor: Delays
    look_s: float = 0.25

    async def serve(
        self,
        call: Call,
        path: Path,
        *,
        is_live: Callable[[], bool],
        on_end: OnEnd,
        content_type: str = TEXT,
    ) -> Stream:
        """The file as an answer to a GET or HEAD.

        While `is_live()` says that more may be written, the answer follows the file and
        ends with it, unless the argument `follow` is 0 or a Range is asked for: then it is
        what there is now, with its length. `on_end` calls its callback once when the file
        has ended, unless the function that it returns is called before.

        Raises:
            LogNotFound: there is no such file.
            UnsatisfiableRange: no byte of the file is in the range.
            BadArgument: `follow` is neither yes nor no.
        """
        follow = call.params.flag("follow", default=True)
        # Asked before the size is read: what was not live then grows no more.
        live = is_live() and follow and not _is_range(call.header("Range"))
        file = await OpenFile.open(path, call.in_thread)
        if live:
            waker = _Waker(reactor=self.reactor, look_s=self.look_s, is_live=is_live, on_end=on_end)
            return _following(file, waker, content_type)
        try:
            return _ranged(file, call.header("Range"), content_type)
        except UnsatisfiableRange:
            file.close()
            raise


class OpenFile:
    """A descriptor that is read in threads and closed only between reads."""

    def __init__(self, descriptor: int, size_bytes: int, in_thread: InThread) -> None:
        self.size_bytes = size_bytes
        self._descriptor = descriptor
        self._in_thread = in_thread
        self._reading = False
        self._closed = False

    @classmethod
    async def open(cls, path: Path, in_thread: InThread) -> "OpenFile":
        """Open a file and see how large it is now.

        Raises:
            LogNotFound: there is none, or it is no regular file: whoever writes it may have
                put a link or a pipe in its place.
        """

        def open_and_measure() -> tuple[int, int]:
            flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
            descriptor = os.open(path, flags)
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                os.close(descriptor)
                raise LogNotFound
            return descriptor, status.st_size

        try:
            descriptor, size_bytes = await in_thread(open_and_measure)
        except OSError as error:
            if error.errno in NO_MEANS:
                raise
            raise LogNotFound from None
        return cls(descriptor, size_bytes, in_thread)

    async def read(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes from `offset`; empty at the end of the file."""
        arrived: Deferred[bytes] = Deferred()

        def arrive(result: bytes | Failure) -> None:
            if not arrived.called:
                arrived.callback(result)  # a failure is one there, too

        self._reading = True
        # The reader may be cancelled while the thread still reads, and a descriptor that
        # is closed under a thread may by then be another file's: so closing waits.
        Deferred.fromCoroutine(self._read(offset, size)).addBoth(arrive)
        return await arrived

    async def _read(self, offset: int, size: int) -> bytes:
        try:
            return await self._in_thread(lambda: os.pread(self._descriptor, size, offset))
        finally:
            self._reading = False
            if self._closed:
                os.close(self._descriptor)

    def close(self) -> None:
        """Close, now or after the read that is under way."""
        if not self._closed:
            self._closed = True
            if not self._reading:
                os.close(self._descriptor)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waker:
    """Says when a growing file is worth another look."""

    reactor: Delays
    look_s: float
    is_live: Callable[[], bool]
    on_end: OnEnd

    async def wait(self) -> None:
        """Wait for the end of the job, and for a moment at most: nobody announces growth."""
        if not self.is_live():
            return
        woken: Deferred[None] = Deferred()

        def wake() -> None:
            if not woken.called:
                woken.callback(None)

        forget = self.on_end(wake)
        later = self.reactor.callLater(self.look_s, wake)
        try:
            await woken
        finally:
            forget()
            if later.active():
                later.cancel()


def _following(file: OpenFile, waker: _Waker, content_type: str) -> Stream:
    return Stream(
        chunks=_grow(file, waker),
        content_type=content_type,
        headers=(("Accept-Ranges", "bytes"), ("Cache-Control", "no-store")),
        release=file.close,
    )


async def _grow(file: OpenFile, waker: _Waker) -> AsyncGenerator[bytes, None]:
    offset = 0
    while True:
        was_live = waker.is_live()  # before the read, so that nothing written last is missed
        held = [await file.read(offset, PIECE_BYTES)]
        offset += len(held[0])
        if held[0]:
            yield held.pop()  # as below
        elif was_live:
            await waker.wait()
        else:
            return


def _ranged(file: OpenFile, wanted: str, content_type: str) -> Stream:
    size_bytes = file.size_bytes
    span = parse_range(wanted, size_bytes)
    start, stop = (0, size_bytes) if span is None else span
    headers: tuple[tuple[str, str], ...] = (("Accept-Ranges", "bytes"),)
    if span is not None:
        headers += (("Content-Range", f"bytes {start}-{stop - 1}/{size_bytes}"),)
    return Stream(
        status=200 if span is None else 206,
        chunks=file_pieces(file, start, stop),
        length_bytes=stop - start,
        content_type=content_type,
        headers=headers,
        release=file.close,
    )


async def file_pieces(file: OpenFile, start: int, stop: int) -> AsyncGenerator[bytes, None]:
    """The bytes of a file from `start` to before `stop`."""
    offset = start
    while offset < stop:
        held = [await file.read(offset, min(PIECE_BYTES, stop - offset))]
        if not held[0]:
            return  # cut short by somebody; the length that was promised tells the client
        offset += len(held[0])
        yield held.pop()  # nothing of it stays here while the client takes it


def _is_range(wanted: str) -> bool:
    return _RANGE.fullmatch(wanted.strip().lower()) is not None


def parse_range(wanted: str, size_bytes: int) -> tuple[int, int] | None:
    """The first byte and the byte behind the last of a Range header.

    None when the whole file is to be sent: there is no range, or one that we need not
    serve (RFC 9110, section 14.2): several, other units, an end before the start.

    Raises:
        UnsatisfiableRange: the range lies behind the end of the file.
    """
    match = _RANGE.fullmatch(wanted.strip().lower())
    if match is None:
        return None
    first, last, suffix = match.groups()
    if suffix is not None:
        start, stop = max(0, size_bytes - int(suffix)), size_bytes
    else:
        start, stop = int(first), min(int(last) + 1, size_bytes) if last else size_bytes
        if last and int(last) < start:
            return None
    if start >= stop:
        raise UnsatisfiableRange(size_bytes)
    return start, stop
