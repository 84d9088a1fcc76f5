"""The runs that lie behind a demo: made up, and marked so, for charts and hints to compare with.

Five good runs of each spider, the last ones within a day, and one that failed. They found what
the site has; of the offers all, as if the shop had been whole until now.
"""

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from scrapy_do.demo.site import (
    BOOKS,
    BOOKS_PER_PAGE,
    OFFERS,
    QUOTES,
    QUOTES_PER_PAGE,
    book,
    day,
    offer,
    quote,
)

if TYPE_CHECKING:
    from scrapy_do.engine.seeding import FormerRun

_DAYS = 5
_SLOWER = (1.0, 1.2, 0.9, 1.1, 1.05)
"""How long runs took, of the usual time."""

_ENDLESS_S = 300.5


def seed_history(root: Path, project: str, site_url: str, now: datetime) -> None:
    """Make a data directory for the daemon, with the history in it; nothing if there is one."""
    if root.exists():
        return
    from scrapy_do.engine.seeding import seed  # noqa: PLC0415 - Note [Why commands import ...]

    seed(root, project, former_runs(site_url, now), by="scrapy-do demo")


def former_runs(site_url: str, now: datetime) -> "list[FormerRun]":
    """The runs, oldest first."""
    from scrapy_do.engine.seeding import FormerRun  # noqa: PLC0415 - the same

    shelves = [f"books/page/{n}" for n in range(1, BOOKS // BOOKS_PER_PAGE + 1)]
    books = [f"books/{n}" for n in range(1, BOOKS + 1)]
    leaves = [f"quotes/page/{n}" for n in range(1, QUOTES // QUOTES_PER_PAGE + 1)]
    offers = ["offers", *(f"offers/{n}" for n in range(1, OFFERS + 1))]
    kinds = (
        ("books", 9, 2.4, [book(n) for n in range(1, BOOKS + 1)], [*shelves, *books]),
        ("toscrape-css", 5, 1.6, [quote(n) for n in range(QUOTES)], leaves),
        ("flaky", 3, 1.8, [offer(n) for n in range(1, OFFERS + 1)], offers),
    )
    runs = [
        FormerRun(
            spider=spider,
            ended=now - timedelta(days=past, hours=hours),
            duration_s=duration_s * _SLOWER[past],
            items=items,
            pages=[f"{site_url}/{page}/" for page in pages],
        )
        for spider, hours, duration_s, items, pages in kinds
        for past in range(_DAYS)
    ]
    for past in range(_DAYS):
        days = range(1, round(_ENDLESS_S / _SLOWER[past] / 1.1))
        runs.append(
            FormerRun(
                spider="endless",
                ended=now - timedelta(days=past, hours=7),
                duration_s=_ENDLESS_S,
                items=[day(n) for n in days],
                pages=[f"{site_url}/days/{n}/" for n in days],
                reason="closespider_timeout",
            )
        )
    runs.append(
        FormerRun(
            spider="toscrape-css",
            ended=now - timedelta(days=1, hours=14),
            duration_s=0.4,
            items=[],
            pages=[],
            errors=1,
            failed="exit status 1",
        )
    )
    return sorted(runs, key=lambda run: run.ended)
