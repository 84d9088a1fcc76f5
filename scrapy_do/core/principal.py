"""Who asks, and what they may do."""

from dataclasses import dataclass, field
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
    """Somebody whose credentials were accepted; `name` is what the audit lines say.

    `projects` are the numbers of those that they are a member of; None: of all. An
    administrator may open the others, too. `proof` names the account whose credentials were
    accepted, as it was then; "" for what is in no store.
    """

    name: str
    role: Role
    projects: frozenset[int] | None = None
    proof: str = field(default="", compare=False, repr=False)

    def may(self, role: Role) -> bool:
        """Whether what needs `role` is allowed."""
        return self.role >= role

    @property
    def opened(self) -> frozenset[int] | None:
        """The numbers of the projects that they may open; None: all."""
        return None if self.role is Role.ADMIN else self.projects

    def is_member(self, project: int) -> bool:
        """Whether a project is one of their own, which their lists show."""
        return self.projects is None or project in self.projects

    def may_open(self, project: int) -> bool:
        """Whether they may open a project; what they may do there, their role says."""
        return self.is_member(project) or self.role is Role.ADMIN
