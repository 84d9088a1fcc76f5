"""Jobs in the numeric order of their Scrapy Cloud keys, a page at a time."""

from uuid import UUID

from sqlalchemy import Connection, select, tuple_

from scrapy_do.core.job import JobKey
from scrapy_do.store import tables

_jobs = tables.jobs


def keys_after(
    connection: Connection, project: int, spider: int | None, after: JobKey | None, limit: int
) -> list[tuple[JobKey, UUID]]:
    """The first keys of a project, or of one of its spiders, behind a key."""
    query = select(_jobs.c.spider_number, _jobs.c.number, _jobs.c.id).where(
        _jobs.c.project_id == project
    )
    if spider is not None:
        query = query.where(_jobs.c.spider_number == spider)
    if after is not None:
        query = query.where(
            tuple_(_jobs.c.spider_number, _jobs.c.number) > (after.spider, after.number)
        )
    query = query.order_by(_jobs.c.spider_number, _jobs.c.number).limit(limit)
    return [
        (JobKey(project=project, spider=row.spider_number, number=row.number), row.id)
        for row in connection.execute(query)
    ]
