"""The crawl frontiers of the store: queues of requests that know what they have seen."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, tuple_, update

from scrapy_do.core.frontier import FrontierBatch, NewRequest, SlotName, batches_of
from scrapy_do.store.changes import in_batches
from scrapy_do.store.cloud_tables import frontier_batches, frontier_fingerprints, frontier_slots
from scrapy_do.store.database import Database

PAGE_BATCHES = 100
PAGE_FINGERPRINTS = 5000
PAGE_BYTES = 256 * 1024
REMOVED_AT_ONCE = 5000

_FETCHED_TOGETHER = 8
_slots, _seen, _batches = frontier_slots, frontier_fingerprints, frontier_batches


class Frontiers:
    """Frontiers of all projects: each has slots, each slot a queue and its fingerprints.

    A slot exists from its first write until it is removed, a frontier while it has slots.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def frontiers(self, project: int) -> list[str]:
        """The names of a project's frontiers."""
        query = (
            select(_slots.c.frontier)
            .where(_slots.c.project_id == project, ~_slots.c.removed)
            .distinct()
            .order_by(_slots.c.frontier)
        )
        return await self._database.read(
            lambda connection: list(connection.execute(query).scalars())
        )

    async def slots(self, project: int, frontier: str) -> list[str]:
        """The names of a frontier's slots."""
        query = (
            select(_slots.c.slot)
            .where(_slots.c.project_id == project, _slots.c.frontier == frontier, ~_slots.c.removed)
            .order_by(_slots.c.slot)
        )
        return await self._database.read(
            lambda connection: list(connection.execute(query).scalars())
        )

    async def add(self, name: SlotName, requests: Sequence[NewRequest]) -> int:
        """Queue the requests whose fingerprints are new, and say how many those are.

        Makes the slot if it is new. The project must exist.
        """

        def work(connection: Connection) -> int:
            slot_id = _opened(connection, name)
            fresh = _fresh(connection, slot_id, requests)
            if fresh:
                rows = [
                    {"slot_id": slot_id, "fingerprint": one.fingerprint, "value": one.value}
                    for one in fresh
                ]
                connection.execute(insert(_seen), rows)
            for priority, count, content in batches_of(fresh):
                connection.execute(
                    insert(_batches).values(
                        slot_id=slot_id, priority=priority, requests=count, content=content
                    )
                )
            return len(fresh)

        return await self._database.transact(work)

    async def page(
        self, name: SlotName, after: FrontierBatch | None
    ) -> tuple[list[FrontierBatch], bool]:
        """The first batches behind one, lowest priority and then oldest first.

        Also whether there may be more behind them.
        """
        order = (_batches.c.priority, _batches.c.number)
        query = select(_batches).where(_batches.c.slot_id == _id_of(name))
        if after is not None:
            query = query.where(tuple_(*order) > (after.priority, after.number))
        query = query.order_by(*order).limit(PAGE_BATCHES)

        def work(connection: Connection) -> tuple[list[FrontierBatch], bool]:
            found = []
            size_bytes = 0
            rows = connection.execution_options(yield_per=_FETCHED_TOGETHER).execute(query)
            for row in rows:
                found.append(
                    FrontierBatch(
                        number=row.number,
                        priority=row.priority,
                        requests=row.requests,
                        content=row.content,
                    )
                )
                size_bytes += len(row.content)
                if size_bytes >= PAGE_BYTES:
                    rows.close()
                    return found, True
            return found, len(found) == PAGE_BATCHES

        return await self._database.read(work)

    async def count(self, name: SlotName) -> int:
        """How many requests wait in a queue."""
        total = func.coalesce(func.sum(_batches.c.requests), 0)
        query = select(total).where(_batches.c.slot_id == _id_of(name))
        return await self._database.read(
            lambda connection: int(connection.execute(query).scalar_one())
        )

    async def delete(self, name: SlotName, numbers: Sequence[int]) -> None:
        """Delete batches, not their fingerprints; unknown ones are no trouble."""

        def work(connection: Connection) -> None:
            for some in in_batches(numbers):
                connection.execute(
                    delete(_batches).where(
                        _batches.c.slot_id == _id_of(name), _batches.c.number.in_(some)
                    )
                )

        await self._database.transact(work)

    async def fingerprints(self, name: SlotName, after: str | None) -> list[tuple[str, str | None]]:
        """A page of the fingerprints behind one, in their order, with what came with them."""
        query = select(_seen.c.fingerprint, _seen.c.value).where(_seen.c.slot_id == _id_of(name))
        if after is not None:
            query = query.where(_seen.c.fingerprint > after)
        query = query.order_by(_seen.c.fingerprint).limit(PAGE_FINGERPRINTS)
        return await self._database.read(
            lambda connection: [(row.fingerprint, row.value) for row in connection.execute(query)]
        )

    async def remove(self, name: SlotName) -> None:
        """Remove a slot, if there is one; `purge` then deletes what was in it."""
        statement = update(_slots).where(_slots.c.id == _id_of(name)).values(removed=True)
        await self._database.transact(lambda connection: connection.execute(statement) and None)

    async def purge(self) -> bool:
        """Delete something of removed slots; whether there is more."""

        def work(connection: Connection) -> bool:
            removed = select(_slots.c.id).where(_slots.c.removed)
            for table, key in (
                (_batches, (_batches.c.number,)),
                (_seen, (_seen.c.slot_id, _seen.c.fingerprint)),
            ):
                some = select(*key).where(table.c.slot_id.in_(removed)).limit(REMOVED_AT_ONCE)
                gone = connection.execute(delete(table).where(tuple_(*key).in_(some))).rowcount
                if gone == REMOVED_AT_ONCE:
                    return True
            connection.execute(delete(_slots).where(_slots.c.removed))
            return False

        return await self._database.transact(work)


def _id_of(name: SlotName) -> Any:  # noqa: ANN401 - a subquery for one number
    return (
        select(_slots.c.id)
        .where(
            _slots.c.project_id == name.project,
            _slots.c.frontier == name.frontier,
            _slots.c.slot == name.slot,
            ~_slots.c.removed,
        )
        .scalar_subquery()
    )


def _opened(connection: Connection, name: SlotName) -> int:
    """The number of a slot, made if it is new."""
    found = connection.execute(select(_id_of(name))).scalar()
    if found is not None:
        return int(found)
    new = {"project_id": name.project, "frontier": name.frontier, "slot": name.slot}
    return int(connection.execute(insert(_slots).values(new).returning(_slots.c.id)).scalar_one())


def _fresh(
    connection: Connection, slot_id: int, requests: Sequence[NewRequest]
) -> list[NewRequest]:
    """The requests whose fingerprints the slot has not seen, each once."""
    first: dict[str, NewRequest] = {}
    for request in requests:
        first.setdefault(request.fingerprint, request)
    for some in in_batches(list(first)):
        known = connection.execute(
            select(_seen.c.fingerprint).where(
                _seen.c.slot_id == slot_id, _seen.c.fingerprint.in_(some)
            )
        )
        for fingerprint in known.scalars():
            del first[fingerprint]
    return list(first.values())
