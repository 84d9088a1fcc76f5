"""How the command line fails: the exit codes, and errors that say what to do next."""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import IO, Any

import click

from scrapy_do.client.output import printable


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


MEANINGS: Mapping[Exit, str] = {
    Exit.DONE: "done; of a job that was waited for or followed: it went well",
    Exit.FAILED: "what was asked for failed: the job, the push, the start",
    Exit.USAGE: "wrong usage",
    Exit.NOT_FOUND: "no such job, project, spider, version, schedule or profile",
    Exit.LOGIN: "credentials are needed, or were refused",
    Exit.UNREACHABLE: "the daemon cannot be reached, or its certificate is not trusted",
    Exit.WAITED_TOO_LONG: "the time to wait was over; the job goes on",
    Exit.SERVER_ERROR: "the daemon could not do it (status 5xx)",
    Exit.CANCELED: "the job was cancelled",
    Exit.INTERRUPTED: "Ctrl-C",
}
"""What each of them says, for documents."""


class UserError(click.ClickException):
    """An error that the user can do something about; `try_` is the command that does it.

    `notes` are lines between the two, such as the names that would be right.
    """

    def __init__(
        self, message: str, *, try_: str, code: Exit = Exit.FAILED, notes: Sequence[str] = ()
    ) -> None:
        super().__init__(message)
        self.try_ = try_
        self.notes = tuple(notes)
        self.exit_code = code  # type: ignore[misc]  # click reads it from the instance

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the error and the hint where people read them: on standard error."""
        message = self.message.rstrip().replace("\n", "\n    ")  # nobody else's line is our hint
        lines = [f"error: {message}", *(f"  {note}" for note in self.notes)]
        for line in (*lines, f"  try:   {self.try_}"):
            click.echo(printable(line), file=file, err=True)
