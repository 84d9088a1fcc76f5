"""Commands about schedules: add, list, show, pause, resume, rm, run, preview."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import click

from scrapy_do.client.commands.jobs import name_of, order_form, order_options
from scrapy_do.client.errors import UserError
from scrapy_do.client.invocation import Group, Invocation, pass_call
from scrapy_do.client.names import (
    PROJECT,
    SCHEDULE,
    SPIDER,
    find_job,
    find_schedule,
    short,
    the_project,
)
from scrapy_do.client.times import MOMENT, SPAN, local_text

_STATES = ("active", "paused", "error", "finished", "canceled")
_FACTS = (
    *("identifier", "state", "project", "spider", "version", "schedule", "timezone", "next-run"),
    *(
        "last-planned",
        "last-job",
        "last-outcome",
        "fired",
        "missed",
        "skipped",
        "catchup",
        "overlap",
    ),
    *("jitter", "until", "max-runs", "note", "error", "arguments", "settings", "tags", "priority"),
)


@click.group("schedule", cls=Group)
def schedule() -> None:
    """What runs again and again: add, list, show, pause, resume, rm, run, preview."""


@schedule.command("add")
@click.argument("spider", type=SPIDER)
@click.option(
    "--when",
    required=True,
    metavar="SPEC",
    help='"every 2 hours", "every monday at 12:30", "cron 0 6 * * *", "at 2026-12-24 18:00".',
)
@click.option("-p", "--project", type=PROJECT, help="Its project; the only one needs no name.")
@click.option("--tz", metavar="ZONE", help="The zone of SPEC; else the daemon's.")
@order_options
@click.option(
    "--overlap",
    type=click.Choice(["skip", "queue-one", "allow", "replace"]),
    help="What happens when the run before has not ended.",
)
@click.option(
    "--catchup",
    type=click.Choice(["latest", "none", "all"]),
    help="What happens to runs that were missed.",
)
@click.option("--jitter", type=SPAN, metavar="SPAN", help="Start up to so much later, at random.")
@click.option("--until", type=MOMENT, metavar="MOMENT", help="No runs after this.")
@click.option("--max-runs", type=click.IntRange(1), metavar="N", help="No more runs than these.")
@click.option("--note", metavar="TEXT", help="For people to read.")
@pass_call
def add(call: Invocation, /, **given: Any) -> None:  # noqa: ANN401 - click's values, by name
    """Schedule a spider."""
    from scrapy_do.client.commands.projects import known_spiders  # noqa: PLC0415 - for a mistake
    from scrapy_do.client.http import Refused  # noqa: PLC0415 - Note [Why commands import ...]

    project = the_project(call, given["project"], given["spider"])
    form = [("project", project), ("spider", given["spider"]), ("when", given["when"])]
    form += order_form(given)
    until: datetime | None = given["until"]
    said = (
        ("timezone", given["tz"]),
        ("overlap", given["overlap"]),
        ("catchup", given["catchup"]),
        ("jitter", None if given["jitter"] is None else f"{given['jitter']:.3f}"),
        ("until", until and until.isoformat()),
        ("max-runs", given["max_runs"]),
        ("note", given["note"]),
    )
    form += [(name, str(value)) for name, value in said if value is not None]
    try:
        answer = call.daemon.post("/schedule-job.json", form)
    except Refused as error:
        if error.kind == "spider-not-found":
            raise known_spiders(call, project, given["spider"]) from error
        raise
    if "schedule" not in answer:  # `now` is no schedule
        _tell_job(call, str(answer["identifier"]))
        return
    found = find_schedule(call, str(answer["identifier"]))
    if call.out.as_json:
        call.out.document(found)
        return
    call.out.line(found["identifier"])
    call.out.talk(
        f"Scheduled {project}/{given['spider']} {found['schedule']} ({found['timezone']})"
    )
    for instant in found["next-runs"][:3]:
        call.out.talk(f"  next   {instant}")
    call.out.talk(f"  pause  {call.hint('schedule', 'pause', short(found['identifier']))}")


@schedule.command("list")
@click.option("-p", "--project", type=PROJECT, help="Only of this project.")
@click.option("--spider", type=SPIDER, help="Only of this spider.")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice(_STATES),
    help="Only of these states; else all but the canceled ones.",
)
@click.option(
    "-n",
    "limit",
    type=click.IntRange(1, 1000),
    metavar="N",
    default=100,
    show_default=True,
    help="How many at most.",
)
@pass_call
def list_schedules(
    call: Invocation,
    *,
    project: str | None,
    spider: str | None,
    states: tuple[str, ...],
    limit: int,
) -> None:
    """List the schedules, the newest change first."""
    asked = [("limit", str(limit)), *(("state", state) for state in states)]
    asked += [("project", project)] if project else []
    asked += [("spider", spider)] if spider else []
    found = call.daemon.get("/list-schedules.json", asked)["schedules"]
    utc = bool(call.flags.utc)
    rows = [
        [
            short(one["identifier"]) if call.out.is_terminal else one["identifier"],
            f"{one['project']}/{one['spider']}",
            *(one["state"], one["schedule"], one["timezone"]),
            local_text(one["next-run"], utc=utc),
            *(one["last-outcome"], one["fired"], one["note"]),
        ]
        for one in found
    ]
    columns = ["id", "spider", "state", "when", "zone", "next", "last", "fired", "note"]
    call.out.rows(columns, rows, found)


@schedule.command("show")
@click.argument("schedule_id", metavar="ID", type=SCHEDULE)
@pass_call
def show(call: Invocation, *, schedule_id: str) -> None:
    """Show a schedule, with its last jobs and the runs that did not come."""
    found = find_schedule(call, schedule_id)
    asked = {"id": found["identifier"], "limit": "10"}
    history = call.daemon.get("/list-schedule-history.json", asked)
    document = {**found, "jobs": history["jobs"], "events": history["events"]}
    facts = [(name, found[name]) for name in _FACTS if found.get(name) not in (None, "", [], {})]
    facts += [("next", instant) for instant in found["next-runs"]]
    facts += [
        ("job", f"{job['planned'] or ''} {job['status']} {name_of(job)}".strip())
        for job in history["jobs"]
    ]
    facts += [
        (event["what"], f"{event['first']} {event['count']} {event['reason']}")
        for event in history["events"]
    ]
    call.out.facts(facts, document)


def _change(call: Invocation, schedule_id: str, path: str, *more: tuple[str, str]) -> None:
    found = find_schedule(call, schedule_id)
    call.daemon.post(path, [("id", found["identifier"]), *more])
    _tell(call, find_schedule(call, found["identifier"]))


def _tell(call: Invocation, found: Mapping[str, Any]) -> None:
    names = ("identifier", "state", "project", "spider", "schedule", "next-run")
    call.out.facts([(name, found[name]) for name in names], found)


@schedule.command("pause")
@click.argument("schedule_id", metavar="ID", type=SCHEDULE)
@click.option("--note", metavar="TEXT", help="Why.")
@pass_call
def pause(call: Invocation, *, schedule_id: str, note: str | None) -> None:
    """Stop a schedule for a while."""
    more = [("note", note)] if note is not None else []
    _change(call, schedule_id, "/pause-schedule.json", *more)


@schedule.command("resume")
@click.argument("schedule_id", metavar="ID", type=SCHEDULE)
@pass_call
def resume(call: Invocation, *, schedule_id: str) -> None:
    """Let a schedule go on; what went by meanwhile stays out."""
    _change(call, schedule_id, "/resume-schedule.json")


@schedule.command("rm")
@click.argument("schedule_id", metavar="ID", type=SCHEDULE)
@pass_call
def remove(call: Invocation, *, schedule_id: str) -> None:
    """End a schedule for good; its jobs go on."""
    found = find_schedule(call, schedule_id)
    call.confirm(f"End {found['project']}/{found['spider']} {found['schedule']}?")
    _change(call, found["identifier"], "/cancel-job.json")


@schedule.command("run")
@click.argument("schedule_id", metavar="ID", type=SCHEDULE)
@pass_call
def run_now(call: Invocation, *, schedule_id: str) -> None:
    """Make an extra job of a schedule, now."""
    found = find_schedule(call, schedule_id)
    answer = call.daemon.post("/run-schedule.json", [("id", found["identifier"])])
    _tell_job(call, str(answer["identifier"]))


def _tell_job(call: Invocation, identifier: str) -> None:
    job = find_job(call, identifier)
    if call.out.as_json:
        call.out.document(job)
        return
    call.out.line(identifier)
    call.out.talk(f"Queued {name_of(job)} ({short(identifier)})")
    call.out.talk(f"  log    {call.hint('logs', '-f', short(identifier))}")


@schedule.command("preview")
@click.argument("spec")
@click.option("--tz", metavar="ZONE", help="The zone of SPEC; else the daemon's.")
@click.option(
    "-n",
    "count",
    type=click.IntRange(1, 100),
    metavar="N",
    default=5,
    show_default=True,
    help="How many runs to tell.",
)
@pass_call
def preview(call: Invocation, *, spec: str, tz: str | None, count: int) -> None:
    """Say what SPEC means, and when it would run."""
    from scrapy_do.client.http import Refused  # noqa: PLC0415 - Note [Why commands import ...]

    asked = [("when", spec), ("count", str(count))] + ([("timezone", tz)] if tz else [])
    try:
        found = call.daemon.get("/preview-schedule.json", asked)
    except Refused as error:
        if error.kind not in {"bad-when", "bad-argument"}:
            raise
        raise UserError(
            error.message,
            try_=call.again(instead_of=spec, say="every 2 hours")
            if error.kind == "bad-when"
            else call.hint("schedule", "preview", spec, "--tz", "UTC"),
        ) from error
    document = {name: value for name, value in found.items() if name != "status"}
    facts = [
        ("when", found["schedule"]),
        ("meaning", found["sentence"]),
        ("zone", found["timezone"]),
    ]
    facts += [("next", instant) for instant in found["next-runs"]]
    call.out.facts(facts, document)
