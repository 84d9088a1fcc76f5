"""Every console block of the pages is followed, in one shell for each page, against a daemon."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from scrapy_do.demo.run import PROJECT_DIR
from scrapy_do.demo.site import DemoSite
from tests.live.documents import pages, wrong
from tests.live.running import Running, pack, running

ELSEWHERE = {
    "README.md": "tests/live/test_readme.py, on a demo of its own",
    "docs/scrapy-cloud.md": "tests/live/test_cloud_guide.py, as the first jobs of a daemon",
    "docs/schedules.md": "tests/test_schedule_docs.py, at the time that the page says",
}
"""Pages that are followed by other tests."""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A daemon that all pages share, as it would be the one of their reader."""
    root = tmp_path_factory.mktemp("daemon")
    with DemoSite() as site:
        options = {"SCRAPY_DO_CRAWLS_ENVIRONMENT": f"QUOTESBOT_SITE={site.url}"}
        with running(root, options=options) as one:
            one.ask("/push-project.json", archive=f"@{pack(PROJECT_DIR, root)}")
            yield one


@pytest.mark.live
@pytest.mark.parametrize("page", [page for page in pages() if page not in ELSEWHERE])
def test_every_block_of_a_page_works(page: str, daemon: Running, tmp_path: Path) -> None:
    """Each command of the page prints what stands below it."""
    directory = tmp_path / "here"
    if page == "docs/tutorial.md":
        directory.mkdir()
    else:
        skipped = shutil.ignore_patterns("__pycache__")
        shutil.copytree(PROJECT_DIR, directory, ignore=skipped)
    assert wrong(page, daemon.url, directory, {"DATA": str(daemon.data)}) == []
