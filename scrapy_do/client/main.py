"""The entry point: the group of commands, and the spellings of older versions.

Note [Why commands import inside their functions]
    `--help` and completion must answer at once, so a module here imports click and little
    else; what a command needs to run is imported when it runs. The commands themselves are
    loaded by name: the table below has what is needed to list them.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import Any, cast

import click

from scrapy_do import __version__
from scrapy_do.client.errors import Exit, UserError
from scrapy_do.client.invocation import GLOBAL_OPTIONS, Group, Invocation

_COMMANDS = "scrapy_do.client.commands."

SECTIONS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "Server, on its machine": {
        "serve": (f"{_COMMANDS}server:serve", "Run the daemon in the foreground."),
        "demo": ("scrapy_do.demo.command:demo", "See everything at work, without a network."),
        "doctor": (f"{_COMMANDS}doctor:doctor", "Look at what a daemon needs here."),
        "config": (f"{_COMMANDS}server:config", "Show, check, or write a configuration."),
        "service": (f"{_COMMANDS}server:service", "A unit for systemd."),
        "user": (f"{_COMMANDS}accounts:user", "Users: add, passwd, list, rm."),
        "token": (f"{_COMMANDS}accounts:token", "Tokens: create, list, revoke."),
        "db": (f"{_COMMANDS}db:db", "Check, copy, restore, clean the database; import 0.5."),
    },
    "Projects": {
        "push": (f"{_COMMANDS}projects:push", "Send the project of this directory."),
        "projects": (f"{_COMMANDS}projects:projects", "List projects, or the versions of one."),
        "spiders": (f"{_COMMANDS}projects:spiders", "List the spiders of a project."),
        "rollback": (f"{_COMMANDS}projects:rollback", "Go back to an earlier version."),
        "rm": (f"{_COMMANDS}projects:remove", "Remove a project, or a version."),
    },
    "Jobs": {
        "run": (f"{_COMMANDS}jobs:run", "Run a spider now."),
        "jobs": (f"{_COMMANDS}jobs:jobs", "List jobs."),
        "job": (f"{_COMMANDS}jobs:job_command", "Show one job."),
        "stats": (f"{_COMMANDS}jobs:stats", "Its statistics, also beside another's."),
        "logs": (f"{_COMMANDS}outputs:logs", "Its log, also while it grows."),
        "items": (f"{_COMMANDS}outputs:items", "Its items, also while they come."),
        "cancel": (f"{_COMMANDS}jobs:cancel", "Ask jobs to stop."),
        "retry": (f"{_COMMANDS}jobs:retry", "Run jobs once more."),
        "wait": (f"{_COMMANDS}jobs:wait_for", "Wait until jobs have ended."),
    },
    "Schedules": {
        "schedule": (
            f"{_COMMANDS}schedules:schedule",
            "Add, list, show, pause, resume, remove, run, preview.",
        ),
    },
    "Client": {
        "status": (f"{_COMMANDS}client:status", "How the daemon is, and what it has done."),
        "open": (f"{_COMMANDS}client:open_page", "Open a page in a browser."),
        "login": (f"{_COMMANDS}client:login", "Remember a daemon and its credentials."),
        "logout": (f"{_COMMANDS}client:logout", "Forget the credentials."),
        "profile": (f"{_COMMANDS}client:profile", "The remembered daemons: list, use, show."),
        "api": (f"{_COMMANDS}client:api", "Send a request of your own, signed."),
        "completion": (f"{_COMMANDS}client:completion", "The script that completes in a shell."),
    },
}
"""Every command by its name: where it is, and what it does; the name is the attribute's."""

_PLACES = {name: place for commands in SECTIONS.values() for name, place in commands.items()}
_OLD_NAMES = {
    "push-project": "push",
    "schedule-job": "run",
    "list-projects": "projects",
    "list-spiders": "spiders",
    "list-jobs": "jobs",
    "get-log": "logs",
    "cancel-job": "cancel",
    "remove-project": "rm",
}
"""The commands of Scrapy Do 0.5's client (`scrapy-do-cl` has them still), and ours."""

_MEANINGLESS = ("-n", "--nodaemon")
"""`serve` always stays in the foreground."""

_VERSION = click.Option(
    ["--version"],
    is_flag=True,
    expose_value=False,
    callback=lambda context, _, given: _tell_version(context) if given else None,
    help="Name and version.",
)


class Commands(Group):
    """All commands; each is loaded when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names, in the order of the table."""
        return [*_PLACES, *(name for name in super().list_commands(ctx) if name not in _PLACES)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one."""
        if cmd_name not in _PLACES:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = _PLACES[cmd_name][0].partition(":")
        return cast("click.Command", getattr(import_module(module), attribute))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands by section, then the options that all of them take."""
        for section, commands in SECTIONS.items():
            with formatter.section(section):
                formatter.write_dl([(name, what) for name, (_, what) in commands.items()])
        options = [*GLOBAL_OPTIONS, _VERSION]
        records = [option.get_help_record(ctx) for option in options]
        with formatter.section("Options of every command"):
            formatter.write_dl([record for record in records if record is not None])

    def invoke(self, ctx: click.Context) -> object:
        """Run the command that the words name; a pipe that nobody reads any more ends it well."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # click would end with 1, and nothing is wrong
            _leave_the_pipe()
            return Exit.DONE

    def _unknown(self, ctx: click.Context, word: str) -> UserError:
        if word not in _OLD_NAMES:
            return super()._unknown(ctx, word)
        meant = f"scrapy-do {_OLD_NAMES[word]}"
        return UserError(
            f'"{word}" is a command of scrapy-do-cl; did you mean: {meant}',
            try_=f"{meant} --help",
            code=Exit.USAGE,
        )


group = Commands(
    name="scrapy-do",
    help="Run and schedule Scrapy spiders on your own machines.",
    params=[_VERSION],
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; the process ends with its exit code."""
    _prepare_streams()
    given = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    call = Invocation()
    call.words = given
    try:
        code = group.main(
            args=_modern(given), prog_name="scrapy-do", standalone_mode=False, obj=call
        )
    except UserError as error:
        error.try_ = call.with_flags(error.try_)
        error.show()
        code = error.exit_code
    except click.ClickException as error:
        _as_ours(error).show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        code = Exit.INTERRUPTED
    except Exception as error:
        if call.flags.debug:
            raise
        problem = _mistake(error, call)
        problem.show()
        code = problem.exit_code
    sys.exit(code)


def _as_ours(error: click.ClickException) -> UserError:
    """An error of click's, in our three parts."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    path = "scrapy-do" if context is None else context.command_path
    if context is not None and isinstance(error, click.exceptions.NoArgsIsHelpError):
        names = context.command.list_commands(context) if isinstance(context.command, Group) else ()
        return UserError(
            f"{path} needs a command behind it",
            notes=[f"known: {', '.join(names)}"],
            try_=f"{path} --help",
            code=Exit.USAGE,
        )
    message = error.format_message().rstrip(".")
    is_word = message[1:2].islower()
    return UserError(
        message[:1].lower() + message[1:] if is_word else message,
        try_=f"{path} --help",
        code=Exit.USAGE,
    )


def _mistake(error: Exception, call: Invocation) -> UserError:
    """An error that nobody has thought of: without a traceback, but with the way to it.

    What the machine refuses (a file that may not be read, a full disk) and words that are no
    text are no mistakes of ours.
    """
    told = " ".join(str(error).split())
    code = Exit.FAILED
    if isinstance(error, OSError):
        problem = (
            f"{error.filename}: {error.strerror}" if error.filename else error.strerror or told
        )
    elif isinstance(error, UnicodeEncodeError):
        problem, code = f'"{error.object}" is not text in UTF-8', Exit.USAGE
    else:
        problem = f"this is a mistake of ours: {type(error).__name__}: {told}"
    return UserError(problem, try_=call.again(add=["--debug"]), code=code)


def _prepare_streams() -> None:
    """Have streams that take every text; what was closed before we began (`>&-`) goes nowhere."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - to the end
            setattr(sys, name, nowhere)
        if isinstance(stream := getattr(sys, name), TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # what an encoding has no letter for


def _leave_the_pipe() -> None:
    """Nobody reads any more (`| head`): write what is left nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _tell_version(context: click.Context) -> None:
    if context.ensure_object(Invocation).flags.json:
        context.obj.out.document({"name": "scrapy-do", "version": __version__})
    else:
        click.echo(f"scrapy-do {__version__}")
    context.exit()


def _modern(arguments: list[str]) -> list[str]:
    """Translate `[-n] [option]... scrapy-do --config FILE`, as Scrapy Do 0.5 was started.

    Anything else is returned as it is.
    """
    if "scrapy-do" not in arguments or not (
        arguments[0] == "scrapy-do" or arguments[0].startswith("-")
    ):
        return arguments
    place = arguments.index("scrapy-do")
    if set(arguments[:place]) & set(_PLACES):
        return arguments  # an argument of one of our commands
    ignored = [word for word in arguments[:place] if word not in _MEANINGLESS]
    modern = ["serve", *arguments[place + 1 :]]
    note = f" (without {' '.join(ignored)})" if ignored else ""
    click.echo(f"same as: scrapy-do {' '.join(modern)}{note}", err=True)
    return modern


def walk(parent: click.Group = group, prefix: str = "") -> dict[str, click.Command]:
    """Every command that does something, by all its words; for documents and tests."""
    context = click.Context(parent)
    found: dict[str, Any] = {}
    for name in parent.list_commands(context):
        command = parent.get_command(context, name)
        if isinstance(command, click.Group):
            found |= walk(command, f"{prefix}{name} ")
        elif command is not None:
            found[prefix + name] = command
    return found
