"""The settings that name code are all that the installed Scrapy loads as objects."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import scrapy
from scrapy.settings import BaseSettings, default_settings

from scrapy_do.core.crawl_settings import LOADED

DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
LOADING = re.compile(
    r"(?:load_object|import_module|get_component_priority_dict_with_base|getwithbase"
    r"|build_component_list|_load_policy_class|_load_components|install_reactor)"
    r'\([^()]*?(?:\([^()]*?)?"([A-Z][A-Z_]+)"'
)


def _names_code(value: object) -> bool:
    match value:
        case str():
            return DOTTED.fullmatch(value) is not None
        case Mapping() | BaseSettings():
            return any(_names_code(key) or _names_code(value[key]) for key in value)
        case list() | tuple():
            return any(map(_names_code, value))
        case _:
            return isinstance(value, type)


def _loaded_in_source() -> Iterator[str]:
    for path in Path(scrapy.__file__).parent.rglob("*.py"):
        yield from LOADING.findall(path.read_text(encoding="utf-8"))


def test_defaults_that_are_objects() -> None:
    """Every setting whose default names an object, in any place, is among them."""
    defaults = {name: value for name, value in vars(default_settings).items() if name.isupper()}
    found = {name for name, value in defaults.items() if _names_code(value)}

    assert len(found) > 20
    assert found <= LOADED


def test_settings_that_the_source_loads() -> None:
    """So is every setting that Scrapy's source gives to what loads objects."""
    found = set(_loaded_in_source())

    assert {"DOWNLOAD_HANDLERS", "HTTPCACHE_DBM_MODULE", "EXTENSIONS", "SCHEDULER"} <= found
    assert found <= LOADED
