"""The use cases of crawl frontiers: add, read, delete."""

from collections.abc import AsyncGenerator, AsyncIterable, Sequence

from scrapy_do.core.frontier import FrontierBatch, NewRequest, SlotName
from scrapy_do.store.store import Store

ADDED_TOGETHER = 5000
ADDED_BYTES = 2 * 1024 * 1024


class FrontierOperations:
    """Every use case of frontiers."""

    def __init__(self, *, store: Store) -> None:
        self._store = store

    async def frontiers(self, project: int) -> list[str]:
        """The names of a project's frontiers."""
        return await self._store.frontiers.frontiers(project)

    async def slots(self, project: int, frontier: str) -> list[str]:
        """The names of a frontier's slots."""
        return await self._store.frontiers.slots(project, frontier)

    async def add(self, name: SlotName, runs: AsyncIterable[Sequence[NewRequest]]) -> int:
        """Queue those requests that the slot has not seen, and say how many those are.

        They were judged before. May be repeated: what is stored already is not new.

        Raises:
            ProjectNotFound: there is no such project.
            NoSpace, StoreUnavailable: it can be tried again.
        """
        await self._store.projects.get_by_id(name.project)
        added = 0
        held: list[NewRequest] = []
        held_bytes = 0
        is_new = True
        async for requests in runs:
            for request in requests:
                held.append(request)
                held_bytes += len(request.text) + len(request.value or "")
                if len(held) >= ADDED_TOGETHER or held_bytes >= ADDED_BYTES:
                    added += await self._store.frontiers.add(name, held)
                    held, held_bytes, is_new = [], 0, False
        if held or is_new:
            added += await self._store.frontiers.add(name, held)
        return added

    async def batches(
        self, name: SlotName, least: int | None
    ) -> AsyncGenerator[Sequence[FrontierBatch], None]:
        """The batches of a queue, lowest priority and then oldest first; they stay in it.

        Until they hold at least that many requests; None for all.
        """
        after: FrontierBatch | None = None
        has_more = True
        requests = 0
        while has_more and (least is None or requests < least):
            page, has_more = await self._store.frontiers.page(name, after)
            wanted = []
            for batch in page:
                if least is not None and requests >= least:
                    break
                wanted.append(batch)
                requests += batch.requests
            if wanted:
                after = wanted[-1]
                yield wanted

    async def count(self, name: SlotName) -> int:
        """How many requests wait in a queue."""
        return await self._store.frontiers.count(name)

    async def delete(self, name: SlotName, numbers: Sequence[int]) -> None:
        """Delete batches; their fingerprints stay seen."""
        await self._store.frontiers.delete(name, numbers)

    async def fingerprints(
        self, name: SlotName
    ) -> AsyncGenerator[Sequence[tuple[str, str | None]], None]:
        """The fingerprints that a slot has seen, in order, with the JSON kept with them."""
        after: str | None = None
        while page := await self._store.frontiers.fingerprints(name, after):
            yield page
            after = page[-1][0]

    async def remove(self, name: SlotName) -> None:
        """Remove a slot with all it has seen, at once for every reader."""
        await self._store.frontiers.remove(name)
        while await self._store.frontiers.purge():
            pass
