"""`scrapy-do db import-0.5`: what a daemon of Scrapy Do 0.5 has kept, given to one that runs.

Projects are pushed and orders given as anybody would, so every check of the daemon counts. The
old directory is read and nothing else; its pickle is never opened, as that would run what is in
it: the projects are those of the archives, their spiders are listed afresh.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scrapy_do.client.errors import Exit, UserError
from scrapy_do.client.invocation import Invocation, command, pass_call

if TYPE_CHECKING:
    from scrapy_do.store.release_0_5 import OldJob

TAKEN, THERE, LEFT_OUT, REFUSED = "taken", "was there", "left out", "refused"

_NOTE = "Of Scrapy Do 0.5: {}"
_MARK = re.compile(re.escape(_NOTE.format("")) + r"(\S+)")
_STATES = ("active", "paused", "error", "finished", "canceled")
_PAGE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of one project, order or job; `detail` is what it is now, or why it is not."""

    kind: str
    name: str
    result: str
    detail: str


@command("import-0.5")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--tz", metavar="ZONE", help="The zone of the orders; else the daemon's.")
@pass_call
def import_0_5(call: Invocation, *, directory: Path, tz: str | None) -> None:
    """Take over projects and standing orders from a data directory of Scrapy Do 0.5.

    They go to the daemon at --url, which must be running; the old one should be stopped. DIR is
    the old `project-store`; nothing in it is changed. What is there already stays as it is, so
    it may be done again.
    """
    from scrapy_do.store.release_0_5 import read_jobs  # noqa: PLC0415 - Note [Why commands ...]

    try:
        found = read_jobs(directory)
    except ValueError as error:
        raise UserError(
            f"{directory} is no data directory of Scrapy Do 0.5: {error}",
            try_="scrapy-do db import-0.5 --help",
        ) from error
    results = [*_projects(call, directory)]
    marks = _marks(call)
    results += [_order(call, order, tz, marks) for order in found.orders]
    results += [_unfinished(call, job) for job in found.unfinished]
    if found.ended:
        told = f"they and their logs stay in {directory}"
        results.append(
            Taken(kind="jobs", name=f"{found.ended} ended", result=LEFT_OUT, detail=told)
        )
    call.out.passing("")
    columns = ["what", "name", "result", "detail"]
    rows = [[one.kind, one.name, one.result, one.detail] for one in results]
    document = [dict(zip(columns, row, strict=True)) for row in rows]
    call.out.rows(columns, rows, document)
    refused = sum(one.result == REFUSED for one in results)
    if refused:
        raise UserError(
            f"{refused} of {len(results)} could not be taken over; the rest is there",
            try_=call.again(),
        )


def _projects(call: Invocation, directory: Path) -> Iterator[Taken]:
    known = {one["name"]: one for one in call.daemon.get("/list-projects.json")["details"]}
    for archive in sorted(directory.glob("*.zip")):
        name = archive.stem
        if name in known:
            yield Taken(
                kind="project",
                name=name,
                result=THERE,
                detail=f"its version {known[name]['version']} stays",
            )
            continue
        call.out.passing(f"{name} is pushed ...")
        try:
            answer = _push(call, archive)
        except UserError as error:
            yield Taken(kind="project", name=name, result=REFUSED, detail=_reason(error))
            continue
        spiders = ", ".join(answer["spiders"]) or "no spiders"
        yield Taken(
            kind="project",
            name=name,
            result=TAKEN,
            detail="; ".join([f"version {answer['version']}: {spiders}", *answer["warnings"]]),
        )


def _push(call: Invocation, archive: Path) -> dict[str, Any]:
    if not archive.is_file():
        raise UserError(f"{archive.name} is no file", try_="scrapy-do db import-0.5 --help")
    return call.daemon.push(archive, [("name", archive.stem)])


def _marks(call: Invocation) -> dict[str, str]:
    """What the orders that were taken over before are now, by their identifier in 0.5."""
    found: dict[str, str] = {}
    asked = [("limit", str(_PAGE)), *(("state", state) for state in _STATES)]
    skip = 0
    while page := call.daemon.get("/list-schedules.json", [*asked, ("skip", str(skip))])[
        "schedules"
    ]:
        for one in page:
            told = f"as {one['identifier']} ({one['state']})"
            found |= dict.fromkeys(_MARK.findall(one["note"]), told)
        skip += len(page)
    return found


def _order(call: Invocation, order: "OldJob", tz: str | None, marks: dict[str, str]) -> Taken:
    name = f"{order.project}/{order.spider} {order.when}"

    def told(result: str, detail: str) -> Taken:
        return Taken(kind="order", name=name, result=result, detail=detail)

    if order.identifier in marks:
        return told(THERE, marks[order.identifier])
    if order.when.strip().lower() == "now":
        return told(LEFT_OUT, "it is no standing order")
    form = [("project", order.project), ("spider", order.spider), ("when", order.when)]
    form += [("note", _NOTE.format(order.identifier))]
    form += [("description", order.description)] if order.description else []
    form += [("payload", order.payload)] if order.payload != "{}" else []
    form += [("timezone", tz)] if tz else []
    call.out.passing(f"{name} ...")
    try:
        answer = call.daemon.post("/schedule-job.json", form)
    except UserError as error:
        return told(REFUSED, _reason(error))
    return told(TAKEN, f"as {answer['identifier']}, {answer['schedule']} ({answer['timezone']})")


def _unfinished(call: Invocation, job: "OldJob") -> Taken:
    words = ["run", job.spider, "-p", job.project]
    words += ["-a", f"payload={job.payload}"] if job.payload != "{}" else []
    return Taken(
        kind="job",
        name=f"{job.project}/{job.spider} {job.identifier}",
        result=LEFT_OUT,
        detail=f"it had not ended ({job.status}); to run it: {call.hint(*words)}",
    )


def _reason(error: UserError) -> str:
    """Why the daemon would not take one thing.

    Raises:
        UserError: it takes nothing at all: it is away, or wants other credentials.
    """
    if error.exit_code not in {Exit.FAILED, Exit.NOT_FOUND}:
        raise error
    return " ".join(error.message.split())
