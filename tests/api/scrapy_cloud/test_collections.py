"""Collections over the Scrapy Cloud API: values by key, scanned, counted, deleted."""

import json
from pathlib import Path
from typing import Any

import pytest

from scrapy_do.operations.cloud import collections as control
from tests.api.scrapy_cloud.data_world import MSGPACK, DataWorld, target
from tests.factories import at

START_MS = int(at(0).timestamp() * 1000)
STORE = "/collections/1/s/pages"


@pytest.fixture
def data(tmp_path: Path) -> DataWorld:
    return DataWorld(tmp_path)


def put(data: DataWorld, *keys: str, path: str = STORE, **fields: Any) -> None:
    answer = data.post(path, *({"_key": key, "n": key, **fields} for key in keys))
    assert (200, b"") == (answer.status, answer.body), answer.text


def keys(data: DataWorld, path: str = STORE, **query: Any) -> list[str]:
    return [value["_key"] for value in data.read(path, meta="_key", nodata="True", **query)]


# --- values ------------------------------------------------------------------------------------


def test_nothing(data: DataWorld) -> None:
    """What does not exist is empty; a single value of it is not found."""
    assert [] == data.read(STORE)
    assert [] == data.read("/collections/1/list")
    assert {"count": 0, "scanned": 0} == data.http.get(f"{STORE}/count").json
    answer = data.http.get(f"{STORE}/key")
    assert (404, "Not Found") == (answer.status, answer.text)
    assert 404 == data.http.get("/collections/9/s/pages/key").status


def test_round_trip(data: DataWorld) -> None:
    """A value comes back without its key, as JSON and as msgpack."""
    value = {"name": "Zoë", "list": [1, None, {"a": 1.5}], "half": "\ud800"}
    data.post(STORE, {"_key": "a/b c?ü", **value})
    path = f"{STORE}/a/b%20c%3F%C3%BC"

    answer = data.http.get(path)

    assert value == answer.json
    assert 1 == answer.text.count("\n")
    assert [value] == data.read(STORE)
    assert [{**value, "half": "?"}] == data.read_packed(path)
    assert [{**value, "half": "?"}] == data.read_packed(STORE)


def test_upsert(data: DataWorld) -> None:
    """The last value of a key counts, within a batch too."""
    data.post(STORE, {"_key": "a", "x": 1}, {"_key": "a", "y": 2})
    assert [{"y": 2}] == data.read(STORE)
    data.post(STORE, {"_key": "a"}, start=500)
    assert [{}] == data.read(STORE)


def test_one(data: DataWorld) -> None:
    """A single value can be written, read by field, and deleted."""
    assert 200 == data.post(f"{STORE}/k", {"a": "text", "b": [1], "_key": "other"}).status

    assert "text" == data.http.get(f"{STORE}/k/a").text
    assert "[1]" == data.http.get(f"{STORE}/k/b").text
    assert [[1]] == data.read_packed(f"{STORE}/k/b")
    assert 404 == data.http.get(f"{STORE}/k/c").status
    assert 404 == data.http.get(f"{STORE}/k/c", headers=MSGPACK).status
    assert 200 == data.http.request("DELETE", f"{STORE}/k").status
    assert 200 == data.http.request("DELETE", f"{STORE}/k").status
    assert 404 == data.http.get(f"{STORE}/k").status


def test_list(data: DataWorld) -> None:
    """The collections of a project are listed with exactly type and name, also empty ones."""
    put(data, "a")
    put(data, "a", path="/collections/1/vs/pages")
    put(data, path="/collections/1/cs/archive")

    assert [
        {"type": "cs", "name": "archive"},
        {"type": "s", "name": "pages"},
        {"type": "vs", "name": "pages"},
    ] == data.read("/collections/1/list")


# --- scans -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ({}, ["a", "test1", "test10", "test2", "z", "é", "\U0001f577"]),
        ({"count": 2}, ["a", "test1"]),
        ({"count": 0}, []),
        ({"key": ["z", "a", "none", "z"]}, ["a", "z"]),
        ({"key": "a", "prefix": "t"}, []),
        ({"prefix": "test1"}, ["test1", "test10"]),
        ({"prefix": ["z", "test", "test1"]}, ["test1", "test10", "test2", "z"]),
        ({"prefix": ["t", "z"], "prefixcount": 2}, ["test1", "test10", "z"]),
        ({"prefix": "\U0001f577"}, ["\U0001f577"]),
        ({"start": "test10"}, ["test10", "test2", "z", "é", "\U0001f577"]),
        ({"start": "test10", "prefix": "t"}, ["test10", "test2"]),
        ({"startafter": "test10", "prefix": "t"}, ["test2"]),
        ({"startafter": "z"}, ["é", "\U0001f577"]),
        ({"filter": '["n","=",["z"]]'}, ["z"]),
        ({"filter": '["n",">",["test"]]', "count": 2}, ["test1", "test10"]),
        ({"startts": START_MS + 1}, ["z", "é", "\U0001f577"]),
        ({"endts": START_MS + 1}, ["a", "test1", "test10", "test2"]),
    ],
)
def test_scan(data: DataWorld, query: dict[str, Any], wanted: list[str]) -> None:
    """Values come in the order of their keys as texts, and can be narrowed in many ways."""
    put(data, "test2", "test10", "test1", "a")
    put(data, "z", "é", "\U0001f577")

    assert wanted == keys(data, **query)
    if "count" not in query:
        count = data.http.get(target(f"{STORE}/count", **query)).json
        assert len(wanted) == count["count"]
        batch = data.http.get(target(f"{STORE}/scan", meta="_key", **query)).json
        assert wanted == [value["_key"] for value in batch["values"]]


def test_meta(data: DataWorld) -> None:
    """Key and time are added on demand; the times of two writes differ."""
    put(data, "a", "b")
    put(data, "c")

    assert [
        {"n": "a", "_key": "a", "_ts": START_MS},
        {"n": "b", "_key": "b", "_ts": START_MS},
        {"n": "c", "_key": "c", "_ts": START_MS + 1},
    ] == data.read(STORE, meta=["_key", "_ts"])
    assert {"n": "c", "_ts": START_MS + 1} == data.http.get(f"{STORE}/c?meta=_ts").json
    assert [{"_ts": START_MS}] == data.read_packed(f"{STORE}/a", meta="_ts", nodata=1)


def test_many(data: DataWorld) -> None:
    """A scan of several pages, with small and large values, is complete and in order."""
    for first in range(0, 2500, 500):
        put(data, *(f"{number:05}" for number in range(first, first + 500)), pad="x" * 200)
    put(data, "00700", "00701", "00702", "00703", pad="y" * 900_000)

    assert [f"{number:05}" for number in range(2500)] == keys(data)
    assert {"count": 2500, "scanned": 2500} == data.http.get(f"{STORE}/count").json
    assert [f"{number:05}" for number in range(990, 1010)] == [
        value["n"] for value in data.read(STORE, start="00990", count=20)
    ]


def test_scan_in_batches(data: DataWorld) -> None:
    """A scan in batches says where to go on, whether values pass or not."""
    put(data, *"abcdefg")

    first = data.http.get(target(f"{STORE}/scan", count=3)).json
    second = data.http.get(target(f"{STORE}/scan", start="d", maxscan=2)).json
    third = data.http.get(target(f"{STORE}/scan", filter='["n","=",["g"]]', maxscan=6)).json
    last = data.http.get(target(f"{STORE}/scan", start="f")).json

    assert {"values": [{"n": key} for key in "abc"], "nextstart": "d"} == first
    assert {"values": [{"n": "d"}, {"n": "e"}], "nextstart": "f"} == second
    assert {"values": [], "nextstart": "g"} == third
    assert {"values": [{"n": "f"}, {"n": "g"}]} == last


def test_count_in_batches(data: DataWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """A count that has to look at many values stops and says where to go on."""
    put(data, *(f"{number:04}" for number in range(2000)))
    monkeypatch.setattr(control, "SCANNED", 1000)

    first = data.http.get(target(f"{STORE}/count", filter='["n",">=",["0500"]]')).json
    second = data.http.get(
        target(f"{STORE}/count", filter='["n",">=",["0500"]]', start=first["nextstart"])
    ).json

    assert {"count": 500, "scanned": 1000, "nextstart": "1000"} == first
    assert {"count": 1000, "scanned": 1000} == second


def test_formats(data: DataWorld) -> None:
    """Scans have the formats of records."""
    put(data, "a", "b")

    assert [{"n": "a"}, {"n": "b"}] == data.http.get(f"{STORE}?format=json").json
    assert "a\nb\n" == data.http.get(f"{STORE}?format=csv&fields=n").text


# --- deleting ----------------------------------------------------------------------------------


def test_delete_keys(data: DataWorld) -> None:
    """Keys are deleted one or several to a line; unknown ones are no trouble."""
    put(data, *"abcd")

    assert 200 == data.post(f"{STORE}/deleted", "a", ["b", "x"]).status
    assert 200 == data.post(f"{STORE}/deleted").status
    assert 200 == data.post("/collections/1/s/none/deleted", "a").status

    assert ["c", "d"] == keys(data)


def test_delete_all(data: DataWorld) -> None:
    """What a scan would find can be deleted."""
    put(data, *"abcde")

    some = data.http.request("DELETE", target(STORE, filter='["n",">",["b"]]', prefix=["c", "d"]))
    rest = data.http.request("DELETE", STORE)

    assert {"deleted": 2, "scanned": 2} == some.json
    assert {"deleted": 3, "scanned": 3} == rest.json
    assert [] == keys(data)


def test_remove(data: DataWorld) -> None:
    """A removed collection is gone in all kinds, and begins anew with the next write."""
    put(data, *(f"{number}" for number in range(5000)))
    put(data, "a", path="/collections/1/vcs/pages")
    put(data, "a", path="/collections/1/s/other")

    answer = data.http.post("/collections/1/delete?name=pages")

    assert (202, {"status": "success", "deleted": "pages"}) == (answer.status, answer.json)
    assert [{"type": "s", "name": "other"}] == data.read("/collections/1/list")
    assert [] == data.read(STORE)
    assert 202 == data.http.post("/collections/1/delete?name=pages").status
    put(data, "new")
    assert ["new"] == keys(data)


def test_rename(data: DataWorld) -> None:
    """A collection gets a name that is free."""
    put(data, "a")
    put(data, "b", path="/collections/1/cs/pages")
    put(data, "c", path="/collections/1/s/taken")
    rename = "/collections/1/rename?name=pages&new_name="

    assert 400 == data.http.post(f"{rename}taken").status
    assert 400 == data.http.post(f"{rename}a.b").status
    assert 200 == data.http.post(f"{rename}moved").status

    assert ["a"] == keys(data, "/collections/1/s/moved")
    assert ["b"] == keys(data, "/collections/1/cs/moved")
    assert [] == keys(data)


# --- kinds -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["cs", "vcs"])
def test_expiry(data: DataWorld, kind: str) -> None:
    """Values of cached collections go after a month, and writes clear them away."""
    path = f"/collections/1/{kind}/pages"
    put(data, "old", path=path)
    data.world.clock.advance(20 * 86_400)
    put(data, "young", path=path)
    data.world.clock.advance(10 * 86_400)

    assert ["young"] == keys(data, path)
    assert {"count": 1, "scanned": 1} == data.http.get(f"{path}/count").json
    assert 404 == data.http.get(f"{path}/old").status


@pytest.mark.parametrize("kind", ["vs", "vcs"])
def test_versions(data: DataWorld, kind: str) -> None:
    """The three newest versions of a value are kept; a time tells which one is meant."""
    path = f"/collections/1/{kind}/pages"
    for number in range(5):
        data.post(path, {"_key": "a", "number": number})

    def at_ms(offset: int) -> list[int]:
        return [value["number"] for value in data.read(path, endts=START_MS + offset)]

    assert [{"number": 4}] == data.read(path)
    assert {"number": 4} == data.http.get(f"{path}/a").json
    assert {"count": 1, "scanned": 1} == data.http.get(f"{path}/count").json
    assert [[4], [3], [2], []] == [at_ms(offset) for offset in (5, 4, 3, 2)]
    data.post(f"{path}/deleted", "a")
    assert [] == at_ms(5)


# --- bad input ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{}", "Error parsing data, missing value for _key field"),
        (b'{"_key": 1}', "Error parsing data, missing value for _key field"),
        (b'{"_key": null}', "Error parsing data, missing value for _key field"),
        (b'{"_key": ""}', "Error parsing data, missing value for _key field"),
        (b"[]", "Error parsing data, a line must be an object"),
        (b"{", "Error parsing data, not a line of JSON: "),
        (b'{"_key": "\\ud800"}', "Error parsing data, the _key field is no Unicode text"),
        (b'{"_key": "a\\u0000"}', "Error parsing data, the _key field is too long, or"),
        (b'{"_key": "%s"}' % (b"k" * 1025), "Error parsing data, the _key field is too long"),
    ],
)
def test_bad_lines(data: DataWorld, line: bytes, message: str) -> None:
    """A line that cannot be stored refuses its whole batch; the collection is not made."""
    answer = data.http.post(STORE, body=b'{"_key":"a"}\n' + line)

    assert 400 == answer.status
    assert answer.text.startswith(message), answer.text
    assert [] == data.read("/collections/1/list")


def test_too_large(data: DataWorld) -> None:
    """A line above 1 MiB is refused with 413 and the limit."""
    answer = data.http.post(STORE, body=b'{"_key":"a","x":"%s"}' % (b"x" * 1_048_576))

    message = "Error parsing data, Serialized value too large - max 1048576 bytes"
    assert (413, message) == (answer.status, answer.text)
    single = data.http.post(f"{STORE}/k", body=b'{"x":"%s"}' % (b"x" * 1_048_576))
    assert (413, message) == (single.status, single.text)


def test_not_finite(data: DataWorld) -> None:
    """Numbers that JSON lacks become null."""
    body = b'{"_key":"a","n":NaN,"list":[1e999,-1e999,1]}'

    assert 200 == data.http.post(STORE, body=body).status
    assert {"n": None, "list": [None, None, 1]} == data.http.get(f"{STORE}/a").json


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/collections/1/x/pages"),
        ("POST", "/collections/1/x/pages"),
        ("POST", "/collections/1/s/a-b"),
        ("GET", f"{STORE}?count=x"),
        ("GET", f"{STORE}?prefixcount=-1"),
        ("GET", f"{STORE}?filter=x"),
        ("GET", f"{STORE}?{'&'.join(['key=a'] * 1001)}"),
        ("DELETE", f"{STORE}?filter=x"),
        ("GET", f"{STORE}/scan?maxscan=x"),
        ("POST", "/collections/1/delete"),
        ("POST", "/collections/1/rename?name=a"),
        ("POST", f"{STORE}/k"),
    ],
)
def test_bad_arguments(data: DataWorld, method: str, path: str) -> None:
    """What means nothing is refused, and nothing is changed."""
    put(data, "a")

    assert 400 == data.http.request(method, path).status
    assert ["a"] == keys(data)


def test_bad_deleted(data: DataWorld) -> None:
    """Keys to be deleted must be texts; else none is deleted."""
    put(data, *"ab")

    assert 400 == data.post(f"{STORE}/deleted", "a", 5).status
    assert 400 == data.post(f"{STORE}/deleted", "a", {"_key": "b"}).status
    assert ["a", "b"] == keys(data)


def test_no_project(data: DataWorld) -> None:
    """A project that does not exist has no collections, and takes none."""
    assert 404 == data.post("/collections/9/s/pages", {"_key": "a"}).status
    assert [] == data.read("/collections/9/list")


def test_one_line_each(data: DataWorld) -> None:
    """Whatever a value holds, it is one line."""
    data.post(STORE, {"_key": "a", "text": "line\nline\r\n\u2028"})

    assert 1 == data.http.get(STORE).text.count("\n")
    assert "line\nline\r\n\u2028" == json.loads(data.http.get(STORE).body)["text"]
