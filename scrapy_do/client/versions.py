"""Whether the libraries that a daemon cannot do without are new enough."""

import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

OLDEST = {"scrapy": (2, 14, 2), "twisted": (24, 7)}
"""As in setup.cfg: somebody may have changed them since we were installed."""


def too_old() -> Iterator[tuple[str, str]]:
    """Which of them cannot be used, and why."""
    for name, oldest in OLDEST.items():
        wanted = ".".join(map(str, oldest))
        try:
            found = version(name)
        except PackageNotFoundError:
            yield name, f"is not installed here; {wanted} or later is needed"
            continue
        if tuple(map(int, re.findall(r"\d+", found)[: len(oldest)])) < oldest:
            yield name, f"{found} is older than {wanted}"
