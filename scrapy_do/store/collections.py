"""The collections of the store: values by key, written together, read in pages.

A page is bounded by bytes as well, for a value may have a megabyte.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    delete,
    func,
    insert,
    select,
    tuple_,
    update,
)

from scrapy_do.core.collection import KEPT_FOR, CollectionName, KeyRange, StoredValue
from scrapy_do.core.collection import CollectionKind as Kind
from scrapy_do.core.instants import ms_of
from scrapy_do.store.changes import in_batches
from scrapy_do.store.cloud_tables import collection_values, collections
from scrapy_do.store.database import Database

PAGE_VALUES = 1000
PAGE_BYTES = 256 * 1024
REMOVED_AT_ONCE = 2000

_FETCHED_TOGETHER = 16  # rows; so that a page of large values is not all fetched at once
_values = collection_values


@dataclass(frozen=True, slots=True, kw_only=True)
class ValuePage:
    """Some values in the order of their keys; whether there may be more behind them."""

    values: list[StoredValue]
    has_more: bool


class Collections:
    """Collections of all projects. One exists from its first write until it is removed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- looking -------------------------------------------------------------------------------

    async def names(self, project: int) -> list[CollectionName]:
        """The collections of a project, by name."""
        query = (
            select(collections.c.kind, collections.c.name)
            .where(collections.c.project_id == project, ~collections.c.removed)
            .order_by(collections.c.name, collections.c.kind)
        )
        return await self._database.read(
            lambda connection: [
                CollectionName(project=project, kind=Kind(row.kind), name=row.name)
                for row in connection.execute(query)
            ]
        )

    async def page(self, name: CollectionName, wanted: KeyRange, *, now: datetime) -> ValuePage:
        """The first values of a range of keys; none of a collection that does not exist."""
        query = (
            select(_values.c.key, _values.c.written_ms, _values.c.value)
            .where(*_conditions(name, wanted, now))
            .order_by(_values.c.key)
            .limit(PAGE_VALUES)
        )
        return await self._database.read(lambda connection: _page(connection, query))

    async def count(self, name: CollectionName, wanted: KeyRange, *, now: datetime) -> int:
        """How many values a range of keys has."""
        query = select(func.count()).select_from(_values).where(*_conditions(name, wanted, now))
        return await self._database.read(
            lambda connection: int(connection.execute(query).scalar_one())
        )

    # --- changing ------------------------------------------------------------------------------

    async def put(
        self, name: CollectionName, pairs: Sequence[tuple[str, str]], *, now: datetime
    ) -> None:
        """Store values, each a key and a JSON text; of the same key the last one counts.

        Makes the collection if it is new. All values get one time, later than that of every
        write before. The project must exist.
        """

        def work(connection: Connection) -> None:
            collection_id, written_ms = _opened(connection, name, now)
            last = dict(pairs)
            if name.kind.versions == 1:
                _delete_keys(connection, collection_id, list(last))
            expires_ms = ms_of(now + KEPT_FOR) if name.kind.expires else None
            rows = [
                {
                    "collection_id": collection_id,
                    "key": key,
                    "written_ms": written_ms,
                    "expires_ms": expires_ms,
                    "value": text,
                }
                for key, text in last.items()
            ]
            if rows:
                connection.execute(insert(_values), rows)
            if name.kind.versions > 1:
                _forget_versions(connection, collection_id, list(last), name.kind.versions)
            if name.kind.expires:
                _forget_expired(connection, now)

        await self._database.transact(work)

    async def delete(self, name: CollectionName, keys: Sequence[str]) -> None:
        """Delete values with all their versions; unknown keys are no trouble."""

        def work(connection: Connection) -> None:
            collection_id = connection.execute(select(_id_of(name))).scalar()
            if collection_id is not None:
                _delete_keys(connection, collection_id, keys)

        await self._database.transact(work)

    async def remove(self, project: int, name: str) -> None:
        """Remove the collections of a name, of all kinds; `purge` then deletes their values."""
        statement = update(collections).where(
            collections.c.project_id == project,
            collections.c.name == name,
            ~collections.c.removed,
        )
        await self._database.transact(
            lambda connection: connection.execute(statement.values(removed=True)) and None
        )

    async def purge(self) -> bool:
        """Delete some values of removed collections; whether there are more."""

        def work(connection: Connection) -> bool:
            removed = select(collections.c.id).where(collections.c.removed)
            some = _versions_where(_values.c.collection_id.in_(removed))
            deleted = connection.execute(delete(_values).where(some)).rowcount
            if deleted < REMOVED_AT_ONCE:
                connection.execute(delete(collections).where(collections.c.removed))
            return deleted == REMOVED_AT_ONCE

        return await self._database.transact(work)

    async def rename(self, project: int, name: str, new_name: str) -> bool:
        """Rename the collections of a name, of all kinds; False if the new name is taken."""

        def work(connection: Connection) -> bool:
            own = (collections.c.project_id == project, ~collections.c.removed)
            taken = select(collections.c.id).where(*own, collections.c.name == new_name)
            if connection.execute(taken.limit(1)).first() is not None:
                return False
            connection.execute(
                update(collections).where(*own, collections.c.name == name).values(name=new_name)
            )
            return True

        return await self._database.transact(work)


def _id_of(name: CollectionName) -> Any:  # noqa: ANN401 - a subquery for one number
    return (
        select(collections.c.id)
        .where(
            collections.c.project_id == name.project,
            collections.c.name == name.name,
            collections.c.kind == name.kind.value,
            ~collections.c.removed,
        )
        .scalar_subquery()
    )


def _conditions(
    name: CollectionName, wanted: KeyRange, now: datetime
) -> Sequence[ColumnElement[bool]]:
    conditions = [_values.c.collection_id == _id_of(name)]
    # One lower bound: of two a database may search by the other one, from the beginning.
    if wanted.after is not None and wanted.after >= wanted.first:
        conditions.append(_values.c.key > wanted.after)
    else:
        conditions.append(_values.c.key >= wanted.first)
    if wanted.before is not None:
        conditions.append(_values.c.key < wanted.before)
    if wanted.keys is not None:
        conditions.append(_values.c.key.in_(wanted.keys))
    if wanted.first_ms is not None:
        conditions.append(_values.c.written_ms >= wanted.first_ms)
    if wanted.before_ms is not None:
        conditions.append(_values.c.written_ms < wanted.before_ms)
    if name.kind.expires:
        conditions.append(_values.c.expires_ms > ms_of(now))
    if name.kind.versions > 1:
        conditions.append(_is_newest(wanted.before_ms))
    return conditions


def _is_newest(before_ms: int | None) -> ColumnElement[bool]:
    """The version is the newest of its key, of those written before a time."""
    other = _values.alias("other")
    newest = select(func.max(other.c.written_ms)).where(
        other.c.collection_id == _values.c.collection_id, other.c.key == _values.c.key
    )
    if before_ms is not None:
        newest = newest.where(other.c.written_ms < before_ms)
    return _values.c.written_ms == newest.scalar_subquery()


def _page(connection: Connection, query: Select[Any]) -> ValuePage:
    found: list[StoredValue] = []
    size_bytes = 0
    rows = connection.execution_options(yield_per=_FETCHED_TOGETHER).execute(query)
    for row in rows:
        found.append(StoredValue(key=row.key, written_ms=row.written_ms, text=row.value))
        size_bytes += len(row.key) + len(row.value)
        if size_bytes >= PAGE_BYTES:
            rows.close()
            return ValuePage(values=found, has_more=True)
    return ValuePage(values=found, has_more=len(found) == PAGE_VALUES)


def _opened(connection: Connection, name: CollectionName, now: datetime) -> tuple[int, int]:
    """The number of a collection, made if it is new, and the time of a write to it in ms."""
    row = connection.execute(
        select(collections.c.id, collections.c.written_ms).where(collections.c.id == _id_of(name))
    ).first()
    if row is None:
        new = {
            "project_id": name.project,
            "kind": name.kind.value,
            "name": name.name,
            "written_ms": ms_of(now),
        }
        made = connection.execute(insert(collections).values(new).returning(collections.c.id))
        return made.scalar_one(), ms_of(now)
    written_ms = max(ms_of(now), row.written_ms + 1)
    connection.execute(
        update(collections).where(collections.c.id == row.id).values(written_ms=written_ms)
    )
    return row.id, written_ms


def _delete_keys(connection: Connection, collection_id: int, keys: Sequence[str]) -> None:
    for some in in_batches(keys):
        connection.execute(
            delete(_values).where(_values.c.collection_id == collection_id, _values.c.key.in_(some))
        )


def _forget_versions(
    connection: Connection, collection_id: int, keys: Sequence[str], kept: int
) -> None:
    """Delete all but the newest versions of some keys."""
    other = _values.alias("other")
    first_to_go = (
        select(other.c.written_ms)
        .where(other.c.collection_id == _values.c.collection_id, other.c.key == _values.c.key)
        .order_by(other.c.written_ms.desc())
        .offset(kept)
        .limit(1)
        .scalar_subquery()
    )
    for some in in_batches(keys):
        connection.execute(
            delete(_values).where(
                _values.c.collection_id == collection_id,
                _values.c.key.in_(some),
                _values.c.written_ms <= first_to_go,
            )
        )


def _forget_expired(connection: Connection, now: datetime) -> None:
    """Delete some of the values whose time is over, whichever collection they are of."""
    over = (_values.c.expires_ms.is_not(None), _values.c.expires_ms <= ms_of(now))
    connection.execute(delete(_values).where(_versions_where(*over)))


def _versions_where(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """Those rows, at most `REMOVED_AT_ONCE`, that meet the conditions."""
    key = (_values.c.collection_id, _values.c.key, _values.c.written_ms)
    return tuple_(*key).in_(select(*key).where(*conditions).limit(REMOVED_AT_ONCE))
