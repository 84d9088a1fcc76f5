"""One name, one thing: what is public in two rooms at once has two meanings to a reader."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "scrapy_do"

PROGRAMS = {"client", "crawl", "demo"}
"""Programs of their own: what they define is read beside nothing of the daemon."""

TWICE: dict[str, str] = {}
"""Names that two rooms define, and why that misleads nobody."""


def _public(path: Path) -> Iterator[str]:
    """Yield the classes and functions that a module defines for others."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                yield name
            case ast.AsyncFunctionDef(name=name):
                yield name


def _homes() -> dict[str, set[str]]:
    """Give the rooms of each name, but for migrations, which are never read beside others."""
    homes: dict[str, set[str]] = defaultdict(set)
    for path in PACKAGE.rglob("*.py"):
        inside = path.relative_to(PACKAGE).with_suffix("").parts
        if inside[0] not in PROGRAMS and "migrations" not in inside:
            for name in _public(path):
                if not name.startswith("_"):
                    homes[name].add(inside[0])
    return homes


def test_no_public_name_means_two_things() -> None:
    """A class or function is called as nothing is in any other room."""
    homes = _homes()
    assert {name for name, rooms in homes.items() if len(rooms) > 1} == set(TWICE)
