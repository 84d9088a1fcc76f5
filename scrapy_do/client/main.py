"""The entry point: the group of commands, and the spellings of older versions.

Note [Why commands import inside their functions]
    `--help` and completion must answer at once, so a module here imports click and little
    else; what a command needs to run is imported when it runs.
"""

import sys
from collections.abc import Sequence

import click

from scrapy_do import __version__
from scrapy_do.client.db import db
from scrapy_do.client.errors import Exit
from scrapy_do.client.serve import serve
from scrapy_do.demo.command import demo

_MEANINGLESS = ("-n", "--nodaemon")
"""`serve` always stays in the foreground."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="scrapy-do", message="%(prog)s %(version)s")
def group() -> None:
    """Run and schedule Scrapy spiders on your own machines."""


group.add_command(serve)
group.add_command(demo)
group.add_command(db)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; the process ends with its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = group.main(args=_modern(given), prog_name="scrapy-do", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except click.Abort:
        code = Exit.INTERRUPTED
    sys.exit(code)


def _modern(arguments: list[str]) -> list[str]:
    """Translate `[-n] [option]... scrapy-do --config FILE`, as Scrapy Do 0.5 was started.

    Anything else is returned as it is.
    """
    if "scrapy-do" not in arguments or not (
        arguments[0] == "scrapy-do" or arguments[0].startswith("-")
    ):
        return arguments
    place = arguments.index("scrapy-do")
    ignored = [word for word in arguments[:place] if word not in _MEANINGLESS]
    modern = ["serve", *arguments[place + 1 :]]
    note = f" (without {' '.join(ignored)})" if ignored else ""
    click.echo(f"same as: scrapy-do {' '.join(modern)}{note}", err=True)
    return modern
