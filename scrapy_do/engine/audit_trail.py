"""The lines about who did what, on their way into the store."""

from twisted.logger import Logger

from scrapy_do.core.accounts import AuditLine
from scrapy_do.errors import ScrapyDoError
from scrapy_do.store.audit import Audit
from scrapy_do.system.runtime import Delayed, Runtime, background
from scrapy_do.system.service import Farewell

GATHERED_S = 0.5
"""How long lines are gathered: a sync of the disk for each would halve the orders of a second."""

AGAIN_S = 5.0
"""When it is tried again, where the database does not answer."""

MOST_WAITING = 10_000
"""How many lines wait for a database that does not answer; more are told to the log alone."""


class AuditTrail:
    """Stores lines, some together; all that were noted before a stop are stored by it."""

    name = "audit"

    def __init__(self, audit: Audit, *, runtime: Runtime) -> None:
        self._audit = audit
        self._reactor = runtime.reactor
        self._waiting: list[AuditLine] = []
        self._timer: Delayed | None = None
        self._log = Logger(namespace="scrapy_do.audit")
        self.problem: str | None = None

    async def start(self) -> None:
        """Have nothing to do yet."""

    async def stop(self, _farewell: Farewell) -> None:
        """Store what is waiting."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        await self._write()

    def note(self, line: AuditLine) -> None:
        """Have a line stored, soon."""
        if len(self._waiting) >= MOST_WAITING:
            self._log.error("not stored: {line}", line=line)
            return
        self._waiting.append(line)
        self._write_in(GATHERED_S)

    def _write_in(self, delay_s: float) -> None:
        if self._timer is None or not self._timer.active():
            self._timer = self._reactor.callLater(delay_s, self._begin)

    def _begin(self) -> None:
        background(self._write_or_wait(), "storing the audit")

    async def _write_or_wait(self) -> None:
        await self._write()
        if self._waiting:
            self._write_in(GATHERED_S if self.problem is None else AGAIN_S)

    async def _write(self) -> None:
        lines, self._waiting = self._waiting, []
        if not lines:
            return
        try:
            await self._audit.add(lines)
        except ScrapyDoError as error:
            self.problem = str(error)
            self._log.error("{count} lines wait: {error}", count=len(lines), error=error)
            waiting = [*lines, *self._waiting]
            self._waiting = waiting[:MOST_WAITING]
            for line in waiting[MOST_WAITING:]:
                self._log.error("not stored: {line}", line=line)
            return
        self.problem = None
