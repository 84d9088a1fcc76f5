"""Fixtures of the launcher tests."""

from collections.abc import AsyncIterator

import pytest
import pytest_twisted

from scrapy_do.protocol.wire import StartMethod
from tests.launchers.harness import RealHarness, begun


@pytest_twisted.async_yield_fixture(scope="module", params=list(StartMethod))  # type: ignore[untyped-decorator] # the plugin has no types
async def real(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RealHarness]:
    """Each real launcher, shared by the tests of a module."""
    async with begun(request.param, tmp_path_factory.mktemp(request.param)) as harness:
        yield harness
