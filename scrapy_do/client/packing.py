"""A project as an archive: its directory, without what belongs to the developer's machine."""

import shlex
import subprocess
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from scrapy_do.client.errors import Exit, UserError
from scrapy_do.client.settings import deploy_sections, find_project_file, settings_package

_IGNORED_DIRECTORIES = frozenset(
    {
        *(".git", ".hg", ".svn", ".venv", "venv", ".tox", ".nox", "__pycache__", "node_modules"),
        *(".mypy_cache", ".pytest_cache", ".ruff_cache", ".scrapy", ".idea", ".vscode", ".eggs"),
    }
)
_IGNORED_ENDS = (".pyc", ".pyo", ".swp", "~", ".egg-info")
_IGNORED_NAMES = frozenset({".DS_Store", ".coverage"})
_BUILT = frozenset({"build", "dist"})
"""Ignored beside a `setup.py`, which makes them."""

_GIT_LIMIT_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A project's directory: what it is called, and its files, relative to it."""

    root: Path
    project: str | None
    files: Sequence[Path]

    def write(self, target: Path) -> None:
        """Pack the files into a zip."""
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
            for file in self.files:
                archive.write(self.root / file, file)


def project_at(place: Path, project: str | None) -> Source:
    """The project that a directory belongs to.

    Raises:
        UserError: it belongs to none, or nobody says how it is called.
    """
    if not place.is_dir():
        raise UserError(
            f"{place}: no such directory or archive", try_="scrapy-do push --help", code=Exit.USAGE
        )
    found = find_project_file(place.absolute())
    if found is None:
        raise UserError(
            f"no scrapy.cfg in {place.absolute()} or above it: this is no Scrapy project",
            try_="scrapy-do push PATH",
            code=Exit.USAGE,
        )
    deploy = deploy_sections(found)
    name = project or next((said for one in deploy.values() if (said := one.get("project"))), None)
    if name is None:
        package = settings_package(found) or "NAME"
        raise UserError(
            f"{found} has no [deploy] project, so nobody knows how the project is called",
            try_=shlex.join(
                ["scrapy-do", "push", *([] if place == Path() else [str(place)]), "-p", package]
            ),
            code=Exit.USAGE,
        )
    globs = deploy.get("", {}).get("glob", "").split()
    files = _globbed(found.parent, globs) if globs else _all_files(found.parent)
    return Source(root=found.parent, project=name, files=sorted({Path("scrapy.cfg"), *files}))


def _globbed(root: Path, globs: Iterable[str]) -> Iterator[Path]:
    for pattern in globs:
        for path in root.glob(pattern):
            if path.is_file() and not _is_ignored(root, path.relative_to(root)):
                yield path.relative_to(root)


def _all_files(root: Path) -> Sequence[Path]:
    """What git would keep, where there is git, else every file that is not ignored."""
    listed = _listed_by_git(root)
    if not any(path.suffix == ".py" for path in listed):
        listed = [path.relative_to(root) for path in _walk(root, root)]
    return [path for path in listed if not _is_ignored(root, path) and (root / path).is_file()]


def _walk(root: Path, directory: Path) -> Iterator[Path]:
    for path in sorted(directory.iterdir()):
        if _is_ignored(root, path.relative_to(root)):
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _walk(root, path)
        else:
            yield path


def _is_ignored(root: Path, path: Path) -> bool:
    built = _BUILT if (root / "setup.py").exists() else frozenset()
    return (
        path.name in _IGNORED_NAMES
        or any(part in _IGNORED_DIRECTORIES or part.endswith(_IGNORED_ENDS) for part in path.parts)
        or path.parts[0] in built
        or (root / path.parts[0] / "pyvenv.cfg").exists()
    )


def _listed_by_git(root: Path) -> Sequence[Path]:
    words = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    said = _said_by_git(words)
    return [Path(name) for name in said.split("\0") if name]


def version_by_git(root: Path) -> str:
    """What git calls the state of a directory.

    Raises:
        UserError: it does not.
    """
    said = _said_by_git(["git", "-C", str(root), "describe", "--tags", "--always", "--dirty"])
    label = "".join(
        letter if letter.isalnum() or letter in "._-" else "-" for letter in said.strip()
    )
    if not label:
        raise UserError(
            f"git knows no version of {root}", try_="scrapy-do push --version 1", code=Exit.USAGE
        )
    return label[:100]


def _said_by_git(words: Sequence[str]) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - words of ours
            words,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=_GIT_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
