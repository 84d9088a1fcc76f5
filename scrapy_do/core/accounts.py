"""Users and tokens: who may come in, and as whom; and the lines about what they did."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from scrapy_do.core.principal import Principal, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What users and tokens have in common; `created_by` is who made it.

    `projects` are the numbers of those that it opens, None: all.
    """

    name: str
    role: Role
    projects: frozenset[int] | None = None
    created_at: datetime
    created_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class User(Account):
    """Somebody with a password. `digest_ha1` is for digest logins (RFC 7616, MD5), if any."""

    password_hash: str = field(repr=False)
    digest_ha1: str | None = field(default=None, repr=False)
    changed_at: datetime

    @property
    def principal(self) -> Principal:
        """As whom they act. What was proved before a change of them is worth nothing after."""
        proof = f"user {self.name} {self.changed_at.timestamp()}"
        return Principal(name=self.name, role=self.role, projects=self.projects, proof=proof)


@dataclass(frozen=True, slots=True, kw_only=True)
class Token(Account):
    """A secret of which only the SHA-256 is known, in hexadecimal digits."""

    digest: str
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    @property
    def principal(self) -> Principal:
        """As whom its bearer acts."""
        proof = f"token {self.digest}"
        return Principal(name=self.name, role=self.role, projects=self.projects, proof=proof)

    def is_good(self, now: datetime) -> bool:
        """Whether it was not revoked, and has not expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """All of them at one moment; the tokens are those that were not revoked."""

    users: tuple[User, ...] = ()
    tokens: tuple[Token, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditLine:
    """Somebody did something. `address` is "" for what came over no network.

    `subject` is what it was done to, in words; `project_id` the project of it, if it is known.
    `number` is 0 until the line is stored.
    """

    at: datetime
    principal: str
    address: str
    action: str
    subject: str
    project_id: int | None = None
    detail: Mapping[str, str] = field(default_factory=dict)
    number: int = 0
