"""Who may ask: API keys, job tokens, and the shapes of refusals."""

import base64

import pytest

from scrapy_do.operations.cloud.tokens import JobTokens
from tests.api.scrapy_cloud.cloud_world import CloudWorld, jl, lines

STORAGE_PATHS = (
    "/jobq/2/count",
    "/jobs/2/1/1",
    "/ids/2/spider/a",
    "/spiders/2/lastjobsummary",
    "/projects/2/settings",
    "/projects/jobsummaries",
    "/activity/2",
)
DASH_PATHS = ("/api/jobs/list.json?project=2", "/api/v2/users/me", "/api/nothing.json")


def token_of(world: CloudWorld, key: str) -> str:
    token: str = world.client().get(f"/jobs/{key}/auth").json
    return token


@pytest.mark.parametrize("path", STORAGE_PATHS)
def test_storage_wants_a_key(world: CloudWorld, path: str) -> None:
    """Without one it is 401 with the service's own body, also where nothing else is guarded."""
    answer = world.client(auth=None).get(path)
    assert (answer.status, answer.json, answer.headers["www-authenticate"]) == (
        401,
        {"error": "Unauthorized", "message": "Unauthorized"},
        'Basic realm="apikey"',
    )


@pytest.mark.parametrize("path", DASH_PATHS)
def test_dash_wants_a_key(world: CloudWorld, path: str) -> None:
    """Without one it is 403 with the words that the client knows."""
    answer = world.client(auth=None).get(path)
    assert (answer.status, answer.json) == (
        403,
        {"status": "error", "message": "Authentication failed"},
    )
    assert "www-authenticate" not in answer.headers


@pytest.mark.parametrize("auth", [":", "wrong:", "admin:wrong", "Admin:"])
def test_a_wrong_key_is_none(guarded: CloudWorld, auth: str) -> None:
    """With authentication a key must be known."""
    client = guarded.client(auth)
    assert client.get("/jobq/2/count").status == 401
    assert client.get("/api/scrapyd/listprojects.json").status == 403


@pytest.mark.parametrize("key", ["admin", "reader"])
def test_a_key_may_stand_in_the_query(guarded: CloudWorld, key: str) -> None:
    """Others than the official client send it so."""
    client = guarded.client(auth=None)
    assert client.get(f"/jobq/2/count?apikey={key}").json == 0
    answer = client.get(f"/api/jobs/count.json?project=2&apikey={key}")
    assert answer.json == {"status": "ok", "total": 0}


def test_without_authentication_any_key_will_do(world: CloudWorld) -> None:
    """On a loopback address without authentication every key is the administrator's."""
    assert world.client("whatever:").get("/jobq/2/count").json == 0
    me = world.client("whatever:").get("/api/v2/users/me").json
    assert me == {"username": "local", "role": "admin"}


def test_the_key_in_the_query_is_no_spider_argument(world: CloudWorld) -> None:
    """A job does not get to see it."""
    form = {"project": "1", "spider": "toscrape-css"}
    answer = world.client(auth=None).post("/api/run.json?apikey=secret", form=form)
    assert "spider_args" not in world.metadata(answer.json["jobid"])


def test_roles_bound_what_a_key_may_do(guarded: CloudWorld) -> None:
    """Who only reads starts nothing; who only runs deploys nothing."""
    reader, runner = guarded.client("reader:"), guarded.client("runner:")
    assert reader.get("/jobq/2/list").status == 200
    refusals = [
        reader.post("/jobq/2/push", body=jl({"spider": "a"})),
        reader.post("/api/run.json", form={"project": "1", "spider": "toscrape-css"}),
        reader.get("/ids/2/spider/new?create=1"),
        runner.post("/projects/2/settings", body=jl({"a": 1})),
        runner.request("DELETE", "/projects/2/settings/a"),
        runner.post("/api/scrapyd/addversion.json", form={"project": "1"}),
        runner.post("/botgroups/g/max_running", body=b"null"),
    ]
    assert [answer.status for answer in refusals] == [403] * len(refusals)


def test_people_are_named_in_metadata(guarded: CloudWorld) -> None:
    """Who did what to a job is the owner of the key."""
    guarded.client("runner:").post("/jobq/2/push", body=jl({"spider": "a"}))
    guarded.client("pusher:").post("/jobq/2/startjob", body=b"")
    guarded.client("admin:").post("/jobq/2/1/1/cancel")
    metadata = guarded.metadata("2/1/1")
    people = ("scheduled_by", "started_by", "cancelled_by")
    assert [metadata[name] for name in people] == ["runner", "pusher", "admin"]


def test_the_clock_needs_no_key(world: CloudWorld) -> None:
    """It is a bare integer of milliseconds."""
    world.clock.advance(1.5)
    answer = world.client(auth=None).get("/system/ts")
    expected = round(world.now().timestamp() * 1000)
    assert (answer.headers["content-type"], answer.json) == ("application/json", expected)


# --- job tokens --------------------------------------------------------------------------------


@pytest.mark.parametrize("guard", ["world", "guarded"])
def test_a_token_opens_its_own_job(guard: str, request: pytest.FixtureRequest) -> None:
    """Metadata and state of that job, and nothing else."""
    world: CloudWorld = request.getfixturevalue(guard)
    [own, other] = world.pushed({"spider": "a", "state": "running"}, {"spider": "a"})
    runner = world.client(f"{own['key']}:{own['auth']}")
    assert lines(runner.get("/jobs/2/1/1"))[0]["state"] == "running"
    assert runner.post("/jobs/2/1/1/foo", body=b"1").status == 200
    refused = [
        runner.get(f"/jobs/{other['key']}"),
        runner.post(f"/jobs/{other['key']}", body=b"{}"),
        runner.get("/jobs/2"),
        runner.request("DELETE", "/jobs/2/1/1"),
        runner.get("/jobq/2/list"),
        runner.post("/jobq/2/push", body=jl({"spider": "a"})),
        runner.post("/jobq/2/startjob", body=b""),
        runner.post("/jobq/2/1/1/cancel"),
        runner.post("/jobq/2/update", body=jl({"key": other["key"], "x": 1})),
        runner.post("/jobq/2/update", body=jl({"key": "2/1", "x": 1})),
    ]
    assert [answer.status for answer in refused] == [403] * len(refused)
    elsewhere = [
        runner.get("/ids/2/spider/a"),
        runner.get("/projects/2/settings"),
        runner.get("/activity/2"),
        runner.get("/api/scrapyd/listprojects.json"),
    ]
    assert [answer.status for answer in elsewhere] == [401, 401, 401, 403]
    assert runner.post("/jobq/2/update", body=jl({"key": "2/1/1", "state": "finished"})).body == (
        b'{"key":"2/1/1","prevstate":"running"}\n'
    )
    assert world.metadata("2/1/1")["completed_by"] == "jobrunner"
    assert runner.get("/jobs/2/1/1").status == 401


def test_a_token_is_good_only_while_its_job_runs(world: CloudWorld) -> None:
    """Nobody has one before the start, and it is refused after the end."""
    key = world.push()
    world.client().post("/jobq/2/startjob", body=b"")
    token = token_of(world, key)
    assert world.client(f"{key}:{token}").get(f"/jobs/{key}").status == 200
    world.update({"key": key, "state": "finished"})
    assert world.client(f"{key}:{token}").get(f"/jobs/{key}").status == 401


def test_our_own_crawls_have_tokens(world: CloudWorld) -> None:
    """A job that our controller runs can be opened by its token, whoever made it."""
    world.start()
    job = world.job(world.enqueue())
    token = world.do(world.cloud.tokens.issue(job))
    assert token == token_of(world, str(job.key))
    assert world.client(f"{job.key}:{token}").get(f"/jobs/{job.key}/state").json == "running"


@pytest.mark.parametrize("guard", ["world", "guarded"])
def test_a_wrong_token_is_refused(guard: str, request: pytest.FixtureRequest) -> None:
    """A job's name is never taken for a key, and the token of one job is not another's."""
    world: CloudWorld = request.getfixturevalue(guard)
    [one, two] = world.pushed(
        {"spider": "a", "state": "running"}, {"spider": "a", "state": "running"}
    )
    for auth in (
        f"{one['key']}:{two['auth']}",
        f"{one['key']}:",
        f"{one['key']}:é",
        "2/9/9:x",
        f"{'9' * 18}/1/1:x",
    ):
        statuses = [
            world.client(auth).get(path).status for path in ("/jobs/2/1/1", "/jobq/2/count")
        ]
        expected = 200 if guard == "world" and auth.endswith(":") else 401
        assert statuses == [expected, expected]


def test_tokens_outlive_the_daemon(world: CloudWorld) -> None:
    """The next daemon on the same database knows them."""
    key = world.push(state="running")
    token = token_of(world, key)
    tokens = JobTokens(store=world.store, now=world.now)
    assert world.do(tokens.issue(world.stored(key))) == token


def test_basic_that_cannot_be_read_is_refused(world: CloudWorld) -> None:
    """It is 400 in each service's own shape."""
    bad = {"Authorization": "Basic " + base64.b64encode(b"\xff:").decode()}
    client = world.client(auth=None)
    assert client.get("/jobq/2/count", headers=bad).json["error"] == "Bad Request"
    assert client.get("/api/scrapyd/listprojects.json", headers=bad).json["status"] == "badrequest"
