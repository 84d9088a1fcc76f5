"""When jobs move: in each project every move has a moment of its own.

Note [Moments strictly increase]
    The queue is ordered by when jobs were accepted, lists say when they last moved, and
    clients sort by both. So moves that come together, or within one millisecond, are a
    millisecond apart, in their order. Source: Scrapy Cloud JobQ API, order of `list`.

    The last moment is left behind when it lies `LARGEST_LEAD_MS` ahead or more: then the
    clock was set back, or very many jobs were moved at once, and time must not stand still.
"""

from collections.abc import Iterable

from sqlalchemy import Connection, bindparam, select

from scrapy_do.store import tables
from scrapy_do.store.rows import Values

LARGEST_LEAD_MS = 1000

_LAST = (
    select(tables.jobs.c.changed_ms)
    .where(tables.jobs.c.project_id == bindparam("project"))
    .order_by(tables.jobs.c.sequence.desc())
    .limit(1)
)


class Moments:
    """The moments of one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._last: dict[int, int] = {}

    def moved(self, row: Values, columns: Iterable[str]) -> Values:
        """The row of a job that moves, at a moment that is later than all before it.

        Of the columns, those that show the moment of the move are moved along.
        """
        wished = row["changed_ms"]
        moment = self._next(row["project_id"], wished)
        return {**row, **{name: moment for name in columns if row[name] == wished}}

    def _next(self, project_id: int, wished_ms: int) -> int:
        last = self._last.get(project_id)
        if last is None:
            last = self._connection.execute(_LAST, {"project": project_id}).scalar()
            if last is None or last - wished_ms >= LARGEST_LEAD_MS:
                last = wished_ms - 1
        self._last[project_id] = moment = max(wished_ms, last + 1)
        return moment
