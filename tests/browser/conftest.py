"""One Chromium and one seeded daemon for all tests of this directory.

Tests that need other states of a daemon start their own: `tests.live.running.running`.
"""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from tests.browser.browsing import ARGUMENTS, Visit
from tests.browser.seeded import Seeded
from tests.live.running import Running, running

_CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Give the browser; tests are skipped where none is installed."""
    if _CHROMIUM is None:
        pytest.skip("no chromium is installed: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """Give a browser without memory of others."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    yield context
    context.close()


@pytest.fixture
def visit(context: BrowserContext) -> Visit:
    """Give a tab that notes what goes wrong in it."""
    return Visit(context)


@pytest.fixture(scope="session")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seeded]:
    """Give a daemon with something of everything."""
    root = tmp_path_factory.mktemp("s")
    with running(root) as daemon:
        yield Seeded(daemon, root)


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Give a daemon to which nothing was ever pushed."""
    with running(tmp_path_factory.mktemp("e")) as daemon:
        yield daemon
