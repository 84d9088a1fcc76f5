"""The Scrapy Do API: documented fields, errors in its words, nothing half done."""

import io
import json
import os
import stat
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes
from uuid import UUID

import pytest

from scrapy_do.core.job import Finished, Pending
from scrapy_do.errors import BadArchive
from scrapy_do.launchers.interface import SpiderList
from scrapy_do.protocol.facts import Ending, Progress
from tests.factories import at
from tests.http_client import Answer, HttpClient
from tests.world import World

UNKNOWN = "12345678-1234-4234-8234-123456789abc"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path).start()


@pytest.fixture
def client(world: World) -> HttpClient:
    return world.client()


def project(name: str = "quotesbot", **files: str) -> bytes:
    """Return a project as a zip, files by name with `/` as `__`."""
    content = {
        "scrapy.cfg": f"[settings]\ndefault = {name}.settings\n[deploy]\nproject = {name}\n",
        f"{name}/__init__.py": "",
        f"{name}/settings.py": f'BOT_NAME = "{name}"\n',
        **files,
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in content.items():
            archive.writestr(path, text)
    return packed.getvalue()


def push(client: HttpClient, archive: bytes | None = None, **form: str) -> Answer:
    content = project() if archive is None else archive
    return client.post("/push-project.json", form=form, files={"archive": ("p.zip", content)})


def ok(answer: Answer) -> dict[str, Any]:
    assert answer.status == 200, answer.text
    assert answer.json["status"] == "ok"
    found: dict[str, Any] = answer.json
    return found


def refusal(answer: Answer, status: int = 400) -> str:
    assert status == answer.status, answer.text
    assert answer.json["status"] == "error"
    message: str = answer.json["msg"]
    return message


def schedule(client: HttpClient, **form: Any) -> UUID:
    fields = {"project": "quotesbot", "spider": "toscrape-css", "when": "now", **form}
    return UUID(ok(client.post("/schedule-job.json", form=fields))["identifier"])


def listed(client: HttpClient, query: str) -> list[dict[str, Any]]:
    jobs: list[dict[str, Any]] = ok(client.get(f"/list-jobs.json?{query}"))["jobs"]
    return jobs


# --- status ------------------------------------------------------------------------------------


def test_status(world: World, client: HttpClient) -> None:
    """Every documented field is there, with its type."""
    push(client)
    job_id = schedule(client)
    schedule(client)
    world.launcher.crawl_of(job_id).finish()
    lost = schedule(client)
    ending = Ending(ended_at=world.now(), lost="the machine was restarted", opened=True)
    world.launcher.crawl_of(lost).finish(ending)
    world.pass_time(86400 + 12 * 60 + 24)

    status = ok(client.get("/status.json"))

    documented = {
        "memory-usage": 40.0,
        "cpu-usage": 1.5,
        "hostname": "host",
        "uptime": "1d 12m 24s",
        "jobs-run": 2,
        "jobs-successful": 1,
        "jobs-failed": 1,
        "jobs-canceled": 0,
    }
    assert documented == {name: status[name] for name in documented}
    assert isinstance(status["time"], str)
    assert "; " in status["timezone"]
    assert (status["jobs-running"], status["jobs-pending"], status["slots"]) == (1, 0, 2)
    assert (status["projects"], status["spiders"], status["database"]) == (1, 2, "ok")


# --- projects ----------------------------------------------------------------------------------


def test_push(client: HttpClient) -> None:
    """A push answers the name and the spiders, and the project's number and version."""
    assert {
        "status": "ok",
        "name": "quotesbot",
        "spiders": ["toscrape-css", "toscrape-xpath"],
        "id": 1,
        "version": "1",
        "active": True,
        "removed-spiders": [],
        "warnings": [],
    } == ok(push(client))


def test_arguments_that_curl_reads_from_files(world: World, client: HttpClient) -> None:
    """The line break that ends a file is no part of what is read from it."""
    push(client)
    form = {"project": "quotesbot\n", "spider": "toscrape-css\r\n", "when": "now\n"}
    more = {"arg": "a=b\n", "setting": " LOG_LEVEL =INFO\n", "priority": "3\n", "tag": "t\n"}
    job = world.job(UUID(ok(client.post("/schedule-job.json", form=form | more))["identifier"]))
    when = ok(client.post("/schedule-job.json", form=form | {"when": "\nevery 2 hours\n"}))
    canceled = client.post("/cancel-job.json", form={"id": f"{job.id}\n"})

    assert (job.request.spider, job.request.priority) == ("toscrape-css", 3)
    assert ({"a": "b"}, {"LOG_LEVEL": "INFO"}) == (job.request.arguments, job.request.settings)
    assert job.request.tags == ("t",)
    assert when["schedule"] == "every 2 hours"
    ok(canceled)


def unnamed() -> bytes:
    return project(**{"scrapy.cfg": "[settings]\ndefault = quotesbot.settings\n"})


def test_a_push_without_a_name(client: HttpClient) -> None:
    """A project file without a name says where it is missing, and what else gives it."""
    message = refusal(push(client, unnamed()))

    assert message == (
        "Can't extract project name from the config file: scrapy.cfg has no `project` in a section "
        "[deploy]; add it there, or give the name in the field `name` of the push"
    )


@pytest.mark.parametrize("named", [True, False])
def test_a_push_with_a_name(client: HttpClient, named: bool) -> None:  # noqa: FBT001 - a parameter
    """The field `name` names the project, whether or not its project file does."""
    archive = project() if named else unnamed()

    assert ok(push(client, archive, name="mine"))["name"] == "mine"
    assert ok(client.get("/list-projects.json"))["projects"] == ["mine"]


def test_a_push_with_a_bad_name(client: HttpClient) -> None:
    """What cannot be a name is refused by the field."""
    assert refusal(push(client, name="../x")).startswith("name: '../x' is not a name")


def test_a_push_with_a_name_instead_of_a_bad_one(client: HttpClient) -> None:
    """A project whose scrapy.cfg has no name of ours can be pushed by another name."""
    cfg = "[settings]\ndefault = shop.settings\n[deploy]\nproject = my shop\n"
    archive = project("shop", **{"scrapy.cfg": cfg})
    assert "'my shop' is not a name" in refusal(push(client, archive))
    assert ok(push(client, archive, name="shop"))["name"] == "shop"


def test_what_a_push_leaves_out(world: World, client: HttpClient) -> None:
    """It is told with the answer, before what the spiders are warned of; also when it fails."""
    content = project()
    packed = io.BytesIO(content)
    with zipfile.ZipFile(packed, "a") as archive:
        link = zipfile.ZipInfo("data")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/srv/data")
    out = (
        "Left out: 'data', a symbolic link to '/srv/data', which leads out of "
        "the archive, to nothing or to itself"
    )
    world.spider_lists["quotesbot"] = SpiderList(names=("a",), warnings=("b",))
    fine = push(client, packed.getvalue())
    world.spider_lists["quotesbot"] = BadArchive("no")
    failed = push(client, packed.getvalue())

    assert ok(fine)["warnings"] == [out, "b"]
    assert refusal(failed) == "no"
    assert failed.json["warnings"] == [out]


def test_push_as_the_original_client_does(client: HttpClient) -> None:
    """An archive sent as the value of an urlencoded form is taken, byte by byte the same."""
    body = b"archive=" + quote_from_bytes(project()).replace("%20", "+").encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    whole = client.post("/push-project.json", body=body, headers=headers)

    connection = client.connect()
    for byte in client.raw_request("POST", "/push-project.json", body=body, headers=headers):
        connection.send(bytes([byte]))

    assert ok(whole)["version"] == "1"
    (answer,) = connection.answers("POST")
    assert ok(answer)["version"] == "2"


def test_push_again(world: World, client: HttpClient) -> None:
    """A second push becomes the current version; the first is kept and can come back."""
    push(client)
    world.spider_lists["quotesbot"] = ("toscrape-css", "new")
    second = ok(push(client, project(a="b")))

    labels = [
        v["version"] for v in ok(client.get("/list-versions.json?project=quotesbot"))["versions"]
    ]
    back = client.post("/activate-version.json", form={"project": "quotesbot", "version": "1"})

    assert (second["version"], second["removed-spiders"]) == ("2", ["toscrape-xpath"])
    assert labels == ["2", "1"]
    assert ok(back)["version"] == "1"
    assert ok(client.get("/list-spiders.json?project=quotesbot"))["spiders"] == [
        "toscrape-css",
        "toscrape-xpath",
    ]


def test_push_without_spiders(world: World, client: HttpClient) -> None:
    """A project without spiders is allowed."""
    world.spider_lists["quotesbot"] = ()

    assert ok(push(client))["spiders"] == []


def test_push_that_fails_changes_nothing(world: World, client: HttpClient) -> None:
    """When the spiders cannot be listed the version before stays, and no file is left."""
    push(client)
    kept = world.archives.digests()
    world.spider_lists["quotesbot"] = BadArchive(
        "Unable to get the list of spiders: ZeroDivisionError: division by zero",
        traceback="Traceback ...",
    )

    answer = push(client, project(broken="yes"))

    assert "ZeroDivisionError" in refusal(answer)
    assert answer.json["traceback"] == "Traceback ..."
    assert len(ok(client.get("/list-versions.json?project=quotesbot"))["versions"]) == 1
    assert kept == world.archives.digests()
    assert list(world.archives.incoming.iterdir()) == []


@pytest.mark.parametrize(
    ("archive", "message"),
    [
        (b"this is no zip", "Not a valid zip archive"),
        (b"", "Not a valid zip archive"),
        (None, "Missing argument: archive"),
    ],
)
def test_bad_archives(client: HttpClient, archive: bytes | None, message: str) -> None:
    """What is no project says so."""
    answer = (
        client.post("/push-project.json", form={"a": "b"})
        if archive is None
        else push(client, archive)
    )

    assert message in refusal(answer)
    assert ok(client.get("/list-projects.json"))["projects"] == []


def test_archive_as_a_field(client: HttpClient) -> None:
    """A path sent instead of a file is explained."""
    answer = client.post(
        "/push-project.json", form={"archive": "quotesbot.zip"}, files={"other": ("a", b"b")}
    )

    assert "curl -F archive=@FILE" in refusal(answer)


def test_push_that_is_too_large(client: HttpClient) -> None:
    """An archive above the limit is refused with 413 in the dialect's shape."""
    assert "larger than the limit" in refusal(push(client, b"x" * (2 << 20)), 413)


def test_projects(client: HttpClient) -> None:
    """Projects are listed by name, removed, and are then unknown."""
    push(client)
    push(client, project("another"))
    before = ok(client.get("/list-projects.json"))["projects"]

    gone = ok(client.post("/remove-project.json", form={"name": "another"}))

    assert before == ["another", "quotesbot"]
    assert gone == {"status": "ok"}
    assert ok(client.get("/list-projects.json"))["projects"] == ["quotesbot"]
    assert refusal(client.get("/list-spiders.json?project=another")) == "Unknown project another"


def test_remove_needs_its_orders_gone(client: HttpClient) -> None:
    """A project with schedules is not removed."""
    push(client)
    schedule(client, when="every hour")

    answer = client.post("/remove-project.json", form={"name": "quotesbot"})

    assert refusal(answer) == 'There are 1 scheduled spiders for project "quotesbot"'


def test_remove_keeps_what_jobs_need(world: World, client: HttpClient) -> None:
    """Accepted jobs keep their archive until they end."""
    push(client)
    ids = [schedule(client) for _ in range(3)]

    ok(client.post("/remove-project.json", form={"name": "quotesbot"}))
    during = len(world.archives.digests())
    for job_id in ids:
        world.launcher.crawl_of(job_id).finish()

    assert during == 1
    assert {Finished} == {type(world.state(job_id)) for job_id in ids}
    assert world.archives.digests() == frozenset()


def test_a_scheduled_spider_is_not_dropped(world: World, client: HttpClient) -> None:
    """A push without a scheduled spider is refused and names its orders, unless forced."""
    push(client)
    order = schedule(client, when="every hour")
    world.spider_lists["quotesbot"] = ("toscrape-xpath",)

    message = refusal(push(client, project(a="b")))
    forced = ok(push(client, project(a="b"), force="1"))

    assert "Spider toscrape-css is going to be removed but has scheduled jobs" in message
    assert str(order) in message
    assert forced["version"] == "2"
    assert listed(client, f"id={order}")[0]["state"] == "error"


def test_versions_can_be_named(client: HttpClient) -> None:
    """A push may name its version, and a job may ask for an earlier one."""
    push(client, version="r7")
    push(client, project(a="b"), version="r8")

    job_id = schedule(client, version="r7")

    assert listed(client, f"id={job_id}")[0]["version"] == "r7"


def test_remove_version(client: HttpClient) -> None:
    """A version that is not current can be forgotten; the current one not."""
    push(client)
    push(client, project(a="b"))

    ok(client.post("/remove-version.json", form={"project": "quotesbot", "version": "1"}))
    answer = client.post("/remove-version.json", form={"project": "quotesbot", "version": "2"})

    assert "current version" in refusal(answer)
    versions = ok(client.get("/list-versions.json?project=quotesbot"))["versions"]
    assert ["2"] == [version["version"] for version in versions]


# --- jobs --------------------------------------------------------------------------------------


def test_a_job_as_documented(world: World, client: HttpClient) -> None:
    """A finished job has the documented fields with the documented types."""
    push(client)
    payload = '{\n"test": [1, 2, 3]\n}'
    job_id = schedule(client, description="test #1", payload=payload)
    world.pass_time(2)
    world.launcher.crawl_of(job_id).finish()

    (job,) = listed(client, f"id={job_id}")

    documented = {
        "identifier": str(job_id),
        "status": "SUCCESSFUL",
        "actor": "USER",
        "schedule": "now",
        "project": "quotesbot",
        "spider": "toscrape-css",
        "description": "test #1",
        "timestamp": at(2).astimezone().strftime("%Y-%m-%d %H:%M:%S.%f"),
        "duration": 2,
        "payload": payload,
    }
    assert documented == {name: job[name] for name in documented}
    assert (job["key"], job["outcome-reason"]) == ("1/1/1", "finished")


def test_a_standing_order_as_documented(client: HttpClient) -> None:
    """A schedule is listed as one SCHEDULED job with its spec, and can be cancelled."""
    push(client)
    order = schedule(client, when="Every  10 minutes", payload='{"a": 1}', description="d")
    (job,) = listed(client, "status=ACTIVE")

    ok(client.post("/cancel-job.json", form={"id": str(order)}))

    documented = {
        "identifier": str(order),
        "status": "SCHEDULED",
        "actor": "USER",
        "schedule": "every 10 minutes",
        "project": "quotesbot",
        "spider": "toscrape-css",
        "description": "d",
        "duration": None,
        "payload": '{"a": 1}',
    }
    assert documented == {name: job[name] for name in documented}
    assert listed(client, "status=ACTIVE") == []
    assert listed(client, "status=COMPLETED") == []
    assert ["CANCELED"] == [job["status"] for job in listed(client, f"id={order}")]
    assert refusal(client.post("/cancel-job.json", form={"id": str(order)})) == (
        f"Job {order} is not active"
    )


def test_list_by_status(world: World, client: HttpClient) -> None:
    """Each word lists its jobs, newest first."""
    push(client)
    ids = [schedule(client) for _ in range(4)]
    world.launcher.crawl_of(ids[0]).finish()
    world.launcher.crawl_of(ids[1]).finish(Ending(ended_at=world.now(), status=1, opened=True))
    ok(client.post("/cancel-job.json", form={"id": str(ids[2])}))
    ids.append(schedule(client))
    ids.append(schedule(client))
    names = {str(job_id): number for number, job_id in enumerate(ids)}

    def numbers(status: str) -> list[int]:
        return [names[job["identifier"]] for job in listed(client, f"status={status}")]

    assert numbers("SUCCESSFUL") == [0]
    assert numbers("FAILED") == [1]
    assert numbers("CANCELED") == [2]
    assert numbers("RUNNING") == [4, 3]
    assert numbers("PENDING") == [5]
    assert numbers("ACTIVE") == [5, 4, 3]
    assert numbers("COMPLETED") == [2, 1, 0]
    assert numbers("SCHEDULED") == []


def test_filters_and_pages(world: World, client: HttpClient) -> None:
    """Lists can be narrowed, and read page by page without gap or repetition."""
    push(client)
    ids = [schedule(client, tag=["odd"] if number % 2 else ["even"]) for number in range(7)]
    schedule(client, spider="toscrape-xpath")
    wanted = "status=ACTIVE&spider=toscrape-css"

    pages, after = [], ""
    while True:
        page = ok(client.get(f"/list-jobs.json?{wanted}&limit=3{after}"))
        pages.append([job["identifier"] for job in page["jobs"]])
        if not page.get("truncated"):
            break
        after = f"&after={page['next-after']}"

    seen = [identifier for page in pages for identifier in page]
    assert [3, 3, 1] == [len(page) for page in pages]
    assert {str(job_id) for job_id in ids} == set(seen)
    assert 3 == len(listed(client, "status=ACTIVE&tag=odd"))
    assert listed(client, "status=ACTIVE&project=other") == []
    future = (world.now().replace(year=2030)).isoformat().replace("+00:00", "Z")
    assert listed(client, f"status=ACTIVE&since={future}") == []


def test_extensions(world: World, client: HttpClient) -> None:
    """Arguments, settings, tags, priority and time-out reach the crawl and are shown."""
    push(client)
    job_id = schedule(
        client,
        arg=["category=books", "query=a=b"],
        setting=["LOG_LEVEL=INFO"],
        tag=["one", "two", "one"],
        priority="4",
        timeout="3600",
    )

    (job,) = listed(client, f"id={job_id}")

    assert {"category": "books", "query": "a=b"} == job["arguments"]
    assert {"LOG_LEVEL": "INFO"} == job["settings"]
    assert (["one", "two"], 4, 3600.0) == (job["tags"], job["priority"], job["timeout"])
    spec = world.launcher.crawl_of(job_id).spec
    assert {"category": "books", "query": "a=b"} == spec.order.arguments


def test_stats(world: World, client: HttpClient) -> None:
    """A job asked for by its id shows the statistics of its crawl."""
    push(client)
    job_id = schedule(client)
    progress = Progress(stats={"item_scraped_count": 3})
    ending = Ending(ended_at=world.now(), status=0, opened=True, close_reason="finished")
    world.launcher.crawl_of(job_id).finish(replace(ending, progress=progress))

    assert listed(client, f"id={job_id}")[0]["stats"] == {"item_scraped_count": 3}


def test_cancel(world: World, client: HttpClient) -> None:
    """A cancelled job is CANCELED when the answer comes; twice is an error."""
    push(client)
    job_id = schedule(client)

    first = client.post("/cancel-job.json", form={"id": str(job_id)})
    second = client.post("/cancel-job.json", form={"id": str(job_id)})

    assert ok(first) == {"status": "ok"}
    assert listed(client, f"id={job_id}")[0]["status"] == "CANCELED"
    assert refusal(second) == f"Job {job_id} is not active"
    assert world.launcher.alive == ()


def test_cancel_by_force(world: World, client: HttpClient) -> None:
    """A crawl that was asked to stop and takes its time is killed when it is asked by force."""
    world.launcher.stubborn_spiders.add("toscrape-css")
    push(client)
    job_id = schedule(client)
    world.do(world.jobs.cancel(job_id, by="tester", wait_s=0))
    assert listed(client, f"id={job_id}")[0]["status"] == "RUNNING"

    forced = client.post("/cancel-job.json", form={"id": str(job_id), "force": "1"})

    assert ok(forced) == {"status": "ok"}
    assert listed(client, f"id={job_id}")[0]["status"] == "CANCELED"
    assert world.launcher.crawl_of(job_id).killed == 1


def test_delete(world: World, client: HttpClient) -> None:
    """A finished job can be removed with its files; an active one not."""
    push(client)
    job_id = schedule(client)
    active = client.post("/delete-job.json", form={"id": str(job_id)})
    world.launcher.crawl_of(job_id).finish()

    ok(client.post("/delete-job.json", form={"id": str(job_id)}))

    assert "active" in refusal(active)
    assert refusal(client.get(f"/list-jobs.json?id={job_id}")) == f'No such job: "{job_id}"'
    assert not world.artifacts.exists(job_id)


# --- logs --------------------------------------------------------------------------------------


def test_log(world: World, client: HttpClient) -> None:
    """The two streams of a job are sent as text, also in part."""
    push(client)
    job_id = schedule(client)
    spec = world.launcher.crawl_of(job_id).spec
    spec.placement.out.write_bytes(b"printed\n")
    spec.placement.err.write_bytes("ünicode\n".encode())
    world.launcher.crawl_of(job_id).finish()

    out = client.get(f"/get-log/data/{job_id}.out")
    err = client.get(f"/get-log/data/{job_id}.err", headers={"Range": "bytes=-4"})

    assert (200, b"printed\n") == (out.status, out.body)
    assert out.headers["content-type"] == "text/plain; charset=utf-8"
    assert (206, b"ode\n") == (err.status, err.body)


def test_log_of_a_running_job(world: World, client: HttpClient) -> None:
    """The answer follows the file and ends with the job."""
    push(client)
    job_id = schedule(client)
    log = world.launcher.crawl_of(job_id).spec.placement.err
    log.write_bytes(b"first\n")
    connection = client.connect()

    connection.send(client.raw_request("GET", f"/get-log/data/{job_id}.err"))
    with log.open("ab") as file:
        file.write(b"second\n")
    world.launcher.crawl_of(job_id).finish()
    world.pass_time(1)

    (answer,) = connection.answers("GET")
    assert answer.body == b"first\nsecond\n"


@pytest.mark.parametrize(
    "name",
    [
        f"{UNKNOWN}.out",
        f"{UNKNOWN}.log",
        "x.out",
        "..%2f..%2fscrapy-do.db",
        "%00.err",
        f"{UNKNOWN}",
        f"{UNKNOWN}.out.out",
    ],
)
def test_no_log(client: HttpClient, name: str) -> None:
    """What is no log of a job is not found, whatever it looks like."""
    assert client.get(f"/get-log/data/{name}").status == 404


@pytest.mark.parametrize("trap", ["link", "pipe"])
def test_traps(world: World, client: HttpClient, tmp_path: Path, trap: str) -> None:
    """A crawl that puts a link or a pipe in place of its log gives nothing away."""
    push(client)
    job_id = schedule(client)
    log = world.launcher.crawl_of(job_id).spec.placement.err
    world.launcher.crawl_of(job_id).finish()
    (tmp_path / "secret").write_text("secret")
    if trap == "link":
        log.symlink_to(tmp_path / "secret")
    else:
        os.mkfifo(log)

    assert client.get(f"/get-log/data/{job_id}.err").status == 404


def test_no_log_before_the_start(world: World, client: HttpClient) -> None:
    """A pending job has no log yet."""
    push(client)
    ids = [schedule(client) for _ in range(3)]

    assert isinstance(world.state(ids[2]), Pending)
    assert refusal(client.get(f"/get-log/data/{ids[2]}.err"), 404) == "File not found"


def test_get_log_alone(client: HttpClient) -> None:
    """The bare path answers 405, as the original does."""
    assert client.get("/get-log").status == 405


def test_items(world: World, client: HttpClient) -> None:
    """The captured items are sent as JSON lines."""
    push(client)
    job_id = schedule(client)
    items = world.launcher.crawl_of(job_id).spec.placement.items
    assert items is not None
    items.write_bytes(b'{"a":1}\n{"a":2}\n')
    world.launcher.crawl_of(job_id).finish()

    answer = client.get(f"/get-items/data/{job_id}.jsonl")

    assert [{"a": 1}, {"a": 2}] == [json.loads(line) for line in answer.body.splitlines()]


# --- what a run leaves -------------------------------------------------------------------------


def run_that_leaves(world: World, client: HttpClient, files: dict[str, bytes]) -> UUID:
    """Run a job whose crawl leaves files in its directory; return its id."""
    push(client)
    job_id = schedule(client)
    crawl = world.launcher.crawl_of(job_id)
    for name, content in files.items():
        path = crawl.spec.placement.project_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    crawl.finish()
    return job_id


def test_files_that_a_run_leaves(world: World, client: HttpClient) -> None:
    """They are listed when the job has ended, and each is sent from the address in the list."""
    job_id = run_that_leaves(world, client, {"out/a b.csv": b"1,2", "page.html": b"<script>"})

    answer = ok(client.get(f"/job-files.json?id={job_id}"))
    assert answer["left-out"] == {"files": 0, "size": 0}
    assert [(file["path"], file["size"]) for file in answer["files"]] == [
        ("out/a b.csv", 3),
        ("page.html", 8),
    ]
    assert answer["files"][0]["url"] == f"get-file/data/{job_id}/out/a%20b.csv"
    assert answer["files"][0]["modified"].startswith(str(datetime.now(UTC).year))
    sent = client.get(f"/{answer['files'][0]['url']}")
    assert (sent.status, sent.body) == (200, b"1,2")


def test_the_projects_own_files_are_not_listed(world: World, client: HttpClient) -> None:
    """Of the project's own files only those that the run has changed."""
    job_id = run_that_leaves(world, client, {"quotesbot/settings.py": b"BOT_NAME = 'other'"})
    files = ok(client.get(f"/job-files.json?id={job_id}"))["files"]
    assert [file["path"] for file in files] == ["quotesbot/settings.py"]


def test_files_are_never_shown(world: World, client: HttpClient) -> None:
    """Whatever a file is, a browser may only save it, under a name that is one."""
    name = 'x"\r\nSet-Cookie: a=b;é<b>.html'
    job_id = run_that_leaves(world, client, {name: b"<script>"})
    (file,) = ok(client.get(f"/job-files.json?id={job_id}"))["files"]
    sent = client.get(f"/{file['url']}")

    assert (sent.status, sent.body, file["path"]) == (200, b"<script>", name)
    assert sent.headers["content-type"] == "application/octet-stream"
    assert sent.headers["x-content-type-options"] == "nosniff"
    assert sent.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert "set-cookie" not in sent.headers
    kind, plain, encoded = sent.headers["content-disposition"].split("; ")
    assert (kind, plain) == ("attachment", 'filename="x___Set-Cookie_ a_b___b_.html"')
    assert encoded == "filename*=UTF-8''x%22%0D%0ASet-Cookie%3A%20a%3Db%3B%C3%A9%3Cb%3E.html"


def test_files_by_range_and_head(world: World, client: HttpClient) -> None:
    """A large file can be read in parts, and asked for its length."""
    job_id = run_that_leaves(world, client, {"a": b"0123456789"})
    part = client.get(f"/get-file/data/{job_id}/a", headers={"Range": "bytes=2-4"})
    head = client.request("HEAD", f"/get-file/data/{job_id}/a")
    assert (part.status, part.body) == (206, b"234")
    assert (head.status, head.headers["content-length"], head.body) == (200, "10", b"")


def test_files_in_pages(world: World, client: HttpClient) -> None:
    """Many files come in pages, with a cursor."""
    job_id = run_that_leaves(world, client, {f"f{number}": b"" for number in range(5)})
    first = ok(client.get(f"/job-files.json?id={job_id}&limit=3"))
    rest = ok(client.get(f"/job-files.json?id={job_id}&limit=3&after={first['next-after']}"))
    assert [file["path"] for file in first["files"]] == ["f0", "f1", "f2"]
    assert [file["path"] for file in rest["files"]] == ["f3", "f4"]
    assert (first["truncated"], "truncated" in rest) == (True, False)


@pytest.mark.parametrize(
    "path",
    [
        *("", "b", "../out", "..%2fout", "%2e%2e/out", "/etc/passwd", "index", "1", "a/", "./a"),
        *("%00", "a%00", "quotesbot/settings.py", ".scrapy", "A"),
    ],
)
def test_what_is_not_listed_is_not_sent(world: World, client: HttpClient, path: str) -> None:
    """Nothing but the listed paths has an answer."""
    job_id = run_that_leaves(world, client, {"a": b"x"})
    assert client.get(f"/get-file/data/{job_id}/{path}").status == 404
    assert client.get(f"/get-file/data/{UNKNOWN}/a").status == 404
    assert client.get("/get-file/data/1/a").status == 404


def test_a_job_without_files(client: HttpClient) -> None:
    """A job that runs has no files yet; one that nobody knows is refused."""
    push(client)
    job_id = schedule(client)
    assert ok(client.get(f"/job-files.json?id={job_id}"))["files"] == []
    assert refusal(client.get(f"/job-files.json?id={UNKNOWN}")) == f'No such job: "{UNKNOWN}"'
    assert refusal(client.get("/job-files.json")) == "Missing argument: id"
    answer = client.get(f"/job-files.json?id={job_id}&limit=0")
    assert "limit: must be a whole number from 1" in refusal(answer)


def test_files_go_with_their_job(world: World, client: HttpClient) -> None:
    """Who deletes the job deletes its files."""
    job_id = run_that_leaves(world, client, {"a": b"x"})
    ok(client.post("/delete-job.json", form={"id": str(job_id)}))
    assert client.get(f"/get-file/data/{job_id}/a").status == 404
    assert not world.artifacts.exists(job_id)


# --- bad input ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"when": None}, "Missing argument: when"),
        ({"when": None, "spider": None}, "Missing argument: spider, when"),
        ({"project": "other"}, "Unknown project other"),
        ({"project": "../etc"}, "Unknown project ../etc"),
        ({"spider": "other"}, "Unknown spider quotesbot/other"),
        ({"spider": "-s"}, "Unknown spider quotesbot/-s"),
        ({"spider": "a\0b"}, "Unknown spider quotesbot/a\0b"),
        ({"version": "9"}, "Unknown version 9 of project quotesbot"),
        ({"when": "every 0 seconds"}, "the interval must be at least 1, not 0"),
        ({"when": "hourly"}, "a schedule is 'now' or starts with"),
        ({"payload": "{"}, "Payload is not a valid JSON string: "),
        ({"payload": "NaN"}, "Payload is not a valid JSON string: NaN is not JSON"),
        ({"payload": ""}, "Payload is not a valid JSON string: "),
        ({"payload": "[" * 100_000}, "Payload is not a valid JSON string: "),
        ({"priority": "9"}, "priority: must be a whole number from 0 to 4"),
        ({"priority": "high"}, "priority: must be a whole number from 0 to 4"),
        ({"arg": "novalue"}, "arg: 'novalue' is not NAME=VALUE"),
        ({"arg": "self=1"}, "arg: 'self' cannot be the name of a spider argument"),
        ({"arg": "cls=1"}, "arg: 'cls' cannot be the name of a spider argument"),
        ({"setting": " =1"}, "setting: has no name"),
        ({"tag": "a b"}, "tag: 'a b' is not a name"),
        ({"timeout": "-1"}, "timeout: must be a number from 0"),
        ({"description": "x" * 2000}, "description: is longer than"),
    ],
)
def test_bad_jobs(client: HttpClient, fields: dict[str, str | None], message: str) -> None:
    """A job that cannot be is refused, the field named, and nothing is stored."""
    push(client)
    form = {"project": "quotesbot", "spider": "toscrape-css", "when": "now", **fields}
    sent = {name: value for name, value in form.items() if value is not None}

    answer = client.post("/schedule-job.json", form=sent)

    assert message in refusal(answer)
    assert listed(client, "status=ACTIVE") == []


def test_huge_fields(client: HttpClient) -> None:
    """A field of 10 MB is refused without being kept."""
    form = {"project": "quotesbot", "spider": "s", "when": "now", "payload": "1" * (10 << 20)}

    assert refusal(client.post("/schedule-job.json", form=form), 413)


def test_bytes_that_are_no_text(client: HttpClient) -> None:
    """Bytes that are not UTF-8 are refused, the field named."""
    answer = client.post(
        "/schedule-job.json",
        body=b"project=%ff%fe&spider=s&when=now",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )

    assert "project" in refusal(answer)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("/list-jobs.json", "Missing argument: status or id"),
        ("/list-jobs.json?status=FOO", "status: Unknown status: FOO (one of "),
        ("/list-jobs.json?id=foo", 'No such job: "foo"'),
        (f"/list-jobs.json?id={UNKNOWN}", f'No such job: "{UNKNOWN}"'),
        ("/list-jobs.json?status=ACTIVE&limit=0", "limit: must be a whole number from 1"),
        ("/list-jobs.json?status=ACTIVE&since=monday", "since: must be a time"),
        ("/list-spiders.json", "Missing argument: project"),
        ("/list-spiders.json?project=zzz", "Unknown project zzz"),
    ],
)
def test_bad_questions(client: HttpClient, target: str, message: str) -> None:
    """A question that means nothing is answered with what would be right."""
    assert message in refusal(client.get(target))


@pytest.mark.parametrize(
    ("path", "form", "message"),
    [
        ("/cancel-job.json", {}, "Missing argument: id"),
        ("/cancel-job.json", {"id": "x"}, 'No such job: "x"'),
        ("/cancel-job.json", {"id": UNKNOWN}, f'No such job: "{UNKNOWN}"'),
        ("/remove-project.json", {}, "Missing argument: name"),
        ("/remove-project.json", {"name": "zz"}, 'No such project: "zz"'),
    ],
)
def test_bad_changes(client: HttpClient, path: str, form: dict[str, str], message: str) -> None:
    """A change of what is not there is refused."""
    assert refusal(client.post(path, form=form)) == message


def test_paths_and_verbs(client: HttpClient) -> None:
    """Unknown paths are 404, wrong verbs 405 with what would be right."""
    wrong = client.post("/status.json")

    assert refusal(client.get("/nothing.json"), 404)
    assert refusal(wrong, 405)
    assert wrong.headers["allow"] == "GET, HEAD"


def test_other_spellings(client: HttpClient) -> None:
    """Parameters may come in the query, as a form, or as a JSON object."""
    push(client)

    by_query = client.post("/schedule-job.json?project=quotesbot&spider=toscrape-css&when=now")
    by_json = client.post(
        "/schedule-job.json",
        json={"project": "quotesbot", "spider": "toscrape-css", "when": "now", "tag": ["a"]},
    )

    assert ok(by_query)["identifier"] != ok(by_json)["identifier"]


def test_head(client: HttpClient) -> None:
    """HEAD works where GET does."""
    assert client.request("HEAD", "/status.json").status == 200
