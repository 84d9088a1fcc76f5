"""The pages about the daemon itself and of comparing jobs, without a browser."""

import platform
from dataclasses import replace
from functools import partial
from html import unescape
from importlib.metadata import version
from pathlib import Path

import pytest

from scrapy_do.api.scrapy_do.routes import ScrapyDoAPI
from scrapy_do.config import load
from scrapy_do.protocol.facts import Progress
from scrapy_do.store.copies import kept_copies
from scrapy_do.ui.pages.compare import fact_groups
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


def test_isolation_that_is_off_is_seen(world: World, tmp_path: Path) -> None:
    """Whoever switched it off, or whose kernel has none, is told so."""
    path = tmp_path / "scrapy-do.conf"
    path.write_text("[crawls]\nisolation = off\n")
    world.config = load(path, {})

    page = Pages(world).get("/ui/system")

    assert "</span>not isolated</span> Isolation of crawls: off: crawls can do whatever" in page


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
        times="relative",
        archive_bytes=1,
        new_bell=partial(Bell, world.clock),
        dialects=[dialect],
    )
    site = site_of(routes, spool_dir=world.archives.incoming, clock=world.clock)

    page = HttpClient(site).get("/ui/api").text

    for route in dialect.router.routes():
        assert f"<code>{route.pattern.replace('<', '&lt;').replace('>', '&gt;')}</code>" in page
    assert "curl -sS http://localhost:7654/status.json" in page
    assert '<a href="/openapi.json">' in page
    assert "curl -sS -X POST http://localhost:7654/schedule-job.json" in page


def test_two_jobs_are_compared(world: World) -> None:
    """Statistics, settings and arguments side by side; numbers with their difference."""
    world.put_project()
    first = world.job(world.enqueue(arguments={"page": "1"}, settings={"LOG_LEVEL": "INFO"}))
    second = world.job(world.enqueue(arguments={"page": "2"}))
    stats = {"a/count": 4, "text": "<b>", "start_time": 1_795_924_587_474}
    first = replace(first, progress=Progress(items=10, stats=stats))
    second = replace(second, progress=Progress(items=15, stats={"a/count": 4}))

    rows = {row.name: row for group in fact_groups([first, second]) for row in group.rows}

    assert rows["items"].difference == "+5 (+50%)"
    assert list(rows["page"].values) == ["1", "2"]
    assert list(rows["LOG_LEVEL"].values) == ["INFO", "\N{EN DASH}"]
    assert not rows["a/count"].differs
    assert list(rows["start_time"].values) == ["2026-11-29 03:56:27 UTC", "\N{EN DASH}"]


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


def test_the_log_of_the_daemon_is_shown_to_its_end(world: World) -> None:
    """The last hundred lines, whatever is in them, with long ones cut."""
    for number in range(300):
        world.journal.write(f"2026-01-01T00:00:00 [x#info] <b>{number}\n")
    world.journal.write("first\nsecond" + "y" * 5000)

    page = Pages(world).get("/ui/system")

    assert "&lt;b&gt;202\n" in page
    assert "&lt;b&gt;201\n" not in page
    assert "first\nsecondyyy" in page
    assert "y" * 2000 not in page


def test_copies_of_the_database_are_listed(world: World, tmp_path: Path) -> None:
    """Those that lie beside it, with how to make one and how to go back."""
    path = tmp_path / "store.db"
    for name in ("store.db.copy-20260102T030405Z", "store.db.schema-0004.000001"):
        (tmp_path / name).write_bytes(b"x" * 2000)
    (tmp_path / "store.db.other").write_bytes(b"")

    assert {copy.name for copy in kept_copies(path)} == {
        "store.db.copy-20260102T030405Z",
        "store.db.schema-0004.000001",
    }
    page = Pages(world).get("/ui/system")
    assert "None yet" in page  # this world's database is in memory
    assert "scrapy-do db restore" in page


def test_versions_of_what_runs_the_spiders_are_shown(world: World) -> None:
    """Of Scrapy and Python: what a traceback in a project is compared with first."""
    page = Pages(world).get("/ui/system")
    assert f"Scrapy {version('scrapy')}, Python {platform.python_version()}" in page


@pytest.mark.parametrize(
    ("times", "shown"),
    [
        ("relative", "2026-06-03 10:17:23 UTC"),
        ("UTC", "2026-06-03 10:17:23 UTC"),
        ("local", "2026-06-03 10:17:23 UTC"),
        ("server", "2026-06-03 12:17:23 CEST"),
    ],
)
def test_times_are_shown_as_the_server_is_told(world: World, times: str, shown: str) -> None:
    """Without script exact, in the server's zone if that is wanted; the script is told, too."""
    world.put_project()
    page = Pages(world, zone="Europe/Zurich", times=times).get("/ui/projects/quotesbot")
    assert f">{shown}</time>" in page
    assert f'data-times="{times}"' in page
