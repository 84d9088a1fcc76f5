"""The addresses of pages whose names may hold any character, and the commands that do the same."""

import shlex
from collections.abc import Iterable
from urllib.parse import quote, urlencode

Fields = Iterable[tuple[str, str]]

LOCAL_USER = "local"
"""Who everybody is where there is no authentication: then a command needs no credentials."""


def with_query(path: str, fields: Fields) -> str:
    """An address with its query."""
    query = urlencode([*fields], errors="surrogatepass")
    return f"{path}?{query}" if query else path


def project_page(project: str) -> str:
    """The page of a project."""
    return f"/ui/projects/{quote(project, safe='')}"


def spider_page(project: str, spider: str) -> str:
    """The page of a spider.

    Browsers take `.` and `..` between slashes for steps, however they are encoded.
    """
    if spider in {".", ".."}:
        return with_query("/ui/spider", [("project", project), ("spider", spider)])
    name = quote(spider, safe="", errors="surrogatepass")
    return f"{project_page(project)}/spiders/{name}"


def run_page(project: str, spider: str, fields: Fields = ()) -> str:
    """The form that runs a spider, with what is filled in already."""
    return with_query("/ui/run", [("project", project), ("spider", spider), *fields])


def schedule_page(project: str, spider: str) -> str:
    """The form that schedules a spider."""
    return with_query("/ui/schedules/new", [("project", project), ("spider", spider)])


def curl(base: str, user: str, path: str, fields: Fields = (), *, get: bool = False) -> str:
    """The command that asks this server for the same; curl asks for the password of the user."""
    parts = _curl(user)
    if get and fields:
        parts.append("-G")
    for name, value in fields:
        parts += ["--data-urlencode", shlex.quote(f"{name}={value}")]
    return " ".join([*parts, shlex.quote(base + path)])


def curl_push(base: str, user: str, project: str = "") -> str:
    """The command that pushes an archive."""
    name = ["-F", shlex.quote(f"name={project}")] if project else []
    parts = [*_curl(user), "-F", "archive=@/tmp/project.zip", *name]
    return " ".join([*parts, shlex.quote(f"{base}/push-project.json")])


def _curl(user: str) -> list[str]:
    known = user and user != LOCAL_USER
    return ["curl", "-sS", *(["-u", shlex.quote(user)] if known else [])]
