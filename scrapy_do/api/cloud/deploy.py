"""What the deploy tool needs: an egg becomes the current version of a project.

Source: Scrapy Cloud, as `shub deploy` uses it: the answer is a build log whose last line
is JSON.

| method | path | role | what |
|---|---|---|---|
| POST | /api/scrapyd/addversion.json | PUSH | takes an egg |
"""

import re

from scrapy_do.api.cloud.codecs import encoded
from scrapy_do.api.cloud.jobs import ok
from scrapy_do.control.cloud import CloudOperations
from scrapy_do.control.operations import Operations
from scrapy_do.core.principal import Role
from scrapy_do.core.project import Project
from scrapy_do.errors import BadArgument, ProjectNotFound
from scrapy_do.web.answer import Answer, Response
from scrapy_do.web.params import Params
from scrapy_do.web.router import Call, Router
from scrapy_do.web.upload import BodyRules

_NOT_IN_LABELS = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_LABEL = 100
_TEXT = "text/plain; charset=utf-8"


class CloudDeployAPI:
    """The routes of deploying below /api. See the module's docstring."""

    def __init__(
        self, operations: Operations, cloud: CloudOperations, *, archive_bytes: int
    ) -> None:
        self._operations = operations
        self._cloud = cloud
        self._archive_bytes = archive_bytes

    def add_to(self, router: Router) -> None:
        """Add the route."""
        rules = BodyRules(limit_bytes=self._archive_bytes)
        path = "/api/scrapyd/addversion.json"
        router.add("POST", path, self.add_version, role=Role.PUSH, body=rules)

    async def add_version(self, call: Call) -> Answer:
        """Make an egg the current version of a project."""
        params = call.params
        params.require("project", "version", "egg")
        egg, label = params.file("egg"), _label(params.text("version"))
        project = await self._project(params.text("project"))
        pushed = await self._operations.projects.push(
            egg.path, by=call.principal.name, label=label, project=project.name
        )
        result = ok(
            project=project.id, version=pushed.version.label, spiders=len(pushed.version.spiders)
        )
        return Response(body=_log(params).encode() + encoded(result) + b"\n", content_type=_TEXT)

    async def _project(self, text: str) -> Project:
        """Find a project; a number that is new becomes one."""
        try:
            return await self._cloud.projects.named(text)
        except ProjectNotFound:
            if not (text.isascii() and text.isdigit()):
                raise
        return await self._cloud.projects.get(int(text), create=True)


def _label(version: str) -> str:
    """Make a label of whatever a version control system calls a state."""
    label = _NOT_IN_LABELS.sub("-", version).strip(".-_")[:_LONGEST_LABEL]
    if not label:
        raise BadArgument("version", "must have a letter or a digit")
    return label


def _log(params: Params) -> str:
    """Say what was left aside."""
    ignored = [name for name in ("requirements", "eggs") if name in params.files]
    return "".join(
        f"Left aside: {name}. Packages are those of the server's own environment.\n"
        for name in ignored
    )
