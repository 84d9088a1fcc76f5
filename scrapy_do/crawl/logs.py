"""Hears each line that a crawl logs: counts it, keeps it as a record, hears MemoryError.

Note [Lines that nobody can hide]: a handler of the root logger is at the mercy of the project:
`basicConfig(force=True)` removes it, a level, `logging.disable`, a logger that does not
propagate or was disabled by `dictConfig` keeps lines from it. Here the two methods that all
lines pass are listened at instead, `Logger.isEnabledFor` and `Logger.handle`. Handlers get what
they would have got without us. From ERROR on every line is heard, so that the outcome of a
crawl is nobody's choice; below, what a project says about a logger by its name (a level, a
filter) holds, as it means just that.
"""

import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from logging import Logger, LogRecord
from logging.handlers import QueueListener
from pathlib import Path

from scrapy.settings import BaseSettings, Settings
from scrapy.utils import log as scrapy_log

from scrapy_do.crawl.capture import Capture
from scrapy_do.crawl.encoding import text_of
from scrapy_do.crawl.printed import Printed, log_line
from scrapy_do.crawl.stats import Tally
from scrapy_do.crawl.streams import STDERR, STDOUT, WRITING, Streams, cut_notice
from scrapy_do.crawl.unwritten import Unwritten
from scrapy_do.protocol.wire import CrawlSpec

_MAX_MESSAGE_CHARACTERS = 64 * 1024

logger = logging.getLogger(__name__)


class LogRecords:
    """Counts log lines and keeps them as records up to a limit; the last says that it is that.

    `dropped` counts the lines after it. No capture keeps nothing, a limit of None is no limit.
    May be used from any thread.
    """

    def __init__(self, tally: Tally, capture: Capture | None, limit_bytes: int | None) -> None:
        self._tally = tally
        self._capture = capture
        self._limit_bytes = limit_bytes
        self._lock = threading.RLock()
        self._is_cut = False
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """How many lines were not kept."""
        return self._dropped + (self._capture.dropped if self._capture else 0)

    def add(self, time_ms: int, level: int, message: str, *, is_printed: bool = False) -> None:
        """Count a line, and keep or drop it; `is_printed` says that it was not logged."""
        with self._lock:
            self._tally.log_lines += 1
            if level >= logging.ERROR:
                self._tally.errors += 1
                self._tally.printed_errors += is_printed
            if self._capture is None:
                return
            if self._is_cut:
                self._dropped += 1
                return
            self._capture.append(log_line(time_ms, level, message))
            limit_bytes = self._limit_bytes
            if limit_bytes is not None and self._capture.taken_bytes >= limit_bytes:
                self._is_cut = True
                self._capture.append(log_line(time_ms, logging.WARNING, cut_notice(limit_bytes)))


class PrintedText:
    """What a crawl prints becomes records: lines of INFO from stdout, errors from stderr."""

    def __init__(
        self, spec: CrawlSpec, streams: Streams, records: LogRecords, unwritten: Unwritten
    ) -> None:
        self._records = records
        self._out = Printed(
            spec.placement.out,
            STDOUT,
            unwritten.told_of_out,
            level=logging.INFO,
            tell=self._tell,
            note=unwritten.note_out,
        )
        self._err = Printed(
            spec.placement.err,
            STDERR,
            unwritten.told_of_err,
            level=logging.ERROR,
            tell=self._tell,
            note=unwritten.note_err,
        )
        streams.out.printed, streams.err.printed = self._out, self._err

    def begin_log(self) -> None:
        """Tell of the lines that were printed before a line of the log."""
        if self._out.is_due:
            self._out.collect(to_end=False)

    def end_log(self) -> None:
        """Tell of what was found while something was logged."""
        if self._out.found or self._err.found:
            self._out.tell()
            self._err.tell()

    def collect(self, *, to_end: bool) -> None:
        """Look for what was printed: whole lines, or to the end."""
        if to_end:
            # A full disk; it was closed, or replaced by whatever has a method `write`.
            with suppress(OSError, ValueError, AttributeError):
                sys.stdout.flush()
        self._out.collect(to_end=to_end)
        self._err.collect(to_end=to_end)

    def _tell(self, level: int, message: str) -> None:
        self._records.add(time.time_ns() // 1_000_000, level, message, is_printed=True)


class LogTap:
    """Passes what is logged to `records`. See Note [Lines that nobody can hide].

    `level` is from where on lines below ERROR are heard. `printed` is what is told of other
    text. `out_of_memory` is called for a line that reports a MemoryError.
    """

    def __init__(
        self, records: LogRecords, printed: PrintedText, out_of_memory: Callable[[], None]
    ) -> None:
        self.level = logging.INFO
        self._records = records
        self._printed = printed
        self._out_of_memory = out_of_memory
        self._is_enabled = Logger.isEnabledFor
        self._handle = Logger.handle
        self._listen = QueueListener.handle

    def install(self) -> None:
        """Begin to listen."""
        is_enabled, wants, hear = self._is_enabled, self._wants, self._hear
        begin_log, end_log, writing = self._printed.begin_log, self._printed.end_log, WRITING

        def is_enabled_for(asked: Logger, level: int) -> bool:
            return is_enabled(asked, level) or wants(asked, level)

        def handle(asked: Logger, record: LogRecord) -> None:
            passed: object = asked.filter(record)  # Python 3.12 may give another record
            if isinstance(passed, LogRecord):
                record = passed
            begin_log()
            before, writing.is_log = writing.is_log, True
            try:
                if passed and is_enabled(asked, record.levelno):
                    asked.callHandlers(record)
            finally:
                writing.is_log = before
                end_log()
                if passed or record.levelno >= logging.ERROR:
                    hear(record)

        def listen(listener: QueueListener, record: LogRecord) -> None:
            writing.is_log = True  # in a thread of its own
            self._listen(listener, record)

        QueueListener.handle = listen  # type: ignore[method-assign, assignment]
        Logger.isEnabledFor = is_enabled_for  # type: ignore[method-assign, assignment]
        Logger.handle = handle  # type: ignore[method-assign, assignment]

    def remove(self) -> None:
        """Listen no more."""
        Logger.isEnabledFor = self._is_enabled  # type: ignore[method-assign]
        QueueListener.handle = self._listen  # type: ignore[method-assign]
        Logger.handle = self._handle  # type: ignore[method-assign]

    def _wants(self, asked: Logger, level: int) -> bool:
        """Whether a line is heard that the logging of the project would not even make."""
        if level >= logging.ERROR:
            return True
        return level >= self.level and level >= _own_level(asked)

    def _hear(self, record: LogRecord) -> None:
        level = record.levelno
        if level >= self.level or level >= logging.ERROR:
            self._records.add(int(record.created * 1000), level, _message(record))
        if record.exc_info and isinstance(_exception(record), MemoryError):
            self._out_of_memory()


def _own_level(asked: Logger) -> int:
    """Return the level that was set for a logger or for those above it by name: not the root's."""
    one: Logger | None = asked
    while one is not None and one.parent is not None:
        if one.level:
            return one.level
        one = one.parent
    return logging.NOTSET


def level_of(ordered: object, settings: BaseSettings) -> int:
    """Return the level from where on lines are kept.

    Who orders a crawl may choose it. What a project chooses is for its own eyes: it can have
    DEBUG lines kept, but from INFO on they are kept anyway.
    """
    if ordered is not None:
        return _level(ordered)
    return min(_level(settings.get("LOG_LEVEL")), logging.INFO)


def _level(value: object) -> int:
    if isinstance(value, int):
        return value
    text = text_of(value).upper()
    return logging.getLevelNamesMapping().get(
        text, int(text) if text.isdecimal() else logging.DEBUG
    )


def _message(record: LogRecord) -> str:
    formatted = vars(record).get("message")  # by a handler before
    try:
        text = record.getMessage() if formatted is None else formatted
    except Exception:  # noqa: BLE001 - a format without its arguments, an argument without a text
        text = f"{text_of(record.msg)} {record.args and tuple(map(text_of, _arguments(record)))!r}"
    text = f"[{record.name}] {text}"
    error = _exception(record) if record.exc_info else None
    if error is not None:
        with suppress(Exception):  # an exception is an object of the project
            text += "\n" + "".join(traceback.format_exception(error)).rstrip()
    text = text[:_MAX_MESSAGE_CHARACTERS]
    return text if text.isascii() else text_of(text)


def _exception(record: LogRecord) -> BaseException | None:
    match record.exc_info:
        case (_, BaseException() as error, _):
            return error
    return None


def _arguments(record: LogRecord) -> tuple[object, ...]:
    return record.args if isinstance(record.args, tuple) else (record.args,)


class LogFiles:
    """Lets Scrapy write its log to stderr even where a project's LOG_FILE sends it to a file.

    The directories of the file are made. Where it cannot be written, stderr is all there is.
    """

    def __init__(self) -> None:
        self._beside: logging.Handler | None = None
        self._make = scrapy_log._get_handler  # noqa: SLF001 - no other place knows all settings

    def install(self) -> None:
        """Begin with the next handler that Scrapy makes."""
        scrapy_log._get_handler = self._handler  # noqa: SLF001

    def _handler(self, settings: Settings) -> logging.Handler:
        if self._beside is not None:
            logging.root.removeHandler(self._beside)
            self._beside = None
        path = settings.get("LOG_FILE")
        if not path:
            return self._make(settings)
        names = [name for name in settings if name.startswith("LOG_") and name != "LOG_FILE"]
        stream = self._make(Settings({name: settings[name] for name in names}))
        descriptor = _descriptor(path)
        if descriptor == STDOUT and isinstance(stream, logging.StreamHandler):
            stream.setStream(sys.stdout)
        if descriptor is not None:
            return stream
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            file = self._make(settings)
        except (OSError, TypeError, ValueError) as error:
            logger.warning("LOG_FILE %s cannot be written: %s", path, text_of(error))
            return stream
        self._beside = stream
        logging.root.addHandler(stream)
        return file


def _descriptor(path: str | Path) -> int | None:
    """Return which of the standard streams a path leads to, if any."""
    with suppress(OSError, TypeError, ValueError):
        there = os.stat(path)  # noqa: PTH116 - whatever a project calls a path
        for descriptor in (STDOUT, STDERR):
            if os.path.samestat(there, os.fstat(descriptor)):
                return descriptor
    return None
