"""Takes part in a crawl's logging: counts lines, keeps them as records, hears MemoryError.

What Scrapy writes to stderr is not touched here; its end is the business of `streams`.
"""

import json
import logging
import traceback
from collections.abc import Callable
from typing import Any

from scrapy.settings import BaseSettings

from scrapy_do.crawl.capture import Capture
from scrapy_do.crawl.encoding import text_of
from scrapy_do.crawl.stats import Tally
from scrapy_do.crawl.streams import cut_notice

_MAX_MESSAGE_CHARACTERS = 64 * 1024


class LogRecords:
    """Keeps log lines as records up to a limit; the last record says that it is the last.

    `dropped` counts the lines after it. A limit of None is no limit.
    """

    def __init__(self, capture: Capture, limit_bytes: int | None) -> None:
        self._capture = capture
        self._limit_bytes = limit_bytes
        self._is_cut = False
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """How many lines were not kept."""
        return self._dropped + self._capture.dropped

    def keep(self, record: dict[str, Any]) -> None:
        """Take a line, or drop it."""
        if self._is_cut:
            self._dropped += 1
            return
        self._capture.append(_line(**record))
        limit_bytes = self._limit_bytes
        if limit_bytes is not None and self._capture.taken_bytes >= limit_bytes:
            self._is_cut = True
            notice = _line(record["time"], logging.WARNING, cut_notice(limit_bytes))
            self._capture.append(notice)


def _line(time: int, level: int, message: str) -> bytes:
    # There are ten times as many lines as pages: a third of the time that an encoder takes.
    return b'{"time":%d,"level":%d,"message":%b}' % (time, level, json.dumps(message).encode())


class LogCapture(logging.Handler):
    """A root handler that passes each line to `keep` as a record and counts it.

    `out_of_memory` is called for a line that reports a MemoryError.
    """

    def __init__(
        self,
        tally: Tally,
        keep: Callable[[dict[str, Any]], object] | None,
        out_of_memory: Callable[[], None],
    ) -> None:
        super().__init__()
        self._tally = tally
        self._keep = keep
        self._out_of_memory = out_of_memory

    def install(self) -> None:
        """Begin to listen."""
        logging.root.addHandler(self)

    def go_last(self) -> None:
        """Listen after Scrapy's own handler, which then has done the formatting."""
        logging.root.removeHandler(self)
        logging.root.addHandler(self)

    def follow(self, settings: BaseSettings) -> None:
        """Listen from the level at which Scrapy itself logs."""
        self.setLevel(settings.get("LOG_LEVEL"))

    def emit(self, record: logging.LogRecord) -> None:
        """Count and keep a line."""
        self._tally.log_lines += 1
        if record.levelno >= logging.ERROR:
            self._tally.errors += 1
        if self._keep is not None:
            self._keep(
                {
                    "time": int(record.created * 1000),
                    "level": record.levelno,
                    "message": _message(record),
                }
            )
        kind = record.exc_info[0] if record.exc_info else None
        if kind is not None and issubclass(kind, MemoryError):
            self._out_of_memory()


def _message(record: logging.LogRecord) -> str:
    formatted = vars(record).get("message")  # by a handler before
    try:
        text = record.getMessage() if formatted is None else formatted
    except Exception:  # noqa: BLE001 - a format without its arguments, an argument without a text
        text = f"{text_of(record.msg)} {record.args and tuple(map(text_of, _arguments(record)))!r}"
    text = f"[{record.name}] {text}"
    if record.exc_info and record.exc_info[0] is not None:
        text += "\n" + "".join(traceback.format_exception(*record.exc_info)).rstrip()
    text = text[:_MAX_MESSAGE_CHARACTERS]
    return text if text.isascii() else text_of(text)


def _arguments(record: logging.LogRecord) -> tuple[object, ...]:
    return record.args if isinstance(record.args, tuple) else (record.args,)
