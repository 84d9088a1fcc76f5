"""Schedules have a place in lists, among that of all jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_SCHEDULES = sa.table("schedules", sa.column("id"), sa.column("changed_ms"), sa.column("sequence"))
_COUNTERS = sa.table("counters", sa.column("name"), sa.column("value"))
_IS_SEQUENCE = _COUNTERS.c.name == "sequence"


def upgrade() -> None:
    op.add_column(
        "schedules",
        sa.Column("sequence", sa.BigInteger(), server_default="0", nullable=False),
    )
    _give_places(op.get_bind())
    op.create_index("schedules_newest", "schedules", ["sequence", "state"], unique=False)


def _give_places(connection: sa.Connection) -> None:
    """Give them the next numbers of the sequence, in the order of their last changes."""
    query = sa.select(_SCHEDULES.c.id).order_by(_SCHEDULES.c.changed_ms, _SCHEDULES.c.id)
    ids = connection.execute(query).scalars().all()
    if not ids:
        return
    last = connection.execute(sa.select(_COUNTERS.c.value).where(_IS_SEQUENCE)).scalar()
    if last is None:
        last = 0
        connection.execute(sa.insert(_COUNTERS).values(name="sequence", value=0))
    statement = sa.update(_SCHEDULES).where(_SCHEDULES.c.id == sa.bindparam("one"))
    connection.execute(
        statement.values(sequence=sa.bindparam("place")),
        [{"one": one, "place": place} for place, one in enumerate(ids, start=last + 1)],
    )
    connection.execute(sa.update(_COUNTERS).where(_IS_SEQUENCE).values(value=last + len(ids)))
