"""Writes etc/scrapy-do.conf and docs/configuration.md from the declarations of the options.

Run it after a change of an option: `python -m tools.config_docs`.
"""

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from scrapy_do.config.sections import SECTIONS, ProjectConfig, option_name, variable_name
from scrapy_do.config.template import conf_text

TOP = Path(__file__).parent.parent
CONF = TOP / "etc" / "scrapy-do.conf"
DOCS = TOP / "docs" / "configuration.md"

_DOCS_HEAD = """\
# Configuration

`scrapy-do serve --config FILE` reads an INI file; `etc/scrapy-do.conf` is one with every option.
Without a file the defaults below hold. A variable of the environment goes before the file; an
unknown section or option, or a value that means nothing, ends the start with one sentence.

- **Durations** are seconds, or a number with a unit: `s`, `m`, `h`, `d`, `w`.
- **Sizes** are bytes, or a number with a unit: `kB`, `MB`, `GB` (powers of 1000), `KiB`, `MiB`,
  `GiB` (powers of 1024).
- **Relative paths** start at the directory in which the daemon is started.
- **SIGHUP** has the daemon read the file, the users, the API keys and the certificates again. The
  log says what has changed, and what takes effect at the next start only: where it listens, its
  data, its zone. If something is wrong the log says what, and all stays as it was.

The options that Scrapy Do 0.5 had keep their names and meaning. Its section `[web-modules]` has
no effect and is reported at start.
"""


def docs_text() -> str:
    """Return the whole of docs/configuration.md."""
    parts = [_DOCS_HEAD]
    for section, kind in SECTIONS.items():
        parts.append(f"\n## [{section}]\n\n{_doc(kind)}\n\n")
        parts += _table(section, kind)
    parts.append(
        f"\n## [project:NAME]\n\n{_doc(ProjectConfig)} Only the file has such sections.\n\n"
    )
    parts += _table(None, ProjectConfig)
    return "".join(parts)


def _doc(kind: type[Any]) -> str:
    text = (kind.__doc__ or "").split("Raises:")[0]
    return " ".join(text.split())


def _table(section: str | None, kind: type[Any]) -> Iterator[str]:
    yield "| Option | Value | Default | Meaning |\n|---|---|---|---|\n"
    for one in fields(kind):
        variable = "" if section is None else f"<br>`{variable_name(section, one)}`"
        default = one.metadata["default"]
        shown = f"`{default}`" if default else "empty"
        says, explained = one.metadata["kind"].says, one.metadata["help"]
        yield f"| `{option_name(one)}`{variable} | {says} | {shown} | {explained} |\n"


if __name__ == "__main__":
    CONF.write_text(conf_text(), encoding="utf-8")
    DOCS.write_text(docs_text(), encoding="utf-8")
