"""Error pages: what was asked, what may be meant, a way back."""

from pathlib import Path

import pytest
from twisted.logger import LogEvent, globalLogPublisher

from tests.ui.browsing import Pages
from tests.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path).start()


def test_a_page_that_is_not_there_names_what_is_near(world: World) -> None:
    """The address that was asked for, and pages that are called alike."""
    answer = Pages(world).answer("/ui/project")

    assert answer.status == 404
    assert "Unknown path: /ui/project" in answer.text
    assert '<a href="/ui/projects">projects</a>' in answer.text


def test_projects_and_spiders_of_like_names_are_offered(world: World) -> None:
    """A slip in a name leads to what was meant."""
    world.put_project("quotesbot", "toscrape-css")
    pages = Pages(world)

    project = pages.answer("/ui/projects/quotebot")
    spider = pages.answer("/ui/projects/quotesbot/spiders/toscrape-cs")

    assert (project.status, spider.status) == (404, 404)
    assert '<a href="/ui/projects/quotesbot">quotesbot</a>' in project.text
    assert '<a href="/ui/projects/quotesbot/spiders/toscrape-css">toscrape-css</a>' in spider.text


def test_a_bug_has_a_reference_that_is_in_the_log(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the page names finds the traceback in the daemon's log."""
    events: list[LogEvent] = []
    globalLogPublisher.addObserver(events.append)  # type: ignore[arg-type]  # callable

    async def broken() -> None:
        raise ZeroDivisionError("an inner matter")

    monkeypatch.setattr(world.projects, "all", broken)
    try:
        answer = Pages(world).answer("/ui/projects")
    finally:
        globalLogPublisher.removeObserver(events.append)  # type: ignore[arg-type]  # callable

    assert answer.status == 500
    assert "an inner matter" not in answer.text
    reference = answer.text.split("<code>")[1].split("</code>")[0]
    (event,) = [one for one in events if one.get("reference") == reference]
    assert event["log_failure"].value.args == ("an inner matter",)
