"""The files that pages load: scripts, styles, pictures, each under a name made of its content.

A changed file has another name, so browsers may keep what they have for ever.
"""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath
from types import MappingProxyType

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_DIGITS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticFile:
    """One file as it is sent: plain, and compressed by gzip."""

    name: str
    content_type: str
    plain: bytes
    compressed: bytes


class StaticFiles:
    """All files of `static/`, read once: a few hundred kilobytes."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._files: dict[str, StaticFile] = {}
        self._read(files("scrapy_do.ui") / "static")

    def _read(self, directory: Traversable) -> None:
        for entry in directory.iterdir():
            path = PurePosixPath(entry.name)
            if entry.is_dir():
                self._read(entry)
            elif path.suffix in _TYPES:
                plain = entry.read_bytes()
                digest = hashlib.sha256(plain).hexdigest()[:_DIGITS]
                name = f"{path.stem}.{digest}{path.suffix}"
                self._names[entry.name] = name
                self._files[name] = StaticFile(
                    name=name,
                    content_type=_TYPES[path.suffix],
                    plain=plain,
                    compressed=gzip.compress(plain, 9, mtime=0),
                )

    @property
    def names(self) -> Mapping[str, str]:
        """The name under which each file is served, by the name that it has here."""
        return MappingProxyType(self._names)

    def get(self, name: str) -> StaticFile | None:
        """The file that is served under a name."""
        return self._files.get(name)
