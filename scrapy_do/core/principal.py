"""Who asks, and what they may do."""

from dataclasses import dataclass
from enum import IntEnum


class Role(IntEnum):
    """What a principal may do; each role includes those before it.

    READ looks, RUN starts and stops jobs, PUSH brings code, ADMIN does the rest.
    """

    READ = 1
    RUN = 2
    PUSH = 3
    ADMIN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Somebody whose credentials were accepted; `name` is what the audit lines say."""

    name: str
    role: Role

    def may(self, role: Role) -> bool:
        """Whether what needs `role` is allowed."""
        return self.role >= role
