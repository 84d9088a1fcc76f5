"""Pushing a project in a browser: with its script, and without any."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.browsing import Visit
from tests.live.running import Running, running

_CONFIG = "[settings]\ndefault = tiny.settings\n[deploy]\nproject = tiny\n"
_SPIDER = "import scrapy\n\n\nclass One(scrapy.Spider):\n    name = 'one'\n"


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Give a daemon of this module's own: its tests push."""
    with running(tmp_path_factory.mktemp("p")) as daemon:
        yield daemon


def _archive(path: Path, *, top: str = "") -> Path:
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr(f"{top}scrapy.cfg", _CONFIG)
        packed.writestr(f"{top}tiny/__init__.py", "")
        packed.writestr(f"{top}tiny/settings.py", "SPIDER_MODULES = ['tiny.spiders']\n")
        packed.writestr(f"{top}tiny/spiders/__init__.py", "")
        packed.writestr(f"{top}tiny/spiders/one.py", _SPIDER)
    return path


@pytest.mark.live
def test_an_archive_is_looked_into_then_pushed_with_progress(
    visit: Visit, fresh: Running, tmp_path: Path
) -> None:
    """The wrong folder is noticed before anything is sent; the right one ends at its report."""
    wrong = _archive(tmp_path / "wrong.zip", top="a/b/")
    right = _archive(tmp_path / "right.zip")
    page = visit.page
    visit.open(f"{fresh.url}/ui/push")

    page.set_input_files("#archive", wrong)
    page.wait_for_selector("text=You probably zipped the wrong folder")
    page.set_input_files("#archive", right)
    page.wait_for_selector("text=scrapy.cfg is there")
    page.click("button.main")

    page.wait_for_url("**/ui/pushes/*", timeout=60_000)
    assert page.inner_text("h1") == "Pushed tiny"
    assert "Version 1 of tiny is the current one now." in page.inner_text("main")
    assert visit.forbidden() == []
    assert visit.troubles == []


@pytest.mark.live
def test_a_folder_is_packed_in_the_browser(visit: Visit, fresh: Running, tmp_path: Path) -> None:
    """What need not be sent is left out; names and contents arrive as they are."""
    project = tmp_path / "höfe"
    with zipfile.ZipFile(_archive(tmp_path / "p.zip")) as archive:
        archive.extractall(project)
    (project / "tiny" / "spiders" / "zwei.py").write_text(_SPIDER.replace("'one'", "'zwei ß'"))
    for left_out in (".git/config", "tiny/__pycache__/x.pyc"):
        (project / left_out).parent.mkdir(parents=True)
        (project / left_out).write_bytes(bytes(1000))
    page = visit.page
    visit.open(f"{fresh.url}/ui/push")

    page.set_input_files("#folder", project)
    page.wait_for_selector("text=höfe.zip: scrapy.cfg is there")
    names = page.evaluate("archiveNames(document.getElementById('archive').files[0])")
    assert not [name for name in names if ".git" in name or "__pycache__" in name]
    page.click("button.main")

    page.wait_for_url("**/ui/pushes/*", timeout=60_000)
    assert page.inner_text("h1") == "Pushed tiny"
    assert "zwei ß" in page.inner_text("main")
    assert visit.forbidden() == []
    assert visit.troubles == []


@pytest.mark.live
def test_push_and_run_without_script(chromium: Browser, fresh: Running, tmp_path: Path) -> None:
    """Plain forms do: push an archive, follow the link of its spider, run it."""
    context = chromium.new_context(java_script_enabled=False)
    try:
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.goto(f"{fresh.url}/ui/push")
        page.set_input_files("#archive", _archive(tmp_path / "right.zip"))
        page.click("button.main")
        page.click("a[aria-label='Run one']")
        page.click("button[data-submit]")

        assert "/ui/jobs/" in page.url
        assert "one" in page.inner_text("h1")
    finally:
        context.close()
