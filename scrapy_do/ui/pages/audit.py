"""Who may come in, and who did what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scrapy_do.core.accounts import Account, Accounts, AuditLine, Token
from scrapy_do.operations.operations import Operations
from scrapy_do.ui.render import PageView

SHOWN = 100
MOST_ROWS = 1000
COLUMNS = ("number", "at", "principal", "address", "action", "subject", "detail")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownAccount:
    """A user or a token; `opens` names projects."""

    account: Account
    opens: str
    token: Token | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPage:
    """What the page shows; `after` is the number of the last line, None where none follows."""

    users: Sequence[ShownAccount]
    tokens: Sequence[ShownAccount]
    lines: Sequence[AuditLine]
    after: int | None


async def audit(operations: Operations, before: int | None) -> PageView:
    """Gather the page."""
    lines = await operations.server.audit(before=before, limit=SHOWN + 1)
    accounts: Accounts = await operations.server.accounts()
    names = {project.id: project.name for project in await operations.projects.all()}

    def listed(account: Account) -> ShownAccount:
        numbers = account.projects
        opens = "all" if numbers is None else ", ".join(names.get(n, str(n)) for n in numbers)
        token = account if isinstance(account, Token) else None
        return ShownAccount(account=account, opens=opens, token=token)

    return PageView(
        template="audit.html",
        title="Who did what",
        view=AuditPage(
            users=[listed(one) for one in accounts.users],
            tokens=[listed(one) for one in accounts.tokens],
            lines=lines[:SHOWN],
            after=lines[SHOWN - 1].number if len(lines) > SHOWN else None,
        ),
    )


def row(line: AuditLine) -> Mapping[str, object]:
    """A line as programs get it."""
    return {
        "number": line.number,
        "at": line.at.isoformat(),
        "principal": line.principal,
        "address": line.address,
        "action": line.action,
        "subject": line.subject,
        "detail": dict(line.detail),
    }
