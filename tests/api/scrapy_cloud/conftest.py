"""The fixtures of the Scrapy Cloud dialect."""

from pathlib import Path

import pytest

from tests.api.scrapy_cloud.cloud_world import CloudWorld, keys
from tests.http_client import HttpClient


@pytest.fixture
def world(tmp_path: Path) -> CloudWorld:
    return CloudWorld(tmp_path)


@pytest.fixture
def guarded(tmp_path: Path) -> CloudWorld:
    """Return a world with authentication."""
    return CloudWorld(tmp_path, access=keys())


@pytest.fixture
def client(world: CloudWorld) -> HttpClient:
    return world.client()
