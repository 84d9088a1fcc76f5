"""A daemon's records, collections and frontiers behind the storage API, all in memory."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import msgpack

from scrapy_do.api.scrapy_cloud.collections import CloudCollectionsAPI
from scrapy_do.api.scrapy_cloud.data import CloudDataAPI
from scrapy_do.api.scrapy_cloud.frontier import CloudFrontierAPI
from scrapy_do.core.job import (
    Driver,
    Finished,
    Job,
    JobRequest,
    NewJob,
    Outcome,
    Pending,
    Running,
    State,
)
from scrapy_do.operations.records import RecordKind
from scrapy_do.web.auth import Access
from scrapy_do.web.router import Dialect
from tests.factories import at
from tests.http_client import Answer, HttpClient, site_of
from tests.world import World

RUNNING = Running(since=at(0), attempt=1, process=None)
FINISHED = Finished(
    since=at(60), started=at(1), attempt=1, outcome=Outcome.SUCCESSFUL, reason="finished"
)
MSGPACK = {"Accept": "application/x-msgpack"}


class DataWorld:
    """Project 1 with two spiders, and the dialects of its data."""

    def __init__(self, root: Path, *, access: Access | None = None) -> None:
        self.world = World(root)
        self.world.put_project()
        operations = self.world.operations
        dialects: list[Dialect] = [
            *(CloudDataAPI(kind, operations.data, access=access) for kind in RecordKind),
            CloudCollectionsAPI(operations.collections, access=access),
            CloudFrontierAPI(operations.frontiers, access=access),
        ]
        self.world.archives.incoming.mkdir(exist_ok=True)
        self.http = HttpClient(
            site_of(*dialects, spool_dir=self.world.archives.incoming, clock=self.world.clock)
        )
        self._jobs = 0

    def add_job(
        self,
        spider: str = "toscrape-css",
        state: State | None = None,
        driver: Driver = Driver.CLIENT,
    ) -> Job:
        """Store a job, pending unless said otherwise."""
        self._jobs += 1
        new = NewJob(
            id=UUID(int=self._jobs),
            request=JobRequest(project="quotesbot", spider=spider),
            driver=driver,
            state=Pending(since=at(0)) if state is None else state,
            created_at=at(0),
        )
        return self.world.do(self.world.store.jobs.add(new))

    def write(self, job: Job, *values: Any, kind: str = "items", **query: Any) -> Answer:
        """POST records as JSON lines."""
        return self.post(f"/{kind}/{job.key}", *values, **query)

    def post(self, path: str, *values: Any, **query: Any) -> Answer:
        """POST values as JSON lines."""
        body = b"".join(json.dumps(value).encode() + b"\n" for value in values)
        return self.http.post(target(path, **query), body=body)

    def read(self, path: str, **query: Any) -> list[Any]:
        """GET JSON lines."""
        answer = self.http.get(target(path, **query))
        assert answer.status == 200, answer.text
        return [json.loads(line) for line in answer.text.splitlines()]

    def read_packed(self, path: str, **query: Any) -> list[Any]:
        """GET msgpack."""
        answer = self.http.get(target(path, **query), headers=MSGPACK)
        assert answer.status == 200, answer.text
        assert answer.headers["content-type"] == "application/x-msgpack; charset=UTF-8"
        unpacker = msgpack.Unpacker()  # type: ignore[attr-defined, no-untyped-call]  # the library is untyped
        unpacker.feed(answer.body)  # type: ignore[no-untyped-call] # the same
        return list(unpacker)

    def job(self, job: Job) -> Job:
        """The job as it is stored now."""
        return self.world.job(job.id)


def target(path: str, **query: Any) -> str:
    """A path with a query: lists repeat, other values are sent as text."""
    return f"{path}?{urlencode(query, doseq=True)}" if query else path
