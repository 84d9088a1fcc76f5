"""A small site to crawl, made up from numbers: the same pages each time, on loopback only.

It has what crawlers meet: pages that lead on, a redirect, a dead link, pages that fail the first
time or always, one that lacks what is looked for, slow ones without an end, and one that
`robots.txt` forbids.
"""

import sys
import threading
import time
from collections import deque
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

QUOTES = 100
BOOKS = 40
QUOTES_PER_PAGE = 10
BOOKS_PER_PAGE = 8
OFFERS = 12
OFFERS_FOUND = 8
"""So many offers can be read: three fail whenever they are asked for, one has no price."""

_FLAKY = frozenset({"books/13", "offers/2", "offers/5", "offers/11"})
"""Pages that fail once for each visitor."""

_BROKEN_OFFERS = frozenset({4, 7, 10})
_FREE_OFFER = 9
_SLOWNESS_S = 1.0
_LAST_DAY = 1_000_000
_MOONS = ("new", "waxing", "full", "waning")
_GOOD = (
    *("patience", "courage", "kindness", "candour", "care"),
    *("order", "trust", "play", "silence", "practice"),
)
_BAD = ("haste", "fear", "pride", "doubt", "noise", "luck", "envy", "sloth", "anger", "habit")
_SPEAKERS = ("the oak", "the owl", "the river", "the stone", "the bee", "the moon", "the fox")
_TAGS = ("time", "work", "heart", "mind", "road")
_FORMS = ("A short history of", "Notes on", "The craft of", "A field guide to", "Songs about")
_THINGS = ("bridges", "bread", "clouds", "clocks", "maps", "moss", "paper", "tides")
_REMEMBERED_VISITS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What the site answers."""

    status: HTTPStatus = HTTPStatus.OK
    body: str = ""
    location: str | None = None
    content_type: str = "text/html; charset=utf-8"


_FIXED = {
    "/robots.txt": Page(
        body="User-agent: *\nDisallow: /private/\n", content_type="text/plain; charset=utf-8"
    ),
    "/books/": Page(status=HTTPStatus.MOVED_PERMANENTLY, location="/books/page/1/"),
}


def page_at(path: str) -> Page:
    """Return the page of a path, as it is when nothing fails."""
    if path in _FIXED:
        return _FIXED[path]
    match path.strip("/").split("/"):
        case [""]:
            names = ("quotes/page/1", "books", "offers", "days/1")
            body = " ".join(f'<a href="/{name}/">{name}</a>' for name in names)
        case ["quotes", "page", number] if _is_one_of(number, QUOTES // QUOTES_PER_PAGE):
            body = _quotes(int(number))
        case ["books", "page", number] if _is_one_of(number, BOOKS // BOOKS_PER_PAGE):
            body = _shelf(int(number))
        case ["books", number] if _is_one_of(number, BOOKS):
            body = _book(int(number))
        case ["offers"]:
            body = "".join(f'<a class="offer" href="/offers/{n}/">offer</a>' for n in _offers())
        case ["offers", number] if _is_one_of(number, OFFERS):
            return _offer(int(number))
        case ["days", number] if _is_one_of(number, _LAST_DAY):
            body = _day(int(number))
        case ["private", _]:
            body = "Nothing to see here."
        case _:
            return Page(status=HTTPStatus.NOT_FOUND, body="There is no such page.")
    return _page(body)


def _page(body: str) -> Page:
    return Page(body=f"<!doctype html><title>Demo site</title><main>{body}</main>")


def _is_one_of(number: str, last: int) -> bool:
    return number.isascii() and number.isdigit() and 1 <= int(number) <= last


def _quotes(page: int) -> str:
    first = (page - 1) * QUOTES_PER_PAGE
    quotes = "".join(_quote(number) for number in range(first, first + QUOTES_PER_PAGE))
    return quotes + _next("/quotes/page/", page, QUOTES // QUOTES_PER_PAGE)


def quote(number: int) -> dict[str, Any]:
    """What there is to find in a quote; they count from 0."""
    tens, ones = divmod(number, 10)
    return {
        "text": f"{_GOOD[tens].capitalize()} outlasts {_BAD[ones]}.",
        "author": _SPEAKERS[number % len(_SPEAKERS)],
        "tags": sorted({_TAGS[number % len(_TAGS)], _TAGS[tens % len(_TAGS)]}),
    }


def _quote(number: int) -> str:
    found = quote(number)
    links = "".join(f'<a class="tag">{tag}</a>' for tag in found["tags"])
    return (
        f'<div class="quote"><span class="text">{found["text"]}</span>'
        f'<small class="author">{found["author"]}</small><div class="tags">{links}</div></div>'
    )


def _shelf(page: int) -> str:
    first = (page - 1) * BOOKS_PER_PAGE + 1
    links = [f"/books/{number}/" for number in range(first, first + BOOKS_PER_PAGE)]
    if page == 1:
        links += ["/books/out-of-print/", "/private/orders/"]
    shelf = "".join(f'<article class="book"><a href="{link}">book</a></article>' for link in links)
    return shelf + _next("/books/page/", page, BOOKS // BOOKS_PER_PAGE)


def book(number: int) -> dict[str, Any]:
    """What there is to find on the page of a book; they count from 1."""
    form, thing = divmod(number - 1, len(_THINGS))
    return {
        "title": f"{_FORMS[form]} {_THINGS[thing]}",
        "price": (500 + number * 370 % 4_500) / 100,
        "stock": number % 7,
    }


def _book(number: int) -> str:
    found = book(number)
    return (
        f"<h1>{found['title']}</h1>"
        f'<p class="price">£{found["price"]:.2f}</p><p class="stock">{found["stock"]} in stock</p>'
    )


def _offers() -> range:
    return range(1, OFFERS + 1)


def offer(number: int) -> dict[str, Any]:
    """What there is to find on the page of an offer, were it whole; they count from 1."""
    return {"what": _THINGS[number % len(_THINGS)], "price": (900 + 130 * number) / 100}


def _offer(number: int) -> Page:
    if number in _BROKEN_OFFERS:
        return Page(status=HTTPStatus.INTERNAL_SERVER_ERROR, body="It is broken.")
    found = offer(number)
    price = "" if number == _FREE_OFFER else f'<p class="price">£{found["price"]:.2f}</p>'
    return _page(f"<h1>{found['what']}</h1>{price}")


def day(number: int) -> dict[str, Any]:
    """What there is to find on the page of a day; they count from 1."""
    return {"day": number, "moon": _MOONS[number // 7 % len(_MOONS)]}


def _day(number: int) -> str:
    return f"<h1>{number}</h1><p>{day(number)['moon']}</p>{_next('/days/', number, _LAST_DAY)}"


def _next(start: str, page: int, last: int) -> str:
    if page == last:
        return ""
    return f'<ul><li class="next"><a href="{start}{page + 1}/">Next</a></li></ul>'


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self._lock = threading.Lock()
        self._visits: deque[tuple[str, str]] = deque(maxlen=_REMEMBERED_VISITS)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - its signature
        """Tell of mistakes; a crawl that is stopped leaves answers unread, which is none."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def fails(self, path: str, visitor: str) -> bool:
        """Whether this page fails now: it does once for each visitor."""
        if path.strip("/") not in _FLAKY:
            return False
        visit = (path, visitor)
        with self._lock:
            first_visit = visit not in self._visits
            self._visits.append(visit)
        return first_visit


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        visitor = parse_qs(parts.query).get("visitor", [""])[0]
        page = page_at(parts.path)
        if parts.path.startswith("/days/"):
            time.sleep(_SLOWNESS_S)
        if self.server.fails(parts.path, visitor):
            page = Page(status=HTTPStatus.INTERNAL_SERVER_ERROR, body="Try again.")
        body = page.body.encode()
        self.send_response(page.status)
        self.send_header("Content-Type", page.content_type)
        self.send_header("Content-Length", str(len(body)))
        if page.location is not None:
            self.send_header("Location", page.location)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its signature
        """Stay quiet: the crawls' logs tell what was asked."""


class DemoSite:
    """The site on a free port of loopback, served by a thread while it is entered."""

    def __enter__(self) -> Self:
        self._server = _Server()
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """The address of the site, without a slash at its end."""
        return f"http://127.0.0.1:{self._server.server_port}"
