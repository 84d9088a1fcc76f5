"""Puts runs into a new database that never were, so that a demonstration has some behind it.

They go in as a client of Scrapy Cloud could declare jobs that ran elsewhere, but for their times,
which no client may say. Each says of itself that it was made up. Blocking: run by a command.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from scrapy_do.core.job import Driver, Finished, JobRequest, NewJob, Outcome
from scrapy_do.engine.pairing import Pair
from scrapy_do.files.artifacts import Artifact, ArtifactStore
from scrapy_do.files.data_directory import DataDirectory
from scrapy_do.protocol.facts import Progress
from scrapy_do.protocol.record_file import RecordWriter
from scrapy_do.store.store import Store

TAG = "seeded"
TOLD = "Made up for the demonstration: this crawl never ran"

_MOST_BATCHES = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class FormerRun:
    """A run to be made up: its items, and the pages that it fetched, come evenly over its time.

    `failed` says why it did; "" is a run that went well, whose close reason is `reason`.
    """

    spider: str
    ended: datetime
    duration_s: float
    items: Sequence[Mapping[str, Any]]
    pages: Sequence[str]
    errors: int = 0
    reason: str = "finished"
    failed: str = ""

    @property
    def started(self) -> datetime:
        """When it began."""
        return self.ended - timedelta(seconds=self.duration_s)


def seed(root: Path, project: str, runs: Sequence[FormerRun], *, by: str) -> None:
    """Make a data directory with the former runs of a project that is not pushed yet.

    Raises:
        DataDirectoryInUse, WrongDatabase, StoreUnavailable: as `Pair.open`.
        OSError: it cannot be written.
    """
    pair = Pair(DataDirectory(root), None)
    try:
        pair.lock()
        store = pair.open()
        try:
            asyncio.run(_seed(store, ArtifactStore(root), project, runs, by))
        finally:
            store.close()
    finally:
        pair.close()


async def _seed(
    store: Store, artifacts: ArtifactStore, project: str, runs: Sequence[FormerRun], by: str
) -> None:
    await store.projects.name(project, now=min(run.started for run in runs))
    new = [_job(project, run, by) for run in runs]
    jobs = await store.jobs.add_all(new, create_spider=True)
    counted = [replace(job, progress=_progress(run)) for job, run in zip(jobs, runs, strict=True)]
    await store.jobs.save_all([*zip(counted, jobs, strict=True)])
    for job, run in zip(jobs, runs, strict=True):
        directory = artifacts.prepare(job.id)
        _write(directory / Artifact.ITEMS, run, run.items, lambda _: {"_type": "dict"})
        _write(directory / Artifact.REQUESTS, run, [{"url": url} for url in run.pages], _answer)
        _write(directory / Artifact.LOG, run, [{"message": TOLD}], _line)


def _job(project: str, run: FormerRun, by: str) -> NewJob:
    outcome = Outcome.FAILED if run.failed else Outcome.SUCCESSFUL
    return NewJob(
        id=uuid4(),
        request=JobRequest(project=project, spider=run.spider, tags=(TAG,), description=TOLD),
        driver=Driver.CLIENT,
        state=Finished(
            since=run.ended,
            started=run.started,
            attempt=1,
            outcome=outcome,
            reason=run.failed or run.reason,
        ),
        created_at=run.started,
        completed_by=by,
    )


def _progress(run: FormerRun) -> Progress:
    pages = len(run.pages)
    stats = {
        "downloader/request_count": pages,
        "downloader/response_count": pages,
        "downloader/response_status_count/200": pages,
        "elapsed_time_seconds": run.duration_s,
        "finish_reason": run.reason,
        "item_scraped_count": len(run.items),
    }
    return Progress(
        items=len(run.items),
        requests=pages,
        responses=pages,
        log_lines=1,
        errors=run.errors,
        stats=stats,
        reported_at=run.ended,
    )


def _answer(time_ms: int) -> Mapping[str, Any]:
    return {"time": time_ms, "status": 200, "method": "GET", "rs": 2048, "duration": 5, "fp": ""}


def _line(time_ms: int) -> Mapping[str, Any]:
    return {"time": time_ms, "level": logging.INFO}


def _write(
    path: Path,
    run: FormerRun,
    records: Sequence[Mapping[str, Any]],
    more: Callable[[int], Mapping[str, Any]],
) -> None:
    """Write records in batches whose times lie evenly within a run, each with more fields."""
    size = -(-len(records) // _MOST_BATCHES) or 1
    started_ms = round(run.started.timestamp() * 1000)
    with RecordWriter(path) as writer:
        for first in range(0, len(records), size):
            some = records[first : first + size]
            share = (first + len(some)) / len(records)
            now_ms = started_ms + round(share * run.duration_s * 1000)
            for record in some:
                line = json.dumps({**more(now_ms), **record}, separators=(",", ":"))
                writer.append(line.encode())
            writer.flush(now_ms)
