"""The overview, without a browser: page function, view, markup, headers."""

from pathlib import Path

import pytest

from tests.ui.browsing import Pages
from tests.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path).start()


def test_what_runs_is_listed_with_its_state_in_words(world: World) -> None:
    """A running job is a row with its spider, its state as a word, and a link."""
    world.put_project()
    job_id = world.enqueue()

    page = Pages(world).get("/ui/")

    assert f'<a href="/ui/jobs/{job_id}">toscrape-css</a>' in page
    assert "</span>running</span>" in page


def test_a_new_server_says_how_to_begin(world: World) -> None:
    """Where nothing was pushed yet three steps are shown."""
    assert "Three steps" in Pages(world).get("/ui/")


def test_names_are_text(world: World) -> None:
    """A spider's name is escaped, whatever is in it."""
    world.put_project("quotesbot", "<script>alert(1)</script>")
    world.enqueue(spider="<script>alert(1)</script>")

    page = Pages(world).get("/ui/")

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_pages_have_the_strict_policy(world: World) -> None:
    """Every page forbids whatever is not its own, errors too."""
    pages = Pages(world)

    for path in ("/ui/", "/ui/nowhere"):
        policy = pages.answer(path).headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self';")


def test_an_unknown_page_says_so_and_leads_back(world: World) -> None:
    """A wrong address is a page of ours with status 404."""
    answer = Pages(world).answer("/ui/nowhere")

    assert answer.status == 404
    assert '<a href="/ui/">Overview</a>' in answer.text
