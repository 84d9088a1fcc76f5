"""What may be removed from the disk stands in a table."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    removals = op.create_table(
        "removals",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "name", name="removals_key"),
        sqlite_with_rowid=False,
    )
    for kind, query in (
        ("archive", "SELECT DISTINCT digest AS name FROM versions WHERE removed"),
        ("spider-data", "SELECT name FROM projects WHERE removed"),
    ):
        names = op.get_bind().execute(sa.text(query)).scalars().all()
        op.bulk_insert(removals, [{"kind": kind, "name": name} for name in names])
