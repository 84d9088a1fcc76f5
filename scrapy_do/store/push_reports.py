"""What became of the last pushes."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, delete, insert, select

from scrapy_do.core.instants import instant_of, ms_of
from scrapy_do.core.push_report import PushReport, Step
from scrapy_do.store import tables
from scrapy_do.store.database import Database
from scrapy_do.store.rows import AnyRow

_reports = tables.push_reports
_NEWEST_FIRST = _reports.c.number.desc()


class PushReports:
    """The newest reports, and no more of them than are asked to be kept."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, report: PushReport, *, kept: int) -> None:
        """Remember a report, and `kept` in all: the oldest go."""

        def work(connection: Connection) -> None:
            connection.execute(
                insert(_reports).values(id=report.id, at_ms=ms_of(report.at), report=_plain(report))
            )
            old = select(_reports.c.id).order_by(_NEWEST_FIRST).offset(kept)
            gone = connection.execute(old).scalars().all()
            connection.execute(delete(_reports).where(_reports.c.id.in_(gone)))

        await self._database.transact(work)

    async def all(self) -> list[PushReport]:
        """What is remembered, newest first."""
        query = select(_reports).order_by(_NEWEST_FIRST)
        return await self._database.read(
            lambda connection: [_report_of(row) for row in connection.execute(query)]
        )

    async def get(self, report_id: UUID) -> PushReport | None:
        """One report, None where it is not remembered."""
        query = select(_reports).where(_reports.c.id == report_id)

        def work(connection: Connection) -> PushReport | None:
            row = connection.execute(query).first()
            return None if row is None else _report_of(row)

        return await self._database.read(work)


_TEXTS = (
    *("by", "project", "version", "problem", "traceback", "missing_module", "install", "earlier"),
)
_LISTS = ("warnings", "added", "removed", "unchanged")


def _plain(report: PushReport) -> dict[str, Any]:
    return {
        **{name: _storable(getattr(report, name)) for name in _TEXTS},
        **{name: [_storable(one) for one in getattr(report, name)] for name in _LISTS},
        "steps": [
            [step.name, None if step.took is None else step.took.total_seconds(), step.failed]
            for step in report.steps
        ],
    }


def _storable(text: str | None) -> str | None:
    """A text that every database takes: what a project says may hold any character."""
    if text is None:
        return None
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def _report_of(row: AnyRow) -> PushReport:
    told = row.report
    fields: dict[str, Any] = {name: told[name] for name in _TEXTS}
    fields |= {name: tuple(told[name]) for name in _LISTS}
    return PushReport(
        id=row.id,
        at=instant_of(row.at_ms),
        steps=tuple(
            Step(name=name, took=None if took is None else timedelta(seconds=took), failed=failed)
            for name, took, failed in told["steps"]
        ),
        **fields,
    )
