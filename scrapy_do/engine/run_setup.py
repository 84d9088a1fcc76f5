"""Everything on disk that one run needs, joined: archive, directories of project, job and run.

The store and the files do not know each other; here they meet.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from uuid import UUID

from twisted.logger import Logger

from scrapy_do.core.job import NO_PAYLOAD, Job, attempt_of
from scrapy_do.core.project import Version
from scrapy_do.errors import BadArchive, ScrapyDoError, VersionNotFound
from scrapy_do.files.artifacts import Artifact
from scrapy_do.files.job_files import KeptLimits
from scrapy_do.files.record_stats import RecordKind
from scrapy_do.files.runs import RunPath
from scrapy_do.files.stores import FileStores
from scrapy_do.files.trees import Manifest, Place, Source, look_through
from scrapy_do.protocol.facts import Ending, Progress
from scrapy_do.protocol.run_record import RESULT
from scrapy_do.protocol.wire import (
    Confinement,
    CrawlLimits,
    CrawlOrder,
    CrawlSpec,
    Placement,
    StartMethod,
)
from scrapy_do.store.store import Store
from scrapy_do.system.runtime import Runtime, background

REMEMBERED_VERSIONS = 64
PLACED = frozenset({"HOME", "TMPDIR", "SPIDER_DATA_DIR"})
"""The variables that name directories of a run: only the job's own request overrides them."""

ITEMS_STAT = "item_scraped_count"
"""Scrapy's own count of items."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrawlDefaults:
    """What every crawl gets from the configuration.

    `environment` makes the environment of the crawls of a project, but for what is each
    job's own; `start_method` says how they are started; `python` is the interpreter. The
    limits are those that the planner does not watch over; `confinement` says what crawls are
    kept from, and `kept` limits what is kept of the files that a run leaves.
    """

    environment: Callable[[str], Mapping[str, str]]
    start_method: Callable[[str], StartMethod]
    python: str
    limits: CrawlLimits
    kept: KeptLimits
    report_interval_s: float
    confinement: Confinement = field(default_factory=Confinement)


class RunSetup:
    """Prepares runs and clears them away."""

    def __init__(
        self,
        *,
        store: Store,
        files: FileStores,
        defaults: CrawlDefaults,
        granted: Callable[[Job], Awaitable[Mapping[str, str]]],
        runtime: Runtime,
    ) -> None:
        self._store = store
        self._trees = files.trees
        self._artifacts = files.artifacts
        self._runs = files.runs
        self._spider_data = files.spider_data
        self._trash = files.trash
        self.defaults = defaults
        self._granted = granted
        self._in_thread = runtime.in_thread
        self._log = Logger()
        self._versions: OrderedDict[int, Version] = OrderedDict()
        self._is_untidy = False
        self._is_tidying = False

    async def runs(self, active: Iterable[Job]) -> tuple[RunPath, ...]:
        """The runs of an earlier daemon: those that it left, and those of its active jobs."""
        left = await self._in_thread(self._runs.list)
        await self._in_thread(lambda: self._runs.set_strangers_aside(self._trash))
        known = (self._runs.run(job.id, attempt_of(job)) for job in active)
        return tuple(dict.fromkeys((*left, *known)))

    async def prepare(self, job: Job) -> CrawlSpec:
        """Make everything that the job's present attempt needs.

        Raises:
            BadArchive, VersionNotFound: the version cannot be run any more.
            NoSpace, OSError: the disk refuses.
        """
        version = await self._version(job)
        granted = await self._granted(job)
        return await self._in_thread(lambda: self._prepare(job, version, granted))

    async def close(self, job_id: UUID, attempt: int, ending: Ending) -> Ending:
        """Take the end of a crawl: its counts where it could not know them, the files it has left.

        One that was killed has reported some seconds before; and clients may have written more
        records over HTTP, also from within the crawl.
        """

        def work() -> Ending:
            counted = self._surely_counted(job_id, ending)
            has_ended = ending.lost is None and ending.damaged is None
            self._surely_collect(job_id, attempt, has_ended=has_ended)
            return counted

        return await self._in_thread(work)

    def _surely_counted(self, job_id: UUID, ending: Ending) -> Ending:
        try:
            return self._counted(job_id, ending)
        except Exception as error:  # noqa: BLE001 - whatever a crawl has written, it has ended
            self._log.warn(
                "the records of job {job} cannot be counted: {error}", job=str(job_id), error=error
            )
            return ending

    def _counted(self, job_id: UUID, ending: Ending) -> Ending:
        told = ending.progress
        if ending.status == 0 and ending.close_reason is not None:
            return replace(ending, progress=self._with_others(job_id, told))
        items, requests, lines = (
            self._artifacts.records(job_id, kind).stats()
            for kind in (RecordKind.ITEMS, RecordKind.REQUESTS, RecordKind.LOGS)
        )
        dropped = told.stats.get("scrapy_do/dropped/log_lines")
        dropped = dropped if isinstance(dropped, int) else 0
        counted = replace(
            told,
            items=items.input_values,
            requests=max(told.requests, requests.input_values),
            responses=requests.input_values,
            log_lines=lines.input_values + dropped,
            errors=max(told.errors, lines.errors) if dropped else lines.errors,
        )
        if ITEMS_STAT in told.stats or counted.items:
            counted = replace(counted, stats={**told.stats, ITEMS_STAT: counted.items})
        return replace(ending, progress=counted)

    def _with_others(self, job_id: UUID, counts: Progress) -> Progress:
        """What a crawl says, and what others have written; a look at the sizes, if nobody has."""
        log = self._artifacts.records
        if log(job_id, RecordKind.ITEMS).count() > counts.items:
            items = log(job_id, RecordKind.ITEMS).stats().input_values
            counts = replace(counts, items=items)
        if log(job_id, RecordKind.REQUESTS).count() > counts.responses:
            requests = log(job_id, RecordKind.REQUESTS).stats().input_values
            counts = replace(counts, responses=requests, requests=max(counts.requests, requests))
        if log(job_id, RecordKind.LOGS).count() > counts.log_lines:
            lines = log(job_id, RecordKind.LOGS).stats()
            counts = replace(counts, log_lines=lines.input_values, errors=lines.errors)
        return counts

    async def discard(self, job_id: UUID, attempt: int, *, is_damaged: bool) -> None:
        """Let the directories of a run that is over disappear; they are removed without waiting.

        Damaged records are put into the trash for a while.

        Raises:
            OSError: the disk refuses.
        """
        run = self._runs.run(job_id, attempt)
        if is_damaged:
            await self._in_thread(lambda: self._runs.quarantine(run, self._trash))
        else:
            await self._in_thread(lambda: self._runs.discard(run))
        self.tidy()

    def tidy(self) -> None:
        """Have removed what was discarded, a thing at a time, however large it is."""
        self._is_untidy = True
        if not self._is_tidying:
            self._is_tidying = True
            background(self._tidy(), "removing what runs have left")

    async def _tidy(self) -> None:
        try:
            while self._is_untidy:
                self._is_untidy = False
                await self._in_thread(self._empty_trash)
        finally:
            self._is_tidying = False

    def _empty_trash(self) -> None:
        self._runs.empty_trash()
        self._trees.empty_trash()

    def stop(self) -> None:
        """Let what is being removed be removed by the next daemon."""
        self._runs.stop()
        self._trees.stop()

    async def make_ahead(self, job: Job) -> None:
        """Have a tree ready for the next run of the version that a job has."""
        try:
            source = _source(await self._version(job))
            if not self._trees.has_spare(source.archive.digest):
                await self._in_thread(lambda: self._trees.make_ahead(source))
        except (ScrapyDoError, OSError) as error:
            self._log.warn("no tree is made ahead: {problem}", problem=str(error))

    async def collect(self, job_id: UUID, attempt: int) -> None:
        """Keep the files of a run whose processes may live: its tree is not used again.

        Doing it twice is harmless, also after `close`.
        """
        await self._in_thread(lambda: self._surely_collect(job_id, attempt, has_ended=False))

    def _surely_collect(self, job_id: UUID, attempt: int, *, has_ended: bool) -> None:
        """Keep what a run has left; what cannot be kept is told: no ending waits for a disk."""
        try:
            self._collect(self._runs.run(job_id, attempt), has_ended=has_ended)
        except FileNotFoundError:
            pass  # it was done before, or nothing was begun
        except Exception as error:  # noqa: BLE001 - whatever a crawl has left, it has ended
            self._log.warn(
                "the files that job {job} has left are not kept: {problem}",
                job=str(job_id),
                problem=str(error),
            )

    def _collect(self, run: RunPath, *, has_ended: bool) -> None:
        place = _place(run)
        noted = Manifest.read(place.manifest)
        left = look_through(place.tree, noted)
        kept = self._artifacts.left(run.job_id)
        kept.keep(left, run.attempt, self.defaults.kept, draft=run.path / "kept")
        if left.is_pristine and has_ended:
            self._trees.give_back(place, noted, left)
        else:
            place.manifest.unlink()

    async def _version(self, job: Job) -> Version:
        if job.deploy_id is None:
            raise VersionNotFound(job.request.project, job.request.version or "?")
        version = self._versions.get(job.deploy_id)
        if version is None:
            version = await self._store.projects.version_by_id(job.deploy_id)
            self._versions[job.deploy_id] = version
            if len(self._versions) > REMEMBERED_VERSIONS:
                self._versions.popitem(last=False)
        return version

    def _prepare(self, job: Job, version: Version, granted: Mapping[str, str]) -> CrawlSpec:
        return CrawlSpec(
            placement=self._placed(job, version), order=self._order(job, version, granted)
        )

    def _order(self, job: Job, version: Version, granted: Mapping[str, str]) -> CrawlOrder:
        """What to run: it could be carried out on any machine."""
        request = job.request
        usual = {**self.defaults.environment(request.project), **granted}
        payload = {} if request.payload == NO_PAYLOAD else {"payload": request.payload}
        return CrawlOrder(
            job_id=job.id,
            attempt=attempt_of(job),
            project=request.project,
            version=version.label,
            settings_module=version.settings_module,
            spider=request.spider,
            arguments={**request.arguments, **payload},
            settings=dict(request.settings),
            environment={
                **{name: value for name, value in usual.items() if name not in PLACED},
                # Source: Scrapy Cloud, the environment of a job.
                "SCRAPY_JOB": str(job.key),
                "SCRAPY_PROJECT": request.project,
                "SCRAPY_SPIDER": request.spider,
                **request.environment,
            },
            limits=self.defaults.limits,
            report_interval_s=self.defaults.report_interval_s,
        )

    def _placed(self, job: Job, version: Version) -> Placement:
        """Make the directories of a run on this machine, and say where they are."""
        self._artifacts.begin(job.id)
        run = self._runs.create(job.id, attempt_of(job))
        place = _place(run)
        try:
            self._trees.take(_source(version), place)
        except FileNotFoundError as error:
            raise BadArchive(f"the archive of version {version.label} is gone") from error
        for directory in (run.crawl / "home", run.crawl / "tmp"):
            directory.mkdir(mode=0o700)
        project, path = job.request.project, self._artifacts.path
        return Placement(
            run_dir=run.path,
            project_dir=place.tree / version.root,
            result=run.crawl / RESULT,
            out=path(job.id, Artifact.STDOUT),
            err=path(job.id, Artifact.STDERR),
            items=path(job.id, Artifact.ITEMS),
            requests=path(job.id, Artifact.REQUESTS),
            log=path(job.id, Artifact.LOG),
            samples=path(job.id, Artifact.SAMPLES),
            environment={
                "HOME": str(run.crawl / "home"),
                "TMPDIR": str(run.tmp),
                "SPIDER_DATA_DIR": str(self._spider_data.prepare(project)),
            },
            start_method=self.defaults.start_method(project),
            python=self.defaults.python,
            confinement=self.defaults.confinement,
        )


def _source(version: Version) -> Source:
    return Source(
        archive=version.archive, root=version.root, settings_module=version.settings_module
    )


def _place(run: RunPath) -> Place:
    return Place(
        tree=run.crawl / "project", manifest=run.path / "manifest", rest=run.crawl / "rest"
    )
