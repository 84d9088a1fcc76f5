"""The demo's site: what it holds, and how it misbehaves on purpose."""

import re
import socket
import struct
from collections.abc import Iterator
from http import HTTPStatus
from http.client import HTTPConnection

import pytest

from scrapy_do.demo import site as site_module
from scrapy_do.demo.site import BOOKS, OFFERS_FOUND, QUOTES, DemoSite, page_at


def _follow(start: str) -> Iterator[str]:
    """Yield the bodies of a page and of those that follow it."""
    path: str | None = start
    while path is not None:
        page = page_at(path)
        assert page.status == HTTPStatus.OK
        yield page.body
        found = re.search(r'class="next"><a href="([^"]+)"', page.body)
        path = found and found[1]


def test_the_quotes() -> None:
    """All quotes are there, page by page, and no two are alike."""
    bodies = list(_follow("/quotes/page/1/"))
    quotes = re.findall(r'class="text">([^<]+)<', "".join(bodies))
    assert (len(bodies), len(quotes), len(set(quotes))) == (10, QUOTES, QUOTES)


def test_the_books() -> None:
    """The shelves lead to every book, to one that is gone, and to one that is forbidden."""
    links = re.findall(r'class="book"><a href="([^"]+)"', "".join(_follow("/books/page/1/")))
    assert set(links) == {
        *(f"/books/{number}/" for number in range(1, BOOKS + 1)),
        "/books/out-of-print/",
        "/private/orders/",
    }
    titles = {re.findall("<h1>(.+)</h1>", page_at(link).body)[0] for link in links[:8]}
    assert len(titles) == 8
    assert page_at("/books/out-of-print/").status == HTTPStatus.NOT_FOUND
    assert page_at("/books/").location == "/books/page/1/"


def test_the_offers() -> None:
    """Of twelve offers three are broken and one has no price: eight can be read."""
    links = re.findall(r'class="offer" href="([^"]+)"', page_at("/offers/").body)
    pages = [page_at(link) for link in links]
    broken = [page for page in pages if page.status == HTTPStatus.INTERNAL_SERVER_ERROR]
    priced = [page for page in pages if 'class="price"' in page.body]
    assert (len(pages), len(broken), len(priced)) == (12, 3, OFFERS_FOUND)


def test_the_days_have_no_end() -> None:
    """Each day leads on to the next."""
    assert 'href="/days/2/"' in page_at("/days/1/").body
    assert 'href="/days/5001/"' in page_at("/days/5000/").body


def test_there_are_about_sixty_pages() -> None:
    """Those that lead somewhere: quotes, shelves, books, offers."""
    paths = [f"/quotes/page/{n}/" for n in range(1, 99)]
    paths += [f"/books/{part}{n}/" for part in ("", "page/") for n in range(1, 99)]
    paths += ["/", "/offers/", *(f"/offers/{n}/" for n in range(1, 99))]
    assert 60 <= sum(page_at(path).status == HTTPStatus.OK for path in paths) <= 70


@pytest.mark.parametrize(
    "path",
    [
        "/quotes/page/0/",
        "/quotes/page/11/",
        "/books/41/",
        "/books/page/x/",
        "/private/",
        "/x",
        "/offers/13/",
        "/days/0/",
    ],
)
def test_other_paths_are_not_found(path: str) -> None:
    """There is nothing beyond the pages."""
    assert page_at(path).status == HTTPStatus.NOT_FOUND


@pytest.mark.live
def test_some_pages_fail_once_for_each_visitor() -> None:
    """The site answers over one connection; its flaky pages heal at the second request."""
    with DemoSite() as site:
        connection = HTTPConnection(site.url.removeprefix("http://"), timeout=10)
        answers = []
        for path in (
            "/robots.txt",
            "/books/",
            "/books/13/?visitor=a",
            "/books/13/?visitor=a",
            "/books/13/?visitor=b",
            "/books/12/",
            "/offers/2/?visitor=a",
            "/offers/2/?visitor=a",
        ):
            connection.request("GET", path)
            response = connection.getresponse()
            response.read()
            answers.append((path, response.status, response.getheader("Location")))
        connection.close()
    assert answers == [
        ("/robots.txt", 200, None),
        ("/books/", 301, "/books/page/1/"),
        ("/books/13/?visitor=a", 500, None),
        ("/books/13/?visitor=a", 200, None),
        ("/books/13/?visitor=b", 500, None),
        ("/books/12/", 200, None),
        ("/offers/2/?visitor=a", 500, None),
        ("/offers/2/?visitor=a", 200, None),
    ]


@pytest.mark.live
def test_who_leaves_before_the_answer_is_no_trouble(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crawl that is stopped while the site is slow leaves nothing on the terminal."""
    monkeypatch.setattr(site_module, "_SLOWNESS_S", 0.1)
    reset = struct.pack("ii", 1, 0)  # close at once, whatever is under way
    with DemoSite() as site:
        host, port = site.url.removeprefix("http://").split(":")
        for _ in range(5):
            with socket.create_connection((host, int(port))) as client:
                client.sendall(b"GET /days/1/ HTTP/1.1\r\nHost: x\r\n\r\n")
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        connection = HTTPConnection(host, int(port), timeout=10)
        for _ in range(2):  # the answers of all others are over by then
            connection.request("GET", "/days/1/")
            connection.getresponse().read()
        connection.close()
    assert capfd.readouterr().err == ""
