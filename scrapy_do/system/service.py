"""What runs from the start of the daemon to its stop: one list, one order."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from twisted.logger import Logger

_log = Logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Farewell:
    """How the daemon stops: whether crawls run on, and whether the next program takes over.

    With `hand_over` connections that come from now on wait for that program.
    """

    leave_crawls: bool
    hand_over: bool = False


CRASH = Farewell(leave_crawls=True)
"""As after a crash: the next daemon goes on with what there is."""


class Service(Protocol):
    """Does its work from `start` to `stop`; `problem` says why it does not, None if it does."""

    @property
    def name(self) -> str:
        """What it is called where it is told how the daemon is."""
        ...

    @property
    def problem(self) -> str | None:
        """What is wrong, None when all is well."""
        ...

    async def start(self) -> None:
        """Begin; when this raises the daemon does not start."""
        ...

    async def stop(self, farewell: Farewell) -> None:
        """Take no new work and finish what is in hand."""
        ...


class Services:
    """Services that are started in their order and stopped in the opposite one."""

    def __init__(self, services: Iterable[Service]) -> None:
        self._services = tuple(services)
        self._started: list[Service] = []

    async def start(self) -> None:
        """Start them all; if one cannot be, those before it are stopped, and crawls left alone."""
        for service in self._services:
            try:
                await service.start()
            except BaseException:
                await self._stop(CRASH)
                raise
            self._started.append(service)

    async def stop(self, farewell: Farewell) -> None:
        """Stop what was started, also after one of them failed to stop.

        Raises:
            Exception: what the first of them raised.
        """
        failures = await self._stop(farewell)
        if failures:
            raise failures[0]

    async def _stop(self, farewell: Farewell) -> list[Exception]:
        failures: list[Exception] = []
        while self._started:
            service = self._started.pop()
            try:
                await service.stop(farewell)
            except Exception as error:  # noqa: BLE001 - the edge: the others are stopped all the same
                _log.failure("{service} could not be stopped in order", service=service.name)
                failures.append(error)
        return failures

    def problems(self) -> dict[str, str]:
        """What is wrong, by the names of services; empty when all is well."""
        return {one.name: one.problem for one in self._services if one.problem is not None}
