"""What is done once in a warm parent so that no crawl has to do it again.

What may be done here and what may not: Note [What must not be imported before a fork] in
`warm_parent`. Nothing here changes what a crawl does or sees, only how long it takes.
"""

import contextlib
import copy
import importlib
import inspect
import logging
import platform
import sys
from collections.abc import Awaitable, Coroutine, Iterator, Mapping, Sequence
from functools import cache
from numbers import Real
from types import FunctionType, ModuleType
from typing import Any

from scrapy.settings import BaseSettings, Settings, SettingsAttribute, default_settings
from scrapy.utils import versions
from twisted.internet.defer import Deferred
from twisted.internet.ssl import AcceptableCiphers, CertificateOptions

from scrapy_do.crawl.project import read_ahead
from scrapy_do.protocol.run_record import boot_id

_MODULES = (
    "scrapy_do.crawl.runner",
    "scrapy.http",
    "scrapy.linkextractors",
    "scrapy.loader",
    "scrapy.spiders",
    "twisted.internet.asyncioreactor",
)
"""What crawls import besides the components that Scrapy's default settings name."""

_ASKED = (Mapping, Sequence, Real, Coroutine, Awaitable, Deferred)
_VALUES: Sequence[object] = (
    "",
    b"",
    0,
    0.0,
    False,
    None,
    (),
    [],
    {},
    set(),
    object,
    BaseSettings(),
)
"""Some of the many questions that a crawl asks of abstract classes."""

_PLAIN = frozenset({str, int, float, bool, type(None)})


def warm_up() -> None:
    """Do what every crawl with Scrapy's default settings does until its spider opens.

    Raises:
        RuntimeError: a component of Scrapy imports the reactor, which no fork may share.
    """
    _import_components()
    _remember_versions()
    _copy_settings_quickly()
    _leave_levels_alone()
    _remember_signatures()
    _rehearse()
    if "twisted.internet.reactor" in sys.modules:
        raise RuntimeError("a component of Scrapy imports the reactor")


def _import_components() -> None:
    for name in _MODULES:
        importlib.import_module(name)
    for name in _modules_of_components():
        # A component may need a library that is not there; a crawl says so if it matters.
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def _modules_of_components() -> list[str]:
    return sorted(set(_component_modules(vars(default_settings))))


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
    which there are some three hundred, each in an attribute of its own.
    """
    for kind, quickly in ((SettingsAttribute, _copy_of_setting), (BaseSettings, _copy_of_settings)):
        if not hasattr(kind, "__deepcopy__"):
            kind.__deepcopy__ = quickly  # type: ignore[union-attr]


def _copy_of_settings(settings: BaseSettings, memo: dict[int, Any]) -> BaseSettings:
    new = object.__new__(type(settings))
    memo[id(settings)] = new
    vars(new).update(
        (name, _copy_of_attributes(value, memo) if name == "attributes" else _copy(value, memo))
        for name, value in vars(settings).items()
    )
    return new


def _copy_of_attributes(
    attributes: dict[str, SettingsAttribute], memo: dict[int, Any]
) -> dict[str, SettingsAttribute]:
    new: dict[str, SettingsAttribute] = {}
    memo[id(attributes)] = new
    for name, setting in attributes.items():
        quick = type(setting) is SettingsAttribute and id(setting) not in memo
        new[_copy(name, memo)] = (
            _copy_of_setting(setting, memo) if quick else copy.deepcopy(setting, memo)
        )
    return new


def _copy_of_setting(setting: SettingsAttribute, memo: dict[int, Any]) -> SettingsAttribute:
    new = object.__new__(type(setting))
    memo[id(setting)] = new
    state = vars(new)
    for name, value in vars(setting).items():
        state[name] = value if type(value) in _PLAIN else copy.deepcopy(value, memo)
    return new


def _copy(value: Any, memo: dict[int, Any]) -> Any:  # noqa: ANN401 - a setting is anything
    return value if type(value) in _PLAIN else copy.deepcopy(value, memo)


def _leave_levels_alone() -> None:
    """Let a logger without a level that is to have none be left as it is.

    Each change of a level makes all loggers forget what they have found out, and when Scrapy
    sets up its log it "changes" the levels of fifty loggers from none to none.
    """
    set_level = logging.Logger.setLevel

    def set_level_if_other(asked: logging.Logger, level: int | str) -> None:
        if level != logging.NOTSET or asked.level != logging.NOTSET:
            set_level(asked, level)

    logging.Logger.setLevel = set_level_if_other  # type: ignore[method-assign, assignment]


def _remember_signatures() -> None:
    """Find out once what the methods of components take; Scrapy asks in each crawl."""
    for name in _modules_of_components():
        for kind in _classes_of(sys.modules.get(name)):
            for method in vars(kind).values():
                if isinstance(method, FunctionType):
                    method.__signature__ = inspect.signature(method)  # type: ignore[attr-defined]


def _classes_of(module: ModuleType | None) -> Iterator[type]:
    """Yield the classes that a module has defined, and those of Scrapy that they are made of."""
    for one in () if module is None else tuple(vars(module).values()):
        if isinstance(one, type):
            yield from (kind for kind in one.__mro__ if kind.__module__.startswith("scrapy."))


def _rehearse() -> None:
    """Go once through what is slow the first time: the list of ciphers, settings, questions.

    An abstract class remembers what is one of its kind and what is not; to find out, it asks
    all its subclasses.
    """
    ciphers = AcceptableCiphers.fromOpenSSLCipherString("DEFAULT")  # type: ignore[no-untyped-call]
    CertificateOptions(acceptableCiphers=ciphers).getContext()
    boot_id()
    read_ahead()
    Settings().frozencopy()
    for kind in _ASKED:
        for value in _VALUES:
            isinstance(value, kind)
