"""The README as package indexes show it: nothing in it leads to a file beside it.

Relative links become addresses below `[metadata] url` of setup.cfg, or where it has none, as the
sources have no address yet, their words alone. Used by `build_backend`; standard library only.
"""

import re
from configparser import ConfigParser
from pathlib import Path

TARGET = Path("build", "description.md")
"""What `long_description` of setup.cfg names; made before each build."""

_LINK = re.compile(r"\[([^\]]+)\]\((?!https?:)([^)\s]+)\)")
_PICTURE = re.compile(r"<picture>.*?</picture>\n*", re.DOTALL)
_FILE = re.compile(r'(src|srcset)="(?!https?:)([^"]+)"')
_PLACE = "The pages named here are in the directory `docs` of the source distribution.\n"


def description(readme: str, address: str | None) -> str:
    """The text for an index; `address` is that of the sources."""
    if address is None:
        told = _LINK.sub(r"\1", _PICTURE.sub("", readme))
        return f"{told}\n{_PLACE}" if told != readme else readme
    told = _LINK.sub(rf"[\1]({address}/blob/HEAD/\2)", readme)
    return _FILE.sub(rf'\1="{address}/raw/HEAD/\2"', told)


def write() -> None:
    """Write it, of the README of the current directory."""
    config = ConfigParser()
    config.read("setup.cfg")
    address = config.get("metadata", "url", fallback=None)
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(description(Path("README.md").read_text("utf-8"), address), "utf-8")
