"""The deploy tool of Scrapy Cloud, `shub`, works against a daemon: deploy, run, look, cancel.

It is installed from the package index into an environment of its own, once.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.live.compat import environment
from tests.live.running import PROJECTS, Running, running, until

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]  # the first run installs it

KEY = "0123456789abcdef0123456789abcdef"
PROJECT = 123
REMOTE_ERROR = os.EX_PROTOCOL
NOT_FOUND = os.EX_UNAVAILABLE

Shub = Callable[..., str]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shub")


@pytest.fixture(scope="module")
def daemon(home: Path) -> Iterator[Running]:
    root = home / "daemon"
    root.mkdir()
    with running(root, options={"SCRAPY_DO_WEB_AUTH": "on", "SCRAPY_DO_WEB_TOKEN": KEY}) as daemon:
        yield daemon


@pytest.fixture(scope="module")
def tool(daemon: Running, home: Path) -> Shub:
    """Return a function that runs shub in a copy of a project, and returns what it said."""
    installed = environment("shub-2.18", "shub==2.18.0", "setuptools<81")
    root = home / "good"
    shutil.copytree(PROJECTS / "good", root)
    (root / "scrapy.cfg").write_text("[settings]\ndefault = good.settings\n")
    (root / "scrapinghub.yml").write_text(f"project: {PROJECT}\n")
    user = home / ".scrapinghub.yml"
    user.write_text(f"endpoints:\n  default: {daemon.url}/api/\n")
    # It looks for a newer release of itself once a day, on the internet, unless it has today.
    seen = home / ".config" / "scrapinghub" / "last_release.txt"
    seen.parent.mkdir(parents=True)
    seen.write_text(
        json.dumps(
            {"_shub_last_update": datetime.now().astimezone().toordinal(), "name": "v2.18.0"}
        )
    )

    def call(*words: str, status: int = 0, typed: str = "") -> str:
        done = subprocess.run(
            [str(installed / "shub"), *words],
            cwd=root,
            env={
                "HOME": str(home),
                "PATH": f"{installed}:{os.environ['PATH']}",
                "SHUB_STORAGE": daemon.url,
                "GIT_CEILING_DIRECTORIES": str(home),
            },
            input=typed,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert status == done.returncode, done.stdout + done.stderr
        return done.stderr if status else done.stdout

    return call


@pytest.fixture(scope="module")
def shub(tool: Shub) -> Shub:
    """Return the tool after login and a first deploy."""
    asked = tool("login", typed=f"wrong\n{KEY}\n")
    assert ["failed", "OK"] == re.findall(r"API key(?: is)? (failed|OK)", asked)
    _deployed(tool("deploy", "--version", "v1"))
    return tool


def _deployed(printed: str) -> dict[str, Any]:
    """The line of JSON that ends the build log."""
    [line] = re.findall(r"^(\{.*\})$", printed, re.MULTILINE)
    found: dict[str, Any] = json.loads(line)
    return found


def _key(printed: str) -> str:
    [key] = re.findall(r"job ID: (\S+)", printed)
    return str(key)


def _ask(daemon: Running, path: str) -> Any:
    return json.loads(daemon.curl(path, "-u", f"{KEY}:"))


def _ended(daemon: Running, key: str) -> dict[str, Any]:
    """Wait for the end of a job; return its metadata."""

    def look() -> dict[str, Any] | None:
        found: dict[str, Any] = _ask(daemon, f"/jobs/{key}")
        return found if found["state"] == "finished" else None

    return until(look, f"the end of {key}")


def test_deploy(shub: Shub, daemon: Running) -> None:
    """A project is packed as an egg and sent; its version and its spiders are there."""
    result = _deployed(shub("deploy", "--version", "v2"))

    spiders = _ask(daemon, f"/api/spiders/list.json?project={PROJECT}")["spiders"]
    assert {"status": "ok", "project": PROJECT, "version": "v2", "spiders": len(spiders)} == result
    assert {"noop", "pages", "sleeper"} <= {spider["id"] for spider in spiders}
    assert {"v2"} == {spider["version"] for spider in spiders}


def test_deploy_without_a_version(shub: Shub, home: Path) -> None:
    """It is called by what the tool finds, the version of `setup.py` here."""
    assert (home / "good" / "setup.py").exists()
    assert "1.0" == _deployed(shub("deploy", str(PROJECT)))["version"]


def test_deploy_with_requirements(shub: Shub, home: Path) -> None:
    """They are left aside, which the build log says."""
    (home / "requirements.txt").write_text("requests\n")
    settings = home / "good" / "scrapinghub.yml"
    before = settings.read_text()
    settings.write_text(f"{before}requirements:\n  file: {home / 'requirements.txt'}\n")

    printed = shub("deploy", "--verbose", "--version", "v3")

    settings.write_text(before)
    assert "Left aside: requirements. Packages are those of the server's own" in printed
    assert "v3" == _deployed(printed)["version"]


def test_eggs_of_dependencies(shub: Shub) -> None:
    """They are neither taken nor given: packages are those of the server's environment."""
    said = shub("deploy-egg", str(PROJECT), status=REMOTE_ERROR)
    assert "Error: Deploy failed (400):\nEggs of dependencies are not kept here: crawls" in said
    said = shub("fetch-eggs", str(PROJECT), status=REMOTE_ERROR)
    assert "Error: Eggs could not be fetched. Status: 400" in said


def test_deploy_of_what_is_no_project(shub: Shub, home: Path) -> None:
    """It fails, and the tool shows why."""
    (home / "bad.egg").write_text("no zip")

    said = shub("deploy", "--egg", str(home / "bad.egg"), status=REMOTE_ERROR)

    assert said.endswith("Error: Deploy failed (400):\nNot a valid zip archive: no end record\n")


def test_schedule(shub: Shub, daemon: Running) -> None:
    """A job gets its arguments, settings, tags, priority, units and environment."""
    key = _key(
        shub(
            *("schedule", "mirror", "-a", "category=books", "-a", "page=2"),
            *("-s", "DEPTH_LIMIT=7", "-s", "LOG_LEVEL=INFO", "-t", "one", "-t", "two"),
            *("-p", "3", "-u", "2", "-e", "FLAVOUR=sweet"),
        )
    )
    ended = _ended(daemon, key)

    assert {
        "spider": "mirror",
        "spider_args": {"category": "books", "page": "2"},
        "job_settings": {"DEPTH_LIMIT": "7", "LOG_LEVEL": "INFO"},
        "tags": ["one", "two"],
        "priority": 3,
        "units": 2,
        "environment": {"FLAVOUR": "sweet"},
        "close_reason": "finished",
    } == {name: ended[name] for name in _GIVEN}
    [item] = [json.loads(line) for line in shub("items", key.partition("/")[2]).splitlines()]
    assert ({"category": "books", "page": "2"}, "sweet", "7") == (
        {name: item["arguments"][name] for name in ("category", "page")},
        item["environment"]["FLAVOUR"],
        item["depth"],
    )


_GIVEN = (
    *("spider", "spider_args", "job_settings", "tags", "priority", "units", "environment"),
    "close_reason",
)


def test_schedule_twice(shub: Shub, daemon: Running) -> None:
    """While a job is active another with the same arguments is refused, as is an unknown spider."""
    key = _key(shub("schedule", f"{PROJECT}/sleeper"))

    again = shub("schedule", "sleeper", status=REMOTE_ERROR)
    unknown = shub("schedule", "nothing", status=REMOTE_ERROR)
    shub("cancel", "--force", key.partition("/")[2])
    _ended(daemon, key)

    assert again.endswith("Error: sleeper already scheduled\n")
    assert unknown.endswith("Error: Unknown spider 123/nothing\n")


def test_what_a_job_wrote(shub: Shub, daemon: Running) -> None:
    """Items, requests and log are shown whole, or their last lines, also with the project."""
    key = _key(shub("schedule", "pages"))
    _ended(daemon, key)
    short = key.partition("/")[2]

    items = [json.loads(line) for line in shub("items", short).splitlines()]
    requests = [json.loads(line) for line in shub("requests", key).splitlines()]
    log = shub("log", short)

    assert ["one", "three", "two"] == sorted(item["text"] for item in items)
    assert items[-1:] == [json.loads(line) for line in shub("items", "-n", "1", key).splitlines()]
    assert [200] * 3 == [request["status"] for request in requests]
    assert f"{key}/0" == requests[0]["_key"]
    assert re.search(r"^\S+ \S+ ERROR \[pages\] an error line of two$", log, re.MULTILINE)
    last = shub("log", "-n", "1", short)
    assert last.endswith("[scrapy.core.engine] Spider closed (finished)\n")
    assert last.count("\n") == 1
    assert log.endswith(last)
    assert last == shub("log", "-f", "-n", "1", short)
    as_json = [json.loads(line) for line in shub("log", "--json", short).splitlines()]
    assert ({"_key", "level", "message", "time"}, f"{key}/0") == (
        set(as_json[0]),
        as_json[0]["_key"],
    )
    missing = shub("log", f"{PROJECT}/1/9999", status=NOT_FOUND)
    assert missing.endswith(f"Error: Job {PROJECT}/1/9999 does not exist\n")


def test_cancel(shub: Shub, daemon: Running) -> None:
    """A running job is ended, several at once; the count of them is shown."""
    keys = [_key(shub("schedule", "sleeper", "-a", f"number={number}")) for number in range(2)]

    printed = shub("cancel", *(key.partition("/")[2] for key in keys), typed="y\n")

    assert printed.endswith("{'count': 2}\n")
    assert ["cancelled"] * 2 == [_ended(daemon, key)["close_reason"] for key in keys]
    assert "{'count': 0}\n" == shub("cancel", "-f", str(PROJECT), keys[0].partition("/")[2])
