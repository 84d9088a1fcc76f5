"""The form of a schedule, without a browser and without script."""

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode
from uuid import UUID

import pytest

from scrapy_do.core.schedule import CatchUp, Overlap, Policies, Schedule, ScheduleState
from scrapy_do.core.schedule_rules import ScheduleRequest
from tests.factories import LOST, START, TESTER, request
from tests.ui.browsing import Pages
from tests.ui.test_schedules import scheduled
from tests.world import World

NEW = "/ui/schedules/new"
TARGET = {"target": "quotesbot/toscrape-css"}


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path).start()
    world.put_project()
    return world


def previewed(world: World, **values: str) -> str:
    """Return what a page without script shows for these inputs."""
    return Pages(world).get(f"{NEW}?{urlencode(values)}")


def made(world: World, **values: str) -> Schedule:
    """Send the form and return the schedule that it made."""
    form = {**TARGET, "when": "every day at 03:30", "timezone": "UTC", **values}
    answer = Pages(world).post("/ui/schedules", form=form)
    assert answer.status == 303, answer.text
    name = answer.headers["location"].rpartition("/")[2].partition("?")[0]
    return world.do(world.schedules.get(UUID(name)))


def test_a_text_is_explained_with_its_next_runs(world: World) -> None:
    """The sentence, then weekday, local time with the zone, the way there, and UTC."""
    page = previewed(world, when="every day at 03:30", timezone="Europe/Zurich")

    assert "Every day at 03:30, Europe/Zurich" in page
    assert '<th scope="row" data-l="Day">Thu 04 Jun</th>' in page
    assert "<span>03:30 CEST</span>" in page
    assert "in 15 h 12 min" in page
    assert "2026-06-04 01:30:00" in page
    assert page.count('data-l="Day"') == 5


def test_changes_of_the_clock_are_said(world: World) -> None:
    """The skipped time and the one that comes twice, with their dates."""
    page = previewed(world, when="every day at 02:30", timezone="Europe/Zurich")

    assert "03:30 instead of 02:30 on 28 Mar 2027 (clocks change)" in page
    assert "02:30 comes twice on 25 Oct 2026 (clocks change): runs once, the first time" in page


def test_a_random_interval_is_a_range(world: World) -> None:
    """Its next run lies between two instants, which are said."""
    page = previewed(world, when="every 2 to 3 hours")

    assert "<strong>Wednesday 12:17:23</strong> and <strong>Wednesday 13:17:23</strong>" in page


@pytest.mark.parametrize(
    ("when", "slip", "meant"),
    [
        ("every mondy at 12:30", "mondy", "every monday at 12:30"),
        ("evry day at 3:30", "evry", "every day at 03:30"),
        ("every 10 mins", "mins", "every 10 minutes"),
        ("daily at 3:30", "daily", "every day at 03:30"),
    ],
)
def test_a_slip_is_marked_and_put_right(world: World, when: str, slip: str, meant: str) -> None:
    """The word that is wrong is underlined, and what may be meant stands beside it."""
    page = previewed(world, when=when)

    assert f'<mark class="wrong">{slip}</mark>' in page
    assert f"<code>{meant}</code>" in page
    assert "Two that are right" in page


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"write": "every", "count": "2", "unit": "hours"}, "every 2 hours"),
        ({"write": "every", "count": "1", "unit": "days"}, "every day"),
        ({"write": "every", "count": "2", "most": "3", "unit": "days"}, "every 2 to 3 days"),
        ({"write": "at", "clock": "07:30"}, "every day at 07:30"),
        ({"write": "at", "clock": "07:30", "day": "friday"}, "every friday at 07:30"),
        ({"write": "once", "date": "2026-12-24", "date-clock": "18:00"}, "at 2026-12-24 18:00"),
        ({"write": "cron", "minute": "5", "hour": "*/2", "week-day": "1"}, "cron 5 */2 * * 1"),
        ({"write": "line", "line": "30 3 * * 1-5 run-me"}, "cron 30 3 * * 1-5"),
        ({"write": "line", "line": "@daily run-me"}, "every day at 00:00"),
    ],
)
def test_tabs_write_the_text(world: World, values: dict[str, str], text: str) -> None:
    """Whatever a tab holds becomes the one text that counts."""
    assert f'id="when" name="when" value="{text}"' in previewed(world, **values)


def test_several_weekdays_are_a_cron_text(world: World) -> None:
    """The language has one weekday in a phrase."""
    page = Pages(world).get(f"{NEW}?write=at&clock=07:05&day=monday&day=sunday")

    assert 'value="cron 5 7 * * 1,0"' in page


def test_a_line_of_a_crontab_brings_its_arguments(world: World) -> None:
    """Of `scrapy crawl` the arguments and settings come along, of `CRON_TZ` the zone."""
    line = "CRON_TZ=Europe/Berlin 0 5 * * * cd /x && scrapy crawl books -a category=a -s A=1 >> log"

    page = previewed(world, write="line", line=line)

    assert "Imported the time, and the arguments of the spider books" in page
    assert "\ncategory=a</textarea>" in page
    assert "\nA=1</textarea>" in page
    assert 'list="zones" value="Europe/Berlin"' in page


@pytest.mark.parametrize(
    ("projects", "said"),
    [
        (("shop",), "of the spider books."),
        (("shop", "other"), "Several projects have it: choose below."),
        ((), "No project has it: choose below."),
    ],
)
def test_a_line_of_a_crontab_chooses_its_spider(
    world: World, projects: tuple[str, ...], said: str
) -> None:
    """Where one project alone has it; before anything else was chosen."""
    world.put_project("quotesbot", "quotes")
    for name in projects:
        world.put_project(name, "books")

    page = previewed(world, write="line", line="0 5 * * * scrapy crawl books")

    assert said in page
    assert ('<option value="shop/books" selected>' in page) == (projects == ("shop",))


def test_writing_and_previewing_ask_for_nothing_else(world: World) -> None:
    """A tab, an import or a preview does not wait for a spider to be chosen."""
    page = Pages(world).get(NEW)

    buttons = re.findall(r"<button[^>]*formmethod=\"get\"[^>]*>", page)
    assert len(buttons) == 6
    assert all("formnovalidate" in button for button in buttons)


def test_a_line_that_is_none_says_why(world: World) -> None:
    """`@reboot` is no time that comes again."""
    page = previewed(world, write="line", line="@reboot run-me")

    assert "Nothing was imported: &#39;@reboot&#39; is no time that comes again" in page


def test_a_wrong_zone_names_those_that_are_near(world: World) -> None:
    """A city, or a slip in a name, leads to the zone."""
    assert "<code>Europe/Zurich</code>" in previewed(world, timezone="zurich")
    assert "<code>Europe/Berlin</code>" in previewed(world, timezone="Europe/Berln")


def test_other_schedules_of_the_same_minute_are_counted(world: World) -> None:
    """Those that start then are said, with the slots there are."""
    for _ in range(3):
        scheduled(world)

    page = previewed(world, when="cron 30 3 * * *")

    assert "3 other schedules start at 03:30, 2 slots" in page


@pytest.mark.parametrize(
    ("when", "policies", "met"),
    [
        ("every hour at :30", Policies(), True),
        ("every day at 03:30", Policies(jitter_s=600), True),
        ("cron 30 3 * * 1", Policies(), False),
        ("every 2 to 3 hours", Policies(), False),
        ("every day at 03:31", Policies(), False),
        ("every hour at :30", Policies(until=START + timedelta(hours=2)), False),
    ],
)
def test_who_else_starts_is_known_from_every_kind_of_schedule(
    world: World, *, when: str, policies: Policies, met: bool
) -> None:
    """Whether it is its next instant or a later one; chance is not guessed, an end counts."""
    order = ScheduleRequest(when=when, policies=policies)
    world.do(world.schedules.submit(request(), order, by=TESTER))

    page = previewed(world, when="every day at 03:30")

    assert ("1 other schedule starts at 03:30" in page) == met


def test_the_form_makes_a_schedule_with_all_it_says(world: World) -> None:
    """What to run and the rules are kept; the page that follows reads it back."""
    schedule = made(
        world,
        timezone="Europe/Zurich",
        arg="category=books\nurl=http://x/?a=b",
        setting="LOG_LEVEL=INFO",
        tag="eu, slow",
        priority="4",
        timeout="90",
        overlap="queue-one",
        catchup="none",
        jitter="30",
        until="2026-12-24T18:00",
        note="n",
    )

    assert schedule.timing.zone_name == "Europe/Zurich"
    assert schedule.request.arguments == {"category": "books", "url": "http://x/?a=b"}
    assert schedule.request.settings == {"LOG_LEVEL": "INFO"}
    assert (schedule.request.tags, schedule.request.priority) == (("eu", "slow"), 4)
    policies = schedule.policies
    assert (policies.overlap, policies.catchup) == (Overlap.QUEUE_ONE, CatchUp.NONE)
    assert policies.until is not None
    assert policies.until.isoformat() == "2026-12-24T17:00:00+00:00"
    page = Pages(world).get(f"/ui/schedules/{schedule.id}?done=made")
    assert "The schedule of toscrape-css is made: Every day at 03:30, Europe/Zurich." in page


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"when": "every mondy"}, "Did you mean"),
        ({"target": ""}, "Choose a spider"),
        ({"target": "quotesbot/nobody"}, "Unknown spider quotesbot/nobody"),
        ({"arg": "x"}, "is not NAME=VALUE"),
        ({"tag": "a/b"}, "is not a name"),
        ({"jitter": "much"}, "Must be a number from 0 to 86400"),
        ({"until": "2001-01-01T10:00"}, "Must lie ahead"),
        ({"max-runs": "0"}, "Must be a whole number from 1"),
        ({"priority": "9"}, "Must be a whole number from 0 to 4"),
        ({"timezone": "Mars/Base"}, "is not an IANA zone name"),
    ],
)
def test_what_is_wrong_stands_beside_its_input(
    world: World, values: dict[str, str], said: str
) -> None:
    """Nothing is saved, what was typed stays, and each fault is beside its input."""
    form = {**TARGET, "when": "every day at 03:30", "timezone": "UTC", "note": "kept <b>", **values}

    answer = Pages(world).post("/ui/schedules", form=form)

    assert answer.status == 400
    assert said in answer.text
    assert "Nothing was saved" in answer.text
    assert 'value="kept &lt;b&gt;"' in answer.text


def test_a_schedule_whose_zone_is_gone_can_be_mended(world: World) -> None:
    """Its form shows what is stored; with a zone that is known the schedule goes on."""
    schedule = made(world, until="2030-12-24T18:00")
    lost = replace(schedule, timing=LOST)
    world.do(world.store.schedules.save(lost, expected=schedule))
    page = Pages(world).get(f"/ui/schedules/{schedule.id}")
    assert 'value="Mars/Base"' in page

    Pages(world).post(f"/ui/schedules/{schedule.id}", form={"timezone": "UTC"})

    after = world.do(world.schedules.get(schedule.id))
    assert (after.state, after.timing.zone_name) == (ScheduleState.ACTIVE, "UTC")


def test_editing_changes_what_is_said_and_keeps_the_rest(world: World) -> None:
    """What the form does not show of an order stays as it was."""
    schedule = scheduled(world, stall_timeout_s=60.0, payload='{"a": 1}', settings={"A": 1})
    page = Pages(world).get(f"/ui/schedules/{schedule.id}")
    assert '<option value="quotesbot/toscrape-css" selected>' in page

    form = {"when": "every 2 hours", "overlap": "allow"}
    answer = Pages(world).post(f"/ui/schedules/{schedule.id}", form=form)

    assert answer.headers["location"] == f"/ui/schedules/{schedule.id}?done=changed"
    after = world.do(world.schedules.get(schedule.id))
    assert (after.timing.spec, after.policies.overlap) == ("every 2 hours", Overlap.ALLOW)
    assert after.request == schedule.request


def test_now_makes_a_job_and_no_schedule(world: World) -> None:
    """The preview says so, and the answer shows the job."""
    assert "one job at once, and no schedule" in previewed(world, when="now")

    answer = Pages(world).post("/ui/schedules", form={**TARGET, "when": "now"})

    assert answer.headers["location"].startswith("/ui/jobs/")


def test_the_history_has_jobs_and_what_made_none(world: World) -> None:
    """Each job with its planned instant; missed instants with their reason; a twin."""
    schedule = scheduled(world)
    world.do(world.schedules.run_now(schedule.id, by="ann"))
    world.clock.advance(3 * 86400)
    world.do(world.schedules.cancel(schedule.id, by="ann"))

    page = Pages(world).get(f"/ui/schedules/{schedule.id}")

    assert "out of turn, by ann" in page
    assert '<th scope="row" data-l="What">missed</th>' in page
    rows = Pages(world).answer(f"/ui/schedules/{schedule.id}/history.json").json["history"]
    assert [row["what"] for row in rows] == ["missed", "extra job"]


def test_the_preview_is_sent_alone_while_somebody_types(world: World) -> None:
    """A part of the page, with the text that a tab wrote."""
    page = Pages(world).get("/ui/schedules/preview?write=at&clock=07:30")

    assert page.startswith('<div id="meaning" data-when="every day at 07:30" data-written')
    assert "<html" not in page


def test_defaults_of_the_form_are_those_of_the_rules(world: World) -> None:
    """A form that says nothing of rules makes a schedule with the usual ones."""
    assert made(world).policies == Policies()
