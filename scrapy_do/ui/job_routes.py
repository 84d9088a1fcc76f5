"""The routes of the list of jobs and of single jobs; the table is in `routes`."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from uuid import UUID, uuid4

from scrapy_do.core.item_filter import ItemFilter, Match
from scrapy_do.core.job import Job
from scrapy_do.core.job_search import search_jobs
from scrapy_do.core.log_lines import LogFilter
from scrapy_do.errors import BadArgument, BadSearch, JobNotFound
from scrapy_do.operations.bulk import Done
from scrapy_do.operations.operations import Operations
from scrapy_do.operations.records import RecordKind
from scrapy_do.ui.events import LISTS, JobFeed, ListFeed, LogWanted
from scrapy_do.ui.pages import jobs as page
from scrapy_do.ui.pages.job_items import items_csv, items_json, job_items, job_requests
from scrapy_do.ui.pages.job_log import Asked, job_log
from scrapy_do.ui.pages.job_parts import job_arguments, job_files, job_now, job_runs, job_stats
from scrapy_do.ui.render import Renderer
from scrapy_do.ui.twins import CSV, csv_twin, json_twin
from scrapy_do.ui.words import number
from scrapy_do.web.answer import Stream, redirect
from scrapy_do.web.params import Params, parse_uuid
from scrapy_do.web.router import JSON, Answer, Call, Router
from scrapy_do.web.sse import Bell

_LARGEST = 1 << 60
_LONGEST = 500
_LONGEST_ID = 18
_WAIT_S = 3.0
TEXT = "text/plain; charset=utf-8"
JSON_LINES = "application/x-jsonlines; charset=utf-8"
_TOLD = {
    "cancel": "It was asked to stop.",
    "kill": "What ran was killed.",
    "again": "This is the new job, ordered as the one before.",
}
_DONE = {"cancel": "cancelled", "again": "ordered again", "delete": "deleted"}


class JobRoutes:
    """Handlers of the pages of jobs."""

    def __init__(
        self,
        operations: Operations,
        renderer: Renderer,
        *,
        now: Callable[[], datetime],
        new_bell: Callable[[], Bell],
    ) -> None:
        self._new_bell = new_bell
        self._boot = uuid4()
        self._operations = operations
        self._renderer = renderer
        self._now = now

    def add_to(self, router: Router) -> None:
        """Add the routes."""
        add = router.add
        add("GET", "/ui/jobs", self.jobs)
        add("GET", "/ui/jobs.json", self.jobs_json)
        add("GET", "/ui/jobs.csv", self.jobs_csv)
        add("GET", "/ui/jobs/bulk", self.bulk_question)
        add("POST", "/ui/jobs/bulk", self.bulk)
        add("GET", "/ui/jobs/<job>", self.job)
        add("GET", "/ui/jobs/<job>/log.text", self.log_text)
        add("GET", "/ui/jobs/<job>/log.jsonl", self.log_jsonl)
        for part in ("items", "requests", "stats", "arguments", "runs", "files", "now"):
            add("GET", f"/ui/jobs/<job>/{part}", getattr(self, part))
        add("GET", "/ui/jobs/<job>/items.json", self.items_json)
        add("GET", "/ui/jobs/<job>/items.csv", self.items_csv)
        add("GET", "/ui/jobs/<job>/items.jsonl", self.items_jsonl)
        add("GET", "/ui/jobs/<job>/stats.json", self.stats_json)
        add("GET", "/ui/events", self.list_events)
        add("GET", "/ui/jobs/<job>/events", self.job_events)
        add("GET", "/ui/jobs/<job>/cancel", self.cancel_question)
        add("POST", "/ui/jobs/<job>/cancel", self.cancel)
        add("POST", "/ui/jobs/<job>/again", self.again)
        add("GET", "/ui/jobs/<job>/delete", self.delete_question)
        add("POST", "/ui/jobs/<job>/delete", self.delete)

    # --- the list ------------------------------------------------------------------------------

    async def jobs(self, call: Call) -> Answer:
        """Show the jobs of a search."""
        text, said = _text(call.params), _said(call.params)
        try:
            shown = await page.jobs(
                self._operations, text, _place(call.params), now=self._now(), said=said
            )
        except BadSearch as error:
            shown = page.misunderstood(error)
        return self._renderer.answer(shown, call)

    async def jobs_json(self, call: Call) -> JSON | Answer:
        """Send the jobs of a search as JSON; `next-after` is the `after` of the next page."""
        _, rows, after = await self._rows(call)
        return json_twin("jobs", rows, **({} if after is None else {"next-after": after}))

    async def jobs_csv(self, call: Call) -> Answer:
        """Send the jobs of a search as a table."""
        _, rows, _ = await self._rows(call)
        return csv_twin("jobs.csv", page.COLUMNS, rows)

    def _rows(self, call: Call) -> Awaitable[tuple[object, list[dict[str, JSON]], int | None]]:
        limit = call.params.integer(
            "limit", minimum=1, maximum=page.MOST_ROWS, default=page.MOST_ROWS
        )
        return page.rows(
            self._operations,
            _text(call.params),
            _place(call.params),
            limit=limit,
            now=self._now(),
        )

    async def bulk_question(self, call: Call) -> Answer:
        """Ask before something is done to all jobs of a search."""
        shown = await page.bulk_question(
            self._operations,
            _text(call.params),
            _action(call.params),
            _upto(call.params),
            selected=_selected(call.params),
            now=self._now(),
        )
        return self._renderer.answer(shown, call)

    async def bulk(self, call: Call) -> Answer:
        """Do it, and show the list as it is then."""
        text, action, upto = _text(call.params), _action(call.params), _upto(call.params)
        if upto is None:
            raise BadArgument("upto")
        wanted = replace(search_jobs(text, now=self._now()).wanted, ids=_selected(call.params))
        bulk = self._operations.bulk
        if action == "cancel":
            done = await bulk.cancel(wanted, upto=upto, by=call.principal.name)
        elif action == "again":
            done = await bulk.again(wanted, upto=upto, by=call.principal)
        else:
            done = await bulk.delete(wanted, upto=upto)
        separator = "&" if text else "?"
        return redirect(f"{page.address(text)}{separator}{_told(action, done)}")

    # --- one job -------------------------------------------------------------------------------

    async def job(self, call: Call, *, job: str) -> Answer:
        """Show a job with its log."""
        found = await self._job(job)
        told = _TOLD.get(call.params.optional_text("done", ""), "")
        shown = await job_log(
            self._operations, found, _asked(call.params), now=self._now(), told=told
        )
        return self._renderer.answer(shown, call)

    async def log_text(self, call: Call, *, job: str) -> Answer:
        """Send the wanted lines of a log as text."""
        found = await self._job(job)
        chunks = self._operations.logs.stream(found.id, _asked(call.params).wanted, as_text=True)
        return _download(chunks, f"{job}.log", TEXT)

    async def log_jsonl(self, call: Call, *, job: str) -> Answer:
        """Send the wanted lines of a log as JSON lines."""
        found = await self._job(job)
        chunks = self._operations.logs.stream(found.id, _asked(call.params).wanted, as_text=False)
        return _download(chunks, f"{job}.log.jsonl", JSON_LINES)

    async def items(self, call: Call, *, job: str) -> Answer:
        """Show items of a job."""
        found = await self._job(job)
        shown = await job_items(
            self._operations,
            found,
            _item_filter(call.params),
            _start(call.params),
            now=self._now(),
        )
        return self._renderer.answer(shown, call)

    async def requests(self, call: Call, *, job: str) -> Answer:
        """Show what became of the requests of a job."""
        found = await self._job(job)
        shown = await job_requests(self._operations, found, _start(call.params), now=self._now())
        return self._renderer.answer(shown, call)

    async def stats(self, call: Call, *, job: str) -> Answer:
        """Show the statistics of a job."""
        found = await self._job(job)
        starts = call.params.optional_text("starts", "")[:_LONGEST]
        shown = await job_stats(self._operations, found, starts, now=self._now())
        return self._renderer.answer(shown, call)

    async def stats_json(self, _call: Call, *, job: str) -> JSON:
        """Send the statistics of a job as they are."""
        return dict((await self._job(job)).progress.stats)

    async def arguments(self, call: Call, *, job: str) -> Answer:
        """Show what a job was given."""
        found = await self._job(job)
        shown = await job_arguments(self._operations, found, now=self._now())
        return self._renderer.answer(shown, call)

    async def runs(self, call: Call, *, job: str) -> Answer:
        """Show the runs that are like a job."""
        found = await self._job(job)
        shown = await job_runs(self._operations, found, now=self._now())
        return self._renderer.answer(shown, call)

    async def files(self, call: Call, *, job: str) -> Answer:
        """Show the files that the run of a job has left."""
        found = await self._job(job)
        after = call.params.integer("after", minimum=0, maximum=_LARGEST, default=0)
        shown = await job_files(self._operations, found, after, now=self._now())
        return self._renderer.answer(shown, call)

    async def now(self, call: Call, *, job: str) -> Answer:
        """Show what changes while a job runs, alone."""
        found = await self._job(job)
        shown = await job_now(self._operations, found, now=self._now())
        return self._renderer.answer(shown, call)

    async def items_jsonl(self, _call: Call, *, job: str) -> Answer:
        """Send the items of a job as JSON lines."""
        found = await self._job(job)
        lines = self._operations.data.stream_lines(found.id, RecordKind.ITEMS)
        return _download(lines, f"{job}.items.jsonl", JSON_LINES)

    async def items_json(self, _call: Call, *, job: str) -> Answer:
        """Send the items of a job as one JSON array."""
        found = await self._job(job)
        chunks = items_json(self._operations, found)
        return _download(chunks, f"{job}.items.json", "application/json")

    async def items_csv(self, _call: Call, *, job: str) -> Answer:
        """Send the items of a job as a table."""
        found = await self._job(job)
        return _download(items_csv(self._operations, found), f"{job}.items.csv", CSV)

    # --- live ----------------------------------------------------------------------------------

    async def list_events(self, call: Call) -> Answer:
        """Tell of changes in lists as they happen."""
        wanted = call.params.texts("of") or LISTS
        for name in wanted:
            if name not in LISTS:
                raise BadArgument("of", f"must be one of {', '.join(LISTS)}")
        opened = call.principal.opened
        names = None
        if opened is not None:
            names = {project.name for project in await self._operations.projects.all()}
        feed = ListFeed(
            self._operations, self._new_bell(), wanted=wanted, opened=opened, names=names
        )
        return feed.stream(boot=self._boot, last_id=call.header("Last-Event-ID"))

    async def job_events(self, call: Call, *, job: str) -> Answer:
        """Tell of a job and its log as it goes on."""
        found = await self._job(job)
        params = call.params
        seen = params.integer("after", minimum=0, maximum=_LARGEST, default=None)
        last = call.header("Last-Event-ID")
        if last.isascii() and last.isdecimal() and len(last) < _LONGEST_ID:
            seen = int(last)
        if seen is None:
            seen = (await self._operations.logs.window(found.id, LogFilter(), limit=0)).total
        wanted = LogWanted(lines=log_filter(params), seen=seen, everything=params.flag("all"))
        return JobFeed(self._operations, self._new_bell(), found, wanted).stream()

    async def cancel_question(self, call: Call, *, job: str) -> Answer:
        """Ask before a job is cancelled."""
        grace_s = self._operations.server.stop_grace.total_seconds()
        shown = page.cancel_question(await self._job(job), grace_s=grace_s)
        return self._renderer.answer(shown, call)

    async def cancel(self, call: Call, *, job: str) -> Answer:
        """End a job, by force if asked, and show how it is then."""
        found = await self._job(job)
        is_forced = call.params.flag("force")
        await self._operations.jobs.cancel(
            found.id, by=call.principal.name, force=is_forced, wait_s=_WAIT_S
        )
        return redirect(f"/ui/jobs/{found.id}?done={'kill' if is_forced else 'cancel'}")

    async def again(self, call: Call, *, job: str) -> Answer:
        """Order a job once more, and show the new one."""
        found = await self._job(job)
        made = await self._operations.jobs.again(found.id, by=call.principal)
        return redirect(f"/ui/jobs/{made.id}?done=again")

    async def delete_question(self, call: Call, *, job: str) -> Answer:
        """Ask before a job is deleted."""
        return self._renderer.answer(page.delete_question(await self._job(job)), call)

    async def delete(self, _call: Call, *, job: str) -> Answer:
        """Delete a job with its files, and show the list."""
        found = await self._job(job)
        await self._operations.jobs.delete(found.id)
        return redirect("/ui/jobs?done=delete&jobs=1")

    async def _job(self, text: str) -> Job:
        """Find a job by its identifier.

        Raises:
            JobNotFound: there is none.
        """
        identifier = parse_uuid(text)
        if identifier is None:
            raise JobNotFound(text[:100])
        return await self._operations.jobs.get(identifier)


def _download(chunks: AsyncGenerator[bytes, None], name: str, content_type: str) -> Stream:
    return Stream(
        chunks=chunks,
        content_type=content_type,
        headers=(
            ("Content-Disposition", f'attachment; filename="{name}"'),
            ("Cache-Control", "no-store"),
        ),
    )


def _start(params: Params) -> int:
    start: int = params.integer("start", minimum=0, maximum=_LARGEST, default=0)
    return start


def _item_filter(params: Params) -> ItemFilter | None:
    """Which items are wanted; None for all."""
    name = params.optional_text("field", "")[:_LONGEST]
    if not name:
        return None
    match = params.choice("match", tuple(Match), default=Match.CONTAINS)
    return ItemFilter(
        name=name, match=Match(match), text=params.optional_text("text", "")[:_LONGEST]
    )


def _asked(params: Params) -> Asked:
    def place(name: str) -> int | None:
        return params.integer(name, minimum=0, maximum=_LARGEST, default=None)

    return Asked(
        wanted=log_filter(params),
        before=place("before"),
        after=place("after"),
        around=place("around"),
    )


def log_filter(params: Params) -> LogFilter:
    """Read which lines of a log are wanted."""
    return LogFilter(
        level=params.integer("level", minimum=0, maximum=100, default=0),
        logger=params.optional_text("logger", "")[:_LONGEST].strip(),
        text=params.optional_text("text", "")[:_LONGEST],
    )


def _text(params: Params) -> str:
    return params.optional_text("q", "").strip()


def _place(params: Params) -> page.ListPlace:
    def number_of(name: str) -> int | None:
        return params.integer(name, minimum=0, maximum=_LARGEST, default=None)

    return page.ListPlace(
        after=number_of("after"), newer_than=number_of("newer"), top=number_of("top")
    )


def _action(params: Params) -> str:
    params.require("do")
    action: str = params.choice("do", tuple(page.BULK), default="")
    return action


def _selected(params: Params) -> tuple[UUID, ...] | None:
    """The jobs that somebody has selected; None where all of a search are meant."""
    if "selected" not in params:
        return None
    return tuple(one for text in params.texts("job") if (one := parse_uuid(text)))


def _upto(params: Params) -> int | None:
    return params.integer("upto", minimum=0, maximum=_LARGEST, default=None)


def _told(action: str, done: Done) -> str:
    """What was done, as a part of an address: numbers, never text."""
    return f"done={action}&jobs={done.jobs}&failed={done.failed}"


def _said(params: Params) -> str:
    """What was done, in words; it is read from the address, so only numbers are taken."""
    action = params.optional_text("done", "")
    if action not in _DONE:
        return ""
    jobs = params.integer("jobs", minimum=0, maximum=_LARGEST, default=0)
    failed = params.integer("failed", minimum=0, maximum=_LARGEST, default=0)
    text = f"{number(jobs)} {'job' if jobs == 1 else 'jobs'} {_DONE[action]}."
    return f"{text} {number(failed)} could not be." if failed else text
