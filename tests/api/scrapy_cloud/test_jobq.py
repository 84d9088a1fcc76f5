"""The JobQ API, as its documents and its official client have it."""

from typing import Any

import pytest

from scrapy_do.core.job import Pending
from tests.api.scrapy_cloud.cloud_world import START_MS, CloudWorld, jl, lines
from tests.http_client import HttpClient
from tests.world import World


def row(number: int, ts: int = START_MS, **fields: Any) -> dict[str, Any]:
    return {"key": f"2/1/{number}", "ts": ts, "state": "finished", "elapsed": 1, **fields}


# --- push --------------------------------------------------------------------------------------


def test_a_push_answers_with_the_key_and_no_token(world: CloudWorld) -> None:
    """A pushed job is pending, numbered per spider, and has no token yet."""
    answer = world.client().post("/jobq/2/push", body=jl({"spider": "a"}))
    assert (answer.headers["content-type"], answer.body) == (
        "application/x-jsonlines; charset=UTF-8",
        b'{"key":"2/1/1","auth":null}\n',
    )
    assert world.metadata("2/1/1") == {
        "project": 2,
        "spider": "a",
        "state": "pending",
        "priority": 2,
        "units": 1,
        "scheduled_by": "local",
        "pending_time": START_MS,
    }


def test_each_spider_counts_its_own_jobs(world: CloudWorld) -> None:
    """The second number is the spider's, the third counts per spider."""
    pushed = world.pushed({"spider": "a"}, {"spider": "b"}, {"spider": "a"})
    assert [one["key"] for one in pushed] == ["2/1/1", "2/2/1", "2/1/2"]


def test_a_job_pushed_as_running_has_a_token(world: CloudWorld) -> None:
    """The answer of such a push holds the token; the job has never been pending."""
    [pushed] = world.pushed({"spider": "a", "state": "running"})
    assert isinstance(pushed["auth"], str)
    assert world.metadata("2/1/1") == {
        "project": 2,
        "spider": "a",
        "state": "running",
        "priority": 2,
        "units": 1,
        "started_by": "local",
        "running_time": START_MS,
    }


@pytest.mark.parametrize("state", ["pending", "running", "finished", "deleted"])
def test_a_job_is_made_in_any_state(world: CloudWorld, state: str) -> None:
    """The state of a push is the state of the job."""
    assert world.metadata(world.push(state=state))["state"] == state


def test_a_push_keeps_what_it_is_given(world: CloudWorld) -> None:
    """Known fields and free ones come back as they were sent."""
    given: dict[str, Any] = {
        "priority": 4,
        "units": 3,
        "tags": ["b", "a"],
        "spider_args": {"arg1": "val1"},
        "job_settings": {"DOWNLOAD_DELAY": 3},
        "environment": {"A": "b"},
        "version": "v1",
        "foo": None,
        "bar": {"x": [1, 2.5, {"y": "é"}]},
    }
    metadata = world.metadata(world.push(**given))
    assert {name: metadata[name] for name in given} == given


def test_a_taken_unique_is_answered_on_its_line(world: CloudWorld) -> None:
    """A duplicate is an error on its own line with status 200; the other jobs are stored."""
    pushed = world.pushed(
        {"spider": "a", "unique": "h1"}, {"spider": "a", "unique": "h1"}, {"spider": "b"}
    )
    assert pushed == [
        {"key": "2/1/1", "auth": None},
        {
            "error": "Active job exists with key h1",
            "request": {"spider": "a", "unique": "h1"},
        },
        {"key": "2/2/1", "auth": None},
    ]


@pytest.mark.parametrize("end", ["finished", "deleted"])
def test_a_unique_is_free_again_after_the_end(world: CloudWorld, end: str) -> None:
    """A job that has ended blocks nobody."""
    key = world.push(unique="h1")
    world.update({"key": key, "state": end})
    assert world.push(unique="h1") == "2/1/2"


def test_a_job_that_begins_finished_blocks_nobody(world: CloudWorld) -> None:
    """The state at creation counts."""
    world.push(unique="h1", state="finished")
    assert world.push(unique="h1") == "2/1/2"


def test_a_unique_is_not_shown(world: CloudWorld) -> None:
    """What makes a job unique is no metadata."""
    assert "unique" not in world.metadata(world.push(unique="h1"))


BAD_PUSHES: list[Any] = [
    {},
    {"spider": None},
    {"spider": 7},
    {"spider": ""},
    {"spider": "a\nb"},
    {"spider": "x" * 256},
    {"spider": "\ud800"},
    {"spider": "a", "state": "started"},
    {"spider": "a", "state": 3},
    {"spider": "a", "priority": 5},
    {"spider": "a", "priority": "2"},
    {"spider": "a", "priority": True},
    {"spider": "a", "units": 0},
    {"spider": "a", "tags": "t"},
    {"spider": "a", "tags": [""]},
    {"spider": "a", "tags": [7]},
    {"spider": "a", "tags": [f"t{n}" for n in range(101)]},
    {"spider": "a", "spider_args": [1]},
    {"spider": "a", "job_settings": "x"},
    {"spider": "a", "environment": {"A=B": "c"}},
    {"spider": "a", "environment": {"A": "\0"}},
    {"spider": "a", "unique": 7},
    {"spider": "a", "unique": "\0"},
    {"spider": "a", "state": "finished", "close_reason": 7},
    [],
    "a",
    7,
    None,
]


@pytest.mark.parametrize("bad", BAD_PUSHES, ids=repr)
def test_a_bad_push_stores_nothing(world: CloudWorld, bad: Any) -> None:
    """One line that cannot be accepted refuses them all, with 400 and a message."""
    client = world.client()
    answer = client.post("/jobq/2/push", body=jl({"spider": "good"}, bad))
    assert (answer.status, sorted(answer.json)) == (400, ["error", "message"])
    states = "&".join(f"state={name}" for name in ("pending", "running", "finished", "deleted"))
    assert client.get(f"/jobq/2/count?{states}").json == 0


def test_a_push_that_is_not_json_is_refused(client: HttpClient) -> None:
    """A malformed line is 400."""
    answer = client.post("/jobq/2/push", body=b'{"spider": "a"')
    assert (answer.status, answer.json["error"]) == (400, "Bad Request")


def test_an_empty_push_does_nothing(client: HttpClient) -> None:
    """No lines, no jobs."""
    answer = client.post("/jobq/2/push", body=b"")
    assert (answer.status, answer.body) == (200, b"")


def test_a_push_may_be_packed(world: CloudWorld) -> None:
    """Content-Encoding gzip and the word identity are both understood."""
    import gzip  # noqa: PLC0415 - for this test alone

    client = world.client()
    packed = gzip.compress(jl({"spider": "a"}))
    first = client.post("/jobq/2/push", body=packed, headers={"Content-Encoding": "gzip"})
    plain = jl({"spider": "a"})
    second = client.post("/jobq/2/push", body=plain, headers={"Content-Encoding": "identity"})
    assert [lines(first)[0]["key"], lines(second)[0]["key"]] == ["2/1/1", "2/1/2"]


def test_curl_calls_its_body_a_form(world: CloudWorld) -> None:
    """The Content-Type of a body does not matter."""
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = world.client().post("/jobq/2/push", body=jl({"spider": "a"}), headers=kind)
    assert lines(answer) == [{"key": "2/1/1", "auth": None}]


def test_a_push_makes_the_project_of_a_new_number(world: CloudWorld) -> None:
    """Whoever may push projects gets a project of the number, named by it."""
    assert world.pushed({"spider": "a"}, project=53) == [{"key": "53/1/1", "auth": None}]
    assert world.stored("53/1/1").request.project == "53"


def test_who_only_runs_jobs_makes_no_project(guarded: CloudWorld) -> None:
    """An unknown project is 404 to others, and stays unknown."""
    answer = guarded.client("runner:").post("/jobq/53/push", body=jl({"spider": "a"}))
    assert (answer.status, answer.json["message"]) == (404, "Unknown project 53")
    assert guarded.client().get("/api/scrapyd/listprojects.json").json["projects"] == [1, 2]


def test_a_pending_job_of_a_deployed_spider_is_run_here(world: CloudWorld) -> None:
    """It is a job like any other: our controller starts it."""
    world.start()
    [pushed] = world.pushed({"spider": "toscrape-css"}, project=1)
    assert world.metadata(pushed["key"])["state"] == "running"


def test_a_job_for_an_outside_runner_is_left_to_it(world: CloudWorld) -> None:
    """Our controller does not touch a job whose spider it does not have."""
    world.start()
    key = world.push()
    world.pass_time(60)
    assert world.metadata(key)["state"] == "pending"
    assert world.launcher.alive == ()


# --- startjob ----------------------------------------------------------------------------------


def test_the_next_job_is_that_of_highest_priority_then_the_oldest(world: CloudWorld) -> None:
    """Jobs are handed out in that order, until none is left."""
    for priority in (2, 0, 4, 2):
        world.push(priority=priority)
        world.pass_time(1)
    client = world.client()
    answers = [client.post("/jobq/2/startjob", body=b"{}") for _ in range(5)]
    assert [a.json["key"] for a in answers[:4]] == ["2/1/3", "2/1/1", "2/1/4", "2/1/2"]
    assert (answers[4].status, answers[4].body) == (200, b"")


def test_a_started_job_comes_with_all_its_metadata_and_its_token(world: CloudWorld) -> None:
    """The answer is one object: metadata with the extras, key, and auth."""
    world.push(tags=["t"])
    world.pass_time(2)
    started = world.client().post("/jobq/2/startjob", body=jl({"host": "h1"})).json
    token = started.pop("auth")
    assert started == {
        "key": "2/1/1",
        "project": 2,
        "spider": "crawler",
        "state": "running",
        "priority": 2,
        "units": 1,
        "tags": ["t"],
        "host": "h1",
        "scheduled_by": "local",
        "pending_time": START_MS,
        "started_by": "local",
        "running_time": START_MS + 2000,
    }
    assert world.client().get("/jobs/2/1/1/auth").json == token


def test_a_job_of_ours_can_be_taken_while_it_waits(world: CloudWorld) -> None:
    """A runner that takes a pending job drives it from then on."""
    world.run()
    assert world.client().post("/jobq/1/startjob", body=b"").json["key"] == "1/1/1"
    world.start()
    assert world.launcher.alive == ()
    assert world.update({"key": "1/1/1", "state": "finished"}, project=1) == [
        {"key": "1/1/1", "prevstate": "running"}
    ]


def test_a_start_that_cannot_be_noted_starts_nothing(world: CloudWorld) -> None:
    """Bad extras leave the job pending."""
    key = world.push()
    client = world.client()
    bad: list[Any] = [{"priority": 9}, {"botgroup": 7}, []]
    for extras in bad:
        assert client.post("/jobq/2/startjob", body=jl(extras)).status == 400
    assert world.metadata(key)["state"] == "pending"


@pytest.mark.parametrize(
    ("groups", "asked", "gets"),
    [
        (None, None, True),
        (None, "g1", False),
        (["g1", "g2"], "g1", True),
        (["g1"], None, True),
        (["g1"], "", False),
        ([], None, True),
        (["g1"], "g2", False),
        ("g1", "g1", True),
    ],
)
def test_groups_of_runners(world: CloudWorld, groups: Any, asked: str | None, gets: bool) -> None:  # noqa: FBT001 - a case
    """Only a group that is sent restricts: to the projects that name it in their settings."""
    client = world.client()
    if groups is not None:
        client.post("/projects/2/settings", body=jl({"botgroups": groups}))
    world.push()
    extras = {} if asked is None else {"botgroup": asked}
    assert bool(client.post("/jobq/2/startjob", body=jl(extras)).body) is gets


def waiting_for(world: CloudWorld) -> list[str | None]:
    """What the Scrapy Do API says that pending jobs wait for, the newest first."""
    rows = World.client(world).get("/list-jobs.json?status=PENDING").json["jobs"]
    return [row["waiting-for"] for row in rows]


@pytest.mark.parametrize("groups", [["g1", "g2"], ["g1"], "g1"])
def test_jobs_of_a_group_wait_for_its_runners(world: CloudWorld, groups: Any) -> None:
    """The daemon runs none of them, whoever made them, and says for whom they wait."""
    world.start()
    client = world.client()
    client.post("/projects/1/settings", body=jl({"botgroups": groups}))
    world.put_project("another")
    ours = world.run()
    theirs = world.enqueue()
    elsewhere = world.enqueue(project="another")
    said = f"a runner of botgroup {groups if isinstance(groups, str) else ' or '.join(groups)}"
    assert [said, said] == waiting_for(world)
    assert [elsewhere] == [crawl.job_id for crawl in world.launcher.alive]
    (shown,) = World.client(world).get(f"/list-jobs.json?id={theirs}").json["jobs"]
    assert (said, "PENDING") == (shown["waiting-for"], shown["status"])
    taken = client.post("/jobq/1/startjob", body=jl({"botgroup": "g1"})).json
    assert (ours, "running") == (taken["key"], taken["state"])
    assert isinstance(world.state(theirs), Pending)


@pytest.mark.parametrize("way", ["delete", "empty", "null", "no name"])
def test_without_groups_they_run_here(world: CloudWorld, way: str) -> None:
    """As soon as the setting names no group any more, jobs that waited are run."""
    world.start()
    client = world.client()
    client.post("/projects/1/settings", body=jl({"botgroups": ["g1"]}))
    job = world.enqueue()
    assert [] == [crawl.job_id for crawl in world.launcher.alive]
    if way == "delete":
        client.request("DELETE", "/projects/1/settings/botgroups")
    else:
        values: dict[str, Any] = {"empty": [], "null": None, "no name": ""}
        client.post("/projects/1/settings", body=jl({"botgroups": values[way]}))
    assert [job] == [crawl.job_id for crawl in world.launcher.alive]


def test_what_is_not_deployed_waits_for_a_runner(world: CloudWorld) -> None:
    """A job of a spider that is not here says so; one that waits for a slot waits for nobody."""
    world.start()
    world.push("elsewhere")
    for _ in range(world.limits.slots + 1):
        world.enqueue()
    assert [None, "a runner that takes it"] == waiting_for(world)


# --- update ------------------------------------------------------------------------------------


def test_a_job_goes_through_its_states(world: CloudWorld) -> None:
    """Each update answers with the state before; times and people are noted."""
    key = world.push()
    steps = []
    for seconds, state in enumerate(("running", "finished", "deleted"), start=1):
        world.clock.advance(1)
        extra = {"close_reason": "done"} if state == "finished" else {}
        steps += world.update({"key": key, "state": state, **extra})
        assert world.metadata(key)[f"{state}_time"] == START_MS + 1000 * seconds
    assert [step["prevstate"] for step in steps] == ["pending", "running", "finished"]
    assert world.metadata(key) == {
        "project": 2,
        "spider": "crawler",
        "state": "deleted",
        "priority": 2,
        "units": 1,
        "close_reason": "done",
        "scheduled_by": "local",
        "started_by": "local",
        "completed_by": "local",
        "deleted_by": "local",
        "pending_time": START_MS,
        "running_time": START_MS + 1000,
        "finished_time": START_MS + 2000,
        "deleted_time": START_MS + 3000,
    }


def test_a_state_may_be_left_out(world: CloudWorld) -> None:
    """Pending goes to finished, or to deleted, directly."""
    first, second = world.push(), world.push()
    answer = world.update({"key": first, "state": "finished"}, {"key": second, "state": "deleted"})
    assert [one["prevstate"] for one in answer] == ["pending", "pending"]
    assert "finished_time" not in world.metadata(second)


def test_the_same_state_again_changes_nothing(world: CloudWorld) -> None:
    """It is answered as the state before, and moves no time."""
    key = world.push(state="finished")
    world.clock.advance(5)
    world.happenings.clear()
    assert world.update({"key": key, "state": "finished"}) == [
        {"key": key, "prevstate": "finished"}
    ]
    assert world.metadata(key)["finished_time"] == START_MS
    assert world.happenings == []


def test_a_job_never_goes_back(world: CloudWorld) -> None:
    """Going back is refused, and nothing of the request is done."""
    first, second = world.push(state="finished"), world.push()
    answer = world.client().post(
        "/jobq/2/update",
        body=jl({"key": second, "state": "running"}, {"key": first, "state": "running"}),
    )
    assert answer.status == 409
    assert world.metadata(second)["state"] == "pending"


def test_updates_keep_the_order_of_their_lines(world: CloudWorld) -> None:
    """Answers stand in the order of the keys; one may come twice."""
    first, second = world.push(), world.push()
    answer = world.update(
        {"key": second, "state": "running"},
        {"key": first, "a": 1},
        {"key": second, "state": "finished"},
    )
    assert answer == [
        {"key": second, "prevstate": "pending"},
        {"key": first, "prevstate": "pending"},
        {"key": second, "prevstate": "running"},
    ]


def test_unknown_keys_are_left_out(world: CloudWorld) -> None:
    """Jobs that are not there, or of another project, give no line."""
    world.run()
    answer = world.client().post(
        "/jobq/2/update", body=jl({"key": "2/9/9", "x": 1}, {"key": "1/1/1", "x": 1})
    )
    assert (answer.status, answer.body) == (200, b"")
    assert "x" not in world.metadata("1/1/1")


def test_a_spider_names_all_its_jobs_but_deleted_ones(world: CloudWorld) -> None:
    """P/S updates every job of the spider; when all are deleted the answer is empty."""
    world.push(state="finished")
    world.push(state="deleted")
    world.push("other")
    world.push()
    answer = world.update({"key": "2/1", "state": "deleted"})
    assert sorted(one["key"] for one in answer) == ["2/1/1", "2/1/3"]
    assert world.client().post("/jobq/2/update", body=jl({"key": "2/1", "x": 1})).body == b""


@pytest.mark.parametrize("key", ["", "1", "2/x/1", "2/1/1/1", "2/-1/1", "2//1", 7, None])
def test_what_is_no_key_is_refused(world: CloudWorld, key: Any) -> None:
    """A malformed key is 400, and nothing of the request is done."""
    good = world.push()
    body = jl({"key": good, "x": 1}, {"key": key, "x": 1})
    assert world.client().post("/jobq/2/update", body=body).status == 400
    assert "x" not in world.metadata(good)


def test_null_is_kept(world: CloudWorld) -> None:
    """A null is a value like any other."""
    key = world.push()
    world.update({"key": key, "foo": None})
    assert world.metadata(key)["foo"] is None


def test_what_we_run_is_not_declared(world: CloudWorld) -> None:
    """The state of a crawl of ours is refused; its other fields are merged."""
    world.start()
    key = world.run()
    refused = world.client().post("/jobq/1/update", body=jl({"key": key, "state": "finished"}))
    assert (refused.status, refused.json["message"]) == (
        409,
        "Job 1/1/1 is being run by this server; cancel it instead",
    )
    assert world.update({"key": key, "note": "x"}, project=1) == [
        {"key": key, "prevstate": "running"}
    ]
    assert world.metadata(key)["note"] == "x"


# --- cancel ------------------------------------------------------------------------------------


def test_a_pending_job_is_cancelled_at_once(world: CloudWorld) -> None:
    """It is finished in the next read."""
    key = world.push()
    assert world.client().post(f"/jobq/{key}/cancel").body == b'{"count":1}'
    metadata = world.metadata(key)
    assert (metadata["state"], metadata["close_reason"], metadata["cancelled_by"]) == (
        "finished",
        "cancelled",
        "local",
    )


def test_a_running_job_stays_running(world: CloudWorld) -> None:
    """Its runner is told; the state does not change."""
    key = world.push(state="running")
    assert world.client().post(f"/jobq/{key}/cancel").json == {"count": 1}
    metadata = world.metadata(key)
    assert (metadata["state"], metadata["cancelled_by"]) == ("running", "local")


def test_a_crawl_of_ours_is_stopped(world: CloudWorld) -> None:
    """It goes on until it has ended, then it is finished as cancelled."""
    world.launcher.stubborn_spiders.add("toscrape-css")
    world.start()
    key = world.run()
    assert world.client().post(f"/jobq/{key}/cancel").json == {"count": 1}
    assert world.metadata(key)["state"] == "running"
    world.pass_time(31)
    assert world.metadata(key)["close_reason"] == "cancelled"


@pytest.mark.parametrize("state", ["finished", "deleted"])
def test_what_has_ended_is_not_cancelled(world: CloudWorld, state: str) -> None:
    """It counts 0 and stays as it is."""
    key = world.push(state=state)
    before = world.metadata(key)
    assert world.client().post(f"/jobq/{key}/cancel").json == {"count": 0}
    assert world.metadata(key) == before


def test_an_unknown_job_is_not_cancelled(client: HttpClient) -> None:
    """It counts 0."""
    assert client.post("/jobq/2/7/7/cancel").json == {"count": 0}


@pytest.mark.parametrize(
    "body",
    [
        b'[{"key":"2/1/1"},{"key":"2/1/2"},{"key":"2/9/9"},{"key":"1/1/1"}]',
        b'{"key":"2/1/1"}\n{"key":"2/1/2"}',
        b'["2/1/1","2/1/2","2/1/2"]',
    ],
)
def test_many_are_cancelled_together(world: CloudWorld, body: bytes) -> None:
    """Keys come in one array, or on lines; only jobs of the project count."""
    world.push()
    world.push(state="running")
    world.push()
    world.run()
    assert world.client().post("/jobq/2/cancel", body=body).json == {"count": 2}
    assert world.metadata("1/1/1")["state"] == "pending"


@pytest.mark.parametrize("body", [b'[{"key":"x"}]', b'[{"no":1}]', b"[7]", b"7", b"{", b""])
def test_a_bad_cancel_is_refused(world: CloudWorld, body: bytes) -> None:
    """What names no jobs is 400."""
    world.push()
    assert world.client().post("/jobq/2/cancel", body=body).status == 400
    assert world.metadata("2/1/1")["state"] == "pending"


def test_more_than_a_thousand_are_refused(client: HttpClient) -> None:
    """A call names at most 1000 jobs."""
    body = jl([{"key": f"2/1/{number}"} for number in range(1001)])
    assert client.post("/jobq/2/cancel", body=body).status == 400


def test_a_number_of_jobs_is_for_administrators(guarded: CloudWorld) -> None:
    """Others get 403."""
    admin = guarded.client()
    for _ in range(3):
        admin.post("/jobq/2/push", body=jl({"spider": "a"}))
    assert guarded.client("pusher:").post("/jobq/2/cancel?count=2").status == 403
    assert admin.post("/jobq/2/cancel?count=2").json == {"count": 2}
    assert admin.get("/jobq/2/count?state=pending").json == 1


# --- count and list ----------------------------------------------------------------------------


def test_the_document_about_tags(world: CloudWorld) -> None:
    """Of two jobs with a tag each: has_tag is any of them, lacks_tag is none of them."""
    world.push(state="finished", tags=["tagA"])
    world.push(state="finished", tags=["tagB"])
    client = world.client()
    assert [
        client.get("/jobq/2/count").body,
        client.get("/jobq/2/count?has_tag=tagA&has_tag=tagB").body,
        client.get("/jobq/2/count?lacks_tag=tagA&lacks_tag=tagB").body,
        client.get("/jobq/2/count?has_tag=tagA&lacks_tag=tagB").body,
    ] == [b"2", b"2", b"0", b"1"]


def test_only_finished_jobs_are_listed_unless_asked(world: CloudWorld) -> None:
    """The default state of count and list is finished; repeated states are any of them."""
    for state in ("pending", "running", "finished", "deleted"):
        world.push(state=state)
    client = world.client()
    assert client.get("/jobq/2/count").json == 1
    assert client.get("/jobq/2/count?state=pending&state=deleted").json == 2
    assert [one["key"] for one in lines(client.get("/jobq/2/list"))] == ["2/1/3"]


def test_lines_of_one_push_are_taken_in_their_order(world: CloudWorld) -> None:
    """Whatever their spiders, jobs of one call queue as they stood in it, and move one by one."""
    spiders = ["c", "a", "b", "c", "a", "b"]
    world.push("a", state="finished")
    pushed = [one["key"] for one in world.pushed(*({"spider": name} for name in spiders))]
    client = world.client()
    taken = [client.post("/jobq/2/startjob", body=b"").json for _ in spiders]
    assert [one["key"] for one in taken] == pushed
    assert [one["pending_time"] for one in taken] == [START_MS + n for n in range(1, 7)]
    assert [one["running_time"] for one in taken] == [START_MS + n for n in range(7, 13)]
    world.update(*({"key": key, "state": "finished"} for key in pushed))
    listed = lines(client.get("/jobq/2/list?state=finished&state=running"))
    assert [one["ts"] for one in listed] == [START_MS + n for n in (*range(18, 12, -1), 0)]


def test_priorities_come_before_the_order_of_lines(world: CloudWorld) -> None:
    """Higher priorities first, and among equals the order of the lines."""
    lines_of_push = [("c", 1), ("a", 3), ("b", 1), ("a", 4), ("c", 3)]
    pushed = world.pushed(*({"spider": name, "priority": n} for name, n in lines_of_push))
    taken = [world.client().post("/jobq/2/startjob", body=b"").json["key"] for _ in pushed]
    assert taken == [pushed[n]["key"] for n in (3, 1, 4, 0, 2)]


def test_a_row_has_what_is_known_of_the_job(world: CloudWorld) -> None:
    """Rows are one line each, newest first, with elapsed since the last change."""
    world.push(tags=["t"], version="v1")
    world.push(state="finished")
    world.clock.advance(1)
    world.update({"key": "2/1/1", "state": "finished", "close_reason": "finished"})
    world.clock.advance(2)
    answer = world.client().get("/jobq/2/list")
    assert lines(answer) == [
        row(
            1,
            START_MS + 1000,
            elapsed=2000,
            spider="crawler",
            pending_time=START_MS,
            finished_time=START_MS + 1000,
            tags=["t"],
            close_reason="finished",
            version="v1",
        ),
        row(2, START_MS + 1, elapsed=2999, spider="crawler", finished_time=START_MS + 1),
    ]


def test_wanted_fields_take_the_place_of_the_usual_ones(world: CloudWorld) -> None:
    """With jobmeta a row has key, ts, state, elapsed and the fields that the job has."""
    world.push(state="finished", tags=["t"], foo="bar")
    client = world.client()
    wanted = "jobmeta=spider&jobmeta=foo&jobmeta=nothing&jobmeta=key"
    assert lines(client.get(f"/jobq/2/list?{wanted}")) == [row(1, spider="crawler", foo="bar")]
    assert lines(client.get("/jobq/2/list?jobmeta=foo&has_tag=t")) == [
        row(1, foo="bar", tags=["t"])
    ]


def test_the_document_about_times(world: CloudWorld) -> None:
    """The first bound, startts, is inclusive; endts is exclusive."""
    for _ in range(5):
        world.push(state="finished")
        world.clock.advance(0.004)
    client = world.client()
    answer = client.get(f"/jobq/2/list?startts={START_MS + 4}&endts={START_MS + 12}")
    assert [one["key"] for one in lines(answer)] == ["2/1/3", "2/1/2"]
    assert lines(client.get(f"/jobq/2/list?startts={START_MS + 12}&endts={START_MS}")) == []


def test_the_document_about_stop(world: CloudWorld) -> None:
    """The list ends before the key of `stop`."""
    for _ in range(4):
        world.push(state="finished")
    answer = world.client().get("/jobq/2/list?stop=2/1/2")
    assert [one["key"] for one in lines(answer)] == ["2/1/4", "2/1/3"]
    assert len(lines(world.client().get("/jobq/2/list?stop=2/7/7"))) == 4


def test_pages_of_a_list(world: CloudWorld) -> None:
    """`start` skips rows, `count` bounds them."""
    for _ in range(5):
        world.push(state="finished")
    client = world.client()
    answer = client.get("/jobq/2/list?start=1&count=2")
    assert [one["key"] for one in lines(answer)] == ["2/1/4", "2/1/3"]
    assert client.get("/jobq/2/list?count=0").body == b""
    assert client.get("/jobq/2/list?start=9").body == b""


def test_jobs_by_key_are_listed_in_any_state(world: CloudWorld) -> None:
    """Keys name jobs whatever their state, unless states are asked for too."""
    world.push()
    world.push(state="finished")
    client = world.client()
    keys = "key=2/1/1&key=2/1/2&key=2/9/9&key=1/1/1"
    assert [one["key"] for one in lines(client.get(f"/jobq/2/list?{keys}"))] == ["2/1/2", "2/1/1"]
    both = lines(client.get(f"/jobq/2/list?{keys}&state=pending"))
    assert [one["key"] for one in both] == ["2/1/1"]


def test_more_than_a_thousand_rows_come_when_asked_for(world: CloudWorld) -> None:
    """The default limit is 1000; a long answer comes piece by piece."""
    world.pushed(*({"spider": "a", "state": "finished", "version": "v" * 250} for _ in range(1100)))
    client = world.client()
    assert len(lines(client.get("/jobq/2/list"))) == 1000
    answer = client.get("/jobq/2/list?count=999999999999999999")
    assert answer.headers["transfer-encoding"] == "chunked"
    assert [one["key"] for one in lines(answer)] == [f"2/1/{n}" for n in range(1100, 0, -1)]


@pytest.mark.parametrize(
    "query",
    [
        "state=done",
        "state=",
        "startts=x",
        "endts=1.5",
        "count=-1",
        "count=x",
        "start=-1",
        "count=9999999999999999999",
        "stop=x",
        "key=x",
        "key=1/2",
        "format=xml",
        "format=csv",
    ],
)
def test_a_bad_question_is_refused(client: HttpClient, query: str) -> None:
    """It is 400 with a message that names the argument."""
    answer = client.get(f"/jobq/2/list?{query}")
    name = "fields" if query == "format=csv" else query.partition("=")[0]
    assert answer.status == 400
    assert answer.json["message"].startswith(name)


@pytest.mark.parametrize("ms", [-(10**17), -1, 0, 253402300800000, 10**17])
def test_times_beyond_all_dates_are_understood(world: CloudWorld, ms: int) -> None:
    """They are before or after everything."""
    world.push(state="finished")
    client = world.client()
    expected = 1 if ms <= 0 else 0
    assert client.get(f"/jobq/2/count?startts={ms}").json == expected
    assert client.get(f"/jobq/2/count?endts={ms}").json == 1 - expected


def test_other_formats_of_a_list(world: CloudWorld) -> None:
    """One JSON array and CSV are there for others than the official client."""
    world.push(state="finished", tags=['a "b"'])
    client = world.client()
    array = client.get("/jobq/2/list?format=json&jobmeta=spider")
    assert (array.headers["content-type"], array.json) == (
        "application/json",
        [row(1, spider="crawler")],
    )
    assert client.get("/jobq/2/list?format=json&state=pending").body == b"[]"
    by_header = client.get("/jobq/2/list", headers={"Accept": "application/json"})
    assert isinstance(by_header.json, list)
    table = client.get("/jobq/2/list?format=csv&fields=key,tags,nothing&include_headers=1")
    assert table.text == 'key,tags,nothing\n2/1/1,"[""a \\""b\\""""]",\n'


def test_the_obsolete_filter_is_ignored(world: CloudWorld) -> None:
    """The client sends it beside the parameters that say the same."""
    world.push()
    answer = world.client().get('/jobq/2/list?filter=["state","=",["x"]]&state=pending')
    assert len(lines(answer)) == 1


# --- summaries ---------------------------------------------------------------------------------


def test_the_summary_has_all_queues_in_order(world: CloudWorld) -> None:
    """Each queue has its whole count, and by default its newest five jobs."""
    for _ in range(7):
        world.push(state="finished")
    world.push(state="running")
    world.push(state="deleted")
    queues = lines(world.client().get("/jobq/2/summary"))
    assert [(q["name"], q["count"], len(q["summary"])) for q in queues] == [
        ("pending", 0, 0),
        ("running", 1, 1),
        ("finished", 7, 5),
    ]
    assert queues[1]["summary"] == [
        {
            "key": "2/1/8",
            "ts": START_MS + 7,
            "state": "running",
            "elapsed": 1,
            "spider": "crawler",
            "running_time": START_MS + 7,
        }
    ]


def test_one_queue_of_the_summary(world: CloudWorld) -> None:
    """It is one line, also when empty; count and start page it, jobmeta chooses fields."""
    world.push(state="finished", foo=1)
    world.push(state="finished", foo=2)
    client = world.client()
    assert lines(client.get("/jobq/2/summary/pending")) == [
        {"name": "pending", "count": 0, "summary": []}
    ]
    answer = client.get("/jobq/2/summary/finished?count=1&start=1&jobmeta=foo")
    assert lines(answer) == [{"name": "finished", "count": 2, "summary": [row(1, foo=1)]}]
    assert client.get("/jobq/2/summary/deleted").status == 400


def test_the_summary_of_a_spider(world: CloudWorld) -> None:
    """A spider's number narrows the summary to it."""
    world.push("a")
    world.push("b")
    client = world.client()
    assert [q["count"] for q in lines(client.get("/jobq/2/2/summary"))] == [1, 0, 0]
    assert lines(client.get("/jobq/2/2/summary/pending"))[0]["count"] == 1
    assert [q["count"] for q in lines(client.get("/jobq/2/9/summary"))] == [0, 0, 0]


def test_jobs_by_key_come_in_the_order_of_the_keys(world: CloudWorld) -> None:
    """In any state, with the fields asked for; unknown ones are left out."""
    world.push(foo=1)
    world.push(state="deleted", foo=2)
    answer = world.client().get(
        "/jobq/2/jobsummary?key=2/1/2&key=2/9/9&key=2/1/1&jobmeta=foo&jobmeta=key"
    )
    assert lines(answer) == [
        {"key": "2/1/2", "ts": START_MS + 1, "state": "deleted", "elapsed": 1, "foo": 2},
        {"key": "2/1/1", "ts": START_MS, "state": "pending", "elapsed": 1, "foo": 1},
    ]


# --- addresses ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["count", "list", "summary", "summary/pending", "jobsummary"])
def test_an_unknown_project_is_not_found(client: HttpClient, path: str) -> None:
    """It is 404 with a message, so that a wrong number is noticed."""
    answer = client.get(f"/jobq/53/{path}")
    assert (answer.status, answer.json) == (
        404,
        {"error": "Not Found", "message": "Unknown project 53"},
    )


@pytest.mark.parametrize("path", ["/jobq/x/count", "/jobq/-1/count", "/jobq/2/x", "/jobq"])
def test_an_unknown_path_is_not_found(client: HttpClient, path: str) -> None:
    """It is 404 in the words of the dialect."""
    assert (client.get(path).status, client.get(path).json["error"]) == (404, "Not Found")


def test_a_slash_at_the_end_is_no_matter(world: CloudWorld) -> None:
    """Paths with a slash at the end mean the same."""
    assert world.client().get("/jobq/2/count/").body == b"0"


def test_the_jobs_of_all_dialects_are_the_same(world: CloudWorld) -> None:
    """A job of the Scrapy Do API is in the queue, with its key."""
    world.enqueue(arguments={"a": "1"}, tags=("t",))
    assert world.metadata("1/1/1") == {
        "project": 1,
        "spider": "toscrape-css",
        "spider_type": "manual",
        "state": "pending",
        "priority": 2,
        "units": 1,
        "tags": ["t"],
        "spider_args": {"a": "1"},
        "api_url": "http://localhost:7654/api/",
        "portia_url": "http://localhost:7654/ui/",
        "version": "1",
        "deploy_id": 1,
        "scheduled_by": "tester",
        "pending_time": START_MS,
    }
