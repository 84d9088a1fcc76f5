"""What the daemon says on its standard error."""

import sys
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

_log = Logger(namespace="scrapy_do.daemon")


def begin_logging(config: Config) -> None:
    """Begin to write the log as text, first how the daemon is configured, secrets masked."""
    # Typed as interfaces of zope, which are no types.
    predicate: Any = LogLevelFilterPredicate(defaultLogLevel=LogLevel.info)
    text: Any = textFileLogObserver(sys.stderr)
    observer: Any = FilteringLogObserver(text, [predicate])
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)
    _log.info("Scrapy Do {version}", version=__version__)
    for section, options in config.masked().items():
        _log.info("[{section}] {options}", section=section, options=dict(options))
    for warning in config.warnings:
        _log.warn("{warning}", warning=warning)
