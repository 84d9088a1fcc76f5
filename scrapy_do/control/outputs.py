"""What a job has written: where it is, and whether more may come."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from uuid import UUID

from scrapy_do.control.background import InThread
from scrapy_do.core.events import Happening, JobChanged, Publisher
from scrapy_do.core.job import Job, Pending, is_active
from scrapy_do.errors import JobNotFound, LogNotFound
from scrapy_do.files.artifacts import Artifact, ArtifactStore
from scrapy_do.store.store import Store


class Stream(StrEnum):
    """The two streams of a crawl's process."""

    OUT = "out"
    ERR = "err"


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """A file of a job. `is_live` says whether more may be written to it.

    `on_end` calls back once when the job ends, unless the function it returns is called
    before.
    """

    path: Path
    is_live: Callable[[], bool]
    on_end: Callable[[Callable[[], None]], Callable[[], None]]


class OutputOperations:
    """Every use case of the files of jobs, once, for all dialects."""

    def __init__(
        self, *, store: Store, artifacts: ArtifactStore, events: Publisher, in_thread: InThread
    ) -> None:
        self._store = store
        self._artifacts = artifacts
        self._events = events
        self._in_thread = in_thread

    async def log(self, job_id: UUID, stream: Stream) -> Output:
        """The output of a job that has started.

        Raises:
            LogNotFound: there is no such job, it has not started, or its files were pruned.
        """
        kind = Artifact.STDOUT if stream is Stream.OUT else Artifact.STDERR
        return await self.output(job_id, kind)

    async def items(self, job_id: UUID) -> Output:
        """The captured items of a job that has started, one JSON object a line.

        Raises:
            LogNotFound: there is no such job, it has not started, or its files were pruned.
        """
        return await self.output(job_id, Artifact.ITEMS)

    async def output(self, job_id: UUID, kind: Artifact) -> Output:
        """A file of a job that has started.

        Raises:
            LogNotFound: there is no such job, it has not started, or its files were pruned.
        """
        path = self._artifacts.path(job_id, kind)
        if not await self._in_thread(path.exists):
            raise LogNotFound
        try:
            # Read last: nothing can happen between this and the subscription below.
            job = await self._store.jobs.get(job_id)
        except JobNotFound as error:
            raise LogNotFound from error
        return self._output(job, path)

    def _output(self, job: Job, path: Path) -> Output:
        live = is_active(job.state) and not isinstance(job.state, Pending)
        ended = not live
        listeners: list[Callable[[], None]] = []

        def look(happening: Happening) -> None:
            nonlocal ended
            if (
                isinstance(happening, JobChanged)
                and happening.job.id == job.id
                and not ended
                and (not is_active(happening.job.state) or isinstance(happening.job.state, Pending))
            ):
                ended = True
                unsubscribe()
                for listener in tuple(listeners):
                    listener()

        unsubscribe = self._events.subscribe(look) if live else _nothing

        def on_end(listener: Callable[[], None]) -> Callable[[], None]:
            listeners.append(listener)
            return unsubscribe

        return Output(path=path, is_live=lambda: not ended, on_end=on_end)


def _nothing() -> None:
    """Take away a listener that was never there."""
