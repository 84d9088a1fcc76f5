"""The form of a schedule under somebody's hands: preview while typing, tabs, keys alone."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.browsing import Visit
from tests.browser.seeded import Seeded

EXACT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")


@pytest.mark.live
def test_a_schedule_is_made_by_keyboard(visit: Visit, seeded: Seeded) -> None:
    """A slip is shown while it is typed; a tab writes the text; Ctrl+Enter makes the schedule."""
    visit.open(seeded.url("/ui/schedules"))
    page = visit.page
    page.keyboard.press("a")
    text, preview = page.locator("#when"), page.locator("#preview")
    expect(text).to_have_value("every day at 03:30")

    text.fill("every mondy at 12:30")
    expect(preview).to_contain_text("Did you mean monday?")
    expect(text).to_have_attribute("aria-invalid", "true")

    text.fill("every 2 to 3 hours")
    expect(preview).to_contain_text("drawn at random, between")
    expect(text).to_have_attribute("aria-invalid", "false")

    page.locator("#tab-at").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    clock = page.locator("#clock")
    clock.fill("07:30")
    expect(text).to_have_value("every day at 07:30")
    expect(preview).to_contain_text("Every day at 07:30")
    expect(clock).to_be_focused()

    clock.fill("07:45")
    page.locator("#timezone").fill("Europe/Zurich")  # at once: what the tab writes is not lost
    expect(text).to_have_value("every day at 07:45")
    expect(preview).to_contain_text("Every day at 07:45, Europe/Zurich")

    page.locator("label[for=tab-cron]").click()
    page.locator("#line").fill("CRON_TZ=UTC 30 7 * * * scrapy crawl pages -a page=2")
    page.keyboard.press("Enter")  # though no spider is chosen
    expect(text).to_have_value("cron 30 7 * * *")
    expect(page.locator("#target")).to_have_value("good/pages")
    text.fill("every day at 07:30")

    page.locator("#content").focus()
    page.keyboard.press("Control+Enter")  # from anywhere
    expect(page.locator("[role=status].good")).to_contain_text("Every day at 07:30")
    assert visit.troubles == []
    assert visit.forbidden() == []


@pytest.mark.live
def test_times_are_shown_as_one_likes(visit: Visit, seeded: Seeded) -> None:
    """The choice in the footer holds for all pages of this browser; the server's clock goes on."""
    visit.open(seeded.url("/ui/schedules"))
    page = visit.page
    shown = page.locator("#schedules time").first
    expect(shown).to_contain_text("in ")

    page.locator("#times").select_option("UTC")
    expect(shown).to_contain_text(" UTC")

    visit.open(seeded.url("/ui/"))
    expect(page.locator("#times")).to_have_value("UTC")
    expect(page.locator("#server-time")).to_have_text(EXACT)
