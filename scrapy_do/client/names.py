"""The names that commands take: of jobs, projects, spiders, schedules and profiles.

A job is named by its whole identifier, the beginning of it, `project/spider/number`, its key, the
address of its page, `@last` or `SPIDER@last`: the daemon understands all but the address.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click
from click.shell_completion import CompletionItem

from scrapy_do.client.completion import names
from scrapy_do.client.errors import Exit, UserError

if TYPE_CHECKING:
    from scrapy_do.client.http import DaemonClient
    from scrapy_do.client.invocation import Invocation

SHORT = 8
"""So many characters of an identifier are shown: they name a job among millions."""

_UUID = re.compile("[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_KEY = re.compile(r"/p/([0-9]+)/(?:jobs?/)?([0-9]+)/([0-9]+)")
_PLAIN = re.compile(r"[\w@][\w@%+=:,./-]*")
"""A name that no shell reads as something else: others have to be typed, with quotes."""

_MOST = 50


class Name(click.ParamType[str]):
    """A name that shells complete; an empty one, such as of an unset variable, means nothing."""

    def __init__(self, name: str, kind: str) -> None:
        self.name = name
        self._kind = kind

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Refuse an empty one: a filter by it would be none."""
        return value or self.fail("it is empty", param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Of all names those that begin so."""
        del param
        if self._kind == "profiles":
            found = _profiles()
        else:
            project = ctx.params.get("project") if self._kind == "spiders" else None
            found = names(
                ctx,
                f"{self._kind} {project or ''}",
                lambda daemon: _look(daemon, self._kind, project),
            )
        return [
            CompletionItem(name)
            for name in found
            if name.startswith(incomplete) and _PLAIN.fullmatch(name)
        ]


JOB = Name("job", "jobs")
PROJECT = Name("project", "projects")
SPIDER = Name("spider", "spiders")
SCHEDULE = Name("schedule", "schedules")
PROFILE = Name("profile", "profiles")


def _look(daemon: "DaemonClient", kind: str, project: str | None) -> Sequence[str]:
    if kind == "projects":
        return [*map(str, daemon.get("/list-projects.json")["projects"])]
    if kind == "spiders":
        projects = [project] if project else daemon.get("/list-projects.json")["projects"]
        answers = (daemon.get("/list-spiders.json", {"project": one}) for one in projects)
        return sorted({str(name) for answer in answers for name in answer["spiders"]})
    if kind == "schedules":
        found = daemon.get("/list-schedules.json", {"limit": str(_MOST)})["schedules"]
    else:
        asked = {"status": "PENDING,RUNNING,SUCCESSFUL,FAILED,CANCELED", "limit": str(_MOST)}
        found = daemon.get("/list-jobs.json", asked)["jobs"]
    return [one["identifier"][:SHORT] for one in found]


def _profiles() -> Sequence[str]:
    import os  # noqa: PLC0415 - Note [Why commands import inside their functions]

    from scrapy_do.client.settings import Profiles, profiles_path  # noqa: PLC0415 - the same

    try:
        return Profiles(profiles_path(os.environ)).names
    except UserError:
        return ()


def short(identifier: str) -> str:
    """An identifier as people see it."""
    return identifier[:SHORT]


def find_job(call: "Invocation", name: str) -> dict[str, Any]:
    """The job of a name, as the daemon tells it.

    Raises:
        Refused: there is none, or there are several.
    """
    asked = {"id": _job_in(call, name)}
    if project := call.settings.text("project"):
        asked["project"] = project
    found: dict[str, Any] = call.daemon.get("/job.json", asked)["job"]
    return found


def find_schedule(call: "Invocation", name: str) -> dict[str, Any]:
    """The schedule of an identifier or its beginning, as the daemon tells it.

    Raises:
        Refused: there is none, or there are several.
    """
    found: dict[str, Any] = call.daemon.get("/list-schedules.json", {"id": name})["schedules"][0]
    return found


def _job_in(call: "Invocation", name: str) -> str:
    """The name in the address of a page, of a log or of Scrapy Cloud's; other names as they are."""
    if not name.startswith(("http://", "https://")):
        return name
    try:
        parts = urlsplit(name)
    except ValueError:
        parts = urlsplit("")
    url = f"{parts.scheme}://{parts.netloc}"
    found = _UUID.search(parts.path)
    key = _KEY.search(parts.path)
    if found is None and key is None:
        raise UserError(
            f"{name} is not the address of a job", try_=call.hint("jobs"), code=Exit.NOT_FOUND
        )
    meant = found[0] if found else "/".join(key.groups()) if key else ""
    if urlsplit(call.settings.url).netloc != parts.netloc:
        raise UserError(
            f"that job is at {url}, not at {call.settings.url}",
            try_=call.again(instead_of=name, say=meant, add=["--url", url]),
            code=Exit.USAGE,
        )
    return meant


def the_project(call: "Invocation", project: str | None, spider: str | None = None) -> str:
    """The project that is meant: the one that was said, or the only one (that has a spider).

    Raises:
        UserError: several could be meant, there is none, or none has that spider.
    """
    chosen = project or call.settings.text("project")
    if chosen:
        return chosen
    projects = call.daemon.get("/list-projects.json")["projects"]
    if spider is not None and len(projects) > 1:
        able = [
            name
            for name in projects
            if spider in call.daemon.get("/list-spiders.json", {"project": name})["spiders"]
        ]
        if not able:
            raise UserError(
                f'no project has a spider "{spider}"',
                notes=[f"known: {', '.join(projects)}"],
                try_=call.hint("spiders", projects[0]),
                code=Exit.NOT_FOUND,
            )
        projects = able
    if not projects:
        raise UserError(
            f"no project has been pushed to {call.settings.url}",
            try_=call.hint("push"),
            code=Exit.NOT_FOUND,
        )
    if len(projects) > 1:
        which = f'have a spider "{spider}"' if spider else "are there"
        raise UserError(
            f"{len(projects)} projects {which}; say which is meant",
            notes=[f"known: {', '.join(projects)}"],
            try_=call.again(add=["-p", projects[0]] if spider else [projects[0]]),
            code=Exit.USAGE,
        )
    return str(projects[0])
