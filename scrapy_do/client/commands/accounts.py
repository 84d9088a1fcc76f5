"""`scrapy-do user` and `scrapy-do token`: who may come in; on the machine of the daemon."""

import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scrapy_do.client.errors import Exit, UserError
from scrapy_do.client.invocation import Group, Invocation, can_ask, pass_call
from scrapy_do.client.server_options import (
    become_owner_of,
    config_option,
    data_dir_option,
    overridden,
    words_of,
)
from scrapy_do.client.times import SPAN, moment_text

if TYPE_CHECKING:
    from scrapy_do.engine.accounts import AccountDesk, Listed

_ROLES = ("read", "run", "push", "admin")
_SHORT = 8
_role_help = "What it may: look, run jobs too, push code too, or everything."
_project_option = click.option(
    "-p",
    "--project",
    "projects",
    multiple=True,
    metavar="PROJECT",
    help="A project that it opens; may be repeated. Without any it opens all.",
)
_password_option = click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input."
)


@click.group("user", cls=Group)
def user() -> None:
    """Users: people with a name and a password; on the machine of the daemon."""


@user.command("add")
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice(_ROLES),
    help=f"{_role_help} `admin` if nothing is said, with --project `push`.",
)
@_project_option
@_password_option
@config_option
@data_dir_option
@pass_call
def user_add(
    call: Invocation,
    *,
    name: str,
    role: str | None,
    projects: tuple[str, ...],
    password_stdin: bool,
    config_path: Path | None,
    data_dir: str | None,
) -> None:
    """Add a user; the daemon may be running, and knows them at once."""
    password = _password(call, name, from_stdin=password_stdin)
    role = role or ("push" if projects else "admin")
    with _desk(config_path, data_dir, may_be_first=True) as desk:
        desk.add_user(name, password, role=role, projects=projects)
    document = {"user": name, "role": role, "projects": list(projects) or None}
    call.out.facts([("user", name), ("role", role), _opened(projects)], document)


@user.command("passwd")
@click.argument("name")
@_password_option
@config_option
@data_dir_option
@pass_call
def user_passwd(
    call: Invocation,
    *,
    name: str,
    password_stdin: bool,
    config_path: Path | None,
    data_dir: str | None,
) -> None:
    """Change the password of a user, whose sessions end."""
    password = _password(call, name, from_stdin=password_stdin)
    with _desk(config_path, data_dir) as desk:
        desk.set_password(name, password)
    call.out.facts([("changed", name)], {"user": name})


@user.command("list")
@config_option
@data_dir_option
@pass_call
def user_list(call: Invocation, *, config_path: Path | None, data_dir: str | None) -> None:
    """List the users."""
    with _desk(config_path, data_dir) as desk:
        listed = desk.users()
    rows = [[*_cells(one), moment_text(one.account.created_at)] for one in listed]
    document = [{"user": one.account.name, **_document(one)} for one in listed]
    call.out.rows(["user", "role", "projects", "created"], rows, document)


@user.command("rm")
@click.argument("name")
@config_option
@data_dir_option
@pass_call
def user_rm(call: Invocation, *, name: str, config_path: Path | None, data_dir: str | None) -> None:
    """Remove a user, whose sessions end."""
    call.confirm(f"Remove the user {name}?")
    with _desk(config_path, data_dir) as desk:
        desk.remove_user(name)
    call.out.facts([("removed", name)], {"user": name})


@click.group("token", cls=Group)
def token() -> None:
    """Tokens: secrets for programs; on the machine of the daemon."""


@token.command("create")
@click.argument("name", required=False)
@click.option("--role", type=click.Choice(_ROLES), required=True, help=_role_help)
@_project_option
@click.option(
    "--expires", type=SPAN, metavar="SPAN", help="How long it is good, such as 90d; else for ever."
)
@config_option
@data_dir_option
@pass_call
def token_create(
    call: Invocation,
    *,
    name: str | None,
    role: str,
    projects: tuple[str, ...],
    expires: float | None,
    config_path: Path | None,
    data_dir: str | None,
) -> None:
    """Make a token and print it, this once: only its digest is stored.

    NAME is what lists and the audit call it. The daemon may be running, and knows it at once.
    """
    with _desk(config_path, data_dir, may_be_first=True) as desk:
        made, secret = desk.add_token(name, role=role, projects=projects, expires_s=expires)
    until = None if made.expires_at is None else moment_text(made.expires_at)
    if call.out.as_json:
        call.out.document(
            {
                "name": made.name,
                "token": secret,
                "role": role,
                "projects": list(projects) or None,
                "expires": made.expires_at and made.expires_at.isoformat(),
            }
        )
        return
    opens = _opened(projects)[1]
    call.out.talk(f"{made.name}: role {role}, projects {opens}, good until {until or 'revoked'}")
    call.out.line(secret)


@token.command("list")
@config_option
@data_dir_option
@pass_call
def token_list(call: Invocation, *, config_path: Path | None, data_dir: str | None) -> None:
    """List the tokens that were not revoked, without their secrets."""
    with _desk(config_path, data_dir) as desk:
        listed = desk.tokens()
    rows = []
    document = []
    for one in listed:
        expires = getattr(one.account, "expires_at", None)
        until = None if expires is None else moment_text(expires)
        rows.append([*_cells(one), moment_text(one.account.created_at), until])
        moment = None if expires is None else expires.isoformat()
        document.append({"name": one.account.name, **_document(one), "expires": moment})
    call.out.rows(["name", "role", "projects", "created", "expires"], rows, document)


@token.command("revoke")
@click.argument("name")
@config_option
@data_dir_option
@pass_call
def token_revoke(
    call: Invocation, *, name: str, config_path: Path | None, data_dir: str | None
) -> None:
    """Let a token open nothing any more, from the next request on."""
    call.confirm(f"Revoke the token {name}?")
    with _desk(config_path, data_dir) as desk:
        desk.revoke_token(name)
    call.out.facts([("revoked", name)], {"name": name})


# --- steps ---------------------------------------------------------------------------------------


def _opened(projects: tuple[str, ...]) -> tuple[str, str]:
    return ("projects", ", ".join(projects) or "all")


def _cells(one: "Listed") -> list[object]:
    opens = "all" if one.projects is None else list(one.projects)
    return [one.account.name, one.account.role.name.lower(), opens]


def _document(one: "Listed") -> dict[str, object]:
    return {
        "role": one.account.role.name.lower(),
        "projects": None if one.projects is None else list(one.projects),
        "created": one.account.created_at.isoformat(),
        "created-by": one.account.created_by,
    }


def _password(call: Invocation, name: str, *, from_stdin: bool) -> str:
    """Ask for a password, twice; never on the command line, which others can read."""
    if from_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    elif can_ask():
        password = click.prompt(
            f"Password of {name}", hide_input=True, confirmation_prompt=True, err=True
        )
    else:
        raise UserError(
            "a password is needed, and nobody can be asked here",
            try_=call.again(add=["--password-stdin"]),
            code=Exit.USAGE,
        )
    if password and len(password) < _SHORT:
        call.out.talk(f"This password has {len(password)} characters: it is soon guessed.")
    return password


@contextmanager
def _desk(
    config_path: Path | None, data_dir: str | None, *, may_be_first: bool = False
) -> Iterator["AccountDesk"]:
    """Give what changes accounts; say in a sentence what fails.

    Only the `may_be_first` make a data directory where there is none.
    """
    from scrapy_do import errors  # noqa: PLC0415 - Note [Why commands import inside ...]
    from scrapy_do.config import load  # noqa: PLC0415 - the same
    from scrapy_do.engine.accounts import AccountDesk  # noqa: PLC0415 - the same
    from scrapy_do.engine.pairing import Pair  # noqa: PLC0415 - the same
    from scrapy_do.files.data_directory import DataDirectory  # noqa: PLC0415 - the same

    options = words_of(config_path, data_dir)
    try:
        config = load(config_path, overridden(os.environ, data_dir))
        root = config.scrapy_do.project_store
        if root.is_dir():
            become_owner_of(root)
        pair = Pair(DataDirectory(root), config.scrapy_do.database)
        is_there = root.is_dir() and (pair.path is None or pair.path.exists())
        if not (is_there or may_be_first):
            raise UserError(
                f"{root}: no daemon has kept anything there yet, nor are there users or tokens",
                try_=f"scrapy-do user add NAME{options}",
                code=Exit.NOT_FOUND,
            )
        try:
            yield AccountDesk(pair=pair, keeps_digest=config.web.auth_digest)
        finally:
            pair.close()
    except errors.AccountNotFound as error:
        hint = f"scrapy-do {error.kind} list{options}"
        raise UserError(str(error), try_=hint, code=Exit.NOT_FOUND) from error
    except errors.NameTaken as error:
        raise UserError(str(error), try_=f"scrapy-do {error.kind} list{options}") from error
    except errors.ProjectNotFound as error:
        raise UserError(str(error), try_="scrapy-do projects", code=Exit.NOT_FOUND) from error
    except errors.BadArgument as error:
        raise UserError(str(error), try_="scrapy-do user --help", code=Exit.USAGE) from error
    except errors.WrongDatabase as error:
        raise UserError(error.problem, try_=f"scrapy-do db check{options}") from error
    except (errors.ScrapyDoError, sqlite3.Error) as error:
        raise UserError(str(error), try_=f"scrapy-do db check{options}") from error
    except OSError as error:
        problem = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        raise UserError(problem, try_="scrapy-do user --help") from error
