"""The routes about the daemon itself, and of comparing.

| method | path | role | what |
|---|---|---|---|
| GET | /ui/system | ADMIN | health, storage, configuration |
| GET | /ui/system/options.json, .csv | ADMIN | the options with their origins |
| GET | /ui/audit | ADMIN | who did what, users, tokens |
| GET | /ui/audit.json, .csv | ADMIN | who did what; `before` and `limit` |
| GET | /ui/api | READ | the routes of the dialects |
| GET | /ui/compare | READ | jobs side by side |
| GET | /ui/docs | READ | the documentation |
| GET | /ui/docs/<path:name> | READ | a document |
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from scrapy_do.errors import NotFound
from scrapy_do.operations.operations import Operations
from scrapy_do.ui.documents import DOCS, chapters, document
from scrapy_do.ui.pages import audit as page
from scrapy_do.ui.pages.api import api
from scrapy_do.ui.pages.compare import compare, wanted_jobs
from scrapy_do.ui.pages.system import system
from scrapy_do.ui.render import PageView, Renderer
from scrapy_do.ui.twins import csv_twin, json_twin
from scrapy_do.web.answer import Answer
from scrapy_do.web.router import Call, Dialect, Router


class NoSuchDocument(NotFound):
    """No document has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no document {name[:100]}. All of them: {DOCS}")


_LARGEST = 1 << 60
OPTION_COLUMNS = ("section", "name", "value", "origin")


class ServerRoutes:
    """These routes. `dialects` are those of the site, as the page about the API shows them."""

    def __init__(
        self,
        operations: Operations,
        renderer: Renderer,
        dialects: Sequence[Dialect],
    ) -> None:
        self._operations = operations
        self._renderer = renderer
        self._dialects = dialects

    def add_to(self, router: Router) -> None:
        """Add them to the table."""
        router.add("GET", "/ui/system", self.system)
        router.add("GET", "/ui/system/options.json", self.options_json)
        router.add("GET", "/ui/system/options.csv", self.options_csv)
        router.add("GET", "/ui/audit", self.audit)
        router.add("GET", "/ui/audit.json", self.audit_json)
        router.add("GET", "/ui/audit.csv", self.audit_csv)
        router.add("GET", "/ui/api", self.api)
        router.add("GET", "/ui/compare", self.compare)
        router.add("GET", "/ui/docs", self.docs)
        router.add("GET", "/ui/docs/<path:name>", self.document)

    async def system(self, call: Call) -> Answer:
        """Show how the daemon is and what it is made of."""
        return self._renderer.answer(await system(self._operations), call)

    async def options_json(self, _call: Call) -> Answer:
        """List the options."""
        return json_twin("options", [asdict(one) for one in self._operations.server.options()])

    async def options_csv(self, _call: Call) -> Answer:
        """List the options as a table."""
        rows = [asdict(one) for one in self._operations.server.options()]
        return csv_twin("options.csv", OPTION_COLUMNS, rows)

    async def audit(self, call: Call) -> Answer:
        """Show who did what, and who may come in."""
        return self._renderer.answer(await page.audit(self._operations, _before(call)), call)

    async def audit_json(self, call: Call) -> Answer:
        """List who did what."""
        return json_twin("audit", await self._lines(call))

    async def audit_csv(self, call: Call) -> Answer:
        """List it as a table."""
        return csv_twin("audit.csv", page.COLUMNS, await self._lines(call))

    async def _lines(self, call: Call) -> list[Mapping[str, object]]:
        most = page.MOST_ROWS
        limit = call.params.integer("limit", minimum=1, maximum=most, default=most)
        lines = await self._operations.server.audit(before=_before(call), limit=limit)
        return [page.row(line) for line in lines]

    async def api(self, call: Call) -> Answer:
        """Show what programs can ask for."""
        page = api(self._dialects, base=call.base_url, user=call.principal.name)
        return self._renderer.answer(page, call)

    async def docs(self, call: Call) -> Answer:
        """Show what is documented."""
        page = PageView(template="docs.html", title="Documentation", view=chapters())
        return self._renderer.answer(page, call)

    async def document(self, call: Call, *, name: str) -> Answer:
        """Show a document."""
        found = document(name.removesuffix(".md"))
        if found is None:
            raise NoSuchDocument(name)
        page = PageView(template="document.html", title=found.title, view=found)
        return self._renderer.answer(page, call)

    async def compare(self, call: Call) -> Answer:
        """Show jobs side by side."""
        jobs = await wanted_jobs(self._operations, call.params)
        return self._renderer.answer(compare(jobs), call)


def _before(call: Call) -> int | None:
    return call.params.integer("before", minimum=0, maximum=_LARGEST, default=None)
