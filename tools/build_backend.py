"""Builds wheel and sdist with setuptools so that the same sources give the same bytes.

Source: PEP 517 (what a build backend is), reproducible-builds.org (SOURCE_DATE_EPOCH). A wheel's
files get their time from that variable by themselves; an sdist is written again, in order, with
that time and without the names of users.
"""

import functools
import gzip
import io
import os
import subprocess
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from setuptools import build_meta

from tools import description

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

_VARIABLE = "SOURCE_DATE_EPOCH"
_IN_SDIST = Path("PKG-INFO")

Settings = Mapping[str, Any] | None


def _described(hook: Callable[..., Any]) -> Callable[..., Any]:
    """A hook of setuptools that finds the description which setup.cfg names."""

    @functools.wraps(hook)
    def described(*given: Any, **named: Any) -> Any:  # noqa: ANN401 - the hooks' own
        description.write()
        return hook(*given, **named)

    return described


build_editable = _described(build_meta.build_editable)
get_requires_for_build_editable = _described(build_meta.get_requires_for_build_editable)
get_requires_for_build_sdist = _described(build_meta.get_requires_for_build_sdist)
get_requires_for_build_wheel = _described(build_meta.get_requires_for_build_wheel)
prepare_metadata_for_build_editable = _described(build_meta.prepare_metadata_for_build_editable)
prepare_metadata_for_build_wheel = _described(build_meta.prepare_metadata_for_build_wheel)


def build_wheel(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    """Build a wheel; return its name."""
    os.environ.setdefault(_VARIABLE, str(_time_of_sources()))
    os.umask(0o022)
    description.write()
    name: str = build_meta.build_wheel(wheel_directory, config_settings, metadata_directory)
    return name


def build_sdist(sdist_directory: str, config_settings: Settings = None) -> str:
    """Build an sdist; return its name."""
    os.environ.setdefault(_VARIABLE, str(_time_of_sources()))
    os.umask(0o022)
    description.write()
    name: str = build_meta.build_sdist(sdist_directory, config_settings)
    _write_again(Path(sdist_directory, name), int(os.environ[_VARIABLE]))
    return name


def _time_of_sources() -> int:
    """The time of the last commit, or of the sdist that these sources came in."""
    if _IN_SDIST.exists():
        return int(_IN_SDIST.stat().st_mtime)
    words = ["git", "log", "-1", "--format=%ct"]
    try:
        said = subprocess.run(words, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return int(Path("setup.cfg").stat().st_mtime)
    return int(said.stdout)


def _write_again(sdist: Path, time: int) -> None:
    with tarfile.open(sdist) as made:
        files = [
            (one, made.extractfile(one).read() if one.isfile() else b"")  # type: ignore[union-attr] # of a file there is one
            for one in sorted(made.getmembers(), key=lambda member: member.name)
        ]
    with (
        sdist.open("wb") as target,
        gzip.GzipFile(filename="", mode="wb", fileobj=target, mtime=time) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for one, content in files:
            kept = tarfile.TarInfo(one.name)
            kept.type, kept.size, kept.mtime = one.type, len(content), time
            kept.mode = 0o755 if one.isdir() or one.mode & 0o100 else 0o644
            archive.addfile(kept, io.BytesIO(content))
