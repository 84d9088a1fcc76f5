"""The routes of the list of jobs and of single jobs; the table is in `routes`."""

from collections.abc import Awaitable, Callable
from datetime import datetime

from scrapy_do.core.job_search import search_jobs
from scrapy_do.errors import BadArgument, BadSearch
from scrapy_do.operations.bulk import Done
from scrapy_do.operations.operations import Operations
from scrapy_do.ui.pages import jobs as page
from scrapy_do.ui.render import Renderer
from scrapy_do.ui.twins import csv_twin, json_twin
from scrapy_do.ui.words import number
from scrapy_do.web.answer import redirect
from scrapy_do.web.params import Params
from scrapy_do.web.router import JSON, Answer, Call, Router

_LARGEST = 1 << 60
_DONE = {"cancel": "cancelled", "again": "ordered again", "delete": "deleted"}


class JobRoutes:
    """Handlers of the pages of jobs."""

    def __init__(
        self, operations: Operations, renderer: Renderer, *, now: Callable[[], datetime]
    ) -> None:
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
            now=self._now(),
        )
        return self._renderer.answer(shown, call)

    async def bulk(self, call: Call) -> Answer:
        """Do it, and show the list as it is then."""
        text, action, upto = _text(call.params), _action(call.params), _upto(call.params)
        if upto is None:
            raise BadArgument("upto")
        wanted = search_jobs(text, now=self._now()).wanted
        bulk = self._operations.bulk
        if action == "cancel":
            done = await bulk.cancel(wanted, upto=upto, by=call.principal.name)
        elif action == "again":
            done = await bulk.again(wanted, upto=upto, by=call.principal)
        else:
            done = await bulk.delete(wanted, upto=upto)
        separator = "&" if text else "?"
        return redirect(f"{page.address(text)}{separator}{_told(action, done)}")


def _text(params: Params) -> str:
    return params.optional_text("q", "").strip()


def _place(params: Params) -> page.Place:
    def number_of(name: str) -> int | None:
        return params.integer(name, minimum=0, maximum=_LARGEST, default=None)

    return page.Place(after=number_of("after"), newer_than=number_of("newer"), top=number_of("top"))


def _action(params: Params) -> str:
    params.require("do")
    action: str = params.choice("do", tuple(page.BULK), default="")
    return action


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
