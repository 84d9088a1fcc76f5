"""The documentation as pages, without a browser."""

import re
from pathlib import Path

import pytest

from scrapy_do.ui.documents import chapters, document
from tests.ui.browsing import Pages
from tests.world import World

DOCS = Path(__file__).parent.parent.parent / "docs"
NAMES = sorted(
    path.relative_to(DOCS).with_suffix("").as_posix()
    for path in (*DOCS.glob("*.md"), *DOCS.glob("how-to/*.md"))
)


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    return Pages(World(tmp_path).start())


def test_the_footer_leads_to_the_documentation_and_the_licence(pages: Pages) -> None:
    """Both are there without a network."""
    page = pages.get("/ui/")
    assert '<a href="/ui/docs">Docs</a>' in page
    assert '<a href="/ui/docs/licence">Licence</a>' in page

    assert "BSD 3-Clause License" in pages.get("/ui/docs/licence")
    assert '<a href="/ui/docs/tutorial">Ten minutes with Scrapy Do</a>' in pages.get("/ui/docs")


def test_every_document_is_listed_once() -> None:
    """But for the index, which is the list."""
    listed = [name for chapter in chapters() for name, _ in chapter.documents]
    assert sorted(listed) == [name for name in NAMES if name != "index"]


@pytest.mark.parametrize("name", NAMES)
def test_links_of_documents_lead_to_documents(name: str) -> None:
    """Each link to another one is an address of ours, with an anchor that is there."""
    made = document(name)
    assert made is not None
    assert made.html.count("<h1") == 1
    assert "<!--" not in made.html
    assert "style=" not in made.html
    for address in re.findall(r'href="([^"]+)"', made.html):
        if address.startswith(("http://", "https://")):
            continue
        path, _, anchor = address.partition("#")
        other = document(path.removeprefix("/ui/docs/")) if path else made
        assert other is not None, address
        assert not anchor or f'id="{anchor}"' in other.html, address


def test_heads_of_columns_are_named_or_none(pages: Pages) -> None:
    """A reader of the screen is told what a column is; an empty head is no head."""
    page = pages.get("/ui/docs/benchmarks")
    assert '<th scope="col"' in page
    assert not re.search(r"<th[^>]*></th>", page)


@pytest.mark.parametrize("path", ["/ui/docs/nothing", "/ui/docs/../setup", "/ui/docs/man/x"])
def test_what_is_no_document_is_not_found(pages: Pages, path: str) -> None:
    """The answer says where all of them are."""
    answer = pages.answer(path)
    assert answer.status == 404
