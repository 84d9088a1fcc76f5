"""The use cases of projects where several things happen at once."""

import zipfile
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from twisted.internet.defer import Deferred

from scrapy_do.errors import BadArchive
from scrapy_do.files.inspect import ArchiveLimits
from scrapy_do.operations.projects import ProjectOperations, Pushed
from scrapy_do.store.removals import Removable
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
        files=world.files,
        limits=ArchiveLimits(),
        list_spiders=world.parts.list_spiders,
        runtime=replace(world.runtime, in_thread=threads),
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


def _archive(world: World, content: bytes) -> str:
    """Push a project; return the digest of its archive, which is the same at any time."""
    upload = world.archives.incoming / "upload"
    with zipfile.ZipFile(upload, "w") as packed:
        packed.writestr(
            zipfile.ZipInfo("scrapy.cfg"),
            "[settings]\ndefault = p.settings\n[deploy]\nproject = p\n",
        )
        packed.writestr(zipfile.ZipInfo("p/__init__.py"), content)
        packed.writestr(zipfile.ZipInfo("p/settings.py"), "")
    digest = world.archives.measure(upload).digest
    world.do(world.projects.push(upload, by="tester"))
    return digest


def _trash(world: World) -> list[str]:
    """Return what is in the trash, without the times."""
    return sorted(path.name.partition("-")[2] for path in world.root.glob("trash/2*"))


def test_nothing_unknown_is_swept(tmp_path: Path) -> None:
    """What this database has never known stays, whatever is swept and pruned."""
    _archive(World(tmp_path), b"of another database")
    other = World(tmp_path)
    other.spider_data.prepare("p")
    other.artifacts.prepare(UUID(int=1))
    before = other.archives.digests()

    pushed = _archive(other, b"own")
    other.do(other.pruner().prune())

    assert other.archives.digests() == before | {pushed}
    assert other.spider_data.projects() == {"p"}
    assert list(other.artifacts.jobs()) == [UUID(int=1)]
    assert _trash(other) == []


def test_what_is_removed_lies_in_the_trash(tmp_path: Path) -> None:
    """Archives and data of a removed project can be taken back until they have lain long enough."""
    world = World(tmp_path)
    digest = _archive(world, b"")
    world.spider_data.prepare("p")

    world.do(world.projects.remove("p"))
    removed = _trash(world)
    world.pass_time(timedelta(days=7).total_seconds())
    world.do(world.pruner().prune())

    assert removed == [f"archive-{digest}", "spider-data-p"]
    assert _trash(world) == []
    assert world.archives.digests() == frozenset()


def test_an_archive_of_two_versions_stays(tmp_path: Path) -> None:
    """Of two versions with one archive the first can be removed, and the archive goes with both."""
    world = World(tmp_path)
    digest = _archive(world, b"")
    _archive(world, b"")
    world.do(world.projects.remove_version("p", "1"))
    with_one = world.archives.digests()
    _archive(world, b"other")
    world.do(world.projects.remove_version("p", "2"))

    assert with_one == {digest}
    assert digest not in world.archives.digests()
    assert _trash(world) == [f"archive-{digest}"]


def test_a_refused_push_leaves_nothing(tmp_path: Path) -> None:
    """An archive whose spiders cannot be listed is deleted, not kept in the trash."""
    world = World(tmp_path)
    world.spider_lists["p"] = BadArchive("broken")
    with pytest.raises(BadArchive):
        _archive(world, b"")

    assert world.archives.digests() == frozenset()
    assert _trash(world) == []
    assert world.do(world.store.removals.all(Removable.UPLOAD)) == []


def test_a_refused_push_of_a_known_archive(tmp_path: Path) -> None:
    """A push that is refused does not take the archive away from the version that has it."""
    world = World(tmp_path)
    digest = _archive(world, b"")
    world.spider_lists["p"] = BadArchive("broken")
    with pytest.raises(BadArchive):
        _archive(world, b"")

    assert world.archives.digests() == {digest}


def test_a_push_that_was_killed_leaves_nothing(tmp_path: Path) -> None:
    """What a push had stored when the daemon was killed goes with the next one's first sweep."""
    world = World(tmp_path)
    upload = world.archives.incoming / "upload"
    upload.write_bytes(b"x")
    archive = world.archives.measure(upload)
    world.do(world.store.removals.add(Removable.UPLOAD, archive.digest))
    world.archives.put(upload, archive)

    world.do(world.restarted().pruner().prune())

    assert world.archives.digests() == frozenset()


def test_files_of_pruned_jobs_go_after_a_crash(tmp_path: Path) -> None:
    """A daemon that was killed between the row and the files of a job leaves these to the next."""
    world = World(tmp_path)
    world.put_project()
    world.start()
    job_id = world.enqueue()
    world.launcher.crawl_of(job_id).finish()
    world.do(world.store.jobs.delete([job_id]))

    world.do(world.restarted().pruner().prune())

    assert list(world.artifacts.jobs()) == []
    assert world.do(world.store.removals.all(Removable.JOB)) == []
