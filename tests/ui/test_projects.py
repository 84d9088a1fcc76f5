"""The pages of projects and spiders, without a browser."""

import csv
import io
import json
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from scrapy_do.config.sections import ProjectConfig
from scrapy_do.core.job import Job, JobRequest
from scrapy_do.core.schedule_rules import ScheduleRequest
from scrapy_do.files.record_stats import RecordKind
from scrapy_do.protocol.facts import Progress
from scrapy_do.ui.addresses import spider_page
from tests.factories import TESTER
from tests.fakes import FINISHED
from tests.ui.browsing import Pages
from tests.world import World

MARKUP = "<script>alert(1)</script>"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path).start()


def _finished(world: World, **fields: Any) -> None:
    job_id = world.enqueue(**fields)
    world.launcher.crawl_of(job_id).finish()
    world.pass_time(1)


def test_projects_are_listed_with_their_current_version(world: World) -> None:
    """A project is a row with its version, its spiders and a link to its page."""
    world.put_project()

    page = Pages(world).get("/ui/projects")

    assert '<a href="/ui/projects/quotesbot">quotesbot</a>' in page
    assert '<td class="n" data-l="Spiders">2</td>' in page
    assert "/list-projects.json" in page


def test_without_projects_three_steps_are_shown(world: World) -> None:
    """A new server says how to begin."""
    assert "Three steps" in Pages(world).get("/ui/projects")


def test_the_list_of_projects_has_twins(world: World) -> None:
    """The same rows as JSON and as a table."""
    world.put_project()
    pages = Pages(world)

    (row,) = pages.answer("/ui/projects.json").json["projects"]
    (cells,) = csv.DictReader(io.StringIO(pages.get("/ui/projects.csv")))

    assert (row["name"], row["version"], row["spiders"]) == ("quotesbot", "1", 2)
    assert (cells["name"], cells["version"], cells["spiders"]) == ("quotesbot", "1", "2")


def test_a_project_shows_what_each_version_changed(world: World) -> None:
    """Spiders that came and went stand at the version that brought it about."""
    world.put_project("quotesbot", "one", "two")
    world.put_project("quotesbot", "two", "three")

    page = Pages(world).get("/ui/projects/quotesbot")

    assert 'added: <a href="/ui/projects/quotesbot/spiders/three">three</a>' in page
    assert 'removed: <a href="/ui/projects/quotesbot/spiders/one">one</a>' in page
    assert ">current</span>" in page


def test_a_version_can_be_rolled_back_and_the_page_says_so(world: World) -> None:
    """The earlier version becomes the current one; this is said after reading back."""
    world.put_project("quotesbot", "one")
    world.put_project("quotesbot", "two")
    pages = Pages(world)

    answer = pages.post("/ui/projects/quotesbot/activate", form={"version": "1"})

    assert answer.status == 303
    assert "Version 1 is the current one now" in pages.get(answer.headers["location"])
    world.put_project("quotesbot", "three")
    assert "is the current one now" not in pages.get(answer.headers["location"])


def test_a_roll_back_that_a_schedule_forbids_says_why(world: World) -> None:
    """What stands in the way is on the page, and nothing is changed."""
    world.put_project("quotesbot", "one")
    world.put_project("quotesbot", "two")
    request = JobRequest(project="quotesbot", spider="two")
    world.do(world.schedules.submit(request, ScheduleRequest(when="every day"), by=TESTER))

    answer = Pages(world).post("/ui/projects/quotesbot/activate", form={"version": "1"})

    assert answer.status == 409
    assert "two is going to be removed but has scheduled jobs" in answer.text
    assert world.do(world.projects.get("quotesbot")).current.label == "2"  # type: ignore[union-attr]


def test_a_version_can_be_removed(world: World) -> None:
    """A version that is not current goes, and the page says so."""
    world.put_project("quotesbot", "one")
    world.put_project("quotesbot", "two")
    pages = Pages(world)

    answer = pages.post("/ui/projects/quotesbot/remove-version", form={"version": "1"})

    assert "Version 1 is removed" in pages.get(answer.headers["location"])
    assert [one.label for one in world.do(world.projects.versions("quotesbot"))] == ["2"]


def test_a_project_can_be_removed_and_says_before_what_is_lost(world: World) -> None:
    """The button stands behind the words that say what goes."""
    world.put_project()
    pages = Pages(world)

    before = pages.get("/ui/projects/quotesbot")
    answer = pages.post("/ui/projects/quotesbot/remove")

    assert "Its jobs stay listed with their logs and items" in before
    assert "The project quotesbot is removed" in pages.get(answer.headers["location"])
    assert pages.answer("/ui/projects/quotesbot").status == 404


def test_spiders_show_their_last_run(world: World) -> None:
    """A spider that ran has its outcome and its bars; another says that it never did."""
    world.put_project("quotesbot", "toscrape-css", "idle")
    _finished(world)

    page = Pages(world).get("/ui/projects/quotesbot")
    rows = Pages(world).answer("/ui/projects/quotesbot/spiders.json").json["spiders"]

    assert "last 1 runs" in page
    assert "never run" in page
    assert {row["spider"]: row["last_outcome"] for row in rows} == {
        "toscrape-css": "SUCCESSFUL",
        "idle": None,
    }


@pytest.mark.parametrize(
    "name",
    ["plain", "a/b", "/a", "a/", "a//b", "..", ".", "a b", "ä", "a?b#c", "a%2Fb", "a+b", MARKUP],
)
def test_a_spider_of_any_name_has_its_page(world: World, name: str) -> None:
    """Names may hold any character: the link in the project leads to the page of the spider."""
    world.put_project("quotesbot", name)
    pages = Pages(world)

    project = pages.get("/ui/projects/quotesbot")
    address = spider_page("quotesbot", name)
    page = pages.get(address)

    assert address in unescape(project)
    assert MARKUP not in page
    assert f"<h1>{name}</h1>" in unescape(page)


def test_a_spider_offers_arguments_that_were_used(world: World) -> None:
    """Each set of arguments is a link to a form that is filled in."""
    world.put_project()
    for _ in range(2):
        _finished(world, arguments={"category": "books & more"})
    pages = Pages(world)

    page = pages.get(spider_page("quotesbot", "toscrape-css"))

    address = "/ui/run?project=quotesbot&spider=toscrape-css&arg=category%3Dbooks+%26+more"
    assert f'<a href="{address.replace("&", "&amp;")}">' in page
    assert 'name="arg-value" value="books &amp; more"' in pages.get(address)


def test_a_spider_shows_how_many_items_had_each_field(world: World) -> None:
    """Run by run in the order of the jobs: the share of the last run, and the range of all."""
    world.put_project()
    for with_price in (4, 2, 3):
        job = world.enqueue()
        items = [{"title": "a", "price": 1}] * with_price + [{"title": "b"}] * (4 - with_price)
        world.artifacts.prepare(job)
        log = world.artifacts.records(job, RecordKind.ITEMS)
        log.write([json.dumps(item).encode() for item in items], now_ms=1)
        world.do(world.store.jobs.edit(job, _with_items))
        world.launcher.crawl_of(job).finish()

    page = Pages(world).get("/ui/projects/quotesbot/spiders/toscrape-css")

    assert '<code>price</code></th><td class="n" data-l="Last">75 %</td>' in page
    assert "50 % to 100 %, last 75 %" in page
    assert "100 % to 100 %, last 100 %" in page


def _with_items(job: Job) -> Job:
    return replace(job, progress=replace(job.progress, items=4))


def test_hints_are_switched_off_for_a_spider(world: World) -> None:
    """A run with few items is pointed at, and is no more once that is switched off."""
    world.put_project()
    for items in (*[100] * 6, 3):
        job = world.enqueue()
        _finish_with(world, job, items)
    pages = Pages(world)
    assert "Unusually low: items 3" in pages.get(f"/ui/jobs/{job}")
    assert "few items" in pages.get("/ui/")

    answer = pages.post(
        "/ui/spider/compare", form={"project": "quotesbot", "spider": "toscrape-css"}
    )

    assert "Switch the hints on" in pages.get(answer.headers["location"].partition("#")[0])
    assert "Unusually" not in pages.get(f"/ui/jobs/{job}")
    assert "few items" not in pages.get("/ui/")
    form = {"project": "quotesbot", "spider": "toscrape-css", "on": "1"}
    pages.post("/ui/spider/compare", form=form)
    assert "Unusually low" in pages.get(f"/ui/jobs/{job}")


def _finish_with(world: World, job: UUID, items: int) -> None:
    """End a crawl that found so many items, after a minute."""
    world.pass_time(60)
    done = replace(FINISHED, ended_at=world.now(), progress=Progress(items=items))
    world.launcher.crawl_of(job).finish(done)


def test_the_history_of_a_spider_has_twins(world: World) -> None:
    """Its last runs are rows, newest first."""
    world.put_project()
    _finished(world)

    answer = Pages(world).answer("/ui/spider-runs.json?project=quotesbot&spider=toscrape-css")

    assert [run["outcome"] for run in answer.json["runs"]] == ["SUCCESSFUL"]


def test_unknown_projects_and_spiders_are_not_found(world: World) -> None:
    """A name that nothing has is answered with 404."""
    world.put_project()
    pages = Pages(world)

    for path in ("/ui/projects/nothing", "/ui/projects/quotesbot/spiders/nothing"):
        assert pages.answer(path).status == 404


def test_a_spider_with_many_schedules_shows_the_last(world: World) -> None:
    """Twenty of them, and the way to all."""
    world.put_project()
    for minute in range(21):
        job = JobRequest(project="quotesbot", spider="toscrape-css")
        order = ScheduleRequest(when=f"every hour at :{minute:02}")
        world.do(world.schedules.submit(job, order, by=TESTER))

    page = Pages(world).get("/ui/projects/quotesbot/spiders/toscrape-css")

    assert page.count('<th scope="row" data-l="When">') == 20
    assert 'href="/ui/schedules?project=quotesbot"' in page
    assert "every hour at :20</a>" in page


def test_the_names_of_a_projects_variables_are_shown(world: World) -> None:
    """What all crawls get and what this project's get, without the values."""
    world.put_project()
    assert "Environment</h2>" not in Pages(world).get("/ui/projects/quotesbot")

    crawls = replace(world.config.crawls, environment={"PROXY": "s3cret-one"})
    own = ProjectConfig(environment={"API_KEY": "s3cret-two"})
    other = ProjectConfig(environment={"NOT_MINE": "s3cret-three"})
    world.config = replace(world.config, crawls=crawls, projects={"quotesbot": own, "books": other})
    page = Pages(world).get("/ui/projects/quotesbot")

    assert "<code>API_KEY</code>, <code>PROXY</code>" in page
    assert "s3cret" not in page
    assert "NOT_MINE" not in page
