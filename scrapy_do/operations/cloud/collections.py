"""The use cases of collections: write, scan, count, delete, remove, rename."""

from collections.abc import AsyncGenerator, AsyncIterable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from scrapy_do.core.collection import CollectionName, KeyRange, StoredValue, following
from scrapy_do.errors import BadArgument
from scrapy_do.store.store import Store
from scrapy_do.system.runtime import Runtime

WRITTEN_BYTES = 2 * 1024 * 1024
"""How much is written in one transaction, at most, but for its last value."""

BATCH_BYTES = 1024 * 1024
"""How much one answer of a scan in batches holds, but for its last value."""

LOOKED_UP = 500
"""How many keys of a list are looked up together."""

SCANNED = 100_000
"""How many values a counting or deleting call looks at, at most, before it answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueQuery:
    """Which values of a collection: all that meet every field that is set.

    `start` is inclusive. Of each of the `prefixes` at most `prefix_count` values. See
    `KeyRange` for the times.
    """

    keys: tuple[str, ...] | None = None
    prefixes: tuple[str, ...] = ()
    prefix_count: int | None = None
    start: str = ""
    start_after: str | None = None
    first_ms: int | None = None
    before_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionTally:
    """What a call has counted or deleted, how many values it looked at, and where it stopped.

    `next_start` is the key to go on with, None at the end.
    """

    passed: int
    scanned: int
    next_start: str | None = None


class ValueTaker(Protocol):
    """Makes bytes of values, in threads; see `data.Taker`."""

    is_full: bool

    def take(self, values: Sequence[StoredValue]) -> bytes:
        """What some values become; may be nothing."""
        ...


Passes = Callable[[StoredValue], bool]
"""Whether a value is wanted, by its content."""


class CollectionOperations:
    """Every use case of collections."""

    def __init__(self, *, store: Store, runtime: Runtime) -> None:
        self._store = store
        self._now = runtime.now
        self._in_thread = runtime.in_thread

    # --- looking -------------------------------------------------------------------------------

    async def names(self, project: int) -> list[CollectionName]:
        """The collections of a project, by name."""
        return await self._store.collections.names(project)

    async def find(self, name: CollectionName, key: str) -> StoredValue | None:
        """The value of a key, if there is one."""
        page = await self._store.collections.page(name, KeyRange(keys=(key,)), now=self._now())
        return page.values[0] if page.values else None

    async def read(
        self, name: CollectionName, query: ValueQuery, taker: ValueTaker
    ) -> AsyncGenerator[bytes, None]:
        """What a taker makes of the values, in the order of their keys.

        Nothing of a collection that does not exist.
        """
        async for values in self._scan(name, query):
            made = await self._in_thread(_step(taker, values))
            if made:
                yield made
            if taker.is_full:
                return

    async def count(
        self, name: CollectionName, query: ValueQuery, passes: Passes | None = None
    ) -> CollectionTally:
        """Count values: all at once, or as many as `SCANNED` if their content matters."""
        if passes is None and query.prefix_count is None and query.keys is None:
            total = 0
            for wanted, _ in _ranges(query):
                total += await self._store.collections.count(name, wanted, now=self._now())
            return CollectionTally(passed=total, scanned=total)
        return await self._look(name, query, passes, delete=False)

    async def batch(
        self, name: CollectionName, query: ValueQuery, passes: Passes, *, most: int, scanned: int
    ) -> tuple[list[StoredValue], str | None]:
        """The first values that pass, `most` of them, after looking at `scanned` at most.

        Also the key to go on with, None at the end. Large values make fewer.
        """
        found: list[StoredValue] = []
        left, left_bytes = scanned, BATCH_BYTES
        async for values in self._scan(name, query):
            passing = await self._in_thread(_passing(passes, values))
            kept = {value.key for value in passing}
            for value in values:
                if not left or len(found) >= most or left_bytes <= 0:
                    return found, value.key
                left -= 1
                if value.key in kept:
                    found.append(value)
                    left_bytes -= len(value.text)
        return found, None

    # --- changing ------------------------------------------------------------------------------

    async def write(
        self, name: CollectionName, runs: AsyncIterable[Sequence[tuple[str, str]]]
    ) -> None:
        """Store values: keys and JSON texts that were judged before. May be repeated.

        Raises:
            ProjectNotFound: there is no such project.
            NoSpace, StoreUnavailable: it can be tried again.
        """
        await self._store.projects.get_by_id(name.project)
        held: list[tuple[str, str]] = []
        held_bytes = 0
        is_new = True
        async for pairs in runs:
            for pair in pairs:
                held.append(pair)
                held_bytes += len(pair[0]) + len(pair[1])
                if held_bytes >= WRITTEN_BYTES:
                    await self._store.collections.put(name, held, now=self._now())
                    held, held_bytes, is_new = [], 0, False
        if held or is_new:
            await self._store.collections.put(name, held, now=self._now())

    async def delete(self, name: CollectionName, keys: Sequence[str]) -> None:
        """Delete values by key; unknown ones are no trouble."""
        await self._store.collections.delete(name, keys)

    async def delete_all(
        self, name: CollectionName, query: ValueQuery, passes: Passes | None = None
    ) -> CollectionTally:
        """Delete the values that a query finds, as many as `SCANNED` at once."""
        return await self._look(name, query, passes, delete=True)

    async def remove(self, project: int, name: str) -> None:
        """Remove the collections of a name, of all kinds, at once for every reader."""
        await self._store.collections.remove(project, name)
        while await self._store.collections.purge():
            pass

    async def rename(self, project: int, name: str, new_name: str) -> None:
        """Rename the collections of a name, of all kinds; nothing if there are none.

        Raises:
            BadArgument: the new name is taken.
        """
        if not await self._store.collections.rename(project, name, new_name):
            raise BadArgument("new_name", f"there is a collection {new_name} already")

    # --- pages ---------------------------------------------------------------------------------

    async def _scan(
        self, name: CollectionName, query: ValueQuery
    ) -> AsyncGenerator[list[StoredValue], None]:
        """The values of a query in runs, before their content is looked at."""
        for wanted, limit in _ranges(query):
            rest: KeyRange | None = wanted
            left = limit
            while rest is not None and left != 0:
                page = await self._store.collections.page(name, rest, now=self._now())
                values = page.values if left is None else page.values[:left]
                left = None if left is None else left - len(values)
                rest = replace(rest, after=values[-1].key) if page.has_more else None
                if values:
                    yield values

    async def _look(
        self, name: CollectionName, query: ValueQuery, passes: Passes | None, *, delete: bool
    ) -> CollectionTally:
        passed = scanned = 0
        async for values in self._scan(name, query):
            if scanned >= SCANNED:
                return CollectionTally(passed=passed, scanned=scanned, next_start=values[0].key)
            kept = values if passes is None else await self._in_thread(_passing(passes, values))
            if delete:
                await self._store.collections.delete(name, [value.key for value in kept])
            passed += len(kept)
            scanned += len(values)
        return CollectionTally(passed=passed, scanned=scanned)


def _step(taker: ValueTaker, values: Sequence[StoredValue]) -> Callable[[], bytes]:
    return lambda: taker.take(values)


def _passing(passes: Passes, values: Sequence[StoredValue]) -> Callable[[], list[StoredValue]]:
    return lambda: [value for value in values if passes(value)]


def _ranges(query: ValueQuery) -> list[tuple[KeyRange, int | None]]:
    """The ranges of keys of a query, in order, each with how many values are wanted of it."""
    whole = KeyRange(
        first=query.start,
        after=query.start_after,
        first_ms=query.first_ms,
        before_ms=query.before_ms,
    )
    if query.keys is not None:
        keys = sorted(set(query.keys))
        if query.prefixes:
            keys = [key for key in keys if key.startswith(query.prefixes)]
        some = [tuple(keys[first : first + LOOKED_UP]) for first in range(0, len(keys), LOOKED_UP)]
        return [(replace(whole, keys=listed), None) for listed in some]
    if not query.prefixes:
        return [(whole, None)]
    return [
        (
            replace(whole, first=max(query.start, prefix), before=following(prefix)),
            query.prefix_count,
        )
        for prefix in _outermost(query.prefixes)
    ]


def _outermost(prefixes: Sequence[str]) -> list[str]:
    """Prefixes in order, without those that begin with another one."""
    found: list[str] = []
    for prefix in sorted(set(prefixes)):
        if not found or not prefix.startswith(found[-1]):
            found.append(prefix)
    return found
