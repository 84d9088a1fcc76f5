"""The services for data: records of jobs, collections, frontiers."""

from datetime import timedelta

from scrapy_do.api.scrapy_cloud.access import JobAccess
from scrapy_do.api.scrapy_cloud.collections import CloudCollectionsAPI
from scrapy_do.api.scrapy_cloud.data import CloudDataAPI
from scrapy_do.api.scrapy_cloud.frontier import CloudFrontierAPI
from scrapy_do.operations.cloud.tokens import JobTokens
from scrapy_do.operations.operations import Operations
from scrapy_do.operations.records import RecordKind
from scrapy_do.web.auth import Access
from scrapy_do.web.router import Dialect

DRAIN = timedelta(minutes=10)
"""How long after its end a job may use its token: its writers still hold data, and repeat a
batch that is refused for hours. Source: the batch writer of Scrapy Cloud's client."""


def data_services(
    operations: Operations, tokens: JobTokens, *, access: Access
) -> tuple[Dialect, ...]:
    """Make a dialect for each of the services."""
    own = JobAccess(access, tokens, drain=DRAIN)
    return (
        *(CloudDataAPI(kind, operations.data, access=own) for kind in RecordKind),
        CloudCollectionsAPI(operations.collections, access=own),
        CloudFrontierAPI(operations.frontiers, access=own),
    )
