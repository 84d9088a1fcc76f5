"""Which spiders a project has, and what its author should know about them.

Runs in the throw-away process of a listing, after the project's settings were read.
"""

import importlib
import sys
import traceback
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import scrapy
from scrapy.settings import BaseSettings, Settings
from scrapy.spiderloader import get_spider_loader
from scrapy.spiders import Spider
from scrapy.utils import misc
from scrapy.utils.spider import iter_spider_classes

from scrapy_do.protocol.wire import spider_name_problem

_SHOWN_NAMES = 10
_SHOWN_CHARACTERS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Spiders:
    """The names that can be run, sorted, and warnings: sentences without a final full stop."""

    names: tuple[str, ...]
    warnings: tuple[str, ...]


def find_spiders(settings: Settings) -> Spiders:
    """Import the project's spiders. Whatever the import raises is let out."""
    loader: Any = get_spider_loader(settings)
    listed = list(loader.list())
    # A name may be a member of an enumeration: its own text is what it is loaded by.
    names = sorted({str.__str__(name) for name in listed if spider_name_problem(name) is None})
    classes, not_loaded = _load(loader, names)
    warnings = [
        *_unusable(listed),
        *not_loaded,
        *_not_imported(settings),
        *_twins(settings, classes),
        *_never_begun(classes),
    ]
    if not listed:
        modules = ", ".join(map(str, settings.getlist("SPIDER_MODULES"))) or "nothing"
        warnings.append(f"The project has no spiders: SPIDER_MODULES names {modules}")
    return Spiders(names=tuple(classes), warnings=tuple(warnings))


def ignores_start_requests(spider_class: type[Spider]) -> bool:
    """Whether a spider was written for a Scrapy that still called `start_requests()`."""
    return (
        hasattr(spider_class, "start_requests")
        and not hasattr(Spider, "start_requests")
        and getattr(spider_class, "start", None) is Spider.start
    )


def start_requests_warning(spider_class: type[Spider]) -> str:
    """Say what becomes of such a spider."""
    urls = getattr(spider_class, "start_urls", None)
    left = "only start_urls are requested" if urls else "nothing is requested"
    return (
        "defines start_requests() but not start(): "
        f"Scrapy {scrapy.__version__} never calls start_requests(), {left}"
    )


def _load(
    loader: Any,  # noqa: ANN401 - the project's
    names: Sequence[str],
) -> tuple[dict[str, type[Spider]], list[str]]:
    """Load the spiders as a crawl will; say which of them a loader of the project's has lost."""
    classes: dict[str, type[Spider]] = {}
    problems = []
    for name in names:
        try:
            classes[name] = loader.load(name)
        except Exception as error:  # noqa: BLE001 - a project may raise anything
            problems.append(f"Spider {_shown(name)} cannot be run: {type(error).__name__}: {error}")
    return classes, problems


def _unusable(listed: Sequence[object]) -> Iterator[str]:
    for name in listed:
        problem = spider_name_problem(name)
        if problem is not None:
            yield f"Spider {_shown(name)} cannot be run: {problem}"


def _not_imported(settings: BaseSettings) -> Iterator[str]:
    """Import once more what `SPIDER_LOADER_WARN_ONLY` has passed over, to see what it was."""
    if not settings.getbool("SPIDER_LOADER_WARN_ONLY"):
        return
    walk = getattr(misc, "walk_modules_iter", None) or misc.walk_modules
    for module in settings.getlist("SPIDER_MODULES"):
        try:
            list(walk(module))
        except (ImportError, SyntaxError) as error:
            yield (
                f"Spiders of {module} are missing: "
                f"{type(error).__name__}: {error}{_place(error, module)}"
            )


def _place(error: BaseException, module: str) -> str:
    """Where in the package of a module an error was raised."""
    top = module.partition(".")[0]
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        parts = Path(frame.filename).parts
        if top in parts:
            path = "/".join(parts[parts.index(top) :])
            return f" ({path}, line {frame.lineno})"
    return ""


def _twins(settings: BaseSettings, loaded: Mapping[str, type[Spider]]) -> Iterator[str]:
    """Find names that several spiders have: Scrapy runs the one that it loaded last."""
    found: dict[str, list[type[Spider]]] = defaultdict(list)
    for module in _spider_modules(settings):
        for spider_class in iter_spider_classes(importlib.import_module(module)):
            found[spider_class.name].append(spider_class)
    for name, classes in found.items():
        if len(classes) > 1 and name in loaded:
            named = ", ".join(sorted(map(_path, classes)))
            yield (
                f"{len(classes)} spiders are named {_shown(name)}: {named}; "
                f"{_path(loaded[name])} is run"
            )


def _spider_modules(settings: BaseSettings) -> list[str]:
    """The modules of spiders that were imported."""
    packages = settings.getlist("SPIDER_MODULES")
    return [
        name
        for name in sorted(sys.modules)
        if any(name == package or name.startswith(f"{package}.") for package in packages)
    ]


def _path(spider_class: type) -> str:
    return f"{spider_class.__module__}.{spider_class.__qualname__}"


def _never_begun(loaded: Mapping[str, type[Spider]]) -> Iterator[str]:
    """Find spiders that this Scrapy does not begin as they expect."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, spider_class in loaded.items():
        if ignores_start_requests(spider_class):
            found[start_requests_warning(spider_class)].append(name)
    for warning, spiders in found.items():
        named = ", ".join(map(_shown, spiders[:_SHOWN_NAMES]))
        more = f" and {len(spiders) - _SHOWN_NAMES} more" if len(spiders) > _SHOWN_NAMES else ""
        yield f"Spider {named}{more} {warning}"


def _shown(name: object) -> str:
    """A name for a message: quoted, what cannot be printed escaped, cut."""
    text = repr(name)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."
