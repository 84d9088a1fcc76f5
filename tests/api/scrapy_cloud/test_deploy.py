"""Deploying as `shub` does it."""

import io
import json
import zipfile

import pytest

from scrapy_do.errors import BadArchive
from tests.api.scrapy_cloud.cloud_world import CloudWorld, lines
from tests.http_client import Answer

URL = "/api/scrapyd/addversion.json"


def egg(project: str = "books") -> bytes:
    """Make what `setup.py bdist_egg` makes of a small project."""
    files = {
        f"{project}/__init__.py": "",
        f"{project}/settings.py": f"SPIDER_MODULES = ['{project}.spiders']\n",
        "EGG-INFO/entry_points.txt": f"[scrapy]\nsettings = {project}.settings\n",
        "EGG-INFO/PKG-INFO": f"Name: {project}\nVersion: 1.0\n",
    }
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return target.getvalue()


def deploy(
    world: CloudWorld, project: str, version: str = "1", **more: tuple[str, bytes]
) -> Answer:
    files = {"egg": ("project-1.0-py3.11.egg", egg()), **more}
    return world.client().post(URL, form={"project": project, "version": version}, files=files)


def test_a_deploy_ends_with_a_line_of_json(world: CloudWorld) -> None:
    """It says which version of which project has how many spiders."""
    answer = deploy(world, "2", "3af023e-master")
    assert (answer.status, json.loads(answer.body.splitlines()[-1])) == (
        200,
        {"status": "ok", "project": 2, "version": "3af023e-master", "spiders": 2},
    )
    spiders = world.client().get("/api/spiders/list.json?project=2").json["spiders"]
    assert [spider["version"] for spider in spiders] == ["3af023e-master"] * 2
    assert world.run(project="2") == "2/1/1"
    assert world.metadata("2/1/1")["version"] == "3af023e-master"


def test_a_new_number_becomes_a_project(world: CloudWorld) -> None:
    """Who comes from Scrapy Cloud keeps the numbers of the projects."""
    assert json.loads(deploy(world, "123").body)["project"] == 123
    answer = world.client().get("/api/scrapyd/listprojects.json")
    assert answer.json["projects"] == [1, 2, 123]
    assert world.run(project="123") == "123/1/1"


def test_the_version_of_a_branch(world: CloudWorld) -> None:
    """What cannot stand in a version is replaced."""
    assert json.loads(deploy(world, "2", "1a2b-feature/new thing").body)["version"] == (
        "1a2b-feature-new-thing"
    )


def test_what_is_left_aside_is_said(world: CloudWorld) -> None:
    """Requirements are not installed; the log says so before its last line."""
    answer = deploy(world, "2", requirements=("requirements.txt", b"requests\n"))
    first, last = answer.text.splitlines()
    assert first.startswith("Left aside: requirements.")
    assert json.loads(last)["status"] == "ok"


@pytest.mark.parametrize("missing", ["project", "version", "egg"])
def test_all_parts_are_needed(world: CloudWorld, missing: str) -> None:
    """Without one it is 400, and the last line is JSON."""
    form = {name: "1" for name in ("project", "version") if name != missing}
    files = {} if missing == "egg" else {"egg": ("a.egg", egg())}
    answer = world.client().post(URL, form=form, files=files)
    assert (answer.status, answer.json) == (
        400,
        {"status": "badrequest", "message": f"Missing argument: {missing}"},
    )


@pytest.mark.parametrize("version", ["", "///", "é"])
def test_a_version_needs_a_letter_or_a_digit(world: CloudWorld, version: str) -> None:
    """Otherwise it is 400."""
    assert deploy(world, "2", version).status == 400


@pytest.mark.parametrize("project", ["nothing", "0", "07", "99999999999", "9" * 30, ""])
def test_an_unknown_name_is_no_project(world: CloudWorld, project: str) -> None:
    """Only a usual number makes a new project."""
    answer = deploy(world, project)
    assert (answer.status, sorted(answer.json)) == (400, ["message", "status"])


@pytest.mark.parametrize("body", [b"not a zip", b""])
def test_a_failed_first_deploy_leaves_no_number(world: CloudWorld, body: bytes) -> None:
    """The new number is a project only once something was deployed to it."""
    files = {"egg": ("a.egg", body)}
    answer = world.client().post(URL, form={"project": "123", "version": "1"}, files=files)
    assert answer.status == 400
    assert world.client().get("/api/scrapyd/listprojects.json").json["projects"] == [1, 2]


def test_a_spiderless_first_deploy_leaves_no_number(world: CloudWorld) -> None:
    """Neither does one whose spiders cannot be listed."""
    world.spider_lists["123"] = BadArchive("The spiders cannot be listed")
    assert deploy(world, "123").status == 400
    assert world.client().get("/api/scrapyd/listprojects.json").json["projects"] == [1, 2]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/jobq/77/push", b'{"spider": ""}'),
        ("POST", "/jobq/77/push", b'{"spider": "s", "tags": 7}'),
        ("POST", "/projects/77/settings", b'{"": 1}'),
        ("POST", "/activity/77", b"7"),
        ("GET", f"/ids/77/spider/{'a' * 300}?create=1", b""),
    ],
)
def test_what_is_refused_leaves_no_number(
    world: CloudWorld, method: str, path: str, body: bytes
) -> None:
    """No other refused request to a new number makes a project of it either."""
    assert world.client().request(method, path, body=body).status == 400
    assert world.client().get("/api/scrapyd/listprojects.json").json["projects"] == [1, 2]


def test_a_broken_egg_is_refused(world: CloudWorld) -> None:
    """The version before stays current."""
    files = {"egg": ("a.egg", b"not a zip")}
    form = {"project": "1", "version": "2"}
    answer = world.client().post(URL, form=form, files=files)
    assert (answer.status, answer.json["status"]) == (400, "badrequest")
    spiders = world.client().get("/api/spiders/list.json?project=1").json["spiders"]
    assert [spider["version"] for spider in spiders] == ["1", "1"]


def test_an_egg_has_a_limit(world: CloudWorld) -> None:
    """Above it the answer is 413 with status and message."""
    files = {"egg": ("a.egg", b"x" * (1 << 21))}
    form = {"project": "1", "version": "2"}
    answer = world.client().post(URL, form=form, files=files)
    assert (answer.status, answer.json["status"]) == (413, "badrequest")


def test_shub_looks_before_it_asks(world: CloudWorld) -> None:
    """Its commands read metadata, and cancel through the queue."""
    key = world.run()
    client = world.client()
    assert lines(client.get(f"/jobs/{key}"))[0]["state"] == "pending"
    body = json.dumps([{"key": key}]).encode()
    assert client.post("/jobq/1/cancel", body=body).json == {"count": 1}
