"""Requests and their whole answers in text files, for people to read and tests to compare.

A file is one course of events in a world of its own, where every request has a key of the
role that it needs. Pairs are apart by blank lines; a line that begins with `#` is a remark::

    POST /jobq/2/update                 method and target
    as reader                           whose key: nobody, or `job 2/1/1` for its token
    Accept: text/csv                    a header
    file egg: an egg                    a file part: an egg, or the text itself
    > {"key":"2/1/1","tags":["a"]}      a line of the body; of forms, a field
    200 application/x-jsonlines         status and content type, `-` for none
    | {"key":"2/1/1"}                   a line of the answer
    = 7                                 its last line, when that has no end

Times in answers are written as MS and TIME, tokens as TOKEN.

`python -m tests.api.scrapy_cloud.golden_pairs FILE...` writes the answers anew: read the
difference.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from scrapy_do.core.job import JobKey
from tests.api.scrapy_cloud.cloud_world import CloudWorld, keys
from tests.api.scrapy_cloud.test_deploy import egg
from tests.http_client import Answer, HttpClient

GOLDEN = Path(__file__).parent / "golden"
FORM = "application/x-www-form-urlencoded"

_MASKS = (
    (re.compile(r"\b1[0-9]{12}\b"), "MS"),
    (re.compile(r"\b[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}\b"), "TIME"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "TOKEN"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A request as it stands in a file, and the lines of its answer."""

    remarks: tuple[str, ...]
    request: tuple[str, ...]
    answer: tuple[str, ...]

    @property
    def method(self) -> str:
        return self.request[0].split()[0]

    @property
    def target(self) -> str:
        return self.request[0].split()[1]

    @property
    def status(self) -> int:
        return int(self.answer[0].split()[0])

    def text(self) -> str:
        return "\n".join((*self.remarks, *self.request, *self.answer)) + "\n"


def pairs(text: str) -> Iterator[Pair]:
    """Yield the pairs of a file in their order."""
    for block in re.split(r"\n{2,}", text.strip("\n")):
        lines = tuple(block.splitlines())
        plain = tuple(line for line in lines if not line.startswith("#"))
        start = next((n for n, line in enumerate(plain) if line[0].isdigit()), len(plain))
        yield Pair(
            remarks=tuple(line for line in lines if line.startswith("#")),
            request=plain[:start],
            answer=plain[start:],
        )


def answered(world: CloudWorld, pair: Pair) -> Pair:
    """The same request with the answer that it gets now."""
    headers: dict[str, str] = {}
    files: dict[str, tuple[str, bytes]] = {}
    body: list[str] = []
    client = world.client()
    for line in pair.request[1:]:
        word, _, rest = line.partition(" ")
        match word:
            case "as":
                client = _client(world, rest)
            case ">":
                body.append(rest)
            case "file":
                name, _, content = rest.partition(": ")
                files[name] = (name, egg() if content == "an egg" else content.encode())
            case _:
                headers[word.rstrip(":")] = rest
    return replace(pair, answer=_shown(_sent(client, pair, headers, files, body)))


def _client(world: CloudWorld, name: str) -> HttpClient:
    kind, _, key = name.partition(" ")
    if kind == "job":
        token = world.do(
            world.cloud.tokens.issue(world.do(world.jobs.get_by_key(JobKey.parse(key))))
        )
        return world.client(f"{key}:{token}")
    return world.client(None if name == "nobody" else f"{name}:")


def _sent(
    client: HttpClient,
    pair: Pair,
    headers: dict[str, str],
    files: dict[str, tuple[str, bytes]],
    body: list[str],
) -> Answer:
    if files:
        form = dict(line.split("=", 1) for line in body)
        return client.request(pair.method, pair.target, form=form, files=files, headers=headers)
    is_form = pair.target.startswith("/api/") and pair.method == "POST"
    if is_form:
        headers = {"Content-Type": FORM, **headers}
    content = ("&" if is_form else "\n").join(body).encode()
    return client.request(pair.method, pair.target, body=content, headers=headers)


def _shown(answer: Answer) -> tuple[str, ...]:
    text = answer.text
    for pattern, word in _MASKS:
        text = pattern.sub(word, text)
    *lines, last = text.split("\n")
    return (
        f"{answer.status} {answer.headers.get('content-type', '-')}",
        *(f"| {line}" for line in lines),
        *([f"= {last}"] if last else []),
    )


def played(text: str, root: Path) -> str:
    """A file with the answers that its requests get now."""
    world = CloudWorld(root, access=keys())
    return "\n".join(answered(world, pair).text() for pair in pairs(text))


def main() -> None:
    for name in sys.argv[1:]:
        path = Path(name)
        with TemporaryDirectory() as root:
            path.write_text(played(path.read_text(), Path(root)))


if __name__ == "__main__":
    main()
