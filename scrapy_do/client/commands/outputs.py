"""What jobs have written: logs, items."""

import csv
import io
import json
import re
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import click

from scrapy_do.client.errors import Exit, UserError
from scrapy_do.client.invocation import Invocation, command, pass_call
from scrapy_do.client.names import JOB, find_job, short
from scrapy_do.client.output import printable
from scrapy_do.client.times import moment_text

LEVELS = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40, "CRITICAL": 50}
_LEVEL_NAMES = {number: name for name, number in LEVELS.items()}
_LOGGER = re.compile(r"\[([^\]\n]{1,200})\] ?")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_FORMATS = ("jsonl", "json", "csv")

Line = Mapping[str, Any]


# --- logs ----------------------------------------------------------------------------------------


@command("logs")
@click.argument("job", type=JOB)
@click.option("-f", "--follow", is_flag=True, help="Go on until the job has ended.")
@click.option(
    "-n",
    "last",
    type=click.IntRange(0),
    metavar="N",
    help="Only the last N lines of what is there.",
)
@click.option(
    "--level", type=click.Choice([*LEVELS], case_sensitive=False), help="From this level on."
)
@click.option("--logger", metavar="NAME", help="Only of this logger and those below it.")
@click.option("--grep", metavar="RE", help="Only lines in which this regular expression is found.")
@click.option(
    "-C",
    "context",
    type=click.IntRange(0),
    default=0,
    metavar="N",
    help="So many lines around each of them, too.",
)
@click.option(
    "--stream", type=click.Choice(["out", "err"]), help="What the process has printed, as it is."
)
@click.option("--raw", is_flag=True, help="The same as --stream err.")
@pass_call
def logs(
    call: Invocation,
    *,
    job: str,
    follow: bool,
    last: int | None,
    level: str | None,
    logger: str | None,
    grep: str | None,
    context: int,
    stream: str | None,
    raw: bool,
) -> None:
    """Show the log of a job."""
    pattern = _pattern(grep)
    found = find_job(call, job)
    if stream or raw:
        if level or logger:
            raise click.UsageError("what a process has printed has no levels and no loggers")
        lines: Iterator[Any] = _printed(call, found, stream or "err", follow=follow)
        shown = _selected(lines, lambda line: line, pattern, context, None if follow else last)
        for line in shown:
            if call.out.as_json:
                call.out.json_line({"line": line})
            else:
                call.out.line(line)
        return
    wanted = _Wanted(level=LEVELS[level.upper()] if level else 0, logger=logger or "")
    entries = _entries(call, found, wanted, follow=follow, last=last)
    for entry in _selected(entries, _message, pattern, context, None if follow else last):
        write_line(call, entry)


def _message(line: Line) -> str:
    return str(line["message"])


def _pattern(text: str | None) -> re.Pattern[str] | None:
    try:
        return None if text is None else re.compile(text)
    except re.error as error:
        raise click.BadParameter(f"{text!r}: {error}", param_hint="--grep") from error


class _Wanted:
    """Which lines: from a level on, of a logger and those below it."""

    def __init__(self, *, level: int, logger: str) -> None:
        self.level = level
        self.logger = logger

    @property
    def query(self) -> list[tuple[str, str]]:
        asked = [("level", str(self.level))] if self.level else []
        return asked + ([("logger", self.logger)] if self.logger else [])

    def __call__(self, line: Line) -> bool:
        if line["level"] < self.level:
            return False
        return not self.logger or f"{line['logger']}.".startswith(f"{self.logger}.")


def _entries(
    call: Invocation, job: Mapping[str, Any], wanted: _Wanted, *, follow: bool, last: int | None
) -> Iterator[Line]:
    identifier = job["identifier"]
    if not follow:
        yield from _stored(call, identifier, wanted.query)
        return
    after = 0
    if last is not None:
        kept: deque[Line] = deque(maxlen=last)
        for line in _stored(call, identifier, ()):
            after += 1
            if wanted(line):
                kept.append(line)
        yield from kept
    from scrapy_do.client.following import events  # noqa: PLC0415 - Note [Why commands import ...]

    query = [("after", str(after)), ("all", "1"), *wanted.query]
    for event in events(call, f"/ui/jobs/{identifier}/events", query):
        if event.name == "log":
            yield from event.data


def _stored(call: Invocation, identifier: str, query: Sequence[tuple[str, str]]) -> Iterator[Line]:
    """The lines that are there, as the stream of events would tell them."""
    from scrapy_do.client.http import with_query  # noqa: PLC0415 - the same

    path = with_query(f"/ui/jobs/{identifier}/log.jsonl", query)
    for text in _lines(call, path):
        line = json.loads(text)
        message = (
            line["message"] if isinstance(line["message"], str) else json.dumps(line["message"])
        )
        found = _LOGGER.match(message)
        yield {
            "time": line.get("time", 0),
            "level": line.get("level", LEVELS["INFO"]),
            "logger": found[1] if found else "",
            "message": message[found.end() :] if found else message,
        }


def _printed(
    call: Invocation, job: Mapping[str, Any], stream: str, *, follow: bool
) -> Iterator[str]:
    path = f"/get-log/data/{job['identifier']}.{stream}"
    with _needs_start(call, job, "logs"):
        yield from _lines(call, path if follow else f"{path}?follow=0")


def _selected(
    lines: Iterable[Any],
    text_of: Callable[[Any], str],
    pattern: re.Pattern[str] | None,
    context: int,
    last: int | None,
) -> Iterator[Any]:
    """Lines that match, with those around them; of all that the last ones."""
    shown = lines if pattern is None else _matching(lines, text_of, pattern, context)
    yield from shown if last is None else deque(shown, maxlen=last)


def _matching(
    lines: Iterable[Any], text_of: Callable[[Any], str], pattern: re.Pattern[str], context: int
) -> Iterator[Any]:
    before: deque[Any] = deque(maxlen=context)
    behind = 0
    for line in lines:
        if pattern.search(text_of(line)):
            yield from before
            before.clear()
            behind = context
            yield line
        elif behind:
            behind -= 1
            yield line
        else:
            before.append(line)


def write_line(call: Invocation, line: Line) -> None:
    """A line of a log: time, level, logger, message."""
    if call.out.as_json:
        call.out.json_line({name: line[name] for name in ("time", "level", "logger", "message")})
        return
    level = _LEVEL_NAMES.get(line["level"], str(line["level"]))
    moment = datetime.fromtimestamp(line["time"] / 1000, UTC)
    if not call.flags.utc:
        moment = moment.astimezone()
    at = moment.strftime("%H:%M:%S") if call.out.is_terminal else moment_text(moment)
    logger = f" [{line['logger']}]" if line["logger"] else ""
    call.out.line(
        f"{at} {level}{logger} {line['message']}",
        style=call.out.level_style.get(level) if level != "INFO" else None,
    )


# --- items ---------------------------------------------------------------------------------------


class _Shown(io.TextIOBase):
    """A terminal, which items cannot steer."""

    def __init__(self, terminal: IO[str]) -> None:
        self._terminal = terminal

    def write(self, text: str) -> int:
        """Write it, control characters spelled out."""
        return self._terminal.write(printable(text))

    def flush(self) -> None:
        """Show what was written."""
        self._terminal.flush()


@command("items")
@click.argument("job", type=JOB)
@click.option("-f", "--follow", is_flag=True, help="Go on until the job has ended.")
@click.option(
    "-n", "last", type=click.IntRange(0), metavar="N", help="Only the last N of what is there."
)
@click.option("-o", "file", metavar="FILE", help="Write them there; - is standard output.")
@click.option(
    "--format",
    "kind",
    type=click.Choice(_FORMATS),
    help="JSON lines, an array, or a table; else as FILE ends.",
)
@click.option("--fields", metavar="A,B.C", help="Only these fields; a dot leads into an object.")
@pass_call
def items(
    call: Invocation,
    *,
    job: str,
    follow: bool,
    last: int | None,
    file: str | None,
    kind: str | None,
    fields: str | None,
) -> None:
    """Show the items of a job, a JSON object in each line."""
    names = [name for name in (fields or "").split(",") if name]
    ending = Path(file or "").suffix.removeprefix(".")
    chosen = kind or (ending if ending in _FORMATS else "jsonl")
    if call.out.as_json and chosen == "csv":
        raise click.UsageError("a table is no JSON; leave out --json")
    if follow and chosen == "csv" and not names:
        raise click.UsageError("a table that goes on needs --fields")
    if follow and last is not None:
        raise click.UsageError("-f and -n exclude each other")
    found = find_job(call, job)
    path = f"/get-items/data/{found['identifier']}.jsonl"
    if follow:
        _until_started(call, found)
    with _needs_start(call, found, "items"):
        lines: Iterable[str] = _lines(call, path if follow else f"{path}?follow=0")
        if last is not None:
            lines = deque(lines, maxlen=last)
        with _target(file) as target:
            _write(lines, target, chosen, names)
    if file not in {None, "-"}:
        call.out.talk(f"Written: {file}")


def save_items(call: Invocation, identifier: str, file: str) -> None:
    """Write the items of an ended job to a file."""
    ending = Path(file).suffix.removeprefix(".")
    with _target(file) as target:
        lines = _lines(call, f"/get-items/data/{identifier}.jsonl")
        _write(lines, target, ending if ending in _FORMATS else "jsonl", ())


def _write(lines: Iterable[str], target: IO[str] | _Shown, kind: str, names: Sequence[str]) -> None:
    if kind == "csv":
        _write_table(lines, target, names)
        return
    first = True
    for text in lines:
        shown = json.dumps(_picked(json.loads(text), names), ensure_ascii=False) if names else text
        if kind == "json":
            target.write("[\n" if first else ",\n")
        target.write(shown if kind == "json" else f"{shown}\n")
        target.flush()
        first = False
    if kind == "json":
        target.write("[]\n" if first else "\n]\n")


def _write_table(lines: Iterable[str], target: IO[str] | _Shown, names: Sequence[str]) -> None:
    """Write a table; without names its columns are all fields, so the items are read twice."""
    if names:
        _rows(lines, target, names)
        return
    with tempfile.TemporaryFile("w+", encoding="utf-8") as kept:
        fields: dict[str, None] = {}
        for text in lines:
            kept.write(f"{text}\n")
            item = json.loads(text)
            if isinstance(item, dict):
                fields |= dict.fromkeys(item)
        kept.seek(0)
        _rows(kept, target, list(fields), nested=False)


def _rows(
    lines: Iterable[str], target: IO[str] | _Shown, names: Sequence[str], *, nested: bool = True
) -> None:
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(names)
    for text in lines:
        item = json.loads(text)
        item = item if isinstance(item, dict) else {}
        writer.writerow([_guarded(_at(item, name) if nested else item.get(name)) for name in names])
        target.flush()


def _guarded(value: object) -> object:
    """A cell that no spreadsheet takes for a formula."""
    if value is None or isinstance(value, int | float):
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _picked(item: object, names: Sequence[str]) -> dict[str, Any]:
    return {name: _at(item, name) for name in names}


def _at(item: object, name: str) -> Any:  # noqa: ANN401 - a JSON value
    """The value of a field; a dot leads into an object, unless the field has it in its name."""
    if isinstance(item, dict) and name in item:
        return item[name]
    for part in name.split("."):
        item = item.get(part) if isinstance(item, dict) else None
    return item


@contextmanager
def _target(file: str | None) -> Iterator[IO[str] | _Shown]:
    if file in {None, "-"}:
        yield sys.stdout if not sys.stdout.isatty() else _Shown(sys.stdout)
        return
    try:
        with Path(str(file)).open(
            "w", encoding="utf-8", errors="backslashreplace", newline=""
        ) as target:
            yield target
    except OSError as error:
        raise UserError(
            f"{file}: {error.strerror}", try_="scrapy-do items --help", code=Exit.FAILED
        ) from error


# --- reading -------------------------------------------------------------------------------------


def _lines(call: Invocation, path: str) -> Iterator[str]:
    """The lines of an answer as they come, without their ends."""
    from scrapy_do.client.following import file_chunks  # noqa: PLC0415 - Note [Why commands ...]

    rest = b""
    for chunk in file_chunks(call, path):
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line.decode("utf-8", "replace")
    if rest:
        yield rest.decode("utf-8", "replace")


@contextmanager
def _needs_start(call: Invocation, job: Mapping[str, Any], what: str) -> Iterator[None]:
    """Say in our words that a job has not started, or has no files any more."""
    from scrapy_do.client.http import Refused  # noqa: PLC0415 - Note [Why commands import ...]

    try:
        yield
    except Refused as error:
        if error.kind != "log-not-found":
            raise
        is_pending = job["status"] == "PENDING"
        name = short(job["identifier"])
        raise UserError(
            f"{job['project']}/{job['spider']} ({name}) "
            f"{'has not started yet' if is_pending else 'has no files any more'}",
            try_=call.hint(what, "-f", name) if is_pending else call.hint("retry", name),
            code=Exit.NOT_FOUND,
        ) from error


def _until_started(call: Invocation, job: Mapping[str, Any]) -> None:
    """Wait for a pending job to start, or to end without."""
    if job["status"] != "PENDING":
        return
    from scrapy_do.client.following import events  # noqa: PLC0415 - the same

    call.out.talk(f"{short(job['identifier'])} waits for {job['waiting-for'] or 'a free slot'} ...")
    path = f"/ui/jobs/{job['identifier']}/events"
    for event in events(call, path, [("level", "100")]):
        if event.name == "state" and event.data["state"] not in {"queued", "starting"}:
            return
