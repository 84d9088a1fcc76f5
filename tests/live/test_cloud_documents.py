"""Every curl line of the Scrapy Cloud documents against a daemon, but for host and project."""

import json
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live.running import Running, running

pytestmark = pytest.mark.live

SPIDER = "somespider"
HOSTS = {
    "https://storage.scrapinghub.com": "",
    "https://app.scrapinghub.com": "",
    "https://dash.scrapinghub.com": "",
}
STATES = "state=pending&state=running&state=finished&state=deleted"


class Documents:
    """Runs lines of the documents with an API key that is none in particular."""

    def __init__(self, daemon: Running) -> None:
        self._url = daemon.url

    def curl(self, line: str) -> str:
        """Run a line as it is printed, and return what curl printed."""
        for host in HOSTS:
            line = line.replace(host, self._url)
        words = shlex.split(line.removeprefix("$ ").replace("\\\n", " "))
        done = subprocess.run(
            [words[0], "-sS", *words[1:]], capture_output=True, check=True, timeout=30
        )
        return done.stdout.decode()

    def json(self, line: str) -> Any:
        return json.loads(self.curl(line))

    def lines(self, line: str) -> list[Any]:
        return [json.loads(row) for row in self.curl(line).splitlines()]

    def push(self, project: int, *jobs: dict[str, Any]) -> list[str]:
        """Make jobs of outside runners, in a project that need not exist."""
        body = "\n".join(json.dumps({"spider": SPIDER, **job}) for job in jobs)
        line = f"curl -u APIKEY: https://storage.scrapinghub.com/jobq/{project}/push -d"
        return [row["key"] for row in self.lines(f"{line} {shlex.quote(body)}")]


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Documents]:
    with running(tmp_path_factory.mktemp("daemon")) as daemon:
        yield Documents(daemon)


def test_job_metadata(documents: Documents) -> None:
    """Job metadata API: the metadata of a job, and one field of it."""
    tags = ["tag1", "tag2"]
    documents.push(1, *({"spider": name} for name in ("a", "b", "b")))
    [key] = documents.push(1, {"spider": "b", "tags": tags, "spider_args": {"arg1": "val1"}})
    assert key == "1/2/3"
    metadata = documents.json("$ curl -u APIKEY: https://storage.scrapinghub.com/jobs/1/2/3")
    assert (metadata["spider_args"], metadata["state"]) == ({"arg1": "val1"}, "pending")
    assert (
        documents.json("$ curl -u APIKEY: https://storage.scrapinghub.com/jobs/1/2/3/tags") == tags
    )


def test_run(documents: Documents) -> None:
    """Jobs API: run.json with a spider's name, and with its number."""
    create = "curl -u APIKEY: https://storage.scrapinghub.com/ids/123/spider/somespider?create=1"
    assert documents.json(create) == 1
    by_name = documents.json(
        r"""$ curl \
    -u APIKEY: \
    https://app.scrapinghub.com/api/run.json \
    -d project=123 \
    -d spider=somespider \
    -d units=2 \
    -d add_tag=sometag \
    -d spiderarg1=example \
    -d job_settings='{"CLOSESPIDER_PAGECOUNT": "10"}'"""
    )
    assert by_name == {"status": "ok", "jobid": "123/1/1"}
    again = r"""$ curl \
    -u APIKEY: \
    https://app.scrapinghub.com/api/run.json \
    -d project=123  \
    -d jobq_id=1  \
    -d units=2  \
    -d add_tag=sometag  \
    -d spiderarg1=example  \
    -d job_settings='{"CLOSESPIDER_PAGECOUNT": "10"}'"""
    assert documents.json(again) == {"status": "error", "message": "somespider already scheduled"}
    stop = (
        "$ curl -u APIKEY: https://app.scrapinghub.com/api/jobs/stop.json"
        " -d project=123 -d job=123/1/1"
    )
    assert documents.json(stop) == {"status": "ok"}
    assert documents.json(again) == {"status": "ok", "jobid": "123/1/2"}
    metadata = documents.json("curl -u APIKEY: https://storage.scrapinghub.com/jobs/123/1/2")
    assert {name: metadata[name] for name in ("units", "tags", "spider_args", "job_settings")} == {
        "units": 2,
        "tags": ["sometag"],
        "spider_args": {"spiderarg1": "example"},
        "job_settings": {"CLOSESPIDER_PAGECOUNT": "10"},
    }


@pytest.mark.parametrize("host", ["app", "dash"])
def test_lists(documents: Documents, host: str) -> None:
    """Jobs API, both editions: finished jobs, running ones, and such without a tag."""
    documents.push(
        124,
        *({"state": "finished", "close_reason": "finished"} for _ in range(4)),
        {"state": "running"},
        {"state": "finished", "tags": ["consumed"]},
    )
    url = f"https://{host}.scrapinghub.com/api/jobs/list.json?project=124"

    def ids(query: str) -> list[str]:
        answer = documents.json(f'$ curl -u APIKEY: "{url}{query}"')
        assert (answer["status"], answer["count"]) == ("ok", len(answer["jobs"]))
        return [job["id"].removeprefix("124/1/") for job in answer["jobs"]]

    finished = ids("&spider=somespider&state=finished&count=3")
    running = ids("&state=running")
    without = ids("&lacks_tag=consumed")
    assert len(finished) == 3
    assert len(set(running)) == len(running) >= 1
    assert not set(finished[:1]) & set(without)
    assert set(running) < set(without)
    lines = documents.lines(f'curl -u APIKEY: "{url.replace(".json", ".jl")}&lacks_tag=consumed"')
    assert [lines[0]["status"], len(lines) - 1] == ["ok", len(without)]


def test_changes(documents: Documents) -> None:
    """Jobs API, both editions: tag, delete and stop jobs."""
    documents.push(125, {"state": "finished"}, {"state": "finished"}, {"state": "finished"})
    documents.push(125, {"spider": "other"}, {"spider": "other"})
    for host in ("app", "dash"):
        update = documents.json(
            f"$ curl -u APIKEY: https://{host}.scrapinghub.com/api/jobs/update.json"
            " -d project=125 -d job=125/1/1 -d add_tag=consumed"
        )
        assert update == {"status": "ok", "count": 1}
    delete = documents.json(
        "$ curl -u APIKEY: https://app.scrapinghub.com/api/jobs/delete.json"
        " -d project=125 -d job=125/1/2 -d job=125/1/3"
    )
    assert delete == {"status": "ok", "count": 2}
    stop = documents.json(
        "$ curl -u APIKEY: https://dash.scrapinghub.com/api/jobs/stop.json"
        " -d project=125 -d job=125/2/1 -d job=125/2/2"
    )
    assert stop == {"status": "ok"}
    rows = documents.lines(
        f'curl -u APIKEY: "https://storage.scrapinghub.com/jobq/125/list?{STATES}'
        '&jobmeta=tags&jobmeta=close_reason"'
    )
    assert {
        row["key"]: (row["state"], row.get("tags"), row.get("close_reason")) for row in rows
    } == {
        "125/1/1": ("finished", ["consumed"], None),
        "125/1/2": ("deleted", None, None),
        "125/1/3": ("deleted", None, None),
        "125/2/1": ("finished", None, "cancelled"),
        "125/2/2": ("finished", None, "cancelled"),
    }


def test_counts(documents: Documents) -> None:
    """JobQ API: count, also by tags."""
    documents.push(
        53, {"state": "finished", "tags": ["tagA"]}, {"state": "finished", "tags": ["tagB"]}
    )
    url = "https://storage.scrapinghub.com/jobq/53/count"
    assert [
        documents.curl(f'$ curl -u APIKEY: "{url}{query}"')
        for query in ("", "?has_tag=tagA&has_tag=tagB", "?lacks_tag=tagA&lacks_tag=tagB")
    ] == ["2", "2", "0"]
    assert documents.curl(f"$ curl -u APIKEY: {url}") == "2"


def test_lists_of_the_queue(documents: Documents) -> None:
    """JobQ API: list, between two times, and up to a known job."""
    keys = [documents.push(54, {"state": "finished"})[0] for _ in range(4)]
    url = "https://storage.scrapinghub.com/jobq/54/list"
    rows = documents.lines(f"$ curl -u APIKEY: {url}")
    assert [row["key"] for row in rows] == keys[::-1]
    times = [row["ts"] for row in rows]
    between = documents.lines(f'$ curl -u APIKEY: "{url}?startts={times[2]}&endts={times[0]}"')
    assert [row["key"] for row in between] == [keys[2], keys[1]]
    newer = documents.lines(f'$ curl -u APIKEY: "{url}?stop={keys[1]}"')
    assert [row["key"] for row in newer] == [keys[3], keys[2]]


def test_without_a_key(documents: Documents, tmp_path: Path) -> None:
    """Without an API key the services refuse, also on a loopback address."""
    body = tmp_path / "body"
    code = f"curl -o {body} -w %{{http_code}}"
    assert documents.curl(f"{code} https://storage.scrapinghub.com/jobq/53/count") == "401"
    assert json.loads(body.read_text()) == {"error": "Unauthorized", "message": "Unauthorized"}
    url = "https://app.scrapinghub.com/api/jobs/list.json?project=123"
    assert documents.curl(f'{code} "{url}"') == "403"
    assert json.loads(body.read_text())["message"] == "Authentication failed"
