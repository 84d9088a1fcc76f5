"""The last line of a terminal: what goes on, with a spinner once that takes long."""

import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import cycle
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from threading import Event, RLock

PATIENCE_S = 1.0
_FRAMES = "|/-\\"
_FRAME_S = 0.1
_UNSAID = "waiting for the daemon ..."


class BottomLine:
    """On standard error, and only where `is_shown`: what is said there makes room for the next."""

    def __init__(self, *, is_shown: bool) -> None:
        self._is_shown = is_shown
        self._text = ""
        self._frame = ""
        self._is_there = False
        self._is_waiting = False
        self._lock: AbstractContextManager[object] = nullcontext()  # until there is a second thread

    def say(self, text: str) -> None:
        """Put a text there; "" takes it away."""
        with self._lock:
            self._text = text
            self._draw()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Take the line away while others are written, and put it back below them."""
        with self._lock:
            self._erase()
            yield
            self._draw()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Turn a spinner there, as long as it takes, once it takes long.

        Who waits within is part of it.
        """
        if not self._is_shown or self._is_waiting:
            yield
            return
        import threading  # noqa: PLC0415 - Note [Why commands import inside their functions]

        over = threading.Event()
        self._lock = lock = threading.RLock()
        self._is_waiting = True
        turning = threading.Thread(target=self._turn, args=(over, lock), daemon=True)
        turning.start()
        try:
            yield
        except BaseException:
            self._text = ""
            raise
        finally:
            over.set()
            turning.join()
            self._lock = nullcontext()
            self._is_waiting = False
            self._frame = ""
            self._draw()

    def _turn(self, over: "Event", lock: "RLock") -> None:
        """Turn until it is over.

        Ctrl-C may leave the lock taken, when it comes just after that was: so it is not waited
        for without end.
        """
        pause_s = PATIENCE_S
        for frame in cycle(_FRAMES):
            if over.wait(pause_s):
                return
            pause_s = _FRAME_S
            if lock.acquire(timeout=_FRAME_S):
                try:
                    self._frame = f"{frame} "
                    self._draw()
                finally:
                    lock.release()

    def _draw(self) -> None:
        text = self._text or (_UNSAID if self._frame else "")
        if not text or not self._is_shown:
            self._erase()
            return
        width = shutil.get_terminal_size().columns - 1
        _write(f"\r\033[2K{f'{self._frame}{text}'[:width]}")
        self._is_there = True

    def _erase(self) -> None:
        if self._is_there:
            _write("\r\033[2K")
            self._is_there = False


def _write(text: str) -> None:
    click.echo(text, nl=False, err=True, color=True)
