"""The configuration file with every option at its default, for people to begin with."""

import textwrap
from dataclasses import Field, fields
from typing import Any

from scrapy_do.config.sections import SECTIONS, ProjectConfig, option_name

_WIDTH = 96

_CONF_HEAD = """\
# The configuration of Scrapy Do. Every option stands here at its default, as a comment.
#
# Durations are seconds, or have a unit: s, m, h, d, w. Sizes are bytes, or have a unit: kB, MB,
# GB (powers of 1000), KiB, MiB, GiB (powers of 1024). Relative paths start where the daemon does.
# The environment goes before this file: SCRAPY_DO_<SECTION>_<OPTION>, such as
# SCRAPY_DO_WEB_INTERFACES.
"""


def conf_text() -> str:
    """The whole file; etc/scrapy-do.conf is the same."""
    parts = [_CONF_HEAD]
    parts += [
        f"\n[{section}]\n" + "".join(_conf_option(one) for one in fields(kind))
        for section, kind in SECTIONS.items()
    ]
    parts.append("\n# A section for each project that differs, under the project's name:\n")
    parts.append("# [project:NAME]\n" + "".join(_conf_option(one) for one in fields(ProjectConfig)))
    return "".join(parts)


def _conf_option(one: "Field[Any]") -> str:
    explained = f"{one.metadata['help']} ({one.metadata['kind'].says})"
    lines = textwrap.wrap(explained.replace("`", ""), _WIDTH)
    written = f"# {option_name(one)} = {one.metadata['default']}".rstrip()
    return "\n" + "".join(f"## {line}\n" for line in lines) + written + "\n"
