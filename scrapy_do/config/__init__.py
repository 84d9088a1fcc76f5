"""What can be configured, and how it is read."""

from scrapy_do.config.changes import changed_options
from scrapy_do.config.kinds import Endpoint
from scrapy_do.config.reading import load
from scrapy_do.config.sections import (
    Config,
    CrawlConfig,
    ProjectConfig,
    RetentionConfig,
    ScrapyDoConfig,
    WebConfig,
)

__all__ = [
    "Config",
    "CrawlConfig",
    "Endpoint",
    "ProjectConfig",
    "RetentionConfig",
    "ScrapyDoConfig",
    "WebConfig",
    "changed_options",
    "load",
]
