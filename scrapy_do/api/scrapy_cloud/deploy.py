"""What the deploy tool needs: an egg becomes the current version of a project.

Source: Scrapy Cloud, as `shub deploy` uses it: the answer is a build log whose last line
is JSON.

| method | path | role | what |
|---|---|---|---|
| POST | /api/scrapyd/addversion.json | PUSH | takes an egg |
| POST | /api/eggs/<path:what> | PUSH | refused: `shub deploy-reqs`, `deploy-egg` |
| GET | /api/eggs/<path:what> | READ | refused: `shub fetch-eggs`, `copy-eggs`, `migrate-eggs` |
"""

import re

from scrapy_do.api.scrapy_cloud.formats import encode_row
from scrapy_do.api.scrapy_cloud.jobs import ok
from scrapy_do.core.project import number_of
from scrapy_do.errors import BadArgument, Invalid, ProjectNotFound
from scrapy_do.operations.cloud.jobs import CloudOperations
from scrapy_do.operations.operations import Operations
from scrapy_do.web.answer import Answer, Response
from scrapy_do.web.params import Params
from scrapy_do.web.router import Call, Router
from scrapy_do.web.upload import BodyRules

_NOT_IN_LABELS = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_LABEL = 100
_TEXT = "text/plain; charset=utf-8"


class NoPackages(Invalid):
    """Packages are asked for that a crawl would import: they are those of this server alone."""

    def __init__(self) -> None:
        super().__init__(
            "Eggs of dependencies are not kept here: crawls import the packages that are "
            "installed in the server's own environment. Install what the project needs there"
        )


class CloudDeployAPI:
    """The routes of deploying below /api. See the module's docstring."""

    def __init__(
        self, operations: Operations, cloud: CloudOperations, *, archive_bytes: int
    ) -> None:
        self._operations = operations
        self._cloud = cloud
        self._archive_bytes = archive_bytes

    def add_to(self, router: Router) -> None:
        """Add the routes."""
        rules = BodyRules(limit_bytes=self._archive_bytes)
        path = "/api/scrapyd/addversion.json"
        router.add("POST", path, self.add_version, body=rules)
        router.add("POST", "/api/eggs/<path:what>", self.eggs, body=rules)
        router.add("GET", "/api/eggs/<path:what>", self.eggs)

    async def add_version(self, call: Call) -> Answer:
        """Make an egg the current version of a project."""
        params = call.params
        params.require("project", "version", "egg")
        egg, label = params.file("egg"), _label(params.text("version"))
        pushed = await self._operations.projects.push(
            egg.path,
            by=call.principal.name,
            label=label,
            project=await self._project(call),
        )
        version, warnings = pushed.version, pushed.warnings
        result = ok(
            project=pushed.project.id,
            version=version.label,
            spiders=len(version.spiders),
            **({"warnings": list(warnings)} if warnings else {}),
        )
        log = _log(params) + "".join(f"Warning: {warning}.\n" for warning in warnings)
        return Response(body=log.encode() + encode_row(result) + b"\n", content_type=_TEXT)

    async def _project(self, call: Call) -> str:
        """Name a project; a number that is new is the name of the one that the push makes."""
        text = call.params.text("project")
        try:
            return (await self._cloud.projects.named(text, by=call.principal)).name
        except ProjectNotFound:
            number = number_of(text)
            if number is None:
                raise
        return self._cloud.projects.draft(number).name

    async def eggs(self, _call: Call, *, what: str) -> Answer:  # noqa: ARG002 - all are refused
        """Refuse to take, list or hand out eggs of packages."""
        raise NoPackages


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
