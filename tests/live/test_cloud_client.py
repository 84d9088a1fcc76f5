"""The official client library against a daemon: every method of jobs, spiders and projects."""

import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from requests import HTTPError
from scrapinghub import APIError, Connection, HubstorageClient, ScrapinghubClient
from scrapinghub.client.exceptions import (
    BadRequest,
    DuplicateJobError,
    NotFound,
    Unauthorized,
)
from scrapinghub.hubstorage.jobq import DuplicateJobError as DuplicatePush

from tests.live.running import Running, running, until

pytestmark = pytest.mark.live

KEY = "0123456789abcdef0123456789abcdef"
SPIDER = "spider-of-a-runner"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    root = tmp_path_factory.mktemp("daemon")
    with running(root) as daemon:
        daemon.push("good", root)
        yield daemon


@pytest.fixture(scope="module")
def client(daemon: Running) -> Iterator[Any]:
    client = make_client(daemon)
    yield client
    client.close()


def make_client(daemon: Running, auth: str | None = KEY) -> Any:
    return ScrapinghubClient(  # type: ignore[no-untyped-call]  # the library is untyped
        auth, dash_endpoint=f"{daemon.url}/api/", endpoint=daemon.url, use_msgpack=True
    )


def make_raw(daemon: Running, auth: str | None = KEY) -> Any:
    return HubstorageClient(auth=auth, endpoint=daemon.url)  # type: ignore[no-untyped-call]  # untyped


@pytest.fixture
def project(daemon: Running, client: Any, request: pytest.FixtureRequest) -> Any:
    """Return a project of the test's own, for outside runners, with a spider in it."""
    del daemon
    number = 1000 + zlib.crc32(request.node.name.encode()) % 100_000
    project = client.get_project(number)
    project.spiders.get(SPIDER, create=1)
    return project


@pytest.fixture
def spider(project: Any) -> Any:
    return project.spiders.get(SPIDER)


def good(client: Any) -> Any:
    """Return the project that is deployed."""
    return client.get_project(client.projects.list()[0])


def end(job: Any) -> None:
    """Wait for the end of a crawl of ours."""
    until(lambda: job.metadata.get("state") == "finished", "the end of the job")


# --- projects ----------------------------------------------------------------------------------


def test_projects(client: Any, project: Any) -> None:
    """The projects are listed as numbers, and summed up while they have active jobs."""
    project.jobs.run(SPIDER)
    assert {1, int(project.key)} <= set(client.projects.list())
    summary = {row["project"]: row for row in client.projects.summary()}
    assert summary[int(project.key)] == {
        "project": int(project.key),
        "pending": 1,
        "running": 0,
        "finished": 0,
        "has_capacity": True,
    }
    assert list(client.projects.iter()) == client.projects.list()


def test_settings(project: Any) -> None:
    """Settings are set, updated, listed and deleted."""
    assert dict(project.settings.iter()) == {}
    project.settings.set("default_job_units", 2)
    project.settings.update({"job_runtime_limit": 20})
    assert dict(project.settings.list()) == {"default_job_units": 2, "job_runtime_limit": 20}
    assert project.settings.get("default_job_units") == 2
    project.settings.delete("default_job_units")
    project.settings.delete("default_job_units")
    assert project.settings.get("default_job_units") is None


def test_activity(project: Any) -> None:
    """Posted events come back, the latest first."""
    events = [{"event": f"e{n}", "job": f"{project.key}/1/1", "user": "john"} for n in range(3)]
    project.activity.add(events)
    assert project.activity.list() == events[::-1]
    assert list(project.activity.iter(count=2)) == events[:0:-1]
    assert all("_ts" in row for row in project.activity.list(meta="_ts"))


# --- spiders -----------------------------------------------------------------------------------


def test_spiders(project: Any) -> None:
    """Spiders are listed, found, and not found."""
    expected: list[dict[str, Any]] = [{"id": SPIDER, "tags": [], "type": "manual", "version": None}]
    assert project.spiders.list() == list(project.spiders.iter()) == expected
    spider = project.spiders.get(SPIDER)
    assert (spider.key, spider.name) == (f"{project.key}/1", SPIDER)
    with pytest.raises(NotFound, match="doesn't exist"):
        project.spiders.get("nothing")


def test_a_deployed_project_has_spiders(client: Any) -> None:
    """They have the version that was pushed."""
    spiders = good(client).spiders.list()
    assert {"noop", "pages"} <= {spider["id"] for spider in spiders}
    assert {spider["version"] for spider in spiders} == {"1"}


def test_tags_of_a_spider(spider: Any) -> None:
    """They are added and removed; a change of none is refused."""
    assert spider.list_tags() == []
    spider.update_tags(add=["new1", "new2"])
    spider.update_tags(add=["new3"], remove=["new1"])
    assert spider.list_tags() == ["new2", "new3"]
    with pytest.raises(BadRequest):
        spider.update_tags()


# --- jobs: running, looking --------------------------------------------------------------------


def test_a_run_has_metadata(daemon: Running, spider: Any) -> None:
    """What is given to run() is in the job's metadata."""
    job = spider.jobs.run(
        units=2,
        priority=4,
        meta={"meta1": "val1"},
        add_tag=["t1", "t2"],
        job_args={"arg1": "1"},
        job_settings={"SETTING1": "s"},
        environment={"ENV": "e"},
        cmd_args=None,
    )
    metadata = dict(job.metadata.iter())
    assert metadata == {
        "project": int(job.project_id),
        "spider": SPIDER,
        "spider_type": "manual",
        "spider_args": {"arg1": "1"},
        "job_settings": {"SETTING1": "s"},
        "environment": {"ENV": "e"},
        "state": "pending",
        "priority": 4,
        "units": 2,
        "tags": ["t1", "t2"],
        "meta1": "val1",
        "api_url": f"{daemon.url}/api/",
        "portia_url": f"{daemon.url}/ui/",
        "pending_time": metadata["pending_time"],
        "scheduled_by": "local",
    }


def test_the_same_run_twice(spider: Any) -> None:
    """It is the client's own error for it; other arguments are another job."""
    spider.jobs.run(job_args={"subid": "1"})
    with pytest.raises(DuplicateJobError):
        spider.jobs.run(job_args={"subid": "1"})
    assert spider.jobs.run(job_args={"subid": "2"}).key.endswith("/1/2")


def test_a_bad_run(project: Any) -> None:
    """An unknown spider, a bad priority or bad units are BadRequest."""
    for arguments in ({"spider": "nothing"}, {"priority": 9}, {"units": 9}):
        with pytest.raises(BadRequest):
            project.jobs.run(**{"spider": SPIDER, **arguments})


def test_counts_and_lists(project: Any) -> None:
    """By state, spider and tags; only finished jobs unless asked for."""
    jobs = project.jobs
    states = {"pending": "t1", "running": "t2", "finished": "t3"}
    for state, tag in states.items():
        jobs.run(SPIDER, meta={"state": state}, add_tag=["all", tag], job_args={"n": state})
    assert jobs.count() == 1
    assert jobs.count(state=["pending", "running"]) == 2
    every = list(states)
    assert jobs.count(spider=SPIDER, state=every) == 3
    assert jobs.count(spider="other", state=every) == 0
    assert jobs.count(state=every, has_tag=["t1", "t2"]) == 2
    assert jobs.count(state=every, lacks_tag=["t1", "t2"]) == 1
    assert jobs.count(state=every, startts=0, endts=1) == 0
    rows = jobs.list(state=every, meta=["tags", "spider"], count=2, start=1)
    assert [(row["state"], row["tags"], row["spider"]) for row in rows] == [
        ("running", ["all", "t2"], SPIDER),
        ("pending", ["all", "t1"], SPIDER),
    ]
    [row] = jobs.iter()
    assert (row["key"], row["state"], row["spider"]) == (f"{project.key}/1/3", "finished", SPIDER)
    assert row["elapsed"] > 0
    [pending] = jobs.iter(filter=['["state","=",["pending"]]'])
    assert pending["state"] == "pending"


def test_summaries(project: Any, spider: Any) -> None:
    """Queues in their order, whole counts, a few rows."""
    for number in range(6):
        spider.jobs.run(job_args={"n": str(number)}, meta={"state": "finished"})
    summary = project.jobs.summary()
    assert [(queue["name"], queue["count"], len(queue["summary"])) for queue in summary] == [
        ("pending", 0, 0),
        ("running", 0, 0),
        ("finished", 6, 5),
    ]
    assert project.jobs.summary("pending") == {"name": "pending", "count": 0, "summary": []}
    finished = spider.jobs.summary("finished", count=1, start=5)
    assert [row["key"] for row in finished["summary"]] == [f"{project.key}/1/1"]
    assert [row["key"] for row in project.jobs.iter_last()] == [f"{project.key}/1/6"]
    assert [row["key"] for row in spider.jobs.iter_last(count=1)] == [f"{project.key}/1/6"]
    assert list(project.jobs.iter_last(start_after=f"{project.key}/1")) == []


# --- jobs: changing ----------------------------------------------------------------------------


def test_the_states_of_a_job(spider: Any) -> None:
    """start, finish and delete answer with the state before."""
    job = spider.jobs.run()
    assert job.start(host="h1") == "pending"
    assert job.metadata.get("host") == "h1"
    assert job.finish(close_reason="finished") == "running"
    assert job.finish() == "finished"
    assert job.delete() == "finished"
    metadata = dict(job.metadata.iter())
    assert (metadata["state"], metadata["close_reason"]) == ("deleted", "finished")
    times = [metadata[f"{name}_time"] for name in ("pending", "running", "finished", "deleted")]
    assert times == sorted(times)


def test_a_job_that_is_not_there(client: Any, project: Any) -> None:
    """Its metadata is empty, an update of it is NotFound."""
    job = client.get_job(f"{project.key}/1/999")
    assert job.metadata.get("state") is None
    with pytest.raises(NotFound, match="doesn't exist"):
        job.update(state="running")


def test_tags(project: Any, spider: Any) -> None:
    """Of one job, and of all jobs of a spider."""
    first, second = (spider.jobs.run(job_args={"n": n}, add_tag="tag1") for n in "12")
    first.update_tags(add=["tagA1", "tagA2"])
    first.update_tags(add=["tagB"], remove=["tag1", "tagx"])
    assert first.metadata.get("tags") == ["tagA1", "tagA2", "tagB"]
    assert spider.jobs.update_tags(add=["all"]) == 2
    assert project.jobs.update_tags(remove=["tag1"], spider=SPIDER) == 2
    assert second.metadata.get("tags") == ["all"]


def test_cancel(project: Any, spider: Any) -> None:
    """A pending job ends at once, a running one is told; many are cancelled together."""
    pending = spider.jobs.run(job_args={"n": "1"})
    running = spider.jobs.run(job_args={"n": "2"}, meta={"state": "running"})
    running.cancel()
    assert running.metadata.get("state") == "running"
    assert running.metadata.get("cancelled_by") == "local"
    pending.cancel()
    assert pending.metadata.get("state") == "finished"
    assert pending.metadata.get("close_reason") == "cancelled"
    more = [spider.jobs.run(job_args={"n": str(n)}) for n in range(3, 6)]
    assert project.jobs.cancel([job.key for job in more]) == {"count": 3}
    assert list(project.jobs.cancel(count=10)) == [{"count": 1}]


def test_metadata(spider: Any) -> None:
    """Fields are got, set, updated and deleted; what tells of the job cannot be set."""
    job = spider.jobs.run()
    job.metadata.set("field1", "data2")
    job.metadata.update({"field2": [1, {"a": None}], "state": "finished"})
    assert job.metadata.get("field1") == "data2"
    job.metadata.delete("field1")
    job.metadata.delete("field1")
    assert job.metadata.get("field1") is None
    assert job.metadata.get("state") == "pending"
    assert dict(job.metadata.list())["field2"] == [1, {"a": None}]
    job.metadata.set("tags", ["x"])
    assert spider.jobs.count(state="pending", has_tag="x") == 1


def test_a_crawl_of_ours(client: Any) -> None:
    """A run of a deployed spider is crawled, and tells how it went."""
    project = good(client)
    job = project.jobs.run("pages", job_settings={"LOG_LEVEL": "INFO"}, add_tag="live")
    end(job)
    metadata = dict(job.metadata.iter())
    assert (metadata["close_reason"], metadata["completed_by"], metadata["version"]) == (
        "finished",
        "jobrunner",
        "1",
    )
    assert metadata["scrapystats"]["item_scraped_count"] == 3
    row = project.jobs.list(has_tag="live")[0]
    assert (row["items"], row["pages"]) == (3, 3)
    [listed] = project.jobs.summary("finished", count=1)["summary"]
    assert listed["key"] == job.key
    assert [event["event"] for event in project.activity.iter(count=3)] == [
        "job:completed",
        "job:started",
        "job:scheduled",
    ]


# --- who asks ----------------------------------------------------------------------------------


def test_without_a_key(daemon: Running) -> None:
    """Every service says so in its way; the clock needs none."""
    raw = make_raw(daemon, auth=None)
    assert raw.server_timestamp() > 0
    with pytest.raises(HTTPError, match="401"):
        raw.get_project(1).jobq.summary()
    client = make_client(daemon)
    client._connection._session.auth = None
    with pytest.raises(Unauthorized):
        client.projects.list()


def test_a_job_with_its_token(
    daemon: Running, client: Any, spider: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a job the client finds its token in the environment, and reaches the job's own data."""
    job, other = (spider.jobs.run(job_args={"n": n}) for n in "12")
    started = client._hsclient.get_project(spider.project_id).jobq.start()
    assert started["key"] == job.key
    auth = f"{job.key}:{started['auth']}".encode().hex()
    for name in ("SH_APIKEY", "SHUB_APIKEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SHUB_JOBAUTH", auth)
    with pytest.warns(UserWarning):  # noqa: PT030 - two of them, that not everything is open
        inside = make_client(daemon, auth=None)
    own = inside.get_job(job.key)
    own.metadata.set("from_inside", 1)
    assert job.metadata.get("from_inside") == 1
    assert own.finish(close_reason="finished") == "running"
    assert job.metadata.get("completed_by") == "jobrunner"
    with pytest.raises(Unauthorized):
        own.metadata.get("state")
    with pytest.raises(Unauthorized):
        inside.get_job(other.key).metadata.get("state")


# --- the client's older halves -----------------------------------------------------------------


def test_the_raw_storage_client(daemon: Running, spider: Any) -> None:
    """Push, start, update, summaries and purges without the newer client around them."""
    raw = make_raw(daemon)
    project = raw.get_project(spider.project_id)
    pushed = project.jobq.push(SPIDER, unique="u1", tags=["t"], priority=project.jobq.PRIO_HIGH)
    with pytest.raises(DuplicatePush):
        project.jobq.push(SPIDER, unique="u1")
    job = raw.get_job(pushed["key"])
    assert (pushed["auth"], job.metadata["priority"]) == (None, 3)
    assert project.jobq.start()["key"] == job.key
    assert project.jobq.start() is None
    assert next(project.jobq.finish(job, close_reason="done")) == {
        "key": job.key,
        "prevstate": "running",
    }
    [row] = project.jobq.jobsummary([job.key], ["close_reason"])
    assert row["close_reason"] == "done"
    counts = project.jobsummary()
    assert (counts["finished"], counts["has_capacity"]) == (1, True)
    job.metadata.expire()
    job.update_metadata({"custom": "x"})
    assert raw.get_job(job.key).metadata["custom"] == "x"
    assert job.metadata.authtoken() is None
    assert [row["key"] for row in project.spiders.lastjobsummary()] == [job.key]
    assert project.ids.spider(SPIDER) == 1
    assert len(list(project.jobs.list())) == 1
    job.purged()
    assert raw.get_job(job.key).metadata["state"] == "deleted"
    job.metadata.apidelete()
    assert dict(raw.get_job(job.key).metadata) == {}
    raw.close()


def test_the_oldest_client(daemon: Running, spider: Any) -> None:
    """The first client schedules, lists, tags, stops and deletes jobs through dash."""
    connection: Any = Connection(KEY, url=f"{daemon.url}/api/")  # type: ignore[no-untyped-call]  # untyped
    project = connection[spider.project_id]
    assert int(spider.project_id) in connection.project_ids()
    assert project.schedule(SPIDER, arg="1") == f"{spider.key}/1"
    project.schedule(SPIDER, arg="2")
    jobs = project.jobs(state="pending")
    assert jobs.count() == 2
    assert jobs.update(add_tag="t") == 2
    assert [job.id for job in jobs] == [f"{spider.key}/2", f"{spider.key}/1"]
    job = project.job(f"{spider.key}/1")
    assert (job.info["tags"], job.info["spider_args"]) == (["t"], {"arg": "1"})
    assert job.stop()
    assert job.delete() == 1
    assert [spider["id"] for spider in project.spiders()] == [SPIDER]


def test_data_of_the_oldest_client(client: Any, daemon: Running) -> None:
    """It reads items and log of a crawl of ours, and leaves a report."""
    started = good(client).jobs.run("pages")
    end(started)
    connection: Any = Connection(KEY, url=f"{daemon.url}/api/")  # type: ignore[no-untyped-call]  # untyped
    job = connection[started.project_id].job(started.key)

    assert sorted(item["text"] for item in job.items()) == ["one", "three", "two"]
    assert [item["_key"] for item in job.items(offset=1, count=1, meta=["_key"])] == [
        f"{started.key}/1"
    ]
    log = list(job.log(level="ERROR"))
    assert [(row["logLevel"], row["message"]) for row in log] == [
        (40, "[pages] an error line of two"),
        (40, "[pages] an error line of three"),
    ]
    job.add_report("qa", "all well")
    assert started.metadata.get("reports") == {
        "qa": {"content_type": "text/plain", "content": "all well"}
    }
    with pytest.raises(APIError, match="Not found"):
        connection._get("items", "jl", {"project": 1, "job": "1/9/9"})
