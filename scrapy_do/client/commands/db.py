"""`scrapy-do db`: restore, check and copy the database of a daemon on this machine."""

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scrapy_do.client.commands.import_0_5 import import_0_5
from scrapy_do.client.errors import UserError
from scrapy_do.client.invocation import Group, Invocation, pass_call
from scrapy_do.client.server_options import (
    become_owner_of,
    config_option,
    data_dir_option,
    overridden,
    words_of,
)
from scrapy_do.client.times import SPAN, moment_text

if TYPE_CHECKING:
    from scrapy_do.engine.pairing import Pair


@click.group("db", cls=Group)
def db() -> None:
    """Check, copy, restore, upgrade or clean the database; on the machine of the daemon."""


db.add_command(import_0_5)


@db.command("restore")
@click.argument("copy", required=False, type=click.Path(path_type=Path))
@config_option
@data_dir_option
@click.option(
    "--in-place",
    is_flag=True,
    help="Go on with the database that is there, wherever it came from.",
)
@pass_call
def restore_command(
    call: Invocation,
    *,
    copy: Path | None,
    config_path: Path | None,
    data_dir: str | None,
    in_place: bool,
) -> None:
    """Make a copy the database of the data directory: COPY, or the newest that is whole.

    The daemon must be down. The database before is set aside, and no other file is removed.
    """
    from scrapy_do.engine.restoring import restore  # noqa: PLC0415 - Note [Why commands import]

    if copy is not None and in_place:
        raise click.UsageError("COPY and --in-place exclude each other")
    with _pair(config_path, data_dir) as pair:
        become_owner_of(pair.directory.root)
        if copy is not None and pair.path is not None and not copy.exists():
            copy = pair.path.parent / copy  # as refusals name it
        pair.lock()
        done = restore(pair, copy, in_place=in_place)
    copy_text = None if done.copy is None else str(done.copy)
    facts = [
        *(("left out", f"{name} is damaged") for name in done.damaged),
        ("restored", copy_text or "the database that was there"),
        *_where("set aside", None if done.aside is None else str(done.aside)),
        *_where("archives back from the trash", done.archives_back),
        *(("removed, as its archive is gone", f"version {one}") for one in done.versions_gone),
        *_where("jobs that have been started since", done.jobs_taken_up),
        *_where("jobs that ran since, and end as lost", done.jobs_lost),
    ]
    document = {
        "restored": copy_text,
        "set-aside": None if done.aside is None else str(done.aside),
        "damaged": [str(name) for name in done.damaged],
        "archives-back": done.archives_back,
        "versions-gone": [str(version) for version in done.versions_gone],
        "jobs-taken-up": done.jobs_taken_up,
        "jobs-lost": done.jobs_lost,
    }
    _tell(call, facts, document)


def _where(name: str, value: object) -> list[tuple[str, object]]:
    """A fact, where there is one."""
    return [(name, value)] if value else []


def _tell(call: Invocation, facts: Iterable[tuple[str, object]], document: object) -> None:
    if call.out.as_json:
        call.out.document(document)
        return
    for name, value in facts:
        call.out.line(f"{name}: {value}")


@db.command("check")
@config_option
@data_dir_option
@pass_call
def check_command(call: Invocation, *, config_path: Path | None, data_dir: str | None) -> None:
    """Check the whole database, that it is the one of the data directory, and the copies.

    The daemon may be running.
    """
    from scrapy_do.engine.checking import check  # noqa: PLC0415 - Note [Why commands import]

    with _pair(config_path, data_dir) as pair:
        become_owner_of(pair.directory.root)
        report = check(pair)
        if call.out.as_json:
            call.out.document({"lines": list(report.lines), "problem": report.problem})
        else:
            for line in report.lines:
                call.out.line(line)
        if report.problem is not None:
            raise UserError(report.problem, try_="scrapy-do db restore")


@db.command("backup")
@click.argument("file", type=click.Path(path_type=Path))
@config_option
@data_dir_option
@pass_call
def backup_command(
    call: Invocation, *, file: Path, config_path: Path | None, data_dir: str | None
) -> None:
    """Copy the database to FILE, and check the copy. The daemon may be running.

    Archives and the files of jobs are not in it.
    """
    from scrapy_do.store.copies import copy_to  # noqa: PLC0415 - Note [Why commands import]

    with _pair(config_path, data_dir) as pair:
        if pair.path is None:
            raise UserError(
                "[scrapy-do] database: a PostgreSQL database is copied with pg_dump",
                try_="scrapy-do db --help",
            )
        _need_database(pair)
        if file.exists():
            raise UserError(f"{file}: File exists", try_="scrapy-do db backup --help")
        if not file.absolute().parent.is_dir():
            raise UserError(f"{file.parent}: no directory", try_="scrapy-do db backup --help")
        copy_to(pair.path.absolute(), file.absolute())
    _tell(call, [("copied", file)], {"copied": str(file)})


@db.command("upgrade")
@config_option
@data_dir_option
@pass_call
def upgrade_command(call: Invocation, *, config_path: Path | None, data_dir: str | None) -> None:
    """Bring the database to the schema of this program, as a start would; a copy is kept.

    The daemon must be down.
    """
    with _pair(config_path, data_dir) as pair:
        become_owner_of(pair.directory.root)
        _need_database(pair)
        pair.lock()
        pair.open().close()
    _tell(call, [("up to date", pair.name)], {"database": pair.name})


@db.command("clean")
@click.option(
    "--older-than",
    type=SPAN,
    default="30d",
    show_default=True,
    metavar="SPAN",
    help="Jobs that ended so long ago, or longer.",
)
@click.option("--dry-run", is_flag=True, help="Say how many they are, and remove none.")
@config_option
@data_dir_option
@pass_call
def clean_command(
    call: Invocation,
    *,
    older_than: float,
    dry_run: bool,
    config_path: Path | None,
    data_dir: str | None,
) -> None:
    """Remove ended jobs with their files, as a daemon does by itself; it must not be running."""
    from scrapy_do.engine.cleaning import clean  # noqa: PLC0415 - Note [Why commands import]

    moment = datetime.now(UTC) - timedelta(seconds=older_than)
    with _pair(config_path, data_dir) as pair:
        become_owner_of(pair.directory.root)
        _need_database(pair)
        if not dry_run:
            call.confirm(f"Remove the jobs that ended before {moment_text(moment)}?")
        jobs = clean(pair, moment, is_dry=dry_run)
    what = "would be removed" if dry_run else "removed"
    document = {"jobs": jobs, "before": moment.isoformat(), "dry-run": dry_run}
    _tell(call, [(what, f"{jobs} jobs")], document)


def _need_directory(root: Path) -> None:
    if not root.is_dir():
        raise UserError(f"{root}: no data directory", try_="scrapy-do db --help")


def _need_database(pair: "Pair") -> None:
    """Refuse to make a database: a daemon does at its first start."""
    if pair.path is not None and not pair.path.exists():
        raise UserError(f"the database {pair.path} is missing", try_="scrapy-do db restore")


@contextmanager
def _pair(config_path: Path | None, data_dir: str | None) -> Iterator["Pair"]:
    """Give data directory and database as they are configured; say in a sentence what fails."""
    from scrapy_do import errors  # noqa: PLC0415 - Note [Why commands import inside ...]
    from scrapy_do.config import load  # noqa: PLC0415 - the same
    from scrapy_do.engine.pairing import Pair  # noqa: PLC0415 - the same
    from scrapy_do.files.data_directory import DataDirectory  # noqa: PLC0415 - the same

    options = words_of(config_path, data_dir)
    try:
        config = load(config_path, overridden(os.environ, data_dir))
        root = config.scrapy_do.project_store
        _need_directory(root)
        pair = Pair(DataDirectory(root), config.scrapy_do.database)
        try:
            yield pair
        finally:
            pair.close()
    except (errors.DataDirectoryInUse, errors.DatabaseInUse) as error:
        hint = f"scrapy-do db check{options}"
        raise UserError(f"{error}; stop it first", try_=hint) from error
    except errors.WrongDatabase as error:
        raise UserError(error.problem, try_=f"scrapy-do db check{options}") from error
    except UserError as error:
        if error.try_ == "scrapy-do db restore":
            error.try_ += options
        raise
    except (errors.ScrapyDoError, sqlite3.Error) as error:
        raise UserError(str(error), try_="scrapy-do db --help") from error
    except OSError as error:
        problem = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        raise UserError(problem, try_="scrapy-do db --help") from error
