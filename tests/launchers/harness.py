"""One way to drive the fake launcher and the real ones."""

import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, ParamSpec, Protocol, TypeVar, cast
from uuid import UUID, uuid4

import pytest_twisted
from twisted.internet.defer import Deferred

from scrapy_do.errors import BadArchive
from scrapy_do.launchers import make_launcher
from scrapy_do.launchers.interface import Adopted, Crawl, KnownRun, Launcher, SpiderList
from scrapy_do.protocol import run_record
from scrapy_do.protocol.facts import Ending
from scrapy_do.protocol.run_record import StartRecord
from scrapy_do.protocol.wire import (
    CrawlLimits,
    CrawlOrder,
    CrawlSpec,
    Placement,
    Report,
    ReportKind,
    SpidersRequest,
    StartMethod,
)
from scrapy_do.system.runtime import Runtime
from tests.fakes import FakeCrawl, FakeLauncher

_P = ParamSpec("_P")
_Made = TypeVar("_Made")

PROJECTS = Path(__file__).parent.parent / "projects"
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "LANG": "C.UTF-8",
    **{name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")},
}


def on_reactor(test: Callable[_P, Coroutine[Any, Any, None]]) -> Callable[_P, None]:
    """Run a test's coroutine on the reactor."""
    return cast("Callable[_P, None]", pytest_twisted.ensureDeferred(test))


def on_reactor_fixture(
    fixture: Callable[_P, AsyncIterator[_Made]], **options: Any
) -> Callable[_P, _Made]:
    """Make a fixture whose two halves run on the reactor."""
    return cast("Callable[_P, _Made]", pytest_twisted.async_yield_fixture(fixture, **options))


def make_spec(directory: Path, spider: str, project: str = "good", **changes: Any) -> CrawlSpec:
    """Return an order for a spider of a test project, with its directories made."""
    job_id: UUID = changes.pop("job_id", None) or uuid4()
    attempt: int = changes.pop("attempt", 1)
    run_dir = directory / "runs" / f"{job_id}.{attempt}"
    crawl_dir = directory / "crawls" / f"{job_id}.{attempt}"
    tree = crawl_dir / "project"
    artifacts = directory / "jobs" / str(job_id)
    for made in (run_dir, artifacts):
        made.mkdir(parents=True, exist_ok=True)
    shutil.copytree(PROJECTS / project, tree)
    order = CrawlOrder(
        job_id=job_id,
        attempt=attempt,
        project=project,
        version="1",
        settings_module=f"{project}.settings",
        spider=spider,
        arguments={},
        settings={},
        environment={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": str(tree)},
        report_interval_s=0.2,
    )
    placement = Placement(
        run_dir=run_dir,
        project_dir=tree,
        result=crawl_dir / "result",
        out=artifacts / "out",
        err=artifacts / "err",
        items=artifacts / "items.jsonl",
        requests=artifacts / "requests.jsonl",
        log=artifacts / "log.jsonl",
        samples=artifacts / "samples.jsonl",
        environment={},
        start_method=StartMethod.FORK,
        python=sys.executable,
    )
    ordered = {one.name for one in fields(CrawlOrder)} & changes.keys()
    placed = {name: changes[name] for name in changes.keys() - ordered}
    return CrawlSpec(
        order=replace(order, **{name: changes[name] for name in ordered}),
        placement=replace(placement, **placed),
    )


def runs_in(directory: Path) -> list[KnownRun]:
    """Return the runs that were ordered in a directory."""
    return [
        KnownRun(
            job_id=UUID(path.name.partition(".")[0]),
            attempt=int(path.name.partition(".")[2]),
            run_dir=path,
            result=directory / "work" / path.name / "result",
        )
        for path in sorted((directory / "runs").iterdir())
    ]


def spiders_request(project: str, directory: Path) -> SpidersRequest:
    work_dir = directory / f"listing-{uuid4()}"
    work_dir.mkdir()
    return SpidersRequest(
        project_dir=PROJECTS / project,
        work_dir=work_dir,
        settings_module=f"{project}.settings",
        environment={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
        start_method=StartMethod.FORK,
        python=sys.executable,
        limits=CrawlLimits(open_files=1024),
    )


class Harness(Protocol):
    """What the contract needs of a launcher and the world around it."""

    launcher: Launcher

    def spec(self, spider: str, **changes: Any) -> CrawlSpec: ...

    def spiders_request(self, project: str) -> SpidersRequest: ...

    async def launch(self, spider: str, **changes: Any) -> Crawl: ...

    async def heard(self, crawl: Crawl) -> Report: ...

    async def restart(self) -> tuple[Adopted, ...]: ...

    async def close(self) -> None: ...


@asynccontextmanager
async def begun(start_method: StartMethod, directory: Path) -> AsyncIterator["RealHarness"]:
    """A real launcher that has been started; closed at the end."""
    harness = RealHarness(start_method, directory)
    await harness.begin()
    try:
        yield harness
    finally:
        await harness.close()


class RealHarness:
    """Spawned or forked crawls in a directory."""

    def __init__(self, start_method: StartMethod, directory: Path) -> None:
        from twisted.internet import reactor  # noqa: PLC0415 - the plugin has chosen it by now

        self._start_method = start_method
        self.directory = directory
        self.runtime = Runtime.of(reactor)
        self.launcher = self._make()
        self.reports: list[Report] = []
        self._waiting: list[tuple[UUID, ReportKind, Deferred[Report]]] = []

    def _make(self) -> Launcher:
        return make_launcher(
            reports_socket=self.directory / "reports.sock",
            environment=ENVIRONMENT,
            runtime=self.runtime,
        )

    def spec(self, spider: str, **changes: Any) -> CrawlSpec:
        return make_spec(self.directory, spider, **{"start_method": self._start_method, **changes})

    def spiders_request(self, project: str, **changes: Any) -> SpidersRequest:
        request = spiders_request(project, self.directory)
        return replace(request, start_method=self._start_method, **changes)

    async def launch(self, spider: str, **changes: Any) -> Crawl:
        return await self.launcher.launch(self.spec(spider, **changes))

    async def run(self, spec: CrawlSpec) -> Ending:
        crawl = await self.launcher.launch(spec)
        return await crawl.ended

    async def heard(self, crawl: Crawl) -> Report:
        """Return a report of a crawl whose spider runs."""
        return await self.report(crawl, ReportKind.PROGRESS)

    async def report(self, crawl: Crawl, kind: ReportKind) -> Report:
        for report in self.reports:
            if report.job_id == crawl.job_id and report.kind is kind:
                return report
        waiting: Deferred[Report] = Deferred()
        waiting.addTimeout(20, self.runtime.reactor)
        self._waiting.append((crawl.job_id, kind, waiting))
        return await waiting

    def take(self, report: Report) -> None:
        self.reports.append(report)
        for one in tuple(self._waiting):
            job_id, kind, waiting = one
            if report.job_id == job_id and report.kind is kind:
                self._waiting.remove(one)
                waiting.callback(report)

    async def begin(self) -> None:
        await self.launcher.start((), self.take)

    async def restart(self) -> tuple[Adopted, ...]:
        await self.launcher.stop(leave_crawls=True)
        return await self.start_again()

    def renew(self) -> None:
        """Take the launcher of the next daemon, not started yet."""
        self.launcher = self._make()

    async def start_again(self) -> tuple[Adopted, ...]:
        self.renew()
        return await self.launcher.start(runs_in(self.directory), self.take)

    async def close(self) -> None:
        await self.launcher.stop(leave_crawls=False)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something outside is so."""
        deadline_s = self.runtime.reactor.seconds() + 20
        while not condition():
            assert self.runtime.reactor.seconds() < deadline_s, "it never came to be"
            await self.runtime.pause(0.01)

    def started(self, crawl: Crawl) -> StartRecord:
        """Return the record of the crawl's start."""
        run_dir = self.directory / "runs" / f"{crawl.job_id}.{crawl.attempt}"
        record = run_record.read(run_dir, run_record.STARTED)
        assert record is not None
        return StartRecord.decode(record)


def records(path: Path | None) -> list[Any]:
    """Return the records of a file of captured records, which is there from the first one on."""
    assert path is not None
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text.splitlines()]


class FakeHarness:
    """The fake launcher, its spiders acted by this class."""

    LISTS: Mapping[str, SpiderList | Exception] = {
        "talking": SpiderList(names=("loud",)),
        "broken": BadArchive("Unable to get the list of spiders: ModuleNotFoundError: ..."),
    }

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.fake = FakeLauncher()
        self.launcher: Launcher = self.fake
        self.fake.stubborn_spiders.add("stubborn")
        for project, answer in self.LISTS.items():
            self.fake.spider_lists[PROJECTS / project] = answer

    def spec(self, spider: str, **changes: Any) -> CrawlSpec:
        return make_spec(self.directory, spider, **changes)

    def spiders_request(self, project: str) -> SpidersRequest:
        return spiders_request(project, self.directory)

    async def launch(self, spider: str, **changes: Any) -> Crawl:
        crawl = await self.fake.launch(self.spec(spider, **changes))
        if spider == "noop":
            crawl.finish()
        return crawl

    async def heard(self, crawl: Crawl) -> Report:
        assert isinstance(crawl, FakeCrawl)
        heard: list[Report] = []
        await self.fake.start((), heard.append)
        self.fake.report(
            Report(job_id=crawl.job_id, attempt=crawl.attempt, kind=ReportKind.OPENED, time_ms=1)
        )
        return heard[0]

    async def restart(self) -> tuple[Adopted, ...]:
        await self.launcher.stop(leave_crawls=True)
        self.fake = self.fake.restarted()
        self.launcher = self.fake
        return await self.launcher.start(runs_in(self.directory), lambda _report: None)

    async def close(self) -> None:
        await self.launcher.stop(leave_crawls=False)
