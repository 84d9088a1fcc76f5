"""Who did what, and from where: lines that nothing changes, until they are old."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select

from scrapy_do.core.accounts import AuditLine
from scrapy_do.core.instants import instant_of, ms_of
from scrapy_do.store import tables
from scrapy_do.store.database import Database
from scrapy_do.store.rows import AnyRow

_audit = tables.audit
_LONGEST = 500


class Audit:
    """The lines."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, lines: Sequence[AuditLine]) -> None:
        """Store lines, in their order."""

        def work(connection: Connection) -> None:
            for line in lines:
                note_deed(connection, line)

        await self._database.transact(work)

    async def find(self, *, before: int | None, limit: int) -> list[AuditLine]:
        """The newest lines, of those before a number if one is given."""
        query = select(_audit).order_by(_audit.c.number.desc()).limit(limit)
        if before is not None:
            query = query.where(_audit.c.number < before)
        return await self._database.read(
            lambda connection: [_line_of(row) for row in connection.execute(query)]
        )

    async def prune(self, *, older_than: datetime | None, kept: int) -> None:
        """Remove the lines that are older, and all but the newest `kept`."""
        last = select(func.max(_audit.c.number)).scalar_subquery()
        surplus = _audit.c.number <= last - kept
        old = surplus if older_than is None else surplus | (_audit.c.at_ms < ms_of(older_than))
        if await self._database.read(
            lambda connection: connection.execute(select(_audit.c.number).where(old)).first()
        ):
            await self._database.transact(
                lambda connection: connection.execute(delete(_audit).where(old)) and None
            )


def note_deed(connection: Connection, line: AuditLine) -> None:
    """Write a line, in the transaction of what it is about."""
    connection.execute(
        insert(_audit).values(
            at_ms=ms_of(line.at),
            principal=_storable(line.principal) or "-",
            address=line.address,
            action=line.action,
            project_id=line.project_id,
            subject=_storable(line.subject),
            detail={name: _storable(text) for name, text in line.detail.items()},
        )
    )


def _storable(text: str) -> str:
    """A text that every database takes, and no longer than a line should be."""
    whole = text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
    return whole if len(whole) <= _LONGEST else f"{whole[:_LONGEST]}…"


def _line_of(row: AnyRow) -> AuditLine:
    return AuditLine(
        number=row.number,
        at=instant_of(row.at_ms),
        principal=row.principal,
        address=row.address,
        action=row.action,
        project_id=row.project_id,
        subject=row.subject,
        detail=row.detail,
    )
