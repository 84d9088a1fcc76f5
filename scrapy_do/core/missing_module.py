"""Which module a project could not import, and what to install for it."""

import re
from collections.abc import Mapping
from types import MappingProxyType

_MISSING = re.compile(
    r"^ModuleNotFoundError: No module named '([A-Za-z0-9_.]{1,200})'", re.MULTILINE
)

_DISTRIBUTIONS: Mapping[str, str] = MappingProxyType(
    {
        "attr": "attrs",
        "bs4": "beautifulsoup4",
        "cv2": "opencv-python-headless",
        "dateutil": "python-dateutil",
        "dotenv": "python-dotenv",
        "fitz": "pymupdf",
        "itemloaders": "itemloaders",
        "jwt": "pyjwt",
        "magic": "python-magic",
        "MySQLdb": "mysqlclient",
        "PIL": "pillow",
        "psycopg2": "psycopg2-binary",
        "scrapy_splash": "scrapy-splash",
        "scrapy_playwright": "scrapy-playwright",
        "serial": "pyserial",
        "sklearn": "scikit-learn",
        "slugify": "python-slugify",
        "yaml": "pyyaml",
    }
)
"""Packages that are not called as their module is. Other names differ in `_` and `-` at most."""


def missing_module(traceback: str) -> str | None:
    """The module whose absence ended a traceback; the last one counts."""
    found = _MISSING.findall(traceback)
    return found[-1] if found else None


def package_of(module: str) -> str:
    """What pip is to install for a module: the usual name, which may be wrong."""
    top = module.partition(".")[0]
    return _DISTRIBUTIONS.get(top, top.replace("_", "-"))
