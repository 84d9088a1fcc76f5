"""Daemons for the tests of faults, each on a copy of one prepared data directory."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.faults.life import Life

SWEEP = os.environ.get("FAULTS") == "sweep"
"""Whether everything runs, not only the sample."""


@pytest.fixture(scope="session")
def pushed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with the project of `tests/projects/marking`, as a stop has left it."""
    life = Life(tmp_path_factory.mktemp("pushed"))
    life.prepare().stop()
    return life.data


class Lives:
    """Makes daemons on copies of the prepared directory, and ends what is left of them."""

    def __init__(self, root: Path, pushed: Path) -> None:
        self._root = root
        self._pushed = pushed
        self._made: list[Life] = []

    def __call__(self, *wrapper: str, **options: Any) -> Life:
        """Return a running daemon; options of the configuration by SECTION_OPTION.

        `wrapper` is a command that runs the daemon in its own place.
        """
        return self.made(*wrapper, **options).inherit(self._pushed)

    def made(
        self, *wrapper: str, environment: Mapping[str, str] | None = None, **options: Any
    ) -> Life:
        """Return a daemon that does not run yet, and has no data directory."""
        named = {f"SCRAPY_DO_{name.upper()}": str(value) for name, value in options.items()}
        named |= environment or {}
        life = Life(self._root / f"life-{len(self._made)}", named, wrapper=wrapper)
        self._made.append(life)
        return life

    def inherit(self, life: Life) -> Life:
        """Start a daemon on a copy of the prepared directory."""
        return life.inherit(self._pushed)

    def end(self) -> None:
        for life in self._made:
            life.end()


@pytest.fixture
def lives(tmp_path: Path, pushed: Path) -> Iterator[Lives]:
    made = Lives(tmp_path, pushed)
    yield made
    made.end()
