"""What every part of a launcher is given by the assembling file."""

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger

_log = Logger(namespace="scrapy_do.launchers")
_Result = TypeVar("_Result")


class InThread(Protocol):
    """Runs a blocking function off the reactor thread and gives its result."""

    def __call__(self, function: Callable[[], _Result], /) -> Awaitable[_Result]:
        """Run the function; its exception is raised by the await."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The reactor (time and descriptors), the wall clock (aware, UTC), threads."""

    reactor: Any
    now: Callable[[], datetime]
    in_thread: InThread

    async def pause(self, seconds: float) -> None:
        """Let the given time pass."""
        await deferLater(self.reactor, seconds)


def background(coroutine: Coroutine[Any, Any, None], what: str) -> Deferred[None]:
    """Run a coroutine on its own; a failure is logged under `what`."""
    return Deferred.fromCoroutine(coroutine).addErrback(
        lambda failure: _log.failure("{what} failed", failure, what=what)
    )
