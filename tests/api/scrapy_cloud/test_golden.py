"""Whole answers of every route, as they stand in files; see `golden_pairs`."""

from pathlib import Path
from urllib.parse import unquote

import pytest

from scrapy_do.api.scrapy_cloud import cloud_dialects
from scrapy_do.errors import ScrapyDoError
from scrapy_do.web.auth import OpenAccess
from tests.api.scrapy_cloud.cloud_world import CloudWorld
from tests.api.scrapy_cloud.golden_pairs import GOLDEN, Pair, pairs, played

FILES = sorted(GOLDEN.glob("*.txt"))
FIRST_ERROR = 400
NEVER_FAILING = {"GET /system/ts"}
ALWAYS_REFUSED = {"GET /api/eggs/<path:what>", "POST /api/eggs/<path:what>"}
"""Their answer is the reason why there is nothing of the kind here."""


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_answers_are_as_written(path: Path, tmp_path: Path) -> None:
    """Status, content type and body of each answer, times and tokens apart."""
    assert path.read_text() == played(path.read_text(), tmp_path)


def test_every_route_is_written(world: CloudWorld) -> None:
    """Each has an answer of success and one that tells of an error."""
    dialects = cloud_dialects(
        world.operations, world.cloud, access=OpenAccess(), archive_bytes=1 << 20
    )
    routers = {dialect.prefix: dialect.router for dialect in dialects}

    def route_of(pair: Pair) -> str | None:
        path = unquote(pair.target.partition("?")[0])
        prefix = max((one for one in routers if path.startswith(f"{one}/")), key=len)
        try:
            return routers[prefix].match(pair.method, path).route.name
        except ScrapyDoError:
            return None

    written = [pair for path in FILES for pair in pairs(path.read_text())]
    good = {route_of(pair) for pair in written if pair.status < FIRST_ERROR}
    bad = {route_of(pair) for pair in written if pair.status >= FIRST_ERROR}
    every = {route.name for router in routers.values() for route in router.routes()}
    assert sorted(every - good) == sorted(ALWAYS_REFUSED)
    assert sorted(every - bad) == sorted(NEVER_FAILING)
