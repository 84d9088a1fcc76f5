"""Coroutines that nobody waits for: their failures are logged, never lost."""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger

_log = Logger(namespace="scrapy_do.control")
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
        self, delay: float, call: Callable[..., object], /
    ) -> Delayed:
        """Make a call after so many seconds."""
        ...


def background(coroutine: Coroutine[Any, Any, None], what: str) -> Deferred[None]:
    """Run a coroutine on its own; a failure is logged under `what`.

    The Deferred fires with None when it is over, whatever its end.
    """
    return Deferred.fromCoroutine(coroutine).addErrback(
        lambda failure: _log.failure("{what} failed", failure, what=what)
    )
