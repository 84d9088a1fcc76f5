"""What a schedule's form holds: texts as people type them, and the order that they mean."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TypeVar

from scrapy_do.core.grammar import parse_zone
from scrapy_do.core.item_filter import text_of
from scrapy_do.core.job import DEFAULT_PRIORITY, PRIORITIES, JobRequest
from scrapy_do.core.kinds import WEEKDAYS
from scrapy_do.core.schedule import CatchUp, Overlap, Policies, Schedule, Timing
from scrapy_do.core.schedule_rules import ScheduleRequest
from scrapy_do.core.series import resolve
from scrapy_do.errors import BadArgument, BadWhen, NotFound, ScrapyDoError
from scrapy_do.ui.when_tabs import FIELDS, TABS, USUAL
from scrapy_do.web.params import Params

Value = TypeVar("Value")

PLAIN = (
    *("target", "when", "timezone", "arg", "setting", "priority", "tag", "description", "timeout"),
    *("catchup", "catchup-window", "overlap", "jitter", "until", "max-runs", "note"),
)
CATCHUP = {
    CatchUp.LATEST: "run the latest one once",
    CatchUp.NONE: "leave them out",
    CatchUp.ALL: "run all of them, at most 100",
}
OVERLAP = {
    Overlap.SKIP: "leave the new run out",
    Overlap.QUEUE_ONE: "let one wait for its end",
    Overlap.ALLOW: "run both at once",
    Overlap.REPLACE: "stop it and run the new one",
}
DEFAULTS: Mapping[str, str] = {
    "when": "every day at 03:30",
    "priority": str(DEFAULT_PRIORITY),
    "catchup": CatchUp.LATEST.value,
    "overlap": Overlap.SKIP.value,
}
_LONGEST_S = 366 * 86_400
_MOST_RUNS = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """A form as it was filled in: the text of each input, the weekdays, the tab on top.

    `spider` is one that was named without its project.
    """

    values: Mapping[str, str]
    days: tuple[str, ...] = ()
    tab: str = "every"
    spider: str = ""

    def __getitem__(self, name: str) -> str:
        return self.values.get(name, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What a form means. `errors` says what is wrong, by the input that it stands beside."""

    request: JobRequest
    order: ScheduleRequest
    errors: Mapping[str, str] = field(default_factory=dict)


def filled(params: Params, before: Filled) -> Filled:
    """Take the inputs that a client sent; what it did not send is as before."""
    names = (*PLAIN, *FIELDS)
    values = {name: params.optional_text(name, before[name]).strip() for name in names}
    project, spider = params.optional_text("project"), params.optional_text("spider")
    if project and spider and not values["target"]:
        values["target"] = f"{project}/{spider}"
    days = tuple(day for day in params.texts("day") if day in WEEKDAYS)
    tab = params.optional_text("tab", before.tab)
    return Filled(values=values, days=days or before.days, tab=tab if tab in TABS else before.tab)


def empty_form(zone: str) -> Filled:
    """A new form."""
    return Filled(values={**USUAL, **DEFAULTS, "timezone": zone})


def form_of(schedule: Schedule) -> Filled:
    """The form of a schedule as it stands."""
    request, policies, timing = schedule.request, schedule.policies, schedule.timing
    until = policies.until
    zone = timing.zone if isinstance(timing, Timing) else UTC
    shown = {
        "target": f"{request.project}/{request.spider}",
        "when": timing.spec,
        "timezone": timing.zone_name,
        "arg": _lines(request.arguments),
        "setting": _lines(request.settings),
        "priority": str(request.priority),
        "tag": " ".join(request.tags),
        "description": request.description,
        "timeout": _plain(request.timeout_s),
        "catchup": policies.catchup.value,
        "catchup-window": _plain(policies.catchup_window_s),
        "overlap": policies.overlap.value,
        "jitter": _plain(policies.jitter_s or None),
        "until": "" if until is None else until.astimezone(zone).strftime("%Y-%m-%d %H:%M"),
        "max-runs": "" if policies.max_runs is None else str(policies.max_runs),
        "note": schedule.note,
    }
    return Filled(values={**USUAL, **shown}, tab="text")


def read_form(form: Filled, standing: JobRequest | None = None) -> Read:
    """Read all of a form; what is wrong is gathered, not raised."""
    errors: dict[str, str] = {}

    def part(reader: Callable[[], Value], default: Value) -> Value:
        try:
            return reader()
        except (BadArgument, BadWhen) as error:
            errors[field_of(error)] = said(error)
            return default

    project, _, spider = form["target"].partition("/")
    if not (project and spider):
        errors["target"] = "Choose a spider"
    if not form["when"]:
        errors["when"] = "Say when; for example: every day at 12:30"
    params = Params({name: (value,) for name, value in form.values.items() if value})
    settings = part(lambda: _pairs(form["setting"], "setting"), dict[str, str]())
    request = JobRequest(project=project, spider=spider) if standing is None else standing
    request = replace(
        request,
        project=project,
        spider=spider,
        arguments=part(lambda: _pairs(form["arg"], "arg"), dict[str, str]()),
        settings=_kept(settings, request),
        priority=part(lambda: _priority(params), DEFAULT_PRIORITY),
        tags=tuple(dict.fromkeys(form["tag"].replace(",", " ").split())),
        description=form["description"],
        timeout_s=part(
            lambda: params.number("timeout", minimum=0, maximum=_LONGEST_S, default=None), None
        ),
    )
    order = ScheduleRequest(
        when=form["when"],
        zone=form["timezone"] or None,
        policies=part(lambda: _policies(params, form, errors), Policies()),
        note=form["note"],
    )
    return Read(request=request, order=order, errors=errors)


def field_of(error: ScrapyDoError) -> str:
    """The input that an error is about; "" for none."""
    if isinstance(error, BadWhen):
        return "when"
    if isinstance(error, BadArgument):
        return error.name if error.name in PLAIN else ""
    return "target" if isinstance(error, NotFound) else ""


def said(error: ScrapyDoError) -> str:
    """The words of an error beside its input."""
    text = str(error)
    if isinstance(error, BadArgument):
        text = text.removeprefix(f"{error.name}: ")
    return text[:1].upper() + text[1:]


def _policies(params: Params, form: Filled, errors: dict[str, str]) -> Policies:
    def part(name: str, reader: Callable[[], Value], default: Value) -> Value:
        try:
            return reader()
        except BadArgument as error:
            errors[name] = said(error)
            return default

    return Policies(
        catchup=CatchUp(
            part(
                "catchup",
                lambda: params.choice("catchup", tuple(CatchUp), default="latest"),
                "latest",
            )
        ),
        catchup_window_s=part(
            "catchup-window",
            lambda: params.number(
                "catchup-window", minimum=0, maximum=10 * _LONGEST_S, default=None
            ),
            None,
        ),
        overlap=Overlap(
            part(
                "overlap", lambda: params.choice("overlap", tuple(Overlap), default="skip"), "skip"
            )
        ),
        jitter_s=part(
            "jitter", lambda: params.number("jitter", minimum=0, maximum=86_400, default=0.0), 0.0
        ),
        until=part("until", lambda: _until(form), None),
        max_runs=part(
            "max-runs",
            lambda: params.integer("max-runs", minimum=1, maximum=_MOST_RUNS, default=None),
            None,
        ),
    )


def _until(form: Filled) -> datetime | None:
    """Read a local time of the schedule's zone."""
    if not form["until"]:
        return None
    try:
        local = datetime.fromisoformat(form["until"])
        if local.tzinfo is None:
            return resolve(local.date(), local.time(), parse_zone(form["timezone"] or "UTC"))
    except (ValueError, OverflowError):
        pass
    raise BadArgument("until", "must be a local date and time such as 2027-01-31 18:00")


def _priority(params: Params) -> int:
    return params.integer(
        "priority", minimum=PRIORITIES[0], maximum=PRIORITIES[-1], default=DEFAULT_PRIORITY
    )


def _pairs(text: str, name: str) -> dict[str, str]:
    """Read lines of NAME=VALUE; of a repeated NAME the last counts."""
    pairs = {}
    for line in text.splitlines():
        if not line.strip():
            continue
        key, equals, value = line.partition("=")
        if not equals or not key.strip():
            raise BadArgument(name, f"{line[:60]!r} is not NAME=VALUE")
        pairs[key.strip()] = value
    return pairs


def _kept(settings: Mapping[str, str], before: JobRequest) -> Mapping[str, object]:
    """Settings that are shown as text and were not changed keep the value that they have."""
    return {
        name: before.settings[name]
        if name in before.settings and text_of(before.settings[name]) == value
        else value
        for name, value in settings.items()
    }


def _lines(pairs: Mapping[str, object]) -> str:
    return "\n".join(f"{name}={text_of(value)}" for name, value in pairs.items())


def _plain(number: float | None) -> str:
    return "" if number is None else f"{number:g}"


def told(form: Filled) -> Iterator[tuple[str, str]]:
    """The order as fields of `schedule-job.json`, without what is at its default."""
    project, _, spider = form["target"].partition("/")
    yield "project", project
    yield "spider", spider
    yield "when", form["when"]
    yield "timezone", form["timezone"]
    for name in ("arg", "setting"):
        yield from ((name, line) for line in form[name].splitlines() if line.strip())
    yield from (("tag", tag) for tag in form["tag"].replace(",", " ").split())
    try:
        until = _until(form)
    except BadArgument:
        until = None
    if until is not None:
        yield "until", until.isoformat()
    for name in ("priority", "description", "timeout", *POLICIES, "note"):
        if form[name] and form[name] != DEFAULTS.get(name):
            yield name, form[name]


POLICIES: Sequence[str] = ("catchup", "catchup-window", "overlap", "jitter", "max-runs")
