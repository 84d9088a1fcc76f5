"""The contract suite on each launcher."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from scrapy_do.protocol.wire import StartMethod
from tests.launchers.contract import LauncherContract
from tests.launchers.harness import FakeHarness, Harness, RealHarness, on_reactor_fixture


class TestFakeLauncher(LauncherContract):
    """The stand-in of all other tests."""

    @pytest.fixture
    def harness(self, tmp_path: Path) -> Harness:
        return FakeHarness(tmp_path)


@pytest.mark.live
class TestSpawnLauncher(LauncherContract):
    """A fresh interpreter per crawl."""

    @on_reactor_fixture
    async def harness(self, tmp_path: Path) -> AsyncIterator[Harness]:
        harness = RealHarness(StartMethod.SPAWN, tmp_path)
        await harness.begin()
        yield harness
        await harness.close()


@pytest.mark.live
class TestForkServerLauncher(LauncherContract):
    """Crawls forked from a warm parent."""

    @on_reactor_fixture
    async def harness(self, tmp_path: Path) -> AsyncIterator[Harness]:
        harness = RealHarness(StartMethod.FORK, tmp_path)
        await harness.begin()
        yield harness
        await harness.close()
