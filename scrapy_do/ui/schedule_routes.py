"""The routes of schedules; the table is in `routes`."""

from collections.abc import Callable
from datetime import datetime
from urllib.parse import urlencode
from uuid import UUID

from scrapy_do.core.job import Job
from scrapy_do.core.schedule import Schedule
from scrapy_do.errors import BadArgument, Invalid, NotFound, ScheduleNotFound
from scrapy_do.operations.operations import Operations
from scrapy_do.ui.order_form import Filled, field_of, read_form, said
from scrapy_do.ui.pages import schedule as page
from scrapy_do.ui.pages import schedules as listed
from scrapy_do.ui.render import Renderer
from scrapy_do.ui.twins import csv_twin, json_twin
from scrapy_do.web.answer import Answer, redirect
from scrapy_do.web.params import Params, parse_uuid
from scrapy_do.web.router import Call, Router

_LARGEST = 1 << 60


class ScheduleRoutes:
    """Handlers of the pages of schedules. `zone` is the server's."""

    def __init__(
        self,
        operations: Operations,
        renderer: Renderer,
        *,
        now: Callable[[], datetime],
        zone: str,
    ) -> None:
        self._operations = operations
        self._schedules = operations.schedules
        self._renderer = renderer
        self._now = now
        self._zone = zone

    def add_to(self, router: Router) -> None:
        """Add the routes."""
        add = router.add
        add("GET", "/ui/schedules", self.schedules)
        add("GET", "/ui/schedules.json", self.schedules_json)
        add("GET", "/ui/schedules.csv", self.schedules_csv)
        add("POST", "/ui/schedules", self.create)
        add("GET", "/ui/schedules/new", self.new)
        add("GET", "/ui/schedules/preview", self.preview)
        add("GET", "/ui/schedules/<name>", self.one)
        add("POST", "/ui/schedules/<name>", self.update)
        add("GET", "/ui/schedules/<name>/history.json", self.history_json)
        add("GET", "/ui/schedules/<name>/history.csv", self.history_csv)
        add("POST", "/ui/schedules/<name>/pause", self.pause)
        add("POST", "/ui/schedules/<name>/resume", self.resume)
        add("POST", "/ui/schedules/<name>/run", self.run)
        add("GET", "/ui/schedules/<name>/delete", self.delete_question)
        add("POST", "/ui/schedules/<name>/delete", self.delete)

    # --- the list ------------------------------------------------------------------------------

    async def schedules(self, call: Call) -> Answer:
        """Show the schedules in some states."""
        shown = await listed.schedules(
            self._operations,
            state_word=_state(call.params),
            project=call.params.optional_text("project", ""),
            after=_number(call.params, "after"),
            now=self._now(),
            said=await self._said(call.params),
        )
        return self._renderer.answer(shown, call)

    async def schedules_json(self, call: Call) -> Answer:
        """Send the same as JSON; `next-after` is the `after` of the next page."""
        rows, after = await self._rows(call.params)
        return json_twin("schedules", rows, **({} if after is None else {"next-after": after}))

    async def schedules_csv(self, call: Call) -> Answer:
        """Send the same as a table."""
        rows, _ = await self._rows(call.params)
        return csv_twin("schedules.csv", listed.COLUMNS, rows)

    async def _rows(self, params: Params) -> listed.Twin:
        return await listed.twin(
            self._operations,
            state_word=_state(params),
            project=params.optional_text("project", ""),
            after=_number(params, "after"),
        )

    # --- the form ------------------------------------------------------------------------------

    async def new(self, call: Call) -> Answer:
        """Show the form of a new schedule, with what it would mean."""
        form, note = page.form_from(call.params, self._zone, None)
        shown = await page.new_schedule(
            self._operations, form, server_zone=self._zone, now=self._now(), note=note
        )
        return self._renderer.answer(shown, call)

    async def preview(self, call: Call) -> Answer:
        """Say what a form would mean, for a page that asks while somebody types."""
        schedule = None
        if call.params.optional_text("schedule"):
            schedule = await self._get(call.params.text("schedule"))
        form, note = page.form_from(call.params, self._zone, schedule)
        meaning = await page.meaning(
            self._operations,
            form,
            server_zone=self._zone,
            now=self._now(),
            schedule=schedule,
            note=note,
            is_written="write" in call.params,
        )
        return self._renderer.answer(page.preview_page(meaning), call)

    async def create(self, call: Call) -> Answer:
        """Give the order, or show the form again with what is wrong."""
        form, _ = page.form_from(call.params, self._zone, None)
        meant = read_form(form)
        errors = meant.errors
        if not errors:
            try:
                made = await self._schedules.submit(meant.request, meant.order, by=call.principal)
            except (Invalid, NotFound) as error:
                errors = {field_of(error): said(error)}
            else:
                if isinstance(made, Job):
                    return redirect(f"/ui/jobs/{made.id}")
                return redirect(f"/ui/schedules/{made.id}?done=made")
        shown = await page.new_schedule(
            self._operations, form, server_zone=self._zone, now=self._now(), errors=errors
        )
        return self._renderer.answer(shown, call)

    # --- one schedule --------------------------------------------------------------------------

    async def one(self, call: Call, *, name: str) -> Answer:
        """Show a schedule, its form and its history."""
        schedule = await self._get(name)
        form, note = page.form_from(call.params, self._zone, schedule)
        shown = await page.one_schedule(
            self._operations,
            schedule,
            form,
            server_zone=self._zone,
            now=self._now(),
            note=note,
            said=_told(schedule, call.params),
            skip=_number(call.params, "skip") or 0,
        )
        return self._renderer.answer(shown, call)

    async def update(self, call: Call, *, name: str) -> Answer:
        """Change a schedule, or show the form again with what is wrong."""
        schedule = await self._get(name)
        form, _ = page.form_from(call.params, self._zone, schedule)
        errors = await self._update(call, schedule, form)
        if not errors:
            return redirect(f"/ui/schedules/{schedule.id}?done=changed")
        shown = await page.one_schedule(
            self._operations,
            schedule,
            form,
            server_zone=self._zone,
            now=self._now(),
            errors=errors,
        )
        return self._renderer.answer(shown, call)

    async def _update(self, call: Call, schedule: Schedule, form: Filled) -> dict[str, str]:
        """Try to change it; say what is wrong, by input."""
        meant = read_form(form, schedule.request)
        if meant.errors:
            return dict(meant.errors)
        if meant.request.project != schedule.request.project:
            return {"target": "The project of a schedule cannot be changed; make a new schedule"}
        try:
            await self._schedules.update(
                schedule.id, lambda _: (meant.request, meant.order), by=call.principal
            )
        except (Invalid, NotFound) as error:
            return {field_of(error): said(error)}
        return {}

    async def history_json(self, _call: Call, *, name: str) -> Answer:
        """Send what became of the instants of a schedule."""
        schedule = await self._get(name)
        return json_twin("history", await page.history_twin(self._operations, schedule.id))

    async def history_csv(self, _call: Call, *, name: str) -> Answer:
        """Send the same as a table."""
        schedule = await self._get(name)
        rows = await page.history_twin(self._operations, schedule.id)
        return csv_twin(f"schedule-{schedule.id}.csv", page.HISTORY_COLUMNS, rows)

    # --- what is done to one -------------------------------------------------------------------

    async def pause(self, call: Call, *, name: str) -> Answer:
        """Switch a schedule off for a while."""
        schedule = await self._schedules.pause(_identifier(name))
        return _back(call.params, schedule)

    async def resume(self, call: Call, *, name: str) -> Answer:
        """Switch a schedule on again."""
        schedule = await self._schedules.resume(_identifier(name))
        return _back(call.params, schedule)

    async def run(self, call: Call, *, name: str) -> Answer:
        """Make an extra job now, and show it."""
        job = await self._schedules.run_now(_identifier(name), by=call.principal.name)
        return redirect(f"/ui/jobs/{job.id}")

    async def delete_question(self, call: Call, *, name: str) -> Answer:
        """Ask before a schedule is deleted."""
        shown = await listed.delete_question(self._operations, _identifier(name))
        return self._renderer.answer(shown, call)

    async def delete(self, call: Call, *, name: str) -> Answer:
        """End a schedule for good."""
        schedule = await self._schedules.cancel(_identifier(name), by=call.principal.name)
        return redirect(f"/ui/schedules?{urlencode({'done': str(schedule.id)})}")

    # --- steps ---------------------------------------------------------------------------------

    async def _get(self, name: str) -> Schedule:
        return await self._schedules.get(_identifier(name))

    async def _said(self, params: Params) -> str:
        """What was done to a schedule of the list, as it is now."""
        identifier = parse_uuid(params.optional_text("done", ""))
        if identifier is None:
            return ""
        try:
            return listed.standing_words(await self._schedules.get(identifier))
        except ScheduleNotFound:
            return ""


def _told(schedule: Schedule, params: Params) -> str:
    """What was done to a schedule, as it is now."""
    if not params.optional_text("done"):
        return ""
    return listed.standing_words(schedule, is_made=params.optional_text("done") == "made")


def _back(params: Params, schedule: Schedule) -> Answer:
    """Show the page from which a schedule was switched."""
    if params.optional_text("from") == "list":
        said_of = urlencode({"done": str(schedule.id)})
        return redirect(f"/ui/schedules?{said_of}#s{schedule.id}")
    return redirect(f"/ui/schedules/{schedule.id}?done=switched")


def _identifier(name: str) -> UUID:
    identifier = parse_uuid(name)
    if identifier is None:
        raise ScheduleNotFound(name[:100])
    return identifier


def _state(params: Params) -> str:
    word = params.optional_text("state", "")
    if word not in listed.CHIPS:
        known = ", ".join(filter(None, listed.CHIPS))
        raise BadArgument("state", f"must be one of {known}")
    return word


def _number(params: Params, name: str) -> int | None:
    return params.integer(name, minimum=0, maximum=_LARGEST, default=None)
