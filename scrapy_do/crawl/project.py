"""Makes a copy of a project importable and reads its settings, for crawls and listings."""

import sys
from pathlib import Path

from scrapy.settings import Settings

_read: list[Settings] = []


def read_ahead() -> None:
    """Read Scrapy's own settings now: those of each project are then made of a copy."""
    _read.append(Settings())


def load_settings(project_dir: Path, settings_module: str) -> Settings:
    """Put the project first on the import path and return its settings.

    Whatever the settings module raises is let out. The working directory and
    `SCRAPY_SETTINGS_MODULE` are the caller's to set, before.
    """
    sys.path.insert(0, str(project_dir))
    settings = _read[0].copy() if _read else Settings()
    settings.setmodule(settings_module, priority="project")
    return settings
