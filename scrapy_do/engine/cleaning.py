"""Removes old ended jobs with their files while no daemon runs. Blocking: run by a command."""

import asyncio
from datetime import datetime
from uuid import UUID

from scrapy_do.engine.pairing import Pair
from scrapy_do.files.artifacts import ArtifactStore
from scrapy_do.store.removals import Removable
from scrapy_do.store.store import Store

_BATCH = 500
_MOST_COUNTED = 1_000_000


def clean(pair: Pair, older_than: datetime, *, is_dry: bool) -> int:
    """Remove the jobs that ended before a moment; say how many. `is_dry` only counts them.

    Raises:
        DataDirectoryInUse, DatabaseInUse: a daemon runs on it.
        WrongDatabase, NewerSchema, StoreUnavailable: as `Pair.open`.
    """
    pair.lock()
    store = pair.open()
    try:
        if is_dry:
            return len(asyncio.run(_old(store, older_than, _MOST_COUNTED)))
        return asyncio.run(_clean(store, ArtifactStore(pair.directory.artifacts), older_than))
    finally:
        store.close()


async def _old(store: Store, older_than: datetime, limit: int) -> list[UUID]:
    return await store.jobs.prunable(older_than=older_than, limit=limit)


async def _clean(store: Store, artifacts: ArtifactStore, older_than: datetime) -> int:
    removed = 0
    while ids := await store.jobs.delete(await _old(store, older_than, _BATCH)):
        for job_id in ids:
            artifacts.delete(job_id)
        await store.removals.done(Removable.JOB, [str(job_id) for job_id in ids])
        removed += len(ids)
    return removed
