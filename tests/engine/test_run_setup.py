"""What a run is given on disk, and when that goes again."""

from pathlib import Path

import pytest

from scrapy_do.core.job import Finished, JobKey
from scrapy_do.operations.cloud.access import reachable
from scrapy_do.operations.cloud.tokens import JobTokens
from scrapy_do.protocol.wire import StartMethod
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


@pytest.mark.parametrize("manifest", [b"[" * 5000, b"{", b"\xff", b'{"files": 1}'])
def test_a_damaged_manifest_keeps_nobody(world: World, manifest: bytes) -> None:
    """A job ends whatever its crawl has done to the list of what its project held."""
    crawl = world.launcher.crawl_of(world.enqueue())
    (crawl.spec.placement.run_dir / "manifest").write_bytes(manifest)
    crawl.finish()

    assert isinstance(world.state(crawl.job_id), Finished)
    assert world.run_directories() == []


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

    assert (
        world.launcher.crawl_of(world.enqueue(project=project)).spec.placement.start_method
        is method
    )


def test_a_granted_project_may_call_us(world: World) -> None:
    """Its crawls get the addresses, their key, and a token that is theirs while they run."""
    world.put_project("granted")
    crawl = world.launcher.crawl_of(world.enqueue(project="granted"))
    environment = crawl.spec.environment
    key, _, token = bytes.fromhex(environment["SHUB_JOBAUTH"]).decode().partition(":")
    tokens = JobTokens(store=world.store, now=world.now)
    owner = world.do(tokens.owner(JobKey.parse(key), token))
    crawl.finish()

    assert {
        "SHUB_APIURL": "http://localhost:7654/api/",
        "SHUB_JOBKEY": "2/1/1",
        "SHUB_STORAGE": "http://localhost:7654",
    } == {name: environment[name] for name in ("SHUB_APIURL", "SHUB_JOBKEY", "SHUB_STORAGE")}
    assert owner is not None
    assert (key, owner.id) == ("2/1/1", crawl.spec.order.job_id)
    assert world.do(tokens.owner(JobKey.parse(key), token)) is None


def test_another_project_may_not(world: World) -> None:
    """Its crawls get none of it."""
    crawl = world.launcher.crawl_of(world.enqueue())
    assert not [name for name in crawl.spec.environment if name.startswith("SHUB_")]


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("192.0.2.7", "http://192.0.2.7:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("[::]", "http://[::1]:80"),
        ("[::1]", "http://[::1]:80"),
    ],
)
def test_how_crawls_reach_what_is_listened_on(host: str, url: str) -> None:
    """Who listens on all addresses is reached on loopback."""
    assert reachable("http", host, 80) == url
