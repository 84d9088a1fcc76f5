"""The job metadata API, as its document and its official client have it."""

from dataclasses import replace
from typing import Any

import pytest

from tests.api.scrapy_cloud.cloud_world import CloudWorld, jl, lines
from tests.fakes import FINISHED, KILLED
from tests.http_client import HttpClient

FREE: dict[str, Any] = {
    "text": "é",
    "number": 1.5,
    "null": None,
    "list": [1, [2]],
    "nested": {"a": {"b": []}},
    "false": False,
}


def test_metadata_is_one_line(world: CloudWorld) -> None:
    """The answer is one object on one line, as JSON lines."""
    key = world.push()
    answer = world.client().get(f"/jobs/{key}")
    assert answer.headers["content-type"] == "application/x-jsonlines; charset=UTF-8"
    assert answer.body.count(b"\n") == 1
    assert answer.body.endswith(b"\n")


@pytest.mark.parametrize("key", ["2/1/1", "2/9/9", "99/1/1", "2/0/0", "999999999999999999/1/1"])
def test_a_job_that_is_not_there_is_an_empty_body(client: HttpClient, key: str) -> None:
    """It is 200 without a body; its fields are null."""
    answer = client.get(f"/jobs/{key}")
    assert (answer.status, answer.body) == (200, b"")
    assert client.get(f"/jobs/{key}/state").body == b"null"


def test_a_job_of_another_dialect_has_all_fields(world: CloudWorld) -> None:
    """It has the addresses of this server and, among its arguments, its payload."""
    payload = '{"a": [1]}'
    job_id = world.enqueue(payload=payload, arguments={"category": "books"})
    key = str(world.job(job_id).key)
    arguments = {"category": "books", "payload": payload}
    assert {
        "spider_type": "manual",
        "tags": [],
        "api_url": "http://localhost:7654/api/",
        "portia_url": "http://localhost:7654/ui/",
        "spider_args": arguments,
    }.items() <= world.metadata(key).items()
    client = world.client()
    assert client.get(f"/jobs/{key}/api_url").json == "http://localhost:7654/api/"
    [row] = client.get("/api/jobs/list.json?project=1").json["jobs"]
    assert row["spider_args"] == arguments
    [row] = lines(client.get(f"/jobq/1/jobsummary?key={key}&jobmeta=spider_args&jobmeta=api_url"))
    assert (row["spider_args"], row["api_url"]) == (arguments, "http://localhost:7654/api/")
    assert "spider_args" not in world.metadata(str(world.job(world.enqueue()).key))


def test_a_field_is_one_value(world: CloudWorld) -> None:
    """Known, free and absent fields; an absent one is null with 200."""
    key = world.push(tags=["tag1", "tag2"], foo={"a": 1})
    client = world.client()
    assert [
        client.get(f"/jobs/{key}/{name}").body for name in ("tags", "foo", "project", "nothing")
    ] == [b'["tag1","tag2"]', b'{"a":1}', b"2", b"null"]


def test_fields_are_merged(world: CloudWorld) -> None:
    """Fields that are not sent stay; the answer has no body."""
    key = world.push(foo="bar")
    answer = world.client().post(f"/jobs/{key}", body=jl(FREE))
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", "0")
    metadata = world.metadata(key)
    assert {name: metadata[name] for name in (*FREE, "foo")} == {**FREE, "foo": "bar"}


@pytest.mark.parametrize("value", list(FREE.values()), ids=list(FREE))
def test_a_field_is_set_alone(world: CloudWorld, value: Any) -> None:
    """The body is the bare value."""
    key = world.push()
    answer = world.client().post(f"/jobs/{key}/some%20field", body=jl(value))
    assert (answer.status, answer.body) == (200, b"")
    assert world.metadata(key)["some field"] == value


@pytest.mark.parametrize("name", [*FREE, "tags", "spider_args", "job_settings", "environment"])
def test_a_field_is_removed(world: CloudWorld, name: str) -> None:
    """It is null afterwards; removing it again is no matter."""
    given: dict[str, Any] = {"tags": ["t"], "spider_args": {"a": "b"}, "job_settings": {"A": 1}}
    key = world.push(**FREE, **given, environment={"A": "b"})
    client = world.client()
    for _ in range(2):
        answer = client.request("DELETE", f"/jobs/{key}/{name}")
        assert (answer.status, answer.body) == (200, b"")
        assert client.get(f"/jobs/{key}/{name}").body == b"null"


@pytest.mark.parametrize(
    "name", ["state", "project", "spider", "priority", "pending_time", "scheduled_by", "units"]
)
def test_what_tells_of_a_job_stays(world: CloudWorld, name: str) -> None:
    """Such a field is not removed."""
    key = world.push()
    before = world.metadata(key)
    assert world.client().request("DELETE", f"/jobs/{key}/{name}").status == 200
    assert world.metadata(key) == before


def test_the_state_is_read_only(world: CloudWorld) -> None:
    """State, token, key, times and people are ignored when they are written."""
    key = world.push()
    before = world.metadata(key)
    body = jl(
        {
            "state": "finished",
            "auth": "x",
            "_key": "x",
            "key": "x",
            "project": "7",
            "spider": "x",
            "pending_time": 1,
            "finished_time": 1,
            "scheduled_by": "x",
            "deleted_by": "x",
        }
    )
    assert world.client().post(f"/jobs/{key}", body=body).status == 200
    assert world.metadata(key) == before


def test_what_was_read_can_be_written_back(world: CloudWorld) -> None:
    """The client updates by writing everything it has read: nothing else changes by that."""
    world.start()
    key = world.run(add_tag="t", arg="x", job_settings='{"LOG_LEVEL": "INFO"}')
    world.launcher.crawl_of(world.stored(key).id).kill()
    client = world.client()
    before, job = world.metadata(key), world.stored(key)
    assert before["close_reason"] == "killed by signal 9"
    client.post(f"/jobs/{key}", body=jl({**before, "foo": 1}))
    assert world.metadata(key) == {**before, "foo": 1}
    assert world.stored(key).state == job.state


def test_who_runs_jobs_can_write_back_settings_of_others(guarded: CloudWorld) -> None:
    """Only what changes needs the right to change it."""
    form = {"project": "1", "spider": "toscrape-css", "job_settings": '{"A": 1}'}
    guarded.client().post("/api/run.json", form=form)
    runner = guarded.client("runner:")
    metadata = lines(runner.get("/jobs/1/1/1"))[0]
    assert runner.post("/jobs/1/1/1", body=jl({**metadata, "foo": 1})).status == 200
    changed = {**metadata, "job_settings": {"A": 1, "B": 2}}
    assert runner.post("/jobs/1/1/1", body=jl(changed)).status == 400


def test_tags_and_priority_are_the_jobs_own(world: CloudWorld) -> None:
    """Written as metadata, they count in lists and in the queue."""
    first, second = world.push(), world.push()
    client = world.client()
    client.post(f"/jobs/{second}/tags", body=jl(["t", "t"]))
    client.post(f"/jobs/{second}", body=jl({"priority": 4, "units": 2}))
    assert client.get("/jobq/2/count?state=pending&has_tag=t").json == 1
    assert client.post("/jobq/2/startjob", body=b"").json["key"] == second
    assert world.metadata(first)["state"] == "pending"


def test_the_close_reason_of_a_runner(world: CloudWorld) -> None:
    """It may come before the end, with it, or after it, and may be removed again."""
    before, late = world.push(state="running"), world.push(state="running")
    client = world.client()
    client.post(f"/jobs/{before}/close_reason", body=jl("early"))
    world.update({"key": before, "state": "finished"}, {"key": late, "state": "finished"})
    assert world.metadata(before)["close_reason"] == "early"
    assert "close_reason" not in world.metadata(late)
    client.post(f"/jobs/{late}/close_reason", body=jl("memusage_exceeded"))
    assert world.metadata(late)["close_reason"] == "memusage_exceeded"
    client.request("DELETE", f"/jobs/{late}/close_reason")
    assert "close_reason" not in world.metadata(late)


@pytest.mark.parametrize(
    ("reason", "kept"),
    [("x" * 300, "x" * 255), ("a\nb\ud800\0c", "a?b??c"), ("", None), (None, None)],
)
def test_close_reasons_are_short_texts(
    world: CloudWorld, reason: str | None, kept: str | None
) -> None:
    """They are cut at 255 characters, and have printable ones only."""
    key = world.push()
    world.update({"key": key, "state": "finished", "close_reason": reason})
    assert world.metadata(key).get("close_reason") == kept


def test_the_stats_of_a_runner(world: CloudWorld) -> None:
    """A runner's scrapystats are kept as they are; the last ones win."""
    key = world.push(state="running")
    client = world.client()
    for count in (1, 2):
        client.post(f"/jobs/{key}", body=jl({"scrapystats": {"item_scraped_count": count}}))
    assert world.metadata(key)["scrapystats"] == {"item_scraped_count": 2}
    assert client.request("DELETE", f"/jobs/{key}/scrapystats").status == 200
    assert "scrapystats" not in world.metadata(key)


BAD_FIELDS: list[Any] = [
    {"tags": "x"},
    {"tags": [""]},
    {"priority": 9},
    {"priority": None},
    {"units": 1.5},
    {"spider_args": "x"},
    {"job_settings": [1]},
    {"environment": {"": "x"}},
    {"scrapystats": 7},
    [],
    7,
    "x",
]


@pytest.mark.parametrize("bad", BAD_FIELDS, ids=str)
def test_bad_fields_change_nothing(world: CloudWorld, bad: Any) -> None:
    """They are 400 with a message."""
    key = world.push()
    before = world.metadata(key)
    body = jl({**bad, "foo": 1} if isinstance(bad, dict) else bad)
    answer = world.client().post(f"/jobs/{key}", body=body)
    assert (answer.status, sorted(answer.json)) == (400, ["error", "message"])
    assert world.metadata(key) == before


@pytest.mark.parametrize("body", [b"{", b"nul", b"[" * 100000, b"\xff", b"NaN", b'{"a":Infinity}'])
def test_what_is_not_json_is_refused(world: CloudWorld, body: bytes) -> None:
    """It is 400, and changes nothing."""
    key = world.push()
    client = world.client()
    before = world.metadata(key)
    statuses = [client.post(path, body=body).status for path in (f"/jobs/{key}", f"/jobs/{key}/f")]
    assert statuses == [400, 400]
    assert world.metadata(key) == before


def test_a_job_is_not_filled_without_end(world: CloudWorld) -> None:
    """All free metadata of a job together is at most 1 MiB."""
    key = world.push()
    client = world.client()
    statuses = [
        client.post(f"/jobs/{key}/field{n}", body=jl("x" * 500_000)).status for n in range(3)
    ]
    assert statuses == [200, 200, 413]


@pytest.mark.parametrize("path", ["", "/field"])
def test_a_write_to_no_job_is_refused(client: HttpClient, path: str) -> None:
    """It is 404; a removal is 200."""
    assert client.post(f"/jobs/2/9/9{path}", body=b"{}").status == 404
    assert client.request("DELETE", f"/jobs/2/9/9{path}").status == 200


def test_a_purged_job_is_gone(world: CloudWorld) -> None:
    """Its files and metadata are gone, its number is not used again."""
    key = world.push(state="finished")
    directory = world.artifacts.prepare(world.stored(key).id)
    answer = world.client().request("DELETE", f"/jobs/{key}")
    assert (answer.status, answer.body, directory.exists()) == (200, b"", False)
    assert world.client().get(f"/jobs/{key}").body == b""
    assert world.push() == "2/1/2"


def test_a_job_of_a_runner_can_be_purged_in_any_state(world: CloudWorld) -> None:
    """Clients clean up like that."""
    for state in ("pending", "running", "deleted"):
        key = world.push(state=state)
        assert world.client().request("DELETE", f"/jobs/{key}").status == 200
        assert world.client().get(f"/jobs/{key}").body == b""


def test_a_crawl_of_ours_is_not_purged(world: CloudWorld) -> None:
    """It must end first."""
    world.start()
    key = world.run()
    assert world.client().request("DELETE", f"/jobs/{key}").status == 409
    assert world.metadata(key)["state"] == "running"


def test_the_token_of_a_running_job(world: CloudWorld) -> None:
    """It is a field of its own, there while the job runs, and never among the others."""
    world.start()
    ours, pending = world.run(), world.push()
    token = world.client().get(f"/jobs/{ours}/auth").json
    assert isinstance(token, str)
    assert world.client().get(f"/jobs/{pending}/auth").body == b"null"
    assert "auth" not in world.metadata(ours)


def test_metadata_of_many_jobs(world: CloudWorld) -> None:
    """A project's or a spider's jobs, a line each, the most recent first."""
    world.push("a")
    world.push("b", state="deleted")
    world.push("a", state="finished")
    client = world.client()

    def numbers(path: str) -> list[tuple[str, str]]:
        return [(row["spider"], row["state"]) for row in lines(client.get(path))]

    assert numbers("/jobs/2") == [("a", "finished"), ("b", "deleted"), ("a", "pending")]
    assert numbers("/jobs/2/1") == [("a", "finished"), ("a", "pending")]
    assert numbers("/jobs/2?count=1&start=1") == [("b", "deleted")]
    assert numbers("/jobs/2?state=pending") == [("a", "pending")]
    assert client.get("/jobs/99").status == 404


def test_how_our_crawls_ended(world: CloudWorld) -> None:
    """Our sentences become the words that Scrapy Cloud has."""
    world.start()
    ends = {
        "finished": FINISHED,
        "closespider_itemcount": replace(FINISHED, close_reason="closespider_itemcount"),
        "killed by signal 9": KILLED,
        "shutdown": replace(FINISHED, close_reason="shutdown"),
        "memusage_exceeded": replace(FINISHED, close_reason="memusage_exceeded"),
        "failed": replace(FINISHED, status=1),
    }
    reasons = []
    for number, ending in enumerate(ends.values()):
        key = world.run(n=str(number))
        world.launcher.crawl_of(world.stored(key).id).finish(replace(ending, ended_at=world.now()))
        reasons.append(world.metadata(key)["close_reason"])
    assert reasons == list(ends)
    assert world.metadata("1/1/1")["completed_by"] == "jobrunner"
