"""The list of schedules, without a browser."""

import csv
import io
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from scrapy_do.core.job import JobRequest
from scrapy_do.core.schedule import Schedule
from scrapy_do.core.schedule_rules import ScheduleRequest
from tests.factories import TESTER
from tests.ui.browsing import Pages
from tests.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path).start()
    world.put_project()
    return world


def scheduled(world: World, when: str = "every day at 03:30", **fields: object) -> Schedule:
    """Give a schedule."""
    request = JobRequest(**{"project": "quotesbot", "spider": "toscrape-css", **fields})  # type: ignore[arg-type]  # names of fields
    made = world.do(world.schedules.submit(request, ScheduleRequest(when=when), by=TESTER))
    assert isinstance(made, Schedule)
    return made


def test_where_nothing_is_scheduled_the_page_leads_to_the_form(world: World) -> None:
    """An empty list says how to fill it."""
    page = Pages(world).get("/ui/schedules")

    assert "Nothing scheduled." in page
    assert '<a href="/ui/schedules/new">Make one</a>' in page


def test_a_schedule_is_a_row(world: World) -> None:
    """Its spider, its sentence, its next run, its policy and its switch are there."""
    made = scheduled(world)

    page = Pages(world).get("/ui/schedules")

    assert f'<a href="/ui/schedules/{made.id}">toscrape-css</a>' in page
    assert "Every day at 03:30, UTC" in page
    assert '<time datetime="2026-06-04T03:30:00+00:00">' in page
    assert 'aria-checked="true" aria-label="Schedule of toscrape-css: every day at 03:30"' in page


def test_the_switch_pauses_and_resumes_and_says_what_holds(world: World) -> None:
    """A POST changes the state, and the list that follows reads it back."""
    made = scheduled(world)
    pages = Pages(world)

    answer = pages.post(f"/ui/schedules/{made.id}/pause", form={"from": "list"})
    assert answer.status == 303
    page = pages.get(answer.headers["location"].partition("#")[0])
    assert "The schedule of toscrape-css is paused" in page
    assert 'aria-checked="false"' in page

    answer = pages.post(f"/ui/schedules/{made.id}/resume", form={"from": "list"})
    assert "is on: Every day at 03:30" in pages.get(answer.headers["location"].partition("#")[0])


def test_a_late_schedule_is_marked(world: World) -> None:
    """One whose instant has passed a minute ago without a job says so in a word."""
    scheduled(world)
    world.clock.advance(timedelta(days=1).total_seconds())

    assert "</span>late</span>" in Pages(world).get("/ui/schedules")


def test_a_schedule_in_error_says_why(world: World) -> None:
    """The reason stands in its row."""
    made = scheduled(world)
    world.do(world.store.schedules.fail(made, "Unknown spider <x>", now=world.now()))

    page = Pages(world).get("/ui/schedules")

    assert "</span>error</span>" in page
    assert "Unknown spider &lt;x&gt;" in page


def test_states_are_chips_with_their_numbers(world: World) -> None:
    """Each choice says how many there are, and lists only those."""
    first, second = scheduled(world), scheduled(world, "every 2 hours")
    world.do(world.schedules.pause(second.id))

    page = Pages(world).get("/ui/schedules?state=paused")

    assert f'id="s{second.id}"' in page
    assert f'id="s{first.id}"' not in page
    assert 'aria-current="true">Paused <span class="soft">1</span>' in page


def test_running_now_leads_to_the_new_job(world: World) -> None:
    """The extra job is shown."""
    made = scheduled(world)

    answer = Pages(world).post(f"/ui/schedules/{made.id}/run")

    job = world.job(UUID(answer.headers["location"].rpartition("/")[2]))
    assert (job.schedule_id, job.planned_at) == (made.id, None)


def test_deleting_asks_first_and_says_what_is_lost(world: World) -> None:
    """The question is a page; its button ends the schedule, which then is said to be gone."""
    made = scheduled(world)
    pages = Pages(world)

    asked = pages.get(f"/ui/schedules/{made.id}/delete")
    assert "will run no more" in asked
    assert f'action="/ui/schedules/{made.id}/delete"' in asked

    answer = pages.post(f"/ui/schedules/{made.id}/delete")
    assert "is deleted" in pages.get(answer.headers["location"])


def test_the_twins_have_the_same_rows(world: World) -> None:
    """JSON and CSV list what the page lists."""
    made = scheduled(world, tags=("eu",))
    pages = Pages(world)

    (row,) = pages.answer("/ui/schedules.json").json["schedules"]
    (cells,) = csv.DictReader(io.StringIO(pages.get("/ui/schedules.csv")))

    assert row["id"] == cells["id"] == str(made.id)
    assert row["sentence"] == cells["sentence"] == "Every day at 03:30, UTC"


def test_an_unknown_schedule_is_not_found(world: World) -> None:
    """Whatever the name in the address."""
    pages = Pages(world)

    for path in ("/ui/schedules/nowhere", "/ui/schedules/../x", f"/ui/schedules/{UUID(int=1)}"):
        assert pages.answer(path).status == 404
