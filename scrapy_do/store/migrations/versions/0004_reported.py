"""When a running job was last heard of."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("reported_ms", sa.BigInteger(), nullable=True))
