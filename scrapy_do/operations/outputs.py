"""What a job has written: where it is, and whether more may come."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from uuid import UUID

from scrapy_do.core.events import Happening, JobChanged
from scrapy_do.core.job import Job, Pending, has_started, is_active
from scrapy_do.errors import JobNotFound, LogNotFound
from scrapy_do.files.artifacts import Artifact, ArtifactStore
from scrapy_do.files.job_files import JobFile, LeftOut
from scrapy_do.store.store import Store
from scrapy_do.system.runtime import Runtime


class OutputStream(StrEnum):
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

    def __init__(self, *, store: Store, artifacts: ArtifactStore, runtime: Runtime) -> None:
        self._store = store
        self._artifacts = artifacts
        self._in_thread = runtime.in_thread
        self._live: set[UUID] = set()
        self._waiting: dict[UUID, list[Callable[[], None]]] = {}
        store.events.subscribe(self._look)

    async def log(self, job_id: UUID, stream: OutputStream) -> Output:
        """The output of a job that has started.

        Raises:
            LogNotFound: there is no such job, it has not started, or its files were pruned.
        """
        kind = Artifact.STDOUT if stream is OutputStream.OUT else Artifact.STDERR
        return await self.output(job_id, kind)

    async def items(self, job_id: UUID, attempt: int | None = None) -> Output:
        """The captured items of a job that has started, one JSON object a line.

        `attempt` asks for those of an abandoned attempt, 1 for the oldest.

        Raises:
            LogNotFound: there is no such job or attempt, it has not started, or its files
                were pruned.
        """
        if attempt is None:
            return await self.output(job_id, Artifact.ITEMS)
        await self._job(job_id)
        path = self._artifacts.captured(job_id, Artifact.ITEMS, attempt)
        return Output(path=path, is_live=lambda: False, on_end=lambda _listener: lambda: None)

    async def attempts(self, job_id: UUID) -> int:
        """How many abandoned attempts of a job have left records."""
        return await self._in_thread(lambda: self._artifacts.attempts(job_id))

    async def output(self, job_id: UUID, kind: Artifact) -> Output:
        """A file of a job that has started.

        Raises:
            LogNotFound: there is no such job, it has not started, or its files were pruned.
        """
        job = await self._job(job_id)
        if not has_started(job.state):
            raise LogNotFound
        path = await self._in_thread(lambda: self._artifacts.ensure(job_id, kind))
        await self._see_whether_live(job_id)
        return Output(
            path=path,
            is_live=lambda: job_id in self._live,
            on_end=lambda listener: self._on_end(job_id, listener),
        )

    async def files(
        self, job_id: UUID, attempt: int | None = None, *, after: int, limit: int
    ) -> tuple[tuple[JobFile, ...], LeftOut]:
        """The files that a job's run has left, by their numbers; none before it has ended.

        `attempt` asks for those of an abandoned attempt.

        Raises:
            JobNotFound: there is no such job.
        """
        await self._store.jobs.get(job_id)
        left = self._artifacts.left(job_id, attempt)
        return await self._in_thread(lambda: left.page(after=after, limit=limit))

    async def file(self, job_id: UUID, path: str, attempt: int | None = None) -> Output:
        """One of these files.

        Raises:
            LogNotFound: there is no such job, or no such file.
        """
        await self._job(job_id)
        left = self._artifacts.left(job_id, attempt)
        place, _ = await self._in_thread(lambda: left.find(path))
        return Output(path=place, is_live=lambda: False, on_end=lambda _listener: _nothing)

    async def _see_whether_live(self, job_id: UUID) -> None:
        """Read the state of a job, unless it is told meanwhile: what was read may be older."""
        told: list[Job] = []

        def hear(happening: Happening) -> None:
            if isinstance(happening, JobChanged) and happening.job.id == job_id:
                told.append(happening.job)

        unsubscribe = self._store.events.subscribe(hear)
        try:
            job = await self._job(job_id)
        finally:
            unsubscribe()
        if not told and _writes(job):
            self._live.add(job_id)

    async def _job(self, job_id: UUID) -> Job:
        try:
            return await self._store.jobs.get(job_id)
        except JobNotFound as error:
            raise LogNotFound from error

    def _look(self, happening: Happening) -> None:
        """Keep up with which jobs may still write, and tell who waits for an end."""
        if not isinstance(happening, JobChanged):
            return
        job_id = happening.job.id
        if _writes(happening.job):
            self._live.add(job_id)
            return
        self._live.discard(job_id)
        for listener in tuple(self._waiting.pop(job_id, ())):
            listener()

    def _on_end(self, job_id: UUID, listener: Callable[[], None]) -> Callable[[], None]:
        waiting = self._waiting.setdefault(job_id, [])
        waiting.append(listener)

        def forget() -> None:
            if listener in waiting:
                waiting.remove(listener)
            if not waiting:
                self._waiting.pop(job_id, None)

        return forget


def _nothing() -> None:
    """What has ended ends no more."""


def _writes(job: Job) -> bool:
    """Whether a crawl of the job may write now."""
    return is_active(job.state) and not isinstance(job.state, Pending)
