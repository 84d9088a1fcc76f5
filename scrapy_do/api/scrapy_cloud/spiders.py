"""The second version of the dash API: a spider and its tags, and who one is.

Source: Scrapy Cloud, as its client and deploy tool use it. Plain REST: statuses count.

| method | path | role | what |
|---|---|---|---|
| GET | /api/v2/users/me | READ | who the key belongs to |
| GET | /api/v2/projects/<int:project>/spiders/<int:spider> | READ | a spider |
| PATCH | /api/v2/projects/<int:project>/spiders/<int:spider>/tags | RUN | its tags |
"""

import json
from typing import Any

from scrapy_do.api.scrapy_cloud.access import REST, KeyAccess, own_projects
from scrapy_do.api.scrapy_cloud.formats import RAW, read_object
from scrapy_do.api.scrapy_cloud.shapes import MANUAL, Fields
from scrapy_do.core.project import Project
from scrapy_do.errors import BadArgument, Invalid, ScrapyDoError
from scrapy_do.operations.cloud.jobs import CloudOperations
from scrapy_do.operations.cloud.projects import CloudSpider
from scrapy_do.web.auth import Access
from scrapy_do.web.permits import PERMITS
from scrapy_do.web.router import JSON, Call, Router
from scrapy_do.web.status import ErrorStyle


class NothingToChange(Invalid):
    """A change of tags that names none."""

    def __init__(self) -> None:
        super().__init__('At least one of "add" or "remove" arguments must not be empty')


def _body(error: ScrapyDoError, status: int) -> bytes:
    if isinstance(error, NothingToChange):
        return json.dumps({"non_field_errors": [str(error)]}).encode() + b"\n"
    return REST.body(error, status)


STYLE = ErrorStyle(body=_body, status=REST.status, challenge=None)


class CloudSpidersAPI:
    """The dialect's second version. See the module's docstring for its routes."""

    prefix = "/api/v2"

    def __init__(self, cloud: CloudOperations, *, access: Access) -> None:
        self._cloud = cloud
        self.router = Router(
            permits=PERMITS,
            style=STYLE,
            any_slash=True,
            access=KeyAccess(access),
            guard=own_projects,
        )
        add = self.router.add
        add("GET", "/api/v2/users/me", self.me)
        one = "/api/v2/projects/<int:project>/spiders/<int:spider>"
        add("GET", one, self.spider)
        add("PATCH", f"{one}/tags", self.retag, body=RAW)

    async def me(self, call: Call) -> JSON:
        """Say who asks."""
        return {"username": call.principal.name, "role": call.principal.role.name.lower()}

    async def spider(self, _call: Call, *, project: int, spider: int) -> JSON:
        """Show a spider."""
        named = await self._cloud.projects.get(project)
        return _spider_json(named, await self._cloud.projects.spider(named, spider))

    async def retag(self, call: Call, *, project: int, spider: int) -> JSON:
        """Change the tags of a spider."""
        named = await self._cloud.projects.get(project)
        change = await read_object(call)
        added, removed = _names(change, "add"), _names(change, "remove")
        if not added and not removed:
            raise NothingToChange
        after = await self._cloud.projects.retag_spider(named, spider, add=added, remove=removed)
        return _spider_json(named, after)


def _names(change: dict[str, Any], field: str) -> list[Any]:
    names = change.get(field) or []
    if not isinstance(names, list):
        raise BadArgument(field, "must be a list of tags")
    return names


def _spider_json(project: Project, spider: CloudSpider) -> Fields:
    version = project.current.label if project.current is not None and spider.deployed else None
    return {
        "id": spider.name,
        "name": spider.name,
        "jobq_id": spider.number,
        "type": MANUAL,
        "tags": list(spider.tags),
        "version": version,
        "archived": False,
        "deleted": False,
        "project": {"id": project.id, "name": project.name},
    }
