"""Insert a row, or change the one that has its primary key: the same in both databases.

Statements are made once for each table: making one takes longer than running it. Which
columns they have is said by the parameters that they are executed with.
"""

from functools import cache
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite

# The inserts of the dialects have no type in common.
# ruff: noqa: ANN401


@cache
def replacing(dialect: str, table: Table, column: str) -> Any:
    """A statement that gives a column a new value, in a new row if there is none."""
    statement = _insert(dialect, table)
    return statement.on_conflict_do_update(
        index_elements=list(table.primary_key), set_={column: statement.excluded[column]}
    )


@cache
def keeping(dialect: str, table: Table) -> Any:
    """A statement that inserts a row and leaves one that is there as it is."""
    return _insert(dialect, table).on_conflict_do_nothing()


@cache
def adding(dialect: str, table: Table, column: str) -> Any:
    """As `replacing`, but the value is added to what the row has."""
    statement = _insert(dialect, table)
    return statement.on_conflict_do_update(
        index_elements=list(table.primary_key),
        set_={column: table.c[column] + statement.excluded[column]},
    )


def _insert(dialect: str, table: Table) -> Any:
    return (sqlite if dialect == "sqlite" else postgresql).insert(table)
