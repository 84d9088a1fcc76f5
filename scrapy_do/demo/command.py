"""`scrapy-do demo`: everything at work, without a network."""

from pathlib import Path

import click

from scrapy_do.client.invocation import Invocation, command, pass_call


@command("demo", has_json=False)
@click.option("--once", is_flag=True, help="End when all jobs have ended; exit 0 if all went well.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    metavar="N",
    help="The daemon's port on loopback; without it, any free one.",
)
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Keep the daemon's data in this directory instead of removing it at the end.",
)
@click.option("--no-open", is_flag=True, help="Open no browser; else one is, on a desktop.")
@pass_call
def demo(call: Invocation, *, once: bool, port: int, keep: Path | None, no_open: bool) -> None:
    """Start a daemon and a small site, crawl it, and show what happens.

    Nothing leaves this machine. The runs of the days before, which charts and hints compare with,
    are made up. Ctrl-C ends the daemon and removes its data.
    """
    from scrapy_do.demo.run import show  # noqa: PLC0415 - Note [Why commands import ...]

    show(call.out, once=once, port=port, keep=keep, may_open=not no_open)
