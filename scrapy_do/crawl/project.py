"""Makes an unpacked project importable and reads its settings, for crawls and listings.

Note [The project and the current directory]: a crawl's current directory is its own, not
the project, which is shared and not to be written to. Scrapy and project code look for a
`scrapy.cfg` from the current directory upwards (`get_project_settings`, the HTTP cache),
so a small one that names the settings is put there unless one exists.
"""

import sys
from configparser import RawConfigParser
from pathlib import Path

from scrapy.settings import Settings

_PROJECT_FILE = "scrapy.cfg"


def load_settings(project_dir: Path, settings_module: str) -> Settings:
    """Put the project first on the import path and return its settings.

    Whatever the settings module raises is let out. The working directory and
    `SCRAPY_SETTINGS_MODULE` are the caller's to set, before.
    """
    sys.path.insert(0, str(project_dir))
    _write_project_file(settings_module)
    settings = Settings()
    settings.setmodule(settings_module, priority="project")
    return settings


def _write_project_file(settings_module: str) -> None:
    path = Path(_PROJECT_FILE)
    if path.exists():
        return
    content = RawConfigParser()
    content["settings"] = {"default": settings_module}
    with path.open("w", encoding="utf-8") as file:
        content.write(file)
