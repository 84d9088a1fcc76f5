"""The waist: every use case once, for all dialects.

One part per concept, and here only what needs more than one of them.
"""

from dataclasses import dataclass
from uuid import UUID

from scrapy_do.core.job import Job
from scrapy_do.core.schedule import Schedule
from scrapy_do.errors import JobNotFound, ScheduleNotFound
from scrapy_do.files.job_files import JobFile, LeftOut
from scrapy_do.operations.bulk import BulkOperations
from scrapy_do.operations.changes import ChangeOperations
from scrapy_do.operations.cloud.collections import CollectionOperations
from scrapy_do.operations.cloud.frontiers import FrontierOperations
from scrapy_do.operations.jobs import CANCEL_WAIT_S, JobOperations
from scrapy_do.operations.listing import ListingOperations
from scrapy_do.operations.logs import LogOperations
from scrapy_do.operations.outputs import Output, OutputOperations, OutputStream
from scrapy_do.operations.projects import ProjectOperations, Pushed
from scrapy_do.operations.records import DataOperations
from scrapy_do.operations.schedules import ScheduleOperations
from scrapy_do.operations.server import ServerOperations
from scrapy_do.operations.status import Status, StatusOperations, Strain

__all__ = [
    "JobFile",
    "LeftOut",
    "Operations",
    "Output",
    "OutputStream",
    "Pushed",
    "Status",
    "Strain",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operations:
    """What can be asked of the daemon."""

    projects: ProjectOperations
    jobs: JobOperations
    bulk: BulkOperations
    schedules: ScheduleOperations
    outputs: OutputOperations
    logs: LogOperations
    data: DataOperations
    collections: CollectionOperations
    frontiers: FrontierOperations
    status: StatusOperations
    server: ServerOperations
    listing: ListingOperations
    changes: ChangeOperations

    async def job_or_schedule(self, identifier: UUID) -> Job | Schedule:
        """What has this identifier: to a Scrapy Do client both are jobs.

        Raises:
            JobNotFound: nothing has.
        """
        try:
            return await self.jobs.get(identifier)
        except JobNotFound:
            pass
        try:
            return await self.schedules.get(identifier)
        except ScheduleNotFound:
            raise JobNotFound(identifier) from None

    async def cancel(
        self, identifier: UUID, *, by: str, force: bool = False, wait_s: float = CANCEL_WAIT_S
    ) -> None:
        """End a job or a schedule; for the end of a job it waits `wait_s` at most.

        With `force` a crawl gets no time to close its spider.

        Raises:
            JobNotFound: nothing has this identifier.
            JobNotActive: it has ended already.
        """
        found = await self.job_or_schedule(identifier)
        if isinstance(found, Job):
            await self.jobs.cancel(identifier, by=by, force=force, wait_s=wait_s)
        else:
            await self.schedules.cancel(identifier, by=by)
