"""The routes of the pages.

| method | path | role | what |
|---|---|---|---|
| GET | /ui | READ | the overview, as /ui/ |
| GET | /ui/ | READ | the overview |
| GET | /ui/jobs | READ | the jobs of a search |
| GET | /ui/jobs.json | READ | the same as JSON |
| GET | /ui/jobs.csv | READ | the same as a table |
| GET | /ui/jobs/bulk | READ | the question before something is done to all of them |
| POST | /ui/jobs/bulk | RUN | they are cancelled, run again or deleted |
| GET | /ui/jobs/<job> | READ | a job with its log |
| GET | /ui/events | READ | changes of lists, as they happen: docs/live.md |
| GET | /ui/jobs/<job>/events | READ | a job and its log, as it goes on: docs/live.md |
| GET | /ui/jobs/<job>/items | READ | items as a table, how many have each field |
| GET | /ui/jobs/<job>/items.json | READ | all items as an array; `.jsonl` and `.csv` alike |
| GET | /ui/jobs/<job>/requests | READ | what became of the requests |
| GET | /ui/jobs/<job>/stats | READ | the statistics beside those of the run before |
| GET | /ui/jobs/<job>/stats.json | READ | the statistics as they are |
| GET | /ui/jobs/<job>/arguments | READ | what the job was given |
| GET | /ui/jobs/<job>/runs | READ | the last runs with the same arguments |
| GET | /ui/jobs/<job>/files | READ | the files that its run has left |
| GET | /ui/jobs/<job>/now | READ | its figures and lines over time, alone |
| GET | /ui/jobs/<job>/log.text | READ | the log, filtered, as text |
| GET | /ui/jobs/<job>/log.jsonl | READ | the same as JSON lines |
| GET | /ui/jobs/<job>/cancel | READ | the question before that |
| POST | /ui/jobs/<job>/cancel | RUN | the job ends |
| POST | /ui/jobs/<job>/again | RUN | the same order once more |
| GET | /ui/jobs/<job>/delete | READ | the question before that |
| POST | /ui/jobs/<job>/delete | RUN | an ended job goes with its files |
| GET | /ui/schedules | READ | the schedules in some states |
| GET | /ui/schedules.json | READ | the same as JSON |
| GET | /ui/schedules.csv | READ | the same as a table |
| POST | /ui/schedules | RUN | a schedule is made |
| GET | /ui/schedules/new | READ | the form of a new one |
| GET | /ui/schedules/preview | READ | what a form would mean |
| GET | /ui/schedules/<name> | READ | one, its form and its history |
| POST | /ui/schedules/<name> | RUN | it is changed |
| GET | /ui/schedules/<name>/history.json | READ | what became of its instants |
| GET | /ui/schedules/<name>/history.csv | READ | the same as a table |
| POST | /ui/schedules/<name>/pause | RUN | it stops for a while |
| POST | /ui/schedules/<name>/resume | RUN | it goes on |
| POST | /ui/schedules/<name>/run | RUN | an extra job of it, now |
| GET | /ui/schedules/<name>/delete | READ | the question before it is deleted |
| POST | /ui/schedules/<name>/delete | RUN | it ends for good |
| GET | /ui/static/<name> | READ | scripts, styles, pictures |

Those of projects, spiders, the run form and pushes are in `project_routes`, of logging in in
`login_routes`, of the daemon itself and of comparing in `server_routes`.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from scrapy_do.errors import NotFound, ScrapyDoError
from scrapy_do.operations.operations import Operations
from scrapy_do.ui.job_routes import JobRoutes
from scrapy_do.ui.login_routes import LoginRoutes
from scrapy_do.ui.pages.failure import failure
from scrapy_do.ui.pages.overview import overview
from scrapy_do.ui.project_routes import ProjectRoutes
from scrapy_do.ui.render import HTML, SAFETY, Renderer, takes_gzip
from scrapy_do.ui.schedule_routes import ScheduleRoutes
from scrapy_do.ui.server_routes import ServerRoutes
from scrapy_do.ui.static_files import StaticFiles
from scrapy_do.web.answer import Answer, Response, redirect
from scrapy_do.web.permits import PERMITS
from scrapy_do.web.router import Call, Dialect, Router
from scrapy_do.web.sessions import Sessions
from scrapy_do.web.sse import Bell
from scrapy_do.web.status import ErrorStyle

_FOR_EVER = "public, max-age=31536000, immutable"


class NoSuchFile(NotFound):
    """No static file is served under this name: the page that asked is of another version."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no file {name[:100]}. Load the page again")


class Pages:
    """The pages, mounted like a dialect. See the module's docstring for the routes."""

    prefix = "/ui"

    def __init__(
        self,
        operations: Operations,
        *,
        now: Callable[[], datetime],
        zone: str,
        times: str,
        archive_bytes: int,
        new_bell: Callable[[], Bell],
        sessions: Sessions | None = None,
        dialects: Sequence[Dialect] = (),
    ) -> None:
        self._operations = operations
        self._now = now
        self._static = StaticFiles()
        self._renderer = Renderer(
            names=self._static.names,
            now=now,
            zone=zone,
            times=times,
            strain=operations.status.strain,
        )
        style = ErrorStyle(
            body=self._failure,
            content_type=HTML,
            headers=lambda *_: SAFETY,
            challenge="Bearer",  # for another one browsers open a window of their own
        )
        self.router = Router(permits=PERMITS, style=style)
        add = self.router.add
        add("GET", "/ui", self.begin)
        add("GET", "/ui/", self.overview)
        add("GET", "/ui/static/<name>", self.static)
        ScheduleRoutes(operations, self._renderer, now=now, zone=zone).add_to(self.router)
        JobRoutes(operations, self._renderer, now=now, new_bell=new_bell).add_to(self.router)
        ServerRoutes(operations, self._renderer, dialects).add_to(self.router)
        if sessions is not None:
            LoginRoutes(self._renderer, sessions).add_to(self.router)
        ProjectRoutes(operations, self._renderer, archive_bytes=archive_bytes).add_to(self.router)

    async def begin(self, _call: Call) -> Answer:
        """Send the client to the overview."""
        return redirect("/ui/")

    async def overview(self, call: Call) -> Answer:
        """Show what runs, what is wrong, what comes next."""
        return self._renderer.answer(await overview(self._operations, now=self._now()), call)

    async def static(self, call: Call, *, name: str) -> Answer:
        """Send a file that never changes under its name."""
        file = self._static.get(name)
        if file is None:
            raise NoSuchFile(name)
        is_packed = takes_gzip(call)
        packing = (("Content-Encoding", "gzip"),) if is_packed else ()
        return Response(
            body=file.compressed if is_packed else file.plain,
            content_type=file.content_type,
            headers=(("Cache-Control", _FOR_EVER), ("Vary", "Accept-Encoding"), *packing),
        )

    def _failure(self, error: ScrapyDoError, status: int) -> bytes:
        page = failure(error, status)
        return self._renderer.html(page, path="", base="", by=None)
