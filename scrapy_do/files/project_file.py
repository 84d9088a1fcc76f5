"""Reading `scrapy.cfg` and an egg's entry points as text: nothing in them is ever evaluated."""

import configparser
from dataclasses import dataclass

from scrapy_do.core.project import NAME_RULE, is_name
from scrapy_do.errors import BadArchive

_NO_NAME = "Can't extract project name from the config file"
NO_PROJECT = (
    f"{_NO_NAME}: scrapy.cfg has no `project` in a section [deploy]; add it there, or give the "
    "name in the field `name` of the push"
)
"""What is wrong with an archive that nobody has named."""

_NO_SETTINGS = "No project found in the archive"
_MODULE_LIMIT = 200  # characters of a dotted module name


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectFile:
    """The project's name as it is written, None where it is not; the name of its settings."""

    project: str | None
    settings_module: str

    def checked_project(self) -> str | None:
        """The project's name, for an archive that nobody names otherwise.

        Raises:
            BadArchive: it is no name.
        """
        if self.project is not None and not is_name(self.project):
            raise BadArchive(f"{_NO_NAME}: {self.project[:100]!a} is not a name ({NAME_RULE})")
        return self.project


def read_project_file(content: bytes) -> ProjectFile:
    """Read a `scrapy.cfg`: `[deploy] project` (or the first `[deploy:NAME]`), `[settings] default`.

    Values are taken as written, without interpolation.

    Raises:
        BadArchive: the settings are missing, or no name of a module.
    """
    parser = _parse(content)
    sections = ["deploy", *(name for name in parser.sections() if name.startswith("deploy:"))]
    names = (parser.get(section, "project", fallback="").strip() for section in sections)
    project = next((name for name in names if name), None)
    settings_module = parser.get("settings", "default", fallback="").strip()
    if not settings_module:
        raise BadArchive(f"{_NO_SETTINGS}: scrapy.cfg has no [settings] default")
    return _checked(project, settings_module)


def read_entry_points(content: bytes) -> ProjectFile:
    """Read an egg's `entry_points.txt`: the entry `settings` of the group `scrapy`.

    Raises:
        BadArchive: it is missing or no module name.
    """
    value = _parse(content).get("scrapy", "settings", fallback="")
    settings_module = value.partition("[")[0].partition(":")[0].strip()
    if not settings_module:
        raise BadArchive(f"{_NO_SETTINGS}: the egg has no entry point 'settings' of 'scrapy'")
    return _checked(settings_module.partition(".")[0], settings_module)


def _parse(content: bytes) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise BadArchive(f"{_NO_NAME}: it is not UTF-8") from None
    except configparser.Error as error:
        reason = ascii(error.message.partition("\n")[0])[1:-1]
        raise BadArchive(f"{_NO_NAME}: {reason}") from None
    return parser


def _checked(project: str | None, settings_module: str) -> ProjectFile:
    parts = settings_module.split(".")
    if len(settings_module) > _MODULE_LIMIT or not all(part.isidentifier() for part in parts):
        raise BadArchive(
            f"{_NO_SETTINGS}: {settings_module[:100]!a} is not the name of a settings module"
        )
    return ProjectFile(project=project, settings_module=settings_module)
