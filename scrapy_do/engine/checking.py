"""Says how a database and its copies are; nothing is changed. Blocking: run by a command."""

from dataclasses import dataclass, field
from pathlib import Path

from scrapy_do.engine.pairing import Pair
from scrapy_do.errors import Conflict, StoreUnavailable, WrongDatabase
from scrapy_do.store.copies import all_copies
from scrapy_do.store.inspection import inspect_file


@dataclass(slots=True)
class CheckReport:
    """What is to be said; `problem` is why a daemon would not start."""

    lines: list[str] = field(default_factory=list)
    problem: str | None = None


def check(pair: Pair) -> CheckReport:
    """Check database and copies from their beginnings to their ends.

    Raises:
        StoreUnavailable, sqlite3.Error: the database cannot be read now.
    """
    report = CheckReport()
    try:
        pair.lock()
        is_running = False
    except Conflict:
        is_running = True
    try:
        problem = pair.examine(is_ours=not is_running)
    except WrongDatabase as error:
        problem = error.problem
    report.problem = problem
    if problem is None and pair.path is not None and not pair.path.exists():
        report.lines.append(f"none yet: the first start makes {pair.name}")
    elif problem is None:
        report.lines.append(f"whole, and the one of {pair.directory.root}: {pair.name}")
    for copy in all_copies(pair.path):
        report.lines.append(f"copy: {copy.name} {_state(copy)}")
    return report


def _state(copy: Path) -> str:
    try:
        inspect_file(copy, is_ours=True, patience_s=0, limit_s=None)
    except StoreUnavailable:
        return "is damaged"
    return "is whole"
