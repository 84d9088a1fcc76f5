"""The pages of a world, read without a browser."""

from functools import partial
from typing import Any

from scrapy_do.ui.routes import Pages as PageRoutes
from scrapy_do.web.sse import Bell
from tests.http_client import Answer, Connection, HttpClient, site_of
from tests.world import World


class Pages:
    """A client of the pages of a world."""

    def __init__(self, world: World, *, zone: str = "UTC", times: str = "relative") -> None:
        routes = PageRoutes(
            world.operations,
            now=world.now,
            zone=zone,
            times=times,
            archive_bytes=1 << 20,
            new_bell=partial(Bell, world.clock),
        )
        spool = world.archives.incoming
        self._client = HttpClient(site_of(routes, spool_dir=spool, clock=world.clock))

    def answer(self, path: str, **options: Any) -> Answer:
        return self._client.get(path, **options)

    def close(self) -> None:
        """Cut the connections that go on."""
        self._client.site.abort()

    def follow(self, path: str, **options: Any) -> Connection:
        """Open a path that goes on."""
        connection = self._client.connect()
        connection.send(self._client.raw_request("GET", path, **options))
        return connection

    def get(self, path: str) -> str:
        """Return the text of a page that is there."""
        answer = self.answer(path)
        assert answer.status == 200, answer.text
        return answer.text

    def post(self, path: str, **options: Any) -> Answer:
        return self._client.post(path, **options)
