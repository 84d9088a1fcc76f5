"""The Scrapy Cloud dialect: what its official client and its deploy tool speak.

Each service for storage is a dialect with a prefix of its own beside the dash API, so that
one port serves them all.
"""

from scrapy_do.api.scrapy_cloud.access import DASH, KeyAccess, own_projects
from scrapy_do.api.scrapy_cloud.data_services import data_services
from scrapy_do.api.scrapy_cloud.deploy import CloudDeployAPI
from scrapy_do.api.scrapy_cloud.jobq import CloudJobQAPI
from scrapy_do.api.scrapy_cloud.jobs import CloudJobsAPI
from scrapy_do.api.scrapy_cloud.legacy_data import CloudLegacyDataAPI
from scrapy_do.api.scrapy_cloud.metadata import CloudMetadataAPI
from scrapy_do.api.scrapy_cloud.projects import project_services
from scrapy_do.api.scrapy_cloud.spiders import CloudSpidersAPI
from scrapy_do.operations.cloud.jobs import CloudOperations
from scrapy_do.operations.operations import Operations
from scrapy_do.web.auth import Access
from scrapy_do.web.permits import PERMITS
from scrapy_do.web.router import Dialect, Router


class CloudDashAPI:
    """The dash API: jobs, their data as it was once read, and deploying, below one prefix."""

    prefix = "/api"

    def __init__(
        self,
        operations: Operations,
        cloud: CloudOperations,
        *,
        access: Access,
        archive_bytes: int,
    ) -> None:
        self.router = Router(
            permits=PERMITS,
            style=DASH,
            any_slash=True,
            access=KeyAccess(access),
            guard=own_projects,
        )
        CloudJobsAPI(cloud).add_to(self.router)
        CloudLegacyDataAPI(cloud, operations.data).add_to(self.router)
        CloudDeployAPI(operations, cloud, archive_bytes=archive_bytes).add_to(self.router)


def cloud_dialects(
    operations: Operations,
    cloud: CloudOperations,
    *,
    access: Access,
    archive_bytes: int,
) -> tuple[Dialect, ...]:
    """Make all of the dialect.

    `access` is the site's: its keys are good here too, but nobody comes in without one.
    `archive_bytes` bounds a deployed egg.
    """
    return (
        CloudDashAPI(operations, cloud, access=access, archive_bytes=archive_bytes),
        CloudSpidersAPI(cloud, access=access),
        CloudJobQAPI(cloud, access=access),
        CloudMetadataAPI(cloud, access=access),
        *project_services(cloud, access=access),
        *data_services(operations, cloud.tokens, access=access),
    )
