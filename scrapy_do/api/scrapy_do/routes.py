"""The Scrapy Do API: what `curl`, `jq` and scrapy-do-cl speak.

Source: Scrapy Do REST API. Documented fields keep their meaning, type and place; every
other parameter and field is an optional addition.

| method | path | role | what |
|---|---|---|---|
| GET | / | READ | to the pages |
| GET | /status.json | READ | the daemon and its counters |
| POST | /push-project.json | PUSH | a project archive becomes the current version |
| GET | /list-projects.json | READ | the names of the projects |
| GET | /list-spiders.json | READ | the spiders of a project |
| GET | /list-versions.json | READ | the versions of a project that are kept |
| POST | /activate-version.json | PUSH | an earlier version becomes the current one |
| POST | /remove-version.json | PUSH | a version is forgotten |
| POST | /remove-project.json | PUSH | a project is removed |
| POST | /schedule-job.json | RUN | a job now, or a schedule |
| GET | /list-jobs.json | READ | jobs by status or id |
| GET | /job.json | READ | one job by any of its names, with all that is known of it |
| POST | /cancel-job.json | RUN | a job or a schedule ends |
| POST | /retry-job.json | RUN | what a job was ordered with, once more |
| POST | /delete-job.json | RUN | a finished job goes, with its files |
| GET | /get-log/data/<name> | READ | standard output (ID.out) or error (ID.err) |
| GET | /get-log | READ | nothing: 405 |
| GET | /get-items/data/<name> | READ | the items as JSON lines (ID.jsonl) |
| GET | /job-files.json | READ | the files that a job's run has left in its directory |
| GET | /get-file/data/<job>/<path:path> | READ | one of them, as an attachment |
| GET | /openapi.json | READ | this API, described by OpenAPI 3.1 |
"""

import json
import re
from dataclasses import replace
from typing import Any
from uuid import UUID

from scrapy_do.api.scrapy_do.openapi import openapi_document
from scrapy_do.api.scrapy_do.requests import (
    LARGEST_NUMBER,
    MOST_ATTEMPTS,
    MOST_FILES,
    USUAL_FILES,
    job_filter,
    job_request,
    list_names,
)
from scrapy_do.api.scrapy_do.schedules import (
    ORDER_FIELDS,
    ScheduleCalls,
    accepted_json,
    schedule_request,
)
from scrapy_do.api.scrapy_do.shapes import (
    answered,
    attachment_headers,
    job_details_json,
    job_files_json,
    job_or_schedule_json,
    page_json,
    project_json,
    pushed_json,
    schedule_job_json,
    status_json,
    version_json,
)
from scrapy_do.core.job import Job
from scrapy_do.errors import (
    BadArchive,
    BadArgument,
    Conflict,
    Invalid,
    JobNotFound,
    LogNotFound,
    NotAuthenticated,
    NotFound,
    ProjectNotFound,
    ScrapyDoError,
)
from scrapy_do.operations.jobs import CANCEL_WAIT_S
from scrapy_do.operations.operations import Operations, Output, OutputStream
from scrapy_do.web.answer import Rows, redirect
from scrapy_do.web.answer import Stream as Sent
from scrapy_do.web.params import parse_uuid
from scrapy_do.web.permits import PERMITS
from scrapy_do.web.router import JSON, Answer, Call, Router
from scrapy_do.web.status import ErrorStyle, WrongVerb
from scrapy_do.web.tail import Tail
from scrapy_do.web.upload import BodyRules

TEXT = "text/plain; charset=utf-8"
_CAPITAL = re.compile("(?<!^)(?=[A-Z])")
JSON_LINES = "application/x-jsonlines; charset=utf-8"


class NothingToRemove(ProjectNotFound):
    """The original words an unknown project differently when it is to be removed."""

    def __str__(self) -> str:
        return f'No such project: "{self.name}"'


def _error_body(error: ScrapyDoError, _status: int) -> bytes:
    """Word an error as the original does, `status` and `msg`; `error` is its name."""
    answer: dict[str, Any] = {"status": "error", "msg": str(error), "error": _name(error)}
    if isinstance(error, BadArchive) and error.traceback:
        answer["traceback"] = error.traceback
    if isinstance(error, BadArchive) and error.warnings:
        answer["warnings"] = list(error.warnings)
    return json.dumps(answer, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


def _name(error: ScrapyDoError) -> str:
    """The name of an error, which stays when its words change: `spider-not-found`."""
    families = (ProjectNotFound, NotAuthenticated)  # their kinds differ in words alone
    kind = next((one for one in families if isinstance(error, one)), type(error))
    return _CAPITAL.sub("-", kind.__name__).lower()


# The original answers 400 for everything that a client can cause, also for what is not there.
STYLE = ErrorStyle(
    status={NotFound: 400, Invalid: 400, Conflict: 400, LogNotFound: 404},
    body=_error_body,
)


class ScrapyDoAPI:
    """The dialect. See the module's docstring for its routes."""

    prefix = ""

    def __init__(self, operations: Operations, *, archive_bytes: int, tail: Tail) -> None:
        self._operations = operations
        self._tail = tail
        self.router = Router(permits=PERMITS, style=STYLE)
        add = self.router.add
        add("GET", "/", self.pages)
        add("GET", "/status.json", self.status)
        archive = BodyRules(limit_bytes=archive_bytes, upload="archive")
        add("POST", "/push-project.json", self.push_project, body=archive)
        add("GET", "/list-projects.json", self.list_projects)
        add("GET", "/list-spiders.json", self.list_spiders)
        add("GET", "/list-versions.json", self.list_versions)
        add("POST", "/activate-version.json", self.activate_version)
        add("POST", "/remove-version.json", self.remove_version)
        add("POST", "/remove-project.json", self.remove_project)
        add("POST", "/schedule-job.json", self.schedule_job)
        add("GET", "/list-jobs.json", self.list_jobs)
        add("GET", "/job.json", self.job)
        add("POST", "/cancel-job.json", self.cancel_job)
        add("POST", "/retry-job.json", self.retry_job)
        add("POST", "/delete-job.json", self.delete_job)
        add("GET", "/get-log/data/<name>", self.get_log)
        add("GET", "/get-log", self.get_log_of_nothing)
        add("GET", "/get-items/data/<name>", self.get_items)
        add("GET", "/job-files.json", self.job_files)
        add("GET", "/get-file/data/<job>/<path:path>", self.get_file)
        ScheduleCalls(operations).add_to(self.router)
        add("GET", "/openapi.json", self.openapi)

    async def status(self, _call: Call) -> JSON:
        """Answer how the daemon is."""
        problems = await self._operations.status.problems()
        return answered(status_json(await self._operations.status.status(), problems))

    # --- projects ------------------------------------------------------------------------------

    async def push_project(self, call: Call) -> JSON:
        """Take an archive."""
        pushed = await self._operations.projects.push(
            call.params.file("archive").path,
            by=call.principal.name,
            label=call.params.optional_text("version"),
            project=call.params.optional_text("name"),
            force=call.params.flag("force"),
            activate=call.params.flag("activate", default=True),
        )
        return answered(pushed_json(pushed))

    async def list_projects(self, _call: Call) -> JSON:
        """Name the projects."""
        projects = await self._operations.projects.all()
        pushed = [project for project in projects if project.current]
        return answered(
            {
                "projects": [project.name for project in pushed],
                "details": [project_json(project) for project in pushed],
            }
        )

    async def list_spiders(self, call: Call) -> JSON:
        """Name the spiders of a project."""
        project = await self._operations.projects.get(call.params.text("project"))
        spiders = sorted(project.current.spiders) if project.current else []
        return answered({"project": project.name, "spiders": spiders})

    async def list_versions(self, call: Call) -> JSON:
        """List the versions of a project."""
        name = call.params.text("project")
        project = await self._operations.projects.get(name)
        versions = await self._operations.projects.versions(name)
        return answered(
            {
                "project": name,
                "versions": [version_json(version, project.current) for version in versions],
            }
        )

    async def activate_version(self, call: Call) -> JSON:
        """Make an earlier version the current one."""
        call.params.require("project", "version")
        name, version = call.params.text("project"), call.params.text("version")
        await self._operations.projects.activate(name, version)
        return answered({"project": name, "version": version})

    async def remove_version(self, call: Call) -> JSON:
        """Forget a version."""
        call.params.require("project", "version")
        await self._operations.projects.remove_version(
            call.params.text("project"), call.params.text("version")
        )
        return answered()

    async def remove_project(self, call: Call) -> JSON:
        """Remove a project."""
        name = call.params.text("name")
        if name not in {project.name for project in await self._operations.projects.all()}:
            raise NothingToRemove(name)
        await self._operations.projects.remove(name)
        return answered()

    # --- jobs ----------------------------------------------------------------------------------

    async def schedule_job(self, call: Call) -> JSON:
        """Accept a job to be run now, or a schedule."""
        call.params.require("project", "spider", "when")
        call.params.refuse_misspelled(*ORDER_FIELDS)
        request = job_request(call.params)
        accepted = await self._operations.schedules.submit(
            request, schedule_request(call.params), by=call.principal
        )
        return answered(accepted_json(accepted))

    async def list_jobs(self, call: Call) -> JSON:
        """List jobs and schedules."""
        params = call.params
        wanted = job_filter(params)  # also beside an id: what is wrong is wrong
        names = list_names(params) if "status" in params else ()
        if "id" in params:
            return answered({"jobs": [await self._one(params.text("id"))]})
        if "status" not in params:
            raise BadArgument("status or id")
        page = await self._operations.listing.page(names, wanted)
        jobs = [row for row in page.rows if isinstance(row, Job)]
        waiting = await self._operations.jobs.waiting_for(jobs)
        rows = Rows(made=(job_or_schedule_json(row, waiting) for row in page.rows))
        return answered(page_json("jobs", rows, page))

    async def _one(self, text: str) -> JSON:
        found = await self._operations.job_or_schedule(_identifier(text))
        if not isinstance(found, Job):
            return schedule_job_json(found)
        return await self._details(found)

    async def _details(self, job: Job) -> JSON:
        earlier = await self._operations.outputs.attempts(job.id)
        waiting = await self._operations.jobs.waiting_for([job])
        return job_details_json(job, waiting_for=waiting.get(job.id), earlier_attempts=earlier)

    async def job(self, call: Call) -> JSON:
        """Show one job: `id` is its identifier or the beginning of it, or another name."""
        job = await self._operations.jobs.named(
            call.params.text("id"), project=call.params.optional_text("project")
        )
        return answered({"job": await self._details(job)})

    async def cancel_job(self, call: Call) -> JSON:
        """End a job or a schedule; `wait` is how long the answer may wait for the end."""
        identifier = _identifier(call.params.text("id"))
        wait_s = call.params.number("wait", minimum=0, maximum=CANCEL_WAIT_S, default=CANCEL_WAIT_S)
        force = call.params.flag("force")
        await self._operations.cancel(
            identifier, by=call.principal.name, force=force, wait_s=wait_s
        )
        return answered()

    async def retry_job(self, call: Call) -> JSON:
        """Accept what a job was ordered with once more, for the version that is current now."""
        job = await self._operations.jobs.again(
            _identifier(call.params.text("id")), by=call.principal
        )
        return answered(accepted_json(job))

    async def delete_job(self, call: Call) -> JSON:
        """Remove a finished job with its files."""
        await self._operations.jobs.delete(call.params.uuid("id"))
        return answered()

    async def openapi(self, _call: Call) -> JSON:
        """Describe this API, for programs that make clients or tests of it."""
        return openapi_document(self.router.routes(), self.router.style)

    async def pages(self, _call: Call) -> Answer:
        """Send whoever opens the bare address to the pages."""
        return redirect("/ui/", status=302)

    # --- files ---------------------------------------------------------------------------------

    async def get_log(self, call: Call, *, name: str) -> Answer:
        """Send or follow a standard stream of a job."""
        job_id, suffix = _file_name(name, *OutputStream)
        output = await self._operations.outputs.log(job_id, OutputStream(suffix))
        return await self._send(call, output, TEXT)

    async def get_log_of_nothing(self, call: Call) -> JSON:
        """Refuse, as the original does."""
        raise WrongVerb(call.method, ())

    async def get_items(self, call: Call, *, name: str) -> Answer:
        """Send or follow the items of a job."""
        job_id, _ = _file_name(name, "jsonl")
        output = await self._operations.outputs.items(job_id, _attempt(call))
        return await self._send(call, output, JSON_LINES)

    async def job_files(self, call: Call) -> JSON:
        """List what a job's run has left in its directory."""
        job_id = _identifier(call.params.text("id"))
        limit = call.params.integer("limit", minimum=1, maximum=MOST_FILES, default=USUAL_FILES)
        after = call.params.integer("after", minimum=0, maximum=LARGEST_NUMBER, default=0)
        files, left_out = await self._operations.outputs.files(
            job_id, _attempt(call), after=after, limit=limit + 1
        )
        return answered(job_files_json(job_id, files, left_out, limit, _attempt(call)))

    async def get_file(self, call: Call, *, job: str, path: str) -> Answer:
        """Send a file that a job's run has left; never for a browser to show."""
        job_id = parse_uuid(job)
        if job_id is None:
            raise LogNotFound
        output = await self._operations.outputs.file(job_id, path, _attempt(call))
        sent = await self._send(call, output, "application/octet-stream")
        return replace(sent, headers=(*sent.headers, *attachment_headers(path)))

    async def _send(self, call: Call, output: Output, content_type: str) -> Sent:
        return await self._tail.serve(
            call,
            output.path,
            is_live=output.is_live,
            on_end=output.on_end,
            content_type=content_type,
        )


def _attempt(call: Call) -> int | None:
    """Which abandoned attempt of a job is meant; None for the job itself."""
    return call.params.integer("attempt", minimum=1, maximum=MOST_ATTEMPTS, default=None)


def _identifier(text: str) -> UUID:
    """Read an identifier; what cannot be one names nothing."""
    identifier = parse_uuid(text)
    if identifier is None:
        raise JobNotFound(text[:100])
    return identifier


def _file_name(name: str, *suffixes: str) -> tuple[UUID, str]:
    """Read `ID.SUFFIX`; nothing else is a file, whatever it looks like."""
    stem, _, suffix = name.partition(".")
    job_id = parse_uuid(stem)
    if job_id is None or suffix not in suffixes:
        raise LogNotFound
    return job_id, suffix
