"""The demo's site: what it holds, and how it misbehaves on purpose."""

import re
from collections.abc import Iterator
from http import HTTPStatus
from http.client import HTTPConnection

import pytest

from scrapy_do.demo.site import BOOKS, QUOTES, DemoSite, page_at


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


@pytest.mark.parametrize(
    "path",
    ["/quotes/page/0/", "/quotes/page/11/", "/books/41/", "/books/page/x/", "/private/", "/x"],
)
def test_other_paths_are_not_found(path: str) -> None:
    """There is nothing beyond the pages."""
    assert page_at(path).status == HTTPStatus.NOT_FOUND


@pytest.mark.live
def test_one_book_fails_once_for_each_visitor() -> None:
    """The site answers over one connection; its flaky page heals at the second request."""
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
    ]
