"""Sends reports to the daemon: datagrams that are dropped when nobody takes them.

A crawl never waits for the daemon and never notices that there is none: each report is
a complete snapshot, the next one makes up for a lost one.
"""

import contextlib
import os
import socket
from pathlib import Path

from scrapy_do.protocol.wire import Report, encode_report


class Reporter:
    """The sending end. The daemon binds `path` again after each restart."""

    def __init__(self, path: Path) -> None:
        self._name = path.name
        # The address of a socket holds 107 bytes, a path may be longer: go by the directory.
        self._directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)

    def send(self, report: Report) -> None:
        """Send a report, or drop it: no daemon, a full queue, a descriptor closed by the spider."""
        with contextlib.suppress(OSError):
            address = f"/proc/self/fd/{self._directory}/{self._name}"
            self._socket.sendto(encode_report(report), address)

    def close(self) -> None:
        """Send nothing any more."""
        self._socket.close()
        os.close(self._directory)
