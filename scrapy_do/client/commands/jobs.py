"""Commands about jobs: run, jobs, job, stats, cancel, retry, wait."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from scrapy_do.client.errors import Exit, UserError
from scrapy_do.client.invocation import Invocation, command, pass_call
from scrapy_do.client.names import JOB, PROJECT, SPIDER, find_job, short, the_project
from scrapy_do.client.times import MOMENT, SPAN, local_text, moment_text, span_text

STATES = ("PENDING", "RUNNING", "SUCCESSFUL", "FAILED", "CANCELED")
_ENDS = {"SUCCESSFUL": Exit.DONE, "FAILED": Exit.FAILED, "CANCELED": Exit.CANCELED}
_WORST = (Exit.FAILED, Exit.CANCELED, Exit.DONE)
_MOMENTS = frozenset({"start_time", "finish_time"})
_ACTIVE = "PENDING,RUNNING"
_MOST = 10_000
_COLUMNS = ("id", "job", "status", "items", "errors", "created", "started", "took", "reason")
_FACTS = (
    *(
        "identifier",
        "status",
        "outcome-reason",
        "project",
        "spider",
        "version",
        "created",
        "started",
    ),
    *("finished", "duration", "items", "requests", "responses", "errors", "log-lines", "priority"),
    *(
        "tags",
        "arguments",
        "settings",
        "description",
        "payload",
        "attempt",
        "schedule-id",
        "waiting-for",
    ),
)


_Function = TypeVar("_Function", bound=Callable[..., Any])


def name_of(job: Mapping[str, Any]) -> str:
    """A job as people call it: project, spider, number."""
    return f"{job['project']}/{job['spider']}/{job['key'].rpartition('/')[2]}"


# --- ordering ------------------------------------------------------------------------------------


_ORDER_OPTIONS = (
    click.option(
        "-a",
        "arguments",
        multiple=True,
        metavar="NAME=VALUE",
        help="An argument of the spider. May be repeated.",
    ),
    click.option(
        "-s",
        "settings",
        multiple=True,
        metavar="NAME=VALUE",
        help="A setting of Scrapy. May be repeated.",
    ),
    click.option(
        "--args-json", metavar="JSON|@FILE", help="Arguments as a JSON object, also from a file."
    ),
    click.option("--tag", "tags", multiple=True, help="A tag of the job. May be repeated."),
    click.option(
        "--priority", type=click.IntRange(0, 4), metavar="N", help="4 goes first, 2 is usual."
    ),
    click.option(
        "--timeout", "limit_s", type=SPAN, metavar="SPAN", help="How long the crawl may take."
    ),
    click.option("--description", help="For people to read."),
    click.option(
        "--version", "label", metavar="V", help="The version of the project; else the current one."
    ),
)


def order_options(function: _Function) -> _Function:
    """Give a command the options that say what is run, and how."""
    for option in reversed(_ORDER_OPTIONS):
        function = option(function)
    return function


@command("run")
@click.argument("spider", type=SPIDER)
@click.option("-p", "--project", type=PROJECT, help="Its project; the only one needs no name.")
@order_options
@click.option(
    "-f", "--follow", is_flag=True, help="Show its log until it has ended; exit as it did."
)
@click.option("--wait", is_flag=True, help="Wait until it has ended; exit as it did.")
@click.option(
    "--min-items",
    type=click.IntRange(0),
    metavar="N",
    help="Fail if it brings fewer; with -f or --wait.",
)
@click.option(
    "--items",
    "items_file",
    metavar="FILE",
    help="Write its items there (- is standard output); with -f or --wait.",
)
@pass_call
def run(
    call: Invocation,
    /,
    *,
    spider: str,
    project: str | None,
    follow: bool,
    wait: bool,
    min_items: int | None,
    items_file: str | None,
    **ordered: Any,  # noqa: ANN401 - the values of `order_options`
) -> None:
    """Run a spider now. Ctrl-C stops watching, not the job."""
    if not (follow or wait) and (min_items is not None or items_file is not None):
        raise click.UsageError("--min-items and --items need -f or --wait")
    job = _order(call, the_project(call, project, spider), spider, order_form(ordered))
    if not (follow or wait):
        _tell_queued(call, job)
        return
    _tell_queued(call, job, is_watched=True)
    job, hints = watched(call, job, shows_log=follow)
    is_told = wait and not follow
    _after(call, job, hints, min_items=min_items, items_file=items_file, is_told=is_told)


def order_form(ordered: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is ordered, the values of `order_options`, as fields of `schedule-job.json`."""
    form = [*_of_json(ordered["args_json"])] if ordered["args_json"] else []
    for name, option in (("arg", "arguments"), ("setting", "settings")):
        for pair in ordered[option]:
            if not pair.partition("=")[0] or "=" not in pair:
                raise click.BadParameter(f"{pair!r} is no NAME=VALUE", param_hint=f"-{name[0]}")
            form.append((name, pair))
    form += [("tag", tag) for tag in ordered["tags"]]
    limit_s = ordered["limit_s"]
    said = (
        ("priority", ordered["priority"]),
        ("timeout", None if limit_s is None else f"{limit_s:.3f}"),
        ("description", ordered["description"]),
        ("version", ordered["label"]),
    )
    return form + [(name, str(value)) for name, value in said if value is not None]


def _of_json(text: str) -> Iterator[tuple[str, str]]:
    """Read arguments from JSON; what is no text becomes JSON text again."""
    try:
        content = Path(text[1:]).read_text(encoding="utf-8") if text.startswith("@") else text
        found = json.loads(content)
    except (OSError, ValueError) as error:
        raise click.BadParameter(str(error), param_hint="--args-json") from error
    if not isinstance(found, dict):
        raise click.BadParameter("must be an object", param_hint="--args-json")
    for name, value in found.items():
        shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        yield "arg", f"{name}={shown}"


def _order(
    call: Invocation, project: str, spider: str, form: list[tuple[str, str]]
) -> dict[str, Any]:
    from scrapy_do.client.commands.projects import known_spiders  # noqa: PLC0415 - for a mistake
    from scrapy_do.client.http import Refused  # noqa: PLC0415 - Note [Why commands import ...]

    order = [("project", project), ("spider", spider), ("when", "now"), *form]
    try:
        answer = call.daemon.post("/schedule-job.json", order)
    except Refused as error:
        if error.kind == "spider-not-found":
            raise known_spiders(call, project, spider) from error
        if error.kind == "version-not-found":
            error.try_ = call.hint("projects", project)
        raise
    return find_job(call, str(answer["identifier"]))


def _tell_queued(call: Invocation, job: dict[str, Any], *, is_watched: bool = False) -> None:
    name = short(job["identifier"])
    call.out.talk(f"Queued {job['spider']} as {name_of(job)} ({name})")
    if is_watched:
        return
    call.out.talk(f"  log    {call.hint('logs', '-f', name)}")
    call.out.talk(f"  items  {call.hint('items', '-f', name)}")
    call.out.talk(f"  web    {call.settings.url}/ui/jobs/{job['identifier']}")
    if call.out.as_json:
        call.out.document(job)
    else:
        call.out.line(job["identifier"])


# --- watching ------------------------------------------------------------------------------------


def watched(
    call: Invocation,
    job: dict[str, Any],
    *,
    shows_log: bool,
    deadline_s: float | None = None,
) -> tuple[dict[str, Any], Sequence[str]]:
    """Watch a job until it has ended; return it as it is then, and what of it is unusual.

    Raises:
        UserError: the deadline is over.
        click.exceptions.Exit: Ctrl-C; the job goes on.
    """
    from scrapy_do.client.commands.outputs import write_line  # noqa: PLC0415 - the same
    from scrapy_do.client.following import Deadline, events  # noqa: PLC0415 - the same

    identifier = job["identifier"]
    name = short(identifier)
    deadline = Deadline(
        deadline_s, try_=call.hint("wait", name), what=f"{name_of(job)} has not ended"
    )
    query = [("after", "0"), ("all", "1")] if shows_log else [("level", "100")]
    begun = datetime.now().astimezone()
    hints: Sequence[str] = ()
    try:
        with call.out.waiting():
            for event in events(call, f"/ui/jobs/{identifier}/events", query, deadline=deadline):
                if event.name == "log" and shows_log:
                    for line in event.data:
                        write_line(call, line)
                if event.name == "stats":
                    took_s = (datetime.now().astimezone() - begun).total_seconds()
                    call.out.passing(progress_text(event.data, before=job["items"], took_s=took_s))
                if event.name == "end":
                    hints = event.data.get("hints", ())
        call.out.passing("")
        return find_job(call, identifier), hints
    except KeyboardInterrupt:
        call.out.passing("")
        call.out.talk(f"Stopped watching; {name_of(job)} goes on.")
        call.out.talk(f"  cancel  {call.hint('cancel', name)}")
        call.out.talk(f"  log     {call.hint('logs', '-f', name)}")
        raise click.exceptions.Exit(Exit.INTERRUPTED) from None


def progress_text(stats: Mapping[str, int], *, before: int, took_s: float) -> str:
    """What has come; the rate is of what has come since we watch."""
    rate = (stats["items"] - before) * 60 / took_s if took_s > 1 else 0
    counts = f"items {stats['items']} · pages {stats['responses']}"
    return f"{counts} · {rate:.0f}/min · {span_text(took_s)}"


def _after(
    call: Invocation,
    job: dict[str, Any],
    hints: Sequence[str],
    *,
    min_items: int | None,
    items_file: str | None,
    is_told: bool,
) -> None:
    """Say how a job has ended, and end as it did."""
    if items_file is not None and job["started"]:  # it has none else
        from scrapy_do.client.commands.outputs import save_items  # noqa: PLC0415 - the same

        save_items(call, job["identifier"], items_file)
    if call.out.as_json:
        (call.out.document if is_told else call.out.json_line)(job)
    elif is_told and items_file != "-":
        call.out.line(f"{job['identifier']}\t{job['status']}")
    call.out.talk(ending_of(job))
    for hint in hints:
        call.out.talk(f"hint: {hint}")
    check_end(call, job)
    if min_items is not None and job["items"] < min_items:
        raise UserError(
            f"{name_of(job)} has brought {job['items']} items, at least {min_items} were wanted",
            try_=call.hint("logs", short(job["identifier"]), "--level", "WARNING"),
        )


def ending_of(job: Mapping[str, Any]) -> str:
    """One line that says how a job has ended."""
    reason = f" ({job['outcome-reason']})" if job["outcome-reason"] else ""
    took = span_text(job["duration"])
    return (
        f"{name_of(job)} {job['status']}{reason}: {job['items']} items, {job['errors']} errors"
        f"{f' in {took}' if took else ''}"
    )


def check_end(call: Invocation, job: Mapping[str, Any]) -> None:
    """End with an error where a job did not end well.

    Raises:
        UserError: its exit code tells how it ended.
    """
    code = _ENDS.get(job["status"], Exit.FAILED)
    name = short(job["identifier"])
    if code is not Exit.DONE:
        hint = ("retry", name) if code is Exit.CANCELED else ("logs", name, "--level", "ERROR")
        raise UserError(ending_of(job), try_=call.hint(*hint), code=code)


@command("wait")
@click.argument("jobs", metavar="JOB...", nargs=-1, required=True, type=JOB)
@click.option("--timeout", "limit_s", type=SPAN, metavar="SPAN", help="For how long at most.")
@pass_call
def wait_for(call: Invocation, *, jobs: tuple[str, ...], limit_s: float | None) -> None:
    """Wait until jobs have ended; exit as the worst of them did."""
    import time  # noqa: PLC0415 - Note [Why commands import inside their functions]

    begun_s = time.monotonic()
    ended = []
    for job in [find_job(call, name) for name in jobs]:
        left_s = None if limit_s is None else max(0.0, limit_s - (time.monotonic() - begun_s))
        is_over = job["status"] in _ENDS
        ended.append(job if is_over else watched(call, job, shows_log=False, deadline_s=left_s)[0])
    _tell_jobs(call, ended)
    worst = min(ended, key=lambda job: _WORST.index(_ENDS[job["status"]]))
    check_end(call, worst)


# --- looking -------------------------------------------------------------------------------------


@command("jobs")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice(STATES, case_sensitive=False),
    help="Only of these states. May be repeated.",
)
@click.option("--spider", type=SPIDER, help="Only of this spider.")
@click.option("-p", "--project", type=PROJECT, help="Only of this project.")
@click.option("--tag", "tags", multiple=True, help="With one of these tags. May be repeated.")
@click.option(
    "--since", type=MOMENT, metavar="MOMENT", help="Changed since: 2d, yesterday, 2026-11-24."
)
@click.option(
    "-n",
    "limit",
    type=click.IntRange(1, _MOST),
    metavar="N",
    default=20,
    show_default=True,
    help="How many at most.",
)
@click.option("--watch", is_flag=True, help="Keep telling what changes; JSON lines with --json.")
@pass_call
def jobs(
    call: Invocation,
    *,
    states: tuple[str, ...],
    spider: str | None,
    project: str | None,
    tags: tuple[str, ...],
    since: datetime | None,
    limit: int,
    watch: bool,
) -> None:
    """List jobs, the newest change first."""
    asked = _filter(states or STATES, spider, project, tags, since)
    asked.append(("limit", str(limit)))
    found = call.daemon.get("/list-jobs.json", asked)["jobs"]
    if not watch:
        _tell_jobs(call, found)
        return
    from scrapy_do.client.following import events  # noqa: PLC0415 - Note [Why commands import ...]

    told: dict[str, str] = {}
    _tell_changed(call, found, told)
    for _ in events(call, "/ui/events", [("of", "jobs")]):
        _tell_changed(call, call.daemon.get("/list-jobs.json", asked)["jobs"], told)


def _filter(
    states: Sequence[str],
    spider: str | None,
    project: str | None,
    tags: Sequence[str],
    since: datetime | None,
) -> list[tuple[str, str]]:
    asked = [("status", ",".join(state.upper() for state in states))]
    asked += [("spider", spider)] if spider else []
    asked += [("project", project)] if project else []
    asked += [("tag", tag) for tag in tags]
    return asked + ([("since", since.isoformat())] if since else [])


def _tell_jobs(
    call: Invocation, found: Sequence[Mapping[str, Any]], *, is_paged: bool = True
) -> None:
    rows = [_row(call, job) for job in found]
    if call.out.is_terminal:  # where room is dear, and a beginning names a job
        columns = [name for name in _COLUMNS if name != "created"]
        created = _COLUMNS.index("created")
        rows = [
            [short(row[0]), *(cell for n, cell in enumerate(row) if n not in {0, created})]
            for row in rows
        ]
        call.out.rows(columns, rows, found, is_paged=is_paged)
    else:
        call.out.rows(_COLUMNS, rows, found)


def _row(call: Invocation, job: Mapping[str, Any]) -> list[Any]:
    utc = bool(call.flags.utc)
    return [
        job["identifier"],
        name_of(job),
        *(job["status"], job["items"], job["errors"]),
        local_text(job["created"], utc=utc),
        local_text(job["started"], utc=utc),
        span_text(job["duration"]),
        job["outcome-reason"] or job["waiting-for"],
    ]


def _tell_changed(
    call: Invocation, found: Sequence[Mapping[str, Any]], told: dict[str, str]
) -> None:
    """Tell the jobs that are not as they were told; on a terminal all of them anew."""
    looks = {job["identifier"]: f"{job['status']} {job['items']} {job['errors']}" for job in found}
    changed = [
        job for job in reversed(found) if told.get(job["identifier"]) != looks[job["identifier"]]
    ]
    told.update(looks)
    if not changed:
        return
    if call.out.as_json:
        for job in changed:
            call.out.json_line(job)
    elif call.out.is_terminal:
        click.clear()
        _tell_jobs(call, found, is_paged=False)
    else:
        _tell_jobs(call, changed)


@command("job")
@click.argument("job", type=JOB)
@pass_call
def job_command(call: Invocation, *, job: str) -> None:
    """Show one job: how it is, and what it was given."""
    found = find_job(call, job)
    utc = bool(call.flags.utc)
    shown = dict(found)
    for name in ("created", "started", "finished"):
        shown[name] = local_text(found[name], utc=utc)
    shown["duration"] = span_text(found["duration"])
    facts = [(name, shown[name]) for name in _FACTS if shown.get(name) not in (None, "", [], {})]
    call.out.facts([("job", name_of(found)), *facts], found)


@command("stats")
@click.argument("job", type=JOB)
@click.option(
    "--compare",
    is_flag=False,
    flag_value="@before",
    metavar="[JOB]",
    type=JOB,
    help="Beside another job, or the one of its spider before.",
)
@pass_call
def stats(call: Invocation, *, job: str, compare: str | None) -> None:
    """Show the statistics of a job."""
    found = find_job(call, job)
    document: dict[str, Any] = {"identifier": found["identifier"], "stats": found["stats"]}
    if compare is None:
        rows = [[name, _said(call, name, value)] for name, value in sorted(found["stats"].items())]
        call.out.rows(["name", "value"], rows, document)
        return
    other = _job_before(call, found) if compare == "@before" else find_job(call, compare)
    document |= {"other": other["identifier"], "other-stats": other["stats"]}
    names = sorted({*found["stats"], *other["stats"]})
    rows = [
        [
            name,
            _said(call, name, value := found["stats"].get(name)),
            _said(call, name, old := other["stats"].get(name)),
            _change(value, old),
        ]
        for name in names
    ]
    columns = ["name", short(found["identifier"]), short(other["identifier"]), "change"]
    call.out.rows(columns, rows, document)


def _said(call: Invocation, name: str, value: object) -> object:
    """A statistic as people read it: the moments among them are milliseconds since 1970."""
    if name not in _MOMENTS or not isinstance(value, int | float):
        return value
    try:
        moment = datetime.fromtimestamp(value / 1000, UTC)
        return moment_text(moment if call.flags.utc else moment.astimezone())
    except (ValueError, OverflowError, OSError):  # a spider may write what it likes
        return value


def _change(value: object, old: object) -> object:
    if isinstance(value, int | float) and isinstance(old, int | float):
        with suppress(OverflowError):  # whole numbers have no end, the others have
            return round(value - old, 6)
    return None


def _job_before(call: Invocation, job: Mapping[str, Any]) -> dict[str, Any]:
    asked = {
        "status": "COMPLETED",
        "project": job["project"],
        "spider": job["spider"],
        "limit": "100",
    }
    number = int(job["key"].rpartition("/")[2])
    for one in call.daemon.get("/list-jobs.json", asked)["jobs"]:
        if int(one["key"].rpartition("/")[2]) < number:
            return find_job(call, one["identifier"])
    raise UserError(
        f"{name_of(job)} is the first of its spider: there is no job before",
        try_=call.hint("stats", short(job["identifier"])),
        code=Exit.NOT_FOUND,
    )


# --- changing ------------------------------------------------------------------------------------


@command("cancel")
@click.argument("jobs", metavar="JOB...", nargs=-1, type=JOB)
@click.option(
    "--state",
    type=click.Choice(["PENDING", "RUNNING"], case_sensitive=False),
    help="All in this state.",
)
@click.option("--spider", type=SPIDER, help="All of this spider.")
@click.option("-p", "--project", type=PROJECT, help="All of this project.")
@click.option("--tag", "tags", multiple=True, help="All with one of these tags.")
@click.option("--force", is_flag=True, help="Give their crawls no time to close their spiders.")
@click.option("--dry-run", is_flag=True, help="List them, and cancel none.")
@pass_call
def cancel(
    call: Invocation,
    *,
    jobs: tuple[str, ...],
    state: str | None,
    spider: str | None,
    project: str | None,
    tags: tuple[str, ...],
    force: bool,
    dry_run: bool,
) -> None:
    """Ask jobs to stop: those that are named, or all active ones of a filter."""
    is_filter = bool(state or spider or project or tags)
    if is_filter == bool(jobs):
        raise click.UsageError("name jobs, or give --state, --spider, --project or --tag")
    if is_filter:
        asked = _filter([state] if state else _ACTIVE.split(","), spider, project, tags, None)
        asked.append(("limit", str(_MOST)))
        found = call.daemon.get("/list-jobs.json", asked)["jobs"]
    else:
        found = [find_job(call, name) for name in jobs]
    if dry_run:
        _tell_jobs(call, found)
        return
    if is_filter and found:
        call.confirm(f"Cancel {len(found)} {'job' if len(found) == 1 else 'jobs'}?")
    form = [("wait", "10" if len(found) == 1 else "0"), *([("force", "1")] if force else [])]
    for job in found:
        call.out.passing(f"{name_of(job)} is asked to stop ...")
        _cancel(call, job, form, may_be_over=is_filter)
    call.out.passing("")
    _tell_jobs(call, [find_job(call, job["identifier"]) for job in found])


def _cancel(
    call: Invocation, job: Mapping[str, Any], form: Sequence[tuple[str, str]], *, may_be_over: bool
) -> None:
    from scrapy_do.client.http import Refused  # noqa: PLC0415 - Note [Why commands import ...]

    try:
        call.daemon.post("/cancel-job.json", [("id", job["identifier"]), *form])
    except Refused as error:
        if error.kind != "job-not-active":
            raise
        if not may_be_over:
            raise UserError(
                f"{name_of(job)} has ended already ({job['status']})",
                try_=call.hint("job", short(job["identifier"])),
            ) from error


@command("retry")
@click.argument("jobs", metavar="JOB...", nargs=-1, required=True, type=JOB)
@pass_call
def retry(call: Invocation, *, jobs: tuple[str, ...]) -> None:
    """Run jobs once more as they were ordered, with the current version."""
    found = [find_job(call, name) for name in jobs]
    made = [
        find_job(
            call,
            str(call.daemon.post("/retry-job.json", [("id", job["identifier"])])["identifier"]),
        )
        for job in found
    ]
    _tell_jobs(call, made)
