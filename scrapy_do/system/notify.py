"""Tells the service manager how the daemon is, and that its loop still turns.

Source: sd_notify(3), sd_watchdog_enabled(3): one datagram for each message, to the socket
that NOTIFY_SOCKET names; a sign of life at least every WATCHDOG_USEC.
"""

import os
import socket
import time
from collections.abc import MutableMapping
from typing import Any, Self

PINGS_PER_PERIOD = 2
_US_PER_S = 1_000_000
_NS_PER_US = 1000


class ServiceManager:
    """The service manager that started us, or nobody: then nothing is sent.

    `watchdog_s` is the time after which it takes silence for a failure; None: never.
    """

    def __init__(self, address: str | None, watchdog_s: float | None) -> None:
        self._address = address
        self._watchdog_s = watchdog_s

    @classmethod
    def of(cls, environ: MutableMapping[str, str]) -> Self:
        """Read who started us; the variables are removed, as they are not for our children."""
        address = environ.pop("NOTIFY_SOCKET", None)
        period_us, pid = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", None)
        is_watched = period_us.isdigit() and pid in (None, str(os.getpid()))
        return cls(address, int(period_us) / _US_PER_S if is_watched else None)

    def ready(self, status: str) -> None:
        """All that was promised works; `status` is for people."""
        self._tell("READY=1", f"STATUS={status}")

    def stopping(self) -> None:
        """The daemon goes, and does not come back by itself."""
        self._tell("STOPPING=1")

    def reloading(self) -> None:
        """The daemon starts again in place; `ready` follows."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // _NS_PER_US}")

    def keep_alive(self, reactor: Any) -> None:  # noqa: ANN401 - IReactorTime
        """Give a sign of life now and ever again, as long as the reactor's loop turns."""
        if self._watchdog_s:
            self._tell("WATCHDOG=1")
            reactor.callLater(self._watchdog_s / PINGS_PER_PERIOD, self.keep_alive, reactor)

    def _tell(self, *lines: str) -> None:
        """Send assignments; what cannot be delivered is dropped."""
        if not self._address:
            return
        address = self._address
        if address.startswith("@"):
            address = "\0" + address[1:]  # Linux's abstract namespace
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.setblocking(False)
            try:
                sender.sendto("\n".join(lines).encode(), address)
            except OSError:
                return
