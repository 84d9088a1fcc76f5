"""What the database itself refuses, whoever writes it."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, create_engine, insert, update
from sqlalchemy.exc import IntegrityError

from scrapy_do.store import tables

NODE = {
    "name": "n1",
    "epoch": "e1",
    "state": "up",
    "since_ms": 1,
    "draining": False,
    "slots": 4,
    "labels": {},
}
MESSAGE = {
    "id": UUID(int=1),
    "event": "failed",
    "target": "ops",
    "content": "{}",
    "state": "waiting",
    "attempts": 0,
    "created_ms": 1,
    "next_try_ms": 1,
    "error": "",
}
USER = {
    "name": "ann",
    "password_hash": "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA",
    "role": "push",
    "created_ms": 1,
    "created_by": "local",
    "changed_ms": 1,
}
TOKEN = {
    "name": "ci",
    "digest": "0a" * 32,
    "role": "run",
    "created_ms": 1,
    "created_by": "ann",
}
AUDIT = {
    "at_ms": 1,
    "principal": "ann",
    "address": "",
    "action": "push",
    "subject": "quotesbot",
    "detail": {},
}
GOOD = {"nodes": NODE, "outbox": MESSAGE, "users": USER, "tokens": TOKEN, "audit": AUDIT}


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    with engine.connect() as made:
        tables.metadata.create_all(made)
        yield made
    engine.dispose()


@pytest.mark.parametrize("name", GOOD)
def test_good(connection: Connection, name: str) -> None:
    """A row with what is needed, and no more, is taken."""
    assert 1 == connection.execute(insert(tables.metadata.tables[name]), GOOD[name]).rowcount


@pytest.mark.parametrize(
    ("name", "bad", "constraint"),
    [
        ("nodes", {"state": "draining"}, "nodes_state"),
        ("nodes", {"slots": -1}, "nodes_slots"),
        ("outbox", {"event": ""}, "outbox_event"),
        ("outbox", {"target": ""}, "outbox_target"),
        ("outbox", {"state": "lost"}, "outbox_"),
        ("outbox", {"attempts": -1}, "outbox_attempts"),
        ("outbox", {"next_try_ms": None}, "outbox_waiting"),
        ("outbox", {"state": "dead", "next_try_ms": None}, "outbox_ended"),
        ("outbox", {"state": "delivered", "ended_ms": 2}, "outbox_waiting"),
        ("users", {"name": ""}, "users_named"),
        ("users", {"password_hash": "secret"}, "users_password"),
        ("users", {"password_hash": "$2b$12$c2FsdA"}, "users_password"),
        ("users", {"digest_ha1": "secret"}, "users_digest"),
        ("users", {"role": "root"}, "users_role"),
        ("tokens", {"name": ""}, "tokens_named"),
        ("tokens", {"digest": "a token as it is shown"}, "tokens_sha256"),
        ("tokens", {"role": "job"}, "tokens_role"),
        ("audit", {"principal": ""}, "audit_principal"),
        ("audit", {"action": ""}, "audit_action"),
    ],
)
def test_bad(connection: Connection, name: str, bad: dict[str, Any], constraint: str) -> None:
    """A row that says what cannot be is refused by the constraint that says so."""
    with pytest.raises(IntegrityError, match=f"CHECK constraint failed: {constraint}"):
        connection.execute(insert(tables.metadata.tables[name]), GOOD[name] | bad)


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("nodes", {"name": "n2"}),
        ("outbox", {"target": "else"}),
        ("users", {"role": "read"}),
        ("tokens", {"digest": "0b" * 32}),
        ("tokens", {"name": "other"}),
    ],
)
def test_once(connection: Connection, name: str, other: dict[str, Any]) -> None:
    """An epoch, the id of a message, a user, a token and its name are there once."""
    table = tables.metadata.tables[name]
    connection.execute(insert(table), GOOD[name])
    with pytest.raises(IntegrityError, match="UNIQUE constraint failed"):
        connection.execute(insert(table), GOOD[name] | other)


def test_names_of_revoked_tokens(connection: Connection) -> None:
    """The name of a revoked token may be given again."""
    connection.execute(insert(tables.tokens), TOKEN)
    connection.execute(update(tables.tokens).values(revoked_ms=2))
    again = connection.execute(insert(tables.tokens), TOKEN | {"digest": "0b" * 32})
    assert 1 == again.rowcount
