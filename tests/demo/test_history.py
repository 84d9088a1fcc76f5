"""The history of a demo: enough to compare with, of the pages that the site has."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

from scrapy_do.core.anomalies import FEWEST_RUNS
from scrapy_do.demo.history import former_runs, seed_history
from scrapy_do.demo.site import page_at

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
SITE = "http://127.0.0.1:8000"


def test_every_spider_has_enough_runs() -> None:
    """About twenty runs, enough good ones of each spider, each with one of the last day."""
    runs = former_runs(SITE, NOW)
    good = Counter(run.spider for run in runs if not run.failed)
    assert len(runs) == 21
    assert set(good) == {"books", "endless", "flaky", "toscrape-css"}
    assert min(good.values()) >= FEWEST_RUNS
    assert {run.spider for run in runs if NOW - run.ended < timedelta(days=1)} == set(good)
    assert max(run.ended for run in runs) < NOW


def test_the_pages_are_those_of_the_site() -> None:
    """What runs say to have fetched is there, with what they say to have found."""
    for run in former_runs(SITE, NOW):
        for address in run.pages:
            page = page_at(address.removeprefix(SITE))
            assert page.status != 404, address
        if run.spider == "books":
            shown = "".join(page_at(one.removeprefix(SITE)).body for one in run.pages)
            assert all(f"£{item['price']:.2f}" in shown for item in run.items)


def test_a_directory_that_is_there_is_left_alone(tmp_path: Path) -> None:
    """A demo that is kept and shown again has the history of its first time."""
    seed_history(tmp_path, "quotesbot", SITE, NOW)
    assert [*tmp_path.iterdir()] == []
