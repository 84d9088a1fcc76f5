"""What holds for every page: accessible, no wider than the screen, light, safe."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser

from tests.browser.browsing import EVERY_RULE, RULES_OF_COLOUR, Visit
from tests.browser.pages import EMPTY, PAGES, Shown
from tests.browser.seeded import Seeded
from tests.live.running import Running

LOOKS = (
    ("light", 1280, EVERY_RULE),
    ("dark", 1280, RULES_OF_COLOUR),
    ("dark", 360, EVERY_RULE),
    ("light", 360, RULES_OF_COLOUR),
)
"""Each width is looked at by all rules, and in each colour by those that colours matter to."""


@pytest.fixture(scope="module")
def visit(chromium: Browser) -> Iterator[Visit]:
    """Give one tab for all pages, which keeps nothing of one for the next."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    yield Visit(context, is_cold=True)
    context.close()


def _check(visit: Visit, url: str, shown: Shown) -> None:
    """Open a page and assert everything that holds for all of them."""
    visit.troubles.clear()
    answer = visit.open(url)
    assert answer.status == shown.status
    loaded = visit.loaded
    hosts = {urlsplit(request).netloc for request in loaded.requests}
    assert hosts == {urlsplit(url).netloc}
    assert len(loaded.requests) <= 8, loaded.requests
    assert loaded.wire_bytes <= shown.most_kb * 1000
    for scheme, width, rules in LOOKS:
        visit.show(scheme=scheme, width=width)
        assert visit.violations(rules) == [], (scheme, width)
    visit.show(scheme="light", width=320)
    assert visit.sideways() <= 0
    assert visit.forbidden() == []
    assert visit.page.evaluate("window.ran") is None
    assert visit.troubles == []


@pytest.mark.live
@pytest.mark.parametrize("shown", PAGES, ids=lambda shown: shown.path)
def test_a_page_keeps_the_bars(visit: Visit, seeded: Seeded, shown: Shown) -> None:
    """No axe violation in any look, nothing sideways at 320 px, light, and no script of others."""
    _check(visit, seeded.url(shown.path), shown)


@pytest.mark.live
@pytest.mark.parametrize("shown", EMPTY, ids=lambda shown: shown.path)
def test_an_empty_page_keeps_the_bars(visit: Visit, empty: Running, shown: Shown) -> None:
    """What holds for a full page holds for one with nothing on it."""
    _check(visit, empty.url + shown.path, shown)
