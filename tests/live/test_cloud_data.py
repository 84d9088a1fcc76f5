"""Records, collections and frontiers by the official client of Scrapy Cloud, over sockets."""

import gzip
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from scrapinghub import HubstorageClient, ScrapinghubClient
from scrapinghub.client.exceptions import BadRequest, NotFound, ValueTooLarge

from tests.live.running import Running, running

pytestmark = pytest.mark.live

KEY = "some-api-key"
connect: Any = ScrapinghubClient  # untyped
connect_raw: Any = HubstorageClient  # the same


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    root = tmp_path_factory.mktemp("cloud")
    with running(root) as daemon:
        daemon.push("good", root)
        yield daemon


@pytest.fixture(params=[True, False], ids=["msgpack", "json"])
def client(daemon: Running, request: pytest.FixtureRequest) -> Iterator[Any]:
    client = connect(
        KEY,
        endpoint=daemon.url,
        dash_endpoint=f"{daemon.url}/api/",
        use_msgpack=request.param,
    )
    yield client
    client.close()


@pytest.fixture
def job(client: Any) -> Any:
    """A job that nobody runs but this test."""
    pushed = client._hsclient.push_job(1, "pages", state="running")
    return client.get_job(pushed.key)


def test_items(job: Any) -> None:
    """Items are written in batches and read whole, from an offset, filtered, in chunks."""
    items = [{"number": number, "name": f"é{number}"} for number in range(2500)]
    for item in items:
        job.items.write(item)
    job.items.flush()

    assert items == list(job.items.iter())
    assert items[2000:] == job.items.list(offset=2000)
    assert items[:3] == job.items.list(count=3)
    assert items[7:9] == job.items.list(start=f"{job.key}/7", count=2)
    assert [items[5]] == job.items.list(filter=[("number", "=", [5])])
    assert [items[-1]] == job.items.list(filter=['["number",">",[2000]]', ("name", "=", ["é2499"])])
    assert [f"{job.key}/0"] == [one["_key"] for one in job.items.iter(count=1, meta=["_key"])]
    assert [1000, 1000, 500] == [len(chunk) for chunk in job.items.list_iter(chunksize=1000)]
    assert [[items[10], items[11]], [items[12]]] == list(
        job.items.list_iter(chunksize=2, start=10, count=3)
    )
    assert items[42] == job.items.get(42)
    assert job.items.get(99_999) is None
    assert {"counts": {"number": 2500, "name": 2500}, "totals": {"input_values": 2500}} == {
        "counts": (stats := job.items.stats())["counts"],
        "totals": {"input_values": stats["totals"]["input_values"]},
    }
    assert 3 == len({one["_ts"] for one in job.items.iter(meta=["_ts"])})
    with pytest.raises(ValueTooLarge):
        job.items.write({"x": "x" * 2**20})
    job.items.close()


def test_empty_job(job: Any) -> None:
    """A fresh job has no records, and counts of zero."""
    assert [] == job.items.list()
    assert [] == job.logs.list()
    assert [] == job.requests.list()
    assert [] == job.samples.list()
    zeros = {"counts": {}, "totals": {"input_values": 0, "input_bytes": 0}}
    assert [zeros] * 3 == [job.items.stats(), job.logs.stats(), job.requests.stats()]


def test_logs(job: Any) -> None:
    """Log lines of all levels are written, read by level and counted."""
    job.logs.log("simple")
    job.logs.debug("debug")
    job.logs.info("info", appendmode=True)
    job.logs.warning("warn")
    job.logs.error("error", ts=1485269941065)
    job.logs.flush()

    logs = job.logs.list()

    assert ["simple", "debug", "info", "warn", "error"] == [log["message"] for log in logs]
    assert {"time": 1485269941065, "level": 40, "message": "error"} == logs[-1]
    assert ["warn", "error"] == [log["message"] for log in job.logs.iter(level="WARNING")]
    assert ["error"] == [log["message"] for log in job.logs.iter(offset=4)]
    assert {
        "counts": {"10": 1, "20": 2, "30": 1, "40": 1},
        "totals": {"input_values": 5, "input_bytes": len("simpledebuginfowarnerror") + 5},
    } == job.logs.stats()
    job.logs.close()


def test_logs_in_append_mode(job: Any) -> None:
    """A second writer in append mode goes on behind the first."""
    for message in ("first", "second"):
        client = connect_raw(KEY, endpoint=job._client._hsclient.endpoint)
        logs = client.get_job(job.key).logs
        logs.batch_append = True
        logs.info(message)
        logs.flush()
        client.close()

    assert ["first", "second"] == [log["message"] for log in job.logs.iter()]


def test_requests(job: Any) -> None:
    """Requests are written with parents, and read without what they have not."""
    common = {"status": 200, "method": "GET", "rs": 1337, "duration": 5}
    job.requests.add(url="http://a/", ts=1351777030000, **common)
    job.requests.add(url="http://b/", ts=1351777030001, parent=0, fp="1234", **common)
    job.requests.close()

    assert [
        {"url": "http://a/", "time": 1351777030000, **common},
        {"url": "http://b/", "time": 1351777030001, "parent": 0, "fp": "1234", **common},
    ] == job.requests.list()
    assert 2 == job.requests.stats()["totals"]["input_values"]


def test_samples(job: Any) -> None:
    """Samples are written and read as arrays."""
    now = int(time.time() * 1000)
    for number in range(5):
        job.samples.write([now + number, number, number, 0, 0])
    job.samples.flush()

    assert [[now + number, number, number, 0, 0] for number in range(5)] == job.samples.list()
    assert [[now, 0, 0, 0, 0]] == job.samples.list(count=1)
    job.samples.close()


def test_with_its_token(client: Any, daemon: Running) -> None:
    """A running job reaches its own data with its token, and nobody else's."""
    pushed, other = (
        next(client._hsclient.get_project(1).jobq.apipost("push", jl=new))
        for new in [{"spider": "pages", "state": "running"}] * 2
    )
    own = connect_raw((pushed["key"], pushed["auth"]), endpoint=daemon.url)
    job = own.get_job(pushed["key"])

    job.items.write({"a": 1})
    job.items.flush()

    assert [{"a": 1}] == list(job.items.list())
    with pytest.raises(requests.HTTPError, match="403"):
        list(own.get_job(other["key"]).items.list())
    own.close()
    answer = requests.get(f"{daemon.url}/items/{pushed['key']}", timeout=10)
    assert (401, "Unauthorized") == (answer.status_code, answer.text)


def test_progress(client: Any, job: Any) -> None:
    """What was written shows in the lists of jobs."""
    for number in range(3):
        job.items.write({"number": number})
    job.logs.error("bad")
    for kind in (job.items, job.logs):
        kind.flush()

    found = {row["key"]: row for row in client.get_project(1).jobs.iter(state="running")}

    assert (3, 1, 1) == tuple(found[job.key][name] for name in ("items", "logs", "errors"))


def test_items_of_a_crawl(daemon: Running, client: Any) -> None:
    """What a crawl of ours scrapes is read by the client, with its logs and requests."""
    identifier = daemon.run("pages")
    daemon.finished(identifier)
    rows = client.get_project(1).jobs.iter(state="finished", count=1)
    job = client.get_job(next(iter(rows))["key"])

    assert job.items.list() == [
        json.loads(line) for line in daemon.curl(f"/get-items/data/{identifier}.jsonl").splitlines()
    ]
    assert 3 == len(job.items.list())
    assert job.logs.stats()["totals"]["input_values"] == len(job.logs.list()) > 0
    by_url = {one["url"].rpartition(",")[2]: one for one in job.requests.iter(meta=["_key"])}
    assert {"one", "two", "three"} == set(by_url)
    assert by_url["one"]["_key"] == f"{job.key}/{by_url['three']['parent']}"
    assert "parent" not in by_url["two"]


def test_collections(client: Any) -> None:
    """A collection is written, read, counted, deleted from and truncated."""
    collections = client.get_project(1).collections
    store = collections.get_store("pages")
    store.truncate()
    values: list[Any] = [{"_key": f"test{number}", "n": number} for number in range(20)]
    for value in values:
        store.set(value)

    assert {"type": "s", "name": "pages"} in collections.list()
    assert {"n": 3} == store.get("test3")
    assert 20 == store.count()
    assert 11 == store.count(prefix="test1")
    by_key = sorted(values, key=lambda value: value["_key"])
    assert by_key == store.list(meta=["_key"])
    assert by_key[:2] == list(store.iter(count=2))
    assert [{"_key": "test5", "n": 5}] == store.list(key=["test5", "none"])
    assert {"_key": "test9"} == list(store.iter(nodata=True, meta=["_key"]))[-1]
    assert [12] == [one["n"] for one in store.iter(filter=['["n","=",[12]]'])]
    store.delete("test3")
    store.delete([f"test{number}" for number in range(10, 20)])
    assert 9 == store.count()
    with pytest.raises(NotFound):
        store.get("test3")
    with pytest.raises(BadRequest):
        store.set({"n": 1})
    with pytest.raises(ValueTooLarge):
        store.set({"_key": "large", "x": "x" * 2**20})
    store.truncate()
    assert [] == store.list()
    assert {"type": "s", "name": "pages"} not in collections.list()


@pytest.mark.parametrize("kind", ["cs", "vs", "vcs"])
def test_kinds_of_collections(client: Any, kind: str) -> None:
    """All kinds of collections work alike, each apart from the others."""
    collection = client.get_project(1).collections.get(kind, "kinds")
    for number in range(5):
        collection.set({"_key": "a", "number": number})

    assert ({"number": 4}, 1) == (collection.get("a"), collection.count())
    collection.truncate()


def test_collection_writer(client: Any) -> None:
    """A collection is written in batches, with either encoding."""
    store = client.get_project(1).collections.get_store("written")
    for encoding in ("gzip", "identity"):
        writer = store.create_writer(content_encoding=encoding)
        for number in range(1500):
            writer.write({"_key": f"{encoding}{number}", "number": number})
        writer.close()

    assert 3000 == store.count()
    store.truncate()


def test_frontiers(client: Any) -> None:
    """A frontier is filled, read, consumed and deleted, slot by slot."""
    frontiers = client.get_project(1).frontiers
    frontier = frontiers.get("test")
    slot = frontier.get("example.com")
    slot.delete()
    before = slot.newcount
    slot.q.add([{"fp": "/"}, {"fp": "page1.html", "p": 1, "qdata": {"depth": 1}}])
    slot.flush()
    slot.q.add([{"fp": "page1.html"}, {"fp": "page2.html"}])
    frontier.flush()
    slot.f.add(["fp1"])
    frontiers.flush()

    assert before + 4 == slot.newcount == frontier.newcount
    assert "test" in frontiers.list()
    assert ["example.com"] == frontier.list()
    batches = slot.q.list()
    assert [[["/", None]], [["page2.html", None]], [["fp1", None]]] == [
        batch["requests"] for batch in batches[:3]
    ]
    assert [["page1.html", {"depth": 1}]] == batches[3]["requests"]
    assert batches[:2] == slot.q.list(mincount=2)
    assert ["/", "fp1", "page1.html", "page2.html"] == slot.f.list()
    slot.q.delete(batches[0]["id"])
    slot.q.delete([batch["id"] for batch in batches[1:3]])
    assert batches[3:] == slot.q.list()
    slot.delete()
    assert [] == slot.q.list()
    assert "example.com" not in frontier.list()
    frontiers.close()


def test_sent_again(job: Any, daemon: Running) -> None:
    """A batch that is sent again, as after a lost answer, is stored once."""
    body = gzip.compress(b"".join(b'{"n":%d}\n' % number for number in range(1000)))
    for _ in range(2):
        answer = requests.post(
            f"{daemon.url}/items/{job.key}",
            params={"start": 0},
            data=body,
            headers={"Content-Encoding": "gzip"},
            auth=(KEY, ""),
            timeout=10,
        )
        assert (200, b"") == (answer.status_code, answer.content)

    assert 1000 == job.items.stats()["totals"]["input_values"] == len(job.items.list())


def test_many_small_calls(job: Any) -> None:
    """A hundred small reads do not wait for one another's packets."""
    job.items.write({"a": 1})
    job.items.flush()
    begun = time.monotonic()

    for _ in range(100):
        assert {"a": 1} == job.items.get(0)

    assert time.monotonic() - begun < 10  # delayed acknowledgements would cost 4 s
