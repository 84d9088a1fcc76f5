"""Starts interpreters: how, with which arguments and environment, and who reaps them."""

import contextlib
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from scrapy_do.launchers import containment
from scrapy_do.launchers.watch import Watch

ARGUMENTS = ("-I", "-X", "utf8", "-m")
"""Isolated from the environment and the current directory; text files are UTF-8."""


def start_interpreter(
    python: str,
    module: str,
    *,
    environment: Mapping[str, str],
    descriptors: Mapping[int, int],
) -> int:
    """Start a module in a session of its own and return a pidfd of the process.

    `descriptors` says which of ours becomes which of its standard streams; what is not
    named there is as ours (0, 1, 2) or closed. The command line holds constants only.

    Raises:
        OSError: there is no such interpreter, or no process can be made.
    """
    actions = [(os.POSIX_SPAWN_DUP2, ours, theirs) for theirs, ours in descriptors.items()]
    pid = os.posix_spawn(
        python,
        (python, *ARGUMENTS, module),
        environment,
        file_actions=actions,
        setsid=True,
    )
    return os.pidfd_open(pid)


class Child:
    """A process of ours; reaped at its end, after which `on_end` is called once."""

    def __init__(self, reactor: Any, process: int, on_end: Callable[["Child"], None]) -> None:  # noqa: ANN401 - IReactorFDSet
        self._on_end = on_end
        self._watch = Watch(reactor, process, self._ended)

    def let_go(self) -> None:
        """Stop watching; `on_end` is not called any more."""
        self._watch.close()

    def kill(self) -> None:
        """Kill it; harmless after its end."""
        if self._watch.descriptor >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._watch.descriptor, signal.SIGKILL)

    def _ended(self) -> None:
        containment.reap(self._watch.descriptor)
        self._watch.close()
        self._on_end(self)


def reap_inherited(reactor: Any) -> None:  # noqa: ANN401 - IReactorFDSet
    """Reap those whom the program before us has left in this process, when they end.

    A warm parent stays as long as its crawls do, also when its daemon starts again in place.
    """
    listing = Path(f"/proc/self/task/{os.getpid()}/children").read_bytes()
    for child in map(int, listing.split()):
        with contextlib.suppress(OSError):
            Child(reactor, os.pidfd_open(child), lambda _child: None)
