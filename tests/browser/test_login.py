"""Logging in with a browser, to a daemon that asks for it."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext

from tests.browser.browsing import Visit
from tests.live.running import Running, running

TOKEN = "a-token-of-the-tests-only"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Give a daemon with authentication, of which a token is known."""
    options = {"SCRAPY_DO_WEB_AUTH": "on", "SCRAPY_DO_WEB_TOKEN": TOKEN}
    with running(tmp_path_factory.mktemp("l"), options=options) as daemon:
        yield daemon


@pytest.mark.live
def test_a_person_logs_in_and_out(visit: Visit, guarded: Running, context: BrowserContext) -> None:
    """Led to the form, told what is wrong, let in to the page that was asked for, and out again."""
    page = visit.page
    visit.open(f"{guarded.url}/ui/projects")
    assert page.inner_text("h1") == "Log in"
    for scheme, width in (("light", 1280), ("dark", 360)):
        visit.show(scheme=scheme, width=width)
        assert visit.violations() == []

    page.fill("#password", "wrong")
    page.click("button.main")
    assert "Wrong name or password" in page.inner_text("main")
    assert visit.violations() == []
    page.fill("#password", TOKEN)
    page.keyboard.press("Enter")
    page.wait_for_url("**/ui/projects")
    (cookie,) = context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")

    page.click("text=Log out")
    assert page.inner_text("h1") == "Log in"
    visit.open(f"{guarded.url}/ui/projects")
    assert page.inner_text("h1") == "Log in"
    assert visit.forbidden() == []
