"""What the daemon says on its standard error, and of that the last lines."""

import sys
from collections import deque
from collections.abc import Sequence
from typing import Any

from twisted.logger import (
    FilteringLogObserver,
    Logger,
    LogLevel,
    LogLevelFilterPredicate,
    globalLogBeginner,
    textFileLogObserver,
)

from scrapy_do import __version__
from scrapy_do.config import Config

MOST_LINES = 500
LONGEST_LINE = 2000
"""How many lines are kept for people to look at, and how many characters of each."""

_log = Logger(namespace="scrapy_do.daemon")


class Journal:
    """The log of the daemon, with its last lines in memory."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=MOST_LINES)

    def begin(self, config: Config) -> None:
        """Begin to write the log as text, first how the daemon is configured, secrets masked."""
        # Typed as interfaces of zope, which are no types.
        predicate: Any = LogLevelFilterPredicate(defaultLogLevel=LogLevel.info)
        files: tuple[Any, ...] = (sys.stderr, self)
        texts: list[Any] = [textFileLogObserver(file) for file in files]
        observers: list[Any] = [FilteringLogObserver(text, [predicate]) for text in texts]
        globalLogBeginner.beginLoggingTo(observers, redirectStandardIO=False)
        _log.info("Scrapy Do {version}", version=__version__)
        for section, options in config.masked().items():
            _log.info("[{section}] {options}", section=section, options=dict(options))
        for warning in config.warnings:
            _log.warn("{warning}", warning=warning)

    def write(self, text: str) -> None:
        """Keep what is logged: the observer takes this for a file."""
        self._lines.extend(line[:LONGEST_LINE] for line in text.splitlines())

    def flush(self) -> None:
        """Nothing is held back."""

    @property
    def lines(self) -> Sequence[str]:
        """The last lines, the newest last."""
        return tuple(self._lines)
