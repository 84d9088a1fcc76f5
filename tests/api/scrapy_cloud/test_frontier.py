"""Crawl frontiers over the Scrapy Cloud API: each fingerprint once, in batches, by priority."""

from pathlib import Path
from typing import Any

import pytest

from tests.api.scrapy_cloud.data_world import DataWorld

SLOT = "/hcf/1/test/s/example.com"


@pytest.fixture
def data(tmp_path: Path) -> DataWorld:
    return DataWorld(tmp_path)


def add(data: DataWorld, *requests: Any, path: str = SLOT, **query: Any) -> int:
    """Queue requests, texts for those that have only a fingerprint; return the new count."""
    lines = [{"fp": one} if isinstance(one, str) else one for one in requests]
    answer = data.post(path, *lines, **query)
    assert answer.status == 200, answer.text
    assert ["newcount"] == list(answer.json)
    count: int = answer.json["newcount"]
    return count


def queue(data: DataWorld, path: str = SLOT, **query: Any) -> list[list[str]]:
    """The fingerprints of each batch."""
    batches = data.read(f"{path}/q", **query)
    return [[fingerprint for fingerprint, _ in batch["requests"]] for batch in batches]


def seen(data: DataWorld, path: str = SLOT) -> list[str]:
    return [one["fp"] for one in data.read(f"{path}/f")]


def test_nothing(data: DataWorld) -> None:
    """What does not exist is empty, and may be deleted."""
    assert [] == data.http.get("/hcf/1/list").json
    assert [] == data.http.get("/hcf/1/test/list").json
    assert b"" == data.http.get(f"{SLOT}/q").body
    assert b"" == data.http.get(f"{SLOT}/f").body
    assert {"count": 0} == data.http.get(f"{SLOT}/q/count").json
    assert (200, b"") == (
        (answer := data.http.request("DELETE", SLOT)).status,
        answer.body,
    )
    assert 200 == data.post(f"{SLOT}/q/deleted", "00" * 9).status


def test_add_and_read(data: DataWorld) -> None:
    """Requests come back with their queue data, as often as they are read."""
    assert 2 == add(data, {"fp": "/", "qdata": {"depth": 1}, "p": 1}, {"fp": "page", "p": 1})

    batches = data.read(f"{SLOT}/q")

    assert [["/", {"depth": 1}], ["page", None]] == batches[0]["requests"]
    assert ["id", "requests"] == list(batches[0])
    assert batches[0]["id"].startswith("01")
    assert batches == data.read(f"{SLOT}/q")
    assert {"count": 2} == data.http.get(f"{SLOT}/q/count").json


def test_names(data: DataWorld) -> None:
    """Frontiers and slots are listed, each list on one line."""
    add(data, "a", path="/hcf/1/two/s/b%20c")
    add(data, "a", path="/hcf/1/one/s/z")
    add(data, path="/hcf/1/one/s/a")

    assert b'["one", "two"]\n' == data.http.get("/hcf/1/list").body
    assert ["a", "z"] == data.http.get("/hcf/1/one/list").json
    assert ["b c"] == data.http.get("/hcf/1/two/list").json


def test_fingerprints_once(data: DataWorld) -> None:
    """A fingerprint is queued once, even after its batch is gone; other slots do not matter."""
    assert 2 == add(data, "b", "a", "b")
    assert 1 == add(data, "a", "c", start=500)
    for batch in data.read(f"{SLOT}/q"):
        data.post(f"{SLOT}/q/deleted", batch["id"])

    assert 0 == add(data, "a", "b", "c")
    assert [] == queue(data)
    assert ["a", "b", "c"] == seen(data)
    assert 1 == add(data, "a", path="/hcf/1/test/s/other")


def test_batches(data: DataWorld) -> None:
    """A batch has a hundred requests of one POST and one priority at most."""
    add(data, *(f"{number:03}" for number in range(150)))
    add(data, "x")

    assert [100, 50, 1] == [len(batch) for batch in queue(data)]
    assert [f"{number:03}" for number in range(150)] == [
        fingerprint for batch in queue(data)[:2] for fingerprint in batch
    ]


def test_large_requests(data: DataWorld) -> None:
    """Large requests make smaller batches, and a queue of many pages comes whole."""
    names = [f"{number:03}" for number in range(30)]
    add(data, *({"fp": name, "qdata": "x" * 300_000} for name in names))

    assert names == [fingerprint for batch in queue(data) for fingerprint in batch]
    assert 4 == max(len(batch) for batch in queue(data))


def test_priorities(data: DataWorld) -> None:
    """The lowest priority comes first, within it the oldest; ids begin with it."""
    add(data, {"fp": "c", "p": 5}, {"fp": "b", "p": 0}, {"fp": "d", "p": 255})
    add(
        data,
        {"fp": "e", "p": 0},
        {"fp": "a", "p": -1},
        {"fp": "f", "p": 300},
        {"fp": "g", "p": 5.0},
    )

    assert [["a"], ["b"], ["e"], ["c"], ["g"], ["d"], ["f"]] == queue(data)
    assert ["00", "00", "00", "05", "05", "ff", "ff"] == [
        batch["id"][:2] for batch in data.read(f"{SLOT}/q")
    ]


@pytest.mark.parametrize(
    ("least", "sizes"),
    [
        (0, []),
        (1, [100]),
        (100, [100]),
        (101, [100, 50]),
        (200, [100, 50, 100]),
        (999, [100, 50, 100]),
    ],
)
def test_mincount(data: DataWorld, least: int, sizes: list[int]) -> None:
    """Whole batches are given until there are as many requests as asked for."""
    add(data, *(f"a{number}" for number in range(150)))
    add(data, *(f"b{number}" for number in range(100)))

    assert sizes == [len(batch) for batch in queue(data, mincount=least)]


def test_delete_batches(data: DataWorld) -> None:
    """Batches are deleted by id, one or several to a line; what is no id names none."""
    for name in "abcd":
        add(data, name)
    ids = [batch["id"] for batch in data.read(f"{SLOT}/q")]
    add(data, "x", path="/hcf/1/test/s/other")

    answer = data.post(f"{SLOT}/q/deleted", ids[0], [ids[2], ids[3]], "nonsense", "00" + "f" * 16)
    other = data.read("/hcf/1/test/s/other/q")[0]["id"]
    data.post(f"{SLOT}/q/deleted", other)

    assert (200, b"") == (answer.status, answer.body)
    assert [["b"]] == queue(data)
    assert [["x"]] == queue(data, "/hcf/1/test/s/other")
    assert {"count": 1} == data.http.get(f"{SLOT}/q/count").json


def test_delete_slot(data: DataWorld) -> None:
    """A deleted slot forgets what it has seen and is no longer listed."""
    add(data, *(f"{number}" for number in range(12_000)))
    add(data, "a", path="/hcf/1/test/s/other")

    assert 200 == data.http.request("DELETE", SLOT).status

    assert ["other"] == data.http.get("/hcf/1/test/list").json
    assert ([], []) == (queue(data), seen(data))
    assert 1 == add(data, "1")
    data.http.request("DELETE", SLOT)
    data.http.request("DELETE", "/hcf/1/test/s/other")
    assert [] == data.http.get("/hcf/1/list").json


def test_fingerprint_data(data: DataWorld) -> None:
    """What comes with a fingerprint is kept with it."""
    add(data, {"fp": "b", "fdata": {"x": [1]}}, {"fp": "a", "fdata": None})

    assert [{"fp": "a"}, {"fp": "b", "fdata": {"x": [1]}}] == data.read(f"{SLOT}/f")


def test_many_fingerprints(data: DataWorld) -> None:
    """Fingerprints of many pages come in order, each once."""
    names = [f"{number:05}" for number in range(11_000)]
    assert 11_000 == add(data, *reversed(names))

    assert names == seen(data)


@pytest.mark.parametrize(
    "line",
    [
        b"{}",
        b'{"fp": 1}',
        b'{"fp": ""}',
        b'"fp"',
        b'{"fp": "a", "p": "1"}',
        b'{"fp": "a", "p": 1e999}',
        b'{"fp": "a", "p": NaN, "q": 1',
        b'{"fp": "a", "p": true}',
        b'{"fp": "a", "p": 9223372036854775808}',
        b'{"fp": "a\\u0000"}',
        b'{"fp": "%s"}' % (b"f" * 2000),
    ],
)
def test_bad_lines(data: DataWorld, line: bytes) -> None:
    """A request that cannot be queued refuses its whole batch; the slot is not made."""
    answer = data.http.post(SLOT, body=b'{"fp":"good"}\n' + line)

    assert 400 == answer.status
    assert answer.text.startswith("Error parsing data, "), answer.text
    assert [] == data.http.get("/hcf/1/list").json


def test_bad_arguments(data: DataWorld) -> None:
    """What means nothing is refused."""
    add(data, "a")

    assert 400 == data.http.get(f"{SLOT}/q?mincount=x").status
    assert 400 == data.post(f"{SLOT}/q/deleted", 5).status
    assert 400 == data.post(f"/hcf/1/{'f' * 1025}/s/a", {"fp": "a"}).status
    assert 404 == data.post("/hcf/9/test/s/a", {"fp": "a"}).status
    assert [["a"]] == queue(data)
