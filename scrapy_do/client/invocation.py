"""One call of the command: its flags, the daemon it asks, how it answers, what it hints at.

`Command` and `Group` are click's, with the options that every command takes before and behind
its name.
"""

import os
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scrapy_do.client.errors import Exit, UserError
from scrapy_do.client.output import Output
from scrapy_do.client.times import SPAN

if TYPE_CHECKING:
    from scrapy_do.client.http import DaemonClient
    from scrapy_do.client.settings import Settings

PROGRAM = "scrapy-do"
HELP = ("-h", "--help")
_ASKING = frozenset({"projects", "spiders", "jobs", "schedule", "status"})
"""Commands that errors of the daemon hint at."""


@dataclass(slots=True, kw_only=True)
class Flags:
    """What the options say that every command takes."""

    url: str | None = None
    profile: str | None = None
    json: bool | None = None
    color: bool | None = None
    no_color: bool | None = None
    header: bool | None = None
    quiet: bool | None = None
    verbose: bool | None = None
    timeout: float | None = None
    yes: bool | None = None
    utc: bool | None = None
    debug: bool | None = None


class Invocation:
    """One call. `words` are those behind the program's name, as they were given."""

    def __init__(self) -> None:
        self.flags = Flags()
        self.words: Sequence[str] = ()

    @cached_property
    def out(self) -> Output:
        """How this call speaks."""
        flags = self.flags
        return Output(
            as_json=bool(flags.json),
            color=True if flags.color else False if flags.no_color else None,
            quiet=bool(flags.quiet),
            header=bool(flags.header),
        )

    @cached_property
    def settings(self) -> "Settings":
        """Where the daemon is and who asks."""
        from scrapy_do.client.settings import settings_of  # noqa: PLC0415 - Note [Why commands ...]

        flags = self.flags
        limit = None if flags.timeout is None else str(flags.timeout)
        said = {"url": flags.url, "profile": flags.profile, "timeout": limit}
        try:
            place = Path.cwd()
        except FileNotFoundError:  # the directory was removed: there is no project here
            place = Path("/")
        found = settings_of(said, os.environ, place)
        for warning in found.warnings:
            self.out.talk(f"warning: {warning}")
        return found

    @cached_property
    def daemon(self) -> "DaemonClient":
        """The daemon that is asked."""
        return self.daemon_within(None)

    def daemon_within(self, limit_s: float | None) -> "DaemonClient":
        """The daemon, asked for answers within so many seconds."""
        from scrapy_do.client.http import Credentials, DaemonClient  # noqa: PLC0415 - the same

        settings = self.settings
        username, password = settings.text("username"), settings.text("password")
        if username and password is None and settings.text("token") is None:
            password = self._ask_password(username)
        return DaemonClient(
            settings.url,
            credentials=Credentials(
                token=settings.text("token"), username=username, password=password
            ),
            timeout_s=settings.timeout_s if limit_s is None else limit_s,
            ca_file=settings.text("ca_file"),
            tell=self.out.talk if self.flags.verbose else None,
            waiting=self.out.waiting,
        )

    def _ask_password(self, username: str) -> str:
        if not can_ask():
            raise UserError(
                f"the password of {username} is not known",
                try_=self.hint("login", self.settings.url, "--password-stdin"),
                code=Exit.LOGIN,
            )
        asked: str = click.prompt(f"Password of {username}", hide_input=True, err=True)
        return asked

    # --- hints ---------------------------------------------------------------------------------

    def hint(self, *words: str) -> str:
        """A command to try, that asks the same daemon."""
        kept: list[str] = []
        for name in ("url", "profile"):
            if (text := getattr(self.flags, name)) and not (name == "url" and words[0] == "login"):
                kept += [f"--{name}", text]
        return shlex.join([PROGRAM, *words, *kept])

    def with_flags(self, hint: str) -> str:
        """A command that asks the same daemon as this call, where it asks one."""
        _, *words = shlex.split(hint)
        asks = bool(words) and words[0] in _ASKING and not {"--url", "--profile"} & {*words}
        return self.hint(*words) if asks and (self.flags.url or self.flags.profile) else hint

    def again(self, *, instead_of: str = "", say: str = "", add: Sequence[str] = ()) -> str:
        """This very command, with one word replaced, or with some words more."""
        words = list(self.words)
        if instead_of in words:
            words[len(words) - 1 - words[::-1].index(instead_of)] = say
        return shlex.join([PROGRAM, *words, *add])

    def confirm(self, question: str) -> None:
        """Ask before something is destroyed; `--yes` is the answer where nobody can be asked.

        Raises:
            UserError: nobody can be asked, or the answer is no.
        """
        if self.flags.yes:
            return
        if not can_ask():
            raise UserError(
                f"{question} Nobody can be asked here",
                try_=self.again(add=["--yes"]),
                code=Exit.USAGE,
            )
        if not click.confirm(question, err=True):
            raise click.Abort


def can_ask() -> bool:
    """Whether somebody sits there to answer a question."""
    return sys.stdin.isatty() and sys.stderr.isatty()


pass_call = click.make_pass_decorator(Invocation, ensure=True)
"""Gives a command its `Invocation` as first argument."""


# --- the options of every command ----------------------------------------------------------------


def _take(context: click.Context, option: click.Parameter, value: object) -> None:
    if value is not None and option.name is not None:
        setattr(context.ensure_object(Invocation).flags, option.name, value)


def _option(
    *names: str,
    is_flag: bool = False,
    is_eager: bool = False,
    says: str,
    metavar: str | None = None,
    kind: click.ParamType[Any] | None = None,
) -> click.Option:
    return click.Option(
        names,
        is_flag=is_flag,
        is_eager=is_eager,
        default=None,
        expose_value=False,
        callback=_take,
        help=says,
        metavar=metavar,
        type=kind,
    )


JSON_OPTION = _option(
    "--json", is_flag=True, is_eager=True, says="JSON on standard output, and nothing else."
)
GLOBAL_OPTIONS: Sequence[click.Option] = (
    _option(
        "--url",
        metavar="URL",
        says="The daemon's address; `config show --origin` says which counts without it.",
    ),
    _option("--profile", metavar="NAME", says="The profile to use, or the target of scrapy.cfg."),
    JSON_OPTION,
    _option(
        "--header",
        is_flag=True,
        says="A first line with the names of the columns, where output is piped.",
    ),
    _option("--color", is_flag=True, says="Colours in any case."),
    _option("--no-color", is_flag=True, says="No colours."),
    _option("-q", "--quiet", is_flag=True, says="No talk; errors are told all the same."),
    _option("-v", "--verbose", is_flag=True, says="Tell each request."),
    _option(
        "--timeout",
        metavar="SPAN",
        kind=SPAN,
        says="How long an answer may take, 90s if nothing is said.",
    ),
    _option("--yes", is_flag=True, says="Say yes to every question."),
    _option("--utc", is_flag=True, says="Times in UTC instead of local ones."),
    _option(
        "--debug", is_flag=True, says="Show the traceback of an error that is a mistake of ours."
    ),
)


def _with_global(own: list[click.Parameter], *, has_json: bool) -> list[click.Parameter]:
    taken = {name for option in own for name in option.opts}
    added = [
        option
        for option in GLOBAL_OPTIONS
        if not taken & set(option.opts) and (has_json or option is not JSON_OPTION)
    ]
    return [*own, *added]


def _write_options(
    command: click.Command, context: click.Context, formatter: click.HelpFormatter
) -> None:
    """Write the command's own options; of those that all take the names are enough."""
    records = [
        record
        for option in command.params
        if isinstance(option, click.Option) and (record := option.get_help_record(context))
    ]
    help_option = command.get_help_option(context)
    if help_option is not None and (record := help_option.get_help_record(context)):
        records.append(record)
    with formatter.section("Options"):
        formatter.write_dl(records)
    others = [option.opts[0] for option in command.get_params(context) if option in GLOBAL_OPTIONS]
    formatter.write_paragraph()
    formatter.write_text(f"Also {' '.join(others)}: see {PROGRAM} --help.")
    formatter.write_paragraph()


class Command(click.Command):
    """A command."""

    has_json = True

    def get_help_option_names(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's
        """Both of them, wherever it stands in the tree."""
        return [*HELP]

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Its own and those that every command takes."""
        return _with_global(super().get_params(ctx), has_json=self.has_json)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options."""
        _write_options(self, ctx, formatter)

    def invoke(self, ctx: click.Context) -> object:
        """Run it."""
        if not self.has_json and ctx.ensure_object(Invocation).flags.json:
            raise click.UsageError(f"{ctx.command_path} has no JSON to give", ctx)
        try:
            return super().invoke(ctx)
        except UserError as error:
            if error.try_ == f"{PROGRAM} --help":  # nobody knew anything better
                error.try_ = f"{ctx.command_path} --help"
            raise


class TextCommand(Command):
    """A command that by its nature gives something else than JSON, such as a script."""

    has_json = False


class Group(click.Group):
    """A group of commands."""

    command_class = Command

    def get_help_option_names(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's
        """Both of them, wherever it stands in the tree."""
        return [*HELP]

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Its own and those that every command takes."""
        return _with_global(super().get_params(ctx), has_json=True)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the words name; an unknown one is named with the likely one."""
        if (
            not ctx.resilient_parsing
            and not args[0].startswith("-")
            and self.get_command(ctx, args[0]) is None
        ):
            raise self._unknown(ctx, args[0])
        return super().resolve_command(ctx, args)

    def _unknown(self, ctx: click.Context, word: str) -> UserError:
        from difflib import get_close_matches  # noqa: PLC0415 - for mistakes only

        names = self.list_commands(ctx)
        near = get_close_matches(word, names, n=1)
        told = f'"{word}" is no command of {ctx.command_path}'
        if near:
            return UserError(
                f"{told}; did you mean {near[0]}?",
                try_=f"{ctx.command_path} {near[0]} --help",
                code=Exit.USAGE,
            )
        return UserError(
            told,
            notes=[f"known: {', '.join(names)}"],
            try_=f"{ctx.command_path} --help",
            code=Exit.USAGE,
        )


def command(name: str, *, has_json: bool = True) -> Callable[[Callable[..., Any]], Command]:
    """Make a command of a function."""
    return click.command(name, cls=Command if has_json else TextCommand)
