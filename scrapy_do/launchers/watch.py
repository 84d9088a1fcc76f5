"""Watches a file descriptor with the reactor: a process's end, a pipe, a socket."""

import os
import select
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer


@implementer(IReadDescriptor)
class Watch:
    """Calls `on_ready` each time the descriptor can be read; owns the descriptor.

    Its end of file counts as ready too. After `close` it is never called again.
    """

    def __init__(self, reactor: Any, descriptor: int, on_ready: Callable[[], None]) -> None:  # noqa: ANN401 - IReactorFDSet
        self.descriptor = descriptor
        self._reactor = reactor
        self._on_ready = on_ready
        reactor.addReader(self)

    def is_ready(self) -> bool:
        """Whether it can be read now, without waiting for the reactor to say so."""
        asked = select.poll()
        asked.register(self.descriptor, select.POLLIN)
        return bool(asked.poll(0))

    def close(self) -> None:
        """Stop watching and close the descriptor; harmless when done before."""
        if self.descriptor >= 0:
            self._reactor.removeReader(self)
            os.close(self.descriptor)
            self.descriptor = -1

    def fileno(self) -> int:
        """Return the descriptor, as the reactor asks for it."""
        return self.descriptor

    def doRead(self) -> None:  # noqa: N802 - the reactor's name for it
        """Hear from the reactor that something can be read."""
        self._on_ready()

    def connectionLost(self, reason: Failure) -> None:  # noqa: ARG002, N802 - the reactor's name
        """Hear from the reactor, which has let go of us, that the other end is gone."""
        if self.descriptor >= 0:
            self._on_ready()

    def logPrefix(self) -> str:  # noqa: N802 - the reactor's name for it
        """Return the name of this reader in the reactor's messages."""
        return "Watch"
