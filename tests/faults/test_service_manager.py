"""What the service manager hears: ready, alive, starting anew, stopping; and socket activation."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scrapy_do.system.notify import ServiceManager
from tests.faults.conftest import Lives
from tests.faults.life import Life, connects

WATCHDOG_S = 0.6


class Manager:
    """The service manager's end of the notify socket."""

    def __init__(self, path: Path) -> None:
        self.address = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.address)

    def heard(self, patience_s: float = 30.0) -> dict[str, str] | None:
        """Return the next message, or None when none comes in time."""
        self._socket.settimeout(patience_s)
        try:
            lines = self._socket.recv(4096).decode().splitlines()
        except (TimeoutError, BlockingIOError):
            return None
        return dict(line.split("=", 1) for line in lines)

    def heard_but_life(self) -> dict[str, str]:
        """Return the next message that is no sign of life."""
        while True:
            message = self.heard()
            assert message is not None
            if message != {"WATCHDOG": "1"}:
                return message

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(tmp_path / "notify")
    yield manager
    manager.close()


@pytest.fixture
def watched(lives: Lives, manager: Manager) -> Life:
    """A daemon that its manager watches; it runs, and nothing was heard yet."""
    environment = {
        "NOTIFY_SOCKET": manager.address,
        "WATCHDOG_USEC": str(int(WATCHDOG_S * 1_000_000)),
    }
    return lives.inherit(lives.made(environment=environment))


@pytest.mark.faults
def test_ready_when_the_port_answers(watched: Life, manager: Manager) -> None:
    """READY comes with the address, and whoever asks then is answered."""
    message = manager.heard_but_life()
    status, _ = watched.call("/healthz")

    assert message == {"READY": "1", "STATUS": f"listening on {watched.url}"}
    assert status == 200


@pytest.mark.faults
def test_signs_of_life(watched: Life, manager: Manager) -> None:
    """Signs of life come twice a period, and end with the loop that gives them."""
    manager.heard_but_life()
    begun_s = time.monotonic()
    signs = [manager.heard() for _ in range(6)]
    took_s = time.monotonic() - begun_s
    watched.signal(signal.SIGSTOP)
    while manager.heard(0) is not None:
        pass
    silence = manager.heard(2 * WATCHDOG_S)
    watched.signal(signal.SIGCONT)

    assert signs == [{"WATCHDOG": "1"}] * 6
    assert took_s < 6 * WATCHDOG_S
    assert silence is None
    assert manager.heard() == {"WATCHDOG": "1"}


@pytest.mark.faults
def test_a_start_in_place_is_told(watched: Life, manager: Manager) -> None:
    """RELOADING with its time, then READY from the next program; STOPPING at the end."""
    manager.heard_but_life()
    watched.signal(signal.SIGUSR2)
    reloading = manager.heard_but_life()
    ready = manager.heard_but_life()
    sign = manager.heard()
    watched.signal(signal.SIGTERM)

    assert (reloading["RELOADING"], reloading["MONOTONIC_USEC"].isdigit()) == ("1", True)
    assert ready == {"READY": "1", "STATUS": f"listening on {watched.url}"}
    assert sign == {"WATCHDOG": "1"}
    assert manager.heard_but_life() == {"STOPPING": "1"}
    assert watched.wait() == 0


ACTIVATING = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="scrapy-do.socket")
os.execv(sys.executable, [sys.executable, "-m", "scrapy_do", *sys.argv[2:]])
"""


@pytest.mark.faults
def test_socket_activation(tmp_path: Path) -> None:
    """A socket of the manager is listened on instead of one of our own; it outlives us."""
    with socket.create_server(("127.0.0.1", 0)) as given:
        port = given.getsockname()[1]
        words = [sys.executable, "-c", ACTIVATING, str(given.fileno())]
        with subprocess.Popen(
            [*words, "serve", "--data-dir", str(tmp_path / "data"), "--listen", "127.0.0.1:1"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=[given.fileno()],
            text=True,
        ) as daemon:
            assert daemon.stdout is not None
            line = daemon.stdout.readline()
            daemon.send_signal(signal.SIGTERM)
        connects(f"http://127.0.0.1:{port}")

    assert line.endswith(f"listening on http://127.0.0.1:{port}\n")
    assert daemon.returncode == 0


def test_nobody_is_told(manager: Manager) -> None:
    """Without a manager nothing is sent; the variables are taken out of the environment."""
    environ = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1", "A": ""}
    ServiceManager.of({}).stopping()
    ServiceManager("/nonexistent/socket", None).stopping()
    ServiceManager.of(environ)

    assert manager.heard(0) is None
    assert environ == {"A": ""}


def test_an_abstract_address(tmp_path: Path) -> None:
    """An address that begins with @ is one of Linux's abstract namespace."""
    name = f"scrapy-do-{os.getpid()}-{tmp_path.name}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as hearing:
        hearing.bind(f"\0{name}")
        ServiceManager(f"@{name}", None).stopping()

        assert hearing.recv(100) == b"STOPPING=1"
