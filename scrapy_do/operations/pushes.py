"""What a push does, taken down while it goes on; a few reports are kept."""

import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from scrapy_do.core.missing_module import missing_module, package_of
from scrapy_do.core.push_report import PushReport, Step
from scrapy_do.errors import BadArchive, NotFound, ScrapyDoError

MOST_REPORTS = 20
LONGEST_TRACEBACK = 64 * 1024
"""Characters of a traceback that are kept: its end, which says what went wrong."""
_MOST_WARNINGS = 100


Hear = Callable[[], Awaitable[str]]
"""Tells what a project has printed so far."""


class PushNotFound(NotFound):
    """No push of this identifier is remembered: it is long ago."""

    def __init__(self, report_id: object) -> None:
        super().__init__(f"No push {report_id} is remembered")


class PushNotes:
    """Takes down what a push does while it goes on."""

    def __init__(self, *, report_id: UUID | None, by: str, now: Callable[[], datetime]) -> None:
        self.project: str | None = None
        self.own_package = ""
        self.earlier: str | None = None
        self.id = report_id or uuid4()
        self._by = by
        self._now = now
        self._at = self._since = now()
        self._step = ""
        self._steps: list[Step] = []
        self._hear: Hear | None = None

    def begin(self, step: str) -> None:
        """A step begins; the one before is over."""
        self._end(failed=False)
        self._hear = None
        self._step, self._since = step, self._now()

    def watch(self, hear: Hear) -> None:
        """Keep what tells what the project prints in the step that goes on."""
        self._hear = hear

    async def said(self) -> str:
        """What the project has printed so far in the step that goes on."""
        return "" if self._hear is None else await self._hear()

    def so_far(self) -> PushReport:
        """What is known of a push that goes on; its last step has no end yet."""
        going = (Step(name=self._step, took=None),) if self._step else ()
        return replace(self._report(), steps=(*self._steps, *going))

    def _report(self) -> PushReport:
        return PushReport(
            id=self.id,
            at=self._at,
            by=self._by,
            project=self.project,
            version=None,
            steps=tuple(self._steps),
            earlier=self.earlier,
        )

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
        return replace(
            self._report(),
            version=version,
            warnings=tuple(warnings[:_MOST_WARNINGS]),
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
        return replace(
            self._report(),
            problem=str(error),
            traceback=traceback,
            missing_module=module,
            install="" if is_own or not module else command,
            warnings=warnings,
        )
