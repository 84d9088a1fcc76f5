"""Items, logs and reports through the dash API."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.api.scrapy_cloud.cloud_world import CloudWorld, jl, lines
from tests.http_client import Answer

ITEMS = [{"name": f"n{number}", "price": number} for number in range(5)]
LOGS = [
    {"time": 1485269941065 + 1000 * number, "level": level, "message": f"m{number}"}
    for number, level in enumerate((10, 20, 40, 20, 30))
]

BAD_LEVEL = "level: must be one of DEBUG, INFO, WARNING, ERROR, CRITICAL"
BAD_NUMBER = f"must be a whole number from 0 to {'9' * 18}"


@pytest.fixture
def key(world: CloudWorld) -> str:
    """Return the key of a job of project 2 that has records."""
    key = world.push(state="running")
    client = world.client()
    for kind, records in (("items", ITEMS), ("logs", LOGS)):
        assert client.post(f"/{kind}/{key}", body=jl(*records)).status == 200
    return key


def get(world: CloudWorld, name: str, **query: Any) -> Answer:
    return world.client().get(f"/api/{name}?{urlencode({'project': 2, **query}, doseq=True)}")


def test_items_as_json_lines(world: CloudWorld, key: str) -> None:
    """All of them, some of them, the latest of them; with their keys on demand."""
    assert lines(get(world, "items.jl", job=key)) == ITEMS
    assert lines(get(world, "items.jl", job=key, offset=1, count=2)) == ITEMS[1:3]
    assert lines(get(world, "items.jl", job=key, count=-2)) == ITEMS[3:]
    assert lines(get(world, "items.jl", job=key, count=-9, offset=4)) == ITEMS[4:]
    assert lines(get(world, "items.jl", job=key, count=0)) == []
    assert lines(get(world, "items.jl", job=key, offset=9)) == []
    [first] = lines(get(world, "items.jl", job=key, count=1, meta="_key"))
    assert first == {**ITEMS[0], "_key": f"{key}/0"}


def test_items_as_json(world: CloudWorld, key: str) -> None:
    """One array, of 100 items at most."""
    answer = get(world, "items.json", job=key)
    assert (answer.headers["content-type"], answer.json) == (
        "application/json; charset=UTF-8",
        ITEMS,
    )
    more = [{"number": number} for number in range(200)]
    world.client().post(f"/items/{key}?start=0", body=jl(*more))
    assert get(world, "items.json", job=key).json == more[:100]
    assert get(world, "items.json", job=key, count=150, offset=20).json == more[20:120]
    assert get(world, "items.json", job=key, count=-3).json == more[-3:]
    assert lines(get(world, "items.jl", job=key)) == more


def test_items_as_csv(world: CloudWorld, key: str) -> None:
    """The columns that are named, below their names if they are wanted."""
    plain = get(world, "items.csv", job=key, fields="price,name", include_headers=0, count=2)
    headed = get(world, "items.csv", job=key, fields="price", include_headers=1, count=1)
    assert (plain.text, headed.text) == ("0,n0\n1,n1\n", "price\n0\n")
    assert get(world, "items.csv", job=key).json == {
        "status": "badrequest",
        "message": "fields: must name the columns, as in fields=url,price",
    }


def test_items_of_a_spider(world: CloudWorld, key: str) -> None:
    """They are those of its last finished job."""
    missing = get(world, "items.jl", spider="crawler")
    world.update({"key": key, "state": "finished"})
    world.push(state="running")
    assert missing.status == get(world, "items.jl", spider="unknown").status == 404
    assert lines(get(world, "items.jl", spider="crawler")) == ITEMS


def test_log_as_json(world: CloudWorld, key: str) -> None:
    """Entries have the names of old, from a level on; an offset counts those of the level."""
    rows = [
        {"logLevel": level, "message": f"m{number}", "time": f"2017-01-24T14:59:0{1 + number}"}
        for number, level in enumerate((10, 20, 40, 20, 30))
    ]
    assert lines(get(world, "log.jl", job=key)) == rows
    assert get(world, "log.json", job=key).json == rows
    assert lines(get(world, "log.jl", job=key, level="WARNING")) == [rows[2], rows[4]]
    assert lines(get(world, "log.jl", job=key, level="info", offset=1, count=2)) == rows[2:4]
    assert lines(get(world, "log.jl", job=key, level=20, count=-2)) == rows[3:]
    assert lines(get(world, "log.jl", job=key, count=-2)) == rows[3:]


def test_log_as_text(world: CloudWorld, key: str) -> None:
    """A line for each entry."""
    answer = get(world, "log.txt", job=key, level="WARNING")
    assert (answer.headers["content-type"], answer.text) == (
        "text/plain; charset=UTF-8",
        "2017-01-24 14:59:03 ERROR m2\n2017-01-24 14:59:05 WARNING m4\n",
    )


@pytest.mark.parametrize(
    ("name", "query", "message"),
    [
        ("items.jl", {}, "Missing argument: job"),
        ("items.jl", {"job": "x"}, "job: 'x' is not a job key such as '1/2/3'"),
        ("items.jl", {"job": "1/1/1"}, "job: must be of project 2"),
        ("log.jl", {"job": "2/1/1", "level": "LOUD"}, BAD_LEVEL),
        ("log.jl", {"job": "2/1/1", "level": "-1"}, BAD_LEVEL),
        ("log.jl", {"job": "2/1/1", "offset": "-1"}, f'offset: {BAD_NUMBER}, not "-1"'),
    ],
)
def test_what_means_nothing(
    world: CloudWorld, key: str, name: str, query: dict[str, str], message: str
) -> None:
    """It is refused with a sentence that names the argument."""
    assert key == "2/1/1"
    answer = get(world, name, **query)
    assert (answer.status, answer.json) == (400, {"status": "badrequest", "message": message})


def test_unknown_jobs(world: CloudWorld) -> None:
    """They are 404: of old lines the client does not see whether they tell of an error."""
    answer = get(world, "items.jl", job="2/1/99")
    assert (answer.status, answer.json) == (
        404,
        {"status": "error", "message": 'No such job: "2/1/99"'},
    )


def test_reports(world: CloudWorld, key: str) -> None:
    """A report is kept in the metadata under its key, and replaced by the next of that key."""
    form = {"project": "2", "job": key, "key": "qa", "content_type": "text/x-rst"}
    client = world.client()
    for content in ("first", "=====\nTitle é\n====="):
        file = {"content": ("report", content.encode())}
        assert client.post("/api/reports/add.json", form=form, files=file).json == {"status": "ok"}
    more = {**form, "key": "other", "content_type": "text/plain", "content": "as a field"}
    assert client.post("/api/reports/add.json", form=more).json == {"status": "ok"}

    assert json.loads(client.get(f"/jobs/{key}/reports").body) == {
        "qa": {"content_type": "text/x-rst", "content": "=====\nTitle é\n====="},
        "other": {"content_type": "text/plain", "content": "as a field"},
    }


def test_bad_reports(world: CloudWorld, key: str) -> None:
    """One of another type, of no text, of no job, or too large is refused."""
    form = {"project": "2", "job": key, "key": "qa", "content_type": "text/plain"}
    client = world.client()

    def post(content: bytes, **other: str) -> tuple[int, str]:
        file = {"content": ("report", content)}
        answer = client.post("/api/reports/add.json", form={**form, **other}, files=file)
        return answer.status, answer.json["message"]

    assert post(b"a", content_type="text/html") == (
        400,
        'content_type: must be one of text/plain, text/x-rst, not "text/html"',
    )
    assert post(b"\xff") == (400, "content: is not valid UTF-8")
    assert post(b"a", job="2/1/99") == (404, 'No such job: "2/1/99"')
    assert post(b"a", key="") == (400, "key: must be a text of 1 to 255 printable characters")
    assert post(b"x" * (1 << 21))[0] == 413
    assert client.post("/api/reports/add.json", form=form).json["message"] == (
        "Missing argument: content"
    )
    assert client.get(f"/jobs/{key}/reports").body == b"null"
