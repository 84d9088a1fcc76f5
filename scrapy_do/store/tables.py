"""The tables, with units in the names of columns and the rules of states as CHECKs.

Times are integer milliseconds since the epoch, UTC. What lists sort and filter by is in
columns and in wide indexes, so that a list or a count never reads the rows that it
leaves out; what is only shown is JSON.

The tables after `meta`, and the columns `foreign_id`, `node`, `epoch` and `notify`, are there for
what is built next, so that one upgrade is enough: nothing writes them yet.
"""

from collections.abc import Iterable
from enum import StrEnum

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    false,
    true,
)

from scrapy_do.core.filter import StateName
from scrapy_do.core.job import PRIORITIES, Actor, Driver, Outcome, StopCause
from scrapy_do.core.principal import Role
from scrapy_do.core.schedule import CatchUp, Overlap, ScheduleEventKind, ScheduleState

metadata = MetaData()

OrderedText = Text().with_variant(Text(collation="C"), "postgresql")
"""Text in the order of its characters' numbers, whatever the language of the database."""

RowNumber = BigInteger().with_variant(Integer, "sqlite")
"""A number that the database gives: SQLite does so for INTEGER only."""


def one_of(column: str, values: Iterable[StrEnum]) -> str:
    """The condition that a column has one of the values."""
    listed = ", ".join(f"'{value}'" for value in values)
    return f"{column} IN ({listed})"


def _only_in(state: str, column: str) -> str:
    """The column has a value exactly in that state (a SQL list of states)."""
    return f"(state IN ({state})) = ({column} IS NOT NULL)"


projects = Table(
    "projects",
    metadata,
    Column("id", RowNumber, primary_key=True),
    Column("name", Text, nullable=False),
    Column("current_version_id", BigInteger),
    Column("spiders_named", Integer, nullable=False),
    Column("versions_pushed", Integer, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("removed", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("name", name="projects_name"),
    sqlite_autoincrement=True,
)
"""Rows are never deleted: a project pushed again gets its old number back.

`spiders_named` and `versions_pushed` are the last numbers given."""

versions = Table(
    "versions",
    metadata,
    Column("id", RowNumber, primary_key=True),
    Column("project_id", BigInteger, ForeignKey("projects.id"), nullable=False),
    Column("label", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("root", Text, nullable=False),
    Column("settings_module", Text, nullable=False),
    Column("spiders", JSON, nullable=False),
    Column("pushed_ms", BigInteger, nullable=False),
    Column("pushed_by", Text, nullable=False),
    Column("removed", Boolean, nullable=False, server_default=false()),
    Column("python", Text),
    Column("scrapy", Text),
    sqlite_autoincrement=True,
)
"""A removed version stays as long as jobs name it. `python` and `scrapy` are the versions of
those with which its spiders were listed."""

Index(
    "versions_label",
    versions.c.project_id,
    versions.c.label,
    unique=True,
    sqlite_where=~versions.c.removed,
    postgresql_where=~versions.c.removed,
)
Index("versions_digest", versions.c.digest)

spiders = Table(
    "spiders",
    metadata,
    Column("project_id", BigInteger, ForeignKey("projects.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("deployed", Boolean, nullable=False),
    Column("jobs_numbered", Integer, nullable=False),
    Column("compared", Boolean, nullable=False, server_default=true()),
    PrimaryKeyConstraint("project_id", "number", name="spiders_number"),
    UniqueConstraint("project_id", "name", name="spiders_name"),
)
"""`jobs_numbered` is the last job number given; `compared` whether runs are held against those
before."""

jobs = Table(
    "jobs",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("project_id", BigInteger, nullable=False),
    Column("spider_number", Integer, nullable=False),
    Column("number", Integer, nullable=False),
    Column("deploy_id", BigInteger, ForeignKey("versions.id")),
    Column("version", Text),
    Column("actor", Text, nullable=False),
    Column("driver", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("since_ms", BigInteger, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("not_before_ms", BigInteger),
    Column("started_ms", BigInteger),
    Column("ended_ms", BigInteger),
    Column("outcome", Text),
    Column("reason", Text),
    Column("stop_cause", Text),
    Column("deleted_by", Text),
    Column("pid", BigInteger),
    Column("start_ticks", BigInteger),
    Column("boot_id", Text),
    Column("created_ms", BigInteger, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("schedule_id", Uuid),
    Column("planned_ms", BigInteger),
    Column("unique_key", Text),
    Column("scheduled_by", Text),
    Column("started_by", Text),
    Column("completed_by", Text),
    Column("cancelled_by", Text),
    Column("items", BigInteger, nullable=False),
    Column("requests", BigInteger, nullable=False),
    Column("responses", BigInteger, nullable=False),
    Column("log_lines", BigInteger, nullable=False),
    Column("errors", BigInteger, nullable=False),
    Column("tags", JSON, nullable=False),
    Column("request", JSON, nullable=False),
    Column("meta", JSON, nullable=False),
    Column("stats", JSON, nullable=False),
    Column("reported_ms", BigInteger),
    Column("foreign_id", Text, CheckConstraint("foreign_id <> ''", name="jobs_foreign_id")),
    Column("node", Text, CheckConstraint("node IS NULL OR state <> 'pending'", name="jobs_node")),
    Column("epoch", Text, CheckConstraint("(epoch IS NULL) = (node IS NULL)", name="jobs_epoch")),
    ForeignKeyConstraint(
        ["project_id", "spider_number"],
        ["spiders.project_id", "spiders.number"],
        name="jobs_spider",
    ),
    UniqueConstraint("project_id", "spider_number", "number", name="jobs_key"),
    CheckConstraint(one_of("actor", Actor), name="jobs_actor"),
    CheckConstraint(one_of("driver", Driver), name="jobs_driver"),
    CheckConstraint(one_of("state", StateName), name="jobs_state"),
    CheckConstraint(one_of("outcome", Outcome), name="jobs_outcome"),
    CheckConstraint(one_of("stop_cause", StopCause), name="jobs_stop_cause"),
    CheckConstraint(f"priority BETWEEN {PRIORITIES[0]} AND {PRIORITIES[-1]}", name="jobs_priority"),
    CheckConstraint("attempt >= 0", name="jobs_attempt"),
    CheckConstraint(_only_in("'finished', 'deleted'", "outcome"), name="jobs_ended_outcome"),
    CheckConstraint(_only_in("'finished', 'deleted'", "ended_ms"), name="jobs_ended_ms"),
    CheckConstraint(
        _only_in("'stopping', 'finished', 'deleted'", "reason"), name="jobs_ended_reason"
    ),
    CheckConstraint(_only_in("'stopping'", "stop_cause"), name="jobs_stopping"),
    CheckConstraint(_only_in("'deleted'", "deleted_by"), name="jobs_deleted"),
    CheckConstraint("not_before_ms IS NULL OR state = 'pending'", name="jobs_not_before"),
    CheckConstraint(
        "started_ms IS NOT NULL OR state <> 'running'", name="jobs_running_has_started"
    ),
    CheckConstraint(
        "started_ms IS NULL OR state NOT IN ('pending', 'starting')",
        name="jobs_waiting_has_not_started",
    ),
    CheckConstraint("pid IS NULL OR state IN ('running', 'stopping')", name="jobs_process"),
    CheckConstraint(
        "(pid IS NULL) = (start_ticks IS NULL) AND (pid IS NULL) = (boot_id IS NULL)",
        name="jobs_process_identity",
    ),
    CheckConstraint("planned_ms IS NULL OR schedule_id IS NOT NULL", name="jobs_planned"),
)
"""`outcome` is NULL exactly while the job is unfinished: several indexes hold only those.

`foreign_id` is the name that a client of scrapyd chose; several jobs may have the same. `node`
is the machine of the launch that the state is about, NULL for the daemon's own, and `epoch` the
life of that node: see `nodes`."""

UNFINISHED = jobs.c.outcome.is_(None)


def _of_jobs(name: str, *columns: object, unique: bool = False, where: object = None) -> Index:
    partial = {} if where is None else {"sqlite_where": where, "postgresql_where": where}
    return Index(name, *columns, unique=unique, **partial)  # type: ignore[arg-type]  # column expressions


_FILTERED = (jobs.c.state, jobs.c.outcome, jobs.c.changed_ms)

_of_jobs(
    "jobs_newest", jobs.c.sequence, jobs.c.project_id, jobs.c.spider_number, *_FILTERED, unique=True
)
_of_jobs("jobs_of_project", jobs.c.project_id, jobs.c.sequence, jobs.c.spider_number, *_FILTERED)
_of_jobs("jobs_of_spider", jobs.c.project_id, jobs.c.spider_number, jobs.c.sequence, *_FILTERED)
_of_jobs(
    "jobs_queue",
    jobs.c.driver,
    jobs.c.state,
    jobs.c.project_id,
    jobs.c.priority.desc(),
    jobs.c.created_ms,
    jobs.c.spider_number,
    jobs.c.number,
    jobs.c.not_before_ms,
    jobs.c.sequence,
    jobs.c.changed_ms,
    jobs.c.outcome,
    where=UNFINISHED,
)
"""The unfinished jobs in the order in which they are claimed.

The columns from `not_before_ms` on are there so that queries need not read the rows."""

_of_jobs("jobs_not_before", jobs.c.not_before_ms, where=jobs.c.not_before_ms.is_not(None))
_of_jobs(
    "jobs_unique",
    jobs.c.project_id,
    jobs.c.unique_key,
    unique=True,
    where=jobs.c.unique_key.is_not(None) & UNFINISHED,
)
_of_jobs(
    "jobs_planned_once",
    jobs.c.schedule_id,
    jobs.c.planned_ms,
    unique=True,
    where=jobs.c.planned_ms.is_not(None),
)
_of_jobs(
    "jobs_of_schedule",
    jobs.c.schedule_id,
    jobs.c.sequence,
    where=jobs.c.schedule_id.is_not(None),
)
_of_jobs(
    "jobs_unfinished_of_schedule",
    jobs.c.schedule_id,
    where=jobs.c.schedule_id.is_not(None) & UNFINISHED,
)
_of_jobs("jobs_unfinished_of_version", jobs.c.deploy_id, where=UNFINISHED)
_of_jobs(
    "jobs_of_foreign_id",
    jobs.c.foreign_id,
    jobs.c.project_id,
    jobs.c.sequence,
    where=jobs.c.foreign_id.is_not(None),
)

job_tags = Table(
    "job_tags",
    metadata,
    Column("tag", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("project_id", BigInteger, nullable=False),
    Column("spider_number", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("outcome", Text),
    Column("changed_ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("tag", "sequence", name="job_tags_newest"),
    sqlite_with_rowid=False,
)
"""The jobs of each tag, newest change first, with what lists filter by.

A job is named by its `sequence`; the row moves with it, in the same transaction."""

job_counts = Table(
    "job_counts",
    metadata,
    Column("project_id", BigInteger, nullable=False),
    Column("spider_number", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("jobs", BigInteger, nullable=False),
    PrimaryKeyConstraint("project_id", "spider_number", "state", "outcome", name="job_counts_cell"),
    sqlite_with_rowid=False,
)
"""How many jobs are in each state now (`outcome` is '' for those without one)."""

counters = Table(
    "counters",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""The last `sequence` given, and totals since the store was made."""

schedules = Table(
    "schedules",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("project_id", BigInteger, ForeignKey("projects.id"), nullable=False),
    Column("spider", Text, nullable=False),
    Column("version", Text),
    Column("priority", Integer, nullable=False),
    Column("tags", JSON, nullable=False),
    Column("request", JSON, nullable=False),
    Column("spec", Text, nullable=False),
    Column("zone", Text, nullable=False),
    Column("anchor_ms", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("last_planned_ms", BigInteger),
    Column("next_due_ms", BigInteger),
    Column("drawn_ms", BigInteger),
    Column("catchup", Text, nullable=False),
    Column("catchup_window_s", Float),
    Column("overlap", Text, nullable=False),
    Column("jitter_s", Float, nullable=False),
    Column("until_ms", BigInteger),
    Column("max_runs", BigInteger),
    Column("fired", BigInteger, nullable=False),
    Column("missed", BigInteger, nullable=False),
    Column("skipped", BigInteger, nullable=False),
    Column("note", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False, server_default="0"),
    Column("notify", JSON(none_as_null=True)),
    CheckConstraint(one_of("state", ScheduleState), name="schedules_state"),
    CheckConstraint(one_of("catchup", CatchUp), name="schedules_catchup"),
    CheckConstraint(one_of("overlap", Overlap), name="schedules_overlap"),
    CheckConstraint("next_due_ms IS NULL OR state = 'active'", name="schedules_due"),
)
"""`notify` says who is told of what; NULL: as the project says."""

Index("schedules_newest", schedules.c.sequence, schedules.c.state)
Index("schedules_of_project", schedules.c.project_id, schedules.c.state)
Index(
    "schedules_next_due",
    schedules.c.next_due_ms,
    sqlite_where=schedules.c.next_due_ms.is_not(None),
    postgresql_where=schedules.c.next_due_ms.is_not(None),
)

schedule_events = Table(
    "schedule_events",
    metadata,
    Column("number", RowNumber, primary_key=True),
    Column("schedule_id", Uuid, ForeignKey("schedules.id", ondelete="CASCADE"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("first_ms", BigInteger, nullable=False),
    Column("last_ms", BigInteger, nullable=False),
    Column("instants", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    CheckConstraint(one_of("kind", ScheduleEventKind), name="schedule_events_kind"),
    sqlite_autoincrement=True,
)

Index("schedule_events_newest", schedule_events.c.schedule_id, schedule_events.c.number)

removals = Table(
    "removals",
    metadata,
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    PrimaryKeyConstraint("kind", "name", name="removals_key"),
    sqlite_with_rowid=False,
)
"""See Note [Nothing unknown is removed] in `store/removals.py`."""

meta = Table(
    "meta",
    metadata,
    Column("scope", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("value", JSON, nullable=False),
    PrimaryKeyConstraint("scope", "key", name="meta_key"),
    sqlite_with_rowid=False,
)
"""Small settings of projects, spiders and the store itself, as JSON."""

# --- other machines ----------------------------------------------------------------------------

nodes = Table(
    "nodes",
    metadata,
    Column("name", Text, primary_key=True),
    Column("epoch", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("since_ms", BigInteger, nullable=False),
    Column("draining", Boolean, nullable=False),
    Column("slots", Integer, nullable=False),
    Column("memory_bytes", BigInteger),
    Column("labels", JSON, nullable=False),
    UniqueConstraint("epoch", name="nodes_epoch"),
    CheckConstraint("state IN ('up', 'silent', 'lost')", name="nodes_state"),
    CheckConstraint("slots >= 0", name="nodes_slots"),
    sqlite_with_rowid=False,
)
"""The machines that crawls run on beside the daemon's own.

`epoch` names one life of a node: a node that comes back has another, and none is given twice.
`draining` is a wish of people, whatever the state."""

lost_epochs = Table(
    "lost_epochs",
    metadata,
    Column("epoch", Text, primary_key=True),
    Column("node", Text, nullable=False),
    Column("lost_ms", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""What comes from these is refused for ever: their jobs may run elsewhere."""

# --- who is told -------------------------------------------------------------------------------

outbox = Table(
    "outbox",
    metadata,
    Column("number", RowNumber, primary_key=True),
    Column("id", Uuid, nullable=False),
    Column("event", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("project_id", BigInteger, ForeignKey("projects.id")),
    Column("job_id", Uuid),
    Column("schedule_id", Uuid),
    Column("content", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("next_try_ms", BigInteger),
    Column("ended_ms", BigInteger),
    Column("error", Text, nullable=False),
    UniqueConstraint("id", name="outbox_id"),
    CheckConstraint("event <> ''", name="outbox_event"),
    CheckConstraint("target <> ''", name="outbox_target"),
    CheckConstraint("state IN ('waiting', 'delivered', 'dead')", name="outbox_state"),
    CheckConstraint("attempts >= 0", name="outbox_attempts"),
    CheckConstraint(_only_in("'waiting'", "next_try_ms"), name="outbox_waiting"),
    CheckConstraint(_only_in("'delivered', 'dead'", "ended_ms"), name="outbox_ended"),
    sqlite_autoincrement=True,
)
"""Messages to others, each written with the change that it is about.

`id` is the message's own, the same at each try. `target` is the address or its name in the
configuration, `content` the text as it is sent, `error` why the last try failed."""

_WAITING = outbox.c.next_try_ms.is_not(None)
Index("outbox_due", outbox.c.next_try_ms, sqlite_where=_WAITING, postgresql_where=_WAITING)
Index(
    "outbox_in_order",
    outbox.c.target,
    outbox.c.job_id,
    outbox.c.number,
    sqlite_where=_WAITING,
    postgresql_where=_WAITING,
)
"""What must go before a message: the earlier ones of its job to the same target."""

# --- who may come in ---------------------------------------------------------------------------

_ROLE = "role IN ('" + "', '".join(role.name.lower() for role in Role) + "')"

users = Table(
    "users",
    metadata,
    Column("id", RowNumber, primary_key=True),
    Column("name", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("digest_ha1", Text),
    Column("role", Text, nullable=False),
    Column("projects", JSON(none_as_null=True)),
    Column("created_ms", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
    UniqueConstraint("name", name="users_name"),
    CheckConstraint("name <> ''", name="users_named"),
    CheckConstraint("substr(password_hash, 1, 10) = '$argon2id$'", name="users_password"),
    CheckConstraint("length(digest_ha1) = 32", name="users_digest"),
    CheckConstraint(_ROLE, name="users_role"),
    sqlite_autoincrement=True,
)
"""`projects` are the numbers of those that a user is a member of, NULL: of all. `digest_ha1` is
for digest logins of users who came from Scrapy Do 0.5 (RFC 7616, MD5); others have none."""

tokens = Table(
    "tokens",
    metadata,
    Column("id", RowNumber, primary_key=True),
    Column("name", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("user_id", BigInteger, ForeignKey("users.id", ondelete="CASCADE")),
    Column("role", Text, nullable=False),
    Column("projects", JSON(none_as_null=True)),
    Column("created_ms", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("expires_ms", BigInteger),
    Column("used_ms", BigInteger),
    Column("revoked_ms", BigInteger),
    UniqueConstraint("digest", name="tokens_digest"),
    CheckConstraint("name <> ''", name="tokens_named"),
    CheckConstraint("length(digest) = 64", name="tokens_sha256"),
    CheckConstraint(_ROLE, name="tokens_role"),
    sqlite_autoincrement=True,
)
"""`digest` is the SHA-256 of the token, which is stored nowhere. A token of a user goes with
them; one without is somebody's who has no password."""

_GOOD = tokens.c.revoked_ms.is_(None)
Index("tokens_name", tokens.c.name, unique=True, sqlite_where=_GOOD, postgresql_where=_GOOD)
Index("tokens_of_user", tokens.c.user_id)

audit = Table(
    "audit",
    metadata,
    Column("number", RowNumber, primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("principal", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("project_id", BigInteger, ForeignKey("projects.id")),
    Column("subject", Text, nullable=False),
    Column("detail", JSON, nullable=False),
    CheckConstraint("principal <> ''", name="audit_principal"),
    CheckConstraint("action <> ''", name="audit_action"),
    sqlite_autoincrement=True,
)
"""Who did what, and from where: `address` is '' for what came over no network."""

Index("audit_of_project", audit.c.project_id, audit.c.number)

push_reports = Table(
    "push_reports",
    metadata,
    Column("number", RowNumber, primary_key=True),
    Column("id", Uuid, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("report", JSON, nullable=False),
    UniqueConstraint("id", name="push_reports_id"),
    sqlite_autoincrement=True,
)
"""What became of the last pushes: `report` is only shown."""
