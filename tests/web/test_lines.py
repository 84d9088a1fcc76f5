"""Raw bodies read back."""

import gzip
import zlib
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from scrapy_do.web.lines import lines, read_all
from scrapy_do.web.router import Call
from scrapy_do.web.upload import BodyRules
from tests.http_client import Answer, HttpClient, site_of
from tests.web.dialects import Single

RULES = BodyRules(limit_bytes=10_000_000, raw=True)


async def count_lines(call: Call) -> Any:
    return [line.decode() async for line in lines(call, limit_bytes_per_line=1000)]


async def whole(call: Call) -> Any:
    return len(await read_all(call, limit_bytes=100_000))


async def bounded(call: Call) -> Any:
    found = lines(call, limit_bytes_per_line=200_000, limit_bytes=1_000_000)
    return sum([len(line) async for line in found])


@pytest.fixture
def post(tmp_path: Path) -> Callable[..., Answer]:
    def send(handler: Any, body: bytes, encoding: str = "") -> Answer:
        client = HttpClient(site_of(Single(handler, body=RULES), spool_dir=tmp_path))
        headers = {"Content-Encoding": encoding} if encoding else {}
        answer = client.post("/one", body=body, headers=headers)
        assert list(tmp_path.iterdir()) == []
        return answer

    return send


Post = Callable[..., Answer]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", []),
        (b"\n", []),
        (b'{"a":1}', ['{"a":1}']),
        (b'{"a":1}\n', ['{"a":1}']),
        (b"1\n\n 2 \r\n\r\n3", ["1", " 2 ", "3"]),
        ("\u00fc\u2028x\n".encode(), ["\u00fc\u2028x"]),
    ],
)
@pytest.mark.parametrize("encoding", ["", "identity", "gzip", "GZIP"])
def test_lines(post: Post, body: bytes, expected: list[str], encoding: str) -> None:
    """Lines come without their ends, empty ones not at all; plain, identity and gzip alike."""
    sent = gzip.compress(body) if encoding.lower() == "gzip" else body
    assert post(count_lines, sent, encoding).json == expected


@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_many_lines(post: Post, encoding: str) -> None:
    """Lines are whole wherever the pieces end, in memory and on disk."""
    random = Random(3)
    expected = [random.randbytes(random.randint(1, 400)).hex() for _ in range(2000)]
    body = "\n".join(expected).encode()
    sent = gzip.compress(body) if encoding else body
    assert len(sent) > 100_000
    assert post(count_lines, sent, encoding).json == expected


def test_several_gzip_files_in_a_row(post: Post) -> None:
    """Gzip files in a row are one body, also when a line runs over their border."""
    body = gzip.compress(b"1\n2") + gzip.compress(b"") + gzip.compress(b"3\n4\n")
    assert post(count_lines, body, "gzip").json == ["1", "23", "4"]


@pytest.mark.parametrize("encoding", ["", "gzip"])
@pytest.mark.parametrize("body", [b"x" * 1001, b"x" * 1001 + b"\n1", b"1\n" + b"x" * 70_000])
def test_long_line(post: Post, encoding: str, body: bytes) -> None:
    """A line above its limit is refused, wherever it is."""
    answer = post(count_lines, gzip.compress(body) if encoding else body, encoding)
    assert (413, "A line is larger than the limit of 1000 bytes") == (
        answer.status,
        answer.json["message"],
    )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            b"plain",
            "The body is not gzip: Error -3 while decompressing data: incorrect header check",
        ),
        (gzip.compress(b"1\n2\n")[:-4], "The gzip body is cut short"),
        (gzip.compress(b"1\n2\n")[:5], "The gzip body is cut short"),
        (
            zlib.compress(b"1\n2\n"),
            "The body is not gzip: Error -3 while decompressing data: incorrect header check",
        ),
    ],
)
def test_broken_gzip(post: Post, body: bytes, message: str) -> None:
    """What is not gzip, or not all of it, is refused."""
    answer = post(count_lines, body, "gzip")
    assert (400, message) == (answer.status, answer.json["message"])


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "x" * 1000])
def test_other_encodings(post: Post, encoding: str) -> None:
    """Other encodings are refused by name."""
    answer = post(count_lines, b"1\n", encoding)
    assert answer.status == 400
    assert answer.json["message"].startswith("Content-Encoding must be gzip or identity, not ")
    assert len(answer.json["message"]) < 120


def test_gzip_bomb(post: Post) -> None:
    """A body that inflates without end is cut off at its limit, by count and by ratio."""
    bomb = gzip.compress(b"\n" * 100_000_000, 9)
    assert len(bomb) < 100_000
    assert [413, 413, 413] == [
        post(handler, bomb, "gzip").status for handler in (bounded, count_lines, whole)
    ]


def test_whole_body(post: Post) -> None:
    """A small body may be read as a whole; none is empty, a large one refused."""
    assert [0, 5, 5] == [
        post(whole, b"").json,
        post(whole, b"a\nb\nc").json,
        post(whole, gzip.compress(b"a\nb\nc"), "gzip").json,
    ]
    assert post(whole, b"x" * 100_001).status == 413
