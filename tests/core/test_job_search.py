"""The search for jobs: words to a filter, and what is wrong to its place."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from scrapy_do.core.filter import ACTIVE_STATES, JobFilter, StateName
from scrapy_do.core.job import Outcome
from scrapy_do.core.job_search import EXAMPLE, search_jobs, word
from scrapy_do.errors import BadSearch
from tests.factories import START

FINISHED = frozenset({StateName.FINISHED})
FAILED = frozenset({Outcome.FAILED, Outcome.LOST})
ID = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", JobFilter()),
        ("  books ", JobFilter(spider="books")),
        ("spider:books", JobFilter(spider="books")),
        ('spider:"a b" project:shop', JobFilter(spider="a b", project="shop")),
        ('"a ""b"""', JobFilter(spider='a "b"')),
        ("spider:http://x", JobFilter(spider="http://x")),
        ("state:failed", JobFilter(states=FINISHED, outcomes=FAILED)),
        ("state:Pending", JobFilter(states=frozenset({StateName.PENDING}))),
        ("state:active", JobFilter(states=ACTIVE_STATES)),
        ("tag:eu tag:us -tag:test", JobFilter(tags_any=("eu", "us"), tags_none=("test",))),
        ("since:2d", JobFilter(changed_from=START - timedelta(days=2))),
        ("before:90m", JobFilter(changed_before=START - timedelta(minutes=90))),
        ("since:2026-06-01", JobFilter(changed_from=datetime(2026, 6, 1, tzinfo=UTC))),
        (
            "since:2026-06-01T12:00+02:00",
            JobFilter(changed_from=datetime(2026, 6, 1, 10, tzinfo=UTC)),
        ),
        (f"schedule:{ID}", JobFilter(schedule_id=UUID(ID))),
    ],
)
def test_understood(text: str, wanted: JobFilter) -> None:
    """Each word narrows the list, as the help says."""
    assert search_jobs(text, now=START).wanted == wanted


@pytest.mark.parametrize(
    "name", ['"', 'a"b', '""', "", " ", "a b", "-tag:x", "\n", '" state:failed "']
)
def test_any_name_can_be_searched(name: str) -> None:
    """The word that is made for a name asks for it and for nothing else."""
    wanted = JobFilter(project="shop", spider=name)
    text = f"{word('project', 'shop')} {word('spider', name)}"
    assert search_jobs(text, now=START).wanted == wanted


def test_the_example_is_right() -> None:
    """The example that errors show is understood."""
    assert search_jobs(EXAMPLE, now=START).wanted.spider == "books"


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("spider:books state:broken", "state:broken"),
        ("since:yesterday", "since:yesterday"),
        ("since:2026-13-01 books", "since:2026-13-01"),
        ("since:999999w", "since:999999w"),
        ("books toscrape", "toscrape"),
        ("state:failed state:lost", "state:lost"),
        ("colour:red", "colour:red"),
        ("schedule:daily", "schedule:daily"),
        ('spider:"a b', 'spider:"a'),
        ('a"b', 'a"b'),
        ('spider:"a"b"', 'spider:"a"b"'),
        ('"""', '"""'),
    ],
)
def test_what_is_wrong_is_pointed_at(text: str, part: str) -> None:
    """The error knows which part of the text means nothing."""
    with pytest.raises(BadSearch) as caught:
        search_jobs(text, now=START)
    error = caught.value
    assert text[error.begin : error.end] == part


@pytest.mark.parametrize(
    ("text", "state", "changed"),
    [
        ("books", "failed", "books state:failed"),
        ('state:lost spider:"a b"', "failed", 'spider:"a b" state:failed'),
        ("state:canceled tag:eu", "", "tag:eu"),
    ],
)
def test_another_state(text: str, state: str, changed: str) -> None:
    """A chip keeps the rest of the search."""
    assert search_jobs(text, now=START).with_state(state) == changed
