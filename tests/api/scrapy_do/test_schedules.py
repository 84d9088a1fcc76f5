"""Schedules in the Scrapy Do API: what is read, what is answered, how it is refused."""

from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from scrapy_do.api.scrapy_do.schedules import accepted_json, schedule_request
from scrapy_do.core.filter import JobFilter
from scrapy_do.core.schedule import CatchUp, Overlap, Policies, Schedule
from scrapy_do.core.schedule_rules import ScheduleRequest
from scrapy_do.errors import BadArgument
from scrapy_do.web.params import Params
from tests.engine.scheduling import SchedulingWorld
from tests.factories import at
from tests.http_client import Answer, HttpClient

UNKNOWN = "12345678-1234-4234-8234-123456789abc"


@pytest.fixture
def world(tmp_path: Path) -> SchedulingWorld:
    return SchedulingWorld(tmp_path).go()


@pytest.fixture
def client(world: SchedulingWorld) -> HttpClient:
    return world.client()


def ok(answer: Answer) -> dict[str, Any]:
    assert answer.status == 200, answer.text
    found: dict[str, Any] = answer.json
    assert found.pop("status") == "ok"
    return found


def refusal(answer: Answer) -> str:
    assert answer.status == 400, answer.text
    assert answer.json["status"] == "error"
    message: str = answer.json["msg"]
    return message


def give(client: HttpClient, when: str = "every 10 minutes", **form: Any) -> str:
    fields = {"project": "quotesbot", "spider": "toscrape-css", "when": when, **form}
    identifier: str = ok(client.post("/schedule-job.json", form=fields))["identifier"]
    return identifier


def listed(client: HttpClient, query: str = "") -> list[dict[str, Any]]:
    schedules: list[dict[str, Any]] = ok(client.get(f"/list-schedules.json?{query}"))["schedules"]
    return schedules


def read(*standing: ScheduleRequest, **fields: str) -> ScheduleRequest:
    named = {name.replace("_", "-"): (value,) for name, value in fields.items()}
    return schedule_request(Params(named), *standing)


# --- reading -------------------------------------------------------------------------------------


def test_order() -> None:
    """Every rule of a schedule is read."""
    expected = ScheduleRequest(
        when="every day",
        zone="Europe/Berlin",
        policies=Policies(
            catchup=CatchUp.ALL,
            catchup_window_s=3600.0,
            overlap=Overlap.QUEUE_ONE,
            jitter_s=1.5,
            until=at(0),
            max_runs=7,
        ),
        note="why",
    )
    assert expected == read(
        when="every day",
        timezone="Europe/Berlin",
        catchup="all",
        catchup_window="3600",
        overlap="queue-one",
        jitter="1.5",
        until="2026-06-03T12:17:23+02:00",
        max_runs="7",
        note="why",
    )


def test_bare_order() -> None:
    """What is not said has its default; an empty field says nothing."""
    empty = dict.fromkeys(
        ("timezone", "catchup", "catchup_window", "overlap", "jitter", "until", "max_runs"), ""
    )
    assert ScheduleRequest(when="now") == read(when="now") == read(when="now", **empty)


def test_order_over_another() -> None:
    """What is not said stays as it stands; an empty field takes a rule away."""
    standing = ScheduleRequest(
        when="every day",
        zone="UTC",
        policies=Policies(catchup=CatchUp.ALL, until=at(0), max_runs=7),
        note="why",
    )
    assert standing == read(standing)
    expected = ScheduleRequest(
        when="every hour", zone="UTC", policies=Policies(catchup=CatchUp.ALL, max_runs=7), note=""
    )
    assert expected == read(standing, when="every hour", until="", note="")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("catchup", "some"),
        ("catchup_window", "-1"),
        ("overlap", "Skip"),
        ("jitter", "86401"),
        ("until", "tomorrow"),
        ("max_runs", "0"),
    ],
)
def test_wrong_rule(name: str, value: str) -> None:
    """A rule of the wrong type is refused by its name."""
    with pytest.raises(BadArgument, match=rf"^{name.replace('_', '-')}: "):
        read(when="every day", **{name: value})


# --- giving --------------------------------------------------------------------------------------


def test_accepted(world: SchedulingWorld) -> None:
    """A schedule is answered with its normal form and its next five instants."""
    schedule = world.order("EVERY day at 09:30", zone="Europe/Berlin")
    assert {
        "identifier": str(schedule.id),
        "schedule": "every day at 09:30",
        "timezone": "Europe/Berlin",
        "next-runs": [f"2026-06-{day:02}T09:30:00+02:00" for day in (4, 5, 6, 7, 8)],
    } == accepted_json(schedule)


def test_accepted_job(world: SchedulingWorld) -> None:
    """A job is answered with its identifier alone."""
    job = world.job(world.enqueue())
    assert {"identifier": str(job.id)} == accepted_json(job)


def test_refused_order(client: HttpClient) -> None:
    """A specification that means nothing is answered with what is wrong, and an example."""
    fields = {"project": "quotesbot", "spider": "toscrape-css", "when": "every 0 hours"}
    assert "the interval must be at least 1, not 0; for example: 'every 2 hours'" == refusal(
        client.post("/schedule-job.json", form=fields)
    )


# --- listing -------------------------------------------------------------------------------------


def in_berlin(*fields: int) -> str:
    return datetime(*fields, tzinfo=ZoneInfo("Europe/Berlin")).isoformat()  # type: ignore[arg-type,misc]  # six numbers


def test_list(world: SchedulingWorld, client: HttpClient) -> None:
    """A list shows what a schedule is, what is next, and how the last one went."""
    identifier = give(
        client,
        "every hour at :30",
        timezone="Europe/Berlin",
        overlap="allow",
        until="2026-06-03T12:00:00Z",
        payload="[1]",
        arg=["a=1", "b=2"],
        tag="x",
        note="why",
    )
    world.wait(minutes=20)
    (job,) = world.jobs_of(_schedule(world))
    (shown,) = listed(client)
    for name in ("next-run", "until", "created", "changed", "last-planned"):
        shown[name] = datetime.fromisoformat(shown[name]).timestamp()
    assert shown == {
        "identifier": identifier,
        "state": "active",
        "project": "quotesbot",
        "spider": "toscrape-css",
        "version": None,
        "schedule": "every hour at :30",
        "timezone": "Europe/Berlin",
        "next-run": at(0).replace(hour=11, minute=30, second=0).timestamp(),
        "next-runs": [in_berlin(2026, 6, 3, 13, 30)],
        "last-planned": at(0).replace(hour=10, minute=30, second=0).timestamp(),
        "last-job": str(job.id),
        "last-outcome": "PENDING",
        "fired": 1,
        "missed": 0,
        "skipped": 0,
        "catchup": "latest",
        "catchup-window": None,
        "overlap": "allow",
        "jitter": 0.0,
        "until": at(0).replace(hour=12, minute=0, second=0).timestamp(),
        "max-runs": None,
        "note": "why",
        "error": "",
        "description": "",
        "payload": "[1]",
        "arguments": {"a": "1", "b": "2"},
        "settings": {},
        "tags": ["x"],
        "priority": 2,
        "timeout": None,
        "stall-timeout": None,
        "memory-limit": None,
        "retries": 0,
        "retry-delay": 0.0,
        "created": at(0).timestamp(),
        "created-by": shown["created-by"],
        "changed": at(0).timestamp(),
    }


def test_list_filters(client: HttpClient) -> None:
    """A list is narrowed by project, spider, tag, state and id, and cut into pages."""
    first = give(client, tag="x")
    second = give(client, spider="toscrape-xpath")
    canceled = give(client)
    ok(client.post("/cancel-job.json", form={"id": canceled}))
    ok(client.post("/pause-schedule.json", form={"id": second}))

    def found(query: str) -> set[str]:
        return {one["identifier"] for one in listed(client, query)}

    assert {first, second} == found("")
    assert set() == found("project=other")
    assert {second} == found("spider=toscrape-xpath")
    assert {first} == found("tag=x")
    assert {second, canceled} == found("state=paused&state=canceled")
    assert {canceled} == found(f"id={canceled}")
    page = ok(client.get("/list-schedules.json?limit=1&skip=1"))
    assert (1, 2) == (len(page["schedules"]), page["total"])
    assert "state: must be one of active, paused, finished, error, canceled" == refusal(
        client.get("/list-schedules.json?state=gone")
    )


def test_history(world: SchedulingWorld, client: HttpClient) -> None:
    """The history has the jobs, and the instants that made none, with the reason."""
    identifier = give(client, "every minute")
    world.wait(minutes=2)
    history = ok(client.get(f"/list-schedule-history.json?id={identifier}"))
    (job,) = history.pop("jobs")
    (event,) = history.pop("events")
    assert {"identifier": identifier, "fired": 1, "missed": 0, "skipped": 1} == history
    assert (identifier, "SCHEDULER", "now") == (
        job["schedule-id"],
        job["actor"],
        job["schedule"],
    )
    assert (at(120), at(120)) == tuple(
        datetime.fromisoformat(event.pop(name)) for name in ("first", "last")
    )
    assert {"what": "skipped", "count": 1, "reason": "an earlier job was still active"} == event


# --- preview -------------------------------------------------------------------------------------


def test_preview(client: HttpClient) -> None:
    """A preview gives the normal form, a sentence, and the next instants in the zone and UTC."""
    query = "when=cron+30+2+*+*+sun&timezone=Europe/Berlin&from=2026-10-20T00:00:00Z&count=2"
    assert {
        "schedule": "cron 30 2 * * SUN",
        "sentence": "At 02:30 on Sunday, Europe/Berlin",
        "timezone": "Europe/Berlin",
        "next-runs": ["2026-10-25T02:30:00+02:00", "2026-11-01T02:30:00+01:00"],
        "next-runs-utc": ["2026-10-25T00:30:00+00:00", "2026-11-01T01:30:00+00:00"],
        "clock-changes": [
            {"at": "2026-10-25T02:30:00+02:00", "instead-of": None},
            {"at": "2027-03-28T03:00:00+02:00", "instead-of": "02:30:00"},
        ],
    } == ok(client.get(f"/preview-schedule.json?{query}"))


@pytest.mark.parametrize(
    ("when", "start", "earliest", "latest"),
    [
        ("2 to 3 hours", "2026-06-03T10:17:23", (2026, 6, 3, 14, 17, 23), (2026, 6, 3, 15, 17, 23)),
        (
            "10 to 11 seconds",
            "2026-06-03T10:00:00",
            (2026, 6, 3, 12, 0, 10),
            (2026, 6, 3, 12, 0, 11),
        ),
        ("1 to 2 weeks", "2026-10-20T10:00:00", (2026, 10, 27, 11), (2026, 11, 3, 11)),
        ("2 to 3 days at 12:30", "2026-06-03T10:17:23", (2026, 6, 5, 12, 30), (2026, 6, 6, 12, 30)),
        ("1 to 2 days at 02:30", "2027-03-27T12:00:00", (2027, 3, 28, 3, 30), (2027, 3, 29, 2, 30)),
    ],
)
def test_preview_of_a_random_interval(
    client: HttpClient, when: str, start: str, earliest: tuple[int, ...], latest: tuple[int, ...]
) -> None:
    """What is not drawn yet is not shown, but between which instants it will lie."""
    query = f"when=every {when}&from={start}Z&timezone=Europe/Berlin".replace(" ", "+")
    preview = ok(client.get(f"/preview-schedule.json?{query}"))
    assert (f"every {when}", []) == (preview["schedule"], preview["next-runs"])
    assert (in_berlin(*earliest), in_berlin(*latest)) == (preview["earliest"], preview["latest"])


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "Missing argument: when"),
        ("when=every+day&timezone=CEST", "timezone: 'CEST' is not an IANA zone name"),
        ("when=every+day&from=soon", "from: must be a time with its offset"),
        ("when=every+day&count=0", "count: must be a whole number from 1 to 100"),
        ("when=every+fortnight", "unknown unit 'fortnight'"),
    ],
)
def test_refused_preview(client: HttpClient, query: str, message: str) -> None:
    """A preview that cannot be given says why."""
    assert refusal(client.get(f"/preview-schedule.json?{query}")).startswith(message)


# --- changing ------------------------------------------------------------------------------------


def test_update(world: SchedulingWorld, client: HttpClient) -> None:
    """What is said is changed, the rest is kept, and the answer shows the outcome."""
    identifier = give(client, overlap="allow", payload="[1]", arg="a=1", tag="x", note="why")
    before = listed(client)[0]
    world.wait(seconds=30)
    after = ok(
        client.post(
            "/update-schedule.json",
            form={"id": identifier, "when": "EVERY hour", "payload": "[2]", "priority": "4"},
        )
    )
    changed = {name: after[name] for name in after if after[name] != before[name]}
    times = {changed.pop(name) is not None for name in ("next-run", "next-runs", "changed")}
    assert {True} == times
    assert {"schedule": "every hour", "payload": "[2]", "priority": 4} == changed
    assert after == listed(client)[0]


def test_update_request(client: HttpClient) -> None:
    """Every part of the request can be changed."""
    identifier = give(client, arg="a=1", tag="x")
    form = {
        "id": identifier,
        "spider": "toscrape-xpath",
        "arg": ["b=2"],
        "setting": ["LOG_LEVEL=INFO"],
        "tag": ["y", "z"],
        "description": "new",
        "timeout": "60",
        "stall-timeout": "30",
        "memory-limit": "1000000",
        "retries": "2",
        "retry-delay": "5",
    }
    after = ok(client.post("/update-schedule.json", form=form))
    assert ("toscrape-xpath", {"b": "2"}, {"LOG_LEVEL": "INFO"}, ["y", "z"], "new") == tuple(
        after[name] for name in ("spider", "arguments", "settings", "tags", "description")
    )
    assert (60, 30, 1_000_000, 2, 5) == tuple(
        after[name]
        for name in ("timeout", "stall-timeout", "memory-limit", "retries", "retry-delay")
    )


def test_update_of_the_project(client: HttpClient) -> None:
    """An order stays with its project, and who wants another is told so."""
    identifier = give(client)
    form = {"id": identifier, "project": "quotesbot", "note": "why"}
    assert "why" == ok(client.post("/update-schedule.json", form=form))["note"]
    message = refusal(client.post("/update-schedule.json", form={**form, "project": "other"}))
    assert "project: of a standing order cannot be changed; give a new order" == message


def test_not_in_this_state(client: HttpClient) -> None:
    """What a state does not allow is refused with the state; the original's call in its words."""
    identifier = give(client)
    ok(client.post("/cancel-job.json", form={"id": identifier}))
    for act in ("pause", "resume", "update"):
        assert f"Schedule {identifier} does not allow this: its state is canceled" == refusal(
            client.post(f"/{act}-schedule.json", form={"id": identifier})
        )
    assert f"Job {identifier} is not active" == refusal(
        client.post("/cancel-job.json", form={"id": identifier})
    )


def test_pause_and_resume(client: HttpClient) -> None:
    """A pause has a note; both answer with the schedule."""
    identifier = give(client)
    paused = ok(client.post("/pause-schedule.json", form={"id": identifier, "note": "why"}))
    assert ("paused", "why", None, []) == tuple(
        paused[name] for name in ("state", "note", "next-run", "next-runs")
    )
    resumed = ok(client.post("/resume-schedule.json", form={"id": identifier}))
    assert ("active", "why", 5) == (resumed["state"], resumed["note"], len(resumed["next-runs"]))


def test_run(world: SchedulingWorld, client: HttpClient) -> None:
    """An extra job is answered with its identifier."""
    identifier = give(client)
    job = ok(client.post("/run-schedule.json", form={"id": identifier}))
    assert [job] == [{"identifier": str(one.id)} for one in world.jobs_of(_schedule(world))]


def test_backfill(world: SchedulingWorld, client: HttpClient) -> None:
    """Backfilling answers with the jobs it made; again with none."""
    identifier = give(client, overlap="allow")
    world.do(world.schedules.pause(_schedule(world).id))
    world.wait(minutes=25)
    form = {"id": identifier, "from": at(0).isoformat(), "to": at(3600).isoformat()}
    made = ok(client.post("/backfill-schedule.json", form=form))["identifiers"]
    assert [at(600), at(1200)] == world.planned(_schedule(world))
    assert made == [str(job.id) for job in world.jobs_of(_schedule(world))]
    assert {"identifiers": []} == ok(client.post("/backfill-schedule.json", form=form))


def _schedule(world: SchedulingWorld) -> Schedule:
    (schedule,) = world.do(world.store.schedules.find(JobFilter()))
    return schedule


@pytest.mark.parametrize(
    ("path", "form", "message"),
    [
        ("/update-schedule.json", {}, "Missing argument: id"),
        ("/pause-schedule.json", {"id": "foo"}, 'No such schedule: "foo"'),
        ("/resume-schedule.json", {"id": UNKNOWN}, f'No such schedule: "{UNKNOWN}"'),
        ("/run-schedule.json", {"id": UNKNOWN}, f'No such schedule: "{UNKNOWN}"'),
        ("/backfill-schedule.json", {"id": UNKNOWN}, "Missing argument: from"),
    ],
)
def test_refused(client: HttpClient, path: str, form: dict[str, str], message: str) -> None:
    """What is missing or not there is named."""
    assert message == refusal(client.post(path, form=form))


@pytest.mark.parametrize(
    ("name", "meant"),
    [("max_runs", "max-runs"), ("Catchup", "catchup"), ("tags", "tag"), ("time-zone", "timezone")],
)
def test_a_slip_in_a_name(client: HttpClient, name: str, meant: str) -> None:
    """A name that looks like one of ours is refused with it: a rule left out is a wrong order."""
    told = {"project": "quotesbot", "spider": "toscrape-css", "when": "every hour", name: "1"}
    message = f"{name}: is not known; did you mean {meant}?"
    assert message == refusal(client.post("/schedule-job.json", form=told))
    assert [] == listed(client)
    edit = {"id": give(client), name: "1"}
    assert message == refusal(client.post("/update-schedule.json", form=edit))


def test_a_name_of_something_else(client: HttpClient) -> None:
    """What looks like none of ours is let pass, as it always was."""
    assert give(client, colour="red")
