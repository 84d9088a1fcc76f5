"""The world of the Scrapy Cloud dialect: a project that is deployed, and clients with keys."""

import json
from pathlib import Path
from typing import Any

from scrapy_do.api.scrapy_cloud import cloud_dialects
from scrapy_do.core.job import JobKey
from scrapy_do.core.principal import Principal, Role
from scrapy_do.system.passwords import token_digest
from scrapy_do.web.auth import Access, OpenAccess, TokenAccess
from tests.factories import START
from tests.http_client import Answer, HttpClient, site_of
from tests.world import World

START_MS = round(START.timestamp() * 1000)
ROLES = {"reader": Role.READ, "runner": Role.RUN, "pusher": Role.PUSH, "admin": Role.ADMIN}
"""API keys by the name of their owner, which is the key, too."""


def keys() -> Access:
    """Authentication with one key for each role."""
    return TokenAccess(
        {token_digest(name): Principal(name=name, role=role) for name, role in ROLES.items()}
    )


class CloudWorld(World):
    """Project 1, quotesbot, with two spiders; project 2, empty, is for outside runners."""

    def __init__(self, root: Path, *, access: Access | None = None) -> None:
        super().__init__(root)
        self.cloud = self.parts.cloud
        dialects = cloud_dialects(
            self.operations,
            self.cloud,
            access=OpenAccess() if access is None else access,
            archive_bytes=1 << 20,
        )
        self._site = site_of(*dialects, spool_dir=self.archives.incoming, clock=self.clock)
        self.put_project()
        self.do(self.cloud.projects.get(2, create=True))

    def client(self, auth: str | None = "admin:") -> HttpClient:
        """Return a client with an API key, or with a job's key and token."""
        return HttpClient(self._site, auth=auth)

    def push(self, spider: str = "crawler", **fields: Any) -> str:
        """Accept a job of project 2 through JobQ, and return its key."""
        key: str = self.pushed({"spider": spider, **fields})[0]["key"]
        return key

    def pushed(self, *entries: Any, project: int = 2) -> list[dict[str, Any]]:
        return lines(self.client().post(f"/jobq/{project}/push", body=jl(*entries)))

    def run(self, **form: Any) -> str:
        """Accept a job of project 1 through run.json, and return its key."""
        form = {"project": "1", "spider": "toscrape-css", **form}
        answer = self.client().post("/api/run.json", form=form)
        assert answer.status == 200, answer.text
        key: str = answer.json["jobid"]
        return key

    def update(self, *entries: Any, project: int = 2) -> list[dict[str, Any]]:
        return lines(self.client().post(f"/jobq/{project}/update", body=jl(*entries)))

    def metadata(self, key: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = lines(self.client().get(f"/jobs/{key}"))
        assert len(found) == 1
        return found[0]

    def stored(self, key: str) -> Any:
        """Return the job itself."""
        return self.do(self.jobs.get_by_key(JobKey.parse(key)))


def jl(*values: Any) -> bytes:
    """JSON lines as the client sends them."""
    return "\n".join(json.dumps(value) for value in values).encode()


def lines(answer: Answer) -> list[Any]:
    """The values of an answer in JSON lines, read as the client does."""
    assert answer.status == 200, answer.text
    return [json.loads(line) for line in answer.body.splitlines()]
