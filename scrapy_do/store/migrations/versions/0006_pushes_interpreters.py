"""What became of pushes, the Python and Scrapy of versions, spiders whose runs are not compared."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("versions", sa.Column("python", sa.Text(), nullable=True))
    op.add_column("versions", sa.Column("scrapy", sa.Text(), nullable=True))
    op.add_column(
        "spiders",
        sa.Column("compared", sa.Boolean(), nullable=False, server_default=sa.true()),
    )
    op.create_table(
        "push_reports",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("id", name="push_reports_id"),
        sqlite_autoincrement=True,
    )
