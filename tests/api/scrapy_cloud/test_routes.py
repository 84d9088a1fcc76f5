"""The routes of the dialect: as documented, and none falls over whatever it is sent."""

import json
import random
import re
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from scrapy_do.api.scrapy_cloud import (
    cloud_dialects,
    deploy,
    jobq,
    jobs,
    legacy_data,
    metadata,
    projects,
    spiders,
)
from scrapy_do.web.auth import OpenAccess
from scrapy_do.web.router import Route
from tests.api.scrapy_cloud.cloud_world import CloudWorld

MODULES = (deploy, jobq, jobs, legacy_data, metadata, projects, spiders)
ROW = re.compile(r"^\| (GET|POST|PATCH|DELETE) \| (/\S+) \| (\w+) \|", re.MULTILINE)

TEXTS = (
    *("", "0", "1", "2", "-1", "true", "x", "pending", "running", "toscrape-css", "crawler"),
    *("1/1/1", "2/1/1", "2/1", "9" * 18, "9" * 40, "1e5", "NaN", "é", "\0", "a\nb", "\u202e"),
    *("../..", "a/b", "%", "[]", "{}", "[[", '{"state":"running"}', "x" * 5000, "🕷"),
)
NAMES = (
    *("project", "spider", "job", "state", "count", "offset", "start", "stop", "key", "jobmeta"),
    *("has_tag", "lacks_tag", "startts", "endts", "add_tag", "remove_tag", "priority", "units"),
    *("job_settings", "meta", "environment", "cmd_args", "jobq_id", "format", "fields", "create"),
    *("version", "p", "pcount", "startafter", "filter", "self", "", "é", "a" * 300),
)
VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.5, 10**30, "", "x", "\ud800", "a\nb", [], {}, [[]], [None], ["a"]),
    *({"key": "2/1/1"}, {"key": "2/1"}, {"key": 7}, {"spider": "s"}, {"state": "finished"}),
    *({"spider": "s", "state": "running", "tags": None}, {"key": "2/1/1", "state": "deleted"}),
    *({"key": "2/1/1", "priority": None}, {"tags": ["a", 7]}, {"close_reason": []}),
    *({"spider": "s", "unique": "\ud800"}, {"add": ["\ud800"]}, {"add": ["a"], "remove": {}}),
    *({"\ud800": "\0"}, {"a": {"b": [{"c": None}] * 30}}),
)
BODIES = (b"", b"\n\n", b"{", b"\xff\xfe", b"[" * 5000, b'{"a":' * 500, b"nul", b"NaN", b"\0")


def routes(world: CloudWorld) -> list[Route]:
    dialects = cloud_dialects(
        world.operations, world.cloud, access=OpenAccess(), archive_bytes=1 << 20
    )
    found: list[Route] = []
    for dialect in dialects:
        for route in dialect.router.routes():
            assert route.pattern.startswith(f"{dialect.prefix}/")
            found.append(route)
    return found


def documented(module: ModuleType) -> list[tuple[str, ...]]:
    return [tuple(row) for row in ROW.findall(module.__doc__ or "")]


def test_every_route_is_documented(world: CloudWorld) -> None:
    """The tables of the modules are those of the routers: method, path and role."""
    written = [row for module in MODULES for row in documented(module)]
    served = [
        (route.method, route.pattern, route.role.name)
        for route in routes(world)
        if route.pattern.startswith(tuple({row[1].split("/<")[0] for row in written}))
    ]
    assert sorted(written) == sorted(served)


def random_path(rng: random.Random, pattern: str) -> str:
    def segment(match: re.Match[str]) -> str:
        if match[1] == "int:":
            return str(rng.choice((0, 1, 2, 2, 1, 99, 10**17)))
        return quote(rng.choice(TEXTS), safe="/" if match[1] == "path:" else "")

    return re.sub(r"<(int:|path:|)\w+>", segment, pattern)


def random_body(rng: random.Random) -> bytes:
    if rng.random() < 0.2:
        return rng.choice(BODIES)
    values = [rng.choice(VALUES) for _ in range(rng.randrange(1, 4))]
    whole = [values] if rng.random() < 0.2 else values
    return "\n".join(json.dumps(value) for value in whole).encode()


@pytest.mark.parametrize("seed", range(3))
def test_nothing_makes_a_route_fall_over(tmp_path: Path, seed: int) -> None:
    """Whatever is sent: the answer is no 5xx, and an error in JSON has a message."""
    rng = random.Random(seed)
    world = CloudWorld(tmp_path).start()
    assert isinstance(world, CloudWorld)
    world.push()
    world.run()
    client = world.client()
    for route in routes(world) * 4:
        fields = [(rng.choice(NAMES), rng.choice(TEXTS)) for _ in range(rng.randrange(5))]
        target = f"{random_path(rng, route.pattern)}?{urlencode(fields)}"
        body = random_body(rng) if route.method != "GET" else b""
        kind = rng.choice(("application/json", "application/x-www-form-urlencoded", "text/plain"))
        if rng.random() < 0.4 and route.method == "POST":
            body, kind = urlencode(fields).encode(), "application/x-www-form-urlencoded"
        headers = {"Content-Type": kind} if body else {}
        answer = client.request(route.method, target, body=body, headers=headers)
        assert answer.status < 500, (seed, route.method, target, body)
        if answer.status >= 400 and answer.headers["content-type"] == "application/json":
            assert "message" in answer.json or "non_field_errors" in answer.json
