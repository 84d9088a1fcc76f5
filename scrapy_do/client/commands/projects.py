"""Commands about projects: push, projects, spiders, rollback, rm."""

import re
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scrapy_do.client.errors import Exit, UserError
from scrapy_do.client.invocation import Invocation, command, pass_call
from scrapy_do.client.names import PROJECT, the_project
from scrapy_do.client.times import ago, local_text, span_text

if TYPE_CHECKING:
    from scrapy_do.client.packing import Source

_LARGE_BYTES = 1_000_000
_LAST_LINES = 12


@command("push")
@click.argument("path", required=False, metavar="[PATH|ZIP|EGG]", type=click.Path(path_type=Path))
@click.option("-p", "--project", help="Its name; else as its scrapy.cfg says.")
@click.option(
    "--version",
    "label",
    metavar="V|git",
    help="The name of the version; `git` takes what `git describe` says. Else the next number.",
)
@click.option("--dry-run", is_flag=True, help="List what would be sent, and send nothing.")
@click.option("--no-activate", is_flag=True, help="Keep it beside the current version.")
@click.option(
    "--force", is_flag=True, help="Also if spiders that are scheduled are no longer there."
)
@pass_call
def push(
    call: Invocation,
    *,
    path: Path | None,
    project: str | None,
    label: str | None,
    dry_run: bool,
    no_activate: bool,
    force: bool,
) -> None:
    """Send a project: the one that this directory belongs to, a directory, or an archive.

    All its files are sent, but none that git ignores, and no caches or environments. Where
    scrapy.cfg has `[deploy] glob`, only the files that it names are.
    """
    from scrapy_do.client.packing import project_at, version_by_git  # noqa: PLC0415 - Note [Why ...]

    place = Path() if path is None else path
    source = None if place.is_file() else project_at(place, project)
    if dry_run:
        _tell_files(call, place, source)
        return
    if label == "git":
        label = version_by_git(place.parent if source is None else source.root)
    form = [("name", project)] if project else []
    form += [("version", label)] if label else []
    form += [("force", "1")] if force else []
    form += [("activate", "0")] if no_activate else []
    with tempfile.TemporaryDirectory(prefix="scrapy-do-") as scratch:
        archive = place
        if source is not None:
            archive = Path(scratch) / "project.zip"
            source.write(archive)
        answer = _send(call, archive, form, source.project if source else place.stem)
    call.out.passing("")
    _tell_pushed(call, answer)


def _tell_files(call: Invocation, place: Path, source: "Source | None") -> None:
    root = place.parent if source is None else source.root
    files = [Path(place.name)] if source is None else source.files
    shown = [{"path": str(file), "size": (root / file).stat().st_size} for file in files]
    document = {
        "project": source and source.project,
        "root": str(root.absolute()),
        "files": shown,
        "size": sum(int(str(one["size"])) for one in shown),
    }
    call.out.rows(["size", "path"], [[one["size"], one["path"]] for one in shown], document)


def _send(
    call: Invocation, archive: Path, form: list[tuple[str, str]], called: str | None
) -> dict[str, Any]:
    from scrapy_do.client.http import Refused  # noqa: PLC0415 - the same

    begun_s = time.monotonic()

    def sent(done: int, size: int) -> None:
        if done == size:
            call.out.passing("sent; the daemon looks what is in it ...")
        if size < _LARGE_BYTES or done == size:
            return
        took_s = max(time.monotonic() - begun_s, 0.001)
        left = span_text((size - done) * took_s / done) if done else ""
        speed = done / took_s / 1e6
        call.out.passing(
            f"{done * 100 // size} % of {size / 1e6:.1f} MB, {speed:.1f} MB/s, {left} left"
        )

    try:
        return call.daemon.push(archive, form, sent=sent)
    except Refused as error:
        call.out.passing("")
        trace = str(error.answer.get("traceback") or "").splitlines()[-_LAST_LINES:]
        warnings = [f"warning: {one}" for one in error.answer.get("warnings") or ()]
        hint = error.try_
        if "is not a name" in error.message:
            said = dict(form).get("name")
            likely = re.sub("[^A-Za-z0-9._-]+", "-", said or called or "").strip("-._") or "project"
            add = [] if said else ["-p", likely]
            hint = call.again(instead_of=said or "", say=likely, add=add)
        elif error.kind == "spider-in-use":
            hint = call.again(add=["--force"])
        elif error.exit_code == Exit.FAILED:
            hint = call.again(add=["--dry-run"])
        raise UserError(
            error.message, notes=[*trace, *warnings], try_=hint, code=Exit(error.exit_code)
        ) from error


def _tell_pushed(call: Invocation, answer: dict[str, Any]) -> None:
    name, spiders = answer["name"], answer["spiders"]
    for warning in answer["warnings"]:
        call.out.talk(f"warning: {warning}")
    if answer["removed-spiders"]:
        call.out.talk(f"warning: no longer there: {', '.join(answer['removed-spiders'])}")
    if call.out.as_json:
        call.out.document({key: value for key, value in answer.items() if key != "status"})
        return
    beside = "" if answer["active"] else ", beside the current version"
    call.out.line(
        f"Pushed {name} {answer['version']}{beside}: {', '.join(spiders) or 'no spiders'}"
    )
    if spiders:
        call.out.talk(f"  run    {call.hint('run', spiders[0], '-p', name, '-f')}")
    if not answer["active"]:
        call.out.talk(f"  use    {call.hint('rollback', name, answer['version'])}")
    call.out.talk(f"  web    {call.settings.url}/ui/projects/{name}")


@command("projects")
@click.argument("project", required=False, type=PROJECT)
@pass_call
def projects(call: Invocation, *, project: str | None) -> None:
    """List the projects, or the versions of one."""
    utc = bool(call.flags.utc)
    if project is None:
        found = call.daemon.get("/list-projects.json")["details"]
        rows = [
            [
                one["name"],
                one["version"],
                one["spiders"],
                local_text(one["pushed"], utc=utc),
                one["pushed-by"],
            ]
            for one in found
        ]
        call.out.rows(["project", "version", "spiders", "pushed", "by"], rows, found)
        return
    found = call.daemon.get("/list-versions.json", {"project": project})["versions"]
    rows = [
        [
            one["version"],
            one["current"],
            len(one["spiders"]),
            one["size"],
            local_text(one["pushed"], utc=utc),
            one["pushed-by"],
        ]
        for one in found
    ]
    call.out.rows(["version", "current", "spiders", "size", "pushed", "by"], rows, found)


@command("spiders")
@click.argument("project", required=False, type=PROJECT)
@pass_call
def spiders(call: Invocation, *, project: str | None) -> None:
    """List the spiders of a project."""
    name = the_project(call, project)
    found = call.daemon.get("/list-spiders.json", {"project": name})["spiders"]
    call.out.rows(["spider"], [[spider] for spider in found], found)


@command("rollback")
@click.argument("project", type=PROJECT)
@click.argument("version", required=False)
@pass_call
def rollback(call: Invocation, *, project: str, version: str | None) -> None:
    """Make a version the current one: the one before, or the one that is named."""
    versions = call.daemon.get("/list-versions.json", {"project": project})["versions"]
    if version is None:
        current = next((n for n, one in enumerate(versions) if one["current"]), -1)
        older = versions[current + 1 :]
        if not older:
            raise UserError(
                f"{project} has no version before the current one",
                try_=call.hint("projects", project),
                code=Exit.NOT_FOUND,
            )
        version = str(older[0]["version"])
    elif version not in {one["version"] for one in versions}:
        raise UserError(
            f'project "{project}" has no version "{version}"',
            notes=[f"known: {', '.join(one['version'] for one in versions)}"],
            try_=call.again(instead_of=version, say=str(versions[0]["version"]))
            if versions
            else call.hint("push"),
            code=Exit.NOT_FOUND,
        )
    form = [("project", project), ("version", version)]
    call.daemon.post("/activate-version.json", form)
    shown = dict(form)
    call.out.facts(shown.items(), shown)


@command("rm")
@click.argument("what", metavar="PROJECT[@VERSION]", type=PROJECT)
@click.option("--dry-run", is_flag=True, help="Say what would be removed, and remove nothing.")
@pass_call
def remove(call: Invocation, *, what: str, dry_run: bool) -> None:
    """Remove a project, or one version of it; jobs that were accepted run to their end."""
    name, at, version = what.partition("@")
    if at and not version:
        raise click.UsageError(f"{what!r} names no version; without the @ it is the whole project")
    versions = call.daemon.get("/list-versions.json", {"project": name})["versions"]
    if version and version not in [one["version"] for one in versions]:
        raise UserError(
            f'project "{name}" has no version "{version}"',
            notes=[f"known: {', '.join(one['version'] for one in versions)}"],
            try_=call.hint("projects", name),
            code=Exit.NOT_FOUND,
        )
    if dry_run:
        labels = [one["version"] for one in versions if version in {"", one["version"]}]
        shown = {"project": name, "versions": labels, "removed": False}
        call.out.facts(shown.items(), shown)
        return
    if version:
        call.confirm(f"Remove version {version} of {name}?")
        call.daemon.post("/remove-version.json", [("project", name), ("version", version)])
    else:
        many = "its version" if len(versions) == 1 else f"{len(versions)} versions"
        call.confirm(f"Remove {name} with {many}?")
        call.daemon.post("/remove-project.json", [("name", name)])
    shown = {"project": name, "version": version or None, "removed": True}
    call.out.facts(shown.items(), shown)


def known_spiders(call: Invocation, project: str, spider: str) -> UserError:
    """The error of a spider that a project has not, with those that it has."""
    from difflib import get_close_matches  # noqa: PLC0415 - for mistakes only

    found = call.daemon.get("/list-spiders.json", {"project": project})["spiders"]
    details = [
        one for one in call.daemon.get("/list-projects.json")["details"] if one["name"] == project
    ]
    told = ""
    if details and details[0]["pushed"]:
        since = ago(details[0]["pushed"], datetime.now().astimezone())
        told = f" (version {details[0]['version']}, pushed {since})"
    near = get_close_matches(spider, found, n=1, cutoff=0.4)
    return UserError(
        f'spider "{spider}" is not in project "{project}"{told}',
        notes=[f"known: {', '.join(found)}"] if found else [],
        try_=call.again(instead_of=spider, say=near[0]) if near else call.hint("spiders", project),
        code=Exit.NOT_FOUND,
    )
