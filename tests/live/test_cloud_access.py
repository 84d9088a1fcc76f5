"""A crawl of ours calls the daemon with the client of Scrapy Cloud: only where it was granted."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live.running import PROJECTS, Running, pack, running, until

pytestmark = pytest.mark.live

TOKEN = "a-token-of-more-than-twenty-characters"

CONFIG = """
[project:calling]
cloud-access = on
"""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    root = tmp_path_factory.mktemp("granted")
    (root / "scrapy-do.conf").write_text(CONFIG)
    options = {"SCRAPY_DO_WEB_AUTH": "on", "SCRAPY_DO_WEB_TOKEN": TOKEN}
    words = ("--config", str(root / "scrapy-do.conf"))
    with running(root, options=options, words=words) as daemon:
        for name in ("calling", "good"):
            archive = pack(PROJECTS / name, root)
            ask(daemon, "/push-project.json", "-F", f"archive=@{archive}")
        yield daemon


def ask(daemon: Running, path: str, *words: str) -> Any:
    return json.loads(daemon.curl(path, "-u", f"{TOKEN}:", *words))


def crawl(daemon: Running, project: str, spider: str) -> tuple[dict[str, Any], list[Any]]:
    """Run a crawl to its end; return its metadata and its items."""
    form = ("-d", f"project={project}", "-d", f"spider={spider}")
    key = ask(daemon, "/api/run.json", *form)["jobid"]

    def look() -> dict[str, Any] | None:
        found: dict[str, Any] = ask(daemon, f"/jobs/{key}")
        return found if found["state"] == "finished" else None

    ended = until(look, f"the end of {key}")
    return ended, ask(daemon, f"/items/{key}?format=json")


def test_a_granted_crawl(daemon: Running) -> None:
    """The client needs no arguments, reaches the job and its project's data, and no more."""
    ended, items = crawl(daemon, "calling", "calls")

    key = "{project}/1/1".format_map(ended)
    assert [
        {
            "state": "running",
            "seen": {"by": key},
            "other job": "Forbidden",
            "other project": "Forbidden",
            "run": "Unauthorized",
            "_type": "dict",
        }
    ] == items
    assert ("finished", "from inside") == (ended["close_reason"], ended["note"])


def test_a_crawl_without_the_grant(daemon: Running) -> None:
    """It is told neither an address nor a token."""
    _, [item] = crawl(daemon, "good", "mirror")

    assert [] == [name for name in item["environment"] if name.startswith("SHUB_")]


def test_all_projects(tmp_path: Path) -> None:
    """With the grant for all, every crawl has the address that is listened on first."""
    options = {"SCRAPY_DO_CRAWLS_CLOUD_ACCESS": "on"}
    with running(tmp_path, options=options) as daemon:
        daemon.push("good", tmp_path)
        identifier = daemon.run("mirror")
        daemon.finished(identifier)
        item = json.loads(daemon.curl(f"/get-items/data/{identifier}.jsonl"))
        found = {
            name: text for name, text in item["environment"].items() if name.startswith("SHUB_")
        }
        key = found["SHUB_JOBKEY"]
        spider = json.loads(daemon.curl(f"/jobs/{key}/spider", "-u", "any:"))

    assert {
        "SHUB_APIURL": f"{daemon.url}/api/",
        "SHUB_JOBAUTH": found["SHUB_JOBAUTH"],
        "SHUB_JOBKEY": key,
        "SHUB_STORAGE": daemon.url,
    } == found
    assert bytes.fromhex(found["SHUB_JOBAUTH"]).startswith(f"{key}:".encode())
    assert spider == "mirror"
