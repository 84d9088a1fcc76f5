"""`scrapy-do serve`: run the daemon in the foreground."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import click

from scrapy_do.client.errors import UserError
from scrapy_do.client.invocation import command
from scrapy_do.client.server_options import config_option, data_dir_option, overridden, words_of

_INTERFACES = "SCRAPY_DO_WEB_INTERFACES"


@command("serve", has_json=False)
@config_option
@data_dir_option
@click.option(
    "--listen",
    multiple=True,
    metavar="ADDR:PORT",
    help="Where to listen, port 0 for any free one; instead of [web] interfaces. May be repeated.",
)
@click.option(
    "--new",
    "is_new",
    is_flag=True,
    help="Start with an empty database where the one that is there is missing, damaged or not "
    "the one of the data directory; that is set aside, and no other file is touched.",
)
def serve(
    *, config_path: Path | None, data_dir: str | None, listen: tuple[str, ...], is_new: bool
) -> None:
    """Run the daemon in the foreground until it is told to stop."""
    from scrapy_do import errors  # noqa: PLC0415 - Note [Why commands import inside ...]
    from scrapy_do.config import load  # noqa: PLC0415 - the same

    # As it was given: a library that is imported below takes sockets out of it.
    given = dict(os.environ)
    environ = overridden(given, data_dir)
    if listen:
        environ[_INTERFACES] = ", ".join(listen)
    try:
        config = load(config_path, environ)
        with nullcontext() if config.web.https else _left_out("OpenSSL"):
            from scrapy_do.daemon import run  # noqa: PLC0415 - the same; not for a wrong option

        raise SystemExit(run(config, given, lambda: load(config_path, environ), is_new=is_new))
    except errors.DataDirectoryInUse as error:
        raise UserError(str(error), try_="scrapy-do serve --data-dir DIR") from error
    except errors.WrongDatabase as error:
        given_too = words_of(config_path, data_dir)
        raise UserError(str(error), try_=f"scrapy-do db restore{given_too}") from error
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
