"""The routes of the dialects, each with what it is for and a command for this host."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scrapy_do.ui.addresses import curl
from scrapy_do.ui.render import PageView
from scrapy_do.web.router import Dialect, Route

_HIDDEN_METHODS = frozenset({"OPTIONS", "HEAD"})
_SUMMARY = re.compile(r"\s+")


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteRow:
    """One route in words; `command` asks it of this server."""

    method: str
    pattern: str
    role: str
    what: str
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DialectRows:
    """The routes of one dialect."""

    name: str
    rows: Sequence[RouteRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """What the page shows."""

    dialects: Sequence[DialectRows]


def api(dialects: Iterable[Dialect], *, base: str, user: str) -> PageView:
    """Gather the page."""
    shown = [
        DialectRows(
            name=f"Scrapy Cloud: {dialect.prefix}" if dialect.prefix else "Scrapy Do",
            rows=[
                _row(route, base, user)
                for route in dialect.router.routes()
                if route.method not in _HIDDEN_METHODS
            ],
        )
        for dialect in dialects
        if dialect.prefix != "/ui"
    ]
    return PageView(template="api.html", title="API", view=Api(dialects=shown))


def _row(route: Route, base: str, user: str) -> RouteRow:
    path = re.sub(r"<(?:\w+:)?(\w+)>", lambda found: found[1].upper(), route.pattern)
    command = curl(base, user, path)
    if route.method != "GET":
        command = command.replace("curl -sS", f"curl -sS -X {route.method}", 1)
    return RouteRow(
        method=route.method,
        pattern=route.pattern,
        role=route.role.name.lower(),
        what=_sentence(route.handler.__doc__),
        command=command,
    )


def _sentence(doc: str | None) -> str:
    """The first sentence of a docstring, on one line."""
    text = _SUMMARY.sub(" ", (doc or "").strip())
    return text.partition(". ")[0].rstrip(".")
