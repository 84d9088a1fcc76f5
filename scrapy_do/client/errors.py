"""How the command line fails: the exit codes, and errors that say what to do next."""

from enum import IntEnum
from typing import IO, Any

import click


class Exit(IntEnum):
    """Every exit code of the command."""

    DONE = 0
    FAILED = 1  # what was asked for failed: a job, a push, a start
    USAGE = 2  # click's own
    NOT_FOUND = 3
    LOGIN = 4
    UNREACHABLE = 5
    WAITED_TOO_LONG = 6
    SERVER_ERROR = 7
    CANCELED = 8
    INTERRUPTED = 130


class UserError(click.ClickException):
    """An error that the user can do something about; `try_` is the command that does it."""

    def __init__(self, message: str, *, try_: str, code: Exit = Exit.FAILED) -> None:
        super().__init__(message)
        self.try_ = try_
        self.exit_code = code  # type: ignore[misc]  # click reads it from the instance

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the error and the hint where people read them: on standard error."""
        click.echo(f"error: {self.message}", file=file, err=True)
        click.echo(f"  try:   {self.try_}", file=file, err=True)
