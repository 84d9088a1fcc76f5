"""Reading the configuration: an INI file, then the environment over it."""

import configparser
import os
from collections.abc import Iterator, Mapping
from dataclasses import Field, fields, replace
from pathlib import Path
from typing import Any, TypeVar, cast

from scrapy_do.config import kinds
from scrapy_do.config.kinds import Kind
from scrapy_do.config.sections import (
    ENVIRONMENT_PREFIX,
    HIDDEN,
    PROJECT_PREFIX,
    SECTIONS,
    Config,
    ProjectConfig,
    WebConfig,
    attribute,
    option_name,
    variable_name,
)
from scrapy_do.config.zone import machine_zone
from scrapy_do.errors import ConfigError

T = TypeVar("T")


def load(path: Path | None, environ: Mapping[str, str]) -> Config:
    """Read the file, if one is given, and the environment over it.

    Raises:
        ConfigError: a section or an option is unknown, a value is wrong, or a file that an
            option names cannot be read.
    """
    written = {} if path is None else _read(path)
    origins = _origins(written, path, environ)
    warnings = []
    if written.pop("web-modules", None) is not None:
        warnings.append("[web-modules] has no effect: end points are not configurable")
    values = {
        attribute(section): _section(section, kind, written.pop(section, {}), environ)
        for section, kind in SECTIONS.items()
    }
    projects = {
        section.removeprefix(PROJECT_PREFIX): _section(section, ProjectConfig, options, environ)
        for section, options in _project_sections(written)
    }
    _refuse_unknown_variables(environ)
    config = Config(**values, projects=projects, origins=origins)
    _check_files(config.web)
    return replace(
        config,
        scrapy_do=replace(
            config.scrapy_do, timezone=config.scrapy_do.timezone or machine_zone(environ)
        ),
        warnings=(*warnings, *_warnings(config.web)),
    )


def _origins(
    written: Mapping[str, Mapping[str, str]], path: Path | None, environ: Mapping[str, str]
) -> dict[tuple[str, str], str]:
    """Say of each option that was given which file or variable has its value."""
    found = {(section, name): str(path) for section, options in written.items() for name in options}
    for section, kind in SECTIONS.items():
        for one in fields(kind):
            if (variable := variable_name(section, one)) in environ:
                found[section, option_name(one)] = variable
    return found


def _read(path: Path) -> dict[str, dict[str, str]]:
    """Return the options of a file by section, as they are written."""
    parser = configparser.RawConfigParser(default_section="", delimiters=("=", ":"))
    try:
        parser.read_string(path.read_text(encoding="utf-8"), source=str(path))
    except OSError as error:
        raise ConfigError("scrapy-do", "--config", f"{path}: {error.strerror}") from error
    except (configparser.Error, UnicodeDecodeError) as error:
        problem = " ".join(str(error).split())
        raise ConfigError("scrapy-do", "--config", f"{path}: {problem}") from error
    return {section: dict(parser.items(section)) for section in parser.sections()}


def _project_sections(
    written: Mapping[str, Mapping[str, str]],
) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield the sections of projects; any other that is left is unknown."""
    for section, options in written.items():
        if not section.removeprefix(PROJECT_PREFIX) or not section.startswith(PROJECT_PREFIX):
            known = ", ".join(f"[{name}]" for name in SECTIONS)
            raise ConfigError(
                section,
                next(iter(options), "(empty)"),
                f"there is no such section; the sections are {known} and [project:NAME]",
            )
        yield section, options


def _section(
    section: str, kind: type[T], written: Mapping[str, str], environ: Mapping[str, str]
) -> T:
    """Make the value of one section."""
    declared = {option_name(one): one for one in fields(cast("Any", kind))}
    for name, text in written.items():
        if name not in declared:
            raise ConfigError(
                section,
                name,
                f"there is no such option (its value is {text!r}); "
                f"the options are {', '.join(declared)}",
            )
    values = {}
    for name, one in declared.items():
        variable = variable_name(section, one)
        if variable in environ or name in written:
            text = environ[variable] if variable in environ else written[name]
            values[one.name] = _value(section, one, text, environ)
    return kind(**values)


def _value(section: str, declared: "Field[Any]", text: str, environ: Mapping[str, str]) -> object:
    kind: Kind[object] = declared.metadata["kind"]
    try:
        value = kind.parse(text.strip())
    except ValueError as error:
        shown = HIDDEN if declared.metadata["secret"] else repr(text)
        raise ConfigError(section, option_name(declared), f"{shown} {error}") from error
    if kind is kinds.GRANTS:
        return kinds.granted(cast("Mapping[str, str | None]", value), environ)
    return value


def _refuse_unknown_variables(environ: Mapping[str, str]) -> None:
    """Refuse a variable that is named like an option of a section and sets none."""
    for section, kind in SECTIONS.items():
        prefix = f"{ENVIRONMENT_PREFIX}{attribute(section)}_".upper()
        known = {variable_name(section, one) for one in fields(kind)}
        for name in environ:
            if name.startswith(prefix) and name not in known:
                option_part = name.removeprefix(prefix).lower().replace("_", "-")
                raise ConfigError(
                    section, option_part, f"there is no such option; {name} sets nothing"
                )


def _check_files(web: WebConfig) -> None:
    """Refuse options that name files which cannot be read."""
    needed: list[tuple[str, Path]] = []
    if web.https:
        needed += [("key", web.key), ("cert", web.cert)]
        needed += [] if web.chain is None else [("chain", web.chain)]
    for name, path in needed:
        if not os.access(path, os.R_OK):
            raise ConfigError("web", name, f"{path} is not a file that can be read")


def _warnings(web: WebConfig) -> Iterator[str]:
    if web.auth and web.auth_db.exists():
        yield (
            f"[web] auth-db: {web.auth_db} holds passwords in clear text; the first start takes "
            "its users over, and later ones refuse it"
        )
    if not web.https and not all(endpoint.is_loopback for endpoint in web.interfaces):
        yield "[web] https: is off, so credentials can be read on the way"
