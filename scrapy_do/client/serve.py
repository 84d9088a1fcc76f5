"""`scrapy-do serve`: run the daemon in the foreground."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import click

from scrapy_do.client.errors import UserError

_INTERFACES = "SCRAPY_DO_WEB_INTERFACES"
_PROJECT_STORE = "SCRAPY_DO_SCRAPY_DO_PROJECT_STORE"


@click.command()
@click.option(
    "-c",
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    metavar="FILE",
    envvar="SCRAPY_DO_CONFIG",
    help="The configuration file. Without one, the defaults and the environment count.",
)
@click.option(
    "--data-dir",
    metavar="DIR",
    help="Where everything is kept; instead of [scrapy-do] project-store.",
)
@click.option(
    "--listen",
    multiple=True,
    metavar="ADDR:PORT",
    help="Where to listen, port 0 for any free one; instead of [web] interfaces. May be repeated.",
)
def serve(config_path: Path | None, data_dir: str | None, listen: tuple[str, ...]) -> None:
    """Run the daemon in the foreground until it is told to stop."""
    from scrapy_do import errors  # noqa: PLC0415 - Note [Why commands import inside ...]
    from scrapy_do.config import load  # noqa: PLC0415 - the same

    # As it was given: a library that is imported below takes sockets out of it.
    given = dict(os.environ)
    environ = dict(given)
    if data_dir is not None:
        environ[_PROJECT_STORE] = data_dir
    if listen:
        environ[_INTERFACES] = ", ".join(listen)
    try:
        config = load(config_path, environ)
        with nullcontext() if config.web.https else _left_out("OpenSSL"):
            from scrapy_do.daemon import run  # noqa: PLC0415 - the same; not for a wrong option

        raise SystemExit(run(config, given, lambda: load(config_path, environ)))
    except errors.DataDirectoryInUse as error:
        raise UserError(str(error), try_="scrapy-do serve --data-dir DIR") from error
    except errors.ScrapyDoError as error:
        raise UserError(str(error), try_="scrapy-do serve --help") from error
    except OSError as error:
        problem = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        raise UserError(problem, try_="scrapy-do serve --data-dir DIR") from error


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
