"""The Jobs API of dash, as its documents and its official client have it."""

import json
from typing import Any

import pytest

from scrapy_do.protocol.facts import Progress
from scrapy_do.protocol.wire import Report, ReportKind
from tests.api.scrapy_cloud.cloud_world import START_MS, CloudWorld, jl, lines
from tests.http_client import HttpClient

API_URL = "http://localhost:7654/api/"


def listed(client: HttpClient, query: str) -> dict[str, Any]:
    answer = client.get(f"/api/jobs/list.json?{query}")
    assert answer.status == 200, answer.text
    found: dict[str, Any] = answer.json
    return found


def ids(client: HttpClient, query: str) -> list[str]:
    return [row["id"] for row in listed(client, query)["jobs"]]


# --- run.json ----------------------------------------------------------------------------------


def test_a_run_is_a_job_of_the_controller(world: CloudWorld) -> None:
    """All parameters are understood; those that are not known are spider arguments."""
    answer = world.client().post(
        "/api/run.json",
        form={
            "project": "1",
            "spider": "toscrape-css",
            "units": "2",
            "priority": "3",
            "add_tag": ["sometag", "other"],
            "spiderarg1": "example",
            "twice": ["1", "2"],
            "job_settings": '{"CLOSESPIDER_PAGECOUNT": "10"}',
            "environment": '{"A": "b"}',
            "meta": '{"foo": [1], "priority": 4}',
        },
    )
    assert (answer.status, answer.json) == (200, {"status": "ok", "jobid": "1/1/1"})
    assert world.metadata("1/1/1") == {
        "project": 1,
        "spider": "toscrape-css",
        "spider_type": "manual",
        "state": "pending",
        "priority": 4,
        "units": 2,
        "tags": ["sometag", "other"],
        "spider_args": {"spiderarg1": "example", "twice": "2"},
        "job_settings": {"CLOSESPIDER_PAGECOUNT": "10"},
        "environment": {"A": "b"},
        "foo": [1],
        "version": "1",
        "deploy_id": 1,
        "api_url": API_URL,
        "portia_url": "http://localhost:7654/ui/",
        "scheduled_by": "local",
        "pending_time": START_MS,
    }
    world.start()
    spec = world.launcher.crawl_of(world.stored("1/1/1").id).spec
    assert (spec.order.arguments, spec.order.settings, spec.environment["A"]) == (
        {"spiderarg1": "example", "twice": "2"},
        {"CLOSESPIDER_PAGECOUNT": "10"},
        "b",
    )


def test_a_plain_run_has_the_usual_values(world: CloudWorld) -> None:
    """What is empty is not there, but the tags."""
    key = world.run(meta="{}", job_settings="{}", environment="{}", cmd_args="")
    assert world.metadata(key) == {
        "project": 1,
        "spider": "toscrape-css",
        "spider_type": "manual",
        "state": "pending",
        "priority": 2,
        "units": 1,
        "tags": [],
        "version": "1",
        "deploy_id": 1,
        "api_url": API_URL,
        "portia_url": "http://localhost:7654/ui/",
        "scheduled_by": "local",
        "pending_time": START_MS,
    }


def test_a_spider_may_be_named_by_its_number(world: CloudWorld) -> None:
    """With jobq_id the name is not needed."""
    answer = world.client().post("/api/run.json", form={"project": "1", "jobq_id": "2"})
    assert answer.json == {"status": "ok", "jobid": "1/2/1"}
    assert world.metadata("1/2/1")["spider"] == "toscrape-xpath"


def test_the_project_may_be_named(world: CloudWorld) -> None:
    """People may write its name instead of its number."""
    assert world.run(project="quotesbot") == "1/1/1"


def test_the_old_name_of_run(world: CloudWorld) -> None:
    """schedule.json does the same."""
    form = {"project": "1", "spider": "toscrape-css"}
    assert world.client().post("/api/schedule.json", form=form).json["jobid"] == "1/1/1"


def test_the_same_job_is_not_scheduled_twice(world: CloudWorld) -> None:
    """While one with the same arguments is active, the next is refused; others are not."""
    first = world.run(a="1")
    refused = world.client().post(
        "/api/run.json", form={"project": "1", "spider": "toscrape-css", "a": "1"}
    )
    assert (refused.status, refused.json) == (
        400,
        {"status": "error", "message": "toscrape-css already scheduled"},
    )
    assert world.run(a="2") == "1/1/2"
    assert world.run(spider="toscrape-xpath", a="1") == "1/2/1"
    world.client().post(f"/jobq/{first}/cancel")
    assert world.run(a="1") == "1/1/3"


def test_a_job_may_begin_in_another_state(world: CloudWorld) -> None:
    """The state in meta makes the job one of an outside runner."""
    key = world.run(meta='{"state": "running"}')
    assert world.metadata(key)["state"] == "running"
    world.start()
    assert world.launcher.alive == ()
    assert world.run(meta='{"state": "finished", "close_reason": "x"}', a="1") == "1/1/2"
    assert world.metadata("1/1/2")["close_reason"] == "x"


def test_units_of_the_project(world: CloudWorld) -> None:
    """A project may set the units of jobs that ask for none."""
    world.client().post("/projects/1/settings", body=jl({"default_job_units": 3}))
    assert world.metadata(world.run())["units"] == 3
    assert world.metadata(world.run(a="1", units="2"))["units"] == 2


def test_a_spider_that_was_only_named_can_be_run(world: CloudWorld) -> None:
    """Its jobs wait for an outside runner; one that was only pushed is not known."""
    client = world.client()
    assert client.get("/ids/2/spider/named?create=1").json == 1
    world.push("pushed")
    assert world.run(project="2", spider="named") == "2/1/1"
    refused = client.post("/api/run.json", form={"project": "2", "spider": "pushed"})
    assert (refused.status, refused.json["message"]) == (400, "Unknown spider 2/pushed")
    world.start()
    assert world.metadata("2/1/1")["state"] == "pending"


def test_scripts_have_a_command_line(world: CloudWorld) -> None:
    """Of a name that begins with py: the words of cmd_args are kept for its runner."""
    world.client().get("/ids/2/spider/py:clean.py?create=1")
    key = world.run(project="2", spider="py:clean.py", cmd_args="--all 'a b'")
    assert world.metadata(key)["job_cmd"] == ["py:clean.py", "--all", "a b"]
    form = {"project": "2", "spider": "py:clean.py", "cmd_args": "'"}
    refused = world.client().post("/api/run.json", form=form)
    assert (refused.status, refused.json["message"]) == (400, "cmd_args: No closing quotation")


BAD_RUNS: list[tuple[dict[str, Any], str, str]] = [
    ({"project": None}, "badrequest", "Missing argument: project"),
    ({"spider": None}, "badrequest", "Missing argument: spider"),
    ({"project": "99"}, "error", "Unknown project 99"),
    ({"project": "nothing"}, "error", "Unknown project nothing"),
    ({"project": "9" * 30}, "error", f"Unknown project {'9' * 30}"),
    ({"spider": "nothing"}, "error", "Unknown spider quotesbot/nothing"),
    ({"spider": None, "jobq_id": "9"}, "error", "Unknown spider quotesbot/9"),
    (
        {"jobq_id": "2"},
        "badrequest",
        "jobq_id: and spider disagree: 2 is the spider 'toscrape-xpath', not 'toscrape-css'",
    ),
    ({"jobq_id": "x"}, "badrequest", "jobq_id"),
    ({"priority": "5"}, "badrequest", "priority"),
    ({"priority": "x"}, "badrequest", "priority"),
    ({"units": "7"}, "badrequest", "units"),
    ({"job_settings": "{"}, "badrequest", "job_settings"),
    ({"job_settings": "[]"}, "badrequest", "job_settings"),
    ({"job_settings": "[" * 2000}, "badrequest", "job_settings"),
    ({"meta": "7"}, "badrequest", "meta"),
    ({"meta": '{"state": "gone"}'}, "badrequest", "state"),
    ({"meta": '{"tags": 7}'}, "badrequest", "tags"),
    ({"environment": '"x"'}, "badrequest", "environment"),
    ({"add_tag": ""}, "badrequest", "tags"),
    ({"add_tag": "a\nb"}, "badrequest", "tags"),
    ({"self": "1"}, "badrequest", "arg"),
    ({"crawler": "1"}, "badrequest", "arg"),
    ({"cmd_args": "x"}, "badrequest", "cmd_args"),
]


@pytest.mark.parametrize(("form", "status", "message"), BAD_RUNS, ids=str)
def test_a_bad_run_is_refused(
    world: CloudWorld, form: dict[str, Any], status: str, message: str
) -> None:
    """It is 400 in the dialect's words, and makes no job."""
    whole = {"project": "1", "spider": "toscrape-css", **form}
    sent = {name: value for name, value in whole.items() if value is not None}
    answer = world.client().post("/api/run.json", form=sent)
    assert (answer.status, answer.json["status"]) == (400, status)
    assert answer.json["message"].startswith(message)
    assert listed(world.client(), "project=1")["total"] == 0


def test_who_pushes_code_sets_anything(guarded: CloudWorld) -> None:
    """Others may only use the settings that the configuration allows, and no environment."""
    form = {"project": "1", "spider": "toscrape-css", "a": "1"}
    telnet = {**form, "job_settings": '{"TELNETCONSOLE_PORT": 1}'}
    environment = {**form, "environment": '{"PYTHONPATH": "/tmp"}'}
    runner = guarded.client("runner:")
    refusals = [runner.post("/api/run.json", form=one) for one in (telnet, environment)]
    assert [(one.status, one.json["status"]) for one in refusals] == [
        (400, "badrequest"),
        (403, "error"),
    ]
    allowed = {**form, "job_settings": '{"LOG_LEVEL": "INFO"}'}
    assert runner.post("/api/run.json", form=allowed).status == 200
    pusher = guarded.client("pusher:")
    for number, one in enumerate((telnet, environment)):
        assert pusher.post("/api/run.json", form={**one, "b": str(number)}).status == 200


# --- list and count ----------------------------------------------------------------------------


def test_a_row_of_dash(world: CloudWorld) -> None:
    """Times are ISO in UTC without a zone; counts are those that the crawl reported."""
    world.start()
    key = world.run(add_tag="consumed", arg="x")
    world.pass_time(60)
    world.launcher.crawl_of(world.stored(key).id).finish()
    world.pass_time(5)
    assert listed(world.client(), "project=1") == {
        "status": "ok",
        "count": 1,
        "total": 1,
        "jobs": [
            {
                "id": "1/1/1",
                "spider": "toscrape-css",
                "state": "finished",
                "version": "1",
                "spider_type": "manual",
                "priority": 2,
                "tags": ["consumed"],
                "started_time": "2026-06-03T10:17:23",
                "updated_time": "2026-06-03T10:18:23",
                "elapsed": 5000,
                "items_scraped": 0,
                "responses_received": 0,
                "logs": 0,
                "errors_count": 0,
                "close_reason": "finished",
                "spider_args": {"arg": "x"},
            }
        ],
    }


def test_a_running_row_was_updated_by_its_last_report(world: CloudWorld) -> None:
    """While a job runs, updated_time is its last report and elapsed the time since then."""
    world.start()
    key = world.run()
    job_id = world.stored(key).id

    def times() -> list[Any]:
        [row] = listed(world.client(), "project=1")["jobs"]
        return [row[name][-8:] for name in ("started_time", "updated_time")] + [row["elapsed"]]

    world.pass_time(10)
    before = times()
    world.launcher.report(
        Report(
            job_id=job_id,
            attempt=1,
            kind=ReportKind.PROGRESS,
            time_ms=START_MS + 10_000,
            progress=Progress(items=7),
        )
    )
    world.pass_time(3)
    reported = times()
    world.launcher.crawl_of(job_id).finish()
    ended = times()
    # Accepted, claimed, started within one millisecond of the clock: each is one later.
    assert before == ["10:17:23", "10:17:23", 9_998]
    assert reported == ["10:17:23", "10:17:33", 3000]
    assert ended == ["10:17:23", "10:17:36", 1]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/jobs/2/1/1", b'{"scrapystats": {"item_scraped_count": 1}}'),
        ("/items/2/1/1", b'{"a": 1}'),
        ("/logs/2/1/1", b'{"message": "a", "level": 20}'),
    ],
)
def test_what_a_runner_writes_is_a_report(world: CloudWorld, path: str, body: bytes) -> None:
    """The row of its running job was updated then."""
    world.push(state="running")
    world.clock.advance(60)
    assert world.client().post(path, body=body).status == 200
    world.clock.advance(5)
    [row] = listed(world.client(), "project=2")["jobs"]
    assert (row["started_time"][-8:], row["updated_time"][-8:]) == ("10:17:23", "10:18:23")
    assert row["elapsed"] == 5000


def test_a_pending_row_has_not_started(world: CloudWorld) -> None:
    """It has no started_time and no close_reason; elapsed is never 0."""
    world.push()
    [row] = listed(world.client(), "project=2")["jobs"]
    assert ("started_time" in row, "close_reason" in row, row["elapsed"], row["version"]) == (
        False,
        False,
        1,
        None,
    )


def test_filters_of_a_list(world: CloudWorld) -> None:
    """Deleted jobs are listed only when asked for; repeated values are any of them."""
    world.push("a", tags=["x"])
    world.push("b", state="running", tags=["y"])
    world.push("a", state="finished")
    world.push("a", state="deleted")
    client = world.client()
    assert ids(client, "project=2") == ["2/1/2", "2/2/1", "2/1/1"]
    assert ids(client, "project=2&state=deleted") == ["2/1/3"]
    assert ids(client, "project=2&state=running&state=pending") == ["2/2/1", "2/1/1"]
    assert ids(client, "project=2&spider=b") == ["2/2/1"]
    assert ids(client, "project=2&spider=unknown") == []
    assert ids(client, "project=2&has_tag=x&has_tag=y") == ["2/2/1", "2/1/1"]
    assert ids(client, "project=2&lacks_tag=x&lacks_tag=z") == ["2/1/2", "2/2/1"]
    assert ids(client, "project=2&job=2/1/1&job=2/1/3&job=2/9/9") == ["2/1/3", "2/1/1"]
    assert ids(client, "project=1") == []


def test_pages_of_a_list(world: CloudWorld) -> None:
    """`count` and `offset` page it, the total is of all pages; a negative count is the latest."""
    for _ in range(5):
        world.push()
    client = world.client()
    page = listed(client, "project=2&count=2&offset=1")
    assert (page["count"], page["total"], [row["id"] for row in page["jobs"]]) == (
        2,
        5,
        ["2/1/4", "2/1/3"],
    )
    assert ids(client, "project=2&count=-2") == ["2/1/5", "2/1/4"]
    assert ids(client, "project=2&count=999999999999999999") == ids(client, "project=2")


def test_a_list_in_lines_begins_with_its_status(world: CloudWorld) -> None:
    """The first line is of the answer, each other one of a job."""
    world.push()
    world.push()
    status, *rows = lines(world.client().get("/api/jobs/list.jl?project=2&count=1"))
    assert (status, [row["id"] for row in rows]) == ({"status": "ok", "total": 2}, ["2/1/2"])
    assert lines(world.client().get("/api/jobs/list.jl?project=1")) == [
        {"status": "ok", "total": 0}
    ]


def test_a_count_has_the_same_filters(world: CloudWorld) -> None:
    """It is the total of the list."""
    world.push(tags=["x"])
    world.push()
    answer = world.client().get("/api/jobs/count.json?project=2&has_tag=x&count=0&offset=7")
    assert answer.json == {"status": "ok", "total": 1}


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "Missing argument: project"),
        ("project=99", "Unknown project 99"),
        ("project=1&state=x", "state"),
        ("project=1&count=x", "count"),
        ("project=1&count=1000000000000000000", "count"),
        ("project=1&offset=-1", "offset"),
        ("project=1&job=7", "job"),
        ("project=1&job=1/2/3/4", "job"),
    ],
)
@pytest.mark.parametrize("path", ["list.json", "list.jl"])
def test_a_bad_list_is_refused(client: HttpClient, path: str, query: str, message: str) -> None:
    """It is 400 with status and message."""
    answer = client.get(f"/api/jobs/{path}?{query}")
    assert answer.status == 400
    assert sorted(answer.json) == ["message", "status"]
    assert answer.json["message"].startswith(message)


# --- update, delete, stop ----------------------------------------------------------------------


def test_tags_are_removed_and_then_added(world: CloudWorld) -> None:
    """The order is kept, nothing is twice, unknown removals do not matter."""
    key = world.push(tags=["tag1"])
    client = world.client()

    def tags(**form: Any) -> Any:
        answer = client.post("/api/jobs/update.json", form={"project": "2", "job": key, **form})
        assert answer.json == {"status": "ok", "count": 1}
        return world.metadata(key)["tags"]

    assert tags(add_tag=["tagA1", "tagA2", "tag1"]) == ["tag1", "tagA1", "tagA2"]
    assert tags(remove_tag=["tag1", "tagx"]) == ["tagA1", "tagA2"]
    assert tags(add_tag="tagB", remove_tag="tagA2") == ["tagA1", "tagB"]
    assert ids(client, "project=2&has_tag=tagB") == [key]
    assert ids(client, "project=2&has_tag=tagA2") == []


def test_tags_of_all_jobs_of_a_spider(world: CloudWorld) -> None:
    """Filters take the place of keys; deleted jobs are left alone."""
    world.push("a")
    world.push("a", state="finished")
    world.push("a", state="deleted")
    world.push("b")
    form = {"project": "2", "spider": "a", "add_tag": "t"}
    answer = world.client().post("/api/jobs/update.json", form=form)
    assert answer.json == {"status": "ok", "count": 2}
    assert "tags" not in world.metadata("2/2/1")


@pytest.mark.parametrize(
    "form",
    [
        {"add_tag": "t"},
        {"job": "2/1/1"},
        {"job": "2/1/1", "add_tag": ""},
        {"job": "2/1/1", "add_tag": [f"t{n}" for n in range(101)]},
        {"job": "x", "add_tag": "t"},
    ],
    ids=str,
)
def test_a_bad_update_changes_nothing(world: CloudWorld, form: dict[str, Any]) -> None:
    """Without any job, without any tag, or with a bad one it is refused."""
    key = world.push()
    answer = world.client().post("/api/jobs/update.json", form={"project": "2", **form})
    assert answer.status == 400
    assert "tags" not in world.metadata(key)


def test_jobs_are_deleted_softly(world: CloudWorld) -> None:
    """They stay readable, in the state deleted; the answer counts those that were not."""
    first, second = world.push(state="finished"), world.push()
    client = world.client()
    form = {"project": "2", "job": [first, second, "2/9/9"]}
    assert client.post("/api/jobs/delete.json", form=form).json == {"status": "ok", "count": 2}
    assert client.post("/api/jobs/delete.json", form=form).json == {"status": "ok", "count": 0}
    assert world.metadata(first)["state"] == "deleted"


def test_a_running_crawl_is_not_deleted(world: CloudWorld) -> None:
    """It must be stopped first; nothing of the request is done."""
    world.start()
    key = world.run()
    world.run(a="1", meta='{"state": "finished"}')
    form = {"project": "1", "job": ["1/1/2", key]}
    answer = world.client().post("/api/jobs/delete.json", form=form)
    assert (answer.status, answer.json["status"]) == (400, "error")
    assert world.metadata("1/1/2")["state"] == "finished"


def test_jobs_are_stopped(world: CloudWorld) -> None:
    """Any number of them; what has ended does not matter."""
    first, second = world.push(), world.push(state="running")
    form = {"project": "2", "job": [first, second, "2/9/9"]}
    client = world.client()
    assert client.post("/api/jobs/stop.json", form=form).json == {"status": "ok"}
    assert client.post("/api/jobs/stop.json", form=form).json == {"status": "ok"}
    states = [world.metadata(key)["state"] for key in (first, second)]
    assert states == ["finished", "running"]


@pytest.mark.parametrize("path", ["delete", "stop"])
@pytest.mark.parametrize("form", [{}, {"project": "2"}, {"project": "2", "job": "1/1/1"}], ids=str)
def test_jobs_must_be_named(world: CloudWorld, path: str, form: dict[str, str]) -> None:
    """Without a job, or with one of another project, it is refused."""
    key = world.run()
    assert world.client().post(f"/api/jobs/{path}.json", form=form).status == 400
    assert world.metadata(key)["state"] == "pending"


# --- spiders and projects ----------------------------------------------------------------------


def test_the_spiders_of_a_project(world: CloudWorld) -> None:
    """Each is shown by its name with the version that has it."""
    client = world.client()
    spiders = client.get("/api/spiders/list.json?project=1").json
    assert spiders == {
        "status": "ok",
        "spiders": [
            {"id": "toscrape-css", "tags": [], "type": "manual", "version": "1"},
            {"id": "toscrape-xpath", "tags": [], "type": "manual", "version": "1"},
        ],
    }
    one = client.get("/api/spiders/list.json?project=1&spider=toscrape-css").json
    assert [spider["id"] for spider in one["spiders"]] == ["toscrape-css"]


def test_spiders_that_were_only_pushed_are_not_shown(world: CloudWorld) -> None:
    """Those that a client has named are, without a version."""
    client = world.client()
    world.push("pushed")
    client.get("/ids/2/spider/a%2Fb%20c?create=True")
    assert client.get("/api/spiders/list.json?project=2").json["spiders"] == [
        {"id": "a/b c", "tags": [], "type": "manual", "version": None}
    ]


def test_the_numbers_of_the_projects(client: HttpClient) -> None:
    """They are integers."""
    answer = client.get("/api/scrapyd/listprojects.json")
    assert answer.json == {"status": "ok", "projects": [1, 2]}


def test_an_unknown_path_is_not_found(client: HttpClient) -> None:
    """It is 404 in the dialect's words."""
    answer = client.get("/api/nothing.json")
    assert (answer.status, answer.json["status"]) == (404, "error")


def test_a_spider_and_its_tags(world: CloudWorld) -> None:
    """The second version of the API shows a spider and changes its tags."""
    client = world.client()
    url = "/api/v2/projects/1/spiders/2"

    def patch(change: Any) -> list[str]:
        answer = client.request("PATCH", f"{url}/tags", json=change)
        assert answer.status == 200, answer.text
        tags: list[str] = answer.json["tags"]
        return tags

    assert client.get(url).json == {
        "id": "toscrape-xpath",
        "name": "toscrape-xpath",
        "jobq_id": 2,
        "type": "manual",
        "tags": [],
        "version": "1",
        "archived": False,
        "deleted": False,
        "project": {"id": 1, "name": "quotesbot"},
    }
    assert patch({"add": ["a", "b", "a"]}) == ["a", "b"]
    assert patch({"add": ["c"], "remove": ["a", "x"]}) == ["b", "c"]
    assert patch({"add": [], "remove": ["b"]}) == ["c"]
    assert client.get(url).json["tags"] == ["c"]
    spiders = client.get("/api/spiders/list.json?project=1&spider=toscrape-xpath").json["spiders"]
    assert spiders[0]["tags"] == ["c"]


@pytest.mark.parametrize("change", [{}, {"add": [], "remove": []}, {"add": None}])
def test_a_change_of_no_tags_is_refused(client: HttpClient, change: Any) -> None:
    """It is 400 with the words that the real service has."""
    answer = client.request("PATCH", "/api/v2/projects/1/spiders/1/tags", json=change)
    words = 'At least one of "add" or "remove" arguments must not be empty'
    assert (answer.status, answer.json) == (400, {"non_field_errors": [words]})


@pytest.mark.parametrize("change", [[], "x", {"add": "x"}, {"add": [7]}, {"add": [""]}])
def test_a_bad_change_of_tags_is_refused(client: HttpClient, change: Any) -> None:
    """It is 400 and changes nothing."""
    url = "/api/v2/projects/1/spiders/1"
    assert client.request("PATCH", f"{url}/tags", json=change).status == 400
    assert client.get(url).json["tags"] == []


@pytest.mark.parametrize("path", ["1/spiders/9", "9/spiders/1"])
def test_an_unknown_spider_is_not_found(client: HttpClient, path: str) -> None:
    """The second version answers 404."""
    assert client.get(f"/api/v2/projects/{path}").status == 404
    change = {"add": ["x"]}
    assert client.request("PATCH", f"/api/v2/projects/{path}/tags", json=change).status == 404


def test_json_bodies_work_too(world: CloudWorld) -> None:
    """A client may send the parameters of dash as one JSON object."""
    parameters = {
        "project": 1,
        "spider": "toscrape-css",
        "job_settings": {"LOG_LEVEL": "INFO"},
        "meta": {"foo": {"bar": 1}},
        "x": "y",
    }
    answer = world.client().post("/api/run.json", json=parameters)
    assert answer.json == {"status": "ok", "jobid": "1/1/1"}
    metadata = world.metadata("1/1/1")
    assert {name: metadata[name] for name in ("job_settings", "foo", "spider_args")} == {
        "job_settings": {"LOG_LEVEL": "INFO"},
        "foo": {"bar": 1},
        "spider_args": {"x": "y"},
    }


def test_answers_are_one_json_value(client: HttpClient) -> None:
    """Whatever dash answers can be parsed as a whole."""
    answer = client.get("/api/jobs/list.json?project=1")
    assert answer.headers["content-type"] == "application/json"
    assert json.loads(answer.body)["status"] == "ok"
