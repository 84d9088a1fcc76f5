"""What the API takes for a name, and what errors are called: for programs that people talk to."""

import json
import re
from pathlib import Path
from uuid import UUID

import pytest

from scrapy_do import errors
from scrapy_do.api.scrapy_do.routes import STYLE
from scrapy_do.core.job import JobRequest
from scrapy_do.errors import NotAuthenticated
from scrapy_do.protocol.facts import Ending
from scrapy_do.web import status as web_status
from scrapy_do.web.auth import TokenExpired
from scrapy_do.web.digest import StaleNonce
from tests.api.scrapy_do.test_routes import listed, ok, push, refusal, schedule
from tests.factories import TESTER
from tests.http_client import HttpClient, completed
from tests.world import World

TOP = Path(__file__).parent.parent.parent.parent


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path).start()


@pytest.fixture
def client(world: World) -> HttpClient:
    client = world.client()
    push(client)
    return client


def _named(client: HttpClient, name: str, **query: str) -> str:
    asked = "".join(f"&{key}={value}" for key, value in query.items())
    identifier: str = ok(client.get(f"/job.json?id={name}{asked}"))["job"]["identifier"]
    return identifier


def test_a_job_has_many_names(world: World, client: HttpClient) -> None:
    """Identifier, its beginning, key, names with a number, and the last one name the same job."""
    schedule(client, spider="toscrape-xpath")
    world.pass_time(1)
    job_id = str(schedule(client))
    key = ok(client.get(f"/job.json?id={job_id}"))["job"]["key"]
    number = key.rsplit("/", 1)[1]
    for name in (
        *(job_id, job_id.replace("-", ""), job_id[:8], job_id[:13], job_id[:8].upper()),
        *(key, f"quotesbot/toscrape-css/{number}", "@last", "toscrape-css@last"),
    ):
        assert (name, job_id) == (name, _named(client, name))
    assert job_id == _named(client, "@last", project="quotesbot")


@pytest.mark.parametrize(
    "name",
    [
        *("x", "abc", "abcd", "12345678-1234-4234-8234-123456789abc", "1/2", "9/9/9"),
        *("quotesbot/toscrape-css/99", "quotesbot/nobody/1", "nothing/toscrape-css/1"),
        *("nobody@last", "quotesbot/toscrape-css/", "a/b/c/d", "@", "1/1/" + "9" * 40),
    ],
)
def test_what_names_no_job_is_refused(client: HttpClient, name: str) -> None:
    """Whatever is asked for, the answer says that there is no such job, and its name."""
    answer = client.get(f"/job.json?id={name}")
    assert f'No such job: "{name[:100]}"' == refusal(answer)
    assert answer.json["error"] == "job-not-found"


def test_no_last_job_of_another_project(client: HttpClient) -> None:
    """The last job is one of the project that is meant."""
    schedule(client)
    assert "No such job" in refusal(client.get("/job.json?id=@last&project=other"))


def test_a_beginning_of_several_names_none(world: World, client: HttpClient) -> None:
    """Where several jobs begin alike they are listed, and none is taken."""
    first, second = (UUID(f"abcd0000-0000-4000-8000-00000000000{n}") for n in (1, 2))
    for job_id in (first, second):
        request = JobRequest(project="quotesbot", spider="toscrape-css")
        completed(world.operations.jobs.enqueue(request, by=TESTER, job_id=job_id))
    answer = client.get("/job.json?id=abcd0000")
    assert answer.json["error"] == "ambiguous-name"
    assert str(first) in refusal(answer)
    assert str(second) in refusal(answer)
    assert str(second) == _named(client, str(second))


def test_a_schedule_by_its_beginning(client: HttpClient) -> None:
    """A schedule is found by the beginning of its identifier."""
    identifier = str(schedule(client, when="every 2 hours"))
    found = ok(client.get(f"/list-schedules.json?id={identifier[:8]}"))["schedules"]
    assert [identifier] == [one["identifier"] for one in found]
    for name in ("abc", "ffffffff", "x"):
        answer = client.get(f"/list-schedules.json?id={name}")
        assert f'No such schedule: "{name}"' == refusal(answer)
        assert answer.json["error"] == "schedule-not-found"


def test_a_job_is_run_again(world: World, client: HttpClient) -> None:
    """What a job was ordered with is accepted once more, as a job of its own."""
    job_id = schedule(client, arg="tag=humor", tag="eu", priority="4")
    world.launcher.crawl_of(job_id).finish()
    again = ok(client.post("/retry-job.json", form={"id": str(job_id)}))["identifier"]
    job = ok(client.get(f"/job.json?id={again}"))["job"]
    assert again != str(job_id)
    assert ({"tag": "humor"}, ["eu"], 4) == (job["arguments"], job["tags"], job["priority"])
    assert "No such job" in refusal(client.post("/retry-job.json", form={"id": "x"}))


def test_several_statuses_are_one_list(world: World, client: HttpClient) -> None:
    """Jobs of several statuses come as one list, newest change first, page by page."""
    ended = schedule(client)
    world.pass_time(1)
    failed = schedule(client)
    world.launcher.crawl_of(ended).finish()
    world.launcher.crawl_of(failed).finish(Ending(ended_at=world.now(), lost="gone", opened=True))
    world.pass_time(1)
    running = [str(schedule(client)) for _ in range(2)]
    waiting = str(schedule(client))
    order = str(schedule(client, when="every 2 hours"))

    def ids(query: str) -> list[str]:
        return [row["identifier"] for row in listed(client, query)]

    assert ids("status=RUNNING") == ids("status=RUNNING,RUNNING")
    assert {*running, str(failed)} == set(ids("status=RUNNING,FAILED"))
    assert {waiting, str(ended), order} == set(ids("status=PENDING,SUCCESSFUL,SCHEDULED"))
    everything = ids("status=ACTIVE,COMPLETED")
    assert len(everything) == 6
    page = ok(client.get("/list-jobs.json?status=ACTIVE,COMPLETED&limit=4"))
    rest = ids(f"status=ACTIVE,COMPLETED&limit=4&after={page['next-after']}")
    assert everything == [row["identifier"] for row in page["jobs"]] + rest
    assert "Unknown status: nothing" in refusal(client.get("/list-jobs.json?status=FAILED,nothing"))
    assert "Unknown status:  (one of" in refusal(client.get("/list-jobs.json?status=FAILED,"))


def test_cancelling_need_not_wait(client: HttpClient) -> None:
    """How long the answer waits for the end can be said, up to ten seconds."""
    job_id = schedule(client)
    ok(client.post("/cancel-job.json", form={"id": str(job_id), "wait": "0"}))
    assert "CANCELED" == ok(client.get(f"/job.json?id={job_id}"))["job"]["status"]
    answer = client.post("/cancel-job.json", form={"id": str(job_id), "wait": "11"})
    assert "wait: must be a number from 0 to 10" in refusal(answer)


def test_a_version_beside_the_current_one(client: HttpClient) -> None:
    """A push may leave the current version alone; the first version is current in any case."""
    beside = ok(push(client, version="next", activate="0"))
    assert (beside["version"], beside["active"]) == ("next", False)
    versions = ok(client.get("/list-versions.json?project=quotesbot"))["versions"]
    assert {"1": True, "next": False} == {one["version"]: one["current"] for one in versions}
    (details,) = ok(client.get("/list-projects.json"))["details"]
    assert ("quotesbot", "1", 2) == (details["name"], details["version"], details["spiders"])
    ok(client.post("/remove-project.json", form={"name": "quotesbot"}))
    assert ok(push(client, activate="0"))["active"] is True


@pytest.mark.parametrize(
    ("path", "form", "name"),
    [
        ("/schedule-job.json", {"project": "x", "spider": "y", "when": "now"}, "project-not-found"),
        (
            "/schedule-job.json",
            {"project": "quotesbot", "spider": "y", "when": "now"},
            "spider-not-found",
        ),
        (
            "/schedule-job.json",
            {"project": "quotesbot", "spider": "toscrape-css", "when": "soon"},
            "bad-when",
        ),
        ("/schedule-job.json", {}, "bad-argument"),
        ("/remove-project.json", {"name": "x"}, "project-not-found"),
        ("/cancel-job.json", {"id": "x"}, "job-not-found"),
        ("/pause-schedule.json", {"id": "x"}, "schedule-not-found"),
        ("/activate-version.json", {"project": "quotesbot", "version": "9"}, "version-not-found"),
        ("/nothing.json", {}, "unknown-path"),
        ("/push-project.json", {}, "bad-argument"),
    ],
)
def test_errors_have_names(client: HttpClient, path: str, form: dict[str, str], name: str) -> None:
    """Beside its words an error has a name that stays."""
    assert name == client.post(path, form=form).json["error"]


FAMILIES = {"NotFound", "Invalid", "Conflict", "Denied", "Unavailable", "ScrapyDoError"}
AT_START = {
    *("ConfigError", "NewerSchema", "DataDirectoryInUse", "DatabaseInUse", "WrongDatabase"),
    *("AccountNotFound", "NameTaken"),
}
"""What a daemon ends with before it answers anybody, or a command beside it."""


def test_every_name_is_documented() -> None:
    """The names on the page of the API are those that errors have, all of them."""
    classes = [
        one
        for module in (errors, web_status)
        for one in vars(module).values()
        if isinstance(one, type)
        and issubclass(one, errors.ScrapyDoError)
        and one.__module__ == module.__name__
        and one.__name__ not in FAMILIES | AT_START
    ]
    names = {re.sub("(?<!^)(?=[A-Z])", "-", one.__name__).lower() for one in classes}
    table = (TOP / "docs" / "api.md").read_text().split("## Errors")[1].split("|---|---|")[1]
    rows = (line.split("|")[1] for line in table.strip().splitlines())
    documented = {name for row in rows for name in re.findall(r"`([a-z-]+)`", row)}
    assert names == documented


def test_who_is_not_known_is_told_so_by_one_name() -> None:
    """Whether it is a password, a token that has expired, or an old nonce."""
    for error in (NotAuthenticated("wrong"), TokenExpired("ci"), StaleNonce("old")):
        body = json.loads(STYLE.body(error, 401))
        assert (body["error"], body["msg"]) == ("not-authenticated", str(error))
