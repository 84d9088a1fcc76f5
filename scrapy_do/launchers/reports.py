"""Receives the reports of all crawls: one datagram socket in the data directory."""

import contextlib
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.logger import Logger

from scrapy_do.launchers.watch import Watch
from scrapy_do.protocol.frames import BadFrame
from scrapy_do.protocol.wire import MAX_REPORT_BYTES, Report, decode_report

_PER_TURN = 64
_log = Logger(namespace="scrapy_do.launchers")


class ReportsSocket:
    """Bound to `path`, in place of what an earlier daemon left there."""

    def __init__(self, reactor: Any, path: Path, on_report: Callable[[Report], None]) -> None:  # noqa: ANN401 - IReactorFDSet
        self._path = path
        self._on_report = on_report
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            self._bind()
        except OSError:
            self._socket.close()
            raise
        self._watch = Watch(reactor, self._socket.fileno(), self._receive)

    def close(self) -> None:
        """Receive nothing any more."""
        self._socket.detach()
        self._watch.close()
        self._path.unlink(missing_ok=True)

    def _bind(self) -> None:
        self._path.unlink(missing_ok=True)
        # The address of a socket holds 107 bytes, a path may be longer: go by the directory.
        directory = os.open(self._path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._socket.bind(f"/proc/self/fd/{directory}/{self._path.name}")
        finally:
            os.close(directory)
        self._path.chmod(0o600)

    def _receive(self) -> None:
        """Take what is there, but let others have the reactor too."""
        with contextlib.suppress(BlockingIOError):
            for _ in range(_PER_TURN):
                frame = self._socket.recv(MAX_REPORT_BYTES + 1)
                try:
                    report = decode_report(frame)
                except BadFrame as error:
                    _log.warn("Not a report: {error}", error=error)
                else:
                    self._on_report(report)
