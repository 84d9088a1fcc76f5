"""Receives the reports of all crawls: one datagram socket in the data directory."""

import contextlib
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.logger import Logger

from scrapy_do.launchers.watch import Watch
from scrapy_do.protocol.wire import MAX_REPORT_BYTES, Report, decode_report

NOTE_EVERY_S = 60.0
_PER_TURN = 64
_log = Logger(namespace="scrapy_do.launchers")


class ReportsSocket:
    """Bound to `path`, in place of what an earlier daemon left there."""

    def __init__(self, reactor: Any, path: Path, on_report: Callable[[Report], None]) -> None:  # noqa: ANN401 - IReactorFDSet
        self._path = path
        self._on_report = on_report
        self._reactor = reactor
        self._strange = 0
        self._noted_s = -NOTE_EVERY_S
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

    def _note(self, error: Exception) -> None:
        """Tell the log what came that is no report, once in a while: anybody can send it."""
        self._strange += 1
        now_s = self._reactor.seconds()
        if now_s >= self._noted_s + NOTE_EVERY_S:
            _log.warn(
                "{count} datagrams were no reports: {error}", count=self._strange, error=error
            )
            self._strange, self._noted_s = 0, now_s

    def _receive(self) -> None:
        """Take what is there, but let others have the reactor too."""
        with contextlib.suppress(BlockingIOError):
            for _ in range(_PER_TURN):
                frame = self._socket.recv(MAX_REPORT_BYTES + 1)
                try:
                    self._on_report(decode_report(frame))
                except Exception as error:  # noqa: BLE001 - one must not make us deaf to all others
                    self._note(error)
