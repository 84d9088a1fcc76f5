"""Numbers that move in the same transaction as what they count."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Connection, select

from scrapy_do.core.job import Job, Outcome
from scrapy_do.store import tables
from scrapy_do.store.job_rows import outcome_of_state, state_name
from scrapy_do.store.upsert import adding

SEQUENCE = "sequence"
RUN = "run"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCounters:
    """How many jobs have ended since the store was made, pruned ones included.

    `run` counts those that had really started. LOST jobs are in `lost` only.
    """

    run: int = 0
    successful: int = 0
    failed: int = 0
    canceled: int = 0
    lost: int = 0


def next_sequences(connection: Connection, count: int) -> range:
    """The next numbers of the store's one sequence."""
    statement = _numbering(connection.dialect.name)
    last = int(connection.execute(statement, {"name": SEQUENCE, "value": count}).scalar_one())
    return range(last - count + 1, last + 1)


@cache
def _numbering(dialect: str) -> Any:  # noqa: ANN401 - of the dialect
    return adding(dialect, tables.counters, "value").returning(tables.counters.c.value)


def count_moves(connection: Connection, moves: Iterable[tuple[Job | None, Job | None]]) -> None:
    """Count jobs that were added (from None), moved, or deleted (to None)."""
    cells: Counter[tuple[int, int, str, str]] = Counter()
    totals: Counter[str] = Counter()
    for before, after in moves:
        if before is not None:
            cells[_cell(before)] -= 1
        if after is not None:
            cells[_cell(after)] += 1
            totals.update(_ended_now(before, after))
    rows = [
        {
            "project_id": project_id,
            "spider_number": spider_number,
            "state": state,
            "outcome": outcome,
            "jobs": by,
        }
        for (project_id, spider_number, state, outcome), by in cells.items()
        if by
    ]
    if rows:
        connection.execute(adding(connection.dialect.name, tables.job_counts, "jobs"), rows)
    if totals:
        connection.execute(
            adding(connection.dialect.name, tables.counters, "value"),
            [{"name": name, "value": by} for name, by in totals.items()],
        )


def _cell(job: Job) -> tuple[int, int, str, str]:
    outcome = outcome_of_state(job.state)
    return job.key.project, job.key.spider, state_name(job.state).value, outcome or ""


def _ended_now(before: Job | None, after: Job) -> Iterable[str]:
    """The totals that grow when a job gets its outcome."""
    outcome = outcome_of_state(after.state)
    if outcome is None or (before is not None and outcome_of_state(before.state) is not None):
        return
    yield outcome.value
    finished: Any = getattr(after.state, "finished", after.state)
    if finished.started is not None:
        yield RUN


def read_counters(connection: Connection) -> JobCounters:
    """The totals."""
    table = tables.counters
    rows: Mapping[str, int] = {
        row.name: row.value for row in connection.execute(select(table.c.name, table.c.value))
    }
    return JobCounters(
        run=rows.get(RUN, 0),
        successful=rows.get(Outcome.SUCCESSFUL, 0),
        failed=rows.get(Outcome.FAILED, 0),
        canceled=rows.get(Outcome.CANCELED, 0),
        lost=rows.get(Outcome.LOST, 0),
    )
