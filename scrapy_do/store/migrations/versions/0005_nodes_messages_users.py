"""Names that clients chose, other machines, messages to others, users and tokens, an audit."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

ROW_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _jobs()
    op.add_column("schedules", sa.Column("notify", sa.JSON(), nullable=True))
    _nodes()
    _outbox()
    _users()
    _audit()


def _jobs() -> None:
    for name, constraint, check in (
        ("foreign_id", "jobs_foreign_id", "foreign_id <> ''"),
        ("node", "jobs_node", "node IS NULL OR state <> 'pending'"),
        ("epoch", "jobs_epoch", "(epoch IS NULL) = (node IS NULL)"),
    ):
        op.add_column(
            "jobs", sa.Column(name, sa.Text(), sa.CheckConstraint(check, name=constraint))
        )
    _create_partial_index(
        "jobs_of_foreign_id",
        "jobs",
        ["foreign_id", "project_id", "sequence"],
        where="foreign_id IS NOT NULL",
    )


def _nodes() -> None:
    op.create_table(
        "nodes",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("epoch", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.Column("draining", sa.Boolean(), nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("memory_bytes", sa.BigInteger(), nullable=True),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.CheckConstraint("state IN ('up', 'silent', 'lost')", name="nodes_state"),
        sa.CheckConstraint("slots >= 0", name="nodes_slots"),
        sa.PrimaryKeyConstraint("name"),
        sa.UniqueConstraint("epoch", name="nodes_epoch"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "lost_epochs",
        sa.Column("epoch", sa.Text(), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("lost_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("epoch"),
        sqlite_with_rowid=False,
    )


def _outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("number", ROW_NUMBER, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=True),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("schedule_id", sa.Uuid(), nullable=True),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("next_try_ms", sa.BigInteger(), nullable=True),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.CheckConstraint("event <> ''", name="outbox_event"),
        sa.CheckConstraint("target <> ''", name="outbox_target"),
        sa.CheckConstraint("state IN ('waiting', 'delivered', 'dead')", name="outbox_state"),
        sa.CheckConstraint("attempts >= 0", name="outbox_attempts"),
        sa.CheckConstraint(
            "(state IN ('waiting')) = (next_try_ms IS NOT NULL)", name="outbox_waiting"
        ),
        sa.CheckConstraint(
            "(state IN ('delivered', 'dead')) = (ended_ms IS NOT NULL)", name="outbox_ended"
        ),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"]),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("id", name="outbox_id"),
        sqlite_autoincrement=True,
    )
    for name, columns in (
        ("outbox_due", ["next_try_ms"]),
        ("outbox_in_order", ["target", "job_id", "number"]),
    ):
        _create_partial_index(name, "outbox", columns, where="next_try_ms IS NOT NULL")


def _users() -> None:
    op.create_table(
        "users",
        sa.Column("id", ROW_NUMBER, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("digest_ha1", sa.Text(), nullable=True),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("projects", sa.JSON(), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("name <> ''", name="users_named"),
        sa.CheckConstraint("substr(password_hash, 1, 10) = '$argon2id$'", name="users_password"),
        sa.CheckConstraint("length(digest_ha1) = 32", name="users_digest"),
        sa.CheckConstraint("role IN ('read', 'run', 'push', 'admin')", name="users_role"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name", name="users_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "tokens",
        sa.Column("id", ROW_NUMBER, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("projects", sa.JSON(), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=True),
        sa.Column("used_ms", sa.BigInteger(), nullable=True),
        sa.Column("revoked_ms", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("name <> ''", name="tokens_named"),
        sa.CheckConstraint("length(digest) = 64", name="tokens_sha256"),
        sa.CheckConstraint("role IN ('read', 'run', 'push', 'admin')", name="tokens_role"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest", name="tokens_digest"),
        sqlite_autoincrement=True,
    )
    _create_partial_index(
        "tokens_name", "tokens", ["name"], where="revoked_ms IS NULL", unique=True
    )
    op.create_index("tokens_of_user", "tokens", ["user_id"])


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("number", ROW_NUMBER, nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("principal", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.CheckConstraint("principal <> ''", name="audit_principal"),
        sa.CheckConstraint("action <> ''", name="audit_action"),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"]),
        sa.PrimaryKeyConstraint("number"),
        sqlite_autoincrement=True,
    )
    op.create_index("audit_of_project", "audit", ["project_id", "number"])


def _create_partial_index(
    name: str, table: str, columns: list[str], *, where: str, unique: bool = False
) -> None:
    condition = sa.text(where)
    op.create_index(
        name,
        table,
        columns,
        unique=unique,
        sqlite_where=condition,
        postgresql_where=condition,
    )
