"""What is done once in a warm parent so that no crawl has to do it again.

What may be done here and what may not: Note [What must not be imported before a fork] in
`warm_parent`. Nothing here changes what a crawl does or sees, only how long it takes.
"""

import contextlib
import copy
import importlib
import platform
import sys
from collections.abc import Iterator
from functools import cache
from typing import Any

from scrapy.settings import Settings, SettingsAttribute, default_settings
from scrapy.utils import versions
from twisted.internet.ssl import AcceptableCiphers, CertificateOptions

_MODULES = (
    "scrapy_do.crawl.runner",
    "scrapy.http",
    "scrapy.linkextractors",
    "scrapy.loader",
    "scrapy.spiders",
    "twisted.internet.asyncioreactor",
)
"""What crawls import besides the components that Scrapy's default settings name."""

_PLAIN = frozenset({str, int, float, bool, type(None)})


def warm_up() -> None:
    """Do what every crawl with Scrapy's default settings does until its spider opens.

    Raises:
        RuntimeError: a component of Scrapy imports the reactor, which no fork may share.
    """
    _import_components()
    _remember_versions()
    _copy_settings_quickly()
    _rehearse()
    if "twisted.internet.reactor" in sys.modules:
        raise RuntimeError("a component of Scrapy imports the reactor")


def _import_components() -> None:
    for name in _MODULES:
        importlib.import_module(name)
    for name in sorted(set(_component_modules(vars(default_settings)))):
        # A component may need a library that is not there; a crawl says so if it matters.
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def _component_modules(value: object) -> Iterator[str]:
    """Yield the modules of all components that a value of the settings names."""
    match value:
        case str():
            if value.startswith("scrapy.") and value.isascii() and " " not in value:
                yield value.rpartition(".")[0]
        case dict():
            for name, component in value.items():
                yield from _component_modules(name)
                yield from _component_modules(component)


def _remember_versions() -> None:
    """Find out once what every crawl logs: it takes a process, and a file to parse per package.

    What is installed does not change under a running interpreter.
    """
    platform.platform()
    versions.version = cache(versions.version)  # type: ignore[attr-defined] # from importlib
    versions.get_versions(list(default_settings.LOG_VERSIONS))


def _copy_settings_quickly() -> None:
    """Teach `deepcopy` about settings; a crawl copies all of them twice before it starts.

    The copies are the same. It knows no short cut for an object with a plain value, of
    which there are some three hundred: it was an eighth of the time until a spider opens.
    """
    if not hasattr(SettingsAttribute, "__deepcopy__"):
        SettingsAttribute.__deepcopy__ = _copy_of_setting  # type: ignore[attr-defined]


def _copy_of_setting(setting: SettingsAttribute, memo: dict[int, Any]) -> SettingsAttribute:
    new = object.__new__(type(setting))
    memo[id(setting)] = new
    for name, value in vars(setting).items():
        vars(new)[name] = value if type(value) in _PLAIN else copy.deepcopy(value, memo)
    return new


def _rehearse() -> None:
    """Go once through what is slow the first time: the list of ciphers, checks for settings."""
    ciphers = AcceptableCiphers.fromOpenSSLCipherString("DEFAULT")  # type: ignore[no-untyped-call]
    CertificateOptions(acceptableCiphers=ciphers).getContext()
    Settings().frozencopy()
