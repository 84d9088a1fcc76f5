"""The use cases of projects: push, list, choose a version, remove."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol
from uuid import UUID, uuid4

from twisted.internet.defer import DeferredLock
from twisted.logger import Logger

from scrapy_do.core.events import Happening, JobChanged
from scrapy_do.core.filter import JobFilter
from scrapy_do.core.job import JobKey, is_active
from scrapy_do.core.project import (
    ArchiveRef,
    Interpreter,
    NewVersion,
    Project,
    Spider,
    Version,
    check_name,
)
from scrapy_do.core.push_report import PushReport
from scrapy_do.core.run_history import Run
from scrapy_do.core.schedule import Schedule, ScheduleState
from scrapy_do.core.sight import is_asking, seen_projects
from scrapy_do.errors import (
    BadArchive,
    BadArgument,
    NotPermitted,
    ProjectInUse,
    ScrapyDoError,
    SpiderInUse,
    SpiderNotFound,
    Unavailable,
)
from scrapy_do.files.inspect import ArchiveLimits, ArchiveListing, inspect_archive
from scrapy_do.files.project_file import NO_PROJECT
from scrapy_do.files.stores import FileStores
from scrapy_do.files.trees import Source
from scrapy_do.launchers.interface import SpiderList
from scrapy_do.operations.pushes import MOST_REPORTS, Hear, PushNotes, PushNotFound
from scrapy_do.store.removals import Removable
from scrapy_do.store.store import Store
from scrapy_do.system.host import python_and_scrapy
from scrapy_do.system.runtime import Runtime, background

_log = Logger(namespace="scrapy_do.projects")


class ListSpiders(Protocol):
    """Asks a contained process for the spiders of an unpacked project."""

    async def __call__(
        self,
        *,
        project: str,
        project_dir: Path,
        settings_module: str,
        watch: Callable[[Hear], None],
    ) -> SpiderList:
        """Give the spiders that can be run, and warnings.

        `watch` is given what tells, while the project is asked, what it has printed so far.

        Raises:
            BadArchive: the project cannot say; with its traceback.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """What a push did, and what its author should know: sentences without a final full stop."""

    project: Project
    version: Version
    is_current: bool
    removed_spiders: tuple[str, ...]
    warnings: tuple[str, ...]


class ProjectOperations:
    """Every use case of projects, once, for all dialects."""

    def __init__(
        self,
        *,
        store: Store,
        files: FileStores,
        limits: ArchiveLimits,
        list_spiders: ListSpiders,
        runtime: Runtime,
    ) -> None:
        self._store = store
        self._archives = files.archives
        self._trees = files.trees
        self._spider_data = files.spider_data
        self._trash = files.trash
        self._limits = limits
        self._list_spiders = list_spiders
        self._now = runtime.now
        self._in_thread = runtime.in_thread
        self._pushing: Counter[str] = Counter()
        # Between an archive's arrival in the store and its mark in `_pushing` no sweep may look.
        self._arriving = DeferredLock()
        self._removed: set[str] = set()
        self._under_way: dict[UUID, PushNotes] = {}
        store.events.subscribe(self._look)

    async def push(
        self,
        upload: Path,
        *,
        by: str,
        label: str | None = None,
        project: str | None = None,
        force: bool = False,
        activate: bool = True,
        report_id: UUID | None = None,
    ) -> Pushed:
        """Make an uploaded archive the current version of its project.

        Without `activate` it is a version beside the current one, unless it is the first.

        The version before stays current until everything about the new one is known to
        be right. `project` overrides the name that the archive gives. The upload is
        consumed. What became of it can be read as `report`, also after a failure.

        Raises:
            BadArchive: unsafe, broken, or its spiders cannot be listed.
            SpiderInUse: a scheduled spider would vanish, and `force` is not set.
        """
        notes = PushNotes(report_id=report_id, by=by, now=self._now)
        self._under_way[notes.id] = notes
        try:
            return await self._push(
                upload, label, project, notes, by=by, force=force, activate=activate
            )
        except ScrapyDoError as error:
            await self._remember(notes.failure(error))
            raise
        finally:
            del self._under_way[notes.id]

    async def _push(
        self,
        upload: Path,
        label: str | None,
        project: str | None,
        notes: PushNotes,
        *,
        by: str,
        force: bool,
        activate: bool,
    ) -> Pushed:
        notes.begin("check the archive")
        if label is not None:
            check_name(label, "version")
        listing = await self._in_thread(
            lambda: inspect_archive(upload, self._limits, is_named=bool(project))
        )
        name = project or listing.project
        if name is None:
            raise BadArchive(NO_PROJECT)
        notes.project = check_name(name, "name")
        notes.own_package = listing.settings_module.partition(".")[0]
        notes.begin("keep it")
        archive = await self._keep(upload)
        try:
            return await self._accept(
                name, label, archive, listing, notes, by=by, force=force, activate=activate
            )
        finally:
            self._pushing[archive.digest] -= 1
            await self.sweep_archives()

    async def reports(self) -> Sequence[PushReport]:
        """What became of the last pushes, newest first; also of those that failed."""
        reports = await self._store.push_reports.all()
        names = await self._seen_names()
        return [one for one in reports if _is_seen(one, names)]

    def pushes_under_way(self) -> Sequence[PushReport]:
        """What is known of the pushes that go on."""
        # Where projects are seen in part, names are not known here: one's own are shown.
        reports = [notes.so_far() for notes in self._under_way.values()]
        return reports if seen_projects() is None else [one for one in reports if is_asking(one.by)]

    async def push_under_way(self, report_id: UUID) -> PushReport | None:
        """A push that goes on, with what its project has printed so far as `traceback`."""
        found = next((one for one in self.pushes_under_way() if one.id == report_id), None)
        if found is None:
            return None
        return replace(found, traceback=await self._under_way[report_id].said())

    async def report(self, report_id: UUID) -> PushReport:
        """What became of one push.

        Raises:
            PushNotFound: it is not remembered.
        """
        found = await self._store.push_reports.get(report_id)
        if found is None:
            raise PushNotFound(report_id)
        if not _is_seen(found, await self._seen_names()):
            raise NotPermitted(f"Push {report_id} is of no project that you may open")
        return found

    async def _seen_names(self) -> set[str] | None:
        """The names of the projects that who asks sees; None: all."""
        if seen_projects() is None:
            return None
        return {project.name for project in await self._store.projects.all()}

    async def new_report_id(self, wanted: UUID | None) -> UUID:
        """What the report of a push may be called: as wanted, unless another one is."""
        if wanted is None or wanted in self._under_way:
            return uuid4()
        return wanted if await self._store.push_reports.get(wanted) is None else uuid4()

    async def _remember(self, report: PushReport) -> None:
        """Keep a report; a push does not depend on it."""
        try:
            await self._store.push_reports.add(report, kept=MOST_REPORTS)
        except Unavailable as error:
            _log.warn("the report of a push is not kept: {problem}", problem=str(error))

    async def _keep(self, upload: Path) -> ArchiveRef:
        """Move an upload into the store, marked so that no sweep takes it away.

        Before it lies there the database knows of it: a crash leaves nothing unknown.
        """
        await self._arriving.acquire()
        try:
            archive = await self._in_thread(lambda: self._archives.measure(upload))
            if not await self._in_thread(lambda: self._archives.path(archive).exists()):
                await self._store.removals.add(Removable.UPLOAD, archive.digest)
            await self._in_thread(lambda: self._archives.put(upload, archive))
            self._pushing[archive.digest] += 1
        finally:
            self._arriving.release()
        return archive

    async def _accept(
        self,
        name: str,
        label: str | None,
        archive: ArchiveRef,
        listing: ArchiveListing,
        notes: PushNotes,
        *,
        by: str,
        force: bool,
        activate: bool,
    ) -> Pushed:
        await self._store.projects.check_open(name)
        current = await self._current(name)
        notes.earlier = None if current is None else current.label
        notes.begin("unpack it")
        source = Source(archive=archive, root=listing.root, settings_module=listing.settings_module)
        place = await self._in_thread(lambda: self._trees.lend(source))
        notes.begin("list its spiders")
        try:
            found = await self._list_spiders(
                project=name,
                project_dir=place.tree / listing.root,
                settings_module=listing.settings_module,
                watch=notes.watch,
            )
        except BadArchive as error:  # perhaps for want of what was left out
            error.warnings = listing.warnings
            raise
        finally:
            await self._in_thread(lambda: self._trees.end_loan(place))
        spiders = found.names
        notes.begin("make it current" if activate else "keep it as a version")
        orphans = [
            schedule
            for schedule in await self._standing_orders(name)
            if activate
            and schedule.request.version is None
            and schedule.request.spider not in spiders
        ]
        if orphans and not force:
            spider = orphans[0].request.spider
            raise SpiderInUse(
                spider, [order.id for order in orphans if order.request.spider == spider]
            )
        before = () if current is None else current.spiders
        python, scrapy = python_and_scrapy()
        project, version = await self._store.projects.put_version(
            NewVersion(
                project=name,
                label=label,
                archive=archive,
                root=listing.root,
                settings_module=listing.settings_module,
                spiders=spiders,
                pushed_at=self._now(),
                pushed_by=by,
                interpreter=Interpreter(python=python, scrapy=scrapy),
            ),
            make_current=activate,
        )
        self._removed.discard(name)
        for schedule in orphans:
            await self._store.schedules.fail(
                schedule, f"spider {schedule.request.spider} is gone", now=self._now()
            )
        warnings = (*listing.warnings, *found.warnings, *_stopped(orphans))
        report = notes.success(
            version=version.label,
            warnings=warnings,
            before=before,
            after=spiders,
        )
        await self._remember(report)
        return Pushed(
            project=project,
            version=version,
            is_current=project.current is not None and project.current.id == version.id,
            removed_spiders=report.removed,
            warnings=warnings,
        )

    async def _current(self, name: str) -> Version | None:
        for project in await self._store.projects.all():
            if project.name == name:
                return project.current
        return None

    async def _standing_orders(self, name: str) -> list[Schedule]:
        return list(
            await self._store.schedules.find(
                JobFilter(project=name, limit=None), {ScheduleState.ACTIVE, ScheduleState.PAUSED}
            )
        )

    async def all(self) -> list[Project]:
        """The projects, by name."""
        return sorted(await self._store.projects.all(), key=lambda project: project.name)

    async def get(self, name: str) -> Project:
        """One project.

        Raises:
            ProjectNotFound: there is none of this name.
        """
        return await self._store.projects.get(name)

    async def versions(self, name: str) -> list[Version]:
        """The versions of a project that are kept, newest first."""
        project = await self.get(name)
        return list(await self._store.projects.versions(project.name))

    async def spiders(self, name: str) -> list[Spider]:
        """The spiders of a project that have ever had a number, by name.

        Raises:
            ProjectNotFound: there is none of this name.
        """
        project = await self.get(name)
        return list(await self._store.projects.spiders(project.id))

    async def spider(self, name: str, spider: str) -> Spider:
        """One spider, deployed or remembered for its jobs.

        Raises:
            ProjectNotFound, SpiderNotFound: there is none.
        """
        for one in await self.spiders(name):
            if one.name == spider:
                return one
        raise SpiderNotFound(name, spider)

    async def is_compared(self, key: JobKey) -> bool:
        """Whether the runs of the spider of a job are compared with those before."""
        return await self._store.projects.is_compared(key.project, key.spider)

    async def compare(self, name: str, spider: str, *, compared: bool) -> Spider:
        """Have the runs of a spider compared with those before, or not.

        Raises:
            ProjectNotFound, SpiderNotFound: there is none.
        """
        found = await self.spider(name, spider)
        await self._store.projects.set_compared(found.project_id, found.number, compared=compared)
        return await self.spider(name, spider)

    async def runs(self, spiders: Sequence[Spider], *, limit: int) -> Mapping[str, Sequence[Run]]:
        """The last ended jobs of some spiders of one project, by name, the newest last."""
        names = {(one.project_id, one.number): one.name for one in spiders}
        found = await self._store.jobs.runs(names, limit=limit)
        return {names[key]: runs for key, runs in found.items()}

    async def activate(self, name: str, label: str) -> Project:
        """Make an earlier version the current one.

        Raises:
            SpiderInUse: a scheduled spider is not in that version.
        """
        version = await self._store.projects.version(name, label)
        for schedule in await self._standing_orders(name):
            if schedule.request.version is None and schedule.request.spider not in version.spiders:
                raise SpiderInUse(schedule.request.spider)
        return await self._store.projects.set_current(name, label)

    async def remove_version(self, name: str, label: str) -> None:
        """Forget a version that is not the current one; accepted jobs keep it until they end."""
        project = await self.get(name)
        if project.current is not None and project.current.label == label:
            raise BadArgument("version", f"{label} is the current version; activate another first")
        await self._store.projects.remove_version(name, label)
        await self.sweep_archives()

    async def remove(self, name: str) -> None:
        """Remove a project. Jobs already accepted keep their version until they end.

        Raises:
            ProjectInUse: it has schedules.
        """
        await self.get(name)
        orders = await self._standing_orders(name)
        if orders:
            raise ProjectInUse(name, len(orders))
        await self._store.projects.remove(name)
        self._removed.add(name)
        await self.sweep()

    def _look(self, happening: Happening) -> None:
        """Sweep once more when a job of a removed project has ended: it may have been the last."""
        if (
            isinstance(happening, JobChanged)
            and happening.job.request.project in self._removed
            and not is_active(happening.job.state)
        ):
            background(self.sweep(), "sweeping")

    async def sweep(self) -> None:
        """Move to the trash what no project, version or unfinished job needs any more."""
        await self.sweep_archives()
        removable = await self._store.removals.all(Removable.SPIDER_DATA)
        unused = set(removable) - await self._store.projects.names_in_use()
        for name in unused:
            await self._in_thread(lambda name=name: self._spider_data.remove(name, self._trash))  # type: ignore[misc]  # bound now
        await self._store.removals.done(Removable.SPIDER_DATA, unused)

    async def sweep_archives(self) -> None:
        """Move to the trash the archives that no version needs any more; delete failed pushes.

        See Note [Nothing unknown is removed] in `store/removals.py`.
        """
        await self._arriving.acquire()
        try:
            needed = set(+self._pushing) | await self._store.projects.archives_in_use()
            for kind in (Removable.ARCHIVE, Removable.UPLOAD):
                unused = set(await self._store.removals.all(kind)) - needed
                trash = self._trash if kind is Removable.ARCHIVE else None
                for digest in unused:
                    await self._in_thread(
                        lambda digest=digest, trash=trash: self._archives.remove(digest, trash)  # type: ignore[misc]  # bound now
                    )
                await self._store.removals.done(kind, unused)
            await self._in_thread(self._trees.tidy)
            await self._in_thread(self._trees.empty_trash)
        finally:
            self._arriving.release()


def _is_seen(report: PushReport, names: set[str] | None) -> bool:
    """Whether who asks may read a report; where no project is known, their own."""
    if names is None or report.project in names:
        return True
    return report.project is None and is_asking(report.by)


def _stopped(orphans: Iterable[Schedule]) -> Iterator[str]:
    """Say which schedules a push has stopped."""
    for spider, count in Counter(one.request.spider for one in orphans).items():
        which = "1 schedule" if count == 1 else f"{count} schedules"
        verb = "stops" if count == 1 else "stop"
        yield f"{which} of {spider} {verb} with an error: this version does not have the spider"
