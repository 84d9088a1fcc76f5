"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

ORDERED_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
ROW_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _projects()
    _jobs()
    _job_indexes()
    _job_sums()
    _schedules()
    _meta()
    _collections()
    _frontiers()


def _projects() -> None:
    op.create_table(
        "projects",
        sa.Column("id", ROW_NUMBER, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("current_version_id", sa.BigInteger(), nullable=True),
        sa.Column("spiders_named", sa.Integer(), nullable=False),
        sa.Column("versions_pushed", sa.Integer(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("removed", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name", name="projects_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "versions",
        sa.Column("id", ROW_NUMBER, nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.Text(), nullable=False),
        sa.Column("settings_module", sa.Text(), nullable=False),
        sa.Column("spiders", sa.JSON(), nullable=False),
        sa.Column("pushed_ms", sa.BigInteger(), nullable=False),
        sa.Column("pushed_by", sa.Text(), nullable=False),
        sa.Column("removed", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("versions_digest", "versions", ["digest"], unique=False)
    op.create_index(
        "versions_label",
        "versions",
        ["project_id", "label"],
        unique=True,
        sqlite_where=sa.not_(sa.column("removed", sa.Boolean())),
        postgresql_where=sa.not_(sa.column("removed", sa.Boolean())),
    )
    op.create_table(
        "spiders",
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("deployed", sa.Boolean(), nullable=False),
        sa.Column("jobs_numbered", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.id"],
        ),
        sa.PrimaryKeyConstraint("project_id", "number", name="spiders_number"),
        sa.UniqueConstraint("project_id", "name", name="spiders_name"),
    )


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("spider_number", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("deploy_id", sa.BigInteger(), nullable=True),
        sa.Column("version", sa.Text(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("driver", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("not_before_ms", sa.BigInteger(), nullable=True),
        sa.Column("started_ms", sa.BigInteger(), nullable=True),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("stop_cause", sa.Text(), nullable=True),
        sa.Column("deleted_by", sa.Text(), nullable=True),
        sa.Column("pid", sa.BigInteger(), nullable=True),
        sa.Column("start_ticks", sa.BigInteger(), nullable=True),
        sa.Column("boot_id", sa.Text(), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("schedule_id", sa.Uuid(), nullable=True),
        sa.Column("planned_ms", sa.BigInteger(), nullable=True),
        sa.Column("unique_key", sa.Text(), nullable=True),
        sa.Column("scheduled_by", sa.Text(), nullable=True),
        sa.Column("started_by", sa.Text(), nullable=True),
        sa.Column("completed_by", sa.Text(), nullable=True),
        sa.Column("cancelled_by", sa.Text(), nullable=True),
        sa.Column("items", sa.BigInteger(), nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("responses", sa.BigInteger(), nullable=False),
        sa.Column("log_lines", sa.BigInteger(), nullable=False),
        sa.Column("errors", sa.BigInteger(), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("meta", sa.JSON(), nullable=False),
        sa.Column("stats", sa.JSON(), nullable=False),
        sa.CheckConstraint(
            "(state IN ('deleted')) = (deleted_by IS NOT NULL)", name="jobs_deleted"
        ),
        sa.CheckConstraint(
            "(state IN ('finished', 'deleted')) = (ended_ms IS NOT NULL)", name="jobs_ended_ms"
        ),
        sa.CheckConstraint(
            "(state IN ('finished', 'deleted')) = (outcome IS NOT NULL)", name="jobs_ended_outcome"
        ),
        sa.CheckConstraint(
            "(state IN ('stopping')) = (stop_cause IS NOT NULL)", name="jobs_stopping"
        ),
        sa.CheckConstraint(
            "(state IN ('stopping', 'finished', 'deleted')) = (reason IS NOT NULL)",
            name="jobs_ended_reason",
        ),
        sa.CheckConstraint("actor IN ('USER', 'SCHEDULER')", name="jobs_actor"),
        sa.CheckConstraint("driver IN ('local', 'client')", name="jobs_driver"),
        sa.CheckConstraint("not_before_ms IS NULL OR state = 'pending'", name="jobs_not_before"),
        sa.CheckConstraint(
            "outcome IN ('SUCCESSFUL', 'FAILED', 'CANCELED', 'LOST')", name="jobs_outcome"
        ),
        sa.CheckConstraint("pid IS NULL OR state IN ('running', 'stopping')", name="jobs_process"),
        sa.CheckConstraint(
            "started_ms IS NOT NULL OR state <> 'running'", name="jobs_running_has_started"
        ),
        sa.CheckConstraint(
            "started_ms IS NULL OR state NOT IN ('pending', 'starting')",
            name="jobs_waiting_has_not_started",
        ),
        sa.CheckConstraint(
            "state IN ('pending', 'starting', 'running', 'stopping', 'finished', 'deleted')",
            name="jobs_state",
        ),
        sa.CheckConstraint("stop_cause IN ('cancel', 'limit', 'shutdown')", name="jobs_stop_cause"),
        sa.CheckConstraint(
            "(pid IS NULL) = (start_ticks IS NULL) AND (pid IS NULL) = (boot_id IS NULL)",
            name="jobs_process_identity",
        ),
        sa.CheckConstraint("attempt >= 0", name="jobs_attempt"),
        sa.CheckConstraint("planned_ms IS NULL OR schedule_id IS NOT NULL", name="jobs_planned"),
        sa.CheckConstraint("priority BETWEEN 0 AND 4", name="jobs_priority"),
        sa.ForeignKeyConstraint(
            ["deploy_id"],
            ["versions.id"],
        ),
        sa.ForeignKeyConstraint(
            ["project_id", "spider_number"],
            ["spiders.project_id", "spiders.number"],
            name="jobs_spider",
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("project_id", "spider_number", "number", name="jobs_key"),
    )


def _job_indexes() -> None:
    op.create_index(
        "jobs_newest",
        "jobs",
        ["sequence", "project_id", "spider_number", "state", "outcome", "changed_ms"],
        unique=True,
    )
    op.create_index(
        "jobs_not_before",
        "jobs",
        ["not_before_ms"],
        unique=False,
        sqlite_where=sa.text("not_before_ms IS NOT NULL"),
        postgresql_where=sa.text("not_before_ms IS NOT NULL"),
    )
    op.create_index(
        "jobs_of_project",
        "jobs",
        ["project_id", "sequence", "spider_number", "state", "outcome", "changed_ms"],
        unique=False,
    )
    op.create_index(
        "jobs_of_schedule",
        "jobs",
        ["schedule_id", "sequence"],
        unique=False,
        sqlite_where=sa.text("schedule_id IS NOT NULL"),
        postgresql_where=sa.text("schedule_id IS NOT NULL"),
    )
    op.create_index(
        "jobs_of_spider",
        "jobs",
        ["project_id", "spider_number", "sequence", "state", "outcome", "changed_ms"],
        unique=False,
    )
    op.create_index(
        "jobs_planned_once",
        "jobs",
        ["schedule_id", "planned_ms"],
        unique=True,
        sqlite_where=sa.text("planned_ms IS NOT NULL"),
        postgresql_where=sa.text("planned_ms IS NOT NULL"),
    )
    op.create_index(
        "jobs_queue",
        "jobs",
        [
            "driver",
            "state",
            "project_id",
            sa.literal_column("priority DESC"),
            "created_ms",
            "spider_number",
            "number",
            "not_before_ms",
            "sequence",
            "changed_ms",
            "outcome",
        ],
        unique=False,
        sqlite_where=sa.text("outcome IS NULL"),
        postgresql_where=sa.text("outcome IS NULL"),
    )
    op.create_index(
        "jobs_unfinished_of_schedule",
        "jobs",
        ["schedule_id"],
        unique=False,
        sqlite_where=sa.text("schedule_id IS NOT NULL AND outcome IS NULL"),
        postgresql_where=sa.text("schedule_id IS NOT NULL AND outcome IS NULL"),
    )
    op.create_index(
        "jobs_unfinished_of_version",
        "jobs",
        ["deploy_id"],
        unique=False,
        sqlite_where=sa.text("outcome IS NULL"),
        postgresql_where=sa.text("outcome IS NULL"),
    )
    op.create_index(
        "jobs_unique",
        "jobs",
        ["project_id", "unique_key"],
        unique=True,
        sqlite_where=sa.text("unique_key IS NOT NULL AND outcome IS NULL"),
        postgresql_where=sa.text("unique_key IS NOT NULL AND outcome IS NULL"),
    )


def _job_sums() -> None:
    op.create_table(
        "job_tags",
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("spider_number", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tag", "sequence", name="job_tags_newest"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "job_counts",
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("spider_number", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("jobs", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "project_id", "spider_number", "state", "outcome", name="job_counts_cell"
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "counters",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        sqlite_with_rowid=False,
    )


def _schedules() -> None:
    op.create_table(
        "schedules",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("spider", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=True),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("spec", sa.Text(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("anchor_ms", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("last_planned_ms", sa.BigInteger(), nullable=True),
        sa.Column("next_due_ms", sa.BigInteger(), nullable=True),
        sa.Column("drawn_ms", sa.BigInteger(), nullable=True),
        sa.Column("catchup", sa.Text(), nullable=False),
        sa.Column("catchup_window_s", sa.Float(), nullable=True),
        sa.Column("overlap", sa.Text(), nullable=False),
        sa.Column("jitter_s", sa.Float(), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=True),
        sa.Column("max_runs", sa.BigInteger(), nullable=True),
        sa.Column("fired", sa.BigInteger(), nullable=False),
        sa.Column("missed", sa.BigInteger(), nullable=False),
        sa.Column("skipped", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.CheckConstraint("catchup IN ('latest', 'none', 'all')", name="schedules_catchup"),
        sa.CheckConstraint("next_due_ms IS NULL OR state = 'active'", name="schedules_due"),
        sa.CheckConstraint(
            "overlap IN ('skip', 'queue-one', 'allow', 'replace')", name="schedules_overlap"
        ),
        sa.CheckConstraint(
            "state IN ('active', 'paused', 'finished', 'error', 'canceled')", name="schedules_state"
        ),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "schedules_next_due",
        "schedules",
        ["next_due_ms"],
        unique=False,
        sqlite_where=sa.text("next_due_ms IS NOT NULL"),
        postgresql_where=sa.text("next_due_ms IS NOT NULL"),
    )
    op.create_index("schedules_of_project", "schedules", ["project_id", "state"], unique=False)
    op.create_table(
        "schedule_events",
        sa.Column("number", ROW_NUMBER, nullable=False),
        sa.Column("schedule_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("first_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_ms", sa.BigInteger(), nullable=False),
        sa.Column("instants", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('missed', 'skipped', 'paused')", name="schedule_events_kind"),
        sa.ForeignKeyConstraint(["schedule_id"], ["schedules.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("number"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "schedule_events_newest", "schedule_events", ["schedule_id", "number"], unique=False
    )


def _meta() -> None:
    op.create_table(
        "meta",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "key", name="meta_key"),
        sqlite_with_rowid=False,
    )


def _collections() -> None:
    op.create_table(
        "collections",
        sa.Column("id", ROW_NUMBER, nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("written_ms", sa.BigInteger(), nullable=False),
        sa.Column("removed", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.CheckConstraint("kind IN ('s', 'cs', 'vs', 'vcs')", name="collections_kind"),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"]),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "collections_name",
        "collections",
        ["project_id", "name", "kind"],
        unique=True,
        sqlite_where=sa.text("removed = 0"),
        postgresql_where=sa.text("NOT removed"),
    )
    op.create_table(
        "collection_values",
        sa.Column("collection_id", sa.BigInteger(), nullable=False),
        sa.Column("key", ORDERED_TEXT, nullable=False),
        sa.Column("written_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=True),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["collection_id"], ["collections.id"]),
        sa.PrimaryKeyConstraint(
            "collection_id", "key", "written_ms", name="collection_values_version"
        ),
    )
    op.create_index(
        "collection_values_expiring",
        "collection_values",
        ["expires_ms"],
        unique=False,
        sqlite_where=sa.text("expires_ms IS NOT NULL"),
        postgresql_where=sa.text("expires_ms IS NOT NULL"),
    )


def _frontiers() -> None:
    op.create_table(
        "frontier_slots",
        sa.Column("id", ROW_NUMBER, nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("frontier", ORDERED_TEXT, nullable=False),
        sa.Column("slot", ORDERED_TEXT, nullable=False),
        sa.Column("removed", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"]),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "frontier_slots_name",
        "frontier_slots",
        ["project_id", "frontier", "slot"],
        unique=True,
        sqlite_where=sa.text("removed = 0"),
        postgresql_where=sa.text("NOT removed"),
    )
    op.create_table(
        "frontier_fingerprints",
        sa.Column("slot_id", sa.BigInteger(), nullable=False),
        sa.Column("fingerprint", ORDERED_TEXT, nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["slot_id"], ["frontier_slots.id"]),
        sa.PrimaryKeyConstraint("slot_id", "fingerprint", name="frontier_fingerprints_key"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "frontier_batches",
        sa.Column("number", ROW_NUMBER, nullable=False),
        sa.Column("slot_id", sa.BigInteger(), nullable=False),
        sa.Column("priority", sa.BigInteger(), nullable=False),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["slot_id"], ["frontier_slots.id"]),
        sa.PrimaryKeyConstraint("number"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "frontier_batches_next",
        "frontier_batches",
        ["slot_id", "priority", "number"],
        unique=False,
    )
