"""Events of lists and of a job: what is told, in which order, with which ids."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from scrapy_do.files.record_stats import RecordKind
from scrapy_do.protocol.facts import Progress
from tests.fakes import FINISHED
from tests.http_client import Connection
from tests.ui.browsing import Pages
from tests.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path).start()
    world.put_project()
    return world


@pytest.fixture
def pages(world: World) -> Iterator[Pages]:
    pages = Pages(world)
    yield pages
    pages.close()


class Ear:
    """Reads the events of a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._read = 0

    def events(self) -> list[tuple[str, str, Any]]:
        """What has come since the last call: id, name, data; comments have no name."""
        head, _, body = bytes(self._connection.received).partition(b"\r\n\r\n")
        assert b"text/event-stream" in head
        assert b"Content-Encoding" not in head
        text = _unchunked(body)
        fresh, self._read = text[self._read :], len(text)
        return [_event(block) for block in fresh.split("\n\n") if block]


def _unchunked(body: bytes) -> str:
    whole = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        whole += rest[: int(size, 16)]
        body = rest[int(size, 16) + 2 :]
    return whole.decode()


def _event(block: str) -> tuple[str, str, Any]:
    fields = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
    data = json.loads(fields["data"]) if "data" in fields else None
    return fields.get("id", ""), fields.get("event", ""), data


def _names(events: Sequence[tuple[str, str, Any]]) -> list[str]:
    return [name for _, name, _ in events if name]


def _log(world: World, job: UUID, *messages: str, level: int = 20) -> None:
    """Write lines into the log of a job."""
    world.artifacts.prepare(job)
    lines = [
        json.dumps({"time": 1000, "level": level, "message": f"[x] {text}"}).encode()
        for text in messages
    ]
    world.artifacts.records(job, RecordKind.LOGS).write(lines, now_ms=1)


def _numbers(events: Sequence[tuple[str, str, Any]]) -> list[int]:
    return [line["n"] for _, name, data in events if name == "log" for line in data]


def test_lists_hear_that_they_have_changed(world: World, pages: Pages) -> None:
    """Each change is told once, by the names that were asked for, and batched."""
    ear = Ear(pages.follow("/ui/events?of=jobs"))
    assert _names(ear.events()) == ["ready"]

    first, second = world.enqueue(), world.enqueue()
    assert _names(ear.events()) == ["jobs"]
    world.pass_time(1)

    (told,) = [data for _, name, data in ear.events() if name == "jobs"][:1]
    assert set(told["ids"]) <= {str(first), str(second)}


def test_who_comes_back_to_a_list_is_told_to_look_again(pages: Pages) -> None:
    """After a break nobody knows what was missed."""
    ear = Ear(pages.follow("/ui/events", headers={"Last-Event-ID": "0123abcd-7"}))
    assert _names(ear.events()) == ["resync"]


def test_a_silent_stream_says_that_it_lives(world: World, pages: Pages) -> None:
    """Every 15 seconds a comment comes, if nothing else does."""
    connection = pages.follow("/ui/events")
    world.pass_time(31)
    assert bytes(connection.received).count(b": alive") == 2


def test_an_unknown_list_is_refused(pages: Pages) -> None:
    """The error names the lists that there are."""
    answer = pages.answer("/ui/events?of=job")
    assert answer.status == 400
    assert "must be one of jobs, schedules, projects, status" in answer.text


def test_a_log_goes_on_where_the_client_left_off(world: World, pages: Pages) -> None:
    """Each line comes once; the id of an event is where to take up again."""
    job = world.enqueue()
    _log(world, job, "one", "two", "three")
    ear = Ear(pages.follow(f"/ui/jobs/{job}/events?after=1"))

    events = ear.events()
    assert _names(events) == ["state", "stats", "log"]
    assert _numbers(events) == [2, 3]
    assert events[-1][0] == "3"
    assert events[-1][2][0] == {
        "n": 2,
        "time": 1000,
        "level": 20,
        "logger": "x",
        "message": "two",
    }

    _log(world, job, "four")
    world.pass_time(1)
    again = Ear(pages.follow(f"/ui/jobs/{job}/events", headers={"Last-Event-ID": "3"}))
    assert _numbers(ear.events()) == _numbers(again.events()) == [4]


def test_without_a_place_only_what_is_new_is_told(world: World, pages: Pages) -> None:
    """Who says nothing hears what is logged from now on."""
    job = world.enqueue()
    _log(world, job, "one")
    ear = Ear(pages.follow(f"/ui/jobs/{job}/events"))
    assert _numbers(ear.events()) == []
    _log(world, job, "two")
    world.pass_time(1)
    assert _numbers(ear.events()) == [2]


def test_a_filter_holds_for_events(world: World, pages: Pages) -> None:
    """Lines that do not pass are not told; the numbers are those of the whole log."""
    job = world.enqueue()
    _log(world, job, "a", "b")
    _log(world, job, "c", level=40)
    ear = Ear(pages.follow(f"/ui/jobs/{job}/events?after=0&level=40"))
    assert _numbers(ear.events()) == [3]


def test_a_flood_is_told_in_part(world: World, pages: Pages) -> None:
    """Of more than 500 lines a second the newest 200 come, and how many did not."""
    job = world.enqueue()
    ear = Ear(pages.follow(f"/ui/jobs/{job}/events?after=0"))
    whole = Ear(pages.follow(f"/ui/jobs/{job}/events?after=0&all=1"))
    ear.events()

    _log(world, job, *(f"line {n}" for n in range(1000)))
    world.pass_time(0.5)

    events = ear.events()
    assert [data for _, name, data in events if name == "skipped"] == [
        {"lines": 800, "before": 801}
    ]
    assert _numbers(events) == list(range(801, 1001))
    assert _numbers(whole.events()) == list(range(1, 1001))


def test_who_is_too_far_behind_gets_the_end(world: World, pages: Pages) -> None:
    """What is more than 256 kB behind is left out, and said so, when a client comes back."""
    job = world.enqueue()
    _log(world, job, *("x" * 1000 for _ in range(1000)))

    events = Ear(pages.follow(f"/ui/jobs/{job}/events?after=10")).events()

    assert _names(events) == ["state", "stats", "skipped", *["log"] * (len(events) - 4)]
    assert _numbers(events) == list(range(801, 1001))
    (skipped,) = [data for _, name, data in events if name == "skipped"]
    assert skipped == {"lines": 790, "before": 801}


def test_the_end_of_a_job_ends_its_events(world: World, pages: Pages) -> None:
    """All that was written comes first, then `end`; the listener is gone."""
    job = world.enqueue()
    connection = pages.follow(f"/ui/jobs/{job}/events?after=0")
    ear = Ear(connection)
    _log(world, job, "last")
    world.do(world.jobs.cancel(job, by="tester", wait_s=0))
    world.pass_time(60)

    events = ear.events()
    assert _names(events)[-1] == "end"
    assert events[-1][2]["state"] == "cancelled"
    assert _numbers(events) == [1]


def test_the_end_tells_what_is_unusual(world: World, pages: Pages) -> None:
    """Whoever follows a job hears the hints of its page with its end; there may be none."""
    for items in (*[100] * 5, 3):
        job = world.enqueue()
        ear = Ear(pages.follow(f"/ui/jobs/{job}/events"))
        world.pass_time(60)
        ending = replace(FINISHED, ended_at=world.now(), progress=Progress(items=items))
        world.launcher.crawl_of(job).finish(ending)
        world.pass_time(2)
        _, name, data = ear.events()[-1]
        assert (name, data["state"]) == ("end", "successful")
        assert bool(data["hints"]) == (items == 3)
    (hint,) = data["hints"]
    assert hint.startswith("Unusually low: items 3; the last 5 good runs had 100 to 100")
    assert hint in pages.get(f"/ui/jobs/{job}")


def test_a_client_that_leaves_is_forgotten(world: World, pages: Pages) -> None:
    """Nothing listens for a connection that is closed."""
    job = world.enqueue()
    listeners = len(world.events._listeners)
    for target in ("/ui/events", f"/ui/jobs/{job}/events"):
        connection = pages.follow(target)
        assert len(world.events._listeners) == listeners + 1
        connection.close()
        assert len(world.events._listeners) == listeners
