"""The services for projects, as the official client uses them."""

from typing import Any

import pytest

from scrapy_do.operations.cloud.projects import ACTIVITIES_KEPT
from tests.api.scrapy_cloud.cloud_world import START_MS, CloudWorld, jl, lines
from tests.http_client import HttpClient

# --- numbers of spiders ------------------------------------------------------------------------


def test_the_number_of_a_spider(world: CloudWorld) -> None:
    """It is a bare integer, or null for a spider that has none."""
    client = world.client()
    answer = client.get("/ids/1/spider/toscrape-xpath")
    assert (answer.headers["content-type"], answer.body) == ("application/json", b"2")
    assert client.get("/ids/1/spider/unknown").body == b"null"
    assert client.get("/ids/1/spider/%00").body == b"null"


@pytest.mark.parametrize("create", ["create=1", "create=True", "create=true"])
def test_a_spider_is_named_beforehand(world: CloudWorld, create: str) -> None:
    """The rest of the path is its name, whatever is in it; asked again it is the same."""
    client = world.client()
    path = "/ids/2/spider/a/b%20c%2Fd"
    assert client.get(path).body == b"null"
    assert client.get(f"{path}?{create}").body == b"1"
    assert [client.get(path).body, client.get(f"{path}?{create}").body] == [b"1", b"1"]
    assert world.push("a/b c/d") == "2/1/1"


@pytest.mark.parametrize("flag", ["create=0", "create=False", "create="])
def test_a_spider_is_not_named_by_a_no(client: HttpClient, flag: str) -> None:
    """A false value of `create` is no wish."""
    assert client.get(f"/ids/2/spider/a?{flag}").body == b"null"


@pytest.mark.parametrize("name", ["%0A", "x" * 256, "%00"])
def test_a_bad_name_is_not_created(client: HttpClient, name: str) -> None:
    """It is 400."""
    assert client.get(f"/ids/2/spider/{name}?create=1").status == 400


def test_a_project_is_made_with_its_spider(world: CloudWorld) -> None:
    """A new number becomes a project, and the following ones count on from it."""
    client = world.client()
    assert client.get("/ids/53/spider/a").status == 404
    assert client.get("/ids/53/spider/a?create=1").body == b"1"
    world.put_project("next")
    assert client.get("/api/scrapyd/listprojects.json").json["projects"] == [1, 2, 53, 54]


@pytest.mark.parametrize("number", ["0", "2147483648", "999999999999999999"])
def test_a_project_number_is_a_usual_one(client: HttpClient, number: str) -> None:
    """0 and what is too large are refused, and make nothing."""
    assert client.get(f"/ids/{number}/spider/a?create=1").status == 400
    assert client.get("/api/scrapyd/listprojects.json").json["projects"] == [1, 2]


def test_a_project_that_is_called_by_a_number_has_it(world: CloudWorld) -> None:
    """Whoever pushed it, its number is its name; no other project answers for it."""
    world.put_project("77")
    client = world.client()
    assert client.get("/api/scrapyd/listprojects.json").json["projects"] == [1, 2, 77]
    for project in ("77", "quotesbot"):
        [spider, *_] = client.get(f"/api/spiders/list.json?project={project}").json["spiders"]
        assert spider["version"] == "1"
    assert world.run(project="77") == "77/1/1"
    refused = client.get("/api/spiders/list.json?project=077")
    assert (refused.status, refused.json["message"]) == (400, "Unknown project 077")


def test_a_removed_project_comes_back_with_its_number(world: CloudWorld) -> None:
    """Its jobs are still there."""
    world.push()
    world.do(world.projects.remove("2"))
    client = world.client()
    assert client.get("/jobq/2/count").status == 404
    assert world.pushed({"spider": "crawler"})[0]["key"] == "2/1/2"


# --- last jobs and counts ----------------------------------------------------------------------


def test_the_last_finished_job_of_each_spider(world: CloudWorld) -> None:
    """A row per spider that has one, by its number."""
    world.push("a", state="finished")
    world.push("a", state="finished", foo=1)
    world.push("b", state="running")
    world.push("c", state="finished")
    client = world.client()

    def keys(query: str = "") -> list[str]:
        return [row["key"] for row in lines(client.get(f"/spiders/2/lastjobsummary{query}"))]

    assert lines(client.get("/spiders/2/1/lastjobsummary")) == [
        {
            "key": "2/1/2",
            "ts": START_MS + 1,
            "state": "finished",
            "elapsed": 1,
            "spider": "a",
            "finished_time": START_MS + 1,
        }
    ]
    assert lines(client.get("/spiders/2/2/lastjobsummary")) == []
    assert keys() == ["2/1/2", "2/3/1"]
    assert keys("?count=1") == ["2/1/2"]
    assert keys("?start=2") == ["2/3/1"]
    assert keys("?start=2/3") == ["2/3/1"]
    assert keys("?startafter=1") == ["2/3/1"]
    assert client.get("/spiders/2/lastjobsummary?start=x").status == 400
    [row] = lines(client.get("/spiders/2/lastjobsummary?jobmeta=foo&count=1"))
    assert row["foo"] == 1


def test_the_counts_of_a_project(world: CloudWorld) -> None:
    """Deleted jobs do not count."""
    world.push()
    world.push(state="running", units=2)
    world.push(state="running", units=3)
    world.push(state="finished")
    world.push(state="deleted")
    answer = lines(world.client().get("/projects/2/jobsummary"))
    assert answer == [
        {
            "project": 2,
            "pending": 1,
            "running": 2,
            "finished": 1,
            "has_capacity": True,
            "running_units_count": 5,
            "pending_units_max": None,
        }
    ]


def test_the_counts_of_all_projects(world: CloudWorld) -> None:
    """One array on one line, of the projects that have active jobs, or such as are asked for."""
    world.run()
    world.push(state="finished")
    client = world.client()
    answer = client.get("/projects/jobsummaries")
    assert answer.json == [
        {"project": 1, "pending": 1, "running": 0, "finished": 0, "has_capacity": True}
    ]
    assert b"\n" not in answer.body
    by_state = client.get("/projects/jobsummaries?state=finished").json
    assert [row["project"] for row in by_state] == [2]
    assert client.get("/projects/jobsummaries?state=running").json == []


# --- settings ----------------------------------------------------------------------------------


def test_settings_are_empty_at_first(client: HttpClient) -> None:
    """Nothing is there by default."""
    assert client.get("/projects/2/settings").body == b"{}"


def test_settings_are_merged_and_removed(client: HttpClient) -> None:
    """Each write keeps the others; a removal of what is not there is fine."""
    for values in ({"a": 1, "b": [None, {"x": 1}]}, {"a": 2}):
        answer = client.post("/projects/2/settings", body=jl(values))
        assert (answer.status, answer.body) == (200, b"")
    assert client.get("/projects/2/settings").json == {"a": 2, "b": [None, {"x": 1}]}
    assert client.get("/projects/2/settings/a").body == b"2"
    for _ in range(2):
        answer = client.request("DELETE", "/projects/2/settings/a")
        assert (answer.status, answer.body) == (200, b"")
    assert client.get("/projects/2/settings/a").body == b"null"
    assert client.get("/projects/1/settings").body == b"{}"


@pytest.mark.parametrize("body", [b"[]", b"7", b"{", b'{"": 1}', b'{"a\\u0000": 1}'])
def test_bad_settings_are_refused(client: HttpClient, body: bytes) -> None:
    """They are 400, and nothing is set."""
    assert client.post("/projects/2/settings", body=body).status == 400
    assert client.get("/projects/2/settings").body == b"{}"


# --- activity ----------------------------------------------------------------------------------


def test_posted_events_come_back_latest_first(world: CloudWorld) -> None:
    """Also within one request."""
    client = world.client()
    events = [{"event": f"e{n}", "job": "2/1/1", "user": "john"} for n in range(4)]
    for some in (events[:2], events[2:]):
        answer = client.post("/activity/2", body=jl(*some))
        assert (answer.status, answer.body) == (200, b"")
    assert lines(client.get("/activity/2")) == events[::-1]
    assert lines(client.get("/activity/2/?count=3")) == events[:0:-1]
    assert lines(client.get("/activity/1")) == []


def test_events_have_times_when_asked(world: CloudWorld) -> None:
    """The lines of one request have one time, the next request has a later one."""
    client = world.client()
    client.post("/activity/2", body=jl({"event": "a"}, {"event": "b"}))
    client.post("/activity/2", body=jl({"event": "c"}))
    assert lines(client.get("/activity/2?meta=_ts")) == [
        {"event": "c", "_ts": START_MS + 1},
        {"event": "b", "_ts": START_MS},
        {"event": "a", "_ts": START_MS},
    ]


def test_jobs_tell_what_has_happened_to_them(world: CloudWorld) -> None:
    """Each transition is an event, also of a job that our controller runs."""
    world.start()
    key = world.run()
    world.pass_time(1)
    world.launcher.crawl_of(world.stored(key).id).finish()
    world.pass_time(1)
    world.client().post("/api/jobs/delete.json", form={"project": "1", "job": key})
    world.pass_time(1)
    world.client().post("/activity/1", body=jl({"event": "noted"}))
    assert lines(world.client().get("/activity/1?meta=_ts")) == [
        {"event": "noted", "_ts": START_MS + 3000},
        {"event": "job:deleted", "job": key, "user": "local", "_ts": START_MS + 2000},
        {"event": "job:completed", "job": key, "user": "jobrunner", "_ts": START_MS + 1000},
        {"event": "job:started", "job": key, "user": "jobrunner", "_ts": START_MS + 2},
        {"event": "job:scheduled", "job": key, "user": "local", "_ts": START_MS},
    ]


@pytest.mark.parametrize(
    ("pushed", "updates", "events"),
    [
        ({"state": "running"}, (), ["started"]),
        ({"state": "finished"}, (), ["completed"]),
        ({"state": "deleted"}, (), ["deleted"]),
        ({}, ("finished",), ["scheduled", "completed"]),
        ({}, ("deleted",), ["scheduled", "deleted"]),
        ({}, ("cancel",), ["scheduled", "cancelled"]),
        ({}, ("running", "cancel"), ["scheduled", "started", "cancelled"]),
        (
            {},
            ("running", "cancel", "finished", "deleted"),
            ["scheduled", "started", "cancelled", "completed", "deleted"],
        ),
        ({"state": "finished"}, ("finished", "cancel"), ["completed"]),
    ],
)
def test_events_of_a_runners_job(
    world: CloudWorld, pushed: Any, updates: tuple[str, ...], events: list[str]
) -> None:
    """What has not been is not told, and nothing is told twice."""
    key = world.push(**pushed)
    for step in updates:
        world.clock.advance(1)
        if step == "cancel":
            world.client().post(f"/jobq/{key}/cancel")
        else:
            world.update({"key": key, "state": step})
    told = [row["event"] for row in lines(world.client().get("/activity/2"))]
    assert told == [f"job:{event}" for event in events[::-1]]


def test_events_of_several_projects(world: CloudWorld) -> None:
    """They are merged by time, with their project when it is asked for."""
    client = world.client()
    for project in (1, 2, 1):
        client.post(f"/activity/{project}", body=jl({"event": f"of {project}"}))
        world.clock.advance(1)
    answer = client.get("/activity/projects?p=1&p=2&meta=_project&count=2")
    assert lines(answer) == [
        {"event": "of 1", "_project": 1},
        {"event": "of 2", "_project": 2},
    ]
    assert len(lines(client.get("/activity/projects?p=1&pcount=1"))) == 1
    assert client.get("/activity/projects?p=99").status == 404


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ('filter=["c","=",[5]]', [5]),
        ('filter=["c",">",[5]]&count=2', [12, 11]),
        ('filter=["c",">",[5]]&filter=["c","<",[8]]', [7, 6]),
        ('filter=["event","=",["job:scheduled"]]&filter=["c","notexists"]', [None]),
        ('filterany=["tags","=",["b"]]', [12]),
        ('filter=["c",">",[99]]', []),
    ],
)
def test_events_are_filtered_before_they_are_counted(
    world: CloudWorld, query: str, numbers: list[int | None]
) -> None:
    """The count is of those that pass; of several projects as of one."""
    client = world.client()
    world.push()
    world.clock.advance(1)
    tagged = {"c": 12, "tags": ["a", "b"]}
    client.post("/activity/2", body=jl(*({"c": number} for number in range(12)), tagged))
    of_one = lines(client.get(f"/activity/2?{query}"))
    of_some = lines(client.get(f"/activity/projects?p=2&p=1&{query}"))
    assert [row.get("c") for row in of_one] == numbers
    assert of_some == of_one


def test_only_the_newest_events_are_kept(world: CloudWorld) -> None:
    """The oldest go when there are too many."""
    client = world.client()
    client.post("/activity/2", body=jl({"event": "first"}))
    client.post("/activity/2", body=b'{"event":"x"}\n' * ACTIVITIES_KEPT)
    rows = lines(client.get("/activity/2?count=999999"))
    assert (len(rows), {row["event"] for row in rows}) == (ACTIVITIES_KEPT, {"x"})


@pytest.mark.parametrize("body", [b"7", b"[]", b"{", b'{"event":"good"}\n7'])
def test_bad_events_are_refused(client: HttpClient, body: bytes) -> None:
    """They are 400, and none of the request is kept."""
    assert client.post("/activity/2", body=body).status == 400
    assert client.get("/activity/2").body == b""


@pytest.mark.parametrize("query", ["count=-1", "count=x", "filter=x", "filter=[7]"])
def test_a_bad_question_about_events_is_refused(client: HttpClient, query: str) -> None:
    """It is 400."""
    assert client.get(f"/activity/2?{query}").status == 400
    assert client.get(f"/activity/projects?p=2&{query}").status == 400


# --- others ------------------------------------------------------------------------------------


def test_groups_of_runners_are_accepted(client: HttpClient) -> None:
    """Setting up a group is answered with null."""
    answers = [
        client.post("/botgroups/g1/max_running", body=b"null"),
        client.request("DELETE", "/botgroups/g1"),
    ]
    assert [(answer.status, answer.body) for answer in answers] == [(200, b"null")] * 2


@pytest.mark.parametrize(
    "path",
    [
        "/projects/99/settings",
        "/projects/99/jobsummary",
        "/activity/99",
        "/spiders/99/lastjobsummary",
        "/ids/99/spider/a",
    ],
)
def test_an_unknown_project_is_not_found(client: HttpClient, path: str) -> None:
    """It is 404 with a message."""
    answer = client.get(path)
    assert (answer.status, answer.json["message"]) == (404, "Unknown project 99")
