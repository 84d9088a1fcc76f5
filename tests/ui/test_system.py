"""The pages about the daemon itself and of comparing jobs, without a browser."""

from dataclasses import replace
from functools import partial
from html import unescape
from pathlib import Path

import pytest

from scrapy_do.api.scrapy_do.routes import ScrapyDoAPI
from scrapy_do.config import load
from scrapy_do.core.job import Progress
from scrapy_do.ui.pages.compare import groups_of
from scrapy_do.ui.routes import Pages as PageRoutes
from scrapy_do.web.sse import Bell
from scrapy_do.web.tail import Tail
from tests.http_client import HttpClient, site_of
from tests.ui.browsing import Pages
from tests.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path).start()


def test_options_say_where_their_values_come_from(world: World, tmp_path: Path) -> None:
    """From the file, from a variable, or the default; secrets are stars."""
    path = tmp_path / "scrapy-do.conf"
    path.write_text("[scrapy-do]\njob-slots = 7\n[web]\nauth = on\n")
    token = "a-token-that-is-long-enough"
    environ = {"SCRAPY_DO_RETENTION_TRASH_AGE": "2d", "SCRAPY_DO_WEB_TOKEN": token}
    world.config = load(path, environ)
    pages = Pages(world)

    options = {
        (one["section"], one["name"]): (one["value"], one["origin"])
        for one in pages.answer("/ui/system/options.json").json["options"]
    }
    page = pages.get("/ui/system")

    assert options["scrapy-do", "job-slots"] == ("7", str(path))
    assert options["retention", "trash-age"][1] == "SCRAPY_DO_RETENTION_TRASH_AGE"
    assert options["web", "token"] == ("***", "SCRAPY_DO_WEB_TOKEN")
    assert options["web", "https"] == ("off", "default")
    assert token not in page
    assert "SCRAPY_DO_RETENTION_TRASH_AGE" in page


def test_services_that_are_not_well_are_named(world: World) -> None:
    """What is wrong stands beside the name of the service."""
    world.problems["scheduler"] = "it stands still"

    page = Pages(world).get("/ui/system")

    assert '</span>not well</span></td><td data-l="What is wrong">it stands still</td>' in page
    assert page.count("</span>works</span>") == 2


def test_the_trash_says_until_when_things_can_be_taken_back(world: World, tmp_path: Path) -> None:
    """Each entry with when it was removed and when it goes."""
    thing = tmp_path / "thing"
    thing.write_text("x")
    world.trash.put(thing, "archive-abc")

    page = Pages(world).get("/ui/system")
    storage = world.do(world.operations.server.storage(most_trash=10))

    assert "archive-abc" in page
    assert [one.goes_at - one.removed_at for one in storage.trash] == [
        storage.trash[0].goes_at - world.now()
    ]
    assert storage.database_bytes > 0


def test_the_name_of_a_database_has_no_password(world: World) -> None:
    """What is shown of its address are no credentials."""
    database, _ = world.do(world.store.size())

    assert database.startswith("sqlite")
    assert "@" not in database


def test_the_api_is_described_with_commands_for_this_host(world: World) -> None:
    """Every route of the dialects, in words, with a command."""
    dialect = ScrapyDoAPI(world.operations, archive_bytes=1, tail=Tail(reactor=world.clock))
    routes = PageRoutes(
        world.operations,
        now=world.now,
        zone="UTC",
        archive_bytes=1,
        new_bell=partial(Bell, world.clock),
        dialects=[dialect],
    )
    site = site_of(routes, spool_dir=world.archives.incoming, clock=world.clock)

    page = HttpClient(site).get("/ui/api").text

    for route in dialect.router.routes():
        assert f"<code>{route.pattern.replace('<', '&lt;').replace('>', '&gt;')}</code>" in page
    assert "curl -sS http://localhost:7654/status.json" in page
    assert "curl -sS -X POST http://localhost:7654/schedule-job.json" in page


def test_two_jobs_are_compared(world: World) -> None:
    """Statistics, settings and arguments side by side; numbers with their difference."""
    world.put_project()
    first = world.job(world.enqueue(arguments={"page": "1"}, settings={"LOG_LEVEL": "INFO"}))
    second = world.job(world.enqueue(arguments={"page": "2"}))
    first = replace(first, progress=Progress(items=10, stats={"a/count": 4, "text": "<b>"}))
    second = replace(second, progress=Progress(items=15, stats={"a/count": 4}))

    rows = {row.name: row for group in groups_of([first, second]) for row in group.rows}

    assert rows["items"].difference == "+5 (+50%)"
    assert list(rows["page"].values) == ["1", "2"]
    assert list(rows["LOG_LEVEL"].values) == ["INFO", "\N{EN DASH}"]
    assert not rows["a/count"].differs


def test_the_page_of_two_jobs(world: World) -> None:
    """Both are named with links; what differs is marked in words."""
    world.put_project()
    jobs = [world.enqueue(arguments={"q": f"<i>{number}"}) for number in range(2)]

    page = Pages(world).get(f"/ui/compare?jobs={jobs[0]},{jobs[1]}")

    for number, job_id in enumerate(jobs):
        assert f'href="/ui/jobs/{job_id}"' in page
        assert f"<i>{number}" not in page
        assert f"<i>{number}" in unescape(page)
    assert ">differs</td>" in page


@pytest.mark.parametrize("query", ["", "?jobs="])
def test_without_jobs_they_are_asked_for(world: World, query: str) -> None:
    """The page says to pick two."""
    assert "Pick two jobs" in Pages(world).get(f"/ui/compare{query}")


@pytest.mark.parametrize(
    ("jobs", "status"),
    [
        ("nonsense", 400),
        ("00000000-0000-0000-0000-000000000000,00000000-0000-0000-0000-000000000001", 404),
        (",".join(["00000000-0000-0000-0000-000000000000"] * 5), 400),
    ],
)
def test_jobs_that_are_none(world: World, jobs: str, status: int) -> None:
    """What names no job is refused with the reason."""
    assert Pages(world).answer(f"/ui/compare?jobs={jobs}").status == status
