"""The use cases of projects where several things happen at once."""

import zipfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from scrapy_do.control.projects import ProjectOperations, Pushed
from scrapy_do.files.inspect import ArchiveLimits
from tests.world import World


class Threads:
    """Runs blocking functions when told, and gives each result when told, in any order."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Callable[[], Any], Deferred[Any]]] = []
        self.done: list[tuple[Any, Deferred[Any]]] = []

    def __call__(self, function: Callable[[], Any], /) -> Awaitable[Any]:
        result: Deferred[Any] = Deferred()
        self.waiting.append((function, result))
        return result

    def run(self) -> None:
        """Do what waits, without telling anybody yet."""
        for function, result in self.waiting:
            self.done.append((function(), result))
        self.waiting = []

    def tell(self) -> None:
        """Give the latest results first, so that the worst order is met."""
        for value, result in reversed(self.done):
            result.callback(value)
        self.done = []


@pytest.fixture
def upload(tmp_path: Path) -> Path:
    (tmp_path / "archives" / "incoming").mkdir(parents=True)
    path = tmp_path / "archives" / "incoming" / "upload"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("scrapy.cfg", "[settings]\ndefault = p.settings\n[deploy]\nproject = p\n")
        packed.writestr("p/__init__.py", "")
        packed.writestr("p/settings.py", "")
    return path


def test_a_sweep_takes_no_archive_that_arrives(tmp_path: Path, upload: Path) -> None:
    """An archive that is being pushed is not swept away, whatever happens at once."""
    world, threads = World(tmp_path), Threads()
    projects = ProjectOperations(
        store=world.store,
        archives=world.archives,
        spider_data=world.spider_data,
        limits=ArchiveLimits(),
        list_spiders=world.list_spiders,
        events=world.events,
        now=world.now,
        in_thread=threads,
    )
    pushed: Deferred[Pushed] = Deferred.fromCoroutine(projects.push(upload, by="tester"))
    threads.run()
    threads.tell()
    swept: Deferred[None] = Deferred.fromCoroutine(projects.sweep_archives())

    for _ in range(20):
        threads.run()
        threads.tell()

    assert pushed.called
    assert swept.called
    assert len(world.archives.digests()) == 1
    assert ["p"] == [project.name for project in world.do(projects.all())]
