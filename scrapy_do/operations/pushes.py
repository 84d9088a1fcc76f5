"""What became of the last pushes, step by step: also of those that failed.

Kept in memory, as a few: what a push leaves for good is its version.
"""

import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from scrapy_do.core.missing_module import missing_module, package_of
from scrapy_do.errors import BadArchive, NotFound, ScrapyDoError

MOST_REPORTS = 20
LONGEST_TRACEBACK = 64 * 1024
"""Characters of a traceback that are kept: its end, which says what went wrong."""
_MOST_WARNINGS = 100


class PushNotFound(NotFound):
    """No push of this identifier is remembered: it is long ago, or before the last start."""

    def __init__(self, report_id: object) -> None:
        super().__init__(f"No push {report_id} is remembered")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a push, and how long it took."""

    name: str
    took: timedelta
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


class PushNotes:
    """Takes down what a push does while it goes on."""

    def __init__(self, *, report_id: UUID | None, by: str, now: Callable[[], datetime]) -> None:
        self.project: str | None = None
        self.own_package = ""
        self.earlier: str | None = None
        self._id = report_id or uuid4()
        self._by = by
        self._now = now
        self._at = self._since = now()
        self._step = ""
        self._steps: list[Step] = []

    def begin(self, step: str) -> None:
        """A step begins; the one before is over."""
        self._end(failed=False)
        self._step, self._since = step, self._now()

    def _end(self, *, failed: bool) -> None:
        if self._step:
            took = max(timedelta(0), self._now() - self._since)
            self._steps.append(Step(name=self._step, took=took, failed=failed))
        self._step = ""

    def success(
        self, *, version: str, warnings: Sequence[str], before: Sequence[str], after: Sequence[str]
    ) -> PushReport:
        """The push has made a version current; `before` and `after` are the spiders."""
        self._end(failed=False)
        return PushReport(
            id=self._id,
            at=self._at,
            by=self._by,
            project=self.project,
            version=version,
            steps=tuple(self._steps),
            warnings=tuple(warnings[:_MOST_WARNINGS]),
            earlier=self.earlier,
            added=tuple(sorted(set(after) - set(before))),
            removed=tuple(sorted(set(before) - set(after))),
            unchanged=tuple(sorted(set(before) & set(after))),
        )

    def failure(self, error: ScrapyDoError) -> PushReport:
        """The push has changed nothing."""
        self._end(failed=True)
        traceback = ""
        warnings: tuple[str, ...] = ()
        if isinstance(error, BadArchive):
            traceback = (error.traceback or "")[-LONGEST_TRACEBACK:]
            warnings = error.warnings[:_MOST_WARNINGS]
        module = missing_module(traceback) or ""
        is_own = module.partition(".")[0] == self.own_package
        command = f"{sys.executable} -m pip install {package_of(module)}"
        return PushReport(
            id=self._id,
            at=self._at,
            by=self._by,
            project=self.project,
            version=None,
            steps=tuple(self._steps),
            problem=str(error),
            traceback=traceback,
            missing_module=module,
            install="" if is_own or not module else command,
            warnings=warnings,
            earlier=self.earlier,
        )


class PushReports:
    """The newest reports, and no more of them than `MOST_REPORTS`."""

    def __init__(self) -> None:
        self._reports: deque[PushReport] = deque(maxlen=MOST_REPORTS)

    def add(self, report: PushReport) -> None:
        """Remember one; the oldest may go."""
        self._reports.appendleft(report)

    def all(self) -> tuple[PushReport, ...]:
        """What is remembered, newest first."""
        return tuple(self._reports)

    def get(self, report_id: UUID) -> PushReport:
        """One report.

        Raises:
            PushNotFound: it is not remembered.
        """
        for report in self._reports:
            if report.id == report_id:
                return report
        raise PushNotFound(report_id)
