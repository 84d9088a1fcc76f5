"""A daemon assembled with fakes: real store, files and rooms; no reactor, no processes.

Everything that is awaited completes at once, and time moves only by `World.pass_time`.
"""

from collections.abc import Coroutine, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID
from zipfile import ZipFile

from twisted.internet.task import Clock

from scrapy_do.api.scrapy_do.routes import ScrapyDoAPI
from scrapy_do.config import Config
from scrapy_do.core.events import Happening, Publisher
from scrapy_do.core.job import Job, JobRequest
from scrapy_do.core.plan import Limits
from scrapy_do.core.project import ArchiveRef, NewVersion
from scrapy_do.engine.controller import Controller
from scrapy_do.engine.pruner import Pruner, Retention
from scrapy_do.engine.run_setup import CrawlDefaults, RunSetup
from scrapy_do.files.archives import ArchiveStore
from scrapy_do.files.artifacts import ArtifactStore
from scrapy_do.files.inspect import ArchiveLimits
from scrapy_do.files.job_files import KeptLimits
from scrapy_do.files.runs import RunStore
from scrapy_do.files.spider_data import SpiderDataStore
from scrapy_do.files.trash import Trash
from scrapy_do.files.trees import TreeStore
from scrapy_do.launchers.interface import SpiderList
from scrapy_do.operations.admission import Admission
from scrapy_do.operations.bulk import BulkOperations
from scrapy_do.operations.changes import ChangeOperations
from scrapy_do.operations.cloud.access import CloudAccess
from scrapy_do.operations.cloud.collections import CollectionOperations
from scrapy_do.operations.cloud.frontiers import FrontierOperations
from scrapy_do.operations.cloud.tokens import JobTokens
from scrapy_do.operations.jobs import JobOperations
from scrapy_do.operations.listing import ListingOperations
from scrapy_do.operations.logs import LogOperations
from scrapy_do.operations.operations import Operations
from scrapy_do.operations.outputs import OutputOperations
from scrapy_do.operations.projects import ProjectOperations
from scrapy_do.operations.records import DataOperations
from scrapy_do.operations.schedules import ScheduleOperations
from scrapy_do.operations.server import ServerOperations
from scrapy_do.operations.status import StatusOperations
from scrapy_do.protocol.wire import CrawlLimits, StartMethod
from scrapy_do.store.store import Store, open_store
from scrapy_do.system.host import ProcessLoad, Room
from scrapy_do.web.tail import Tail
from tests.factories import START, TESTER
from tests.fakes import FakeLauncher, still_runtime
from tests.http_client import HttpClient, completed, site_of

Result = TypeVar("Result")

SETTINGS = ("LOG_LEVEL", "CLOSESPIDER_*")


class World:
    """The parts of a daemon, by their names, on a data directory of its own."""

    def __init__(
        self,
        root: Path,
        *,
        limits: Limits | None = None,
        store: Store | None = None,
        launcher: FakeLauncher | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.root = root
        self.clock = Clock() if clock is None else clock
        self.runtime = still_runtime(self.clock, self.now)
        self.store = open_store("sqlite://") if store is None else store
        self.launcher = FakeLauncher(self.now) if launcher is None else launcher
        self.archives = ArchiveStore(root / "archives")
        self.trees = TreeStore(root / "trees", self.archives, lambda _source, _target: None)
        self.artifacts = ArtifactStore(root)
        self.runs = RunStore(root / "runs")
        self.spider_data = SpiderDataStore(root / "spider-data")
        self.trash = Trash(root / "trash", age=timedelta(days=7), now=self.now)
        self.events = Publisher()
        self.happenings: list[Happening] = []
        self.events.subscribe(self.happenings.append)
        self.memory: dict[int, int] = {}
        self.limits = Limits(slots=2, stop_grace_s=30) if limits is None else limits
        self.controller = Controller(
            store=self.store,
            launcher=self.launcher,
            run_setup=RunSetup(
                store=self.store,
                trees=self.trees,
                artifacts=self.artifacts,
                runs=self.runs,
                spider_data=self.spider_data,
                trash=self.trash,
                defaults=CrawlDefaults(
                    environment=environment,
                    start_method=start_method,
                    python="python3",
                    limits=CrawlLimits(),
                    kept=KeptLimits(files=10, size_bytes=1000),
                    report_interval_s=5.0,
                ),
                granted=CloudAccess(
                    tokens=JobTokens(store=self.store, now=self.now),
                    is_granted=lambda project: project == "granted",
                    base_url=lambda: "http://localhost:7654",
                ).environment,
                runtime=self.runtime,
            ),
            limits=self.limits,
            events=self.events,
            runtime=self.runtime,
            measure_memory=self._measure,
        )
        self.rules = Admission(allowed_settings=SETTINGS)
        self.jobs = JobOperations(
            store=self.store,
            artifacts=self.artifacts,
            events=self.events,
            rules=self.rules,
            wake=self.controller.wake,
            end_now=self.controller.end_now,
            runtime=self.runtime,
        )
        self.outputs = OutputOperations(
            store=self.store, artifacts=self.artifacts, events=self.events, runtime=self.runtime
        )

        self.spider_lists: dict[str, tuple[str, ...] | SpiderList | Exception] = {}
        self.projects = ProjectOperations(
            store=self.store,
            archives=self.archives,
            trees=self.trees,
            spider_data=self.spider_data,
            trash=self.trash,
            limits=ArchiveLimits(),
            list_spiders=self.list_spiders,
            events=self.events,
            runtime=self.runtime,
        )
        self.schedules = ScheduleOperations(
            store=self.store,
            jobs=self.jobs,
            rules=self.rules,
            events=self.events,
            wake_scheduler=_idle,
            wake_controller=self.controller.wake,
            runtime=self.runtime,
            zone="UTC",
        )
        self.problems: dict[str, str] = {}
        self.config = Config()
        self.room = Room(
            disk_free_bytes=50 * 10**9,
            disk_bytes=100 * 10**9,
            memory_free_bytes=2 * 10**9,
            memory_bytes=4 * 10**9,
        )
        self.operations = Operations(
            projects=self.projects,
            jobs=self.jobs,
            bulk=BulkOperations(self.jobs),
            changes=ChangeOperations(self.events),
            schedules=self.schedules,
            outputs=self.outputs,
            logs=LogOperations(artifacts=self.artifacts, runtime=self.runtime),
            data=DataOperations(
                store=self.store,
                artifacts=self.artifacts,
                runtime=self.runtime,
            ),
            collections=CollectionOperations(store=self.store, runtime=self.runtime),
            frontiers=FrontierOperations(store=self.store),
            listing=ListingOperations(self.store),
            server=ServerOperations(
                store=self.store,
                trash=self.trash,
                config=lambda: self.config,
                next_pruning=lambda: self.now() + timedelta(hours=1),
                runtime=self.runtime,
            ),
            status=StatusOperations(
                store=self.store,
                load=lambda: ProcessLoad(memory_bytes=40 << 20, cpu_percent=1.5),
                room=lambda: self.room,
                hostname="host",
                slots=self.limits.slots,
                scheduler_lag_s=lambda: 0.0,
                problems=lambda: self.problems,
                runtime=self.runtime,
            ),
        )

    async def list_spiders(
        self, *, project: str, project_dir: Path, settings_module: str
    ) -> SpiderList:
        """Give what `spider_lists` says of the project."""
        assert (project_dir / settings_module.split(".", maxsplit=1)[0]).exists()
        answer = self.spider_lists.get(project, ("toscrape-css", "toscrape-xpath"))
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, SpiderList) else SpiderList(names=answer)

    def client(self) -> HttpClient:
        """Return a client of the Scrapy Do dialect."""
        dialect = ScrapyDoAPI(
            self.operations,
            archive_bytes=1 << 20,
            tail=Tail(reactor=self.clock),
        )
        site = site_of(dialect, spool_dir=self.archives.incoming, clock=self.clock)
        return HttpClient(site)

    async def _measure(self, pids: tuple[int, ...]) -> dict[int, int]:
        return {pid: self.memory[pid] for pid in pids if pid in self.memory}

    def now(self) -> datetime:
        return START + timedelta(seconds=self.clock.seconds())

    def pass_time(self, seconds: float) -> None:
        """Let time pass, second by second as far as it goes."""
        whole, rest = divmod(seconds, 1)
        for step in (*[1.0] * int(whole), rest):
            self.clock.advance(step)

    def do(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """Run what completes at once."""
        return completed(coroutine)

    def start(self) -> "World":
        self.do(self.controller.start())
        return self

    def restarted(self, *, limits: Limits | None = None) -> "World":
        """Return the daemon after this one, on the same files and rows, not started yet."""
        return World(
            self.root,
            limits=limits or self.limits,
            store=self.store,
            launcher=self.launcher.restarted(),
            clock=self.clock,
        )

    def put_project(self, name: str = "quotesbot", *spiders: str) -> None:
        """Store a project with an archive that holds next to nothing."""
        digest = f"{abs(hash((name, spiders))):064x}"
        with ZipFile(self.archives.path(ArchiveRef(digest=digest, size_bytes=1)), "w") as archive:
            archive.writestr("scrapy.cfg", f"[settings]\ndefault = {name}.settings\n")
            archive.writestr(f"{name}/settings.py", "")
        new = NewVersion(
            project=name,
            label=None,
            archive=ArchiveRef(digest=digest, size_bytes=1),
            root="",
            settings_module=f"{name}.settings",
            spiders=spiders or ("toscrape-css", "toscrape-xpath"),
            pushed_at=self.now(),
            pushed_by="tester",
        )
        self.do(self.store.projects.put_version(new))

    def enqueue(self, **fields: Any) -> UUID:
        """Accept a job and return its id."""
        request = JobRequest(**{"project": "quotesbot", "spider": "toscrape-css", **fields})
        return self.do(self.jobs.enqueue(request, by=TESTER)).id

    def job(self, job_id: UUID) -> Job:
        return self.do(self.store.jobs.get(job_id))

    def state(self, job_id: UUID) -> Any:
        return self.job(job_id).state

    def run_directories(self) -> list[str]:
        return [run.path.name for run in self.runs.list()]

    def pruner(self, **rules: Any) -> Pruner:
        retention = {
            "finished_age_s": None,
            "finished_per_spider": None,
            "finished_in_all": None,
            "versions_per_project": 10,
            **rules,
        }
        return Pruner(
            store=self.store,
            artifacts=self.artifacts,
            trash=self.trash,
            retention=Retention(**retention),
            sweep=self.projects.sweep,
            runtime=self.runtime,
        )


def environment(project: str) -> Mapping[str, str]:
    return {"PATH": "/bin", "PROJECT_OF": project}


def start_method(project: str) -> StartMethod:
    return StartMethod.SPAWN if project == "spawned" else StartMethod.FORK


def _idle() -> None:
    """Wake nobody."""
