"""Looks after the database while the daemon runs: marks it, copies it, proves that it is ours."""

import sqlite3
from collections.abc import Callable
from datetime import timedelta

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from scrapy_do.errors import ScrapyDoError, StoreUnavailable
from scrapy_do.store.copies import copy_of_the_day, daily_copies, names_of_copies, time_of
from scrapy_do.store.store import Store
from scrapy_do.system.runtime import Delayed, Runtime, background
from scrapy_do.system.service import Farewell

MARK_S = 3600.0
"""How old a mark may be: a copy that is made without us is noticed if it is older."""

COPY_AGE = timedelta(days=1)
FIRST_LOOK_S = 60.0
"""When the first copy is made: not while everything starts."""
PROOF_S = 5.0
"""How long it may take until a former owner of a PostgreSQL database knows that it is one."""


class Custody:
    """The duties of an owner, each done again and again from `start` to `stop`.

    A database that is lost is told of by the store: no `problem` of ours.
    """

    name = "custody"
    problem = None

    def __init__(
        self,
        *,
        store: Store,
        runtime: Runtime,
    ) -> None:
        self._log = Logger()
        self._store = store
        self._now = runtime.now
        self._reactor = runtime.reactor
        self._in_thread = runtime.in_thread
        self._timers: dict[str, Delayed] = {}
        self._is_stopped = False
        self._copying: Deferred[None] | None = None

    async def start(self) -> None:
        """Take the duties up."""
        self._later("mark", MARK_S, self._mark)
        if self._store.path is None:
            self._later("proof", PROOF_S, self._prove)
        else:
            self._later("copy", FIRST_LOOK_S if self._store.is_checked else 0.0, self._copy)

    async def stop(self, _farewell: Farewell) -> None:
        """Lay them down; a copy that is being made is given up."""
        self._is_stopped = True
        for timer in self._timers.values():
            if timer.active():
                timer.cancel()
        if self._copying is not None:
            await self._copying

    def _later(self, name: str, delay_s: float, duty: Callable[[], None]) -> None:
        if not self._is_stopped:
            self._timers[name] = self._reactor.callLater(delay_s, duty)

    def _mark(self) -> None:
        self._later("mark", MARK_S, self._mark)
        background(self._marked(), "marking the database")

    async def _marked(self) -> None:
        try:
            await self._store.mark()
        except (ScrapyDoError, OSError) as error:
            self._log.warn("the database is not marked: {problem}", problem=str(error))

    def _prove(self) -> None:
        async def proved() -> None:
            try:
                await self._in_thread(self._store.prove_ownership)
            finally:
                self._later("proof", PROOF_S, self._prove)

        background(proved(), "proving the ownership of the database")

    def _copy(self) -> None:
        self._later("copy", MARK_S, self._copy)
        if (self._copying is None or self._copying.called) and self._is_due():
            self._copying = background(self._copied(), "copying the database")

    def _is_due(self) -> bool:
        """Whether the newest copy is a day old, or the database has not been checked yet."""
        path = self._store.path
        if path is None or not self._store.is_checked:
            return path is not None
        times = [time for copy in daily_copies(path) if (time := time_of(copy)) is not None]
        return not any(timedelta(0) <= self._now() - time < COPY_AGE for time in times)

    async def _copied(self) -> None:
        path = self._store.path
        assert path is not None  # only a file is copied
        try:
            copy = await self._in_thread(
                lambda: copy_of_the_day(path, self._now(), lambda: self._is_stopped)
            )
        except StoreUnavailable as error:
            kept = ", ".join(names_of_copies(path)) or "none"
            self._store.lose(f"{error}; copies that are kept: {kept}")
        except (OSError, sqlite3.Error) as error:
            self._log.error("the database is not copied: {problem}", problem=str(error))
        else:
            if copy is not None:
                self._store.is_checked = True
                self._log.info("the database was copied, and is whole: {path}", path=str(copy))
                await self._marked()
