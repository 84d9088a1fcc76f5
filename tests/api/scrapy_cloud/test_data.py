"""Records over the Scrapy Cloud API: what is written is read back, exactly and in order."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from scrapy_do.core.job import Driver, Job
from scrapy_do.protocol.facts import Progress
from scrapy_do.protocol.record_file import RecordWriter
from tests.api.scrapy_cloud.data_world import FINISHED, RUNNING, DataWorld, target
from tests.factories import at

START_MS = int(at(0).timestamp() * 1000)


@pytest.fixture
def data(tmp_path: Path) -> DataWorld:
    return DataWorld(tmp_path)


@pytest.fixture
def job(data: DataWorld) -> Job:
    return data.add_job(state=RUNNING)


def numbers(*values: int) -> list[dict[str, int]]:
    return [{"n": value} for value in values]


# --- reading what was written ------------------------------------------------------------------


def test_nothing(data: DataWorld, job: Job) -> None:
    """A job without records, and no job at all, are an empty body."""
    for path in ("/items/1/1/1", "/logs/1/1/1/", "/items/1", "/items/1/1", "/samples/9/9/9"):
        answer = data.http.get(path)
        assert (200, b"") == (answer.status, answer.body)
    assert [] == data.read_packed(f"/items/{job.key}")


def test_round_trip(data: DataWorld, job: Job) -> None:
    """Items come back as they were, as JSON lines and as msgpack."""
    items = [{"name": "Zoë", "tags": ["a", None], "price": 1.5}, {}, {"n": 2**40, "x": {"y": True}}]

    answer = data.write(job, *items, start=0)

    assert (200, b"", "0") == (answer.status, answer.body, answer.headers["content-length"])
    assert items == data.read(f"/items/{job.key}")
    assert items == data.read_packed(f"/items/{job.key}")


def test_content_type(data: DataWorld, job: Job) -> None:
    """JSON lines say what they are, with their charset, and end in one newline each."""
    data.write(job, {"a": 1}, {"b": 2})

    answer = data.http.get(f"/items/{job.key}", headers={"Accept": "*/*"})

    assert "application/x-jsonlines; charset=UTF-8" == answer.headers["content-type"]
    assert b'{"a": 1}\n{"b": 2}\n' == answer.body
    assert str(len(answer.body)) == answer.headers["content-length"]


def test_logs(data: DataWorld, job: Job) -> None:
    """Of a log line its time, level and message are kept; the time is now if there is none."""
    data.write(job, {"message": "a", "level": 20, "idx": 7, "appendmode": True}, kind="logs")
    data.write(job, {"message": "b", "level": 40, "time": 5}, kind="logs")

    assert [
        {"time": START_MS, "level": 20, "message": "a"},
        {"time": 5, "level": 40, "message": "b"},
    ] == data.read(f"/logs/{job.key}")


def test_requests(data: DataWorld, job: Job) -> None:
    """Requests without parent or fingerprint come back without those fields."""
    sent = {"url": "http://a/", "status": 200, "method": "GET", "rs": 9, "duration": 3, "time": 1}
    data.write(
        job,
        {**sent, "parent": None, "fp": None},
        {**sent, "parent": 0, "fp": "ab"},
        kind="requests",
    )

    assert [sent, {**sent, "parent": 0, "fp": "ab"}] == data.read(f"/requests/{job.key}")


def test_samples(data: DataWorld, job: Job) -> None:
    """Samples are arrays and stay so; they get no meta fields and have no stats."""
    samples = [[1484570043851, 554, 576], [1484570046673, 561, 583]]
    data.write(job, *samples, kind="samples")

    assert samples == data.read(f"/samples/{job.key}", meta=["_key"], nodata="True")
    assert samples == data.read_packed(f"/samples/{job.key}", meta=["_key"])
    assert samples[1:] == data.read(f"/samples/{job.key}", startts=1484570043852)
    assert samples[:1] == data.read(f"/samples/{job.key}", endts=1484570046673)
    path = data.world.artifacts.prepare(job.id) / "samples.jsonl"
    path.write_bytes(path.read_bytes() + b'["no time"]\n')
    assert samples == data.read(f"/samples/{job.key}", startts=0)
    assert 404 == data.http.get(f"/samples/{job.key}/stats").status


def test_order_of_keys(data: DataWorld) -> None:
    """Records of a project are in the numeric order of spider, job and number."""
    last = data.add_job("toscrape-xpath")
    jobs = [data.add_job() for _ in range(11)]
    for one in (jobs[10], jobs[1], last):
        data.write(one, *numbers(*range(11)))

    keys = [record["_key"] for record in data.read("/items/1", meta="_key", nodata=1)]

    spider_1 = [f"1/1/{number}/{index}" for number in (2, 11) for index in range(11)]
    spider_2 = [f"1/2/1/{index}" for index in range(11)]
    assert spider_1 + spider_2 == keys
    assert spider_2 == [record["_key"] for record in data.read("/items/1/2", meta="_key")]


def test_key_wins(data: DataWorld, job: Job) -> None:
    """A record's own field named like a meta field is replaced by the meta field."""
    data.write(job, {"_key": "mine", "a": 1}, {})

    wanted = [{"_key": "1/1/1/0", "a": 1}, {"_key": "1/1/1/1"}]
    assert wanted == data.read(f"/items/{job.key}", meta="_key")
    assert wanted == data.read_packed(f"/items/{job.key}", meta="_key")


def test_commit_times(data: DataWorld, job: Job) -> None:
    """Each POST has one commit time, different from all others."""
    data.write(job, *numbers(0, 1))
    data.write(job, *numbers(2))

    rows = data.read(f"/items/{job.key}", meta=["_ts", "_key"], nodata="True")

    assert [
        {"_key": "1/1/1/0", "_ts": START_MS},
        {"_key": "1/1/1/1", "_ts": START_MS},
        {"_key": "1/1/1/2", "_ts": START_MS + 1},
    ] == rows
    assert numbers(2) == data.read(f"/items/{job.key}", startts=START_MS + 1)
    assert numbers(0, 1) == data.read(f"/items/{job.key}", endts=START_MS + 1)


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ({"count": 2}, (0, 1)),
        ({"count": 0}, ()),
        ({"count": 2**63 - 1}, range(12)),
        ({"start": "1/1/1/10"}, (10, 11)),
        ({"start": "1/1/1/10", "count": 1}, (10,)),
        ({"start": "10", "count": 1}, (10,)),
        ({"start": "1/1/1/12"}, ()),
        ({"start": "1/1/1/99999999999"}, ()),
        ({"start": "1/1/1"}, range(12)),
        ({"start": "1/1/2/0"}, ()),
        ({"start": "1/1/0/5"}, range(12)),
        ({"startafter": "1/1/1/9"}, (10, 11)),
        ({"startafter": "1/1/1/11"}, ()),
        ({"startafter": "1/1/1"}, ()),
        ({"startafter": "1/1/1/9", "start": "1/1/1/11"}, (11,)),
        ({"index": [3, 1, 3, 50]}, (1, 3)),
        ({"index": [3, 1], "start": "1/1/1/2"}, (3,)),
        ({"filter": '["n",">",[9]]'}, (10, 11)),
        ({"filter": ['["n",">",[3]]', '["n","<",[6]]'], "count": 1}, (4,)),
    ],
)
@pytest.mark.parametrize("extra", [{}, {"meta": "_key"}])
def test_selection(
    data: DataWorld,
    job: Job,
    query: dict[str, Any],
    wanted: tuple[int, ...],
    extra: dict[str, str],
) -> None:
    """Count, start, startafter, index and filter choose; count is applied last."""
    data.write(job, *numbers(*range(12)))

    for read in (data.read, data.read_packed):
        assert list(wanted) == [row["n"] for row in read(f"/items/{job.key}", **query, **extra)]


def test_start_in_a_project(data: DataWorld) -> None:
    """A start key in a project or spider goes on with the jobs behind it."""
    for _ in range(3):
        data.write(data.add_job(), *numbers(0, 1))

    def keys(path: str, **query: str) -> list[str]:
        return [row["_key"] for row in data.read(path, meta="_key", **query)]

    assert ["1/1/2/1", "1/1/3/0", "1/1/3/1"] == keys("/items/1", start="1/1/2/1")
    assert ["1/1/3/0", "1/1/3/1"] == keys("/items/1/1", startafter="1/1/2")
    assert [] == keys("/items/1", start="2/1/1/0")
    assert 6 == len(keys("/items/1", start="0/5/5/5"))
    assert ["1/1/1/1", "1/1/2/1", "1/1/3/1"] == keys("/items/1", index="1")


def test_random(data: DataWorld, job: Job) -> None:
    """A sample has as many records as asked for, each once."""
    data.write(job, *numbers(*range(100)))

    rows = data.read(f"/items/{job.key}", start="random", count=20)

    assert 20 == len({row["n"] for row in rows})
    assert [] == data.read("/items/9/9/9", start="random", count=20)
    assert 400 == data.http.get(f"/items/{job.key}?start=random&count=21").status


def test_one(data: DataWorld, job: Job) -> None:
    """A single record, and a single field as raw text."""
    data.write(job, {"name": "Zoë", "tags": ["a", 1], "a/b": None})

    assert [{"name": "Zoë", "tags": ["a", 1], "a/b": None}] == data.read(f"/items/{job.key}/0")
    assert [] == data.read(f"/items/{job.key}/1")
    field = f"/items/{job.key}/0"
    assert "Zoë" == data.http.get(f"{field}/name").text
    assert '["a", 1]' == data.http.get(f"{field}/tags").text
    assert "null" == data.http.get(f"{field}/a/b").text
    assert "" == data.http.get(f"{field}/absent").text
    assert ["Zoë"] == data.read_packed(f"{field}/name")


def test_while_a_crawl_writes(data: DataWorld, job: Job) -> None:
    """What a crawl has flushed can be read, and what comes later by the next read."""
    directory = data.world.artifacts.prepare(job.id)
    with RecordWriter(directory / "items.jsonl") as crawl:
        crawl.append(b'{"n":0}')
        crawl.flush(START_MS)
        first = data.read(f"/items/{job.key}")
        crawl.append(b'{"n":1}')
        crawl.flush(START_MS)
        data.write(job, {"n": 2})

    assert numbers(0) == first
    assert numbers(0, 1, 2) == data.read(f"/items/{job.key}")


def test_damage_is_left_out(data: DataWorld, job: Job) -> None:
    """What is no JSON in a file of records is never sent, the rest keeps its numbers."""
    path = data.world.artifacts.prepare(job.id) / "items.jsonl"
    path.write_bytes(b'{"n":0}\n\n{"n":\nnull\n{"n":4}\n{"torn":')

    assert numbers(0, 4) == data.read(f"/items/{job.key}")
    assert [{"n": 4}] == data.read(f"/items/{job.key}/4")
    assert [0, 4] == [row["n"] for row in data.read_packed(f"/items/{job.key}")]


def test_large(data: DataWorld, job: Job) -> None:
    """Records of many blocks, small and large ones mixed, come whole and in order."""
    items = [{"n": n, "text": "x" * (300_000 if n % 50 == 7 else 3_000)} for n in range(200)]
    for first in range(0, 200, 100):
        assert 200 == data.write(job, *items[first : first + 100], start=first).status

    assert items == data.read(f"/items/{job.key}")
    assert items == data.read_packed(f"/items/{job.key}")
    assert items[150:] == data.read(f"/items/{job.key}", start=f"{job.key}/150")
    assert 10 == len(data.read(f"/items/{job.key}", filter='["n",">=",[190]]'))


# --- writing -----------------------------------------------------------------------------------


def test_start_overwrites(data: DataWorld, job: Job) -> None:
    """A batch that is sent again, or with other content, replaces and is counted once."""
    data.write(job, *numbers(0, 1, 2), start=0)
    data.write(job, *numbers(0, 1, 2), start=0)
    data.write(job, {"m": 1}, start=1)

    assert [{"n": 0}, {"m": 1}, {"n": 2}] == data.read(f"/items/{job.key}")
    stats = data.http.get(f"/items/{job.key}/stats").json
    assert {
        "counts": {"n": 2, "m": 1},
        "totals": {"input_values": 3, "input_bytes": 12},
    } == stats


def test_gap(data: DataWorld, job: Job) -> None:
    """A start beyond the end leaves numbers out; a start far beyond it is refused."""
    data.write(job, {"n": 5}, start=5)

    assert [{"n": 5, "_key": "1/1/1/5"}] == data.read(f"/items/{job.key}", meta="_key")
    assert 400 == data.write(job, {}, start=10**9).status


def test_append(data: DataWorld, job: Job) -> None:
    """Without a start records go to the end; Content-Range names a start too."""
    data.write(job, *numbers(0))
    data.write(job, *numbers(1))
    headers = {"Content-Range": "items 3-/*"}
    data.http.post(f"/items/{job.key}", body=b'{"n":3}', headers=headers)

    assert ["1/1/1/0", "1/1/1/1", "1/1/1/3"] == [
        row["_key"] for row in data.read(f"/items/{job.key}", meta="_key")
    ]


@pytest.mark.parametrize("encoding", ["gzip", "identity", "GZIP", ""])
def test_encodings(data: DataWorld, job: Job, encoding: str) -> None:
    """Bodies may be gzip, and may say that they are not."""
    body = b"".join(b'{"n": %d}\n' % number for number in range(1000))
    sent = gzip.compress(body) if encoding.lower() == "gzip" else body

    answer = data.http.post(
        target(f"/items/{job.key}", start=0),
        body=sent,
        headers={"Content-Encoding": encoding} if encoding else {},
    )

    assert 200 == answer.status, answer.text
    assert body == data.http.get(f"/items/{job.key}").body


def test_empty_body(data: DataWorld, job: Job) -> None:
    """A body without lines is no trouble."""
    for body in (b"", b"\n", b" \n\n"):
        assert 200 == data.http.post(f"/items/{job.key}?start=7", body=body).status

    assert [] == data.read(f"/items/{job.key}")


@pytest.mark.parametrize("state", [None, RUNNING, FINISHED])
def test_any_state(data: DataWorld, state: Any) -> None:
    """A job takes records whatever its state, and its progress shows them."""
    job = data.add_job(state=state)

    data.write(job, *numbers(1, 2, 3))
    data.write(job, {"message": "a", "level": 40}, {"message": "b", "level": 20}, kind="logs")
    request = {"url": "u", "status": 200, "method": "GET", "rs": 1, "duration": 1, "time": 1}
    data.write(job, request, kind="requests")
    data.write(job, [1, 2], kind="samples")

    wanted = Progress(items=3, requests=1, responses=1, log_lines=2, errors=1)
    assert wanted == data.job(job).progress


def test_progress_of_our_own_crawl(data: DataWorld) -> None:
    """While our own crawl runs it alone says how far it is."""
    job = data.add_job(state=RUNNING, driver=Driver.LOCAL)

    data.write(job, *numbers(1, 2, 3))

    assert Progress() == data.job(job).progress
    assert 3 == len(data.read(f"/items/{job.key}"))


def test_not_finite(data: DataWorld, job: Job) -> None:
    """NaN and infinities, which JSON lacks, are stored as null; the words in texts stay."""
    body = b'{"a": NaN, "b": [Infinity, -Infinity], "c": "NaN"}\n{"d": "Infinity NaN"}'

    assert 200 == data.http.post(f"/items/{job.key}", body=body).status

    assert [{"a": None, "b": [None, None], "c": "NaN"}, {"d": "Infinity NaN"}] == data.read(
        f"/items/{job.key}"
    )


def test_what_msgpack_lacks(data: DataWorld, job: Job) -> None:
    """Numbers beyond 64 bits, half surrogates and deep nesting do not break a msgpack read."""
    deep = b'{"deep":' + b"[" * 198 + b"]" * 198 + b"}"
    body = b'{"n":%d,"big":%d,"s":"\\ud800x"}\n%s\n{"n":1}' % (2**64, 10**400, deep)

    assert 200 == data.http.post(f"/items/{job.key}", body=body).status
    rows = data.read_packed(f"/items/{job.key}")

    assert [{"n": float(2**64), "big": str(10**400), "s": "?x"}, {"n": 1}] == [rows[0], rows[2]]
    assert 2**64 == data.read(f"/items/{job.key}")[0]["n"]


# --- bad input ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "line", "message"),
    [
        ("items", b"[1]", "Error parsing data, a line must be an object"),
        ("items", b'"x"', "Error parsing data, a line must be an object"),
        ("items", b"{", "Error parsing data, not a line of JSON: "),
        ("items", b'{"a":1}{"b":2}', "Error parsing data, not a line of JSON: Extra data"),
        ("items", b'{"a":"\xff"}', "Error parsing data, not a line of JSON: 'utf-8'"),
        ("items", b'\xef\xbb\xbf{"a":1}', "Error parsing data, not a line of JSON: "),
        ("items", b'{"a":' + b"9" * 5000 + b"}", "Error parsing data, not a line of JSON: "),
        ("items", b"[" * 100_000, "Error parsing data, nested too deeply"),
        ("items", b'{"a":' * 201 + b"1" + b"}" * 201, "Error parsing data, nested too deeply"),
        ("logs", b'{"level":20}', "Error parsing data, missing value for message field"),
        ("logs", b'{"message":"a"}', "Error parsing data, missing value for level field"),
        ("logs", b'{"message":1,"level":20}', "Error parsing data, the message field must be"),
        ("logs", b'{"message":"a","level":true}', "Error parsing data, the level field must be"),
        ("logs", b'{"message":"a","level":1e999}', "Error parsing data, the level field must be"),
        ("requests", b"{}", "Error parsing data, missing value for url field"),
        ("samples", b"{}", "Error parsing data, a sample must be an array"),
        ("samples", b"[]", "Error parsing data, a sample must be an array"),
        ("samples", b'["a"]', "Error parsing data, a sample must be an array"),
    ],
)
def test_bad_lines(data: DataWorld, job: Job, kind: str, line: bytes, message: str) -> None:
    """A line that cannot be stored refuses its whole batch, with the reason as text."""
    good = {
        "items": b"{}",
        "logs": b'{"message":"a","level":20}',
        "requests": b'{"url":"u","status":1,"method":"M","rs":1,"duration":1,"time":1}',
        "samples": b"[1]",
    }[kind]
    body = b"\n".join([good, line, good])

    answer = data.http.post(f"/{kind}/{job.key}?start=0", body=body)

    assert 400 == answer.status
    assert answer.text.startswith(message), answer.text
    assert [] == data.read(f"/{kind}/{job.key}")
    assert Progress() == data.job(job).progress


def test_too_large(data: DataWorld, job: Job) -> None:
    """A value above 1 MiB refuses its batch with 413; one of exactly 1 MiB is stored."""
    largest = b'{"x":"' + b"a" * (1_048_576 - 8) + b'"}'
    assert 200 == data.http.post(f"/items/{job.key}", body=largest).status

    answer = data.http.post(f"/items/{job.key}", body=b'{"n":1}\n' + largest[:-2] + b'b"}')

    message = "Error parsing data, Serialized value too large - max 1048576 bytes"
    assert (413, message) == (answer.status, answer.text)
    assert 1 == len(data.read(f"/items/{job.key}"))


def test_bad_line_behind_megabytes(data: DataWorld, job: Job) -> None:
    """Nothing is stored of a large body whose last line is bad."""
    body = b'{"x":"%s"}\n' % (b"a" * 500_000) * 20

    assert 400 == data.http.post(f"/items/{job.key}", body=body + b"x").status
    assert [] == data.read(f"/items/{job.key}")
    assert 200 == data.http.post(f"/items/{job.key}", body=body).status
    assert 20 == data.http.get(f"/items/{job.key}/stats").json["totals"]["input_values"]


def test_bad_gzip(data: DataWorld, job: Job) -> None:
    """A body that is not what its encoding says is refused whole."""
    packed = gzip.compress(b'{"n":1}\n' * 10_000)
    for body in (b"plain", packed[:-20], packed[:50]):
        headers = {"Content-Encoding": "gzip"}
        answer = data.http.post(f"/items/{job.key}", body=body, headers=headers)
        assert 400 == answer.status
    headers = {"Content-Encoding": "br"}
    assert 400 == data.http.post(f"/items/{job.key}", body=b"x", headers=headers).status
    assert [] == data.read(f"/items/{job.key}")


def test_no_such_job(data: DataWorld) -> None:
    """There is nowhere to store records of a job that does not exist."""
    answer = data.http.post("/items/1/1/99?start=0", body=b'{"n":1}')

    assert (404, 'No such job: "1/1/99"') == (answer.status, answer.text)


@pytest.mark.parametrize(
    "query",
    [
        "count=x",
        "count=-1",
        "count=%D9%A3",
        "start=1/1/1/1/1",
        "start=1/x",
        "start=random",
        "startafter=/",
        "index=a",
        "startts=now",
        "endts=1.5",
        "format=pdf",
        "filter=x",
        "filter=[]",
        'filter=["a"]',
        'filter=["a","~",["b"]]',
        'filter=["a","=",[]]',
        'filter=[1,"=",[1]]',
        'filter=["a","matches",["("]]',
        'filter=["a","matches",["(a%2B)%2B"]]',
        'filter=["a","matches",[1]]',
        "format=csv",
        "format=csv&fields=a&sep=xx",
        "format=csv&fields=a&sep=;&quote=;",
        "format=csv&fields=a&escape=%0A",
    ],
)
def test_bad_arguments(data: DataWorld, job: Job, query: str) -> None:
    """An argument that means nothing is refused with its name."""
    data.write(job, {"a": 1})

    answer = data.http.get(f"/items/{job.key}?{query.replace(chr(34), '%22')}")

    assert 400 == answer.status
    assert "text/plain; charset=utf-8" == answer.headers["content-type"]
    assert answer.text


@pytest.mark.parametrize("start", ["x", "-1", "1.5"])
def test_bad_start(data: DataWorld, job: Job, start: str) -> None:
    """A batch whose start is no number is not stored."""
    assert 400 == data.write(job, {"a": 1}, start=start).status
    assert [] == data.read(f"/items/{job.key}")


# --- counts ------------------------------------------------------------------------------------


def test_stats_of_nothing(data: DataWorld, job: Job) -> None:
    """A job without records, and no job, have counts of zero."""
    zeros = {"counts": {}, "totals": {"input_values": 0, "input_bytes": 0}}

    for path in (f"/items/{job.key}/stats", "/logs/9/9/9/stats", f"/requests/{job.key}/stats/"):
        answer = data.http.get(path, headers={"Accept": "application/x-msgpack"})
        assert zeros == answer.json
        assert "application/json" == answer.headers["content-type"]


def test_stats(data: DataWorld, job: Job) -> None:
    """Counts are exact at once; fields with an underscore are shown only if asked for."""
    data.write(job, *({"x": number} for number in range(111)), kind="items")
    data.write(job, {"_type": "Item", "x": 1})
    levels = [10] * 2 + [20] * 4 + [30] * 2 + [40]
    data.write(job, *({"message": "m" * 9, "level": level} for level in levels), kind="logs")

    items = data.http.get(f"/items/{job.key}/stats").json
    shown = data.http.get(f"/items/{job.key}/stats?all=1").json

    totals = {"input_values": 112, "input_bytes": 444 + 15}
    assert {"counts": {"x": 112}, "totals": totals} == items
    assert {"counts": {"x": 112, "_type": 1}, "totals": totals} == shown
    assert {
        "counts": {"10": 2, "20": 4, "30": 2, "40": 1},
        "totals": {"input_values": 9, "input_bytes": 90},
    } == data.http.get(f"/logs/{job.key}/stats").json


def test_stats_are_one_line(data: DataWorld, job: Job) -> None:
    """Counts are one line of JSON, as line-reading clients need it."""
    data.write(job, {"a": 1})
    text = data.http.get(f"/items/{job.key}/stats").text

    assert 1 == text.count("\n")
    assert json.loads(text)["totals"]["input_values"] == 1
