"""What a run is given on disk, and when that goes again."""

from pathlib import Path

import pytest

from scrapy_do.wire import StartMethod
from tests.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.put_project()
    return world.start()


def test_crawls_of_a_project_share_a_directory(world: World) -> None:
    """Each crawl of a project finds what an earlier one has kept."""
    first = world.launcher.crawl_of(world.enqueue()).spec.environment["SPIDER_DATA_DIR"]
    (Path(first) / "kept").write_text("1")
    second = world.launcher.crawl_of(world.enqueue()).spec.environment["SPIDER_DATA_DIR"]

    assert first == second
    assert (Path(second) / "kept").read_text() == "1"


def test_the_directory_goes_with_the_last_job(world: World) -> None:
    """A removed project keeps its directory until its last job has ended."""
    crawl = world.launcher.crawl_of(world.enqueue())
    world.do(world.projects.remove("quotesbot"))
    during = world.spider_data.projects()
    crawl.finish()

    assert during == {"quotesbot"}
    assert world.spider_data.projects() == frozenset()


def test_a_project_without_jobs_goes_at_once(world: World) -> None:
    """Removing a project removes its directory; another's stays."""
    world.put_project("other")
    for name in ("quotesbot", "other"):
        world.launcher.crawl_of(world.enqueue(project=name)).finish()
    world.do(world.projects.remove("quotesbot"))

    assert world.spider_data.projects() == {"other"}


def test_what_a_crash_left_goes_with_the_pruner(world: World) -> None:
    """The directory of a project that is gone, as after a crash, is removed by the next daemon."""
    world.launcher.crawl_of(world.enqueue()).finish()
    world.do(world.store.projects.remove("quotesbot"))
    world.do(world.restarted().pruner().prune())

    assert world.spider_data.projects() == frozenset()


@pytest.mark.parametrize(
    ("project", "method"), [("quotesbot", StartMethod.FORK), ("spawned", StartMethod.SPAWN)]
)
def test_the_project_decides_how_it_is_started(
    world: World, project: str, method: StartMethod
) -> None:
    """The order of a crawl carries the start method of its project."""
    world.put_project(project)

    assert world.launcher.crawl_of(world.enqueue(project=project)).spec.start_method is method
