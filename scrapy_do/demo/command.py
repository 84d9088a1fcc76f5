"""`scrapy-do demo`: everything at work, without a network."""

from pathlib import Path

import click

from scrapy_do.client.invocation import command


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
def demo(*, once: bool, port: int, keep: Path | None) -> None:
    """Start a daemon and a small site, crawl it, and show what happens.

    Nothing leaves this machine. Ctrl-C ends the daemon and removes its data.
    """
    from scrapy_do.demo.run import show  # noqa: PLC0415 - Note [Why commands import ...]

    show(once=once, port=port, keep=keep)
