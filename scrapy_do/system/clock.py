"""Two clocks: monotonic seconds for time-outs, the wall clock for planned instants.

Note [Why the reactor gets a monotonic clock]
    Twisted's reactors read `time.time` for delayed calls, so a wall clock that is set back
    by an hour stalls every time-out for an hour. `use_monotonic_seconds` gives one reactor
    another clock. What is planned for an instant of the wall clock is then none of the
    reactor's business: it goes through a `WakeUp`, which also notices when the clock is set.
    (Twisted's own HTTP access log stamps its lines with the reactor's seconds, so we do not
    use that log.)
"""

import ctypes
import errno
import os
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from zope.interface import implementer

LONGEST_WAIT_S = 30.0
"""After this many seconds a `PlainWakeUp` looks at the wall clock again."""

_CLOCK_REALTIME = 0
_NONBLOCK_AND_CLOEXEC = os.O_NONBLOCK | os.O_CLOEXEC
_ABSTIME_AND_CANCEL_ON_SET = 1 | 2
_EXPIRATIONS_BYTES = 8
_NS_PER_US = 1000


class WakeUp(Protocol):
    """Calls back once when the wall clock reaches an instant.

    `on_due()` is called at the instant or just after it, never before. `on_step()` is called
    when the clock was set, where that can be noticed; the instant stays armed.
    """

    def arm(self, instant: datetime | None) -> None:
        """Wake up at this instant instead of any earlier one; None: not at all."""

    def close(self) -> None:
        """Free what it holds; it is not armed again."""


class MakeWakeUp(Protocol):
    """Makes a `WakeUp` that calls `on_due` at its instant and `on_step` when the clock was set."""

    def __call__(self, *, on_due: Callable[[], None], on_step: Callable[[], None]) -> WakeUp:
        """Make it, with nothing armed."""
        ...


def use_monotonic_seconds(reactor: Any) -> None:  # noqa: ANN401 - no interface has a settable clock
    """Make the delayed calls of a reactor follow a clock that nobody can set.

    `seconds` is the only place from which a reactor and its delayed calls read the time.

    Raises:
        RuntimeError: there are delayed calls already, reckoned by the other clock.
    """
    if reactor.getDelayedCalls():
        raise RuntimeError("the reactor already has delayed calls")
    reactor.seconds = time.monotonic


def make_wake_up(
    reactor: Any,  # noqa: ANN401 - zope interfaces are not types
    now: Callable[[], datetime],
    *,
    on_due: Callable[[], None],
    on_step: Callable[[], None],
) -> WakeUp:
    """Return the best wake-up for this system and reactor, with nothing armed.

    Raises:
        OSError: the system has no descriptor left.
    """
    has_kernel_timer = hasattr(ctypes.CDLL(None), "timerfd_create")
    if has_kernel_timer and IReactorFDSet.providedBy(reactor):
        return KernelWakeUp(reactor, on_due=on_due, on_step=on_step)
    return PlainWakeUp(reactor, now, on_due=on_due)


class PlainWakeUp:
    """Delayed calls that look at the wall clock again and again, at least every 30 s.

    It does not notice that the clock was set; it is then late by at most 30 s.
    """

    def __init__(
        self,
        reactor: Any,  # noqa: ANN401 - IReactorTime
        now: Callable[[], datetime],
        *,
        on_due: Callable[[], None],
    ) -> None:
        self._reactor = reactor
        self._now = now
        self._on_due = on_due
        self._call: Any = None  # IDelayedCall, while something is armed

    def arm(self, instant: datetime | None) -> None:
        """Wake up at this instant instead of any earlier one; None: not at all."""
        if self._call is not None:
            self._call.cancel()
            self._call = None
        if instant is not None:
            left_s = (instant - self._now()).total_seconds()
            wait_s = min(max(left_s, 0.0), LONGEST_WAIT_S)
            self._call = self._reactor.callLater(wait_s, self._look, instant)

    def close(self) -> None:
        """Cancel the delayed call."""
        self.arm(None)

    def _look(self, instant: datetime) -> None:
        self._call = None
        if self._now() < instant:
            self.arm(instant)
        else:
            self._on_due()


class _TimeSpec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _TimerSpec(ctypes.Structure):
    _fields_ = (("interval", _TimeSpec), ("value", _TimeSpec))


@implementer(IReadDescriptor)
class KernelWakeUp:
    """A kernel timer on the wall clock, which also tells when the clock was set.

    Source: timerfd_create(2), TFD_TIMER_CANCEL_ON_SET. Python has these calls from 3.13 on.
    """

    def __init__(
        self,
        reactor: Any,  # noqa: ANN401 - IReactorFDSet, IReactorTime
        *,
        on_due: Callable[[], None],
        on_step: Callable[[], None],
    ) -> None:
        self._reactor = reactor
        self._on_due = on_due
        self._on_step = on_step
        self._instant: datetime | None = None
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = _checked(
            "timerfd_create", self._libc.timerfd_create(_CLOCK_REALTIME, _NONBLOCK_AND_CLOEXEC)
        )
        self.arm(None)
        self._reactor.addReader(self)

    def arm(self, instant: datetime | None) -> None:
        """Wake up at this instant instead of any earlier one; None: not at all."""
        self._instant = instant
        spec = _TimerSpec()
        if instant is not None:
            spec.value.seconds, spec.value.nanoseconds = _since_epoch(instant)
        result = self._libc.timerfd_settime(
            self._descriptor, _ABSTIME_AND_CANCEL_ON_SET, ctypes.byref(spec), None
        )
        try:
            _checked("timerfd_settime", result)
        except OSError as error:
            if error.errno != errno.ECANCELED:
                raise
            self._soon(self._on_step)  # armed, and the clock was set since it was last armed

    def close(self) -> None:
        """Leave the reactor and close the kernel's timer."""
        if self._descriptor >= 0:
            self._reactor.removeReader(self)
            os.close(self._descriptor)
            self._descriptor = -1

    # --- IReadDescriptor: the names are Twisted's ---

    def fileno(self) -> int:
        """Return the timer's descriptor, -1 when it is closed."""
        return self._descriptor

    def logPrefix(self) -> str:  # noqa: N802
        """Return how Twisted names this reader in its log."""
        return "wake-up"

    def doRead(self) -> None:  # noqa: N802
        """Say why the timer woke us: the instant has come, or the clock was set."""
        try:
            os.read(self._descriptor, _EXPIRATIONS_BYTES)
        except BlockingIOError:
            return  # armed anew between the kernel's event and this read
        except OSError as error:
            if error.errno != errno.ECANCELED:
                raise
            self.arm(self._instant)
            self._soon(self._on_step)
        else:
            self._instant = None
            self._soon(self._on_due)

    def connectionLost(self, reason: object) -> None:  # noqa: ARG002, N802
        """Close the timer: the reactor has dropped it."""
        self.close()

    def _soon(self, callback: Callable[[], None]) -> None:
        """Call back from a turn of its own: a reader that raises is dropped by the reactor."""
        self._reactor.callLater(0, callback)


def _checked(name: str, result: int) -> int:
    """Return what a function of the C library returned, or raise the OSError it reports."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result


def _since_epoch(instant: datetime) -> tuple[int, int]:
    """Return seconds and nanoseconds since the epoch; never both 0, which disarms a timer."""
    seconds = max(int(instant.timestamp() // 1), 0)
    return seconds, instant.microsecond * _NS_PER_US or 1
