"""Small makers of values for the tests: everything has a sensible default."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from argon2 import PasswordHasher

from scrapy_do.core.accounts import Token, User
from scrapy_do.core.job import (
    Actor,
    Driver,
    Job,
    JobKey,
    JobRequest,
    Outcome,
    Pending,
    State,
)
from scrapy_do.core.principal import Principal, Role
from scrapy_do.core.schedule import Timing, Unreadable, stored_timing
from scrapy_do.protocol.facts import Ending, Process, Progress
from scrapy_do.system.passwords import digest_secret, token_digest

ANN = Principal(name="ann", role=Role.ADMIN)
TESTER = Principal(name="tester", role=Role.ADMIN)
START = datetime(2026, 6, 3, 10, 17, 23, tzinfo=UTC)
PROCESS = Process(pid=4711, start_ticks=12345, boot_id="0f0f")


def at(seconds: float) -> datetime:
    """The instant that many seconds after the start of every test."""
    return START + timedelta(seconds=seconds)


_QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def user(name: str = "ann", password: str = "secret", **fields: Any) -> User:
    """Somebody with a password whose hash is quick to try."""
    made = User(
        name=name,
        password_hash=_QUICK.hash(password.encode()),
        digest_ha1=digest_secret(name, password),
        role=Role.ADMIN,
        created_at=START,
        created_by="tester",
        changed_at=START,
    )
    return replace(made, **fields)


def token(secret: str = "t0ken", **fields: Any) -> Token:
    """Make a token that says what it opens: everything, unless said otherwise."""
    made = Token(
        name=secret,
        digest=token_digest(secret),
        role=Role.ADMIN,
        created_at=START,
        created_by="tester",
    )
    return replace(made, **fields)


def timing(spec: str = "every hour", zone: str = "UTC", *, anchor: datetime = START) -> Timing:
    """When a schedule runs, as it is read from what is stored."""
    read = stored_timing(spec, zone, anchor=anchor)
    assert isinstance(read, Timing)
    return read


LOST = Unreadable(spec="every minute", zone_name="Mars/Base", problem="'Mars/Base' is gone")
"""What a schedule has where its zone is not known any more."""


def request(**fields: Any) -> JobRequest:
    return JobRequest(**{"project": "quotesbot", "spider": "toscrape-css", **fields})


def job(number: int = 1, state: State | None = None, **fields: Any) -> Job:
    """Make job number `number` of spider 1 of project 1, pending unless said otherwise."""
    made = Job(
        id=UUID(int=number),
        key=JobKey(project=1, spider=1, number=number),
        request=request(),
        deploy_id=1,
        actor=Actor.USER,
        driver=Driver.LOCAL,
        created_at=START,
        changed_at=START,
        sequence=number,
        state=Pending(since=START) if state is None else state,
    )
    return replace(made, **fields)


def ending(**fields: Any) -> Ending:
    """Make the ending of a crawl that went well."""
    return Ending(
        **{
            "ended_at": at(60),
            "status": None if "signal" in fields else 0,
            "opened": True,
            "close_reason": "finished",
            "progress": Progress(items=10, requests=2, responses=2, log_lines=20),
            **fields,
        }
    )


GOOD = Outcome.SUCCESSFUL
