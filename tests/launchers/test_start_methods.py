"""One launcher starts crawls in both ways, side by side."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_twisted

from scrapy_do.launchers.interface import Alive, Crawl
from scrapy_do.protocol.wire import StartMethod
from tests.launchers.harness import RealHarness, begun, on_reactor

pytestmark = pytest.mark.live


@pytest_twisted.async_yield_fixture  # type: ignore[untyped-decorator] # the plugin has no types
async def both(tmp_path: Path) -> AsyncIterator[RealHarness]:
    """A launcher of its own for each test."""
    async with begun(StartMethod.FORK, tmp_path) as harness:
        yield harness


def module_of(harness: RealHarness, crawl: Crawl) -> str:
    """Return the module whose interpreter a crawl's process is, or is a copy of."""
    pid = harness.started(crawl).crawl.pid
    return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[-2].decode()


@on_reactor
async def test_each_order_chooses(both: RealHarness) -> None:
    """A spawned crawl is an interpreter of its own, a forked one a copy of the warm parent."""
    forked = await both.launch("sleeper")
    spawned = await both.launch("sleeper", start_method=StartMethod.SPAWN)

    assert module_of(both, forked) == "scrapy_do.crawl.warm_parent"
    assert module_of(both, spawned) == "scrapy_do.crawl.holder"
    assert {(await both.heard(one)).job_id for one in (forked, spawned)} == {
        forked.job_id,
        spawned.job_id,
    }


@on_reactor
async def test_both_are_adopted(both: RealHarness) -> None:
    """The next launcher takes over crawls of either kind and ends them."""
    launched = [await both.launch("sleeper", start_method=one) for one in StartMethod]
    found = await both.restart()

    assert {one.job_id for one in launched} == {
        one.crawl.job_id for one in found if isinstance(one, Alive)
    }
    for one in found:
        assert isinstance(one, Alive)
        one.crawl.kill()
        assert (await one.crawl.ended).signal == 9
