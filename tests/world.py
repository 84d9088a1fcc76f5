"""A daemon assembled with fakes: real store, files and rooms; no reactor, no processes.

Everything that is awaited completes at once, and time moves only by `World.pass_time`.
"""

from collections.abc import Coroutine, Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID
from zipfile import ZipFile

from twisted.internet.task import Clock

from scrapy_do.api.scrapy_do.routes import ScrapyDoAPI
from scrapy_do.assembly import assemble
from scrapy_do.config import Config
from scrapy_do.core.events import Happening
from scrapy_do.core.job import Job, JobRequest
from scrapy_do.core.plan import Limits
from scrapy_do.core.project import ArchiveRef, NewVersion
from scrapy_do.engine.policies import DaemonPolicies
from scrapy_do.engine.pruner import Pruner, Retention
from scrapy_do.engine.run_setup import CrawlDefaults
from scrapy_do.files.data_directory import DataDirectory
from scrapy_do.files.inspect import ArchiveLimits
from scrapy_do.files.job_files import KeptLimits
from scrapy_do.files.stores import FileStores
from scrapy_do.protocol.wire import CrawlLimits, StartMethod
from scrapy_do.store.store import Store, open_store
from scrapy_do.system.host import Host, ProcessLoad, Room
from scrapy_do.system.journal import Journal
from scrapy_do.web.tail import Tail
from tests.factories import START, TESTER
from tests.fakes import FakeLauncher, still_runtime
from tests.http_client import HttpClient, completed, site_of

Result = TypeVar("Result")

SETTINGS = ("LOG_LEVEL", "CLOSESPIDER_*")
KEPT: Mapping[str, Any] = {
    "finished_age_s": None,
    "finished_per_spider": None,
    "finished_in_all": None,
    "versions_per_project": 10,
}


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
        zone: str = "UTC",
    ) -> None:
        self.root = root
        self.clock = Clock() if clock is None else clock
        self.runtime = still_runtime(self.clock, self.now)
        self.store = open_store("sqlite://") if store is None else store
        self.launcher = FakeLauncher(self.now) if launcher is None else launcher
        self.launcher.usual_spiders = ("toscrape-css", "toscrape-xpath")
        self.spider_lists = self.launcher.spider_lists
        self.files = FileStores.at(
            DataDirectory(root),
            compile_sources=lambda _source, _target: None,
            trash_age=timedelta(days=7),
            now=self.now,
        )
        self.archives = self.files.archives
        self.trees = self.files.trees
        self.artifacts = self.files.artifacts
        self.runs = self.files.runs
        self.spider_data = self.files.spider_data
        self.trash = self.files.trash
        self.memory: dict[int, int] = {}
        self.room = Room(
            disk_free_bytes=50 * 10**9,
            disk_bytes=100 * 10**9,
            memory_free_bytes=2 * 10**9,
            memory_bytes=4 * 10**9,
        )
        self.problems: dict[str, str] = {}
        self.config = Config()
        self.journal = Journal()
        self.limits = Limits(slots=2, stop_grace_s=30) if limits is None else limits
        self.parts = assemble(
            store=self.store,
            files=self.files,
            launcher=self.launcher,
            host=FakeHost(self),
            runtime=self.runtime,
            policies=DaemonPolicies(
                limits=self.limits,
                crawls=CrawlDefaults(
                    environment=environment,
                    start_method=start_method,
                    python="python3",
                    limits=CrawlLimits(),
                    kept=KeptLimits(files=10, size_bytes=1000),
                    report_interval_s=5.0,
                ),
                retention=Retention(**KEPT),
                archives=ArchiveLimits(),
                allowed_settings=SETTINGS,
                zone=zone,
                is_granted=lambda project: project == "granted",
                spiders_timeout_s=60.0,
            ),
            config=lambda: self.config,
            journal=self.journal,
            base_url=lambda: "http://localhost:7654",
            problems=lambda: self.problems,
        )
        self.controller = self.parts.controller
        self.operations = self.parts.operations
        self.projects = self.operations.projects
        self.jobs = self.operations.jobs
        self.schedules = self.operations.schedules
        self.outputs = self.operations.outputs
        self.events = self.store.events
        self.happenings: list[Happening] = []
        self.events.subscribe(self.happenings.append)

    def client(self) -> HttpClient:
        """Return a client of the Scrapy Do dialect."""
        dialect = ScrapyDoAPI(
            self.operations,
            archive_bytes=1 << 20,
            tail=Tail(reactor=self.clock),
        )
        site = site_of(dialect, spool_dir=self.archives.incoming, clock=self.clock)
        return HttpClient(site)

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
        self.store.events.forget()  # whoever listened is gone
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
        return Pruner(
            store=self.store,
            files=self.files,
            retention=Retention(**{**KEPT, **rules}),
            sweep=self.projects.sweep,
            runtime=self.runtime,
        )


class FakeHost(Host):
    """A machine on which only what a world says is measured."""

    def __init__(self, world: World) -> None:
        self.name = "host"
        self._world = world

    def load(self) -> ProcessLoad:
        return ProcessLoad(memory_bytes=40 << 20, cpu_percent=1.5)

    def disk(self) -> tuple[int, int]:
        return self._world.room.disk_free_bytes, self._world.room.disk_bytes

    def room(self) -> Room:
        return self._world.room

    def crawl_memory_bytes(self, pids: Iterable[int]) -> dict[int, int]:
        memory = self._world.memory
        return {pid: memory[pid] for pid in pids if pid in memory}


def environment(project: str) -> Mapping[str, str]:
    return {"PATH": "/bin", "PROJECT_OF": project}


def start_method(project: str) -> StartMethod:
    return StartMethod.SPAWN if project == "spawned" else StartMethod.FORK
