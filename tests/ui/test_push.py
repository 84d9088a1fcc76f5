"""Pushing by a form, without a browser: what became of it is a page of its own."""

import io
import re
import zipfile
from collections.abc import Callable
from html import unescape
from pathlib import Path
from uuid import UUID

import pytest

import scrapy_do
from scrapy_do.core.job import JobRequest
from scrapy_do.core.schedule_rules import ScheduleRequest
from scrapy_do.errors import BadArchive
from scrapy_do.launchers.interface import SpiderList
from scrapy_do.operations.pushes import MOST_REPORTS
from scrapy_do.protocol.wire import LISTING_OUTPUT, SpidersRequest
from tests.factories import TESTER
from tests.http_client import Answer
from tests.ui.browsing import Pages
from tests.world import World

PACKAGE = Path(scrapy_do.__file__).parent
TRACEBACK = """Traceback (most recent call last):
  File "spiders/a.py", line 1, in <module>
    import bs4.element
ModuleNotFoundError: No module named 'bs4'
"""


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path).start()


def _archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr("scrapy.cfg", "[settings]\ndefault = p.settings\n[deploy]\nproject = p\n")
        packed.writestr("p/__init__.py", "")
        packed.writestr("p/settings.py", "")
    return file.getvalue()


def _push(pages: Pages, content: bytes | None = None, **form: str) -> Answer:
    archive = _archive() if content is None else content
    return pages.post("/ui/push", form=form, files={"archive": ("project.zip", archive)})


def test_a_push_leads_to_what_became_of_it(world: World) -> None:
    """The page names the version, its spiders and the steps, and offers to run them."""
    pages = Pages(world)

    answer = _push(pages)

    assert answer.status == 303
    page = pages.get(answer.headers["location"])
    assert "Version 1 of p is the current one now" in page
    assert "/ui/run?project=p&amp;spider=toscrape-css" in page
    for step in ("check the archive", "unpack it", "list its spiders", "make it current"):
        assert f'<th scope="row">{step}</th>' in page


def test_what_a_project_prints_is_shown_while_it_is_asked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page of a push that goes on has the output so far, as text; then it has the result."""
    pages, report = Pages(world), str(UUID(int=7))
    shown = []

    async def spiders(request: SpidersRequest) -> SpiderList:
        for printed in ("", "loading <b>", "loading <b>\nloaded"):
            (request.work_dir / LISTING_OUTPUT).write_text(printed)
            shown.append(pages.get(f"/ui/pushes/{report}"))
        return SpiderList(names=("one",))

    monkeypatch.setattr(world.launcher, "spiders", spiders)
    _push(pages, report=report)

    assert "What the project says" not in shown[0]
    assert "<code>loading &lt;b&gt;</code>" in shown[1]
    assert "<code>loading &lt;b&gt;\nloaded</code>" in shown[2]
    assert "Version 1 of p is the current one now" in pages.get(f"/ui/pushes/{report}")


def test_what_a_project_says_has_no_paths_of_ours(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither where the server keeps things nor where its libraries are; files as projects know."""
    pages, report = Pages(world), str(UUID(int=7))

    async def spiders(request: SpidersRequest) -> SpiderList:
        place = request.project_dir
        told = f'File "{place}/p/a.py", line 1\nFile "{PACKAGE}/crawl/spiders.py", line 2'
        (request.work_dir / LISTING_OUTPUT).write_text(told)
        shown = pages.get(f"/ui/pushes/{report}")
        assert "File &#34;p/a.py&#34;" in shown
        raise BadArchive(f"No such file: '{place}/x.csv'", traceback=told)

    monkeypatch.setattr(world.launcher, "spiders", spiders)
    page = unescape(pages.get(_push(pages, report=report).headers["location"]))

    assert "No such file: 'x.csv'" in page
    assert 'File "p/a.py", line 1\nFile "scrapy_do/crawl/spiders.py", line 2' in page
    assert str(tmp_path) not in page


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.symlink_to("/etc/passwd")])
def test_what_is_no_file_of_output_is_not_shown(
    world: World, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None]
) -> None:
    """A project may put anything in its place."""
    pages, report = Pages(world), str(UUID(int=7))
    shown = []

    async def spiders(request: SpidersRequest) -> SpiderList:
        make(request.work_dir / LISTING_OUTPUT)
        shown.append(pages.get(f"/ui/pushes/{report}"))
        return SpiderList(names=("one",))

    monkeypatch.setattr(world.launcher, "spiders", spiders)
    _push(pages, report=report)

    assert "under way" in shown[0]
    assert "What the project says" not in shown[0]


def test_a_push_that_takes_a_scheduled_spider_away_says_how(world: World) -> None:
    """Refused, it says how to do it all the same; done, which schedules have stopped."""
    pages = Pages(world)
    _push(pages)
    order = ScheduleRequest(when="every day at 03:30")
    for _ in range(2):
        job = JobRequest(project="p", spider="toscrape-css")
        world.do(world.schedules.submit(job, order, by=TESTER))
    world.launcher.usual_spiders = ("other",)

    refused = pages.get(_push(pages).headers["location"])
    done = pages.get(_push(pages, force="1").headers["location"])

    assert "Also when a scheduled spider is gone" in refused
    assert "2 schedules of toscrape-css stop with an error" in done


def test_a_push_says_which_spiders_came_and_went_and_can_be_taken_back(world: World) -> None:
    """Against the version before: added, removed, unchanged; and a button back to it."""
    pages = Pages(world)
    world.spider_lists["p"] = ("stays", "goes")
    _push(pages)
    world.spider_lists["p"] = SpiderList(names=("comes", "stays"), warnings=("two are called x",))

    page = pages.get(_push(pages).headers["location"])

    for name, change in (("comes", "added"), ("goes", "removed"), ("stays", "unchanged")):
        assert f'{name}</a></th><td data-l="What changed">{change}</td>' in page
    assert "<li>two are called x</li>" in page
    assert "Roll back to version 1" in page


def test_a_failed_push_shows_all_that_the_project_said(world: World) -> None:
    """The whole traceback, what to install, and that the version before is still current."""
    pages = Pages(world)
    _push(pages)
    world.spider_lists["p"] = BadArchive("Unable to list the spiders", traceback=TRACEBACK)

    page = unescape(pages.get(_push(pages).headers["location"]))

    assert TRACEBACK in page
    assert "-m pip install beautifulsoup4" in page
    assert "version <strong>1</strong> of p is the current one" in page
    assert ">failed</span>" in page


def test_a_module_of_the_project_itself_is_not_to_be_installed(world: World) -> None:
    """What is missing from the archive is no package of others."""
    traceback = "ModuleNotFoundError: No module named 'p.items'\n"
    world.spider_lists["p"] = BadArchive("Unable to list the spiders", traceback=traceback)
    pages = Pages(world)

    page = pages.get(_push(pages).headers["location"])

    assert "it belongs to the project itself" in page
    assert "pip install" not in page


def test_a_failed_push_stays_listed(world: World) -> None:
    """With its project and among all projects, also when a later one succeeded."""
    pages = Pages(world)
    world.spider_lists["p"] = BadArchive("Unable to list the spiders", traceback=TRACEBACK)
    address = _push(pages).headers["location"]
    del world.spider_lists["p"]
    _push(pages)

    for path in ("/ui/projects", "/ui/projects/p", "/ui/push"):
        assert address in pages.get(path)


def test_what_is_no_archive_is_said(world: World) -> None:
    """The reason is on the page of the push; what was never a project has no name."""
    pages = Pages(world)

    page = pages.get(_push(pages, b"this is no zip archive").headers["location"])

    assert "Push failed" in page
    assert "Nothing was changed." in page


def test_a_form_without_an_archive_comes_back(world: World) -> None:
    """Nothing chosen: the form again, with what to do."""
    answer = _push(Pages(world), b"")

    assert answer.status == 400
    assert "Choose an archive first" in answer.text


def test_reports_are_few(world: World) -> None:
    """The oldest are forgotten."""
    pages = Pages(world)
    first = _push(pages, b"no").headers["location"]
    for _ in range(MOST_REPORTS):
        _push(pages, b"no")

    assert len(world.do(world.projects.reports())) == MOST_REPORTS
    assert pages.answer(first).status == 404


def test_a_report_is_called_as_the_form_wants_unless_that_is_taken(world: World) -> None:
    """So the form knows where to look while the push goes on; nothing is ever replaced."""
    pages = Pages(world)
    name = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"

    first = _push(pages, report=name).headers["location"]
    second = _push(pages, b"no", report=name).headers["location"]

    assert first == f"/ui/pushes/{name}"
    assert second != first
    assert "Pushed p" in pages.get(first)


def test_a_push_under_way_shows_its_steps(world: World) -> None:
    """What is done with how long it took, and what goes on; the list of pushes leads there."""
    pages = Pages(world)
    seen: list[str] = []

    async def list_spiders(**_project: object) -> SpiderList:
        world.clock.advance(3)
        listed = pages.get("/ui/push")
        seen.extend((listed, pages.get(re.findall('"(/ui/pushes/[^"]*)"', listed)[0])))
        return SpiderList(names=("one",), warnings=())

    world.projects._list_spiders = list_spiders
    _push(pages)

    listed, page = seen
    assert "Under way" in listed
    assert "Pushing p" in page
    assert '<th scope="row">unpack it</th><td><span class="state good">' in page
    assert '<th scope="row">list its spiders</th><td><span class="state running">' in page
    assert "Under way" not in pages.get("/ui/push")
