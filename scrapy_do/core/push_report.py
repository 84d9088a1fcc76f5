"""What became of a push, step by step: also of one that failed."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a push, and how long it took; `took` is None for the one that goes on."""

    name: str
    took: timedelta | None
    failed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PushReport:
    """One push. `problem` is "" for one that succeeded.

    `project` is None where the archive did not even give a name. `missing_module` is what
    could not be imported, `install` the command that probably helps. `earlier` is the label of
    the version that was current before; after a failure it still is.
    """

    id: UUID
    at: datetime
    by: str
    project: str | None
    version: str | None
    steps: tuple[Step, ...]
    problem: str = ""
    traceback: str = ""
    missing_module: str = ""
    install: str = ""
    warnings: tuple[str, ...] = ()
    earlier: str | None = None
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
