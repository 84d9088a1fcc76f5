"""What a launcher promises: starting crawls, finding them again, hearing of their end.

The contract, which `tests/launchers/contract.py` checks on every launcher:

- `launch` returns when the identity of the crawl's process is on disk. When it raises,
  no process is left and none can appear later: the same job may be started again.
- `Crawl.ended` fires exactly once, never fails, and only after every process of the
  crawl is gone and its records are read.
- Crawls outlive the launcher: `start` of a later one, given the same run directories,
  returns them as `Alive`, or their ending as `Ended`, or `NeverStarted` when the spider never
  ran and never will.
- Nothing is signalled whose pid, start time and boot are not the recorded ones; and what
  only the records say is believed of a process that carries the mark of the run.
- Whatever is found in the directory of one run, it is the end of that run and of no other.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from uuid import UUID

from twisted.internet.defer import Deferred

from scrapy_do.protocol.facts import Ending, Process
from scrapy_do.protocol.wire import CrawlSpec, Report, SpidersRequest

__all__ = [
    "Adopted",
    "Alive",
    "Crawl",
    "Ended",
    "KnownRun",
    "Launcher",
    "NeverStarted",
    "SpiderList",
    "SpidersRequest",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRun:
    """One attempt of one job: the directory of its records, the file of the crawl's last words.

    `process` is the crawl's process, where the daemon knows it from elsewhere.
    """

    job_id: UUID
    attempt: int
    run_dir: Path
    result: Path
    process: Process | None = None

    @classmethod
    def of(cls, spec: CrawlSpec) -> "KnownRun":
        """Return the run that a specification orders."""
        return cls(
            job_id=spec.order.job_id,
            attempt=spec.order.attempt,
            run_dir=spec.placement.run_dir,
            result=spec.placement.result,
        )

    @property
    def mark(self) -> str:
        """What each of its processes has in its environment."""
        return f"{self.job_id}.{self.attempt}"


class Crawl(Protocol):
    """A crawl that runs, or ran. `ended` fires once with its `Ending` and never fails."""

    job_id: UUID
    attempt: int
    process: Process | None
    ended: Deferred[Ending]

    def is_ending(self) -> bool:
        """Whether its processes are gone but `ended` has not fired yet: it will, soon."""
        ...

    def ask_to_stop(self) -> None:
        """Ask politely, once: repeating, also after a restart, is harmless, as after the end."""
        ...

    def kill(self) -> None:
        """End every process of the crawl at once. May be repeated; harmless after the end."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Alive:
    """A run directory whose crawl runs."""

    run_dir: Path
    crawl: Crawl


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A run whose crawl is over; `ending` is lost or damaged when nobody recorded how."""

    run_dir: Path
    ending: Ending


@dataclass(frozen=True, slots=True, kw_only=True)
class NeverStarted:
    """A run directory whose spider never ran and never will: the start may be repeated."""

    run_dir: Path


Adopted = Alive | Ended | NeverStarted


@dataclass(frozen=True, slots=True, kw_only=True)
class SpiderList:
    """The spiders of a project that can be run, sorted, and what its author should know."""

    names: tuple[str, ...]
    warnings: tuple[str, ...] = ()


class Launcher(Protocol):
    """Starts crawls on this machine. See the module's docstring for the contract."""

    async def start(
        self, runs: Sequence[KnownRun], on_report: Callable[[Report], None]
    ) -> tuple[Adopted, ...]:
        """Begin; settle every run given, in the order given.

        `on_report` is called on the reactor's thread with each report of a crawl that is
        alive. To be called once, before anything else.
        """
        ...

    async def launch(self, spec: CrawlSpec) -> Crawl:
        """Start one crawl in its run directory, which exists and was never used.

        Raises:
            LaunchFailed: nothing was started; see the module's docstring.
        """
        ...

    async def spiders(self, request: SpidersRequest) -> SpiderList:
        """Ask a throw-away process for the spiders of an unpacked project.

        Raises:
            BadArchive: the project fails, hangs or answers nonsense; with its traceback.
            LaunchFailed: the process could not be started, or is killed again and again.
            ShuttingDown: it was ended by `end_listings`.
        """
        ...

    def end_listings(self) -> None:
        """After `stop`: end the listings that are still under way."""
        ...

    async def stop(self, *, leave_crawls: bool) -> None:
        """Let go of everything; without `leave_crawls`, kill what runs and wait for its end.

        The `ended` of a crawl that is left never fires.
        """
        ...
