"""The tables of collections and frontiers; see `tables` for what all have in common."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    false,
)

from scrapy_do.core.collection import CollectionKind
from scrapy_do.store.tables import OrderedText, RowNumber, metadata, one_of

collections = Table(
    "collections",
    metadata,
    Column("id", RowNumber, primary_key=True),
    Column("project_id", BigInteger, ForeignKey("projects.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("written_ms", BigInteger, nullable=False),
    Column("removed", Boolean, nullable=False, server_default=false()),
    CheckConstraint(one_of("kind", CollectionKind), name="collections_kind"),
    sqlite_autoincrement=True,
)
"""`written_ms` is the time of the last write, later than that of all before. A removed
collection is only waiting for its values to be deleted."""

Index(
    "collections_name",
    collections.c.project_id,
    collections.c.name,
    collections.c.kind,
    unique=True,
    sqlite_where=~collections.c.removed,
    postgresql_where=~collections.c.removed,
)

collection_values = Table(
    "collection_values",
    metadata,
    Column("collection_id", BigInteger, ForeignKey("collections.id"), nullable=False),
    Column("key", OrderedText, nullable=False),
    Column("written_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger),
    Column("value", Text, nullable=False),
    PrimaryKeyConstraint("collection_id", "key", "written_ms", name="collection_values_version"),
)
"""`value` is JSON as it is sent, so it is text."""

Index(
    "collection_values_expiring",
    collection_values.c.expires_ms,
    sqlite_where=collection_values.c.expires_ms.is_not(None),
    postgresql_where=collection_values.c.expires_ms.is_not(None),
)

frontier_slots = Table(
    "frontier_slots",
    metadata,
    Column("id", RowNumber, primary_key=True),
    Column("project_id", BigInteger, ForeignKey("projects.id"), nullable=False),
    Column("frontier", OrderedText, nullable=False),
    Column("slot", OrderedText, nullable=False),
    Column("removed", Boolean, nullable=False, server_default=false()),
    sqlite_autoincrement=True,
)
"""A removed slot is only waiting for its requests and fingerprints to be deleted."""

Index(
    "frontier_slots_name",
    frontier_slots.c.project_id,
    frontier_slots.c.frontier,
    frontier_slots.c.slot,
    unique=True,
    sqlite_where=~frontier_slots.c.removed,
    postgresql_where=~frontier_slots.c.removed,
)

frontier_fingerprints = Table(
    "frontier_fingerprints",
    metadata,
    Column("slot_id", BigInteger, ForeignKey("frontier_slots.id"), nullable=False),
    Column("fingerprint", OrderedText, nullable=False),
    Column("value", Text),
    PrimaryKeyConstraint("slot_id", "fingerprint", name="frontier_fingerprints_key"),
    sqlite_with_rowid=False,
)
"""All that was ever in a slot's queue. `value` is JSON that came with it, as text."""

frontier_batches = Table(
    "frontier_batches",
    metadata,
    Column("number", RowNumber, primary_key=True),
    Column("slot_id", BigInteger, ForeignKey("frontier_slots.id"), nullable=False),
    Column("priority", BigInteger, nullable=False),
    Column("requests", Integer, nullable=False),
    Column("content", Text, nullable=False),
    sqlite_autoincrement=True,
)
"""Some requests of one priority that are read and deleted together: `content` is their
JSON array, as text."""

Index(
    "frontier_batches_next",
    frontier_batches.c.slot_id,
    frontier_batches.c.priority,
    frontier_batches.c.number,
)
