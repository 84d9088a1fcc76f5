"""The command `scrapy-do-cl`: the client of Scrapy Do 0.5 as its users know it.

Its options, its tables and its messages are the original's, down to the byte on standard output;
everything new is in `scrapy-do`. Source: scrapy-do 0.5.0, recorded in tests/client/golden.
"""

import argparse
import configparser
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from scrapy_do.client.errors import UserError
from scrapy_do.client.http import Credentials, DaemonClient

FORMATS = (
    *("simple", "grid", "fancy_grid", "presto", "psql", "pipe", "orgtbl", "jira", "rst"),
    *("mediawiki", "html", "latex"),
)
STATUSES = (
    *("ACTIVE", "COMPLETED", "SCHEDULED", "PENDING", "RUNNING", "CANCELED", "SUCCESSFUL"),
    "FAILED",
)
_JOB = (
    *("identifier", "project", "spider", "status", "schedule", "description", "actor"),
    *("timestamp", "duration", "payload"),
)
_TRUE = frozenset({"yes", "true", "t", "y", "1"})
_FALSE = frozenset({"no", "false", "f", "n", "0"})
_LOG_LIMIT_S = 7 * 86_400.0

Answer = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """What is printed as a table."""

    headers: Sequence[str]
    rows: Sequence[Sequence[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Command:
    """One of the nine: its help, its options, and what it does."""

    help: str
    options: Mapping[str, Mapping[str, Any]]
    run: Callable[[argparse.Namespace, DaemonClient], _Table | str | None]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; the process ends with 0, or with 1 when something was refused."""
    given = parser().parse_args(arguments)
    if "command" not in given:
        _fail("You need to specify a command to run.")
    password = given.password
    if given.username is not None and password is None:
        from getpass import getpass  # noqa: PLC0415 - who has a password in a file need not wait

        password = getpass()
    try:
        daemon = DaemonClient(
            given.url,
            credentials=Credentials(username=given.username, password=password),
            is_verified=given.verify_ssl,
        )
        shown = _COMMANDS[given.command].run(given, daemon)
    except UserError as error:
        _fail(f"Server responded with an error: {error.message}")
    except KeyboardInterrupt:
        sys.exit(130)
    if isinstance(shown, str):
        print(shown)  # noqa: T201 - as the original
    elif shown is not None:
        _print_table(shown, given.print_format)


def _print_table(table: _Table, print_format: str) -> None:
    if not table.rows:
        print("[i] No data to show.")  # noqa: T201 - as the original
        return
    from tabulate import tabulate  # noqa: PLC0415 - only for tables

    print(tabulate(table.rows, headers=table.headers, tablefmt=print_format))  # noqa: T201 - the same


def _fail(message: str) -> NoReturn:
    print(f"[!] {message}")  # noqa: T201 - on standard output, as the original
    sys.exit(1)


def _needed(value: str | None, what: str) -> str:
    if value is None:
        _fail(f"You need to specify {what}.")
    return value


# --- the parser ----------------------------------------------------------------------------------


def parser() -> argparse.ArgumentParser:
    """The options and commands; what the user's file says is their default."""
    usual = _configured()
    made = argparse.ArgumentParser(prog="scrapy-do-cl")
    made.add_argument("--url", default=usual.get("url", "http://localhost:7654"), help="server URL")
    made.add_argument("--username", default=usual.get("username"), help="user name")
    made.add_argument("--password", default=usual.get("password"), help="password")
    made.add_argument(
        "--print-format",
        default=usual.get("print-format", "psql"),
        choices=FORMATS,
        help="print format",
    )
    made.add_argument("--verify-ssl", type=_boolean, default=True, help="verify SSL")
    commands = made.add_subparsers(help="Commands")
    for name, command in _COMMANDS.items():
        own = commands.add_parser(name, help=command.help)
        own.set_defaults(command=name)
        for option, details in command.options.items():
            own.add_argument(*option.split(), **details)
    return made


def _configured() -> Mapping[str, str]:
    """What the user's file says; nothing where there is none."""
    parser = configparser.ConfigParser()
    with suppress(RuntimeError):  # a user without a home
        parser.read(Path("~/.scrapy-do.cfg").expanduser())
    return dict(parser.items("scrapy-do")) if parser.has_section("scrapy-do") else {}


def _boolean(text: str) -> bool:
    if text.lower() in _TRUE | _FALSE:
        return text.lower() in _TRUE
    raise argparse.ArgumentTypeError("Boolean value expected.")


# --- the commands --------------------------------------------------------------------------------


def _status(_given: argparse.Namespace, daemon: DaemonClient) -> _Table:
    answer = daemon.get("/status.json")
    return _Table(headers=["key", "value"], rows=[[*pair] for pair in answer.items()])


def _list_projects(_given: argparse.Namespace, daemon: DaemonClient) -> _Table:
    return _names("name", daemon.get("/list-projects.json")["projects"])


def _list_spiders(given: argparse.Namespace, daemon: DaemonClient) -> _Table:
    project = _needed(given.project, "the project name")
    return _names("name", daemon.get("/list-spiders.json", {"project": project})["spiders"])


def _names(header: str, names: Sequence[str]) -> _Table:
    return _Table(headers=[header], rows=[[name] for name in names])


def _list_jobs(given: argparse.Namespace, daemon: DaemonClient) -> _Table:
    asked = {"status": given.status} if given.job_id is None else {"id": given.job_id}
    found = daemon.get("/list-jobs.json", asked)["jobs"]
    return _Table(headers=_JOB, rows=[[*_row(job)] for job in found])


def _row(job: Answer) -> Iterator[Any]:
    for name in _JOB:
        if name != "payload":
            yield job[name]
            continue
        try:
            yield json.dumps(json.loads(job[name]), ensure_ascii=False)
        except ValueError as error:
            told = f"Cannot parse the JSON payload for job {job['identifier']} : {error}"
            print(f"[!] {told}")  # noqa: T201 - as the original
            yield '{"error": "malformed payload"}'


def _get_log(given: argparse.Namespace, daemon: DaemonClient) -> None:
    job = _needed(given.job_id, "a job ID")
    with daemon.request("GET", f"/get-log/data/{job}.{given.log_type}") as response:
        sys.stdout.flush()
        for chunk in daemon.chunks(response, lambda: _LOG_LIMIT_S):
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
    print()  # noqa: T201 - as the original


def _push_project(given: argparse.Namespace, daemon: DaemonClient) -> _Table:
    import tempfile  # noqa: PLC0415 - only here

    from scrapy_do.client.packing import project_at  # noqa: PLC0415 - the same

    place = Path(given.project_path)
    if not (place / "scrapy.cfg").exists():
        _fail(f"Unable to create archive: FileNotFoundError: {place.absolute() / 'scrapy.cfg'}")
    try:
        source = project_at(place, None)
    except UserError as error:
        _fail(f"Unable to create archive: {error.message}")
    with tempfile.TemporaryDirectory(prefix="scrapy-do-") as scratch:
        archive = Path(scratch) / f"{source.project}.zip"
        source.write(archive)
        answer = daemon.push(archive)
    return _names(answer["name"], answer["spiders"])


def _schedule_job(given: argparse.Namespace, daemon: DaemonClient) -> _Table:
    form = [
        ("project", _needed(given.project, "the project name")),
        ("spider", _needed(given.spider, "the spider name")),
        ("when", given.when),
        ("description", given.description),
    ]
    try:
        payload = json.dumps(json.loads(given.payload), ensure_ascii=False)
    except ValueError as error:
        _fail(f"Cannot parse the JSON payload: {error}")
    answer = daemon.post("/schedule-job.json", [*form, ("payload", payload)])
    return _names("identifier", [answer["identifier"]])


def _cancel_job(given: argparse.Namespace, daemon: DaemonClient) -> str:
    daemon.post("/cancel-job.json", [("id", _needed(given.job_id, "the job ID"))])
    return "Canceled."


def _remove_project(given: argparse.Namespace, daemon: DaemonClient) -> str:
    daemon.post("/remove-project.json", [("name", _needed(given.name, "the project name"))])
    return "Removed."


_COMMANDS: Mapping[str, _Command] = {
    "status": _Command(help="Status of the service", options={}, run=_status),
    "list-projects": _Command(help="List the projects", options={}, run=_list_projects),
    "list-spiders": _Command(
        help="List the spiders", options={"--project": {"help": "project name"}}, run=_list_spiders
    ),
    "list-jobs": _Command(
        help="List the jobs",
        options={
            "--status": {
                "default": "ACTIVE",
                "choices": STATUSES,
                "help": "job status of the jobs to list",
            },
            "--job-id": {"help": "ID of the job to list"},
        },
        run=_list_jobs,
    ),
    "get-log": _Command(
        help="Get log",
        options={
            "--job-id": {"help": "job ID"},
            "--log-type": {"default": "err", "choices": ["out", "err"], "help": "log type"},
        },
        run=_get_log,
    ),
    "push-project": _Command(
        help="Upload a project",
        options={"--project-path": {"default": ".", "help": "project path"}},
        run=_push_project,
    ),
    "schedule-job": _Command(
        help="Schedule a job",
        options={
            "--project": {"help": "project name"},
            "--spider": {"help": "spider name"},
            "--when": {"default": "now", "help": "scheduling spec"},
            "--description": {"default": "", "help": "description of the job"},
            "--payload": {"default": "{}", "help": "payload"},
        },
        run=_schedule_job,
    ),
    "cancel-job": _Command(
        help="Cancel a job", options={"--job-id": {"help": "job ID"}}, run=_cancel_job
    ),
    "remove-project": _Command(
        help="Remove a project",
        options={"--name --project": {"dest": "name", "help": "project name"}},
        run=_remove_project,
    ),
}
