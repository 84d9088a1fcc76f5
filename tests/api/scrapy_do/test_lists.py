"""The lists of the Scrapy Do API: which rows belong to one, in one order, each once."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from scrapy_do.core.job import Actor, JobRequest, NewJob, Pending
from scrapy_do.operations.listing import USUAL_ROWS
from scrapy_do.protocol.facts import Ending
from tests.engine.scheduling import SchedulingWorld
from tests.factories import START
from tests.http_client import HttpClient
from tests.world import World

OUTCOMES = ("SUCCESSFUL", "FAILED", "CANCELED")


@pytest.fixture
def world(tmp_path: Path) -> SchedulingWorld:
    world = SchedulingWorld(tmp_path)
    world.start()
    return world.go()


@pytest.fixture
def client(world: SchedulingWorld) -> HttpClient:
    return world.client()


def page(client: HttpClient, query: str, path: str = "/list-jobs.json") -> dict[str, Any]:
    answer = client.get(f"{path}?{query}")
    assert answer.status == 200, answer.text
    found: dict[str, Any] = answer.json
    return found


def listed(client: HttpClient, query: str) -> list[dict[str, Any]]:
    jobs: list[dict[str, Any]] = page(client, query)["jobs"]
    return jobs


def schedule(client: HttpClient, **form: Any) -> UUID:
    fields = {"project": "quotesbot", "spider": "toscrape-css", "when": "now", **form}
    answer = client.post("/schedule-job.json", form=fields)
    assert answer.status == 200, answer.text
    return UUID(answer.json["identifier"])


def walk(
    client: HttpClient,
    query: str,
    *,
    meanwhile: Callable[[], object] = lambda: None,
    path: str = "/list-jobs.json",
    rows: str = "jobs",
) -> Iterator[list[str]]:
    """Go from page to page; `meanwhile` happens between them."""
    after = ""
    while True:
        found = page(client, f"{query}{after}", path)
        yield [row["identifier"] for row in found[rows]]
        assert found.get("truncated", False) == ("next-after" in found)
        if "next-after" not in found:
            return
        after = f"&after={found['next-after']}"
        meanwhile()


def mixed(client: HttpClient, jobs: int, schedules: int) -> list[str]:
    """Add jobs and schedules in turn; return their identifiers, oldest first."""
    ids = []
    for number in range(max(jobs, schedules)):
        if number < jobs:
            ids.append(schedule(client))
        if number < schedules:
            ids.append(schedule(client, when="every hour"))
    return [str(one) for one in ids]


@pytest.mark.parametrize("limit", [1, 4, 12])
@pytest.mark.parametrize(("jobs", "schedules"), [(7, 6), (13, 0), (0, 13), (2, 11)])
def test_pages_of_both_kinds(
    world: SchedulingWorld, client: HttpClient, jobs: int, schedules: int, limit: int
) -> None:
    """Jobs and schedules share one order and one cursor: full pages, every row once."""
    world.launcher.stubborn_spiders.add("toscrape-css")
    ids = mixed(client, jobs, schedules)

    pages = list(walk(client, f"status=ACTIVE&limit={limit}"))

    assert sorted(ids) == sorted(one for rows in pages for one in rows)
    assert [limit] * (len(pages) - 1) == [len(rows) for rows in pages[:-1]]
    assert 0 < len(pages[-1]) <= limit


def test_one_order(world: SchedulingWorld, client: HttpClient) -> None:
    """What was given or changed last comes first, of whatever kind; time stamps agree."""
    ids = []
    for when in ("every hour", "now", "every day", "now", "now"):
        ids.append(schedule(client, when=when))
        world.wait(seconds=1)
    client.post("/pause-schedule.json", form={"id": str(ids[0])})

    rows = listed(client, "status=ACTIVE")

    # Two of the jobs were started at once, the third waits.
    names = [ids.index(UUID(row["identifier"])) for row in rows]
    assert names == [0, 4, 3, 2, 1]
    assert [row["timestamp"] for row in rows] == sorted(
        (row["timestamp"] for row in rows), reverse=True
    )


@pytest.mark.parametrize("limit", [1, 2, 4, 5])
def test_rows_that_are_added_meanwhile(client: HttpClient, limit: int) -> None:
    """A walk meets each row once that was there at its start, whatever is added."""
    ids = mixed(client, 9, 9)
    added = iter(["now", "every hour"] * 30)

    def add() -> None:
        schedule(client, when=next(added))

    seen = [
        one for rows in walk(client, f"status=ACTIVE&limit={limit}", meanwhile=add) for one in rows
    ]

    assert sorted(ids) == sorted(seen)


def test_schedules_that_fire_meanwhile(world: SchedulingWorld, client: HttpClient) -> None:
    """Firing does not move a schedule in its list, and its time stamp stays."""
    ids = [str(schedule(client, when="every second", overlap="allow")) for _ in range(9)]
    before = {row["identifier"]: row["timestamp"] for row in listed(client, "status=SCHEDULED")}

    pages = list(walk(client, "status=SCHEDULED&limit=4", meanwhile=lambda: world.wait(seconds=1)))

    assert [4, 4, 1] == [len(rows) for rows in pages]
    assert ids[::-1] == [one for rows in pages for one in rows]
    assert before == {
        row["identifier"]: row["timestamp"] for row in listed(client, "status=SCHEDULED")
    }


def test_what_changes_meanwhile_is_not_met_twice(client: HttpClient) -> None:
    """A row that changes during a walk comes before its first page then."""
    ids = [str(schedule(client, when="every hour")) for _ in range(6)]
    changes = iter((ids[5], ids[4], ids[5]))

    def change() -> None:
        client.post("/pause-schedule.json", form={"id": next(changes)})

    seen = [one for rows in walk(client, "status=ACTIVE&limit=2", meanwhile=change) for one in rows]

    assert ids[::-1] == seen


@pytest.mark.parametrize("status", [*OUTCOMES, "COMPLETED", "PENDING", "RUNNING"])
def test_only_jobs_have_an_outcome(world: SchedulingWorld, client: HttpClient, status: str) -> None:
    """Schedules that are over are in no list of jobs, and what is listed has a job's fields."""
    schedule(client, when="at 2026-06-03 10:20")
    schedule(client, when="every minute", **{"max-runs": "1"})
    world.wait(minutes=5)
    for crawl in world.launcher.alive:
        crawl.finish()
    canceled = schedule(client, when="every day")
    client.post("/cancel-job.json", form={"id": str(canceled)})
    failing, cancelled, _running = (schedule(client) for _ in range(3))
    world.launcher.crawl_of(failing).finish(Ending(ended_at=world.now(), status=1, opened=True))
    client.post("/cancel-job.json", form={"id": str(cancelled)})

    rows = listed(client, f"status={status}")

    assert all("key" in row and "started" in row and row["schedule"] == "now" for row in rows)
    assert {row["status"] for row in rows} <= (set(OUTCOMES) if status == "COMPLETED" else {status})
    assert not {str(canceled)} & {row["identifier"] for row in rows}


def test_lists_and_counts_agree(world: SchedulingWorld, client: HttpClient) -> None:
    """Each counter of `status.json` is the length of its list, schedules in all states included."""
    ends = {"done": schedule(client), "bad": schedule(client)}
    world.launcher.crawl_of(ends["done"]).finish()
    world.launcher.crawl_of(ends["bad"]).finish(
        Ending(ended_at=world.now(), lost="gone", opened=True)
    )
    for _ in range(2):
        client.post("/cancel-job.json", form={"id": str(schedule(client))})
    orders = [schedule(client, when="every hour") for _ in range(5)]
    schedule(client, when="at 2026-06-03 10:20")
    world.wait(minutes=5)
    client.post("/cancel-job.json", form={"id": str(orders[0])})
    client.post("/pause-schedule.json", form={"id": str(orders[1])})
    world.do(
        world.store.schedules.fail(world.do(world.schedules.get(orders[2])), "x", now=world.now())
    )
    for _ in range(3):
        schedule(client)

    status = page(client, "", "/status.json")

    lists = {
        "jobs-successful": "SUCCESSFUL",
        "jobs-failed": "FAILED",
        "jobs-canceled": "CANCELED",
        "jobs-scheduled": "SCHEDULED",
        "jobs-pending": "PENDING",
        "jobs-running": "RUNNING",
    }
    counted = {word: status[name] for name, word in lists.items()}
    assert counted == {word: len(listed(client, f"status={word}")) for word in lists.values()}
    assert {"CANCELED": 2, "SCHEDULED": 4} == {
        name: counted[name] for name in ("CANCELED", "SCHEDULED")
    }


@pytest.mark.parametrize(
    ("when", "then", "status"),
    [
        ("every hour", "", "SCHEDULED"),
        ("every hour", "pause-schedule", "SCHEDULED"),
        ("every hour", "cancel-job", "CANCELED"),
        ("at 2026-06-03 10:20", "", "COMPLETED"),
    ],
)
def test_a_schedule_by_its_id(
    world: SchedulingWorld, client: HttpClient, when: str, then: str, status: str
) -> None:
    """Asked for by its id a schedule says what it is; SCHEDULED only while it stands."""
    identifier = schedule(client, when=when)
    if then:
        client.post(f"/{then}.json", form={"id": str(identifier)})
    world.wait(minutes=5)

    (row,) = listed(client, f"id={identifier}")

    assert status == row["status"]
    listing = [one["identifier"] for one in listed(client, "status=SCHEDULED")]
    assert (status == "SCHEDULED") == (str(identifier) in listing)


def test_a_usual_page(tmp_path: Path) -> None:
    """Where nothing is said of its length, a page has a thousand rows, and says if more follow."""
    world = World(tmp_path)
    world.put_project()
    request = JobRequest(project="quotesbot", spider="toscrape-css")
    new = [
        NewJob(
            id=UUID(int=number),
            request=request,
            actor=Actor.USER,
            state=Pending(since=START),
            created_at=START,
        )
        for number in range(USUAL_ROWS + 2)
    ]
    world.do(world.store.jobs.add_all(new))

    first, rest = walk(world.client(), "status=ACTIVE")

    assert (USUAL_ROWS, 2) == (len(first), len(rest))


def test_filters_of_both_kinds(client: HttpClient) -> None:
    """Spider, tag and project narrow both kinds, and pages are cut after that."""
    for number in range(12):
        schedule(
            client,
            when="every hour" if number % 2 else "now",
            tag="x" if number % 3 else "y",
            spider="toscrape-xpath" if number % 4 else "toscrape-css",
        )

    pages = list(walk(client, "status=ACTIVE&tag=x&spider=toscrape-xpath&limit=2"))

    wanted = [number for number in range(12) if number % 3 and number % 4]
    assert [2] * (len(wanted) // 2) == [len(rows) for rows in pages]
    assert list(walk(client, "status=ACTIVE&project=other")) == [[]]


def test_schedules_by_cursor(client: HttpClient) -> None:
    """`list-schedules.json` has the same cursor; its total counts all pages."""
    ids = [str(schedule(client, when="every hour", tag="x")) for _ in range(7)]
    schedule(client, when="every hour")

    def add() -> None:
        schedule(client, when="every hour")

    pages = list(
        walk(client, "tag=x&limit=3", meanwhile=add, path="/list-schedules.json", rows="schedules")
    )

    assert [ids[:3:-1], ids[3:0:-1], ids[:1]] == pages
    assert 7 == page(client, "tag=x&limit=1&after=5", "/list-schedules.json")["total"]
