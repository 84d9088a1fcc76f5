"""The list of jobs and the log of one by keyboard alone."""

import pytest
from playwright.sync_api import expect

from tests.browser.browsing import Visit
from tests.browser.seeded import Seeded


@pytest.mark.live
def test_jobs_are_selected_and_run_again_by_keys(visit: Visit, seeded: Seeded) -> None:
    """`j` and `k` go from job to job, `x` selects; what can be done appears, and asks."""
    visit.open(seeded.url("/ui/jobs?q=spider:pages"))
    page = visit.page
    bar = page.locator("#selected")
    expect(bar).to_be_hidden()

    page.keyboard.press("j")
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.locator("#selected-count")).to_have_text("2 selected:")
    page.keyboard.press("x")
    expect(page.locator("#selected-count")).to_have_text("1 selected:")
    bar.get_by_text("Run again").focus()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Run again 1 job?")
    page.locator("main button").focus()
    page.keyboard.press("Enter")

    expect(page.locator("[role=status].good")).to_have_text("1 job ordered again.")
    assert visit.troubles == []
    assert visit.forbidden() == []


@pytest.mark.live
def test_the_chosen_level_is_remembered_until_it_is_cleared(visit: Visit, seeded: Seeded) -> None:
    """It is in the address of the next log, too; a link to a line shows that line unfiltered."""
    page = visit.page
    visit.open(seeded.url("/ui/jobs/{failed}"))
    page.locator("#level").select_option("40")
    page.get_by_role("button", name="Filter").click()
    page.wait_for_url("**level=40**")

    visit.open(seeded.url("/ui/jobs/{good}"))
    page.wait_for_url("**?level=40")
    visit.open(seeded.url("/ui/jobs/{good}#L1"))
    expect(page.locator("#level")).to_have_value("0")

    visit.open(seeded.url("/ui/jobs/{failed}"))
    page.wait_for_url("**?level=40")
    page.locator(".log-tools [data-clear-level]").click()
    expect(page.locator("#level")).to_have_value("0")
    visit.open(seeded.url("/ui/jobs/{good}"))
    expect(page.locator("#level")).to_have_value("0")
    assert visit.troubles == []
