"""The options of commands that run on the daemon's machine, and the configuration they mean."""

from collections.abc import Mapping
from pathlib import Path

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
    "--data-dir",
    metavar="DIR",
    help="Where everything is kept; instead of [scrapy-do] project-store.",
)


def overridden(environ: Mapping[str, str], data_dir: str | None) -> dict[str, str]:
    """An environment that says what the options say."""
    said = {} if data_dir is None else {_PROJECT_STORE: data_dir}
    return {**environ, **said}
