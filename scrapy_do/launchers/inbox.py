"""What a child process says on a pipe before it closes it."""

import os

from twisted.internet.defer import Deferred

from scrapy_do.launchers.watch import Watch
from scrapy_do.system.runtime import Runtime

_CHUNK_BYTES = 256 * 1024


class Inbox:
    """The reading end of a pipe; `sink` is the other end, to be given to the child.

    Making one raises `OSError` when there are no descriptors left.
    """

    def __init__(self, runtime: Runtime, limit_bytes: int) -> None:
        source, self.sink = os.pipe()
        os.set_blocking(source, False)
        self._runtime = runtime
        self._limit_bytes = limit_bytes
        self._said = bytearray()
        self._complete: Deferred[bytes | None] = Deferred()
        self._watch = Watch(runtime.reactor, source, self._read)

    async def read(self, timeout_s: float) -> bytes | None:
        """Return all that was said until every `sink` was closed, ours included.

        None when it took too long or was too much: the child then has nobody to talk to.
        """
        self._close_sink()
        late = self._runtime.reactor.callLater(timeout_s, self._finish, None)
        try:
            return await self._complete
        finally:
            if late.active():
                late.cancel()

    def give_up(self) -> None:
        """Take too long: whoever reads hears nothing more; harmless after the end."""
        if not self._complete.called:
            self._finish(None)

    def close(self) -> None:
        """Let go of both ends; harmless after the end."""
        self._close_sink()
        self._watch.close()

    def _close_sink(self) -> None:
        if self.sink >= 0:
            os.close(self.sink)
            self.sink = -1

    def _read(self) -> None:
        try:
            chunk = os.read(self._watch.descriptor, _CHUNK_BYTES)
        except BlockingIOError:
            return
        self._said += chunk
        if not chunk:
            self._finish(bytes(self._said))
        elif len(self._said) > self._limit_bytes:
            self._finish(None)

    def _finish(self, said: bytes | None) -> None:
        self._watch.close()
        self._complete.callback(said)
