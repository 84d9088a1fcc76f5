"""Pages that stay open: what changes disturbs nobody, and a hidden tab holds no line."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.browsing import Visit
from tests.browser.test_live import IS_ALONE
from tests.live.running import Running, running

_COUNT = """
window.refreshes = 0;
document.addEventListener("refreshed", () => { window.refreshes += 1; });
"""
_HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
TABS = 8
NINTH_MS = 1500 if IS_ALONE else 15_000


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Give a daemon of this module's own: its tests run jobs."""
    root = tmp_path_factory.mktemp("k")
    with running(root) as daemon:
        daemon.push("good", root)
        for _ in range(3):
            daemon.finished(daemon.run("pages"))
        yield daemon


@pytest.mark.live
def test_ten_refreshes_leave_focus_selection_and_text(visit: Visit, lasting: Running) -> None:
    """While jobs come and go, who reads or types is where they were."""
    page = visit.page
    page.add_init_script(_COUNT)
    visit.open(f"{lasting.url}/ui/jobs")
    page.locator("#q").fill("spider:pa")
    row = page.locator("#jobs tbody tr").last
    row.locator("td.pick input").check()
    link = row.locator("th a")
    link.focus()
    address = link.get_attribute("href")

    for number in range(1, 11):
        lasting.run("pages")
        page.wait_for_function("(least) => window.refreshes >= least", arg=number, timeout=60_000)
        focused = "document.activeElement.getAttribute('href')"
        assert page.evaluate(focused) == address

    assert page.locator("#q").input_value() == "spider:pa"
    expect(page.locator("#selected-count")).to_have_text("1 selected:")
    assert visit.troubles == []


@pytest.mark.live
def test_a_ninth_tab_loads_beside_eight_hidden_ones(
    context: BrowserContext, lasting: Running
) -> None:
    """A browser has six lines to a server: a tab that nobody sees gives its line back."""
    tabs = [Visit(context) for _ in range(TABS)]
    for tab in tabs:
        tab.open(f"{lasting.url}/ui/jobs")
        expect(tab.page.locator("#connection")).to_have_attribute("data-live", "live")
        tab.page.evaluate(_HIDE, arg=True)
        expect(tab.page.locator("#connection")).to_have_attribute("data-live", "paused")

    ninth = Visit(context)
    ninth.open(f"{lasting.url}/ui/")
    took = ninth.page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
    assert took <= NINTH_MS
    tabs[0].page.evaluate(_HIDE, arg=False)
    expect(tabs[0].page.locator("#connection")).to_have_attribute("data-live", "live")


@pytest.mark.live
def test_a_spider_is_run_and_cancelled_by_keyboard(visit: Visit, lasting: Running) -> None:
    """From its page `r`, Ctrl+Enter runs it, `c` asks before it is cancelled, Enter does it."""
    page = visit.page
    visit.open(f"{lasting.url}/ui/projects/good/spiders/sleeper")
    page.keyboard.press("r")
    page.wait_for_url("**/ui/run?**")
    page.locator("#spider").focus()
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/ui/jobs/*")
    expect(page.locator("#job-head .state")).to_contain_text("running", timeout=60_000)

    page.keyboard.press("c")
    page.wait_for_url("**/cancel")
    page.locator("main button").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#job-head .state")).to_contain_text("cancelled", timeout=60_000)
    assert visit.troubles == []
