"""Who may touch records, collections and frontiers; and that the routes are as documented."""

import json
import re
from typing import Any

import pytest

from scrapy_do.api.scrapy_cloud import collections, data, frontier
from scrapy_do.api.scrapy_cloud.data_services import DRAIN, data_services
from scrapy_do.operations.records import RecordKind
from scrapy_do.web.auth import OpenAccess
from tests.api.scrapy_cloud.cloud_world import CloudWorld
from tests.http_client import HttpClient

ROW = re.compile(r"^\| (GET|POST|DELETE) \| (/\S+) \| (\w+) \|", re.MULTILINE)
LINES = {
    "items": b"{}",
    "logs": b'{"message":"a","level":20}',
    "requests": b'{"url":"u","status":1,"method":"M","rs":1,"duration":1,"time":1}',
    "samples": b"[1]",
}


def runner(world: CloudWorld) -> tuple[str, HttpClient]:
    """A running job of project 2, and a client with its token."""
    answer = world.client("runner:").post(
        "/jobq/2/push", body=b'{"spider":"crawler","state":"running"}'
    )
    pushed: dict[str, Any] = json.loads(answer.text)
    return pushed["key"], world.client(f"{pushed['key']}:{pushed['auth']}")


@pytest.mark.parametrize("path", ["/items/2/1/1", "/collections/2/list", "/hcf/2/list"])
def test_without_credentials(guarded: CloudWorld, path: str) -> None:
    """Nobody is let in without a key; the answer is the one that the service is known for."""
    for auth in (None, "nobody:", "2/1/1:wrong"):
        answer = guarded.client(auth).get(path)
        assert (401, "Unauthorized") == (answer.status, answer.text)
        assert answer.headers["www-authenticate"] == 'Basic realm="apikey"'


def test_roles(guarded: CloudWorld) -> None:
    """A reading key reads; what writes needs a key that may run jobs."""
    key, _ = runner(guarded)
    writes = [
        (f"/items/{key}", b"{}"),
        ("/collections/2/s/a", b'{"_key":"a"}'),
        ("/hcf/2/a/s/a", b'{"fp":"a"}'),
    ]
    for path, body in writes:
        assert 403 == guarded.client("reader:").post(path, body=body).status
        assert 200 == guarded.client("runner:").post(path, body=body).status
    for path in (f"/items/{key}", "/items/2", "/collections/2/s/a", "/hcf/2/a/s/a/q"):
        assert 200 == guarded.client("reader:").get(path).status


@pytest.mark.parametrize("kind", RecordKind)
def test_records_of_a_running_job(guarded: CloudWorld, kind: RecordKind) -> None:
    """A job writes and reads its own records with its token, and nobody else's."""
    key, own = runner(guarded)
    other, _ = runner(guarded)

    assert 200 == own.post(f"/{kind}/{key}?start=0", body=LINES[kind]).status
    assert 1 == len(own.get(f"/{kind}/{key}").text.splitlines())
    assert 200 == own.get(f"/{kind}/{key}/0").status
    for path in (f"/{kind}/{other}", f"/{kind}/{other}/0", f"/{kind}/2", f"/{kind}/2/1"):
        assert 403 == own.get(path).status
    assert 403 == own.post(f"/{kind}/{other}", body=LINES[kind]).status
    assert 403 == own.get(f"/{kind}/{other}/0/field").status
    if kind is not RecordKind.SAMPLES:
        assert 200 == own.get(f"/{kind}/{key}/stats").status
        assert 403 == own.get(f"/{kind}/{other}/stats").status


def test_shared_data_of_a_project(guarded: CloudWorld) -> None:
    """A job shares the collections and frontiers of its project, not those of another."""
    _, own = runner(guarded)

    for path, body in (("s/a", b'{"_key":"a"}'),):
        assert 200 == own.post(f"/collections/2/{path}", body=body).status
        assert 403 == own.post(f"/collections/1/{path}", body=body).status
        assert 200 == own.get(f"/collections/2/{path}/a").status
        assert 403 == own.get(f"/collections/1/{path}/a").status
    assert 200 == own.post("/hcf/2/a/s/b", body=b'{"fp":"a"}').status
    assert 403 == own.post("/hcf/1/a/s/b", body=b'{"fp":"a"}').status
    assert (200, 403) == tuple(own.get(f"/hcf/{number}/list").status for number in (2, 1))
    assert 403 == own.post("/collections/1/delete?name=a").status


def test_a_token_outlives_its_job_for_a_while(guarded: CloudWorld) -> None:
    """Writers that still hold data may send it after the end of the job, not for ever."""
    key, own = runner(guarded)
    body = json.dumps({"key": key, "state": "finished"}).encode()
    guarded.client("runner:").post("/jobq/2/update", body=body)

    late = own.post(f"/items/{key}?start=0", body=b'{"n":1}').status
    guarded.clock.advance(DRAIN.total_seconds() + 1)
    too_late = own.post(f"/items/{key}?start=1", body=b'{"n":2}').status

    assert (200, 401) == (late, too_late)
    assert '{"n":1}\n' == guarded.client("reader:").get(f"/items/{key}").text


def test_every_route_is_documented(world: CloudWorld) -> None:
    """The tables of the modules are those of the routers: method, path and role."""
    kinds = [kind.value for kind in RecordKind]
    written = {
        (method, path.replace("<kind>", kind) if "/<kind>/<int" in path else path, role)
        for module in (data, collections, frontier)
        for method, path, role in ROW.findall(module.__doc__ or "")
        for kind in kinds
    }
    served = {
        (route.method, route.pattern, route.role.name)
        for dialect in data_services(world.operations, world.cloud.tokens, access=OpenAccess())
        for route in dialect.router.routes()
    }

    stats = "/samples/<int:project>/<int:spider>/<int:number>/stats"
    assert {("GET", stats, "READ")} == written - served  # the only kind without counts
    assert set() == served - written
