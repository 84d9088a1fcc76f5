"""Tells the service manager how the daemon is.

Source: sd_notify(3): one datagram to the socket that NOTIFY_SOCKET names.
"""

import socket


class ServiceManager:
    """The service manager that started us, or nobody: then nothing is sent."""

    def __init__(self, address: str | None) -> None:
        self._address = address

    def tell(self, *lines: str) -> None:
        """Send assignments such as `READY=1`; one that cannot be delivered is dropped."""
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
