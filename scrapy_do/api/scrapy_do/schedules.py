"""Schedules in the Scrapy Do API: additions in its style.

Giving one is `schedule-job.json`, ending one `cancel-job.json`, as the original has it.

| method | path | role | what |
|---|---|---|---|
| GET | /list-schedules.json | READ | schedules, with their next and last instants |
| GET | /list-schedule-history.json | READ | the jobs of one, and the instants that made none |
| GET | /preview-schedule.json | READ | what a specification means, before it is given |
| POST | /update-schedule.json | RUN | one is changed |
| POST | /pause-schedule.json | RUN | one stops for a while |
| POST | /resume-schedule.json | RUN | one goes on |
| POST | /run-schedule.json | RUN | an extra job of one, now |
| POST | /backfill-schedule.json | RUN | jobs for past instants of one that have none |
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

from scrapy_do.api.scrapy_do.requests import job_filter, job_request
from scrapy_do.api.scrapy_do.shapes import answered, iso_local, job_json, page_json, status_name
from scrapy_do.core.job import Job, JobRequest
from scrapy_do.core.schedule import (
    CatchUp,
    Overlap,
    Policies,
    Schedule,
    ScheduleEvent,
    ScheduleState,
    next_runs,
)
from scrapy_do.core.schedule_rules import LONGEST_JITTER_S, POLICY_FIELDS, ScheduleRequest
from scrapy_do.errors import BadArgument, ScheduleNotFound
from scrapy_do.operations.operations import Operations
from scrapy_do.operations.schedules import History, Outlook, Preview
from scrapy_do.web.answer import Rows
from scrapy_do.web.params import Params, parse_uuid
from scrapy_do.web.router import JSON, Call, Router

LONGEST_WINDOW_S = 10 * 366 * 86_400
MOST_RUNS = 1_000_000_000
MOST_PREVIEWED = 100
MOST_ROWS = 1000
USUAL_ROWS = 100

_LISTED = tuple(state for state in ScheduleState if state is not ScheduleState.CANCELED)
_Value = TypeVar("_Value")


# --- reading -------------------------------------------------------------------------------------


def schedule_request(params: Params, standing: ScheduleRequest | None = None) -> ScheduleRequest:
    """Read when and by which rules; what is not said stays as it stands, or at its default.

    An empty value takes a rule away again.

    Raises:
        BadArgument: a parameter is missing or wrong; the message names it.
    """
    before = ScheduleRequest(when="") if standing is None else standing
    return ScheduleRequest(
        when=params.text("when") if standing is None else params.optional_text("when", before.when),
        zone=params.optional_text("timezone") or before.zone,
        policies=_policies(params, before.policies),
        note=params.optional_text("note", before.note),
    )


def _policies(params: Params, before: Policies) -> Policies:
    usual = Policies()

    def read(name: str, kept: _Value, default: _Value, reader: Callable[[], _Value]) -> _Value:
        if name not in params:
            return kept
        return default if params.optional_text(name) == "" else reader()

    return Policies(
        catchup=read("catchup", before.catchup, usual.catchup, lambda: _catchup(params)),
        catchup_window_s=read(
            "catchup-window",
            before.catchup_window_s,
            None,
            lambda: params.number(
                "catchup-window", minimum=0, maximum=LONGEST_WINDOW_S, default=None
            ),
        ),
        overlap=read("overlap", before.overlap, usual.overlap, lambda: _overlap(params)),
        jitter_s=read(
            "jitter",
            before.jitter_s,
            0.0,
            lambda: params.number("jitter", minimum=0, maximum=LONGEST_JITTER_S, default=0.0),
        ),
        until=read("until", before.until, None, lambda: params.timestamp("until", default=None)),
        max_runs=read(
            "max-runs",
            before.max_runs,
            None,
            lambda: params.integer("max-runs", minimum=1, maximum=MOST_RUNS, default=None),
        ),
    )


def _catchup(params: Params) -> CatchUp:
    return CatchUp(params.choice("catchup", tuple(CatchUp), default=CatchUp.LATEST))


def _overlap(params: Params) -> Overlap:
    return Overlap(params.choice("overlap", tuple(Overlap), default=Overlap.SKIP))


_REQUEST_FIELDS = {
    "spider": "spider",
    "version": "version",
    "arg": "arguments",
    "setting": "settings",
    "priority": "priority",
    "tag": "tags",
    "description": "description",
    "payload": "payload",
    "timeout": "timeout_s",
    "stall-timeout": "stall_timeout_s",
    "memory-limit": "memory_limit_bytes",
    "retries": "retries",
    "retry-delay": "retry_delay_s",
}


ORDER_FIELDS = (*("project", *_REQUEST_FIELDS, "when", "timezone", *POLICY_FIELDS, "note"),)
"""All that an order for a job, now or later, can say."""


def _edited_request(params: Params, standing: JobRequest) -> JobRequest:
    """Read what a schedule should run from now on; what is not said stays."""
    if params.optional_text("project") not in {None, standing.project}:
        raise BadArgument("project", "of a standing order cannot be changed; give a new order")
    named = {"project": (standing.project,), "spider": (standing.spider,)}
    read = job_request(params.with_defaults(named))
    said = {
        field: getattr(read, field) for name, field in _REQUEST_FIELDS.items() if name in params
    }
    return replace(standing, **said)


def _identifier(params: Params) -> UUID:
    """Read which schedule; what cannot be an identifier names none."""
    text = params.text("id")
    identifier = parse_uuid(text)
    if identifier is None:
        raise ScheduleNotFound(text[:100])
    return identifier


def _states(params: Params) -> frozenset[ScheduleState]:
    for text in params.texts("state"):
        if text not in tuple(ScheduleState):
            raise BadArgument("state", f"must be one of {', '.join(ScheduleState)}")
    return frozenset(ScheduleState(text) for text in params.texts("state") or _LISTED)


def _page(params: Params) -> tuple[int, int]:
    """Read how many rows to show and how many to leave out before."""
    limit = params.integer("limit", minimum=1, maximum=MOST_ROWS, default=USUAL_ROWS)
    return limit, params.integer("skip", minimum=0, maximum=MOST_RUNS, default=0)


def _instant(params: Params, name: str) -> datetime:
    """Read an instant that must be there."""
    instant = params.timestamp(name, default=None)
    if instant is None:
        raise BadArgument(name)
    return instant


# --- showing -------------------------------------------------------------------------------------


def accepted_json(accepted: Job | Schedule) -> dict[str, Any]:
    """What `schedule-job.json` answers: the identifier, and of a schedule its meaning."""
    if isinstance(accepted, Job):
        return {"identifier": str(accepted.id)}
    return {
        "identifier": str(accepted.id),
        "schedule": accepted.timing.spec,
        "timezone": accepted.timing.zone_name,
        "next-runs": _texts(next_runs(accepted)),
    }


def schedule_json(outlook: Outlook) -> dict[str, Any]:
    """A schedule as `list-schedules.json` shows it.

    `next-runs` are planned instants; `next-run` is when the next job starts, jitter
    included.
    """
    schedule, last = outlook.schedule, outlook.last_job
    request, policies = schedule.request, schedule.policies
    return {
        "identifier": str(schedule.id),
        "state": schedule.state.value,
        "project": request.project,
        "spider": request.spider,
        "version": request.version,
        "schedule": schedule.timing.spec,
        "timezone": schedule.timing.zone_name,
        "next-run": iso_local(schedule.next_due),
        "next-runs": _texts(outlook.runs),
        "last-planned": None if last is None else iso_local(last.planned_at),
        "last-job": None if last is None else str(last.id),
        "last-outcome": None if last is None else status_name(last.state),
        "fired": schedule.counts.fired,
        "missed": schedule.counts.missed,
        "skipped": schedule.counts.skipped,
        "catchup": policies.catchup.value,
        "catchup-window": policies.catchup_window_s,
        "overlap": policies.overlap.value,
        "jitter": policies.jitter_s,
        "until": iso_local(policies.until),
        "max-runs": policies.max_runs,
        "note": schedule.note,
        "error": schedule.error,
        "description": request.description,
        "payload": request.payload,
        "arguments": dict(request.arguments),
        "settings": dict(request.settings),
        "tags": list(request.tags),
        "priority": request.priority,
        "timeout": request.timeout_s,
        "stall-timeout": request.stall_timeout_s,
        "memory-limit": request.memory_limit_bytes,
        "retries": request.retries,
        "retry-delay": request.retry_delay_s,
        "created": iso_local(schedule.created_at),
        "created-by": schedule.created_by,
        "changed": iso_local(schedule.changed_at),
    }


def _event_json(event: ScheduleEvent) -> dict[str, Any]:
    return {
        "what": event.kind.value,
        "first": iso_local(event.first),
        "last": iso_local(event.last),
        "count": event.count,
        "reason": event.reason,
    }


def _history_json(history: History) -> dict[str, Any]:
    counts = history.schedule.counts
    return {
        "identifier": str(history.schedule.id),
        "fired": counts.fired,
        "missed": counts.missed,
        "skipped": counts.skipped,
        "jobs": Rows(made=(job_json(job) for job in history.jobs)),
        "events": [_event_json(event) for event in history.events],
    }


def _preview_json(preview: Preview) -> dict[str, JSON]:
    shown: dict[str, JSON] = {
        "schedule": preview.spec,
        "sentence": preview.sentence,
        "timezone": preview.zone,
        "next-runs": _texts(preview.runs),
        "next-runs-utc": _texts(tuple(instant.astimezone(UTC) for instant in preview.runs)),
    }
    if preview.clock_changes:
        shown["clock-changes"] = [
            {
                "at": change.at.isoformat(),
                "instead-of": None if change.instead_of is None else change.instead_of.isoformat(),
            }
            for change in preview.clock_changes
        ]
    if preview.first_between is not None:
        shown["earliest"], shown["latest"] = _texts(preview.first_between)
    return shown


def _texts(instants: tuple[datetime, ...]) -> list[str]:
    """Write instants in ISO 8601, in the zone that they are in."""
    return [instant.isoformat() for instant in instants]


# --- answering -----------------------------------------------------------------------------------


class ScheduleCalls:
    """The routes of schedules, a part of the dialect. See the module's docstring."""

    def __init__(self, operations: Operations) -> None:
        self._schedules = operations.schedules
        self._listing = operations.listing

    def add_to(self, router: Router) -> None:
        """Add them."""
        router.add("GET", "/list-schedules.json", self.list_schedules)
        router.add("GET", "/list-schedule-history.json", self.list_history)
        router.add("GET", "/preview-schedule.json", self.preview)
        router.add("POST", "/update-schedule.json", self.update)
        router.add("POST", "/pause-schedule.json", self.pause)
        router.add("POST", "/resume-schedule.json", self.resume)
        router.add("POST", "/run-schedule.json", self.run)
        router.add("POST", "/backfill-schedule.json", self.backfill)

    async def list_schedules(self, call: Call) -> JSON:
        """List schedules, newest change first; of one `id`, or its beginning, only that."""
        params = call.params
        limit, skip = _page(params)  # also beside an id: what is wrong is wrong
        wanted = replace(job_filter(params), limit=limit, skip=skip)
        states = _states(params)
        if "id" in params:
            (outlook,) = await self._schedules.outlooks(
                [await self._schedules.named(params.text("id"))]
            )
            return answered({"schedules": [schedule_json(outlook)], "total": 1})
        page = await self._listing.schedules(wanted, states)
        total = await self._listing.count_schedules(wanted, states)
        outlooks = await self._schedules.outlooks(page.rows)
        rows = Rows(made=(schedule_json(one) for one in outlooks))
        return answered(page_json("schedules", rows, page), {"total": total})

    async def list_history(self, call: Call) -> JSON:
        """List what became of the instants of one."""
        limit, skip = _page(call.params)
        history = await self._schedules.history(_identifier(call.params), limit=limit, skip=skip)
        return answered(_history_json(history))

    async def preview(self, call: Call) -> JSON:
        """Say what a specification means."""
        params = call.params
        preview = self._schedules.preview(
            params.text("when"),
            zone=params.optional_text("timezone") or None,
            start=params.timestamp("from", default=None),
            count=params.integer("count", minimum=1, maximum=MOST_PREVIEWED, default=5),
        )
        return answered(_preview_json(preview))

    async def update(self, call: Call) -> JSON:
        """Change what is said, keep the rest."""
        call.params.refuse_misspelled("id", *ORDER_FIELDS)

        def edit(schedule: Schedule) -> tuple[JobRequest, ScheduleRequest]:
            standing = ScheduleRequest(
                when=schedule.timing.spec,
                zone=schedule.timing.zone_name,
                policies=schedule.policies,
                note=schedule.note,
            )
            request = _edited_request(call.params, schedule.request)
            return request, schedule_request(call.params, standing)

        changed = await self._schedules.update(_identifier(call.params), edit, by=call.principal)
        return await self._shown(changed)

    async def pause(self, call: Call) -> JSON:
        """Stop one for a while."""
        note = call.params.optional_text("note")
        return await self._shown(await self._schedules.pause(_identifier(call.params), note=note))

    async def resume(self, call: Call) -> JSON:
        """Let one go on."""
        return await self._shown(await self._schedules.resume(_identifier(call.params)))

    async def run(self, call: Call) -> JSON:
        """Make an extra job of one."""
        job = await self._schedules.run_now(_identifier(call.params), by=call.principal.name)
        return answered(accepted_json(job))

    async def backfill(self, call: Call) -> JSON:
        """Make jobs for past instants."""
        jobs = await self._schedules.backfill(
            _identifier(call.params),
            first=_instant(call.params, "from"),
            last=_instant(call.params, "to"),
            by=call.principal.name,
        )
        return answered({"identifiers": [str(job.id) for job in jobs]})

    async def _shown(self, schedule: Schedule) -> JSON:
        (outlook,) = await self._schedules.outlooks([schedule])
        return answered(schedule_json(outlook))
