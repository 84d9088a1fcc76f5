"""What people see of running jobs: bars on a terminal, plain lines elsewhere."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import click


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a job is, as the daemon tells it."""

    spider: str
    state: str
    items: int
    expected_items: int


Show = Callable[[Mapping[str, Progress]], None]
"""Called with the progress of every job by its identifier, as often as there is news."""


@contextmanager
def progress_display(*, on_terminal: bool) -> Iterator[Show]:
    """Give the function that shows how jobs go on."""
    if on_terminal:
        with _bars() as show:
            yield show
    else:
        yield _lines()


def _lines() -> Show:
    """Show a line whenever a job comes into another state."""
    states: dict[str, str] = {}

    def show(jobs: Mapping[str, Progress]) -> None:
        for identifier, job in jobs.items():
            if states.get(identifier) != job.state:
                states[identifier] = job.state
                click.echo(f"  {job.spider:<16}{job.state:<12}{job.items:>4} items")

    return show


@contextmanager
def _bars() -> Iterator[Show]:
    """Show a bar for each job, filled by its items."""
    from rich.progress import BarColumn, TaskID, TextColumn  # noqa: PLC0415 - slow to import
    from rich.progress import Progress as Bars  # noqa: PLC0415 - the same

    columns = (
        TextColumn("  {task.description:<15}"),
        BarColumn(bar_width=30),
        TextColumn("{task.completed:>4.0f} items  {task.fields[state]}"),
    )
    tasks: dict[str, TaskID] = {}
    with Bars(*columns) as bars:

        def show(jobs: Mapping[str, Progress]) -> None:
            for identifier, job in jobs.items():
                if identifier not in tasks:
                    tasks[identifier] = bars.add_task(
                        job.spider, total=job.expected_items, state=job.state
                    )
                bars.update(tasks[identifier], completed=job.items, state=job.state)

        yield show
