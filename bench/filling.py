"""Records finished jobs in the database of a Scrapy Do that is down.

`python -m bench.filling DATA_DIR COUNT` prints the id of one of them, from the middle.
"""

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

from bench.packing import PROJECT
from scrapy_do.core.job import Finished, JobRequest, NewJob, Outcome
from scrapy_do.files.data_directory import DataDirectory
from scrapy_do.store.store import Store, open_store

_BATCH = 5_000


async def fill(store: Store, count: int, now: datetime) -> list[UUID]:
    """Record jobs that have ended in the last hours, one each second at most."""
    request = JobRequest(project=PROJECT, spider="noop")
    ids = [uuid4() for _ in range(count)]
    for first in range(0, count, _BATCH):
        await store.jobs.add_all(
            [
                _ended(job_id, request, now - timedelta(seconds=count - first - place))
                for place, job_id in enumerate(ids[first : first + _BATCH])
            ]
        )
    return ids


def _ended(job_id: UUID, request: JobRequest, at: datetime) -> NewJob:
    state = Finished(
        since=at,
        started=at - timedelta(seconds=1),
        attempt=0,
        outcome=Outcome.SUCCESSFUL,
        reason="finished",
    )
    return NewJob(id=job_id, request=request, state=state, created_at=at - timedelta(seconds=2))


def main() -> None:
    store = open_store(DataDirectory(Path(sys.argv[1])).database)
    ids = asyncio.run(fill(store, int(sys.argv[2]), datetime.now(UTC)))
    store.close()
    print(ids[len(ids) // 2] if ids else "")


if __name__ == "__main__":
    main()
