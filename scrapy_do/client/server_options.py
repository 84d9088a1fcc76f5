"""The options of commands that run on the daemon's machine, and the configuration they mean."""

import os
from collections.abc import Mapping
from pathlib import Path
from shlex import quote

import click

_PROJECT_STORE = "SCRAPY_DO_SCRAPY_DO_PROJECT_STORE"

config_option = click.option(
    "-c",
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    metavar="FILE",
    envvar="SCRAPY_DO_CONFIG",
    help="The configuration file. Without one, the defaults and the environment count.",
)
data_dir_option = click.option(
    "--data",
    "--data-dir",
    "data_dir",
    metavar="DIR",
    help="Where everything is kept; instead of [scrapy-do] project-store.",
)


def overridden(environ: Mapping[str, str], data_dir: str | None) -> dict[str, str]:
    """An environment that says what the options say."""
    said = {} if data_dir is None else {_PROJECT_STORE: data_dir}
    return {**environ, **said}


def words_of(config_path: Path | None, data_dir: str | None) -> str:
    """The options as they were given, to be appended to a command."""
    given = (("--config", config_path), ("--data-dir", data_dir))
    return "".join(f" {name} {quote(str(value))}" for name, value in given if value is not None)


def become_owner_of(directory: Path) -> None:
    """Make files as the daemon's user would, where root runs the command."""
    if os.geteuid() == 0:
        status = directory.stat()
        os.setegid(status.st_gid)
        os.seteuid(status.st_uid)
