"""The pruner: what it finds that nobody knows."""

from pathlib import Path
from uuid import UUID

import pytest
from twisted.logger import capturedLogs

from scrapy_do.engine.pruner import BATCH, Pruner
from tests.world import World

STRANGERS = [UUID(int=number) for number in (1, 2)]


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.put_project()
    return world.start()


def told(world: World, pruning: Pruner) -> list[tuple[int, str]]:
    """Prune; return what the log says of files that no job has."""
    with capturedLogs() as events:
        world.do(pruning.prune())
    return [(event["count"], event["job"]) for event in events if "belong to no job" in str(event)]


def test_files_of_unknown_jobs_are_told_of_and_kept(world: World) -> None:
    """What no job has is named in the log whenever it grows more, and nobody removes it."""
    known = world.enqueue()
    world.launcher.crawl_of(known).finish()
    pruning = world.pruner()
    assert [] == told(world, pruning)
    path = world.artifacts.prepare(STRANGERS[0]) / "kept"
    path.write_text("it")
    assert [(1, str(STRANGERS[0]))] == told(world, pruning)
    assert [] == told(world, pruning)
    world.artifacts.prepare(STRANGERS[1])
    assert [(2, str(STRANGERS[0]))] == told(world, pruning)
    assert "it" == path.read_text()
    assert {known, *STRANGERS} == set(world.artifacts.jobs())


def test_more_than_one_batch(world: World) -> None:
    """All are found, however many there are."""
    count = BATCH + 1
    for number in range(1, count + 1):
        world.artifacts.prepare(UUID(int=number))
    assert [(count, str(UUID(int=1)))] == told(world, world.pruner())


def test_files_that_go_belong_to_nobody_for_a_moment(world: World) -> None:
    """The files of jobs that are pruned now are not told of."""
    for _ in range(2):
        world.launcher.crawl_of(world.enqueue()).finish()
    assert [] == told(world, world.pruner(finished_in_all=1))
    assert 1 == len(list(world.artifacts.jobs()))
