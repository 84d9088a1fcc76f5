"""The addresses of pages whose names may hold any character, and the commands that do the same."""

import shlex
from collections.abc import Iterable
from urllib.parse import quote, urlencode

from scrapy_do.core.job_search import word

Fields = Iterable[tuple[str, str]]

_USUAL_BASE = "http://localhost:7654"
_RUN_OPTIONS = {
    "project": "-p",
    "version": "--version",
    "arg": "-a",
    "setting": "-s",
    "priority": "--priority",
    "tag": "--tag",
    "timeout": "--timeout",
    "description": "--description",
}
_SCHEDULE_OPTIONS = {
    "timezone": "--tz",
    "catchup": "--catchup",
    "overlap": "--overlap",
    "jitter": "--jitter",
    "until": "--until",
    "max-runs": "--max-runs",
    "note": "--note",
}
"""The options of the command by the fields of the API."""

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


def jobs_page(project: str, spider: str) -> str:
    """The list of the jobs of a spider."""
    return with_query("/ui/jobs", [("q", f"{word('project', project)} {word('spider', spider)}")])


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


def scrapy_do(base: str, *words: str, names: Iterable[str] = ()) -> str:
    """The command that asks this server for the same; `names` are its arguments, whatever they are.

    Who asks is not in it: `scrapy-do login` remembers that.
    """
    at = [] if base == _USUAL_BASE else ["--url", base]
    arguments = [*names]
    if any(name.startswith("-") for name in arguments):
        arguments.insert(0, "--")
    return shlex.join(["scrapy-do", *at, *words, *arguments])


def scrapy_do_order(base: str, fields: Fields) -> str:
    """The command that orders what fields of `schedule-job.json` say; "" where it has no option."""
    said = [*fields]
    when = dict(said).get("when", "now")
    names, words = [], ["run"] if when == "now" else ["schedule", "add", "--when", when]
    options = _RUN_OPTIONS if when == "now" else {**_RUN_OPTIONS, **_SCHEDULE_OPTIONS}
    for name, value in said:
        if name == "spider":
            names.append(value)
        elif name in options:
            words += [options[name], value]
        elif name != "when":
            return ""
    return scrapy_do(base, *words, names=names)


def _curl(user: str) -> list[str]:
    known = user and user != LOCAL_USER
    return ["curl", "-sS", *(["-u", shlex.quote(user)] if known else [])]
