"""Spiders of unusual names, arguments of unusual names, and what a push warns of."""

import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import scrapy
from scrapinghub import ScrapinghubClient

from tests.live.running import Running, running, until

pytestmark = pytest.mark.live

KEY = "0123456789abcdef0123456789abcdef"
CONFIG = "[settings]\ndefault = odd.settings\n[deploy]\nproject = odd\n"
SETTINGS = "SPIDER_MODULES = ['odd.spiders']\nTELNETCONSOLE_ENABLED = False\n"
NAMES = (
    "my spider",
    "爬虫",
    "a/b",
    "/etc/x",
    "end/",
    "-option",
    "two\nlines",
    "a?b=c&d#e %2e",
    "🕷",
)
SPIDERS = f"""
import scrapy

class Echo(scrapy.Spider):
    async def start(self):
        given = dict(self.__dict__)
        del given["crawler"], given["settings"]
        yield {{"name": self.name, "arguments": given}}

for number, name in enumerate({NAMES!r}):
    members = {{"name": name, "__module__": __name__}}
    globals()[f"Echo{{number}}"] = type(f"Echo{{number}}", (Echo,), members)

class Number(Echo):
    name = 5

class Old(scrapy.Spider):
    name = "old"
    def start_requests(self):
        yield scrapy.Request("data:,")
"""


def pack(root: Path, files: Mapping[str, str]) -> Path:
    target = root / "odd.zip"
    with zipfile.ZipFile(target, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return target


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("odd")


@pytest.fixture(scope="module")
def daemon(root: Path) -> Iterator[Running]:
    with running(root) as daemon:
        yield daemon


@pytest.fixture(scope="module")
def pushed(daemon: Running, root: Path) -> dict[str, Any]:
    files = {
        "scrapy.cfg": CONFIG,
        "odd/__init__.py": "",
        "odd/settings.py": SETTINGS,
        "odd/spiders/__init__.py": "",
        "odd/spiders/all.py": SPIDERS,
        "odd/spiders/twin.py": "import scrapy\nclass Twin(scrapy.Spider):\n    name = '🕷'\n",
    }
    return daemon.ask("/push-project.json", archive=f"@{pack(root, files)}")


@pytest.fixture(scope="module")
def client(daemon: Running) -> Iterator[Any]:
    client = ScrapinghubClient(  # type: ignore[no-untyped-call]  # the library is untyped
        KEY, dash_endpoint=f"{daemon.url}/api/", endpoint=daemon.url
    )
    yield client
    client.close()  # type: ignore[no-untyped-call]  # the library is untyped


def test_what_the_push_says(daemon: Running, pushed: dict[str, Any]) -> None:
    """All that can be run is listed; what cannot, and what is odd, is told."""
    assert sorted([*NAMES, "old"]) == pushed["spiders"]
    assert pushed["warnings"][0] == ("Spider 5 cannot be run: its name is no text but of type int")
    assert pushed["warnings"][1].startswith("2 spiders are named '🕷': odd.spiders.all.Echo8, ")
    assert pushed["warnings"][2].startswith("Spider 'old' defines start_requests() but not ")
    assert len(pushed["warnings"]) == 3
    assert pushed["spiders"] == daemon.ask("/list-spiders.json?project=odd")["spiders"]


@pytest.mark.parametrize("name", NAMES[:-1])
def test_a_name_in_every_dialect(
    daemon: Running, pushed: dict[str, Any], client: Any, name: str
) -> None:
    """A spider of any name runs for both kinds of client, is found by its name, and is listed."""
    ours = daemon.finished(daemon.run(name, project="odd"))
    project = client.get_project(pushed["id"])
    job = project.jobs.run(name, job_args={"min-price": "5"})
    theirs = until(lambda: job.metadata.get("close_reason"), "the end of the job", 20)

    assert (ours["status"], ours["spider"], ours["items"]) == ("SUCCESSFUL", name, 1)
    assert theirs == "finished"
    assert [name] == [item["name"] for item in job.items.iter()]
    assert job.metadata.get("spider") == name
    assert {job.key, ours["key"]} == {one["key"] for one in project.jobs.iter(spider=name)}
    listed = daemon.ask(f"/list-jobs.json?status=COMPLETED&spider={quote(name, safe='')}")
    assert {name} == {one["spider"] for one in listed["jobs"]}
    number = int(ours["key"].split("/")[1])
    path = f"/ids/{pushed['id']}/spider/{quote(name, safe='')}"
    assert number == json.loads(daemon.curl(path, "-u", f"{KEY}:"))


def test_a_name_in_a_standing_order(daemon: Running, pushed: dict[str, Any]) -> None:
    """It can be ordered for later, and a push that drops it is refused by its name."""
    name = NAMES[1]
    form = {"project": "odd", "spider": name, "when": "every 3 days"}
    order = daemon.ask("/schedule-job.json", **form)
    run = daemon.ask("/run-schedule.json", id=order["identifier"])
    daemon.ask("/cancel-job.json", id=order["identifier"])

    assert daemon.finished(run["identifier"])["spider"] == name
    assert name in pushed["spiders"]


@pytest.mark.usefixtures("pushed")
def test_arguments_as_the_scrapy_command_passes_them(daemon: Running) -> None:
    """An argument may have any name but those that Scrapy's own calls use."""
    given = {"min-price": "5", "a.b": "x=y", "1": "one", "名": "", "a b": "blank", "class": "c"}
    job = daemon.run("my spider", project="odd", arg=[f"{k}={v}" for k, v in given.items()])

    assert daemon.finished(job)["status"] == "SUCCESSFUL"
    [item] = [json.loads(line) for line in daemon.curl(f"/get-items/data/{job}.jsonl").splitlines()]
    assert given == {name: item["arguments"][name] for name in given}
    assert given == daemon.job(job)["arguments"]


@pytest.mark.skipif(
    hasattr(scrapy.Spider, "start_requests"), reason="this version of Scrapy still calls it"
)
@pytest.mark.usefixtures("pushed")
def test_a_job_that_requested_nothing(daemon: Running) -> None:
    """A spider of an older Scrapy ends without a page, and the job says why."""
    job = daemon.finished(daemon.run("old", project="odd"))

    assert job["requests"] == 0
    [warning] = job["warnings"]
    assert warning.startswith("The spider defines start_requests() but not start(): Scrapy ")


def test_a_project_with_a_broken_file(daemon: Running, root: Path) -> None:
    """With `SPIDER_LOADER_WARN_ONLY` the project is taken, and the broken file is told."""
    files = {
        "scrapy.cfg": CONFIG.replace("odd\n", "half\n"),
        "odd/__init__.py": "",
        "odd/settings.py": f"{SETTINGS}SPIDER_LOADER_WARN_ONLY = True\n",
        "odd/spiders/__init__.py": "",
        "odd/spiders/broken.py": "import no_such_module\n",
    }
    answer = daemon.ask("/push-project.json", archive=f"@{pack(root, files)}")

    assert (answer["status"], answer["spiders"]) == ("ok", [])
    error = "ModuleNotFoundError: No module named 'no_such_module'"
    assert answer["warnings"] == [
        f"Spiders of odd.spiders are missing: {error} (odd/spiders/broken.py, line 1)",
        "The project has no spiders: SPIDER_MODULES names odd.spiders",
    ]
