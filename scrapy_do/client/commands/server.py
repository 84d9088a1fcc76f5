"""Commands on the daemon's machine: serve, config, service; `doctor` is in a module of its own."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import click

from scrapy_do.client.errors import UserError
from scrapy_do.client.invocation import Group, Invocation, TextCommand, command, pass_call
from scrapy_do.client.server_options import config_option, data_dir_option, overridden, words_of
from scrapy_do.client.versions import too_old

if TYPE_CHECKING:
    from scrapy_do.config import Config

_INTERFACES = "SCRAPY_DO_WEB_INTERFACES"
_SLOTS = "SCRAPY_DO_SCRAPY_DO_JOB_SLOTS"


@command("serve", has_json=False)
@config_option
@data_dir_option
@click.option(
    "--bind",
    "--listen",
    "listen",
    multiple=True,
    metavar="ADDR:PORT",
    help="Where to listen, port 0 for any free one; instead of [web] interfaces. May be repeated.",
)
@click.option(
    "--slots",
    type=click.IntRange(1),
    metavar="N",
    help="How many crawls run at the same time; instead of [scrapy-do] job-slots.",
)
@click.option(
    "--new",
    "is_new",
    is_flag=True,
    help="Start with an empty database where the one that is there is missing, damaged or not "
    "the one of the data directory; that is set aside, and no other file is touched.",
)
@click.option("--open", "is_opened", is_flag=True, help="Open its pages in a browser.")
def serve(
    *,
    config_path: Path | None,
    data_dir: str | None,
    listen: tuple[str, ...],
    slots: int | None,
    is_new: bool,
    is_opened: bool,
) -> None:
    """Run the daemon in the foreground until it is told to stop."""
    from scrapy_do import errors  # noqa: PLC0415 - Note [Why commands import inside ...]
    from scrapy_do.config import load  # noqa: PLC0415 - the same

    for name, problem in too_old():
        upgrade = f"{quote(sys.executable)} -m pip install --upgrade {name}"
        raise UserError(f"{name} {problem}", try_=upgrade)
    # As it was given: a library that is imported below takes sockets out of it.
    given = dict(os.environ)
    environ = overridden(given, data_dir)
    if listen:
        environ[_INTERFACES] = ", ".join(listen)
    if slots is not None:
        environ[_SLOTS] = str(slots)
    try:
        config = load(config_path, environ)
        with nullcontext() if config.web.https else _left_out("OpenSSL"):
            from scrapy_do.daemon import run  # noqa: PLC0415 - the same; not for a wrong option

        # A start in place has sockets of the daemon before, whose pages are open already.
        greet = _show_pages if is_opened and "LISTEN_PID" not in given else None
        status = run(config, given, lambda: load(config_path, environ), is_new=is_new, greet=greet)
        raise SystemExit(status)
    except errors.DataDirectoryInUse as error:
        raise UserError(str(error), try_="scrapy-do serve --data-dir DIR") from error
    except errors.WrongDatabase as error:
        restored = f"scrapy-do db restore{words_of(config_path, data_dir)}"
        raise UserError(str(error), try_=restored) from error
    except errors.Unavailable as error:
        looked_at = f"scrapy-do doctor{words_of(config_path, data_dir)}"
        raise UserError(str(error), try_=looked_at) from error
    except errors.ScrapyDoError as error:
        raise UserError(str(error), try_="scrapy-do serve --help") from error
    except OSError as error:
        problem = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        raise UserError(problem, try_="scrapy-do serve --data-dir DIR") from error


def _show_pages(url: str) -> None:
    from scrapy_do.client.browser import show_page  # noqa: PLC0415 - the same

    show_page(f"{url}/ui/")


@contextmanager
def _left_out(module: str) -> Iterator[None]:
    """Let imports find a module missing that is not loaded yet.

    Twisted takes OpenSSL for its transports wherever it is installed, which costs a
    daemon that speaks HTTP only 12 MB for all its life.
    """
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment] # how the import system notes a missing one
    try:
        yield
    finally:
        del sys.modules[module]


# --- config --------------------------------------------------------------------------------------


@click.group("config", cls=Group)
def config() -> None:
    """The configuration, of this command and of a daemon here: show, check, init."""


@config.command("show")
@click.option("--origin", is_flag=True, help="Also where each value comes from.")
@config_option
@pass_call
def show_config(call: Invocation, *, origin: bool, config_path: Path | None) -> None:
    """Show what counts for this command, and the options of a daemon that would start here."""
    shown = [
        {"section": "client", "name": name, "value": value, "origin": place}
        for name, value, place in call.settings.shown()
    ]
    found = _loaded(config_path)
    shown += [
        {
            "section": section,
            "name": name,
            "value": value,
            "origin": found.origins.get((section, name), "default"),
        }
        for section, options in found.masked().items()
        for name, value in options.items()
    ]
    columns = ["section", "name", "value", *(["origin"] if origin else [])]
    call.out.rows(columns, [[one[column] for column in columns] for one in shown], shown)


@config.command("check")
@click.argument("file", type=click.Path(path_type=Path))
@pass_call
def check_config(call: Invocation, *, file: Path) -> None:
    """Say whether a daemon would start with a configuration file."""
    found = _loaded(file)
    for warning in found.warnings:
        call.out.talk(f"warning: {warning}")
    shown = {"file": str(file), "ok": True, "warnings": list(found.warnings)}
    call.out.facts([("file", file), ("ok", True)], shown)


@config.command("init")
@click.argument("file", type=click.Path(path_type=Path), default="scrapy-do.conf")
@pass_call
def init_config(call: Invocation, *, file: Path) -> None:
    """Write a configuration file with every option at its default, as a comment."""
    from scrapy_do.config.template import conf_text  # noqa: PLC0415 - Note [Why commands import]

    if file.exists():
        raise UserError(
            f"{file} is there already", try_=f"scrapy-do config check {quote(str(file))}"
        )
    try:
        file.write_text(conf_text(), encoding="utf-8")
    except OSError as error:
        raise UserError(f"{file}: {error.strerror}", try_="scrapy-do config init --help") from error
    call.out.facts([("file", file)], {"file": str(file)})
    call.out.talk(f"  check  scrapy-do config check {quote(str(file))}")
    call.out.talk(f"  use    scrapy-do serve --config {quote(str(file))}")


def _loaded(path: Path | None) -> "Config":
    from scrapy_do.config import load  # noqa: PLC0415 - Note [Why commands import inside ...]
    from scrapy_do.errors import ConfigError  # noqa: PLC0415 - the same

    try:
        return load(path, os.environ)
    except ConfigError as error:
        raise UserError(str(error), try_="scrapy-do config init FILE") from error


# --- service -------------------------------------------------------------------------------------

_OF_A_USER = (
    "After=",
    "Wants=",
    "User=",
    "StateDirectoryMode=",
    "RuntimeDirectory=",
    "LogsDirectory=",
)
_UNIT = Path(__file__).parent.parent / "scrapy-do.service"


@click.group("service", cls=Group)
def service() -> None:
    """Run a daemon as a service of the system."""


@service.command("print-systemd", cls=TextCommand)
@click.option("--user", "is_user", is_flag=True, help="A unit of your own, without root.")
@click.option(
    "--program",
    metavar="PATH",
    help="The command in it; else /opt/scrapy-do/bin/scrapy-do, or this one.",
)
def print_systemd(*, is_user: bool, program: str | None) -> None:
    """Print a systemd unit.

    It belongs into /etc/systemd/system/scrapy-do.service, with --user into
    ~/.config/systemd/user/scrapy-do.service.
    """
    text = _UNIT.read_text(encoding="utf-8")
    if is_user:
        text = _of_a_user(text)
        program = program or str(Path(sys.argv[0]).absolute())
    click.echo(text.replace("/opt/scrapy-do/bin/scrapy-do", program) if program else text, nl=False)


def _of_a_user(text: str) -> str:
    """The unit for a service manager that is no root: what needs privileges is left out."""
    body = text[text.index("[Unit]") :]
    head, _, rest = body.partition("\nNoNewPrivileges=")
    kept = [line for line in head.splitlines() if not line.startswith(_OF_A_USER)]
    install = rest[rest.index("[Install]") :].replace("multi-user.target", "default.target")
    unit = "\n".join([*kept, "", "NoNewPrivileges=yes", "", install])
    return unit.replace(" --config /etc/scrapy-do.conf", "").replace("/var/lib/", "%S/")
