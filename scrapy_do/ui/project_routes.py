"""The routes of projects, spiders, the run form and pushes.

| method | path | role | what |
|---|---|---|---|
| GET | /ui/projects | READ | the projects; twins .json and .csv |
| GET | /ui/projects/<name> | READ | one of them |
| POST | /ui/projects/<name>/activate | PUSH | a version becomes the current one |
| POST | /ui/projects/<name>/remove-version | PUSH | a version is forgotten |
| POST | /ui/projects/<name>/remove | PUSH | the project is removed |
| GET | /ui/projects/<name>/spiders.json, .csv | READ | its spiders |
| GET | /ui/projects/<name>/versions.json, .csv | READ | its versions |
| GET | /ui/projects/<name>/spiders/<path:spider> | READ | a spider |
| GET | /ui/spider | READ | the same, with both names in the query |
| POST | /ui/spider/compare | RUN | its runs are compared with those before, or not |
| GET | /ui/spider-runs.json, .csv | READ | the last runs of a spider |
| GET | /ui/run | READ | the form that runs a spider |
| POST | /ui/run | RUN | a job, or the form again with more rows |
| GET | /ui/push | READ | the form that takes a project |
| POST | /ui/push | PUSH | a push |
| GET | /ui/pushes/<report> | READ | what became of a push |
"""

from contextlib import suppress

from scrapy_do.errors import Conflict, ProjectNotFound, ScrapyDoError, SpiderNotFound
from scrapy_do.operations.operations import Operations
from scrapy_do.operations.pushes import PushNotFound
from scrapy_do.ui.addresses import project_page, spider_page, with_query
from scrapy_do.ui.pages import project as one_project
from scrapy_do.ui.pages import projects as all_projects
from scrapy_do.ui.pages import spider as one_spider
from scrapy_do.ui.pages.failure import not_found
from scrapy_do.ui.pages.push import push_form, push_result
from scrapy_do.ui.pages.run import RunFields, form_request, run_form
from scrapy_do.ui.render import PageView, Renderer
from scrapy_do.ui.twins import csv_twin, json_twin
from scrapy_do.web.answer import Answer, redirect
from scrapy_do.web.params import parse_uuid
from scrapy_do.web.router import Call, Router
from scrapy_do.web.upload import BodyRules


class ProjectRoutes:
    """These routes. `archive_bytes` is how large an archive may be."""

    def __init__(self, operations: Operations, renderer: Renderer, *, archive_bytes: int) -> None:
        self._operations = operations
        self._renderer = renderer
        self._archive_bytes = archive_bytes

    def add_to(self, router: Router) -> None:
        """Add them to the table."""
        add = router.add
        add("GET", "/ui/projects", self.projects)
        add("GET", "/ui/projects.json", self.projects_json)
        add("GET", "/ui/projects.csv", self.projects_csv)
        add("GET", "/ui/projects/<name>", self.project)
        add("POST", "/ui/projects/<name>/activate", self.activate)
        add("POST", "/ui/projects/<name>/remove-version", self.remove_version)
        add("POST", "/ui/projects/<name>/remove", self.remove)
        add("GET", "/ui/projects/<name>/spiders.json", self.spiders_json)
        add("GET", "/ui/projects/<name>/spiders.csv", self.spiders_csv)
        add("GET", "/ui/projects/<name>/versions.json", self.versions_json)
        add("GET", "/ui/projects/<name>/versions.csv", self.versions_csv)
        add("GET", "/ui/projects/<name>/spiders/<path:spider>", self.spider)
        add("GET", "/ui/spider", self.spider_by_query)
        add("POST", "/ui/spider/compare", self.compare)
        add("GET", "/ui/spider-runs.json", self.runs_json)
        add("GET", "/ui/spider-runs.csv", self.runs_csv)
        add("GET", "/ui/run", self.run_form)
        add("POST", "/ui/run", self.run)
        add("GET", "/ui/push", self.push_form)
        rules = BodyRules(limit_bytes=self._archive_bytes, upload="archive")
        add("POST", "/ui/push", self.push, body=rules)
        add("GET", "/ui/pushes/<report>", self.push_result)

    def _answer(self, page: PageView, call: Call) -> Answer:
        return self._renderer.answer(page, call)

    # --- projects

    async def projects(self, call: Call) -> Answer:
        """Show the projects."""
        gone = call.params.optional_text("gone", "")
        return self._answer(await all_projects.projects(self._operations, gone=gone), call)

    async def projects_json(self, _call: Call) -> Answer:
        """List them."""
        return json_twin("projects", await all_projects.rows(self._operations))

    async def projects_csv(self, _call: Call) -> Answer:
        """List them as a table."""
        rows = await all_projects.rows(self._operations)
        return csv_twin("projects.csv", all_projects.COLUMNS, rows)

    async def project(self, call: Call, *, name: str) -> Answer:
        """Show one."""
        try:
            page = await one_project.project(
                self._operations,
                name,
                done=call.params.optional_text("done", ""),
                label=call.params.optional_text("version", ""),
            )
        except ProjectNotFound as error:
            page = await not_found(self._operations, error)
        return self._answer(page, call)

    async def activate(self, call: Call, *, name: str) -> Answer:
        """Make a version the current one, and say so after reading back."""
        label = call.params.text("version")
        try:
            await self._operations.projects.activate(name, label)
        except Conflict as error:
            return await self._project_again(call, name, error)
        return redirect(with_query(project_page(name), [("done", "activated"), ("version", label)]))

    async def remove_version(self, call: Call, *, name: str) -> Answer:
        """Forget a version."""
        label = call.params.text("version")
        await self._operations.projects.remove_version(name, label)
        return redirect(with_query(project_page(name), [("done", "removed"), ("version", label)]))

    async def remove(self, call: Call, *, name: str) -> Answer:
        """Remove a project."""
        try:
            await self._operations.projects.remove(name)
        except Conflict as error:
            return await self._project_again(call, name, error)
        return redirect(with_query("/ui/projects", [("gone", name)]))

    async def _project_again(self, call: Call, name: str, error: ScrapyDoError) -> Answer:
        """The page with what stands in the way."""
        page = await one_project.project(
            self._operations, name, done="", label="", problem=str(error)
        )
        return self._answer(page, call)

    async def spiders_json(self, _call: Call, *, name: str) -> Answer:
        """List the spiders."""
        return json_twin("spiders", await one_project.spider_twin(self._operations, name))

    async def spiders_csv(self, _call: Call, *, name: str) -> Answer:
        """List the spiders as a table."""
        rows = await one_project.spider_twin(self._operations, name)
        return csv_twin(f"{name}-spiders.csv", one_project.SPIDER_COLUMNS, rows)

    async def versions_json(self, _call: Call, *, name: str) -> Answer:
        """List the versions."""
        return json_twin("versions", await one_project.version_twin(self._operations, name))

    async def versions_csv(self, _call: Call, *, name: str) -> Answer:
        """List the versions as a table."""
        rows = await one_project.version_twin(self._operations, name)
        return csv_twin(f"{name}-versions.csv", one_project.VERSION_COLUMNS, rows)

    # --- spiders

    async def spider(self, call: Call, *, name: str, spider: str) -> Answer:
        """Show a spider."""
        return await self._spider_page(call, name, spider)

    async def spider_by_query(self, call: Call) -> Answer:
        """Show a spider whose name no path can hold."""
        return await self._spider_page(
            call, call.params.text("project"), call.params.text("spider")
        )

    async def compare(self, call: Call) -> Answer:
        """Have the runs of a spider compared with those before, or not."""
        name, spider = call.params.text("project"), call.params.text("spider")
        await self._operations.projects.compare(name, spider, compared=call.params.flag("on"))
        return redirect(f"{spider_page(name, spider)}#hints")

    async def _spider_page(self, call: Call, name: str, spider: str) -> Answer:
        try:
            page = await one_spider.spider(self._operations, name, spider)
        except (ProjectNotFound, SpiderNotFound) as error:
            page = await not_found(self._operations, error)
        return self._answer(page, call)

    async def runs_json(self, call: Call) -> Answer:
        """List the last runs of a spider."""
        name, spider = call.params.text("project"), call.params.text("spider")
        return json_twin("runs", await one_spider.twin(self._operations, name, spider))

    async def runs_csv(self, call: Call) -> Answer:
        """List them as a table."""
        name, spider = call.params.text("project"), call.params.text("spider")
        rows = await one_spider.twin(self._operations, name, spider)
        return csv_twin("runs.csv", one_spider.COLUMNS, rows)

    # --- running

    async def run_form(self, call: Call) -> Answer:
        """Show the form: empty, filled in by the address, or as a job was given it."""
        fields = RunFields.of(call.params)
        if "from" in call.params:
            fields = RunFields.of_job(await self._operations.jobs.get(call.params.uuid("from")))
        return self._answer(await self._run_page(call, fields), call)

    async def run(self, call: Call) -> Answer:
        """Accept a job; a form that cannot be accepted comes back as it was, with the reason."""
        fields = RunFields.of(call.params)
        if "more" in call.params:
            return self._answer(await self._run_page(call, fields), call)
        try:
            request = form_request(fields, call.params)
            job = await self._operations.jobs.enqueue(request, by=call.principal)
        except ScrapyDoError as error:
            return self._answer(await self._run_page(call, fields, error), call)
        return redirect(f"/ui/jobs/{job.id}")

    async def _run_page(
        self, call: Call, fields: RunFields, error: ScrapyDoError | None = None
    ) -> PageView:
        return await run_form(
            self._operations,
            fields,
            base=call.base_url,
            user=call.principal.name,
            error=error,
        )

    # --- pushing

    async def push_form(self, call: Call) -> Answer:
        """Show the form."""
        return self._answer(await self._push_page(call), call)

    async def _push_page(self, call: Call, problem: str = "") -> PageView:
        return await push_form(
            self._operations,
            limit_bytes=self._archive_bytes,
            name=call.params.optional_text("name", ""),
            problem=problem,
        )

    async def push(self, call: Call) -> Answer:
        """Take an archive; what became of it is a page of its own."""
        archive = call.params.files.get("archive")
        if archive is None or not archive.size_bytes:
            return self._answer(await self._push_page(call, "Choose an archive first"), call)
        wanted = parse_uuid(call.params.optional_text("report", ""))
        report = await self._operations.projects.new_report_id(wanted)
        force = call.params.flag("force")
        with suppress(ScrapyDoError):  # the report says it
            await self._operations.projects.push(
                archive.path,
                by=call.principal.name,
                label=call.params.optional_text("version") or None,
                project=call.params.optional_text("name") or None,
                force=force,
                report_id=report,
            )
        return redirect(f"/ui/pushes/{report}")

    async def push_result(self, call: Call, *, report: str) -> Answer:
        """Show what became of a push."""
        report_id = parse_uuid(report)
        if report_id is None:
            raise PushNotFound(report[:100])
        return self._answer(await push_result(self._operations, report_id), call)
