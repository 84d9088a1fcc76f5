"""The overview, without a browser: page function, view, markup, headers."""

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from scrapy_do.core.schedule import Schedule, ScheduleEvent, ScheduleEventKind
from scrapy_do.core.schedule_rules import ScheduleRequest
from scrapy_do.protocol.facts import Progress
from tests.factories import TESTER, request
from tests.fakes import FINISHED
from tests.ui.browsing import Pages
from tests.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path).start()


def ran(world: World, *, items: int = 10, seconds: float = 60, status: int = 0) -> str:
    """Let a job run to its end; return its id."""
    job_id = world.enqueue()
    world.pass_time(seconds)
    crawl = world.launcher.crawl_of(job_id)
    done = replace(FINISHED, ended_at=world.now(), status=status, progress=Progress(items=items))
    crawl.finish(done)
    world.pass_time(1)
    return str(job_id)


def scheduled(world: World, when: str) -> Schedule:
    made = world.do(world.schedules.submit(request(), ScheduleRequest(when=when), by=TESTER))
    assert isinstance(made, Schedule)
    return made


@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("/ui/", "Overview"),
        ("/ui/jobs", "Jobs"),
        ("/ui/schedules", "Schedules"),
        ("/ui/projects", "Projects"),
        ("/ui/push", "Push a project"),
        ("/ui/system", "System"),
        ("/ui/api", "API"),
    ],
)
def test_a_tab_is_called_as_its_page(world: World, path: str, title: str) -> None:
    """What the browser calls a page is its heading."""
    page = Pages(world).get(path)

    assert f"<title>{title} · Scrapy Do</title>" in page
    assert re.findall(r"<h1>(.*?)</h1>", page) == [title]


def test_a_wrong_search_is_still_the_page_of_jobs(world: World) -> None:
    """Its tab is called as that of the list."""
    page = Pages(world).answer("/ui/jobs?q=colour:red").text
    assert "<title>Jobs · Scrapy Do</title>" in page


def test_what_runs_is_listed_with_its_state_in_words(world: World) -> None:
    """A running job is a row with its spider, its state as a word, and a link."""
    world.put_project()
    job_id = world.enqueue()

    page = Pages(world).get("/ui/")

    assert f'<a href="/ui/jobs/{job_id}">toscrape-css</a>' in page
    assert "</span>running</span>" in page
    assert "not known yet" in page


def test_progress_goes_by_the_median_of_former_runs(world: World) -> None:
    """Of runs that took a minute one of 45 seconds has done three quarters, 15 s are left."""
    world.put_project()
    for _ in range(3):
        ran(world, seconds=60)
    world.enqueue()
    world.pass_time(45)

    page = Pages(world).get("/ui/")

    assert '<progress max="100" value="75"' in page
    assert "75 %, about 15 s left" in page


def test_a_failed_run_is_to_be_looked_at(world: World) -> None:
    """What failed in a day is told once for each spider, with its reason and the way to its log."""
    world.put_project()
    ran(world, status=1)
    last = ran(world, status=3)

    page = Pages(world).get("/ui/")

    assert "2 times in a day, last: The process of the crawl ended by itself with status 3" in page
    assert f'href="/ui/jobs/{last}" aria-label="Look at its log: toscrape-css"' in page
    world.clock.advance(2 * 86400)
    assert "Nothing failed, stalled or was missed" in Pages(world).get("/ui/")


@pytest.mark.parametrize(("items", "word"), [(0, "no items"), (50, "few items"), (95, "")])
def test_a_run_with_few_items_is_to_be_looked_at(world: World, items: int, word: str) -> None:
    """Far fewer than the median of five runs before, or none; a little fewer is nothing."""
    world.put_project()
    for count in (98, 100, 102, 100, 101):
        ran(world, items=count, seconds=1)
    ran(world, items=items, seconds=1)

    page = Pages(world).get("/ui/")

    if word:
        assert f"</span>{word}</span>" in page
        assert "the 5 runs before had 98 to 102 (median 100)" in page
    else:
        assert "Nothing failed, stalled or was missed" in page


def test_schedules_in_error_and_missed_runs_are_to_be_looked_at(world: World) -> None:
    """Each with its reason, and one thing to do."""
    world.put_project()
    broken, late = scheduled(world, "every day at 03:30"), scheduled(world, "every 2 hours")
    world.do(world.store.schedules.fail(broken, "Unknown spider", now=world.now()))
    missed = ScheduleEvent(
        schedule_id=late.id,
        kind=ScheduleEventKind.MISSED,
        first=world.now(),
        last=world.now(),
        count=3,
        reason="not fired in time",
    )
    world.do(world.store.schedules.save(late, expected=late, events=[missed]))

    page = Pages(world).get("/ui/")

    assert "schedule in error" in page
    assert "Unknown spider" in page
    assert "3 runs missed in a day" in page
    assert f'action="/ui/schedules/{late.id}/run"' in page


def test_what_is_not_alive_is_to_be_looked_at(world: World) -> None:
    """The server's own troubles come first."""
    world.problems["scheduler"] = "does not answer"

    assert "scheduler: does not answer" in Pages(world).get("/ui/")


@pytest.mark.parametrize("path", ["/ui/", "/ui/jobs", "/ui/push", "/ui/system"])
def test_every_page_says_that_the_disk_is_full(world: World, path: str) -> None:
    """Whoever looks at anything knows it; while all is well nothing is said."""
    pages = Pages(world)
    assert "left on the disk" not in pages.get(path)

    world.room = type(world.room)(
        disk_free_bytes=10**9, disk_bytes=100 * 10**9, memory_free_bytes=1, memory_bytes=2
    )

    assert "Only 1.0 GB are left on the disk of the server." in pages.get(path)


def test_the_next_runs_are_those_that_start_first(world: World) -> None:
    """Ten at most, in the order of their starts."""
    world.put_project()
    for hours in range(12, 0, -1):
        scheduled(world, f"every {hours} hours" if hours > 1 else "every hour")

    page = Pages(world).get("/ui/")

    starts = [line for line in page.splitlines() if 'data-l="Starts"' in line]
    assert len(starts) == 10
    assert "Every hour" in starts[0]
    assert "Every 10 hours" in starts[-1]


def test_the_last_day_is_drawn_and_said(world: World) -> None:
    """Each run is a block in the lane of its spider; words say how many and how they ended."""
    world.put_project()
    ran(world)
    ran(world, status=3)
    world.clock.advance(timedelta(hours=12).total_seconds())

    page = Pages(world).get("/ui/")

    assert 'aria-label="1 successful, 1 failed"' in page
    drawn = dict(re.findall(r'<path class="(\w+)" d="M(\d+) ', page.split("24 h ago")[1]))
    assert drawn == {"bad": "719", "good": "718"}


def test_runs_that_lie_on_one_another_are_drawn_once(world: World) -> None:
    """A spider that runs every second makes no page heavy."""
    world.put_project()
    for _ in range(5):
        ran(world, seconds=1)

    page = Pages(world).get("/ui/")

    assert 'aria-label="5 successful"' in page
    assert page.count("h6v15h-6z") == 1


def test_slots_queue_disk_and_memory_are_in_numbers(world: World) -> None:
    """They are those that the API gives."""
    page = Pages(world).get("/ui/")

    assert "<dt>of 2 slots busy</dt><dd>0</dd>" in page
    assert "<dt>free of 100.0 GB disk</dt><dd>50.0 GB</dd>" in page
    assert world.client().get("/status.json").json["disk-free"] == 50 * 10**9


def test_a_new_server_says_how_to_begin(world: World) -> None:
    """Where nothing was pushed yet three steps are shown, each with a command to copy."""
    page = Pages(world).get("/ui/")

    assert "Three steps" in page
    assert page.count("data-copy=") == 3
    assert "scrapy-do run SPIDER -p PROJECT -f" in page


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


def test_the_time_of_the_server_is_exact(world: World) -> None:
    """The footer shows what the server's clock shows, in its zone."""
    page = Pages(world).get("/ui/")

    assert 'data-fixed datetime="2026-06-03T10:17:23+00:00">2026-06-03 10:17:23</time>, UTC' in page
