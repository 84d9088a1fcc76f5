"""Values of a project that are not what one expects: nothing is lost but what has no value."""

from typing import Any

import pytest

from scrapy_do.protocol.wire import CrawlSpec
from tests.launchers.harness import RealHarness, on_reactor, records

pytestmark = pytest.mark.live


def errors(spec: CrawlSpec) -> list[str]:
    """Return the messages of the errors in the captured log."""
    return [line["message"] for line in records(spec.placement.log) if line["level"] >= 40]


def pipelines(*names: str) -> dict[str, Any]:
    return {"ITEM_PIPELINES": {f"odd.pipelines.{name}": n for n, name in enumerate(names)}}


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("exception", "x"),
        ("half", r"half \udc80 a pair\x00"),
        ("textless", "<Textless without a text: RuntimeError>"),
        ("long", "x" * 1000),
    ],
)
@on_reactor
async def test_a_close_reason(real: RealHarness, reason: str, expected: str) -> None:
    """A close reason is the text of whatever the project gave, and all else is as it was."""
    spec = real.spec("closing", project="odd", arguments={"reason": reason})
    ending = await real.run(spec)

    assert (ending.status, ending.close_reason) == (0, expected)
    assert (ending.progress.items, ending.progress.stats["item_scraped_count"]) == (1, 1)


@on_reactor
async def test_statistics_and_messages(real: RealHarness) -> None:
    """Statistics, log lines and metadata of any kind arrive, as text where JSON has nothing."""
    spec = real.spec("statistical", project="odd")
    ending = await real.run(spec)

    assert (ending.status, ending.close_reason, ending.progress.items) == (0, "finished", 1)
    stats = ending.progress.stats
    assert stats["bytes"] == r"\xff"
    assert stats[r"half\udc80"] == r"half \udc80"
    assert stats["('a', 1)"] == "<Textless without a text: RuntimeError>"
    assert stats["huge"] == hex(10**5000)
    assert stats["nan"] == [None]
    assert stats["names"] == {"1": {"('b',)": "1.5"}}
    assert "loop" in stats
    said = errors(spec)
    assert len(said) == ending.progress.errors
    assert said[0] == r"[statistical] half \udc80"
    assert said[3].startswith("[statistical] failed\nTraceback")
    assert [request["duration"] for request in records(spec.placement.requests)] == [0]


@on_reactor
async def test_too_many_statistics(real: RealHarness) -> None:
    """Statistics above their limit are left out, and what is left out is counted."""
    ending = await real.run(real.spec("loaded", project="odd"))

    assert (ending.close_reason, ending.progress.items) == ("finished", 1)
    assert ending.progress.stats.keys() == {"scrapy_do/dropped/stats"}


@on_reactor
async def test_items_are_those_of_a_feed(real: RealHarness) -> None:
    """A record holds what the feed of the same crawl holds, and the type."""
    spec = real.spec("shop", project="odd")
    await real.run(spec)

    feed = records(spec.placement.project_dir / "feed.jsonl")
    types = ["Product", "Part", "dict", "mine"]
    assert [{**item, "_type": kind} for item, kind in zip(feed, types, strict=True)] == records(
        spec.placement.items
    )
    assert feed[0]["price"] == "9.50 EUR"


@on_reactor
async def test_what_a_feed_refuses(real: RealHarness) -> None:
    """Values with a text of their own are kept; of others there is an error, not a record."""
    spec = real.spec("readable", project="odd")
    ending = await real.run(spec)

    (item,) = records(spec.placement.items)
    assert (item["path"], item["address"], item["text"]) == ("/a/b", "::1", "ž")
    assert (ending.progress.items, ending.progress.stats["scrapy_do/dropped/items"]) == (1, 3)
    said = errors(spec)
    assert ["stool" in said[0], "table" in said[1], "loop" in said[2]] == [True] * 3
    assert ["'price'" in said[0], "'price'" in said[1], "'parts'" in said[2]] == [True] * 3


@pytest.mark.parametrize(
    ("names", "guilty", "found"),
    [
        (["Forgetful"], "Forgetful", "None"),
        (["Good", "AsyncForgetful"], "AsyncForgetful", "None"),
        (["Forgetful", "Good"], "Forgetful", "None"),
        (["Good", "AsyncForgetful", "Last"], "AsyncForgetful", "None"),
    ],
)
@on_reactor
async def test_a_pipeline_that_returns_no_item(
    real: RealHarness, names: list[str], guilty: str, found: str
) -> None:
    """There is no record of it, and an error that names the pipeline."""
    spec = real.spec("lost", project="odd", settings=pipelines(*names))
    ending = await real.run(spec)

    assert [{"number": 2, "keep": True, "_type": "dict"}] == records(spec.placement.items)
    assert (ending.progress.items, ending.progress.errors) == (1, 2)
    where = f"odd.pipelines.{guilty}.process_item returned {found}, not the item"
    assert [where in line for line in errors(spec)] == [True, True]


@on_reactor
async def test_a_pipeline_that_returns_something_else(real: RealHarness) -> None:
    """A number is no item either."""
    spec = real.spec("lost", project="odd", settings=pipelines("Counting"))
    ending = await real.run(spec)

    assert ([], 0, 3) == (
        records(spec.placement.items),
        ending.progress.items,
        ending.progress.errors,
    )
    assert all(
        "Counting.process_item returned an object of type int" in line for line in errors(spec)
    )
