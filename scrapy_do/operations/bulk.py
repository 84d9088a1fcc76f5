"""What is done to all jobs of a filter: cancel, run again, delete.

Jobs are taken in batches from the newest to the oldest, so memory stays bounded. `upto` is the
`sequence` of the newest job that is meant: what changes or comes later is left alone.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace

from scrapy_do.core.filter import ACTIVE_STATES, JobFilter, StateName
from scrapy_do.core.job import Job
from scrapy_do.core.principal import Principal
from scrapy_do.errors import Conflict, Invalid, NotFound
from scrapy_do.operations.jobs import JobOperations

BATCH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How many jobs it was done to, and why it could not be done to others; "" when to all."""

    jobs: int = 0
    failed: int = 0
    problem: str = ""


class BulkOperations:
    """Use cases on all jobs that match a filter."""

    def __init__(self, jobs: JobOperations) -> None:
        self._jobs = jobs

    async def cancel(self, wanted: JobFilter, *, upto: int, by: str) -> Done:
        """End the active jobs of a filter; does not wait for the ends."""
        done = Done()
        async for job in self._each(wanted, ACTIVE_STATES, upto):
            try:
                await self._jobs.cancel(job.id, by=by, wait_s=0)
                done = replace(done, jobs=done.jobs + 1)
            except (NotFound, Conflict) as error:  # it ended in between
                done = replace(done, failed=done.failed + 1, problem=str(error))
        return done

    async def again(self, wanted: JobFilter, *, upto: int, by: Principal) -> Done:
        """Accept the orders of the ended jobs of a filter once more.

        Raises:
            ShuttingDown: the daemon takes no new work.
        """
        done = Done()
        async for job in self._each(wanted, frozenset({StateName.FINISHED}), upto):
            try:
                await self._jobs.again(job.id, by=by)
                done = replace(done, jobs=done.jobs + 1)
            except (NotFound, Invalid, Conflict) as error:
                done = replace(done, failed=done.failed + 1, problem=str(error))
        return done

    async def delete(self, wanted: JobFilter, *, upto: int) -> Done:
        """Remove the ended jobs of a filter with their files."""
        done = 0
        while True:
            page = await self._page(wanted, frozenset({StateName.FINISHED}), upto)
            if not page:
                return Done(jobs=done)
            done += await self._jobs.delete_all([job.id for job in page])
            upto = page[-1].sequence - 1

    async def _each(
        self, wanted: JobFilter, states: frozenset[StateName], upto: int
    ) -> AsyncGenerator[Job, None]:
        while page := await self._page(wanted, states, upto):
            for job in page:
                yield job
            upto = page[-1].sequence - 1

    async def _page(self, wanted: JobFilter, states: frozenset[StateName], upto: int) -> list[Job]:
        asked = replace(
            wanted,
            states=wanted.states & states,
            after=upto + 1,
            newer_than=None,
            skip=0,
            limit=BATCH,
        )
        return list(await self._jobs.find(asked))
