"""The part of a reactor that the store's threads need, turned by hand."""

import time
from collections.abc import Callable, Coroutine
from queue import Queue
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

LONGEST_WAIT_S = 20.0


class ThreadReactor:
    """Takes calls from threads, and makes them while somebody waits for a result."""

    def __init__(self) -> None:
        self._calls: Queue[Callable[[], Any]] = Queue()

    def seconds(self) -> float:
        return time.monotonic()

    def callFromThread(self, call: Callable[..., Any], *arguments: Any) -> None:  # noqa: N802 - as IReactorFromThreads
        self._calls.put(lambda: call(*arguments))

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Wait for the result of a coroutine; raise what it raises."""
        results: list[Any] = []
        Deferred.fromCoroutine(coroutine).addBoth(results.append)
        while not results:
            self._calls.get(timeout=LONGEST_WAIT_S)()
        if isinstance(results[0], Failure):
            results[0].raiseException()
        return results[0]
