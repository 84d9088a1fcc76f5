"""`scrapy-do db`: restore, check and copy the database of a daemon on this machine."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scrapy_do.client.configuring import config_option, data_dir_option, overridden
from scrapy_do.client.errors import UserError

if TYPE_CHECKING:
    from scrapy_do.engine.pairing import Pair


@click.group()
def db() -> None:
    """Restore, check or copy the database; on the machine of the daemon."""


@db.command("restore")
@click.argument("copy", required=False, type=click.Path(path_type=Path))
@config_option
@data_dir_option
@click.option(
    "--in-place",
    is_flag=True,
    help="Go on with the database that is there, wherever it came from.",
)
def restore_command(
    *, copy: Path | None, config_path: Path | None, data_dir: str | None, in_place: bool
) -> None:
    """Make a copy the database of the data directory: COPY, or the newest that is whole.

    The daemon must be down. The database before is set aside, and no other file is removed.
    """
    from scrapy_do.engine.restoring import restore  # noqa: PLC0415 - Note [Why commands import]

    if copy is not None and in_place:
        raise click.UsageError("COPY and --in-place exclude each other")
    with _pair(config_path, data_dir) as pair:
        _become_owner_of(pair.directory.root)
        if copy is not None and pair.path is not None and not copy.exists():
            copy = pair.path.parent / copy  # as refusals name it
        pair.lock()
        done = restore(pair, copy, in_place=in_place)
    for name in done.damaged:
        click.echo(f"left out: {name} is damaged")
    click.echo(f"restored: {done.copy}" if done.copy else "restored: the database that was there")
    if done.aside is not None:
        click.echo(f"set aside: {done.aside}")
    if done.archives_back:
        click.echo(f"archives back from the trash: {done.archives_back}")
    for version in done.versions_gone:
        click.echo(f"removed, as its archive is gone: version {version}")
    if done.jobs_taken_up:
        click.echo(f"jobs that have been started since: {done.jobs_taken_up}")
    if done.jobs_lost:
        click.echo(f"jobs that ran since, and end as lost: {done.jobs_lost}")


@db.command("check")
@config_option
@data_dir_option
def check_command(*, config_path: Path | None, data_dir: str | None) -> None:
    """Check the whole database, that it is the one of the data directory, and the copies.

    The daemon may be running.
    """
    from scrapy_do.engine.checking import check  # noqa: PLC0415 - Note [Why commands import]

    with _pair(config_path, data_dir) as pair:
        _become_owner_of(pair.directory.root)
        report = check(pair)
    for line in report.lines:
        click.echo(line)
    if report.problem is not None:
        raise UserError(report.problem, try_="scrapy-do db restore")


@db.command("backup")
@click.argument("file", type=click.Path(path_type=Path))
@config_option
@data_dir_option
def backup_command(*, file: Path, config_path: Path | None, data_dir: str | None) -> None:
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
        if not pair.path.exists():
            raise UserError(f"the database {pair.path} is missing", try_="scrapy-do db restore")
        if file.exists():
            raise UserError(f"{file}: File exists", try_="scrapy-do db backup --help")
        if not file.absolute().parent.is_dir():
            raise UserError(f"{file.parent}: no directory", try_="scrapy-do db backup --help")
        copy_to(pair.path.absolute(), file.absolute())
    click.echo(f"copied: {file}")


def _become_owner_of(directory: Path) -> None:
    """Make files as the daemon's user would, where root runs the command."""
    if os.geteuid() == 0:
        status = directory.stat()
        os.setegid(status.st_gid)
        os.seteuid(status.st_uid)


@contextmanager
def _pair(config_path: Path | None, data_dir: str | None) -> Iterator["Pair"]:
    """Give data directory and database as they are configured; say in a sentence what fails."""
    from scrapy_do import errors  # noqa: PLC0415 - Note [Why commands import inside ...]
    from scrapy_do.config import load  # noqa: PLC0415 - the same
    from scrapy_do.engine.pairing import Pair  # noqa: PLC0415 - the same
    from scrapy_do.files.data_directory import DataDirectory  # noqa: PLC0415 - the same

    try:
        config = load(config_path, overridden(os.environ, data_dir))
        root = config.scrapy_do.project_store
        if not root.is_dir():
            raise UserError(f"{root}: no data directory", try_="scrapy-do db --help")
        pair = Pair(DataDirectory(root), config.scrapy_do.database)
        try:
            yield pair
        finally:
            pair.close()
    except (errors.DataDirectoryInUse, errors.DatabaseInUse) as error:
        raise UserError(f"{error}; stop it first", try_="scrapy-do db check") from error
    except errors.WrongDatabase as error:
        raise UserError(error.problem, try_="scrapy-do db check") from error
    except (errors.ScrapyDoError, sqlite3.Error) as error:
        raise UserError(str(error), try_="scrapy-do db --help") from error
    except OSError as error:
        problem = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        raise UserError(problem, try_="scrapy-do db --help") from error
