"""One schedule: its form, what it would mean, and what became of its instants."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from scrapy_do.core.clock_changes import ClockChange
from scrapy_do.core.crontab_line import read_crontab_line
from scrapy_do.core.grammar import parse_when, parse_zone
from scrapy_do.core.job import Job
from scrapy_do.core.kinds import WEEKDAYS
from scrapy_do.core.schedule import Schedule, ScheduleEvent, next_runs, sentence_of
from scrapy_do.core.schedule_rules import EARLIEST
from scrapy_do.core.spec_advice import EXAMPLES, Advice, advise, nearest
from scrapy_do.errors import BadArgument, BadWhen, Invalid
from scrapy_do.operations.operations import Operations
from scrapy_do.operations.schedules import Meeting, Preview
from scrapy_do.ui.order_form import CATCHUP, OVERLAP, Filled, empty_form, filled, form_of, told
from scrapy_do.ui.pages.schedules import words_of
from scrapy_do.ui.render import PageView
from scrapy_do.ui.when_tabs import CRON_FIELDS, TABS, read_back, written
from scrapy_do.ui.words import StateWord, iso, state
from scrapy_do.web.params import Params

RUNS = 5
EVENTS = 20
MOST_EVENTS = 1000
_NO_TIME = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class NextRun:
    """A planned instant as it is shown: in the zone, from now, in UTC."""

    local: datetime
    zone: str
    ahead: timedelta
    utc: datetime
    change: ClockChange | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a specification means, or what is wrong with it.

    `error` stands beside the text, `zone_error` beside the zone. `nearest` are zones that may be
    meant instead.
    """

    when: str
    zone: str
    server_zone: str
    sentence: str = ""
    spec: str = ""
    runs: Sequence[NextRun] = ()
    between: tuple[NextRun, NextRun] | None = None
    changes: Sequence[ClockChange] = ()
    meeting: Meeting | None = None
    error: str = ""
    advice: Advice | None = None
    examples: Sequence[str] = EXAMPLES
    zone_error: str = ""
    nearest: Sequence[str] = ()
    is_written: bool = False
    note: str = ""
    is_elsewhere: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleForm:
    """What the page shows. `schedule` is None for a new one."""

    form: Filled
    shown: Shown
    errors: Mapping[str, str]
    targets: Mapping[str, Sequence[str]]
    zones: Sequence[str]
    schedule: Schedule | None = None
    sentence: str = ""
    words: Sequence[StateWord] = ()
    jobs: Sequence[Job] = ()
    events: Sequence[ScheduleEvent] = ()
    older: int | None = None
    said: str = ""
    fields: Sequence[tuple[str, str]] = ()
    tabs: Mapping[str, str] = field(default_factory=lambda: TABS)
    cron_fields: Mapping[str, str] = field(default_factory=lambda: CRON_FIELDS)
    weekdays: Sequence[str] = WEEKDAYS
    catchup: Mapping[str, str] = field(
        default_factory=lambda: {key.value: text for key, text in CATCHUP.items()}
    )
    overlap: Mapping[str, str] = field(
        default_factory=lambda: {key.value: text for key, text in OVERLAP.items()}
    )


# --- what is filled in ---------------------------------------------------------------------------


def form_from(params: Params, zone: str, schedule: Schedule | None) -> tuple[Filled, str]:
    """The form that a client sent, with what a tab or an imported line writes into it.

    The second value says what was imported, or why nothing was.
    """
    before = empty_form(zone) if schedule is None else form_of(schedule)
    form, note = filled(params, before), ""
    match params.optional_text("write", ""):
        case "line":
            try:
                return _imported(form, params.optional_text("line", ""))
            except BadWhen as error:
                note = f"Nothing was imported: {error}"
        case tab if tab in TABS and tab != "text":
            text = " ".join(written(tab, form.values, form.days).split())
            form = Filled(values={**form.values, "when": text}, days=form.days, tab=tab)
        case _ if "when" not in params:
            form = _with_tabs_filled(form)
    return form, note


def _imported(form: Filled, text: str) -> tuple[Filled, str]:
    line = read_crontab_line(text)
    values = {**form.values, "when": line.when}
    if line.zone:
        values["timezone"] = line.zone
    for name, pairs in (("arg", line.arguments), ("setting", line.settings)):
        if pairs:
            values[name] = "\n".join(f"{key}={value}" for key, value in pairs.items())
    note = f"The line runs: {line.command}" if line.command else ""
    if line.spider:
        note = f"Imported the time, and the arguments of the spider {line.spider}."
    known = Filled(values=values, days=form.days, tab="cron", spider=line.spider)
    return _with_tabs_filled(known), note


def _with_tabs_filled(form: Filled) -> Filled:
    """The form with the tabs showing what the text says, where one of them can."""
    try:
        when = parse_when(form["when"], now=EARLIEST, zone=ZoneInfo("UTC"))
    except BadWhen:
        return form
    tab, values, days = read_back(when)
    return replace(form, values={**form.values, **values}, days=tuple(days), tab=tab)


# --- what it means -------------------------------------------------------------------------------


async def meaning(
    operations: Operations,
    form: Filled,
    *,
    server_zone: str,
    now: datetime,
    schedule: Schedule | None = None,
    note: str = "",
    is_written: bool = False,
) -> Shown:
    """Say what the text of a form means."""
    text, zone = form["when"], form["timezone"] or server_zone
    try:
        named = parse_zone(zone)
    except BadArgument as error:
        near = nearest(zone, await operations.schedules.zones())
        return Shown(
            when=text,
            zone=zone,
            server_zone=server_zone,
            zone_error=str(error).removeprefix("timezone: "),
            nearest=near,
            note=note,
            is_written=is_written,
        )
    try:
        preview = operations.schedules.preview(text, zone=zone, start=None, count=RUNS)
    except Invalid as error:
        return Shown(
            when=text,
            zone=zone,
            server_zone=server_zone,
            error=str(error),
            advice=advise(text, now=now, zone=named),
            note=note,
            is_written=is_written,
        )
    instants = _instants(preview, schedule)
    meeting = None
    if instants and preview.spec != "now":
        slots = operations.status.slots
        besides = None if schedule is None else schedule.id
        meeting = await operations.schedules.meeting(instants[0], slots=slots, besides=besides)
    runs = [_next_run(one, preview, now) for one in instants]
    seen = {run.local for run in runs}
    between = preview.first_between
    return Shown(
        when=text,
        zone=zone,
        server_zone=server_zone,
        sentence=preview.sentence,
        spec=preview.spec,
        runs=runs,
        between=None
        if between is None or instants
        else (_next_run(between[0], preview, now), _next_run(between[1], preview, now)),
        changes=[one for one in preview.clock_changes if one.at not in seen],
        meeting=meeting,
        note=note,
        is_written=is_written,
        is_elsewhere=now.astimezone(named).utcoffset()
        != now.astimezone(ZoneInfo(server_zone)).utcoffset(),
    )


def _instants(preview: Preview, schedule: Schedule | None) -> Sequence[datetime]:
    """The next instants; those of a schedule that stands as it does are known already."""
    if schedule is None:
        return preview.runs
    stored = schedule.timing
    stands = (stored.spec, stored.zone_name) == (preview.spec, preview.zone)
    return (stands and next_runs(schedule)) or preview.runs


def _next_run(instant: datetime, preview: Preview, now: datetime) -> NextRun:
    name = instant.strftime("%Z")
    return NextRun(
        local=instant,
        zone=f"UTC{name}" if name[:1] in "+-" else name,
        ahead=max(instant - now, _NO_TIME),
        utc=instant.astimezone(UTC),
        change=next((one for one in preview.clock_changes if one.at == instant), None),
    )


# --- the pages -----------------------------------------------------------------------------------


async def new_schedule(
    operations: Operations,
    form: Filled,
    *,
    server_zone: str,
    now: datetime,
    errors: Mapping[str, str] | None = None,
    note: str = "",
) -> PageView:
    """The form of a new schedule."""
    targets = await _targets(operations)
    form, note = _with_target(form, note, targets)
    return PageView(
        template="schedule_form.html",
        title="New schedule",
        room="schedules",
        status=400 if errors else 200,
        view=ScheduleForm(
            form=form,
            shown=await meaning(operations, form, server_zone=server_zone, now=now, note=note),
            errors=errors or {},
            targets=targets,
            zones=await operations.schedules.zones(),
            fields=tuple(told(form)),
        ),
    )


def _with_target(
    form: Filled, note: str, targets: Mapping[str, Sequence[str]]
) -> tuple[Filled, str]:
    """The form with the spider that a crontab line runs, where one project alone has it."""
    if not form.spider:
        return form, note
    having = [project for project, spiders in targets.items() if form.spider in spiders]
    if len(having) != 1:
        which = "Several projects have it" if having else "No project has it"
        return form, f"{note} {which}: choose below."
    target = f"{having[0]}/{form.spider}"
    return replace(form, values={**form.values, "target": target}), note


async def one_schedule(
    operations: Operations,
    schedule: Schedule,
    form: Filled,
    *,
    server_zone: str,
    now: datetime,
    errors: Mapping[str, str] | None = None,
    note: str = "",
    said: str = "",
    skip: int = 0,
) -> PageView:
    """The form of a schedule that stands, with what became of its instants."""
    history = await operations.schedules.history(schedule.id, limit=EVENTS + 1, skip=skip)
    seen = await meaning(
        operations, form, server_zone=server_zone, now=now, schedule=schedule, note=note
    )
    project = schedule.request.project
    targets = await _targets(operations)
    spiders = targets.get(project, ())
    if schedule.request.spider not in spiders:
        spiders = (schedule.request.spider, *spiders)
    more = len(history.jobs) > EVENTS or len(history.events) > EVENTS
    return PageView(
        template="schedule_form.html",
        title=f"Schedule of {schedule.request.spider}",
        room="schedules",
        status=400 if errors else 200,
        view=ScheduleForm(
            form=form,
            shown=seen,
            errors=errors or {},
            targets={project: spiders},
            zones=await operations.schedules.zones(),
            schedule=schedule,
            sentence=sentence_of(schedule),
            words=words_of(schedule, now=now),
            jobs=history.jobs[:EVENTS],
            events=history.events[:EVENTS],
            older=skip + EVENTS if more else None,
            said=said,
            fields=(("id", str(schedule.id)), *told(form)),
        ),
    )


def preview_page(shown: Shown) -> PageView:
    """Only what the text means, for a page that asks while somebody types."""
    return PageView(template="schedule_preview.html", title="", view=shown)


async def _targets(operations: Operations) -> Mapping[str, Sequence[str]]:
    return {
        project.name: tuple(sorted(project.current.spiders))
        for project in await operations.projects.all()
        if project.current is not None
    }


HISTORY_COLUMNS = ("what", "planned", "last", "count", "job", "outcome", "reason")


async def history_twin(operations: Operations, schedule_id: UUID) -> Sequence[Mapping[str, Any]]:
    """What became of the instants of a schedule, newest first."""
    history = await operations.schedules.history(schedule_id, limit=MOST_EVENTS)
    jobs = [
        (
            job.planned_at or job.created_at,
            {
                "what": "job" if job.planned_at else "extra job",
                "planned": iso(job.planned_at or job.created_at),
                "last": None,
                "count": 1,
                "job": str(job.id),
                "outcome": state(job).word,
                "reason": getattr(job.state, "reason", ""),
            },
        )
        for job in history.jobs
    ]
    events = [
        (
            event.last,
            {
                "what": event.kind.value,
                "planned": iso(event.first),
                "last": iso(event.last),
                "count": event.count,
                "job": None,
                "outcome": None,
                "reason": event.reason,
            },
        )
        for event in history.events
    ]
    rows = sorted([*jobs, *events], key=lambda row: row[0], reverse=True)
    return [row for _, row in rows]
