"""The clocks: time-outs that nobody can shift, and wake-ups at instants of the wall clock."""

import ctypes
import errno
import os
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.task import Clock

from scrapy_do.system.clock import (
    LONGEST_WAIT_S,
    KernelWakeUp,
    PlainWakeUp,
    make_wake_up,
    use_monotonic_seconds,
)

START = datetime(2026, 6, 3, 10, 17, 23, tzinfo=UTC)


def _own_reactor() -> Any:
    """Return a reactor that does not run."""
    return EPollReactor()  # type: ignore[no-untyped-call]  # Twisted declares no types here


def _nothing() -> None:
    """Do nothing."""


class Desk:
    """A wall clock that runs with a reactor's clock until it is set."""

    def __init__(self) -> None:
        self.reactor = Clock()
        self.ahead = timedelta(0)
        self.woken: list[datetime] = []
        self.wake_up = PlainWakeUp(
            self.reactor, self.now, on_due=lambda: self.woken.append(self.now())
        )

    def now(self) -> datetime:
        return START + timedelta(seconds=self.reactor.seconds()) + self.ahead


@pytest.fixture(name="desk")
def _desk() -> Desk:
    return Desk()


def test_a_plain_wake_up_fires_at_the_instant(desk: Desk) -> None:
    """A wake-up far ahead comes at its instant, once."""
    instant = START + timedelta(seconds=100)
    desk.wake_up.arm(instant)
    desk.reactor.pump([LONGEST_WAIT_S] * 3 + [9.5])
    assert desk.woken == []
    desk.reactor.pump([0.5, 200])
    assert desk.woken == [instant]
    assert desk.reactor.getDelayedCalls() == []


def test_a_plain_wake_up_fires_for_an_instant_that_has_passed(desk: Desk) -> None:
    """An instant in the past is due at once."""
    desk.wake_up.arm(START - timedelta(hours=1))
    desk.reactor.advance(0)
    assert desk.woken == [START]


def test_a_plain_wake_up_forgets_the_earlier_instant(desk: Desk) -> None:
    """Arming again replaces what was armed; arming for nothing disarms."""
    desk.wake_up.arm(START + timedelta(seconds=5))
    desk.wake_up.arm(START + timedelta(seconds=9))
    desk.reactor.advance(8)
    assert desk.woken == []
    desk.wake_up.arm(None)
    desk.reactor.advance(100)
    assert desk.woken == []


def test_a_plain_wake_up_notices_a_step_forward_within_its_longest_wait(desk: Desk) -> None:
    """After the clock is set forward past the instant, the wake-up is late by 30 s at most."""
    desk.wake_up.arm(START + timedelta(hours=1))
    desk.ahead = timedelta(hours=2)
    desk.reactor.advance(LONGEST_WAIT_S)
    assert desk.woken == [START + timedelta(hours=2, seconds=LONGEST_WAIT_S)]


def test_a_plain_wake_up_is_not_early_after_a_step_back(desk: Desk) -> None:
    """After the clock is set back the wake-up waits until the wall clock has come there."""
    desk.wake_up.arm(START + timedelta(seconds=20))
    desk.ahead = timedelta(seconds=-15)
    desk.reactor.advance(20)
    assert desk.woken == []
    desk.reactor.advance(15)
    assert desk.woken == [START + timedelta(seconds=20)]


def test_a_closed_plain_wake_up_stays_silent(desk: Desk) -> None:
    """After `close` nothing is left in the reactor."""
    desk.wake_up.arm(START + timedelta(seconds=1))
    desk.wake_up.close()
    assert desk.reactor.getDelayedCalls() == []


def test_a_reactor_without_descriptors_gets_the_plain_wake_up() -> None:
    """The kernel's timer needs a reactor that watches descriptors."""
    plain = make_wake_up(Clock(), lambda: START, on_due=_nothing, on_step=_nothing)
    assert isinstance(plain, PlainWakeUp)
    best = make_wake_up(_own_reactor(), lambda: START, on_due=_nothing, on_step=_nothing)
    best.close()
    assert isinstance(best, KernelWakeUp)


def test_monotonic_seconds_replace_the_wall_clock() -> None:
    """A reactor's delayed calls are reckoned by the monotonic clock."""
    own = _own_reactor()
    use_monotonic_seconds(own)
    before = time.monotonic()
    call = own.callLater(60, lambda: None)
    assert before + 60 <= call.getTime() <= time.monotonic() + 60
    call.cancel()


def test_monotonic_seconds_come_before_delayed_calls() -> None:
    """Delayed calls reckoned by the old clock would be lost, so the change is refused."""
    own = _own_reactor()
    call = own.callLater(60, lambda: None)
    with pytest.raises(RuntimeError, match="already has delayed calls"):
        use_monotonic_seconds(own)
    call.cancel()


class FaultyLibrary:
    """The C library, but for the answer of timerfd_settime when the clock was just set."""

    def __init__(self, number: int) -> None:
        self.timerfd_create = ctypes.CDLL(None, use_errno=True).timerfd_create
        self._number = number

    def timerfd_settime(self, *_: Any) -> int:
        ctypes.set_errno(self._number)
        return -1


def _break(wake_up: KernelWakeUp, number: int) -> None:
    wake_up._libc = FaultyLibrary(number)  # type: ignore[assignment]  # the fault


def test_a_step_found_while_arming_is_reported() -> None:
    """The kernel reports a step once, also to whoever arms; `on_step` hears of it."""
    own = _own_reactor()
    heard: list[str] = []
    wake_up = KernelWakeUp(
        own, on_due=lambda: heard.append("due"), on_step=lambda: heard.append("step")
    )
    _break(wake_up, errno.ECANCELED)
    wake_up.arm(START)
    own.runUntilCurrent()
    wake_up.close()
    assert heard == ["step"]


def test_a_refused_wake_up_says_why() -> None:
    """Any other failure of the kernel is an OSError with the call's name."""
    wake_up = KernelWakeUp(_own_reactor(), on_due=_nothing, on_step=_nothing)
    _break(wake_up, errno.EINVAL)
    with pytest.raises(OSError, match="timerfd_settime: Invalid argument"):
        wake_up.arm(START)
    wake_up.close()


def test_a_wake_up_read_too_early_says_nothing() -> None:
    """A read that finds the timer armed anew is not a wake-up."""
    own = _own_reactor()
    heard: list[str] = []
    wake_up = KernelWakeUp(
        own, on_due=lambda: heard.append("due"), on_step=lambda: heard.append("step")
    )
    wake_up.arm(datetime.now(tz=UTC) + timedelta(hours=1))
    wake_up.doRead()
    own.runUntilCurrent()
    wake_up.close()
    assert heard == []
    assert wake_up.logPrefix() == "wake-up"


@pytest.mark.live
async def test_a_kernel_wake_up_fires_at_the_instant() -> None:
    """The kernel wakes the reactor just after the instant, and never before it."""
    woken: Deferred[datetime] = Deferred()
    wake_up = KernelWakeUp(
        reactor,
        on_due=lambda: woken.callback(datetime.now(tz=UTC)),
        on_step=lambda: woken.errback(AssertionError("the clock was set")),
    )
    wake_up.arm(datetime.now(tz=UTC) + timedelta(hours=1))
    instant = datetime.now(tz=UTC) + timedelta(milliseconds=50)
    wake_up.arm(instant)
    late_s = (await woken.addTimeout(5, reactor) - instant).total_seconds()
    wake_up.close()
    assert 0 <= late_s < 1
    assert wake_up.fileno() == -1


@pytest.mark.live
async def test_a_kernel_wake_up_fires_for_the_epoch() -> None:
    """An instant that the kernel would read as "disarmed" is due at once."""
    woken: Deferred[None] = Deferred()
    wake_up = KernelWakeUp(reactor, on_due=lambda: woken.callback(None), on_step=_nothing)
    wake_up.arm(datetime.fromtimestamp(0, tz=UTC))
    await woken.addTimeout(5, reactor)
    wake_up.connectionLost(None)
    assert wake_up.fileno() == -1


@pytest.mark.live
async def test_a_kernel_wake_up_notices_that_the_clock_was_set() -> None:
    """When the wall clock is set, `on_step` is called and the instant stays armed."""
    if os.geteuid() != 0:
        pytest.skip("setting the clock needs root")
    stepped: Deferred[None] = Deferred()
    woken: Deferred[None] = Deferred()
    wake_up = KernelWakeUp(
        reactor, on_due=lambda: woken.callback(None), on_step=lambda: stepped.callback(None)
    )
    wake_up.arm(datetime.now(tz=UTC) + timedelta(seconds=1))
    try:
        time.clock_settime_ns(time.CLOCK_REALTIME, time.clock_gettime_ns(time.CLOCK_REALTIME))
    except PermissionError:
        pytest.skip("setting the clock is not permitted here")
    await stepped.addTimeout(5, reactor)
    await woken.addTimeout(5, reactor)
    wake_up.close()
