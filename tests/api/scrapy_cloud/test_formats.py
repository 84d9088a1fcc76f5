"""The formats of records: chosen by `format` or Accept, each well formed to its end."""

import csv
import io
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from scrapy_do.api.scrapy_cloud.formats import pack
from scrapy_do.core.job import Job
from tests.api.scrapy_cloud.data_world import RUNNING, DataWorld, target
from tests.http_client import Answer

ITEMS = [
    {"name": 'a "b", c', "price": 1.5, "tags": ["x", "y"]},
    {"name": "Zoë\nline", "price": None},
]


@pytest.fixture
def data(tmp_path: Path) -> DataWorld:
    return DataWorld(tmp_path)


@pytest.fixture
def job(data: DataWorld) -> Job:
    job = data.add_job(state=RUNNING)
    data.write(job, *ITEMS)
    data.write(job, {"time": 1467131723000, "level": 30, "message": "careful"}, kind="logs")
    data.write(job, [1, 2, 3], kind="samples")
    return job


def get(data: DataWorld, path: str, accept: str = "*/*", **query: Any) -> Answer:
    answer = data.http.get(target(path, **query), headers={"Accept": accept})
    assert answer.status == 200, answer.text
    return answer


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", "application/x-jsonlines; charset=UTF-8"),
        ("*/*", "application/x-jsonlines; charset=UTF-8"),
        ("application/x-jsonlines", "application/x-jsonlines; charset=UTF-8"),
        ("application/json", "application/json; charset=UTF-8"),
        ("image/png, Application/JSON;q=0.5, */*", "application/json; charset=UTF-8"),
        ("application/x-msgpack", "application/x-msgpack; charset=UTF-8"),
        ("application/xml", "application/xml; charset=UTF-8"),
        ("text/plain", "text/plain; charset=UTF-8"),
    ],
)
def test_accept(data: DataWorld, job: Job, accept: str, wanted: str) -> None:
    """The first accepted type that we have decides; `format` wins over it."""
    path = f"/items/{job.key}"

    assert wanted == get(data, path, accept).headers["content-type"]
    assert ITEMS == json.loads(get(data, path, accept, format="json").text)


def test_json(data: DataWorld, job: Job) -> None:
    """JSON is one array, also when it is empty."""
    path = f"/items/{job.key}"

    assert ITEMS == get(data, path, format="json").json
    assert [{"_key": f"{job.key}/1"}] == get(
        data, path, format="json", start=f"{job.key}/1", nodata=1, meta="_key"
    ).json
    assert b"[]\n" == get(data, path, format="json", count=0).body
    assert [] == get(data, "/items/9/9", format="json").json


def test_csv(data: DataWorld, job: Job) -> None:
    """CSV has the fields that are named, in their order, quoted where needed."""
    answer = get(data, f"/items/{job.key}", format="csv", fields="price,name,tags,none")

    assert [
        ["1.5", 'a "b", c', '["x", "y"]', ""],
        ["", "Zoë\nline", "", ""],
    ] == list(csv.reader(io.StringIO(answer.text, newline="")))


def test_csv_options(data: DataWorld, job: Job) -> None:
    """Separator, quote, line end and a row of headers can be chosen."""
    options = {"sep": ";", "quote": "'", "lineend": "\r\n", "include_headers": "1"}

    answer = get(data, f"/items/{job.key}", "text/csv", fields="name,price", **options)

    assert "name;price\r\na \"b\", c;1.5\r\n'Zoë\nline';\r\n" == answer.text
    assert (
        "time,level,message\n" == get(data, "/logs/9/9/9", format="csv", include_headers="Y").text
    )


def test_csv_of_logs_and_samples(data: DataWorld, job: Job) -> None:
    """Logs have columns of their own, samples are rows already."""
    assert "1467131723000,30,careful\n" == get(data, f"/logs/{job.key}", format="csv").text
    assert "1,2,3\n" == get(data, f"/samples/{job.key}", format="csv").text


def test_text(data: DataWorld, job: Job) -> None:
    """Logs as text are lines for people."""
    assert (
        "2016-06-28 16:35:23 WARNING careful\n" == get(data, f"/logs/{job.key}", format="text").text
    )
    data.write(job, {"time": 10**18, "level": 25, "message": "?"}, kind="logs", start=0)
    assert "- 25 ?\n" == get(data, f"/logs/{job.key}", format="text").text
    assert "[1, 2, 3]\n" == get(data, f"/samples/{job.key}", "text/plain").text


def test_xml(data: DataWorld, job: Job) -> None:
    """XML names the fields in attributes, so that any name will do."""
    data.write(job, {"<&\"'>": "\u0001 <b> & c"})

    root = ET.fromstring(get(data, f"/items/{job.key}", format="xml").text)

    assert ["name", "price", "tags"] == [field.get("name") for field in root[0]]
    assert ["x", "y"] == [member.text for member in root[0][2]]
    assert ("<&\"'>", "? <b> & c") == (root[2][0].get("name"), root[2][0].text)
    assert 0 == len(ET.fromstring(get(data, "/items/9", format="xml").text))


def test_saveas(data: DataWorld, job: Job) -> None:
    """A download has a file name that cannot break out of its header."""
    answer = get(data, f"/items/{job.key}", saveas='a"b\r\nX: y/ü.jl')

    wanted = "attachment; filename*=UTF-8''a%22b%0D%0AX%3A%20y%2F%C3%BC.jl"
    assert wanted == answer.headers["content-disposition"]
    assert "x" not in answer.headers


def test_packing_what_is_too_deep() -> None:
    """Parts of a value that are nested deeper than packers allow are sent as JSON text."""
    value: Any = 2**70  # which packers do not have, either
    for _ in range(600):
        value = [value]

    packed = pack(value)

    text = b"[" * 400 + b"%d" % 2**70 + b"]" * 400
    assert packed.endswith(text)
    assert packed.startswith(b"\x91" * 200)
    assert pack([1, "a"]) == b"\x92\x01\xa1a"


def test_streams(data: DataWorld, job: Job) -> None:
    """A long answer is a stream and well formed in every format."""
    large = [{"n": number, "text": "x" * 5_000} for number in range(200)]
    data.write(job, *large, start=0)
    path = f"/items/{job.key}"

    answer = get(data, path, format="json")

    assert "chunked" == answer.headers["transfer-encoding"]
    assert large == answer.json
    assert large == data.read_packed(path)
    assert 200 == len(ET.fromstring(get(data, path, format="xml").text))
    assert 200 == get(data, path, format="csv", fields="n,text").text.count("\n")
