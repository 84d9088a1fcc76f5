"""What surprises: time, chance and threads, in one value that every part is given."""

from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from random import Random, SystemRandom
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger

from scrapy_do.errors import Unavailable
from scrapy_do.system.clock import MakeWakeUp, make_wake_up

_log = Logger(namespace="scrapy_do.background")
_Result = TypeVar("_Result")


class InThread(Protocol):
    """Runs a blocking function off the reactor thread and gives its result."""

    def __call__(self, function: Callable[[], _Result], /) -> Awaitable[_Result]:
        """Run the function; its exception is raised by the await."""
        ...


class Delayed(Protocol):
    """A call that will be made later (Twisted's IDelayedCall, as far as we use it)."""

    def active(self) -> bool:
        """Whether it is still to be made."""
        ...

    def cancel(self) -> None:
        """Do not make it."""
        ...


class Delays(Protocol):
    """Makes calls later (Twisted's IReactorTime, as far as we use it)."""

    def seconds(self) -> float:
        """The time of a clock that nobody can set; only differences mean something."""
        ...

    def callLater(  # noqa: N802 - Twisted's name
        self, delay: float, call: Callable[..., object], /, *arguments: object
    ) -> Delayed:
        """Make a call after so many seconds."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """The reactor, the wall clock (aware, UTC) with its alarms, chance, and threads."""

    reactor: Any
    now: Callable[[], datetime]
    rng: Random
    in_thread: InThread
    make_wake_up: MakeWakeUp

    @classmethod
    def of(cls, reactor: Any) -> "Runtime":  # noqa: ANN401 - of many interfaces
        """The real one, with the threads of a reactor."""

        def in_thread(function: Callable[[], _Result]) -> Awaitable[_Result]:
            return deferToThreadPool(reactor, reactor.getThreadPool(), function)

        return cls(
            reactor=reactor,
            now=_now,
            rng=SystemRandom(),
            in_thread=in_thread,
            make_wake_up=partial(make_wake_up, reactor, _now),
        )

    def repairing(self, repair: Callable[[], bool]) -> "Runtime":
        """The same, but a call in a thread that the modes of files forbid leads to a repair.

        Where `repair` says that there was something to repair, the call fails as `Unavailable`:
        made again it goes well.
        """
        in_thread = self.in_thread

        async def repaired(function: Callable[[], _Result]) -> _Result:
            try:
                return await in_thread(function)
            except PermissionError as error:
                if await in_thread(repair):
                    raise Unavailable(f"{error.filename} was closed; it is open again") from error
                raise

        return replace(self, in_thread=repaired)

    async def pause(self, seconds: float) -> None:
        """Let the given time pass."""
        await deferLater(self.reactor, seconds)


def _now() -> datetime:
    return datetime.now(UTC)


def background(coroutine: Coroutine[Any, Any, None], what: str) -> Deferred[None]:
    """Run a coroutine on its own; a failure is logged under `what`.

    The Deferred fires with None when it is over, whatever its end.
    """
    # Nothing of who asked for something else: see Note [Sight] in `core/sight.py`.
    begun: Deferred[None] = Context().run(Deferred.fromCoroutine, coroutine)
    return begun.addErrback(lambda failure: _log.failure("{what} failed", failure, what=what))
