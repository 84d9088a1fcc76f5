"""Lines of a captured log: what is in them, and which of them are wanted."""

import json
import re
from dataclasses import dataclass
from typing import Any

DEBUG, INFO, WARNING, ERROR, CRITICAL = 10, 20, 30, 40, 50
LEVEL_NAMES = {
    DEBUG: "DEBUG",
    INFO: "INFO",
    WARNING: "WARNING",
    ERROR: "ERROR",
    CRITICAL: "CRITICAL",
}

_LEVEL = re.compile(rb'"level": ?([0-9]{1,3})')
_LOGGER = re.compile(r"\[([^\]\n]{1,200})\] ?")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One record of a log; `number` counts from 1. `logger` is "" for text that was printed."""

    number: int
    time_ms: int
    level: int
    logger: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFilter:
    """Which lines: from a level on, of a logger and those below it, with a text in any case."""

    level: int = 0
    logger: str = ""
    text: str = ""

    @property
    def is_by_text(self) -> bool:
        """Whether the lines themselves must be read to tell."""
        return bool(self.logger or self.text)

    def wants(self, line: LogLine) -> bool:
        """Whether a line passes."""
        if line.level < self.level:
            return False
        if self.logger and not f"{line.logger}.".startswith(f"{self.logger}."):
            return False
        return not self.text or self.text.casefold() in line.message.casefold()


def quick_level(line: bytes) -> int:
    """The level of a stored line, without reading all of it."""
    found = _LEVEL.search(line, 0, 100)
    return int(found[1]) if found else INFO


def parse_line(line: bytes, number: int) -> LogLine | None:
    """Read a stored line; None for a gap and for damage."""
    try:
        value: Any = json.loads(line) if line else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    message = value.get("message")
    text = message if isinstance(message, str) else json.dumps(message, ensure_ascii=False)
    found = _LOGGER.match(text)
    return LogLine(
        number=number,
        time_ms=_whole(value.get("time"), 0),
        level=_whole(value.get("level"), INFO),
        logger=found[1] if found else "",
        message=text[found.end() :] if found else text,
    )


def _whole(value: object, default: int) -> int:
    return value if isinstance(value, int) and abs(value) < 1 << 53 else default
