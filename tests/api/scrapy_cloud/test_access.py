"""Who may ask: API keys, job tokens, and the shapes of refusals."""

import base64
import re
from pathlib import Path

import pytest

from scrapy_do.api.scrapy_cloud import cloud_dialects
from scrapy_do.core.principal import Principal, Role
from scrapy_do.operations.cloud.tokens import JobTokens
from scrapy_do.system.passwords import token_digest
from scrapy_do.web.auth import OpenAccess, TokenAccess
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


# --- projects of a key -------------------------------------------------------------------------

MEMBER = Principal(name="member", role=Role.PUSH, projects=frozenset({2, 7}))
PANEL = Principal(name="panel", role=Role.ADMIN, projects=frozenset())


@pytest.fixture
def shared(tmp_path: Path) -> CloudWorld:
    """Return a world with a key that sees project 2 alone, and one that opens all but has none."""
    owners = (MEMBER, PANEL)
    world = CloudWorld(
        tmp_path, access=TokenAccess({token_digest(owner.name): owner for owner in owners})
    )
    world.enqueue()
    world.client("panel:").post("/jobq/2/push", body=jl({"spider": "a"}))
    return world


def test_lists_show_the_projects_of_a_key(shared: CloudWorld) -> None:
    """An administrator who is a member of none has an empty list, and the summaries of all."""
    member, panel = shared.client("member:"), shared.client("panel:")
    path = "/api/scrapyd/listprojects.json"
    assert [client.get(path).json["projects"] for client in (member, panel)] == [[2], []]
    path = "/projects/jobsummaries"
    assert [[row["project"] for row in client.get(path).json] for client in (member, panel)] == [
        [2],
        [1, 2],
    ]


def test_every_route_by_project_is_guarded(shared: CloudWorld) -> None:
    """What a key does not see it cannot touch: be it there or not, it is 403."""
    dialects = cloud_dialects(
        shared.operations, shared.cloud, access=OpenAccess(), archive_bytes=1 << 20
    )
    routes = [route for dialect in dialects for route in dialect.router.routes()]
    by_path = [route for route in routes if "<int:project>" in route.pattern]
    member = shared.client("member:")
    values = {"spider": "1", "number": "1", "index": "0", "kind": "s", "queue": "pending"}

    def path_of(pattern: str, project: int) -> str:
        path = pattern.replace("<int:project>", str(project))
        return re.sub(r"<(?:\w+:)?(\w+)>", lambda found: values.get(found[1], "name"), path)

    for project in (1, 99):
        answers = {
            route.name: member.request(
                route.method, path_of(route.pattern, project), body=b'"x"'
            ).status
            for route in by_path
        }
        assert {name: status for name, status in answers.items() if status != 403} == {}
    assert len(by_path) > 50
    own = [route for route in by_path if route.method == "GET"]
    statuses = {member.get(path_of(route.pattern, 2)).status for route in own}
    assert 403 not in statuses


@pytest.mark.parametrize("project", ["1", "quotesbot", "99"])
def test_every_form_with_a_project_is_guarded(shared: CloudWorld, project: str) -> None:
    """The dash API takes the project, by number or name, as a parameter."""
    member = shared.client("member:")
    form = {"project": project, "job": "1/1/1", "spider": "toscrape-css", "add_tag": "t"}
    report = {**form, "key": "k", "content": "c", "content_type": "text/plain"}
    query = "&".join(f"{name}={value}" for name, value in form.items())
    egg = {"egg": ("a.egg", b"x")}
    answers = [
        *(member.get(f"/api/{path}?{query}") for path in DASH_READS),
        *(member.post(f"/api/{path}", form=form) for path in DASH_WRITES),
        member.post("/api/reports/add.json", form=report),
        member.post(
            "/api/scrapyd/addversion.json", form={"project": project, "version": "1"}, files=egg
        ),
        member.get(f"/activity/projects?p=2&p={project}"),
    ]
    assert [answer.status for answer in answers] == [403] * len(answers)


DASH_READS = (
    *("jobs/list.json", "jobs/list.jl", "jobs/count.json", "spiders/list.json"),
    *("items.jl", "items.json", "items.csv", "log.jl", "log.json", "log.txt"),
)
DASH_WRITES = ("run.json", "jobs/update.json", "jobs/delete.json", "jobs/stop.json")


def test_a_member_may_do_everything_in_its_project(shared: CloudWorld) -> None:
    """Run, look, tag, deploy; a number of its own that is new becomes a project, no other."""
    member = shared.client("member:")
    assert member.get("/jobq/2/count?state=pending").json == 1
    assert member.post("/jobq/7/push", body=jl({"spider": "a"})).status == 200
    assert member.get("/api/scrapyd/listprojects.json").json["projects"] == [2, 7]
    assert member.post("/jobq/8/push", body=jl({"spider": "a"})).status == 403
    assert member.get("/ids/8/spider/a?create=1").status == 403
    assert shared.client("panel:").get("/jobq/1/count?state=pending").json == 1


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
