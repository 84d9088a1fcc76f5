"""Rows of jobs added, changed and deleted, with their tags and counts in step.

Everything here runs inside a write transaction: see Note [One writer] in `database`.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, bindparam, delete, insert, update

from scrapy_do.core.instants import ms_of
from scrapy_do.core.job import Job
from scrapy_do.core.sight import check_seen
from scrapy_do.store import tables
from scrapy_do.store.counters import count_moves, next_sequences
from scrapy_do.store.job_rows import (
    JOB_ROWS,
    STATE_COLUMNS,
    job_of,
    job_values,
    outcome_of_state,
    progress_values,
    state_name,
)
from scrapy_do.store.moments import Moments
from scrapy_do.store.rows import Values

BATCH = 500
"""How many values one statement names at most: databases bound their number."""

_CHANGE = update(tables.jobs).where(tables.jobs.c.id == bindparam("stored_id"))
"""Changes one job; the columns are those of the parameters that it is executed with."""

_MOMENTS = frozenset({"created_ms", "since_ms", "started_ms", "ended_ms", "changed_ms"})
"""The columns that may show when a job moved."""

_Item = TypeVar("_Item")


def in_batches(items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
    """The items in runs of at most `BATCH`."""
    for first in range(0, len(items), BATCH):
        yield items[first : first + BATCH]


def read_jobs(
    connection: Connection, column: ColumnElement[Any], values: Sequence[Any]
) -> list[Job]:
    """The jobs with one of these values in a column, in no order."""
    if len(values) == 1:  # as mostly: a list of values is put into the text of a statement
        return [job_of(row) for row in connection.execute(_row_by(column), {"wanted": values[0]})]
    return [
        job_of(row)
        for some in in_batches(values)
        for row in connection.execute(_rows_by(column), {"wanted": some})
    ]


@cache
def _row_by(column: ColumnElement[Any]) -> Select[Any]:
    return JOB_ROWS.where(column == bindparam("wanted"))


@cache
def _rows_by(column: ColumnElement[Any]) -> Select[Any]:
    """Made once for each of the few columns: making it takes longer than running it."""
    return JOB_ROWS.where(column.in_(bindparam("wanted", expanding=True)))


def jobs_by_id(connection: Connection, ids: Iterable[UUID]) -> dict[UUID, Job]:
    """The jobs of these ids that exist.

    Raises:
        NotPermitted: who asks does not see one of them.
    """
    found = {job.id: job for job in read_jobs(connection, tables.jobs.c.id, list(ids))}
    for job in found.values():
        check_seen(job.key.project, f"Job {job.id}")
    return found


def insert_jobs(connection: Connection, rows: Sequence[Values], moments: Moments) -> list[Job]:
    """Add rows, numbered in their order, and return their jobs in it.

    See Note [Moments strictly increase].
    """
    if not rows:
        return []
    sequences = next_sequences(connection, len(rows))
    numbered = [
        {**moments.moved(row, _MOMENTS), "sequence": sequence}
        for row, sequence in zip(rows, sequences, strict=True)
    ]
    connection.execute(insert(tables.jobs), numbered)
    jobs = read_jobs(connection, tables.jobs.c.sequence, list(sequences))
    jobs.sort(key=lambda job: job.sequence)
    _insert_tags(connection, jobs)
    count_moves(connection, ((None, job) for job in jobs))
    return jobs


def difference(new: Job, old: Job) -> Values:
    """The columns in which two values of a job differ, but those of its names.

    Progress is one of them, with all its columns: a report may have been stored since `old`
    was read, and what is known at the end is not to be mixed with that.
    """
    before, progress = job_values(old), progress_values(new.progress)
    changed = {
        name: value
        for name, value in job_values(new).items()
        if value != before[name]
        and name not in {"id", "project_id", "spider_number", "number", "sequence"}
    }
    return changed | progress if changed.keys() & progress.keys() else changed


def update_jobs(
    connection: Connection, changes: Sequence[tuple[Job, Values]], moments: Moments
) -> list[Job]:
    """Change stored jobs and return them as they are then, in the order of the changes.

    A change of the state gives a job the next number of the sequence, and a moment of its
    own: see Note [Moments strictly increase].
    """
    moved = [n for n, (_, values) in enumerate(changes) if STATE_COLUMNS & values.keys()]
    sequences = next_sequences(connection, len(moved)) if moved else ()
    numbers = dict(zip(moved, sequences, strict=True))
    for n, (stored, values) in enumerate(changes):
        row = {**values, "sequence": numbers.get(n, stored.sequence)}
        if n in numbers:
            row |= _moved(moments, stored, values)
        connection.execute(_CHANGE, {**row, "stored_id": stored.id})
    found = jobs_by_id(connection, [stored.id for stored, _ in changes])
    after = [found[stored.id] for stored, _ in changes]
    before = [stored for stored, _ in changes]
    retagged = [
        (old, new)
        for old, new in zip(before, after, strict=True)
        if list(_tag_rows(old)) != list(_tag_rows(new))
    ]
    _delete_tags(connection, [old for old, _ in retagged])
    _insert_tags(connection, [new for _, new in retagged])
    count_moves(connection, zip(before, after, strict=True))
    return after


def _moved(moments: Moments, stored: Job, values: Values) -> Values:
    """The columns of a changed job that show when it moved."""
    whole = {**job_values(stored), **values}
    shown = {"since_ms", "changed_ms"} | (_MOMENTS & values.keys())
    moved = moments.moved(whole, shown)
    return {name: moved[name] for name in shown}


def delete_jobs(connection: Connection, jobs: Sequence[Job]) -> None:
    """Delete stored jobs."""
    for some in in_batches(jobs):
        connection.execute(
            delete(tables.jobs).where(tables.jobs.c.id.in_([job.id for job in some]))
        )
    _delete_tags(connection, jobs)
    count_moves(connection, ((job, None) for job in jobs))


def _insert_tags(connection: Connection, jobs: Sequence[Job]) -> None:
    rows = [row for job in jobs for row in _tag_rows(job)]
    if rows:
        connection.execute(insert(tables.job_tags), rows)


def _tag_rows(job: Job) -> Iterator[Values]:
    outcome = outcome_of_state(job.state)
    row = {
        "sequence": job.sequence,
        "project_id": job.key.project,
        "spider_number": job.key.spider,
        "state": state_name(job.state).value,
        "outcome": None if outcome is None else outcome.value,
        "changed_ms": ms_of(job.changed_at),
    }
    for tag in dict.fromkeys(job.request.tags):
        yield {"tag": tag, **row}


def _delete_tags(connection: Connection, jobs: Sequence[Job]) -> None:
    table = tables.job_tags
    for job in jobs:
        if job.request.tags:
            connection.execute(
                delete(table).where(
                    table.c.tag.in_(job.request.tags), table.c.sequence == job.sequence
                )
            )
